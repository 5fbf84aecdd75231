"""A chain room on a real local chain: contracts, a key with money, inputs kept in order."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import trio

from contracts.loader import load_artifact
from node.chain.service import ChainService
from protocols.abi import encode_deposit_call
from protocols.effects import BroadcastTransaction, SubmitTransaction
from protocols.inputs import (
    ChainHead,
    ChainLog,
    ChainReorg,
    Input,
    TransactionReceipt,
    TransactionRefused,
    TransactionReplaced,
    TransactionSigned,
)
from protocols.types import Address, parse_address
from tests.support.actors import ALICE
from tests.support.anvil import AnvilProcess, start_anvil
from tests.support.contract_calls import Contract, Rpc

CHAIN_ID = 31_337
NATIVE = bytes(20)
TEST_LIMIT_S = 60.0
"""No wait of these tests is longer: what has not come by then never will."""

OneInput = TypeVar("OneInput", bound=Input)


class Inbox:
    """A `Submit` that keeps every input in the order it came."""

    def __init__(self) -> None:
        self.items: list[Input] = []
        self._changed = trio.Event()

    async def __call__(self, item: Input, /) -> None:
        self.items.append(item)
        changed, self._changed = self._changed, trio.Event()
        changed.set()
        await trio.lowlevel.checkpoint()

    def of(self, kind: type[OneInput]) -> list[OneInput]:
        """All inputs of one class so far."""
        return [item for item in self.items if isinstance(item, kind)]

    @property
    def observed(self) -> list[ChainLog]:
        """Logs at depth 0, in order."""
        return [item for item in self.of(ChainLog) if not item.confirmed]

    @property
    def confirmed(self) -> list[ChainLog]:
        """Confirmed logs, in order."""
        return [item for item in self.of(ChainLog) if item.confirmed]

    @property
    def reorgs(self) -> list[ChainReorg]:
        """Forks, in order."""
        return self.of(ChainReorg)

    @property
    def heads(self) -> list[ChainHead]:
        """Reports of the confirmed cursor, in order."""
        return self.of(ChainHead)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until the condition holds; asked again after every input."""
        with trio.fail_after(TEST_LIMIT_S):
            while not condition():
                await self._changed.wait()

    async def first(self, kind: type[OneInput]) -> OneInput:
        """The first input of a class, waiting for it."""
        await self.until(lambda: self.of(kind))
        return self.of(kind)[0]


@dataclass(frozen=True)
class World:
    """A chain with our adjudicator and a funded key of the node's."""

    anvil: AnvilProcess
    rpc: Rpc
    adjudicator: Contract

    @property
    def address(self) -> Address:
        """The adjudicator."""
        return parse_address(self.adjudicator.address)

    @property
    def urls(self) -> tuple[str, ...]:
        """The chain's one endpoint."""
        return (self.anvil.ws_url,)

    @property
    def head_num(self) -> int:
        """The newest block."""
        return int(self.rpc.ask("eth_blockNumber"), 16)

    def deposit(self, number: int) -> None:
        """A stranger deposits `number` wei into channel `number`, in a block of its own."""
        self.adjudicator.send("deposit", "0x" + "00" * 20, channel(number), 0, number, value=number)

    def mine(self, count: int) -> None:
        """Empty blocks."""
        self.rpc.ask("anvil_mine", hex(count))

    def held(self, number: int) -> int:
        """Wei in channel `number`."""
        held: int = self.adjudicator.call("holdings", "0x" + "00" * 20, channel(number))
        return held

    def deposit_effect(
        self, number: int, *, expected_held: int = 0, amount: int | None = None
    ) -> SubmitTransaction:
        """The intent, named after the channel, of depositing into channel `number`."""
        amount = number if amount is None else amount
        return SubmitTransaction(
            intent_id=channel(number),
            kind="deposit",
            to=self.address,
            value=amount.to_bytes(32, "big"),
            data=encode_deposit_call(NATIVE, channel(number), expected_held, amount),
        )

    def service(
        self,
        submit: Inbox,
        *,
        urls: Sequence[str] | None = None,
        confirmation_count: int = 0,
        chain_id: int = CHAIN_ID,
        adjudicator: Address | None = None,
        clock_s: Callable[[], float] = time.time,
        is_known: Callable[[bytes], bool] = lambda channel_id: True,
        quorum: int = 1,
    ) -> ChainService:
        """Alice's chain room."""
        return ChainService(
            urls=urls if urls is not None else self.urls,
            chain_id=chain_id,
            adjudicator=adjudicator or self.address,
            secret=ALICE.secret,
            confirmation_count=confirmation_count,
            submit=submit,
            clock_s=clock_s,
            is_known=is_known,
            quorum=quorum,
        )


