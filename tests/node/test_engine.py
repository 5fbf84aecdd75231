"""The engine: one synced write a batch, and nothing leaves before it."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from node.answers import Answer
from node.limits import (
    BACKLOG_INPUT_COUNT_MAX,
    BATCH_INPUT_COUNT_MAX,
    INPUT_QUEUE_COUNT_MAX,
    LEDGER_INPUT_COUNT_MAX,
    PROMPT_INPUT_COUNT_MAX,
    SNAPSHOT_INTERVAL_RECORD_COUNT,
    TREE_LAG_COUNT_MIN,
    TREE_TURN_SLICE_COUNT_MAX,
)
from node.store.errors import LogDamaged, LogWriteFailed
from node.store.kv import LOG
from node.store.limits import TREE_SLICE_COUNT_MAX
from protocols import commands, events, inputs, messages
from protocols.head_events import LogHeadSigned
from protocols.ledger_events import LedgerUpdateSigned
from protocols.log_head import LogHead, require_signed
from protocols.mountain_range import MountainRange
from protocols.node_state import NodeState, apply
from protocols.peer_heads import owner_of
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL, payment
from tests.support.engine_rig import START_MS, Rig, opened, opened_ledger, pay, receipt
from tests.support.ledger_rig import LEDGER


def the_group(group: pytest.ExceptionInfo[BaseExceptionGroup[Exception]]) -> BaseException:
    (error,) = group.value.exceptions
    return error


async def test_inputs_that_wait_together_become_durable_by_one_write() -> None:
    rig = await opened()
    answers = [rig.ask(pay(7, number)) for number in range(1, 51)]
    await rig.work()
    assert len(rig.journal.of("write")) == 1
    assert all(len(answer) == 1 for answer in answers)


async def test_a_failed_write_ends_the_engine_and_lets_nothing_go() -> None:
    rig = await opened()
    rig.kv.fails = True
    answers = rig.ask(pay(1, 1))
    rig.queue(rig.said(BOB, None))
    with pytest.raises(BaseExceptionGroup) as raised:
        await rig.work()
    assert isinstance(the_group(raised), LogWriteFailed)
    assert rig.journal.order == ["write asked"]
    assert answers == []
    assert not any(
        isinstance(decoded, messages.Payment) for decoded in rig.peers.bodies(BOB.address)
    )


async def test_after_a_failed_write_nothing_more_is_written() -> None:
    rig = await opened()
    rig.kv.fails = True
    rig.queue(pay(1, 1))
    with pytest.raises(BaseExceptionGroup):
        await rig.work()
    rig.kv.fails = False
    before = dict(rig.kv.iterate(LOG))
    rig.queue(pay(1, 2))
    with pytest.raises(BaseExceptionGroup) as raised:
        await rig.work()
    assert isinstance(the_group(raised), LogWriteFailed)
    assert dict(rig.kv.iterate(LOG)) == before


async def test_a_failed_write_leaves_a_log_that_goes_on_where_it_was() -> None:
    rig = await opened()
    await rig.answer(pay(1, 1))
    rig.kv.fails = True
    rig.queue(pay(1, 2))
    with pytest.raises(BaseExceptionGroup):
        await rig.work()
    rig.kv.fails = False
    again = rig.restarted()
    assert again.state.channels[CHANNEL].vouchers.total == 1
    assert (await again.answer(pay(5, 3))).total == 6


async def test_a_batch_is_bounded() -> None:
    rig = await opened()
    rig.queue(*(pay(1, number) for number in range(BATCH_INPUT_COUNT_MAX + 1)))
    await rig.work()
    assert len(rig.journal.of("write")) == 2
    assert rig.state.channels[CHANNEL].vouchers.payment_count == BATCH_INPUT_COUNT_MAX + 1


async def test_a_batch_that_begins_with_a_ledger_may_hold_more() -> None:
    rig = await opened_ledger(ALICE)
    rig.journal.clear()
    count = LEDGER_INPUT_COUNT_MAX
    rig.queue(*(commands.PayLedger(LEDGER, 1, f"rent-{number}") for number in range(count + 1)))
    await rig.work()
    assert len(rig.journal.of("write")) == 2
    follower = await opened_ledger(BOB)
    follower.journal.clear()
    proposals = rig.peers.bodies(BOB.address)[-count - 1 : -1]
    follower.queue(*(follower.said(ALICE, body) for body in proposals))
    await follower.work()
    assert len(follower.journal.of("write")) == 1
    (agreed,) = follower.events_of(LedgerUpdateSigned)
    assert agreed.turn_num == count + 1


async def test_of_very_many_inputs_a_quarter_is_taken_at_once_up_to_a_bound() -> None:
    rig = await opened()
    begun = rig.log.next_seq
    rig.queue(*(pay(1, number) for number in range(6 * BACKLOG_INPUT_COUNT_MAX)))
    rig.engine._take_turn()
    assert rig.log.next_seq - begun == BACKLOG_INPUT_COUNT_MAX
    while rig.log.next_seq - begun < 3 * BACKLOG_INPUT_COUNT_MAX:
        rig.engine._take_turn()
    taken = rig.log.next_seq
    rig.engine._take_turn()
    left = 6 * BACKLOG_INPUT_COUNT_MAX - (taken - begun)
    assert rig.log.next_seq - taken == left // 4
    await rig.work()
    assert rig.state.channels[CHANNEL].vouchers.payment_count == 6 * BACKLOG_INPUT_COUNT_MAX


async def test_a_replay_of_the_log_equals_what_is_in_memory() -> None:
    rig = await opened()
    for number in range(1, 40):
        rig.ask(pay(number, number))
    await rig.work()
    await rig.take(rig.said(BOB, receipt(rig, 25)), inputs.PeerAck(BOB.address, 12))
    await rig.take(rig.said(BOB, None), inputs.PeerFault(BOB.address, "framing", "why", 9))
    await rig.answer(commands.CloseChannel(CHANNEL))
    assert rig.folded().digest() == rig.state.digest()


def state_of_first(rig: Rig, count: int) -> NodeState:
    state = NodeState()
    for record, event in rig.log.read_events(0, count):
        apply(state, event, record.time_ms)
    return state


async def test_a_digest_of_the_memory_is_recorded_every_thousand_records() -> None:
    rig = await opened()
    begun = rig.log.next_seq
    rig.queue(*(pay(1, number) for number in range(2 * SNAPSHOT_INTERVAL_RECORD_COUNT)))
    await rig.work()
    (digested,) = rig.events_of(events.StateDigestRecorded)
    folded = state_of_first(rig, digested.record_count)
    assert digested.digest == folded.digest()
    assert digested.entity_count == len(list(folded.entities()))
    assert not digested.clean_stop
    late = digested.record_count - begun - SNAPSHOT_INTERVAL_RECORD_COUNT
    assert 0 <= late <= BACKLOG_INPUT_COUNT_MAX
    await rig.take(*(pay(1, number) for number in range(2_000, 2_300)))
    assert len(rig.events_of(events.StateDigestRecorded)) == 2


async def test_a_node_begins_from_its_newest_snapshot_and_the_records_behind_it() -> None:
    rig = await opened()
    await rig.take(*(pay(1, number) for number in range(1_100)))
    await rig.take(*(pay(1, number) for number in range(2_000, 2_010)))
    again = rig.restarted()
    assert again.engine.snapshots.newest_record_count >= SNAPSHOT_INTERVAL_RECORD_COUNT
    assert again.state.digest() == rig.state.digest()
    await again.answer(pay(1, 5_000))
    assert again.state.digest() == again.folded().digest()
    again.engine.stop()
    last = again.restarted()
    assert last.engine.snapshots.newest_record_count == last.log.next_seq - 1
    assert last.state.digest() == last.folded().digest()


async def test_stop_finishes_the_queue_and_the_last_record_is_a_digest() -> None:
    rig = await opened()
    answers = [rig.ask(pay(2, number)) for number in range(1, 4)]
    rig.engine.stop()
    assert [answer[0].total for answer in answers if isinstance(answer[0], Answer)] == [2, 4, 6]
    *_, (last, event) = rig.log.read_events()
    assert isinstance(event, events.StateDigestRecorded)
    assert event.clean_stop
    assert event.digest == rig.state.digest()
    assert last.seq == rig.log.next_seq - 1 == event.record_count
    assert len(rig.journal.of("write")) == 3
    (head,) = rig.events_of(LogHeadSigned)
    assert head.length == last.seq - 1


def tree_root(rig: Rig, length: int) -> bytes:
    """The root over the rig's first records, made from nothing."""
    whole = MountainRange()
    whole.extend(rig.log.chain_at(seq) for seq in range(length))
    return whole.root()


