"""A state that begins from a snapshot is the fold of the whole log, or the snapshot is not used."""

from __future__ import annotations

import random
from collections.abc import Generator

import pytest

from node.store.errors import SnapshotGone
from node.store.kv import SNAPSHOTS, KeyValueDamaged
from node.store.memory import MemoryKeyValue
from node.store.snapshot_loading import (
    Loaded,
    Pin,
    load_snapshot,
    loading,
    restore_state,
)
from node.store.snapshot_sweeping import SnapshotSweep
from node.store.snapshots import VERSION_HEAD_SIZE_BYTES, manifest_key, range_of
from protocols.entities import NodeState
from protocols.table import StoredTable
from tests.simulation.test_virtual_web import run
from tests.support.builders import CHANNEL
from tests.support.network import opened, pay
from tests.support.snapshot_logs import Recorded, SnapshotLog, fold_on, look
from tests.support.soak import times


def paid(count: int = 6) -> list[Recorded]:
    network = opened()
    for number in range(1, count + 1):
        pay(network, 10, number)
        network.settle()
    return network.bob.log


def with_snapshots(recorded: list[Recorded], *ends: int) -> SnapshotLog:
    """The log with a snapshot of so many records each."""
    log, begin = SnapshotLog(), 0
    for end in (*ends, len(recorded)):
        log.write(recorded[begin:end])
        begin = end
        if end in ends:
            log.snapshot()
    return log


def edit(log: SnapshotLog, key: bytes, value: bytes | None) -> None:
    batch = log.kv.new_batch()
    if value is None:
        batch.delete(key, SNAPSHOTS)
    else:
        batch.put(key, value, SNAPSHOTS)
    log.kv.write_unlogged(batch)


def reasons(log: SnapshotLog) -> list[tuple[int, str]]:
    loaded = load_snapshot(log.log, log.log.next_seq)
    return [(refused.record_count, refused.reason) for refused in loaded.refused]


# --- the same as the fold ---


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(times(6)))
def test_from_any_snapshot_on_the_fold_leads_to_the_same_state(seed: int) -> None:
    """Entities, digest, every view and every order, at lives with faults, refusals and closings."""
    rng = random.Random(seed)
    for node in run(seed).row:
        recorded = list(node.log)
        ends = sorted(rng.sample(range(1, len(recorded)), min(5, len(recorded) - 1)))
        log = with_snapshots(recorded, *ends)
        expected = look(log.state)
        assert expected == look(log.folded())
        for end in ends:
            state, seq = restore_state(log.log, end - 1)
            assert seq == end
            assert look(state) == look(log.folded(end))
            assert state.sums.digest == state.digest()
            assert look(fold_on(log.log, state, seq)) == expected
            assert state.sum_up().digest == log.state.digest()


def test_a_life_of_cut_tails_restarts_and_snapshots_keeps_the_state() -> None:
    node = opened().bob
    node.lose_tail()
    log = with_snapshots(node.log, 5, len(node.log) - 1)
    for _ in range(3):
        log = log.restarted()
        assert look(log.state) == look(log.folded())
        log.write(opened().bob.log[-1:])
        log.snapshot()


def test_entities_stay_stored_until_they_are_asked_for() -> None:
    log = with_snapshots(paid(), 30)
    state, _ = restore_state(log.log, 29)
    assert isinstance(state.channels, StoredTable)
    assert list(state.channels) == [CHANNEL]
    assert state.channels._fetched == {}
    assert state.channels[CHANNEL] == log.folded(30).channels[CHANNEL]


def test_without_a_snapshot_there_is_an_empty_state_and_the_whole_log_to_fold() -> None:
    log = with_snapshots(paid(), 20)
    state, seq = restore_state(log.log, 18)
    assert (seq, look(state)) == (0, look(NodeState()))
    assert restore_state(log.log)[1] == 20
    assert restore_state(log.log, 19)[1] == 20


# --- what is not good is not used ---


def test_a_damaged_manifest_leads_to_the_snapshot_before() -> None:
    log = with_snapshots(paid(), 20, 30)
    edit(log, manifest_key(30), b"\x00" * 80)
    assert restore_state(log.log)[1] == 20
    assert reasons(log) == [(30, "its manifest is damaged, or of another version of this program")]


def test_a_changed_value_leads_to_the_snapshot_before() -> None:
    log = with_snapshots(paid(), 20, 30)
    newest = [key for key, _ in log.kv.iterate(SNAPSHOTS, *range_of(b"channel|"))][-1]
    value = log.kv.get(SNAPSHOTS, newest)
    assert value is not None
    head, encoded = value[:VERSION_HEAD_SIZE_BYTES], value[VERSION_HEAD_SIZE_BYTES:]
    edit(log, newest, head + encoded.replace(b"0", b"1", 1) + b" ")
    state, seq = restore_state(log.log)
    assert reasons(log) == [(30, "what it holds does not sum to its digest")]
    assert (seq, look(fold_on(log.log, state, seq))) == (20, look(log.state))


