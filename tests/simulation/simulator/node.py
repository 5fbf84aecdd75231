"""A node through all its lives: one key, one disk, and at most one process at a time."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from node.outbox import ChainDoor
from node.store.errors import LogDamaged, LogWriteFailed, StoreError
from node.store.kv import LOG
from node.store.record import CHAIN_SIZE_BYTES, Record, decode_record, seq_key
from protocols import inputs
from protocols.effects import BroadcastTransaction, ReadHoldings, SubmitTransaction
from protocols.event import Event
from protocols.node_state import NodeState, apply
from protocols.types import Address, Bytes32, Signature
from tests.simulation.simulator.chain import ChainRoom
from tests.simulation.simulator.disk import FaultyKeyValue, PowerCut
from tests.simulation.simulator.endpoints import Endpoints
from tests.simulation.simulator.forking import ForkingChain
from tests.simulation.simulator.plan import ENDPOINT_COUNT
from tests.simulation.simulator.process import START_MS, PlannedFaults, Process
from tests.simulation.simulator.reducers import Views
from tests.simulation.simulator.violation import Violation
from tests.support.actors import Actor
from tests.support.timed_web import PEOPLE

if TYPE_CHECKING:
    from tests.simulation.simulator.world import World

CLOCK_ERROR_MS = 2_000
"""How far a machine's clock may be off after a restart, either way."""
DOWN_MS = (50, 500, 3_000, 20_000)
"""For how long a node that died may be down."""


class Shadow:
    """What is on a disk, folded as it comes: the state that the log says, from its bytes alone."""

    def __init__(self, disk: FaultyKeyValue) -> None:
        self._disk = disk
        self.state = NodeState()
        self.next_seq = 0
        self._news: list[tuple[Record, Event]] = []

    def take_news(self) -> list[tuple[Record, Event]]:
        """What was written since this was last asked."""
        self.catch_up()
        news, self._news = self._news, []
        return news

    def catch_up(self) -> None:
        """Fold what is on the disk now."""
        while (value := self._disk.right_value(LOG, seq_key(self.next_seq))) is not None:
            record = decode_record(value[CHAIN_SIZE_BYTES:])
            event = record.event()
            apply(self.state, event, record.time_ms)
            self._news.append((record, event))
            self.next_seq += 1


class _CheckedChainDoor:
    """The way to the chain, with an eye on what leaves."""

    def __init__(self, node: SimulatedNode, room: ChainRoom) -> None:
        self._node = node
        self._room = room

    def request(self, effect: SubmitTransaction) -> None:
        self._node.world.effect_leaves(self._node, effect)
        self._room.request(effect)

    def broadcast(self, effect: BroadcastTransaction) -> None:
        self._node.world.effect_leaves(self._node, effect)
        self._room.broadcast(effect)

    def settle(self, intent_id: Bytes32) -> None:
        self._room.settle(intent_id)

    def read(self, effect: ReadHoldings) -> None:
        self._node.world.effect_leaves(self._node, effect)
        self._room.read(effect)