async def test_a_head_over_all_before_it_is_signed_every_thousand_records() -> None:
    rig = await opened()
    for start in range(0, 2_400, 300):
        await rig.take(*(pay(1, number) for number in range(start + 1, start + 301)))
    owner = owner_of(rig.state.node, ALICE.address)
    signed = [(r.seq, e) for r, e in rig.log.read_events() if isinstance(e, LogHeadSigned)]
    assert len(signed) == 2
    for seq, event in signed:
        assert event.length == seq
        assert event.root == tree_root(rig, seq)
        require_signed(owner, LogHead(event.length, event.root, event.signature))
    assert signed[1][0] - signed[0][0] >= 1_000
    newest = signed[1][1]
    assert rig.state.node.head == LogHead(newest.length, newest.root, newest.signature)
    assert rig.log.tree.lag_count < 2 * TREE_LAG_COUNT_MIN


async def test_a_head_is_told_when_it_is_durable_and_not_before() -> None:
    rig = await opened()
    told: list[LogHead] = []

    def hear(head: LogHead) -> None:
        told.append(head)
        rig.journal.note("head")

    rig.engine.on_head = hear
    head = rig.engine.sign_head()
    assert told == [head]
    assert rig.journal.order == ["write asked", "write", "head"]
    assert head.length == rig.log.next_seq - 1
    rig.kv.fails = True
    with pytest.raises(LogWriteFailed):
        rig.engine.sign_head()
    assert told == [head]
    with pytest.raises(LogWriteFailed):
        await rig.engine.run()
    with pytest.raises(LogWriteFailed):
        rig.engine.sign_head()


