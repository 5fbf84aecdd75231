"""Whole engines in one process, in virtual time, over wires that lose, repeat, reorder and delay.

Real in each node: engine, log (in memory), outbox, core. Made of rules: the wires and the chain.
A wire is worse than any session: every message is lost, doubled or late by itself, and only what
the node's own outbox sends again arrives in the end. Every choice comes from one seed, and the
scheduler is told not to shuffle, so a run can be had again, byte for byte.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import trio
import trio._core._run as scheduler
from trio.testing import MockClock

from node.answers import Answer
from node.engine import Engine
from node.faults import Faults
from node.outbox import Outbox
from node.store.log import EventLog
from node.store.memory import MemoryKeyValue
from protocols import events, inputs
from protocols.channel import Channel
from protocols.crypto import KnownSigner, Signer, keccak256
from protocols.draft import Context, Decision
from protocols.effects import BroadcastTransaction, ReadHoldings, SubmitTransaction
from protocols.errors import ProtocolError
from protocols.messages import decode_body
from protocols.node_state import NodeState, apply
from protocols.types import Address, Bytes32, ChannelId
from tests.support.actors import ALICE, BOB, IRENE, IVAN, Actor
from tests.support.builders import ADJUDICATOR, CHAIN_ID, CONSENSUS_APP, PAYMENT_APP
from tests.support.model_chain import ModelChain

START_MS = 1_704_067_200_000
NOWHERE = Path("not-on-disk")
RESEND_INTERVAL_S = 1.0
BLOCK_INTERVAL_S = 2.0
WINDOW_COUNT = 64
"""Unacknowledged messages on one wire."""
BUFFERED_SHARE = 0.9
TICK_INTERVAL_S = 5.0
TOKEN = b"\x70" * 20
"""An asset besides the chain's own currency that every node accepts."""
HUB_FEE = 7
"""What every node takes for carrying a channel."""


def _further(name: str) -> Actor:
    secret = keccak256(name.encode())
    signer = Signer(secret)
    return Actor(name, secret, KnownSigner(signer.public_key).address, signer)


PEOPLE = (ALICE, IVAN, IRENE, _further("carol"), _further("dave"), BOB)
"""In the order of a path: the first pays, the last is paid."""


@dataclass(frozen=True)
class Weather:
    """What a wire does to each message."""

    loss: float = 0.0
    duplication: float = 0.0
    delay_s_max: float = 0.0
    """Uniform from 0: late messages overtake each other."""


CALM = Weather()
STORM = Weather(loss=0.3, duplication=0.3, delay_s_max=2.0)


class PeerDoor:
    """One node's side of all its wires."""

    def __init__(self, web: TimedWeb, me: Address) -> None:
        self._web = web
        self._me = me

    def send(self, peer: Address, messages: Sequence[tuple[int, bytes]]) -> None:
        last = self._web.nodes[self._me].state.peer(peer).acknowledged + WINDOW_COUNT
        for sequence, body in messages:
            if sequence > last:
                break  # It goes out when what is before it was acknowledged.
            item = inputs.PeerMessage(self._me, sequence, decode_body(body), len(body))
            self._web.carry(peer, item)

    def acknowledge(self, peer: Address) -> None:
        received = self._web.nodes[self._me].state.peer(peer).received
        self._web.carry(peer, inputs.PeerAck(self._me, received))


class ChainDoor:
    """One node's way to the chain of rules."""

    def __init__(self, chain: ModelChain, me: Address) -> None:
        self._chain = chain
        self._me = me

    def request(self, effect: SubmitTransaction) -> None:
        self._chain.sign(self._me, effect)

    def broadcast(self, effect: BroadcastTransaction) -> None:
        self._chain.broadcast(effect)

    def settle(self, intent_id: Bytes32) -> None:
        """The chain of rules reports every receipt by itself."""

    def read(self, effect: ReadHoldings) -> None:
        self._chain.read(self._me, effect)


class TimedNode:
    """One engine with its doors."""

    def __init__(self, web: TimedWeb, actor: Actor) -> None:
        self.actor = actor
        self.log = EventLog.open(NOWHERE, kv=MemoryKeyValue())
        self.state = NodeState()
        faults = Faults()
        self.outbox = Outbox(
            PeerDoor(web, actor.address), ChainDoor(web.chain, actor.address), faults
        )
        self.engine = Engine(
            self.log,
            self.state,
            self.outbox,
            context=self._context,
            acknowledge=PeerDoor(web, actor.address).acknowledge,
            clock_ms=lambda: START_MS + int(web.clock.current_time() * 1000),
            faults=faults,
        )
        me = actor.address
        genesis = events.NodeCreated(1, CHAIN_ID, ADJUDICATOR, PAYMENT_APP, CONSENSUS_APP, me)
        self.engine.record(genesis)

    def _context(self, now_ms: int) -> Context:
        signer, me = self.actor.signer, self.actor.address
        return Context(
            now_ms,
            signer,
            me,
            3_600,
            lambda proposal: Decision("allow"),
            assets=frozenset({TOKEN}),
            is_hub=True,
            fee_for=lambda asset, amount: HUB_FEE,
        )

    def channel(self, channel_id: ChannelId) -> Channel:
        return self.state.channels[channel_id]

    async def order(self, command: inputs.Input) -> Answer:
        """The owner's command; its answer once it is durable, or its refusal raised."""
        answers: list[Answer | ProtocolError] = []
        told = trio.Event()

        def done(answer: Answer | ProtocolError) -> None:
            answers.append(answer)
            told.set()

        assert self.engine.command_then(command, "durable", done), "the queue is full"
        self.engine.wake()
        await told.wait()
        (answer,) = answers
        if isinstance(answer, ProtocolError):
            raise answer
        return answer

    def records(self) -> list[tuple[bytes, events.Event]]:
        """Everything on disk, each record with its link in the chain of hashes."""
        pairs = self.log.read_events()
        return [(self.log.chain_at(record.seq), event) for record, event in pairs]

    def folded(self) -> NodeState:
        """A replay of the log, from nothing."""
        replayed = NodeState()
        for record, event in self.log.read_events():
            apply(replayed, event, record.time_ms)
        return replayed