class SimulatedNode:
    """One member of the world."""

    def __init__(self, world: World, actor: Actor, *, is_honest: bool) -> None:
        self.world = world
        self.actor = actor
        self.is_honest = is_honest
        self.chance = Random(f"{world.plan.seed} {actor.name}")
        """For what the disk and the snapshots do: apart from what the story draws."""
        self.disk = FaultyKeyValue(lambda fault: world.note(f"write {fault}"), self.chance)
        self.faults = PlannedFaults(world.note)
        self.shadow = Shadow(self.disk)
        self.process: Process | None = None
        self.cut_count = 0
        """How often the end of its log was cut, and M27 put in force."""
        self.forgot_count = 0
        """How often that took what was acknowledged."""
        self.acknowledged_seq = 0
        """Records that were on the disk when the last turn ended."""
        self.endpoint_lost_count = 0
        self.is_gone = False
        """Whether it vanished for ever."""
        self.endpoints: Endpoints | None = None
        """Where the plan is about leaving."""
        leaving, differing = world.plan.leaving, world.plan.differing
        is_it = differing is not None and PEOPLE[differing.who] is actor
        chance = Random(f"{world.plan.seed} {actor.name} views")
        self.views = Views(chance, differing if is_it else None)
        if leaving is not None:
            assert isinstance(world.chain, ForkingChain)
            self.endpoints = Endpoints(world.chain, ENDPOINT_COUNT, leaving.quorum, world.note)
        self._seen_chain_ms = 0
        self._clock_error_ms = 0

    @property
    def address(self) -> Address:
        return self.actor.address

    @property
    def state(self) -> NodeState:
        """What the node believes; while it is down, what its disk says."""
        return self.shadow.state if self.process is None else self.process.state

    # --- what a process is given ---

    def clock_ms(self) -> int:
        departures = self.world.departures
        passed_over_ms = 0 if departures is None else departures.passed_over_ms
        return START_MS + self.world.schedule.now_ms + passed_over_ms + self._clock_error_ms

    def chain_view_age_s(self) -> int:
        return (self.world.schedule.now_ms - self._seen_chain_ms) // 1_000

    def signer(self, digest: Bytes32) -> Signature:
        return self.actor.signer(digest)

    def chain_door(self, room: ChainRoom) -> ChainDoor:
        return _CheckedChainDoor(self, room)

    def says(self, peer: Address, body: bytes) -> bytes:
        """What really goes out: the very message, unless this node lies."""
        return body if self.is_honest else self.world.liar.twist(peer, body)

    # --- lives ---

    def start(self) -> None:
        """A new process on what the disk kept; if that cannot be, another try later."""
        if self.process is not None or self.is_gone:
            return
        world = self.world
        self._clock_error_ms = world.random.randint(-CLOCK_ERROR_MS, CLOCK_ERROR_MS)
        self.disk.reopen()
        was_cut = self.disk.cut is not None
        try:
            process = Process(self)
        except PowerCut:
            self._start_later()
            return
        except StoreError as error:
            self._start_failed(error)
            return
        except Violation:
            raise
        except Exception as error:
            rule = "starts" if self.disk.is_damaged else "no bugs"
            raise Violation(rule, f"{self.actor.name} could not start: {error!r}") from error
        self.process = process
        process.room.is_down = self.endpoint_lost_count > 0
        self.cut_count += was_cut
        world.started(self, was_cut=was_cut)
        world.network.join(process)
        process.resume_transactions()

    def _start_failed(self, error: StoreError) -> None:
        if isinstance(error, LogWriteFailed):
            self._start_later()
            return
        self.world.refused_to_start(self, error)
        self.disk.mend()
        self._start_later()

    def _start_later(self) -> None:
        self.world.schedule.after(self.world.random.choice(DOWN_MS), self.start)

    def _end(self) -> None:
        assert self.process is not None
        self.process.is_alive = False
        if self.process.is_in_snapshot:
            self.world.note("snapshot cut short")
        self.process = None
        self.views.crash()
        self.world.network.leave(self.address)

    def kill(self) -> None:
        """As a power cut does."""
        if self.process is not None:
            self._end()
            self._start_later()

    def vanish(self) -> None:
        """For ever."""
        self.is_gone = True
        if self.process is not None:
            self._end()

    def stop(self) -> None:
        """As an owner does, and start again."""
        process = self.process
        if process is None:
            return
        try:
            process.engine.stop()
        except (PowerCut, StoreError) as failure:
            self.failed(process, failure)
            return
        self.world.note("snapshot taken")
        self.stepped(process)
        self._end()
        self._start_later()

    def failed(self, process: Process, failure: BaseException) -> None:
        """A turn ended the process: a planned death, a full disk, damage that was noticed."""
        if isinstance(failure, Violation):
            raise failure
        damaged = isinstance(failure, LogDamaged) or "checksum" in str(failure)
        expected = isinstance(failure, PowerCut | LogWriteFailed) or (
            damaged and self.disk.is_damaged
        )
        if not expected:
            raise Violation("no bugs", f"{self.actor.name} stopped: {failure!r}") from failure
        _forget_frames(failure)
        self.world.note(f"stopped by {type(failure).__name__}")
        if self.process is process:
            self._end()
        if damaged:
            self.disk.mend()
        self._start_later()

    def forget_newest(self, *, is_reported: bool = True) -> None:
        """The newest batch turns out torn, though it was acknowledged (M28)."""
        self.kill()
        if self.disk.forget_newest(is_reported=is_reported):
            self.forgot_count += 1
            self.world.forgot(self)
            self.shadow = Shadow(self.disk)
            self.shadow.take_news()

    def stepped(self, process: Process) -> None:
        """A turn ended well, or a slice of work on a snapshot."""
        self.world.stepped(self, self.shadow.take_news())

    # --- from outside ---

    def look_at_chain(self, *, is_punctual: bool) -> None:
        """The follower of the process reads on."""
        process = self.process
        if process is not None and not process.room.is_down:
            self._seen_chain_ms = self.world.schedule.now_ms
            process.room.look(is_punctual=is_punctual)

    def tick(self) -> None:
        if self.process is not None:
            self.process.take(inputs.Tick())


def _forget_frames(failure: BaseException | None) -> None:
    """The engine keeps why it stopped, and that would keep the whole world, for ever: the frames
    hold values that the garbage collector does not look into."""
    while failure is not None:
        failure.__traceback__ = None
        failure = failure.__context__
