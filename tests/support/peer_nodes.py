"""A peer as an engine would drive it: numbered messages kept until acked, inputs kept in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import trio

from node.p2p.connection import SecureConnection, secure
from node.p2p.framing import Frame, Hello, encode_frames
from node.p2p.hello import Identity
from node.p2p.limits import PeerLimits
from node.p2p.noise import Handshake
from node.p2p.service import PeerService
from protocols.crypto import Signer
from protocols.inputs import Input, PeerAck, PeerFault, PeerMessage
from protocols.messages import FinalStateRequest, encode_body
from protocols.notes import Note
from protocols.types import Address

CHAIN_ID = 31_337
ADJUDICATOR = b"\xad" * 20
QUICK = PeerLimits(
    connect_timeout_s=30.0,
    handshake_timeout_s=30.0,
    error_timeout_s=2.0,
    probe_timeout_s=1.0,
    backoff_first_s=0.02,
    backoff_max_s=0.2,
)
"""Limits that let a test wait for what it must, and that a slow machine does not reach."""

_BY_ADDRESS = sorted((Signer(bytes([n]) * 32) for n in range(1, 6)), key=lambda s: s.address)
LOW, MIDDLE, HIGH, FOURTH, FIFTH = _BY_ADDRESS
"""Keys in ascending order of their addresses."""


def body(number: int, padding: int = 0) -> bytes:
    """A valid message body that differs for every number; `padding` up to 65 bytes longer."""
    return encode_body(FinalStateRequest(number.to_bytes(32, "big"), bytes(32), b"\x00" * padding))


def numbered(first: int, last: int) -> list[tuple[int, bytes]]:
    """Messages first..last."""
    return [(number, body(number)) for number in range(first, last + 1)]


class Inbox:
    """A `Submit`: keeps every input; `room` bounds what `nowait` takes before a drain."""

    def __init__(self, room: int | None = None) -> None:
        self.items: list[Input] = []
        self.room = room
        self.waited_count = 0
        self.prompt_count = 0
        self.on_prompt: Callable[[], None] = lambda: None
        self._changed = trio.Event()

    async def __call__(self, item: Input, /) -> None:
        self.waited_count += 1
        while self.room is not None and self.room <= 0:
            await self.changed()
        self._take(item)

    def nowait(self, item: Input, /) -> bool:
        if self.room is not None and self.room <= 0:
            return False
        self._take(item)
        return True

    def prompt(self) -> None:
        """Nothing is carried out here but what a test wants."""
        self.prompt_count += 1
        self.on_prompt()

    def give_room(self, count: int | None) -> None:
        self.room = count
        self._signal()

    async def changed(self) -> None:
        await self._changed.wait()

    def _take(self, item: Input) -> None:
        self.items.append(item)
        if self.room is not None:
            self.room -= 1
        self._signal()

    def _signal(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def of(self, kind: type[Input]) -> list[Input]:
        return [item for item in self.items if isinstance(item, kind)]

    @property
    def messages(self) -> list[PeerMessage]:
        return [item for item in self.items if isinstance(item, PeerMessage)]

    @property
    def acks(self) -> list[PeerAck]:
        return [item for item in self.items if isinstance(item, PeerAck)]

    @property
    def faults(self) -> list[PeerFault]:
        return [item for item in self.items if isinstance(item, PeerFault)]


async def until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Wait for a condition; fails the test if it does not come true in time."""
    with trio.fail_after(timeout_s):
        while not condition():
            await trio.sleep(0.002)