@pytest.mark.parametrize("name", [b"channel|", b"peer|", b"objective|", b"proven|"])
def test_a_changed_place_leads_to_the_snapshot_before(name: bytes) -> None:
    """The order of a table is in no sum, and is checked all the same."""
    log = with_snapshots(paid(), 20, 30)
    newest = [key for key, value in log.kv.iterate(SNAPSHOTS, *range_of(name)) if value][-1]
    value = log.kv.get(SNAPSHOTS, newest)
    assert value is not None
    edit(log, newest, value[:7] + bytes([value[7] ^ 1]) + value[8:])
    state, seq = restore_state(log.log)
    assert reasons(log)[0] == (30, "a place in it was changed")
    assert look(fold_on(log.log, state, seq)) == look(log.state)


@pytest.mark.parametrize("name", [b"peer|", b"objective|", b"active|", b"proven|"])
def test_a_lost_value_leads_to_the_snapshot_before_or_to_none(name: bytes) -> None:
    log = with_snapshots(opened().bob.log, 12, 25)
    keys = [key for key, _ in log.kv.iterate(SNAPSHOTS, *range_of(name))]
    edit(log, keys[-1], None)
    state, seq = restore_state(log.log)
    assert seq < 25
    assert look(fold_on(log.log, state, seq)) == look(log.state)


def test_a_snapshot_of_more_records_than_there_are_or_of_others_is_not_used() -> None:
    recorded = paid()
    log = with_snapshots(recorded, 20, 30)
    other = SnapshotLog()
    other.write([(time_ms + 1, event) for time_ms, event in recorded[:25]])
    batch = other.kv.new_batch()
    for key, value in log.kv.iterate(SNAPSHOTS):
        batch.put(key, value, SNAPSHOTS)
    other.kv.write_unlogged(batch)
    assert restore_state(other.log)[1] == 0
    loaded = load_snapshot(other.log, 10**6)
    assert [(refused.record_count, refused.reason) for refused in loaded.refused] == [
        (30, "the log has 25 records only"),
        (20, "its last record is another one in the log"),
    ]


class Unreadable(MemoryKeyValue):
    """Its snapshots are on a bad block."""

    where = b""

    def blocks(self, family, start=b"", stop=None):  # type: ignore[no-untyped-def]
        if family == SNAPSHOTS and start.startswith(self.where):
            raise KeyValueDamaged("a bad block")
        return super().blocks(family, start, stop)


@pytest.mark.parametrize("where", [b"", b"channel|", b"share|"])
def test_snapshots_that_cannot_be_read_cost_time_and_nothing_else(where: bytes) -> None:
    store = Unreadable()
    store.where = b"nothing"
    log = SnapshotLog(store)
    log.write(paid())
    log.snapshot()
    store.where = where
    assert load_snapshot(log.log, log.log.next_seq).record_count == 0
    assert "a bad block" in reasons(log)[0][1]
    again = log.restarted()
    assert look(again.state) == look(log.state)


# --- in steps ---


def drained(steps: Generator[None, None, Loaded]) -> tuple[int, Loaded]:
    """How many steps there were, and what they led to."""
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return count, done.value
        count += 1


def test_a_snapshot_is_loaded_in_steps() -> None:
    log = with_snapshots(paid(), 20, 30)
    step_count, loaded = drained(loading(log.log, 30))
    assert step_count > 5
    assert loaded.record_count == 30
    assert look(fold_on(log.log, loaded.state, 30)) == look(log.state)


def test_what_is_being_loaded_is_not_swept_meanwhile() -> None:
    log = with_snapshots(paid(), 20, 30)
    steps = loading(log.log, 25)
    next(steps)
    assert [pin.record_count for pin in log.log.pins if isinstance(pin, Pin)] == [20]
    edit(log, manifest_key(20), None)
    sweep = SnapshotSweep(log.log)
    while not sweep.advance():
        pass
    _, loaded = drained(steps)
    assert (loaded.record_count, loaded.refused) == (20, ())
    assert look(fold_on(log.log, loaded.state, 20)) == look(log.state)


def test_a_value_that_is_gone_when_it_is_asked_for_is_named() -> None:
    log = with_snapshots(paid(), 30)
    state, _ = restore_state(log.log, 29)
    for key, _ in list(log.kv.iterate(SNAPSHOTS, *range_of(b"channel|"))):
        edit(log, key, None)
    with pytest.raises(SnapshotGone, match="the snapshot of 30 records cannot be read"):
        state.channels[CHANNEL]
    log.kv.close()
    with pytest.raises(SnapshotGone, match="closed"):
        state.channels[CHANNEL]


def test_a_state_in_memory_pins_its_snapshot_as_long_as_it_lives() -> None:
    log = with_snapshots(paid(), 30)
    state, _ = restore_state(log.log, 29)
    assert [pin.record_count for pin in log.log.pins if isinstance(pin, Pin)] == [30]
    del state
    assert list(log.log.pins) == []