async def test_a_node_that_only_starts_and_stops_signs_no_head_each_time() -> None:
    rig = await opened()
    rig.engine.stop()
    again = rig.restarted()
    again.engine.stop()
    assert len(again.events_of(LogHeadSigned)) == 1
    assert len(again.events_of(events.StateDigestRecorded)) == 2


async def test_a_tree_far_behind_is_caught_up_beside_the_work_and_waited_for_by_no_head() -> None:
    rig = await opened()
    batch = rig.log.begin(rig.now_ms)
    count = 3 * TREE_TURN_SLICE_COUNT_MAX * TREE_SLICE_COUNT_MAX
    batch.append_run([events.StateDigestRecorded(bytes(32), 0, False, 0)] * count, None, None)
    rig.log.commit(batch)
    answers = rig.ask(pay(1, 1))
    rig.engine.prompt()
    assert len(answers) == 1
    assert rig.events_of(LogHeadSigned) == []
    await rig.work()
    assert rig.log.tree.lag_count < TREE_LAG_COUNT_MIN
    await rig.answer(pay(1, 2))
    assert len(rig.events_of(LogHeadSigned)) == 1


async def test_recorded_times_never_fall_when_the_clock_steps_back() -> None:
    rig = await opened()
    rig.now_ms = START_MS + 5_000
    await rig.answer(pay(1, 1))
    rig.now_ms = START_MS - 60_000
    await rig.answer(pay(1, 2))
    rig.now_ms = START_MS + 6_000
    await rig.answer(pay(1, 3))
    times = [record.time_ms for record in rig.log.read()]
    assert times == sorted(times)
    assert times[-3:] == [START_MS + 5_000, START_MS + 5_000, START_MS + 6_000]


async def test_recorded_times_never_fall_across_a_restart() -> None:
    rig = await opened()
    rig.now_ms = START_MS + 5_000
    await rig.answer(pay(1, 1))
    again = rig.restarted()
    assert again.now_ms == START_MS
    await again.answer(pay(1, 2))
    times = [record.time_ms for record in again.log.read()]
    assert times == sorted(times)


