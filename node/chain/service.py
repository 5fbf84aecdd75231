"""The chain room's door: what the daemon starts, and what engine and outbox call.

Joins the link, the follower and the transaction manager, and loads web3 in a worker thread once it
runs. Endpoints that go away in the middle of anything are a wait. Nothing here decides anything.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import trio

from contracts.loader import load_artifact
from node.chain.deployment import verify_deployment
from node.chain.errors import ChainError, NoCodeAtAddress, NoTokenAtAddress, WrongChain
from node.chain.fees import Moment
from node.chain.follower import ChainFollower
from node.chain.link import ChainTrouble, EndpointLink
from node.chain.quorum import Quorum
from node.chain.rpc_client import RECURSION_COUNT_MAX
from node.chain.tx_inbox import TransactionInbox
from node.chain.wire import Header, quantity
from node.limits import BLOCK_TIME_S
from protocols.effects import BroadcastTransaction, ReadHoldings, SubmitTransaction
from protocols.inputs import Input
from protocols.types import Address, Bytes32, ChannelId, to_hex

if TYPE_CHECKING:
    from node.chain.log_decoder import LogDecoder
    from node.chain.tx_manager import TransactionManager

__all__ = [
    "ChainError",
    "ChainService",
    "ChainStatistics",
    "NoCodeAtAddress",
    "NoTokenAtAddress",
    "WrongChain",
    "verify_deployment",
]


FEE_CEILING_WEI = 500 * 10**9
"""Wei per gas: what is bid at most where the owner says nothing."""


@dataclass(frozen=True)
class ChainStatistics:
    """Where the chain room stands."""

    connected: bool
    head_block_num: int | None
    """Newest block whose logs were handed over as observed; None before the first."""
    processed_block_num: int | None
    """Newest block whose logs were handed over as confirmed; None before the first."""
    endpoint: str
    """The endpoint in use, without its path; empty when there is none."""


class Funds(NamedTuple):
    """What an account can pay for."""

    balance_wei: int
    gas_price_wei: int
    """What endpoints suggest for a unit of gas."""
    unmined_count: int
    """Its transactions that wait to be mined, as far as the endpoint knows."""


class _Loaded(NamedTuple):
    decoder: LogDecoder
    manager: TransactionManager


class ChainService:
    """Follows one adjudicator and gets one key's transactions mined.

    `urls` in order of preference (ws, wss, http or https), of which `quorum` must agree on what
    counts; `secret` is the 32-byte key that pays for transactions, at most `fee_ceiling_wei` for a
    unit of gas; `submit` takes inputs and may make us wait; `clock_s` is Unix time, which dates
    blocks; logs of channels that `is_known` denies are left out. Raises `ValueError` for a URL that
    cannot be used, and for a quorum above the number of them.
    """

    def __init__(
        self,
        *,
        urls: Sequence[str],
        chain_id: int,
        adjudicator: Address,
        secret: bytes,
        confirmation_count: int,
        submit: Callable[[Input], Awaitable[None]],
        fee_ceiling_wei: int = FEE_CEILING_WEI,
        quorum: int = 1,
        clock_s: Callable[[], float] = time.time,
        is_known: Callable[[ChannelId], bool] = lambda channel_id: True,
    ) -> None:
        self._clock_s = clock_s
        self._chain_id = chain_id
        self._adjudicator = adjudicator
        self._secret = secret
        self._confirmation_count = confirmation_count
        self._submit = submit
        self._fee_ceiling_wei = fee_ceiling_wei
        self._inbox = TransactionInbox()
        self._manager: TransactionManager | None = None
        self._link = EndpointLink(urls, chain_id, {"adjudicator": adjudicator})
        self._quorum = Quorum(urls, quorum, chain_id, {"adjudicator": adjudicator})
        self._follower = ChainFollower(
            self._link,
            adjudicator=adjudicator,
            confirmation_count=confirmation_count,
            submit=submit,
            on_head=self._on_head,
            quorum=self._quorum,
            clock_s=clock_s,
            is_known=is_known,
        )

    async def run(
        self,
        processed_block_num: int | None,
        known_blocks: Mapping[int, Bytes32] | None = None,
        nonce_min: int = 0,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Follow and work until cancelled.

        Everything above `processed_block_num` is delivered, also what was delivered before a
        restart; None, for a new node, begins a day of blocks below the head. `known_blocks`: number
        and hash of the blocks of logs that are recorded but not confirmed, and of the processed
        block; one that was replaced while the node was down is answered by a `ChainReorg`.
        `nonce_min`: above the nonces of what was mined in blocks that are not confirmed.

        Started at once: an endpoint that is not there yet, and the second that web3 takes to load,
        are waits inside.
        """
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._link.run)
            nursery.start_soon(self._quorum.run)
            loaded = await trio.to_thread.run_sync(self._load, nonce_min)
            nursery.start_soon(
                self._follower.run, loaded.decoder, processed_block_num, known_blocks or {}
            )
            self._manager = loaded.manager
            nursery.start_soon(loaded.manager.run)

    def request(self, effect: SubmitTransaction) -> None:
        """Sign the call of an intent: answered by `TransactionSigned` or `TransactionRefused`.

        An intent that is signed already is not signed again. The next intent is signed once this
        one was given to `broadcast` or `settle`.
        """
        self._inbox.request(effect)

    def broadcast(self, effect: BroadcastTransaction) -> None:
        """Send bytes that are on disk, again and again: answered by `TransactionReceipt`.

        A fork that moves the transaction to another block is answered by another receipt; a nonce
        lost to a foreign use of the key by `TransactionRefused`. After a restart call this for
        everything unsettled before `request`.
        """
        self._inbox.broadcast(effect)

    def settle(self, intent_id: Bytes32) -> None:
        """The intent is over: report nothing more about it."""
        self._inbox.settle(intent_id)

    async def funds(self, account: Address) -> Funds:
        """What the account can pay for, at the newest block. Raises `EndpointDown`, `RpcError` or
        `MalformedAnswer`; waits while no endpoint is connected."""
        named = to_hex(account)
        answers = [
            await self._link.call("eth_getBalance", [named, "latest"]),
            await self._link.call("eth_gasPrice", []),
            await self._link.call("eth_getTransactionCount", [named, "pending"]),
            await self._link.call("eth_getTransactionCount", [named, "latest"]),
        ]
        balance, price, pending, mined = (quantity(found, "funds", 256) for found in answers)
        return Funds(balance, price, max(0, pending - mined))

    def read(self, effect: ReadHoldings) -> None:
        """Ask the adjudicator about a channel: answered by `ChannelRead`, among the logs."""
        self._follower.read_holdings(effect.channel_id, effect.asset)

    def view_age_s(self, now: float) -> float:
        """How old what we know of the chain is, in seconds (M11); infinite before the first head.

        `now` is `trio.current_time()`. The larger of two ages: since an endpoint last showed our
        head as its newest, and of that head by its own timestamp, because an endpoint that stopped
        syncing shows the same head for ever. With `confirmation_count` 0 the first counts alone:
        such a chain is a development chain that mines on demand, where an old head is the newest
        there is, and money waits for no depth that a stuck endpoint could hide.
        """
        head, seen_at = self._follower.head, self._follower.seen_at
        if head is None or seen_at == -math.inf:
            return math.inf
        shown_age_s = max(0.0, now - seen_at)
        if self._confirmation_count == 0:
            return shown_age_s
        return max(shown_age_s, self._clock_s() - head.timestamp_s)

    def troubles(self) -> list[ChainTrouble]:
        """What is wrong now that a person should know."""
        found = self._link.troubles() + self._quorum.troubles()
        if self._follower.is_stalled:
            what = f"the newest block of {self._link.endpoint or 'the last endpoint'} is old"
            found.append(
                ChainTrouble(
                    "chain-stalled",
                    what,
                    "stop the node, add an endpoint and type: tally run -c DIR --set "
                    "chain.urls=URL,URL",
                )
            )
        return found if self._manager is None else found + self._manager.troubles()

    def blocks_until(self, time_s: int) -> int | None:
        """Blocks that will be mined until then, Unix seconds; None before the first head."""
        return None if self._follower.head is None else self._moment().blocks_until(time_s)

    def statistics(self) -> ChainStatistics:
        """Where we stand now."""
        head, cursor = self._follower.head, self._follower.cursor
        return ChainStatistics(
            connected=self._link.connected,
            head_block_num=head.number if head is not None else None,
            processed_block_num=cursor.number if cursor is not None else None,
            endpoint=self._link.endpoint,
        )

    def _on_head(self, head: Header) -> None:
        self._inbox.wake()

    def _moment(self) -> Moment:
        head, now_s = self._follower.head, int(self._clock_s())
        if head is None:
            return Moment(0, now_s, BLOCK_TIME_S)
        return Moment(head.number, max(head.timestamp_s, now_s), self._follower.block_time_s)

    def _load(self, nonce_min: int) -> _Loaded:
        """Everything that imports web3; in a worker thread, for it takes a second."""
        from node.chain.log_decoder import LogDecoder
        from node.chain.provider import web3_over
        from node.chain.transactions import TransactionMaker
        from node.chain.tx_manager import TransactionManager

        # py_ecc, loaded with web3, raises the whole process's limit to 100,000, and then anything a
        # stranger nests deeply enough runs off the stack. What it wants that for is not used here.
        sys.setrecursionlimit(min(sys.getrecursionlimit(), RECURSION_COUNT_MAX))
        abi = load_artifact("NitroAdjudicator").abi
        maker = TransactionMaker(
            web3_over(self._link),
            self._secret,
            self._chain_id,
            abi,
            fee_ceiling_wei=self._fee_ceiling_wei,
        )
        manager = TransactionManager(
            self._link,
            maker,
            self._inbox,
            confirmation_count=self._confirmation_count,
            moment=self._moment,
            submit=self._submit,
            nonce_min=nonce_min,
            quorum=self._quorum,
        )
        return _Loaded(LogDecoder(abi, self._adjudicator), manager)
