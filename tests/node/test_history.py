"""The past of a log: which record a moment is, and the state right after it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
import trio

from node import history
from node.history import History
from node.limits import PAST_STATE_COUNT_MAX
from node.moments import AtBlock, AtRecord, AtTime
from node.store.kv import BLOCK_COUNT_MAX, SNAPSHOTS
from node.store.snapshots import manifest_key
from protocols import inputs
from protocols.moment_errors import MomentAhead, MomentBeforeLog
from protocols.node_state import NodeState, apply
from tests.support.builders import CHANNEL
from tests.support.engine_rig import START_MS, Rig, opened, pay
from tests.support.snapshot_logs import SnapshotLog, look


async def lived() -> tuple[Rig, History]:
    """A channel opened, blocks 100, 103 and 107 processed, payments between them; all dated."""
    rig = await opened()
    for number, block_num in enumerate((100, 103, 107), 1):
        rig.now_ms += 1_000
        await rig.answer(pay(number, number))
        rig.now_ms += 1_000
        await rig.take(inputs.ChainHead(block_num, bytes([block_num]) * 32))
    rig.now_ms += 60_000
    return rig, History(rig.log, lambda: rig.now_ms)


def folded(rig: Rig, seq: int) -> NodeState:
    state = NodeState()
    for record, event in rig.log.read_events(0, seq + 1):
        apply(state, event, record.time_ms)
    return state


async def test_every_moment_shows_what_the_records_up_to_it_say() -> None:
    rig, past = await lived()
    digests = []
    for seq in range(rig.log.next_seq):
        state, expected = await past.state_at(seq), folded(rig, seq)
        assert dict(state.entities()) == dict(expected.entities())
        digests.append(state.digest())
    assert digests[-1] == rig.state.digest()
    assert len(set(digests)) > 10


async def test_a_past_state_does_not_change_while_the_node_goes_on() -> None:
    rig, past = await lived()
    last_seq = rig.log.next_seq - 1
    before = await past.state_at(last_seq)
    digest = before.digest()
    await rig.answer(pay(5, 9))
    assert before.digest() == digest != rig.state.digest()
    assert await past.state_at(last_seq) is before


async def test_a_record_is_its_own_moment_until_the_newest() -> None:
    rig, past = await lived()
    newest = rig.log.next_seq - 1
    assert [past.seq_of(AtRecord(seq)) for seq in (0, 7, newest)] == [0, 7, newest]
    for seq in (newest + 1, 2**63 - 1):
        with pytest.raises(MomentAhead) as refused:
            past.seq_of(AtRecord(seq))
        assert refused.value.last_seq == newest


async def test_a_time_is_the_last_record_that_was_written_by_then() -> None:
    rig, past = await lived()
    times = [record.time_ms for record in rig.log.read()]
    for time_ms in range(times[0], times[-1] + 2_000, 250):
        seq = past.seq_of(AtTime(time_ms))
        assert times[seq] <= time_ms
        assert all(later > time_ms for later in times[seq + 1 :])
    with pytest.raises(MomentBeforeLog, match="record 0 is of 2024-01-01"):
        past.seq_of(AtTime(START_MS - 1))


async def test_a_time_that_has_not_passed_is_ahead_even_of_a_quiet_node() -> None:
    rig, past = await lived()
    newest = rig.log.next_seq - 1
    assert past.seq_of(AtTime(rig.now_ms - 1)) == newest
    for time_ms in (rig.now_ms, rig.now_ms + 1, 2**63 - 1):
        with pytest.raises(MomentAhead):
            past.seq_of(AtTime(time_ms))


async def test_a_time_is_found_though_the_clock_went_back() -> None:
    rig, past = await lived()
    newest_ms = rig.log.time_at(rig.log.next_seq - 1)
    rig.now_ms = START_MS
    assert past.seq_of(AtTime(newest_ms - 1)) < rig.log.next_seq - 1
    with pytest.raises(MomentAhead):
        past.seq_of(AtTime(newest_ms))


async def test_a_block_is_the_record_that_says_it_was_processed() -> None:
    rig, past = await lived()
    said = {
        event.block_num: record.seq
        for record, event in rig.log.read_events()
        if record.name == "chain-block-processed"
        for event in [event]
    }
    assert list(said) == [100, 103, 107]
    for block_num, seq in said.items():
        assert past.seq_of(AtBlock(block_num)) == seq
        assert (await past.state_at(seq)).node.processed_block_num == block_num
    # A block that was passed over counts as processed with the next one.
    assert past.seq_of(AtBlock(101)) == said[103]
    with pytest.raises(MomentAhead):
        past.seq_of(AtBlock(108))
    with pytest.raises(MomentBeforeLog, match="first block it processed is 100"):
        past.seq_of(AtBlock(99))


async def test_of_a_node_that_saw_no_block_every_block_is_ahead() -> None:
    rig = await opened()
    with pytest.raises(MomentAhead):
        History(rig.log, lambda: rig.now_ms).seq_of(AtBlock(0))


async def test_few_past_states_are_kept_and_those_asked_for_last() -> None:
    _, past = await lived()
    first = await past.state_at(5)
    for seq in range(6, 6 + PAST_STATE_COUNT_MAX - 1):
        await past.state_at(seq)
    assert await past.state_at(5) is first
    for seq in range(10, 10 + PAST_STATE_COUNT_MAX):
        await past.state_at(seq)
    assert await past.state_at(5) is not first


async def test_many_who_ask_for_one_moment_share_one_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    _, past = await lived()
    fold_count = 0
    real_fold = History._fold

    async def counted(self: History, seq: int) -> NodeState:
        nonlocal fold_count
        fold_count += 1
        return await real_fold(self, seq)

    monkeypatch.setattr(history.History, "_fold", counted)
    states: list[NodeState] = []

    async def ask() -> None:
        states.append(await past.state_at(9))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask)
    assert fold_count == 1
    assert all(state is states[0] for state in states)


async def test_a_long_fold_lets_everything_else_run() -> None:
    rig, past = await lived()
    for number in range(100, 100 + 4 * BLOCK_COUNT_MAX, 64):
        rig.queue(*(pay(1, number + place) for place in range(64)))
        await rig.work()
    turns: list[int] = []

    async def other() -> None:
        while True:
            turns.append(rig.log.next_seq)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await past.state_at(rig.log.next_seq - 1)
        nursery.cancel_scope.cancel()
    assert len(turns) >= rig.log.next_seq // BLOCK_COUNT_MAX


async def test_whoever_gives_up_leaves_the_next_one_a_way() -> None:
    rig, past = await lived()
    with trio.CancelScope() as scope:
        scope.cancel()
        await past.state_at(9)
    assert scope.cancelled_caught
    assert (await past.state_at(9)).digest() == folded(rig, 9).digest()


async def test_recorded_times_and_blocks_never_fall() -> None:
    """What the search for a moment relies on."""
    rig, _ = await lived()
    rig.now_ms -= 10_000
    await rig.answer(pay(1, 99))
    await rig.take(inputs.ChainHead(105, b"\x05" * 32))
    records = list(rig.log.read_events())
    assert all(before.time_ms <= after.time_ms for (before, _), (after, _) in pairwise(records))
    blocks = [event.block_num for _, event in records if event.NAME == "chain-block-processed"]  # type: ignore[attr-defined]
    assert blocks == sorted(set(blocks))


async def test_records_are_counted_by_name_in_a_range_and_of_a_channel() -> None:
    rig, past = await lived()
    newest = rig.log.next_seq - 1
    records = list(rig.log.read())
    counted = await past.record_counts(5, newest - 2, None)
    assert counted == Counter(record.name for record in records[5 : newest - 1])
    assert await past.record_counts(7, 6, None) == {}
    of_channel = await past.record_counts(5, newest - 2, CHANNEL)
    about = [record.seq for record in rig.log.read_entity(CHANNEL, 5)]
    assert of_channel is not None
    assert of_channel.total() == sum(seq <= newest - 2 for seq in about) > 0


async def test_what_is_too_much_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    rig, past = await lived()
    monkeypatch.setattr(history, "COUNTED_RECORD_COUNT_MAX", 10)
    assert await past.record_counts(0, 10, None) is None
    found = await past.record_counts(0, 9, None)
    assert found is not None
    assert found.total() == 10
    assert await past.record_counts(0, rig.log.next_seq - 1, CHANNEL) is None


async def test_every_moment_is_the_same_from_a_snapshot_on(monkeypatch: pytest.MonkeyPatch) -> None:
    rig, _ = await lived()
    log = SnapshotLog()
    recorded = [(record.time_ms, event) for record, event in rig.log.read_events()]
    for begin in range(0, len(recorded), 7):
        log.write(recorded[begin : begin + 7])
        log.snapshot()
    past, begun_at = History(log.log, lambda: 2**62), []
    real_fold = history.apply_all

    def noted(state: NodeState, pairs: list[Any]) -> None:
        begun_at.append(len(pairs))
        real_fold(state, pairs)

    monkeypatch.setattr(history, "apply_all", noted)
    for seq in range(len(recorded)):
        assert look(await past.state_at(seq)) == look(log.folded(seq + 1))
    # Never more than what the snapshot before leaves to be folded.
    assert max(begun_at) < 7


async def test_a_damaged_snapshot_costs_the_past_time_and_nothing_else() -> None:
    rig, _ = await lived()
    log = SnapshotLog()
    recorded = [(record.time_ms, event) for record, event in rig.log.read_events()]
    log.write(recorded[:20])
    log.snapshot()
    log.write(recorded[20:])
    batch = log.kv.new_batch()
    batch.put(manifest_key(20), b"\x00" * 80, SNAPSHOTS)
    log.kv.write_unlogged(batch)
    past = History(log.log, lambda: 2**62)
    assert look(await past.state_at(25)) == look(log.folded(26))
