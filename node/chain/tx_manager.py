"""Gets the node's transactions mined, each once: signs with nonces it owns, sends until buried.

An intent goes through: simulated and signed (`signing`, `TransactionSigned`), allowed out once that
is on the node's disk (`broadcast`), sent and sent again, mined (`TransactionReceipt`), buried. One
that is not mined is signed anew under its nonce (`bidding`), and let out the same way. One that a
fork dropped is sent again, lowest nonce first, also when its intent is settled, because every later
nonce waits for it. Signing and watching go on side by side. Logs decide what a transaction meant;
this module does not know.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog
import trio
from web3.exceptions import Web3Exception

from node.chain.bidding import Bidder
from node.chain.broadcasting import SWALLOWED_BLOCK_COUNT, Broadcaster
from node.chain.errors import EndpointDown, RpcError
from node.chain.fees import Moment
from node.chain.link import ChainTrouble, EndpointLink
from node.chain.nonces import GapWatch, OwnedTransaction
from node.chain.quorum import Outvoted, Quorum
from node.chain.rpc_client import RpcClient
from node.chain.side_by_side import side_by_side
from node.chain.signing import IntentSigner
from node.chain.transactions import TransactionMaker
from node.chain.tx_desk import TransactionDesk
from node.chain.tx_inbox import TransactionInbox
from node.chain.tx_reader import TransactionReader
from node.chain.wire import MalformedAnswer
from protocols.inputs import Input, NonceMissing, TransactionReceipt, TransactionRefused
from protocols.types import Address, checksum_address, to_hex

WATCH_INTERVAL_S = 3.0
"""Seconds between looks at unmined transactions when no block arrives."""
UNFOUND_BLOCK_COUNT = 2
"""Blocks after which an endpoint that has a block must find the transactions in it."""
NO_RECEIPT = "no receipt"
"""The vote of an endpoint that has the block and not the transaction."""
NONCE_TAKEN = "nonce taken by another transaction"
"""Why a signed transaction can never be mined: somebody else uses this key."""

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
        quorum: Quorum | None = None,
    ) -> None:
        self._link = link
        self._quorum = quorum
        self._broadcaster = Broadcaster(link, quorum.lines if quorum is not None else ())
        self._sender = maker.sender
        self._inbox = inbox
        self._depth = confirmation_count
        self._submit = submit
        self._desk = TransactionDesk(inbox, moment, nonce_min)
        self._reader = TransactionReader(link, maker.sender)
        self._signer = IntentSigner(self._desk, maker, self._reader, link=link, submit=submit)
        self._bidder = Bidder(self._desk, maker, submit)
        self._gaps = GapWatch()
        self._looked = (-1, 0.0)
        """The newest block and our clock when everything was looked at."""

    def troubles(self) -> list[ChainTrouble]:
        """What keeps transactions from being mined that only a person can mend."""
        missing = self._gaps.missing
        found = [] if missing is None else [_gap_trouble(missing, self._sender)]
        return found + self._desk.troubles() + self._broadcaster.troubles()

    async def run(self) -> None:
        """Work for ever; an endpoint's trouble is a wait."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._broadcaster.run)
            nursery.start_soon(self._keep_at, self._signer.sign_all)
            nursery.start_soon(self._keep_at, self._watch_all)

    async def _keep_at(self, work: Callable[[], Awaitable[None]]) -> None:
        said = ""
        while True:
            seen_count = self._inbox.news_count
            client = await self._link.client()
            trouble = ""
            try:
                await work()
            except EndpointDown:
                continue
            except (RpcError, Web3Exception) as error:
                trouble = f"the endpoint did not help: {error}"
            except MalformedAnswer as error:
                trouble = f"the endpoint did not help: {error}"
                self._link.blame(client, f"malformed answer: {error}")
            if trouble and trouble != said:
                log.warning("transactions wait", reason=trouble)
            said = trouble
            is_idle = not self._desk.book.in_order() and not self._inbox.requests()
            with trio.move_on_after(float("inf") if is_idle else WATCH_INTERVAL_S):
                await self._inbox.wait(seen_count)

    async def _watch_all(self) -> None:
        self._desk.take_orders()
        is_due = self._is_look_due()
        allowed = [owned for owned in self._desk.book.in_order() if owned.may_broadcast]
        # Between two blocks only what is new is sent: who has many to answer must be quick.
        await self._watch([owned for owned in allowed if is_due or not owned.was_looked_at])
        if is_due:
            waiting = [one for one in self._desk.book.in_order() if one.may_broadcast]
            unmined = [one for one in waiting if not one.is_mined]
            await self._look_for_gap(unmined[0] if unmined else None)
            await self._look_for_swallowed(unmined)
            await self._bidder.bid_higher(unmined)

    def _is_look_due(self) -> bool:
        """Whether a block came, or time passed, since everything was looked at."""
        block_num, now = self._desk.moment().block_num, trio.current_time()
        looked_num, looked_at = self._looked
        if block_num == looked_num and now < looked_at + WATCH_INTERVAL_S:
            return False
        self._looked = (block_num, now)
        return True

    async def _look_for_gap(self, waiting: OwnedTransaction | None) -> None:
        """Tell a person when a nonce below ours is missing, and ask for it to be filled unless its
        transaction lies in a pool still: then it is its owner's to bid more."""
        lowest_unmined = None if waiting is None else waiting.nonce
        mined_count = await self._reader.count("latest") if lowest_unmined is not None else 0
        missing = self._gaps.look(lowest_unmined, mined_count, trio.current_time())
        if missing is not None:
            log.error(
                "transactions wait for a nonce that is missing",
                missing_nonce=missing[0],
                waiting_nonce=lowest_unmined,
                next_step=_gap_trouble(missing, self._sender).next_step,
            )
            assert waiting is not None, "something waits for it"
            if await self._signer.is_missing(missing[0]):
                deadline_s = self._desk.book.urgent_deadline(waiting.nonce)
                place = (missing[0], len(missing), deadline_s)
                await self._submit(NonceMissing(waiting.intent_id, *place))

    async def _look_for_swallowed(self, unmined: Sequence[OwnedTransaction]) -> None:
        """Find endpoints that do not know what they were given; the lowest nonce tells."""
        due_num = self._desk.moment().block_num - SWALLOWED_BLOCK_COUNT
        sent = [owned for owned in unmined if 0 <= owned.sent_num <= due_num]
        if sent:
            await self._broadcaster.look_for(sent[0].tx_hash)

    async def _watch(self, looked_at: Sequence[OwnedTransaction]) -> None:
        """Mined: report it, and forget it once buried. Not mined: send it (again)."""
        names = [owned.tx_hash for owned in looked_at]
        receipts = await side_by_side(self._receipt, looked_at)
        unmined: list[OwnedTransaction] = []
        for owned, receipt in zip(looked_at, receipts, strict=True):
            owned.is_mined = receipt is not None
            if receipt is None:
                unmined.append(owned)
            else:
                await self._report(owned, receipt)
        await side_by_side(self._send, unmined)
        for owned, name in zip(looked_at, names, strict=True):
            # A higher bid may have been let out meanwhile, and has not been sent then.
            owned.was_looked_at = owned.tx_hash == name

    async def _receipt(self, owned: OwnedTransaction) -> TransactionReceipt | None:
        """What the chain did with it, once that counts."""
        if not owned.may_be_mined:
            return None
        client = await self._link.client()
        # Of this very client: another may be in use by the time that others are asked.
        found = await TransactionReader(client, self._sender).receipt(owned)
        if found is None or self._quorum is None or not self._quorum.is_needed:
            return found
        if found.block_hash == owned.reported_block_hash and not self._is_buried(found):
            return found
        try:
            return found if await self._agree_on(client, owned, found) else None
        except Outvoted as error:
            self._link.blame(client, str(error))
            return None

    async def _agree_on(
        self, used: RpcClient, owned: OwnedTransaction, ours: TransactionReceipt
    ) -> bool:
        """Whether enough endpoints have the same receipt in the same block."""
        assert self._quorum is not None
        age = self._desk.moment().block_num - ours.block_num

        async def ask(client: RpcClient) -> TransactionReceipt | str | None:
            reader = TransactionReader(client, self._sender)
            if not await reader.has_block(ours.block_num, ours.block_hash):
                return None
            found = await reader.receipt(owned)
            # Some show a block a moment before they find what is in it.
            return (NO_RECEIPT if age >= UNFOUND_BLOCK_COUNT else None) if found is None else found

        what = f"transaction {to_hex(ours.tx_hash)}"
        return await self._quorum.agrees(used, what, ours, ask, may_wait=True)

    def _is_buried(self, receipt: TransactionReceipt) -> bool:
        return self._desk.moment().block_num - receipt.block_num >= self._depth

    async def _report(self, owned: OwnedTransaction, receipt: TransactionReceipt) -> None:
        is_new = owned.reported_block_hash != receipt.block_hash
        owned.reported_block_hash = receipt.block_hash
        if is_new and not owned.settled:
            await self._submit(receipt)
        if self._is_buried(receipt):
            self._desk.forget(owned.intent_id)

    async def _send(self, owned: OwnedTransaction) -> None:
        owned.may_be_mined = True
        if owned.sent_num < 0 < self._desk.moment().block_num:
            owned.sent_num = self._desk.moment().block_num
        self._broadcaster.offer(owned.tx_hash, owned.raw)
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
        if await self._reader.knows(owned.tx_hash):
            return
        buried_num = max(0, self._desk.moment().block_num - self._depth)
        if await self._reader.count(hex(buried_num)) <= owned.nonce:
            if not self._broadcaster.was_taken(owned.tx_hash):
                self._desk.say(owned.intent_id, f"not taken yet: {error}")
        elif await self._reader.receipt(owned) is None:
            name = to_hex(owned.tx_hash)
            log.error("transaction lost", tx_hash=name, nonce=owned.nonce, reason=NONCE_TAKEN)
            self._desk.forget(owned.intent_id)
            if not owned.settled:
                await self._submit(TransactionRefused(owned.intent_id, NONCE_TAKEN))


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
