"""Gets the node's transactions mined, each once: signs with nonces it owns, sends until buried.

An intent goes through: simulated, signed (`TransactionSigned`), allowed out once that is on the
node's disk (`broadcast`), sent and sent again, mined (`TransactionReceipt`), buried. One that is
not mined is signed anew under its nonce, with the fees of `fees` (`TransactionReplaced`), and let
out the same way. One that a fork dropped is sent again, lowest nonce first, also when its intent is
settled, because every later nonce waits for it. Logs decide what a transaction meant; this module
does not know.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
import trio
from web3.exceptions import Web3Exception

from node.chain.errors import EndpointDown, RpcError
from node.chain.fees import Market, Moment, Standing, is_held_back, next_bid
from node.chain.link import ChainTrouble, EndpointLink
from node.chain.nonces import GapWatch, NonceBook, OwnedTransaction
from node.chain.standing import is_standing
from node.chain.transactions import (
    AboveCeiling,
    EndpointBehind,
    GasNotCovered,
    Prepared,
    TransactionMaker,
    WouldRevert,
    opened,
)
from node.chain.tx_inbox import TransactionInbox
from node.chain.wire import MalformedAnswer, data, quantity, recordable
from protocols.effects import SubmitTransaction
from protocols.inputs import (
    Input,
    NonceMissing,
    TransactionHeldBack,
    TransactionReceipt,
    TransactionRefused,
    TransactionReplaced,
    TransactionSigned,
)
from protocols.transactions import (
    OUT_OF_GAS,
    OUTCOME_MISMATCH,
    REPLACEMENT_COUNT_MAX,
    REVERTED,
    filled_nonce,
)
from protocols.types import Address, Bytes32, checksum_address, to_hex

WATCH_INTERVAL_S = 3.0
"""Seconds between looks at unmined transactions when no block arrives."""
DISK_WAIT_S_MAX = 60.0
"""Seconds until a signed transaction that was neither let out nor settled is dropped: a bug of the
engine's must not keep every later transaction, defence included, from being signed."""
NONCE_BITS = 63
"""A count of transactions: the nonces above it must still fit 64 bits."""
NONCE_TAKEN = "nonce taken by another transaction"
"""Why a signed transaction can never be mined: somebody else uses this key."""
NONCE_NOT_MISSING = "the nonce is not missing any more"
"""Why a nonce is not filled."""

log = structlog.get_logger()