class TimedWeb:
    """Nodes, wires and a chain; `run` lets a story happen in them."""

    def __init__(self, people: Sequence[Actor], seed: int, weather: Weather) -> None:
        self.clock = MockClock(autojump_threshold=0.0)
        self.random = Random(seed)
        self.weather = weather
        self.chain = ModelChain([actor.address for actor in people], depth=1)
        self.nodes = {actor.address: TimedNode(self, actor) for actor in people}
        self._nursery: trio.Nursery | None = None
        self._early: dict[tuple[Address, Address], dict[int, inputs.PeerMessage]] = {}
        """At the end of each wire: messages whose predecessors are missing."""

    @property
    def path(self) -> list[TimedNode]:
        """The nodes in the order of the people."""
        return list(self.nodes.values())

    def carry(self, receiver: Address, item: inputs.Input) -> None:
        """Lose, double and delay one message on its way."""
        assert self._nursery is not None, "nothing is sent before the run begins"
        weather, random = self.weather, self.random
        copies = 1 + (random.random() < weather.duplication)
        for _ in range(copies):
            if random.random() >= weather.loss:
                delay_s = random.uniform(0.0, weather.delay_s_max)
                self._nursery.start_soon(self._arrive, receiver, item, delay_s)

    async def _arrive(self, receiver: Address, item: inputs.Input, delay_s: float) -> None:
        await trio.sleep(delay_s)
        engine = self.nodes[receiver].engine
        if not isinstance(item, inputs.PeerMessage):
            await engine(item)
            return
        # Most of what came too early waits at the end of the wire for what is missing; some goes
        # in as it came. Without that, a long queue would take rounds without end.
        early = self._early.setdefault((receiver, item.peer), {})
        wanted = self.nodes[receiver].state.peer(item.peer).received + 1
        if item.sequence > wanted and self.random.random() < BUFFERED_SHARE:
            early[item.sequence] = item
            return
        following: inputs.PeerMessage | None = item
        while following is not None:
            await engine(following)
            following = early.pop(following.sequence + 1, None)

    async def _send_again(self, node: TimedNode) -> None:
        while True:
            await trio.sleep(RESEND_INTERVAL_S)
            for peer in list(node.state.peers):
                if node.outbox.waiting_count(peer):
                    node.outbox.resume_messages(peer, node.state.peer(peer).acknowledged)

    async def _mine(self) -> None:
        while True:
            await trio.sleep(BLOCK_INTERVAL_S)
            if self.chain.is_busy:
                self.chain.mine()
            for address, feed in self.chain.feeds.items():
                while feed:
                    await self.nodes[address].engine(feed.pop(0))

    async def _tick(self, node: TimedNode) -> None:
        while True:
            await trio.sleep(TICK_INTERVAL_S)
            await node.engine(inputs.Tick())

    async def _live(self, story: Callable[[TimedWeb], Awaitable[None]]) -> None:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._mine)
            for node in self.nodes.values():
                nursery.start_soon(node.engine.run)
                nursery.start_soon(self._send_again, node)
                nursery.start_soon(self._tick, node)
            await story(self)
            nursery.cancel_scope.cancel()
        self._nursery = None

    async def until(self, condition: Callable[[], bool], limit_s: float = 3_600.0) -> None:
        """Wait in virtual time; AssertionError if it does not come true within `limit_s`."""
        with trio.move_on_after(limit_s):
            while not condition():
                await trio.sleep(0.5)
        assert condition(), f"not within {limit_s} s of virtual time"


def run(
    story: Callable[[TimedWeb], Awaitable[None]],
    *,
    people: Sequence[Actor],
    seed: int,
    weather: Weather,
) -> TimedWeb:
    """Let the story happen; the web as it was left. A failure names the seed."""
    web = TimedWeb(people, seed, weather)
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True
    scheduler._r.seed(seed)
    try:
        trio.run(partial(web._live, story), clock=web.clock)
    except BaseException as error:
        error.add_note(f"seed {seed}, {len(people)} nodes, {weather}")
        raise
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = False
    return web