def channel(number: int) -> bytes:
    """A channel id that is easy to tell from others; not an external destination."""
    return b"\xc0" + number.to_bytes(31, "big")


@contextlib.contextmanager
def chain_world(**options: object) -> Iterator[World]:
    """A chain of its own, contracts deployed and Alice funded, while the `with` block lasts."""
    with start_anvil(**options) as anvil, contextlib.closing(Rpc(anvil.port)) as rpc:
        rpc.ask("anvil_setBalance", "0x" + ALICE.address.hex(), hex(10**20))
        yield World(anvil, rpc, rpc.deploy("NitroAdjudicator"))


@contextlib.contextmanager
def world_again(world: World, **options: object) -> Iterator[World]:
    """The same chain, restarted from where it was left, on the same port."""
    before = world.adjudicator
    with start_anvil(**options) as anvil, contextlib.closing(Rpc(anvil.port)) as rpc:
        abi = load_artifact("NitroAdjudicator").abi
        yield World(anvil, rpc, Contract(rpc, before.address, abi, before.sender))


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds."""
    with trio.fail_after(TEST_LIMIT_S):
        while not condition():
            await trio.sleep(0.01)


@asynccontextmanager
async def running(
    service: ChainService, processed_block_num: int | None = None
) -> AsyncIterator[ChainService]:
    """The service, stopped at the end of the block."""
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run, processed_block_num)
        yield service
        nursery.cancel_scope.cancel()


def allowed(signed: TransactionSigned, deadline_s: int = 0) -> BroadcastTransaction:
    """The effect that the engine gives back once the signed bytes are on disk."""
    return BroadcastTransaction(signed.intent_id, signed.tx_hash, signed.raw, deadline_s)


class Engine(Inbox):
    """An inbox that, like the engine, lets every signed transaction out."""

    service: ChainService

    async def __call__(self, item: Input, /) -> None:
        if isinstance(item, TransactionSigned):
            self.service.broadcast(allowed(item))
        elif isinstance(item, TransactionReplaced):
            bids = [bid for bid in self.of(TransactionReplaced) if bid.intent_id == item.intent_id]
            earlier = tuple(bid.old_tx_hash for bid in (*bids, item))
            self.service.broadcast(
                BroadcastTransaction(item.intent_id, item.tx_hash, item.raw, 0, earlier)
            )
        await super().__call__(item)

    @property
    def receipts(self) -> list[TransactionReceipt]:
        """Receipts, in order."""
        return self.of(TransactionReceipt)

    @property
    def refusals(self) -> list[TransactionRefused]:
        """Refusals, in order."""
        return self.of(TransactionRefused)


class TcpProxy:
    """Stands before an endpoint and can cut or refuse its connections."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.refuses = False
        self.freezes = False
        self.connection_count = 0
        self._cuts: list[trio.CancelScope] = []

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; `port` is known once started."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        await trio.serve_listeners(self._serve, listeners, task_status=_Started(task_status))

    def cut(self) -> None:
        """End every connection now."""
        for scope in self._cuts:
            scope.cancel()
        self._cuts.clear()

    async def _serve(self, near: trio.SocketStream) -> None:
        async with near:
            if self.refuses:
                return
            self.connection_count += 1
            with trio.CancelScope() as scope:
                self._cuts.append(scope)
                try:
                    far = await trio.open_tcp_stream("127.0.0.1", self.target_port)
                except OSError:
                    return
                async with far, trio.open_nursery() as nursery:
                    nursery.start_soon(self._pump, near, far, nursery.cancel_scope)
                    nursery.start_soon(self._pump, far, near, nursery.cancel_scope)

    async def _pump(
        self, source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        try:
            async for chunk in source:
                while self.freezes:
                    await trio.sleep(0.02)
                await sink.send_all(chunk)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        scope.cancel()


class _Started:
    """Reports started without the listeners."""

    def __init__(self, task_status: trio.TaskStatus[None]) -> None:
        self._task_status = task_status

    def started(self, value: object = None) -> None:
        self._task_status.started()


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[TcpProxy]:
    """A proxy before a port of this machine, while the block lasts."""
    proxy = TcpProxy(port)
    async with trio.open_nursery() as nursery:
        await nursery.start(proxy.run)
        yield proxy
        nursery.cancel_scope.cancel()
