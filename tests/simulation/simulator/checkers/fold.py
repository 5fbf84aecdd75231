"""Fold equals memory: what a process believes is what its disk says, and nothing else."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from node.engine import replay
from node.store.kv import LOG
from node.store.record import CHAIN_SIZE_BYTES, decode_record, seq_key
from node.store.snapshot_loading import load_snapshot
from protocols.digest import Sums
from protocols.events import StateDigestRecorded
from protocols.node_state import NodeState, apply
from protocols.table import StoredTable, Table
from tests.simulation.simulator.checkers.base import Checker, Step

if TYPE_CHECKING:
    from tests.simulation.simulator.node import SimulatedNode
    from tests.simulation.simulator.process import Process

FAMILIES = ("nodes", "channels", "objectives", "peers", "transactions")


class Fold(Checker):
    """Changed entities after each step; everything after a start and at the end."""

    name = "fold equals memory"

    def stepped(self, step: Step) -> None:
        folded = step.node.shadow.state
        for family, key, entity in step.changed:
            same = getattr(folded, family).get(key) == entity
            self.require(same, f"memory and log differ in {family}", step.node.actor.name, key)

    def started(self, node: SimulatedNode, *, was_cut: bool) -> None:
        self._compare(node)

    def ended(self) -> None:
        for node in self.world.nodes:
            self._compare(node)
            if node.process is not None:
                self._compare_snapshots(node, node.process)

    def _compare(self, node: SimulatedNode) -> None:
        """What was begun from a snapshot with what the log says from its first record on."""
        process = node.process
        if process is None:
            return
        node.shadow.catch_up()
        self._require_same(node, node.shadow.state, process.state, "memory")
        # What was looked at here is not what the node would have looked at.
        forget_fetched(process.state)

    def _require_same(
        self, node: SimulatedNode, folded: NodeState, held: NodeState, whose: str
    ) -> None:
        name = node.actor.name
        self.require(folded.digest() == held.digest(), f"digests of {whose} and log differ", name)
        expected, found = vars(folded), vars(held)
        for what in expected:
            same = plain(expected[what]) == plain(found[what])
            self.require(same, f"{whose} and log differ in {what}", name)

    def _compare_snapshots(self, node: SimulatedNode, process: Process) -> None:
        """Every snapshot that is kept, as it is and with the records behind it, and every digest
        in the log: with one more fold, from nothing."""
        kept = {}
        record_count = process.log.next_seq
        while (loaded := load_snapshot(process.log, record_count)).record_count:
            self.require(not loaded.refused, "a snapshot is not good", node.actor.name)
            kept[loaded.record_count] = loaded.state
            record_count = loaded.record_count - 1
        fresh, digests = NodeState(), {0: NodeState().digest()}
        for seq in range(process.log.next_seq):
            value = node.disk.right_value(LOG, seq_key(seq))
            assert value is not None, "the log has no gaps"
            record = decode_record(value[CHAIN_SIZE_BYTES:])
            event = record.event()
            if isinstance(event, StateDigestRecorded):
                same = digests[event.record_count] == event.digest
                self.require(same, "another digest was recorded", node.actor.name, seq)
            apply(fresh, event, record.time_ms)
            digests[seq + 1] = fresh.digest()
            if seq + 1 in kept:
                self._require_same(node, fresh, kept[seq + 1], f"snapshot of {seq + 1}")
        for begun_at, state in kept.items():
            for _ in replay(process.log, state, begun_at):
                pass
            self._require_same(node, fresh, state, f"snapshot of {begun_at} and its tail")


def forget_fetched(state: NodeState) -> None:
    """What is stored is fetched anew."""
    for family in FAMILIES:
        table = getattr(state, family)
        if isinstance(table, StoredTable):
            table._fetched.clear()


def plain(found: Any) -> Any:
    """What a state holds in a form that compares; of tables with their order."""
    if isinstance(found, Table):
        return [(key, found[key]) for key in found]
    if isinstance(found, dict):
        return {key: plain(found[key]) for key in found}
    if isinstance(found, deque):
        return list(found)
    if isinstance(found, Sums):
        return None  # Notes that were not taken yet are not in them.
    if isinstance(found, Struct) or not hasattr(found, "__dict__"):
        return found
    if isinstance(found, set):
        return set(found)
    return {name: plain(value) for name, value in vars(found).items()}