async def test_a_full_queue_says_so_and_takes_more_after_a_batch() -> None:
    rig = await opened()
    for _ in range(INPUT_QUEUE_COUNT_MAX):
        assert rig.engine.nowait(inputs.Tick())
    assert not rig.engine.nowait(inputs.Tick())
    told: list[object] = []
    assert not rig.engine.command_then(pay(1, 1), "durable", told.append)
    await rig.work()
    assert told == []
    assert rig.engine.nowait(inputs.Tick())


async def test_what_a_peer_said_that_is_expelled_is_not_taken() -> None:
    rig = await opened(BOB)
    said = [rig.said(ALICE, payment(10 * number, 10)) for number in range(1, 4)]
    rig.queue(said[0], inputs.Tick(), *said[1:])
    rig.engine.drop_messages(ALICE.address)
    records = rig.log.next_seq
    await rig.work()
    assert rig.log.next_seq == records
    await rig.take(*said)
    assert rig.state.channels[CHANNEL].vouchers.total == 30


async def test_what_must_not_be_lost_is_taken_although_the_queue_is_full() -> None:
    rig = await opened()
    await rig.answer(pay(1, 1))
    sent = rig.state.peer(BOB.address).sent
    for _ in range(INPUT_QUEUE_COUNT_MAX):
        assert rig.engine.nowait(inputs.Tick())
    rig.engine.urge(inputs.PeerConnected(BOB.address, sent))
    await rig.work()
    assert rig.state.peer(BOB.address).acknowledged == sent
    acknowledged = rig.events_of(events.PeerAcknowledged)
    rig.engine.urge(inputs.PeerConnected(BOB.address, sent))
    await rig.work()
    assert rig.events_of(events.PeerAcknowledged) == acknowledged


async def test_what_must_not_be_lost_is_finished_by_a_stop() -> None:
    rig = await opened()
    sent = rig.state.peer(BOB.address).sent
    for _ in range(INPUT_QUEUE_COUNT_MAX):
        assert rig.engine.nowait(inputs.Tick())
    rig.engine.urge(inputs.PeerConnected(BOB.address, sent))
    rig.engine.stop()
    assert rig.state.peer(BOB.address).acknowledged == sent


async def test_what_is_queued_lies_until_it_is_prompted_or_the_engine_is_woken() -> None:
    rig = await opened()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.engine.run)
        await trio.testing.wait_all_tasks_blocked()
        prompted, woken = rig.ask(pay(1, 1)), rig.ask(pay(1, 2))
        await trio.testing.wait_all_tasks_blocked()
        assert prompted == woken == []
        rig.engine.prompt()
        assert len(prompted) == len(woken) == 1
        woken = rig.ask(pay(1, 3))
        rig.engine.wake()
        assert woken == []
        await trio.testing.wait_all_tasks_blocked()
        assert len(woken) == 1
        nursery.cancel_scope.cancel()


async def test_who_does_not_wait_does_not_overtake_who_does() -> None:
    rig = await opened()
    rig.queue(*[inputs.Tick()] * INPUT_QUEUE_COUNT_MAX)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.engine, pay(1, 1))
        await trio.testing.wait_all_tasks_blocked()
        rig.engine.prompt()
        assert not rig.engine.nowait(pay(1, 2))
        nursery.start_soon(rig.engine.run)
        await trio.testing.wait_all_tasks_blocked()
        assert rig.state.channels[CHANNEL].vouchers.total == 1
        assert rig.engine.nowait(pay(1, 2))
        nursery.cancel_scope.cancel()


async def test_who_waits_at_a_full_queue_gets_in_when_there_is_room() -> None:
    rig = await opened()
    for _ in range(INPUT_QUEUE_COUNT_MAX):
        assert rig.engine.nowait(inputs.Tick())
    with trio.move_on_after(0) as at_once:
        await rig.engine(pay(3, 1))
    assert at_once.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.engine, pay(3, 1))
        await rig.work()
    await rig.work()
    assert rig.state.channels[CHANNEL].vouchers.total == 3


async def test_little_is_carried_out_at_once_by_who_handed_it_in() -> None:
    rig = await opened()
    answers = rig.ask(pay(1, 1))
    rig.engine.prompt()
    assert len(answers) == 1
    assert rig.journal.order == ["write asked", "write", "send", "answer"]
    await rig.work()
    assert rig.journal.of("write") == [None]


