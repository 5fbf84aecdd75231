"""A log in memory with snapshots taken wherever a test wants them, and what a state looks like."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from node.store.log import EventLog
from node.store.memory import MemoryKeyValue
from node.store.snapshot_loading import load_snapshot
from node.store.snapshot_writing import SnapshotWriting, remove_newer
from node.store.snapshots import Manifest
from protocols.events import Event
from protocols.node_state import NodeState, apply
from protocols.table import Table

Recorded = tuple[int, Event]


class SnapshotLog:
    """A log, the state it folds to, and its snapshots."""

    def __init__(self, kv: MemoryKeyValue | None = None) -> None:
        self.kv = kv or MemoryKeyValue()
        self.log = EventLog.open(Path("not-on-disk"), kv=self.kv)
        self.loaded = load_snapshot(self.log, self.log.next_seq)
        remove_newer(self.log, self.loaded)
        self.state = self.loaded.state
        for record, event in self.log.read_events(self.loaded.record_count):
            apply(self.state, event, record.time_ms)

    def write(self, recorded: Iterable[Recorded]) -> None:
        """One batch for each, folded."""
        for time_ms, event in recorded:
            batch = self.log.begin(time_ms)
            batch.append(event, None)
            self.log.commit(batch)
            apply(self.state, event, time_ms)

    def snapshot(self) -> Manifest:
        """Begin one and write all of it."""
        writing = SnapshotWriting(self.log, self.state)
        while (manifest := writing.advance(16, lambda: False)) is None:
            pass
        return manifest

    def restarted(self) -> SnapshotLog:
        """The node begins again with what is stored."""
        self.kv.close()
        self.kv.reopen()
        return SnapshotLog(self.kv)

    def folded(self, record_count: int | None = None) -> NodeState:
        """The fold of the first so many records, from nothing."""
        return fold_on(self.log, NodeState(), 0, record_count)


def fold_on(
    log: EventLog, state: NodeState, from_seq: int, record_count: int | None = None
) -> NodeState:
    """`state` with the records from there on folded into it."""
    for record, event in log.read_events(from_seq, record_count):
        apply(state, event, record.time_ms)
    return state


def look(state: NodeState) -> dict[str, Any]:
    """Everything a state holds and all that follows from it, in a form that compares."""
    found: dict[str, Any] = {}
    for named in state.tables():
        table = named.table
        rows = list(table.items()) if isinstance(table, Table) else sorted(table)
        found[named.name.decode()] = (rows, table.next_place)
    carried, agenda = state.carried, state.agenda
    found["sums of shares"] = (
        carried.exposure,
        carried.amount_as_hub,
        carried.fees_earned,
        carried.count,
    )
    for name in ("_unfunded", "_opening"):
        waiting = getattr(agenda, name)
        found[name] = (waiting.by_peer, waiting.by_pair, waiting.of_strangers)
    rejections = agenda.rejections
    found["rejections by neighbour"] = list(rejections._by_neighbour.items())
    found["rejections by pair"] = rejections._by_pair
    return found