class Node:
    """A `PeerService` with a tiny outbox and a record of what it was told."""

    def __init__(
        self,
        signer: Signer,
        addresses: Mapping[Address, tuple[str, int]] | None = None,
        *,
        chain_id: int = CHAIN_ID,
        adjudicator: bytes = ADJUDICATOR,
        limits: PeerLimits = QUICK,
        inbox: Inbox | None = None,
        uniform: Callable[[], float] = lambda: 0.0,
        auto_ack: bool = True,
        port: int = 0,
    ) -> None:
        self.signer = signer
        self.inbox = inbox or Inbox()
        self.outbox: dict[Address, list[tuple[int, bytes]]] = {}
        self.calls: list[tuple[str, Address, int]] = []
        self.notes: list[tuple[Address, Note]] = []
        self.port = 0
        self.raw_streams: list[trio.SocketStream] = []
        self._auto_ack = auto_ack
        self._told: dict[Address, int] = {}
        self.service = PeerService(
            signer=signer,
            chain_id=chain_id,
            adjudicator=adjudicator,
            listen=("127.0.0.1", port),
            addresses=addresses or {},
            submit=self.inbox,
            received_sequence=self.received,
            on_connected=self._on_connected,
            on_disconnected=self._on_disconnected,
            limits=limits,
            uniform=uniform,
            on_note=lambda peer, note: self.notes.append((peer, note)),
        )

    @property
    def address(self) -> Address:
        return self.signer.address

    @property
    def endpoint(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    def count(self, name: str) -> int:
        return self.service.statistics().counts.get(name, 0)

    def received(self, peer: Address) -> int:
        """The last of the dense sequence this node holds of `peer`."""
        sequence = 0
        for message in self.inbox.messages:
            if message.peer == peer and message.sequence == sequence + 1:
                sequence += 1
        return sequence

    def post(self, peer: Address, *messages: tuple[int, bytes]) -> None:
        """Keep the messages and send them, as an outbox does."""
        self.outbox.setdefault(peer, []).extend(messages)
        self.service.send(peer, messages)

    def connections(self) -> list[tuple[str, Address, int]]:
        return [call for call in self.calls if call[0] == "connected"]

    def _on_connected(self, peer: Address, sequence: int) -> None:
        self.calls.append(("connected", peer, sequence))
        waiting = [item for item in self.outbox.get(peer, []) if item[0] > sequence]
        self.service.send(peer, waiting)

    def _on_disconnected(self, peer: Address) -> None:
        self.calls.append(("disconnected", peer, 0))

    async def run(self, task_status: trio.TaskStatus[int]) -> None:
        async with trio.open_nursery() as nursery:
            self.port = await nursery.start(self.service.run)
            task_status.started(self.port)
            while self._auto_ack:
                await self.inbox.changed()
                for peer in self.service.connected():
                    self.service.acknowledge(peer)


@asynccontextmanager
async def running(*nodes: Node) -> AsyncIterator[trio.Nursery]:
    """Run nodes, in this order; all are stopped at the end."""
    async with trio.open_nursery() as nursery:
        for node in nodes:
            await nursery.start(node.run)
        try:
            yield nursery
        finally:
            nursery.cancel_scope.cancel()
            for stream in [stream for node in nodes for stream in node.raw_streams]:
                stream.socket.close()


async def open_raw(node: Node) -> trio.SocketStream:
    """A TCP connection to a running node, closed when the node stops."""
    stream = await trio.open_tcp_stream(*node.endpoint)
    node.raw_streams.append(stream)
    return stream


async def dial_raw(
    node: Node, signer: Signer, *, expected: Address | None = None
) -> SecureConnection:
    """A handshake with a running node, and nothing more."""
    stream = await open_raw(node)
    handshake = Handshake(signer, initiator=True, expected=expected or node.address)
    return await secure(stream, handshake)


async def greet_raw(node: Node, signer: Signer, received_sequence: int = 0) -> SecureConnection:
    """A handshake and both hellos: from here on the test speaks for the peer."""
    connection = await dial_raw(node, signer)
    hello = Identity(CHAIN_ID, ADJUDICATOR, signer.address).hello(received_sequence)
    await send_raw(connection, hello)
    theirs = await connection.receive_one()
    assert isinstance(theirs, Hello)
    return connection


async def send_raw(connection: SecureConnection, *frames: Frame) -> None:
    await connection.send(encode_frames(frames), 2.0)