async def test_much_waits_for_the_engines_own_task_and_shares_a_write() -> None:
    rig = await opened()
    answers = [rig.ask(pay(1, number)) for number in range(PROMPT_INPUT_COUNT_MAX + 1)]
    rig.engine.prompt()
    assert rig.journal.order == []
    await rig.work()
    assert [len(answer) for answer in answers] == [1] * len(answers)
    assert len(rig.journal.of("write")) == 1


async def test_a_turn_is_never_taken_inside_another() -> None:
    rig = await opened()
    then: list[object] = []

    def ask_again(answer: object) -> None:
        assert rig.engine.command_then(pay(2, 2), "durable", then.append)
        rig.engine.prompt()
        assert then == []

    assert rig.engine.command_then(pay(1, 1), "durable", ask_again)
    rig.engine.prompt()
    assert len(rig.journal.of("write")) == 1
    await rig.work()
    assert len(then) == 1
    assert len(rig.journal.of("write")) == 2


async def test_a_turn_that_fails_in_another_task_ends_the_engines_and_lets_nothing_go() -> None:
    rig = await opened()
    rig.kv.fails = True
    answers = rig.ask(pay(1, 1))
    rig.engine.prompt()
    rig.kv.fails = False
    rig.ask(pay(1, 2))
    rig.engine.prompt()
    with pytest.raises(BaseExceptionGroup) as raised:
        await rig.work()
    assert isinstance(the_group(raised), LogWriteFailed)
    assert rig.journal.order == ["write asked"]
    assert answers == []


async def test_a_stop_after_a_failed_turn_writes_nothing() -> None:
    rig = await opened()
    rig.kv.fails = True
    rig.ask(pay(1, 1))
    rig.engine.prompt()
    rig.kv.fails = False
    with pytest.raises(LogWriteFailed):
        rig.engine.stop()
    assert rig.journal.order == ["write asked"]


async def test_a_prompt_without_work_does_not_put_the_engine_to_sleep_for_good() -> None:
    rig = await opened()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.engine.run)
        await trio.testing.wait_all_tasks_blocked()
        rig.engine.prompt()
        answers = rig.ask(pay(1, 1))
        rig.engine.wake()
        await trio.testing.wait_all_tasks_blocked()
        assert len(answers) == 1
        nursery.cancel_scope.cancel()


async def test_a_bug_ends_the_engine_and_what_its_batch_held_is_not_written() -> None:
    rig = await opened()
    answers = rig.ask(pay(1, 1))
    rig.queue(inputs.Input())
    with pytest.raises(BaseExceptionGroup) as raised:
        await rig.work()
    assert isinstance(the_group(raised), AssertionError)
    assert answers == []
    assert "write" not in rig.journal.order
    assert rig.restarted().state.channels[CHANNEL].vouchers.total == 0


async def test_facts_of_the_node_are_durable_when_record_returns() -> None:
    rig = await opened()
    rig.engine.record(events.LogTailCut(rig.log.next_seq, 12, "000007.log"))
    assert rig.journal.order == ["write asked", "write"]
    assert rig.state.channels[CHANNEL].close_only
    assert rig.restarted().state.channels[CHANNEL].close_only


async def test_an_empty_batch_is_not_written() -> None:
    rig = await opened()
    await rig.take(inputs.Tick(), inputs.EndOfBatch())
    assert rig.journal.order == []


async def test_replay_stops_at_the_first_record_that_is_altered() -> None:
    rig = await opened()
    key, value = list(rig.kv.iterate(LOG))[5]
    batch = rig.kv.new_batch()
    batch.put(key, value[:-1] + bytes([value[-1] ^ 1]), rig.kv.handle(LOG))
    rig.kv.write(batch)
    with pytest.raises(LogDamaged) as raised:
        rig.restarted()
    assert raised.value.first_seq == 5


async def test_every_restart_is_the_same_state_again() -> None:
    rig = await opened()
    await rig.take(*(pay(3, number) for number in range(1, 9)))
    digest = rig.state.digest()
    for _ in range(3):
        rig = rig.restarted()
        assert rig.state.digest() == digest
    assert (await rig.answer(pay(1, 77))).total == 25
