"""One life of a node: the engine, its log and its outbox as they are, between simulated doors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node.app_history import reducer_inputs
from node.engine import Engine, replay
from node.faults import Faults
from node.outbox import Outbox
from node.store.errors import StoreError
from node.store.log import EventLog
from node.store.snapshot_loading import Loaded, load_snapshot
from node.store.snapshot_writing import remove_newer
from protocols import events, inputs
from protocols.app_definitions import JUDGED, MESSAGE_LOG, rule_of
from protocols.app_events import AppDefinitionRecorded
from protocols.draft import Context, Decision
from protocols.messages import decode_body
from protocols.node_state import NodeState
from protocols.types import Address, Bytes32
from tests.simulation.simulator.chain import ChainRoom
from tests.simulation.simulator.disk import PowerCut
from tests.simulation.simulator.follower import Cursor, ForkingRoom
from tests.simulation.simulator.forking import ForkingChain
from tests.simulation.simulator.snapshots import INTERVAL_RECORD_COUNT
from tests.simulation.simulator.violation import Violation
from tests.support.builders import (
    ADJUDICATOR,
    CHAIN_ID,
    CONSENSUS_APP,
    LOG_APP,
    PAYMENT_APP,
    RPS_APP,
)

if TYPE_CHECKING:
    from tests.simulation.simulator.node import SimulatedNode

START_MS = 1_704_067_200_000
NOWHERE = Path("not-on-disk")
WINDOW_COUNT = 64
"""Unacknowledged messages on one wire."""
TOKEN = b"\x70" * 20
"""An asset besides the chain's own currency that every node accepts."""
HUB_FEE = 7
"""What every node takes for carrying a channel."""
DURATION_S_MIN = 3_600
SLICE_PAUSES_MS = (0, 1, 10, 100, 1_000)
"""Between slices of a snapshot: some are whole at once, some are long in the making."""


class PlannedFaults(Faults):
    """Counts over all lives of a node; the planned passing of a point is the last thing."""

    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self.plan: set[tuple[str, int]] = set()
        """Name and number of the passings at which the process dies."""
        self._passed: dict[str, int] = {}
        self._note = note

    def hit(self, name: str) -> None:
        count = self._passed[name] = self._passed.get(name, 0) + 1
        if (name, count) in self.plan:
            self._note(f"crash {name}")
            raise PowerCut(name)