class TransactionManager:
    """Works off an inbox with one key, through whatever endpoint `link` has."""

    def __init__(
        self,
        link: EndpointLink,
        maker: TransactionMaker,
        inbox: TransactionInbox,
        *,
        confirmation_count: int,
        moment: Callable[[], Moment],
        submit: Callable[[Input], Awaitable[None]],
        nonce_min: int = 0,
    ) -> None:
        self._link = link
        self._maker = maker
        self._inbox = inbox
        self._depth = confirmation_count
        self._moment = moment
        self._submit = submit
        self._book = NonceBook(nonce_min)
        self._gaps = GapWatch()
        self._said: dict[Bytes32 | None, str] = {}
        self._signed_at = 0.0
        self._looked = (-1, 0.0)
        """The newest block and our clock when everything was looked at."""

    def troubles(self) -> list[ChainTrouble]:
        """What keeps transactions from being mined that only a person can mend."""
        missing = self._gaps.missing
        found = [] if missing is None else [_gap_trouble(missing, self._maker.sender)]
        for intent_id, reason in self._said.items():
            if intent_id is not None:
                found.append(
                    ChainTrouble(
                        "transaction-waits",
                        reason,
                        "mend what is in the way, no restart is needed; whether it goes on tells: "
                        "tally objectives",
                        intent_id,
                    )
                )
        return found

    async def run(self) -> None:
        """Work for ever; an endpoint's trouble is a wait."""
        while True:
            client = await self._link.client()
            try:
                await self._look_around()
                self._said.pop(None, None)
            except EndpointDown:
                continue
            except (RpcError, Web3Exception) as error:
                self._say(None, f"the endpoint did not help: {error}")
            except MalformedAnswer as error:
                self._say(None, f"the endpoint did not help: {error}")
                self._link.blame(client, f"malformed answer: {error}")
            is_idle = not self._book.in_order() and not self._inbox.requests()
            with trio.move_on_after(float("inf") if is_idle else WATCH_INTERVAL_S):
                await self._inbox.wait()

    async def _look_around(self) -> None:
        self._take_orders()
        is_due = self._is_look_due()
        for owned in self._book.in_order():
            # Between two blocks only what is new is sent: who has many to answer must be quick.
            if owned.may_broadcast and (is_due or not owned.was_looked_at):
                owned.is_mined = await self._watch(owned)
                owned.was_looked_at = True
        if is_due:
            waiting = [one for one in self._book.in_order() if one.may_broadcast]
            unmined = [one for one in waiting if not one.is_mined]
            await self._look_for_gap(unmined[0] if unmined else None)
            await self._bid_higher(unmined)
        for effect in self._inbox.requests():
            self._take_orders()
            if self._book.waits_for_disk() and not self._gave_up_waiting():
                return
            if effect.intent_id in self._book:
                self._inbox.finish_request(effect.intent_id)
            else:
                await self._try_to_sign(effect)

    def _is_look_due(self) -> bool:
        """Whether a block came, or time passed, since everything was looked at."""
        block_num, now = self._moment().block_num, trio.current_time()
        looked_num, looked_at = self._looked
        if block_num == looked_num and now < looked_at + WATCH_INTERVAL_S:
            return False
        self._looked = (block_num, now)
        return True

    def _take_orders(self) -> None:
        """Broadcasts come first: the nonces they own must be known before one is given away."""
        for effect in self._inbox.take_broadcasts():
            owned = self._book.get(effect.intent_id)
            if owned is None:
                _, nonce = opened(effect.raw)
                now_s = self._moment().time_s
                name, raw = effect.tx_hash, effect.raw
                owned = OwnedTransaction(effect.intent_id, name, nonce, raw)
                owned.began_s = owned.bid_s = now_s
                self._book.own(owned)
            owned.let_out(effect)
            self._book.allow_broadcast(effect.intent_id)
        for intent_id in self._inbox.take_settled():
            owned = self._book.get(intent_id)
            if owned is None:
                continue
            if owned.may_broadcast:
                owned.settled = True
            else:
                self._forget(intent_id)

    async def _try_to_sign(self, effect: SubmitTransaction) -> None:
        missing = filled_nonce(effect.kind)
        if missing is not None and not await self._is_missing(missing):
            if self._inbox.finish_request(effect.intent_id):
                await self._submit(TransactionRefused(effect.intent_id, NONCE_NOT_MISSING))
            return
        try:
            prepared = await self._maker.prepare(effect, self._moment())
        except WouldRevert as error:
            stands = await is_standing(self._link, effect.to, effect.data)
            reason = recordable(error.reason) if stands else OUTCOME_MISMATCH
            if self._inbox.finish_request(effect.intent_id):
                log.warning("transaction refused", kind=effect.kind, reason=reason)
                await self._submit(TransactionRefused(effect.intent_id, reason))
            return
        except (GasNotCovered, AboveCeiling, EndpointBehind) as error:
            self._say(effect.intent_id, f"cannot sign yet: {error}")
            return
        sender = self._maker.sender
        pending_count = await self._count(sender, "pending")
        # More may have been allowed out while the endpoint was asked.
        self._take_orders()
        if not self._inbox.finish_request(effect.intent_id):
            return
        nonce = self._book.next_nonce(pending_count) if missing is None else missing
        signed = self._maker.sign(prepared, nonce)
        now_s, end_s = self._moment().time_s, effect.deadline_s
        owned = OwnedTransaction(effect.intent_id, signed.tx_hash, signed.nonce, signed.raw, end_s)
        owned.began_s = owned.bid_s = now_s
        self._book.own(owned)
        self._said.pop(effect.intent_id, None)
        self._signed_at = trio.current_time()
        await self._submit(
            TransactionSigned(effect.intent_id, signed.tx_hash, sender, signed.nonce, signed.raw)
        )

    def _gave_up_waiting(self) -> bool:
        """Whether the transaction that waits for the disk has waited too long; it is dropped."""
        if trio.current_time() - self._signed_at < DISK_WAIT_S_MAX:
            return False
        for owned in self._book.in_order():
            if not owned.may_broadcast:
                log.error("signed transaction was never let out", nonce=owned.nonce)
                self._forget(owned.intent_id)
        return True

    async def _is_missing(self, nonce: int) -> bool:
        """Whether neither the chain nor a pool has a transaction with that nonce, nor have we."""
        if any(owned.nonce == nonce for owned in self._book.in_order()):
            return False
        sender = self._maker.sender
        return await self._count(sender, "latest") <= nonce >= await self._count(sender, "pending")

    async def _look_for_gap(self, waiting: OwnedTransaction | None) -> None:
        """Tell a person when a nonce below ours is missing, and ask for it to be filled unless its
        transaction lies in a pool still: then it is its owner's to bid more."""
        sender = self._maker.sender
        lowest_unmined = None if waiting is None else waiting.nonce
        mined_count = await self._count(sender, "latest") if lowest_unmined is not None else 0
        missing = self._gaps.look(lowest_unmined, mined_count, trio.current_time())
        if missing is not None:
            log.error(
                "transactions wait for a nonce that is missing",
                missing_nonce=missing[0],
                waiting_nonce=lowest_unmined,
                next_step=_gap_trouble(missing, sender).next_step,
            )
            assert waiting is not None, "something waits for it"
            if await self._is_missing(missing[0]):
                deadline_s = self._book.urgent_deadline(waiting.nonce)
                place = (missing[0], len(missing), deadline_s)
                await self._submit(NonceMissing(waiting.intent_id, *place))

    async def _bid_higher(self, unmined: Sequence[OwnedTransaction]) -> None:
        """Sign anew what is not mined in time; what the owner's ceiling forbids is told."""
        now = trio.current_time()
        waiting = [
            owned
            for owned in unmined
            if not owned.settled and now - owned.offered_at >= DISK_WAIT_S_MAX
        ]
        if not waiting:
            return
        market, moment = await self._maker.market(), self._moment()
        for owned in waiting:
            prepared, _ = opened(owned.raw)
            deadline_s = self._book.urgent_deadline(owned.nonce)
            standing = Standing(prepared.fees, owned.step, owned.began_s, owned.bid_s, deadline_s)
            await self._offer(owned, prepared, standing, market, moment)

    async def _offer(
        self,
        owned: OwnedTransaction,
        prepared: Prepared,
        standing: Standing,
        market: Market,
        moment: Moment,
    ) -> None:
        ceiling_wei = self._maker.fee_ceiling_wei
        if next_bid(standing, market, moment, ceiling_wei) is not None:
            ceiling_wei = await self._maker.ceiling_for(prepared)
        bid = next_bid(standing, market, moment, ceiling_wei)
        if is_held_back(standing, market, moment, ceiling_wei) and not owned.held_back:
            owned.held_back = True
            blocks_left = moment.blocks_until(standing.deadline_s)
            place = (market.base_fee_wei, ceiling_wei, moment.block_num, blocks_left)
            await self._submit(TransactionHeldBack(owned.intent_id, *place))
        if bid is None or len(owned.earlier) >= REPLACEMENT_COUNT_MAX:
            return
        signed = self._maker.sign(prepared._replace(fees=bid.fees), owned.nonce)
        owned.step, owned.bid_s, owned.offered_at = bid.step, moment.time_s, trio.current_time()
        log.info("transaction bids more", nonce=owned.nonce, reason=bid.reason, fees=bid.fees)
        await self._submit(
            TransactionReplaced(
                owned.intent_id,
                owned.tx_hash,
                signed.tx_hash,
                owned.nonce,
                (prepared.fees.max_fee_wei, prepared.fees.priority_fee_wei),
                (bid.fees.max_fee_wei, bid.fees.priority_fee_wei),
                signed.raw,
                bid.reason.value,
            )
        )

    async def _watch(self, owned: OwnedTransaction) -> bool:
        """Mined: report it, and forget it once buried. Not mined: send it (again).

        False while it is not mined and may be yet.
        """
        receipt = await self._receipt(owned)
        if receipt is None:
            await self._send(owned)
            return owned.intent_id not in self._book
        if owned.reported_block_hash != receipt.block_hash and not owned.settled:
            await self._submit(receipt)
        owned.reported_block_hash = receipt.block_hash
        if self._moment().block_num - receipt.block_num >= self._depth:
            self._forget(owned.intent_id)
        return True

    async def _send(self, owned: OwnedTransaction) -> None:
        try:
            await self._link.call("eth_sendRawTransaction", [to_hex(owned.raw)])
        except RpcError as error:
            await self._judge_refusal(owned, error)
        else:
            log.info("transaction sent", tx_hash=to_hex(owned.tx_hash), nonce=owned.nonce)

    async def _judge_refusal(self, owned: OwnedTransaction, error: RpcError) -> None:
        """An endpoint that will not take our bytes has them already, or never will, or not yet.

        Its words differ from client to client, so they are not read: what counts is whether it
        knows the transaction, and whether another one with our nonce is buried.
        """
        name = to_hex(owned.tx_hash)
        if await self._link.call("eth_getTransactionByHash", [name]) is not None:
            return
        buried_num = max(0, self._moment().block_num - self._depth)
        if await self._count(self._maker.sender, hex(buried_num)) <= owned.nonce:
            self._say(owned.intent_id, f"not taken yet: {error}")
        elif await self._receipt(owned) is None:
            log.error("transaction lost", tx_hash=name, nonce=owned.nonce, reason=NONCE_TAKEN)
            self._forget(owned.intent_id)
            if not owned.settled:
                await self._submit(TransactionRefused(owned.intent_id, NONCE_TAKEN))

    async def _receipt(self, owned: OwnedTransaction) -> TransactionReceipt | None:
        """The receipt of whichever of its transactions was mined, or None."""
        for tx_hash in owned.tx_hashes:
            found = await self._receipt_of(owned, tx_hash)
            if found is not None:
                return found
        return None

    async def _receipt_of(
        self, owned: OwnedTransaction, tx_hash: Bytes32
    ) -> TransactionReceipt | None:
        name = to_hex(tx_hash)
        answer: Any = await self._link.call("eth_getTransactionReceipt", [name])
        if answer is None:
            return None
        if not isinstance(answer, dict) or answer.get("transactionHash") != name:
            raise MalformedAnswer(f"asked for the receipt of {name}, got {str(answer)[:80]}")
        gas_used = quantity(answer.get("gasUsed"), "gas used")
        succeeded = quantity(answer.get("status"), "receipt status", 1) == 1
        return TransactionReceipt(
            intent_id=owned.intent_id,
            tx_hash=tx_hash,
            block_num=quantity(answer.get("blockNumber"), "receipt block number"),
            block_hash=data(answer.get("blockHash"), "receipt block hash", 32),
            gas_used=gas_used,
            gas_price=quantity(answer.get("effectiveGasPrice"), "effective gas price", 256),
            succeeded=succeeded,
            failure="" if succeeded else _failure(gas_used, opened(owned.raw)[0].gas_limit),
        )

    async def _count(self, sender: bytes, block: str) -> int:
        answer = await self._link.call("eth_getTransactionCount", [to_hex(sender), block])
        return quantity(answer, "transaction count", NONCE_BITS)

    def _forget(self, intent_id: Bytes32) -> None:
        self._book.forget(intent_id)
        self._said.pop(intent_id, None)

    def _say(self, intent_id: Bytes32 | None, trouble: str) -> None:
        """One line per change, not per try."""
        if self._said.get(intent_id) != trouble:
            self._said[intent_id] = trouble
            name = to_hex(intent_id) if intent_id is not None else ""
            log.warning("transaction waits", intent_id=name, reason=trouble)


def _failure(gas_used: int, gas_limit: int) -> str:
    """A call inside a call leaves a 64th of its gas when it runs out of it."""
    return OUT_OF_GAS if gas_used * 64 >= gas_limit * 63 else REVERTED


def _gap_trouble(missing: range, sender: Address) -> ChainTrouble:
    address = checksum_address(sender)
    return ChainTrouble(
        "nonce-missing",
        f"transactions wait for nonce {missing[0]} of {address}, which somebody else used and the "
        "chain does not have",
        "wait: unless what used it still lies in a pool, this node fills it by sending nothing to "
        f"itself. Else send any transaction with nonce {missing[0]} from {address} (and so on, up "
        f"to {missing[-1]}), for example: cast send --nonce {missing[0]} --value 0 {address} "
        "--keystore DIR/keystore.json --rpc-url URL; what is signed keeps its nonce, and is mined "
        "after that without a restart",
    )