class PeerDoor:
    """One process's side of all its wires."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def send(self, peer: Address, messages: Sequence[tuple[int, bytes]]) -> None:
        process, node = self._process, self._process.node
        last = process.state.peer(peer).acknowledged + WINDOW_COUNT
        for sequence, body in messages:
            if sequence > last:
                break  # It goes out when what is before it was acknowledged.
            node.world.message_leaves(node, peer, sequence, body)
            said = node.says(peer, body)
            item = inputs.PeerMessage(process.address, sequence, decode_body(said), len(said))
            node.world.network.carry(process.address, peer, item)
        node.faults.hit("after-send")

    def acknowledge(self, peer: Address) -> None:
        process, node = self._process, self._process.node
        received = process.state.peer(peer).received
        node.world.acknowledgement_leaves(node, peer, received)
        node.world.network.carry(process.address, peer, inputs.PeerAck(process.address, received))


class Process:
    """Made by a start, thrown away by a crash. A `network.Station`."""

    def __init__(self, node: SimulatedNode) -> None:
        """Start as the daemon does. Raises what the store raises, and PowerCut."""
        self.node = node
        self.address = node.actor.address
        self.is_alive = True
        self.turn_is_planned = self._slice_is_planned = False
        self._started_ms = node.clock_ms()
        self.log = EventLog.open(NOWHERE, kv=node.disk)
        self.log.tail_cut = node.disk.cut
        self.state = self._restored()
        self.room = self._room()
        door = PeerDoor(self)
        self.outbox = Outbox(door, node.chain_door(self.room), node.faults)
        node.views.begin(partial(reducer_inputs, self.log, self.state))
        self.engine = Engine(
            self.log,
            self.state,
            self.outbox,
            context=self._context,
            acknowledge=door.acknowledge,
            clock_ms=node.clock_ms,
            faults=node.faults,
            judge_app=node.views.run,
            snapshot_record_count=self.loaded_count,
            snapshot_interval_count=INTERVAL_RECORD_COUNT,
            timer_s=lambda: node.world.schedule.now_ms / 1_000,
        )
        self._begin_log()
        self.outbox.load(effect for _, effect in self.log.outbox())

    def _restored(self) -> NodeState:
        """What the disk gives. That it folds is known: the checkers do so record by record."""
        try:
            return self._load()
        except StoreError:
            raise
        except Exception as error:
            if self.node.disk.is_damaged:
                raise
            what = f"{self.node.actor.name} cannot go on from its snapshot: {error!r}"
            raise Violation("fold equals memory", what) from error

    def _load(self) -> NodeState:
        """The newest good snapshot and the records behind it, as the daemon has it."""
        loaded = load_snapshot(self.log, self.log.next_seq)
        remove_newer(self.log, loaded)
        for _ in replay(self.log, loaded.state, loaded.record_count):
            pass
        self.loaded_count = loaded.record_count
        """Records of the snapshot it began from, 0 for none."""
        self.read_from_seq = min(loaded.record_count, max(0, self.log.next_seq - 1))
        """From there on the log was read: the last record always is."""
        self._note_loaded(loaded)
        return loaded.state

    def _note_loaded(self, loaded: Loaded) -> None:
        note = self.node.world.note
        if loaded.record_count:
            note("snapshot loaded")
        for _ in loaded.refused:
            note("snapshot refused")
        if loaded.refused:
            note(f"fell back to {'a snapshot before' if loaded.record_count else 'the whole log'}")

    def _room(self) -> ChainRoom:
        node, chain = self.node, self.node.world.chain
        common: dict[str, Any] = {"hand_in": self.take, "random": node.world.random}
        number = self.state.node.processed_block_num if self.log.next_seq else -1
        if not isinstance(chain, ForkingChain):
            return ChainRoom(chain, self.address, number, **common)
        assert node.endpoints is not None
        return ForkingRoom(
            chain,
            self.address,
            self._cursor(number),
            endpoints=node.endpoints,
            clock_s=lambda: node.world.schedule.now_ms / 1_000,
            is_known=lambda channel_id: self.state.channels.get(channel_id) is not None,
            **common,
        )

    def _cursor(self, block_num: int) -> Cursor:
        """What the daemon gathers of the chain at its start."""
        state, blocks, nonce_min = self.state, dict[int, bytes](), 0
        if not self.log.next_seq:
            return Cursor(0, {}, 0)
        if state.node.processed_block_hash:
            blocks[block_num] = state.node.processed_block_hash
        for channel_id in state.unconfirmed.channels:
            for log in state.channels[channel_id].observed:
                blocks[log.block_num] = log.block_hash
        for intent_id in state.unconfirmed.mined:
            mined = state.transactions[intent_id]
            blocks[mined.block_num] = mined.block_hash
            nonce_min = max(nonce_min, mined.nonce + 1)
        return Cursor(max(0, block_num), blocks, nonce_min)

    def _begin_log(self) -> None:
        if self.log.next_seq == 0:
            created = (1, CHAIN_ID, ADJUDICATOR, PAYMENT_APP, CONSENSUS_APP, self.address)
            self.engine.record(events.NodeCreated(*created))
        cut = self.log.tail_cut
        if cut is not None:
            self.engine.record(events.LogTailCut(self.log.next_seq, cut.size_bytes, cut.file_name))
            self.node.disk.cut = None
        apps = ((LOG_APP, MESSAGE_LOG), (RPS_APP, JUDGED)) if self.node.world.plan.has_apps else ()
        for app, rule in apps:
            if rule_of(self.state.node, app) is None:
                self.engine.record(AppDefinitionRecorded(app, rule))

    def _context(self, now_ms: int) -> Context:
        node = self.node
        verdict = "ask" if node.world.plan.asks else "allow"
        leaving, silence_s = node.world.plan.leaving, 0
        if leaving is not None and node.clock_ms() - self._started_ms >= 1_000 * leaving.silence_s:
            silence_s = leaving.silence_s
        return Context(
            now_ms,
            node.signer,
            self.address,
            DURATION_S_MIN if leaving is None else leaving.duration_s,
            lambda proposal: Decision(verdict),
            exit_patience_s=60 if leaving is None else leaving.patience_s,
            challenge_after_silence_s=silence_s,
            chain_view_age_s=node.chain_view_age_s(),
            assets=frozenset({TOKEN}),
            is_hub=True,
            fee_for=lambda asset, amount: HUB_FEE,
            has_head=self.has_root,
            has_reducer=node.views.has,
        )

    # --- a station of the network ---

    def is_up(self) -> bool:
        return self.is_alive

    def received_from(self, peer: Address) -> int:
        return self.state.peer(peer).received

    def has_forgotten(self) -> bool:
        return self.state.node.tail_cut_count > 0

    def waits_for(self, peer: Address) -> bool:
        return self.outbox.waiting_count(peer) > 0

    def connected(self, peer: Address, received: int) -> None:
        self.take(inputs.PeerConnected(peer, received))
        self._guarded(lambda: self.outbox.resume_messages(peer, received))

    def met(self, peer: Address) -> list[inputs.Input]:
        """Our newest head, and the one we hold of the peer's log: as `node.heads` says them."""
        node, known = self.state.node, self.state.peer(peer)
        if peer not in self.state.agenda.proven:
            return []
        said: list[inputs.Input] = []
        if node.head is not None:
            said.append(inputs.PeerHead(self.address, node.head))
        if known.head is not None:
            other = self.node.world.by_address[peer].process
            if other is not None:
                in_log = other.proves(known.head.length, known.head.root)
                said += (
                    [] if in_log is None else [inputs.HeldHead(self.address, known.head, in_log)]
                )
        return said

    def proves(self, length: int, root: Bytes32) -> bool | None:
        """What it answers who holds a head of its log; None if reading for it ended the process."""
        try:
            return self.has_root(length, root)
        except StoreError as failure:
            self.node.failed(self, failure)
            return None

    def has_root(self, length: int, root: Bytes32) -> bool:
        """Whether our log has that root over so many records."""
        tree = self.log.tree
        while tree.length < min(length, self.log.next_seq) and self.log.grow_tree():
            pass
        return length <= tree.length and tree.root(length) == root

    def resend(self, peer: Address) -> None:
        acknowledged = self.state.peer(peer).acknowledged
        self._guarded(lambda: self.outbox.resume_messages(peer, acknowledged))

    def resume_transactions(self) -> None:
        self._guarded(self.outbox.resume_transactions)

    def _guarded(self, action: Callable[[], None]) -> None:
        """What leaves outside of a turn may pass a fault point, too."""
        if not self.is_alive:
            return
        try:
            action()
        except PowerCut as cut:
            self.node.failed(self, cut)

    def take(self, item: inputs.Input) -> None:
        """Queue it; a turn takes it now, or a moment later together with what comes until then."""
        if not self.is_alive or not self.engine.nowait(item):
            return
        self.plan_turn()

    def plan_turn(self) -> None:
        if not self.turn_is_planned:
            self.turn_is_planned = True
            delay_ms = self.node.world.random.choice((0, 0, 1, 5, 30))
            self.node.world.schedule.after(delay_ms, self.turn)

    def turn(self) -> None:
        """The engine takes what waits."""
        self.turn_is_planned = False
        engine = self.engine
        while self.is_alive and engine._queue and engine._failure is None:
            engine._take_turn()
            if engine._failure is None:
                self.node.stepped(self)
        if engine._failure is not None and self.is_alive:
            self.node.failed(self, engine._failure)
        self._plan_slice()

    # --- snapshots, a slice at a time between turns ---

    @property
    def is_in_snapshot(self) -> bool:
        """Whether one is begun and not whole."""
        return self.engine.snapshots._writing is not None

    def _plan_slice(self) -> None:
        if self.is_alive and self.engine.snapshots.is_working and not self._slice_is_planned:
            self._slice_is_planned = True
            delay_ms = self.node.chance.choice(SLICE_PAUSES_MS)
            self.node.world.schedule.after(delay_ms, self._slice)

    def _slice(self) -> None:
        self._slice_is_planned = False
        if not self.is_alive:
            return
        keeper, world = self.engine.snapshots, self.node.world
        newest, sweep = keeper.newest_record_count, keeper._sweep
        try:
            self.engine._tend_snapshots()
        except (PowerCut, StoreError) as failure:
            self.node.failed(self, failure)
            return
        if keeper.newest_record_count != newest:
            world.note("snapshot taken")
        if sweep is not None and keeper._sweep is None and sweep.removed_count:
            world.note("snapshots swept")
        self.node.stepped(self)
        self._plan_slice()
