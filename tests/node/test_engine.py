"""The engine: one synced write a batch, and nothing leaves before it."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from node.answers import Answer
from node.limits import (
    BATCH_INPUT_COUNT_MAX,
    DIGEST_INTERVAL_RECORD_COUNT,
    INPUT_QUEUE_COUNT_MAX,
    PROMPT_INPUT_COUNT_MAX,
)
from node.store.errors import EquivocationAlarm, LogDamaged, LogWriteFailed
from node.store.kv import LOG
from protocols import events, inputs, messages
from protocols.effects import BroadcastTransaction, SendMessage, SubmitTransaction
from protocols.errors import AmountAboveDeposit, AmountNotPositive, UnknownChannel
from protocols.node_state import NodeState, apply
from protocols.types import amount_from_bytes
from tests.support.actors import ALICE, BOB, Actor
from tests.support.builders import (
    CHANNEL,
    DEPOSIT,
    open_command,
    payment,
    signed,
    state,
)
from tests.support.engine_rig import START_MS, Rig, opened, opened_ledger, pay, receipt
from tests.support.ledger_rig import LEDGER, move
from tests.support.ledger_rig import proposals as ledger_proposals


def the_group(group: pytest.ExceptionInfo[BaseExceptionGroup[Exception]]) -> BaseException:
    (error,) = group.value.exceptions
    return error


async def test_inputs_that_wait_together_become_durable_by_one_write() -> None:
    rig = await opened()
    answers = [rig.ask(pay(7, number)) for number in range(1, 51)]
    await rig.work()
    assert len(rig.journal.of("write")) == 1
    assert all(len(answer) == 1 for answer in answers)


async def test_each_answer_names_the_record_of_its_own_payment_and_comes_in_log_order() -> None:
    rig = await opened()
    for number in range(1, 21):
        rig.ask(pay(number, number))
    await rig.work()
    answered = rig.journal.of("answer")
    assert [answer.seq for answer in answered] == sorted(answer.seq for answer in answered)
    for number, answer in enumerate(answered, start=1):
        (record,) = rig.log.read(answer.seq, answer.seq + 1)
        issued = record.event()
        assert isinstance(issued, events.VoucherIssued)
        assert issued.payment_id == answer.payment_id == number.to_bytes(32, "big")
        assert amount_from_bytes(issued.amount) == number
        assert amount_from_bytes(issued.total) == answer.total == number * (number + 1) // 2


async def test_nothing_is_released_before_the_write() -> None:
    rig = await opened()
    rig.ask(pay(1, 1))
    rig.queue(rig.said(BOB, None))
    rig.ask(pay(2, 2))
    await rig.work()
    assert rig.journal.order == [
        "write asked",
        "write",
        "acknowledge",
        "send",
        "answer",
        "answer",
    ]
    assert rig.journal.of("send") == [(BOB.address, [3, 4])]
    assert rig.journal.of("acknowledge") == [BOB.address]


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


async def test_a_refused_command_leaves_no_record_and_no_write() -> None:
    rig = await opened()
    before = rig.log.next_seq
    with pytest.raises(AmountAboveDeposit):
        await rig.answer(pay(DEPOSIT + 1, 1))
    assert rig.log.next_seq == before
    assert rig.journal.order == ["answer"]
    assert rig.state.channels[CHANNEL].vouchers.total == 0


async def test_a_refused_command_takes_nothing_from_its_neighbours() -> None:
    rig = await opened()
    first, refused, last = rig.ask(pay(10, 1)), rig.ask(pay(0, 2)), rig.ask(pay(5, 3))
    await rig.work()
    assert isinstance(refused[0], AmountNotPositive)
    assert isinstance(first[0], Answer)
    assert isinstance(last[0], Answer)
    assert (first[0].total, last[0].total) == (10, 15)
    assert last[0].seq == first[0].seq + 1


async def test_a_batch_is_bounded() -> None:
    rig = await opened()
    rig.queue(*(pay(1, number) for number in range(BATCH_INPUT_COUNT_MAX + 1)))
    await rig.work()
    assert len(rig.journal.of("write")) == 2
    assert rig.state.channels[CHANNEL].vouchers.payment_count == BATCH_INPUT_COUNT_MAX + 1


async def test_payments_that_come_together_have_no_cause_in_each_other() -> None:
    payer, payee = await opened(), await opened(BOB)
    answers = [payer.ask(pay(1, number), "receipt") for number in (1, 2, 3)]
    await payer.work()
    payee.queue(*(payee.said(ALICE, body) for body in payer.peers.bodies(BOB.address)))
    await payee.work()
    for rig, kind in ((payer, events.VoucherIssued), (payee, events.VoucherReceived)):
        records = [r for r in rig.log.read() if r.name == kind.NAME]
        assert [record.cause_seq for record in records] == [None] * 3
        assert rig.folded().digest() == rig.state.digest()
        assert len(rig.journal.of("write")) == 1
    assert payee.journal.of("acknowledge") == [ALICE.address]
    await payer.take(payer.said(BOB, receipt(payer, 3)))
    told = [answer.receipted for (answer,) in answers if isinstance(answer, Answer)]
    assert told == [True] * 3


async def test_the_records_of_one_input_name_the_first_as_their_cause() -> None:
    rig = Rig()
    await rig.answer(open_command())
    records = list(rig.log.read(1))
    assert len(records) > 3
    assert records[0].cause_seq is None
    assert {record.cause_seq for record in records[1:]} == {1}


async def test_a_replay_of_the_log_equals_what_is_in_memory() -> None:
    rig = await opened()
    for number in range(1, 40):
        rig.ask(pay(number, number))
    await rig.work()
    await rig.take(rig.said(BOB, receipt(rig, 25)), inputs.PeerAck(BOB.address, 12))
    await rig.take(rig.said(BOB, None), inputs.PeerFault(BOB.address, "framing", "why", 9))
    await rig.answer(inputs.CloseChannel(CHANNEL))
    assert rig.folded().digest() == rig.state.digest()


async def test_a_digest_of_the_memory_is_recorded_every_thousand_records() -> None:
    rig = await opened()
    begun = rig.log.next_seq
    rig.queue(*(pay(1, number) for number in range(2 * DIGEST_INTERVAL_RECORD_COUNT)))
    await rig.work()
    replayed, digested = NodeState(), []
    for record, event in rig.log.read_events():
        if isinstance(event, events.StateDigestRecorded):
            assert event.digest == replayed.digest()
            assert event.entity_count == len(list(replayed.entities()))
            assert not event.clean_stop
            digested.append(record.seq)
        apply(replayed, event, record.time_ms)
    assert len(digested) == 1
    assert begun + 1_000 <= digested[0] <= begun + 1_000 + BATCH_INPUT_COUNT_MAX
    await rig.take(*(pay(1, number) for number in range(2_000, 2_300)))
    assert len(rig.events_of(events.StateDigestRecorded)) == 2


async def test_stop_finishes_the_queue_and_the_last_record_is_a_digest() -> None:
    rig = await opened()
    answers = [rig.ask(pay(2, number)) for number in range(1, 4)]
    rig.engine.stop()
    assert [answer[0].total for answer in answers if isinstance(answer[0], Answer)] == [2, 4, 6]
    *_, (last, event) = rig.log.read_events()
    assert isinstance(event, events.StateDigestRecorded)
    assert event.clean_stop
    assert event.digest == rig.state.digest()
    assert last.seq == rig.log.next_seq - 1
    assert len(rig.journal.of("write")) == 1


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


async def test_what_must_not_be_lost_comes_first_when_the_queue_is_full() -> None:
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
        await trio.testing.wait_all_tasks_blocked()
        assert len(answers) == 1
        nursery.cancel_scope.cancel()


async def test_a_message_that_comes_twice_is_taken_in_once_and_acknowledged_again() -> None:
    rig = await opened(BOB)
    first = rig.said(ALICE, payment(10, 10))
    await rig.take(first)
    records = rig.log.next_seq
    rig.journal.clear()
    await rig.take(first, first)
    assert rig.log.next_seq == records
    assert rig.journal.order == ["acknowledge"]
    assert rig.state.channels[CHANNEL].vouchers.total == 10


async def test_a_message_twice_in_one_batch_is_taken_in_once() -> None:
    rig = await opened(BOB)
    first = rig.said(ALICE, payment(10, 10))
    await rig.take(first, first, rig.said(ALICE, payment(15, 5)))
    assert len(rig.events_of(events.VoucherReceived)) == 2
    assert rig.state.channels[CHANNEL].vouchers.total == 15


async def test_a_message_above_a_gap_is_not_taken_in() -> None:
    rig = await opened(BOB)
    missing, later = rig.said(ALICE, payment(10, 10)), rig.said(ALICE, payment(15, 5))
    await rig.take(later)
    assert rig.state.channels[CHANNEL].vouchers.total == 0
    await rig.take(missing, later)
    assert rig.state.channels[CHANNEL].vouchers.total == 15


async def test_payments_of_one_batch_get_one_receipt_after_the_last() -> None:
    rig = await opened(BOB)
    await rig.take(*(rig.said(ALICE, payment(10 * n, 10)) for n in range(1, 6)))
    (issued,) = rig.events_of(events.ReceiptIssued)
    assert amount_from_bytes(issued.total) == 50
    assert issued.payment_count == 5
    *_, last = rig.peers.bodies(ALICE.address)
    assert isinstance(last, messages.Receipt)
    assert len(rig.journal.of("write")) == 1


async def test_an_acknowledgement_of_more_than_was_sent_clears_nothing() -> None:
    rig = await opened()
    await rig.answer(pay(1, 1))
    before, records = rig.stored_effects(), rig.log.next_seq
    assert before
    sent = rig.state.peer(BOB.address).sent
    await rig.take(inputs.PeerAck(BOB.address, sent + 1))
    assert rig.stored_effects() == before
    assert rig.log.next_seq == records
    assert rig.outbox.message_count == sum(isinstance(e, SendMessage) for e in before) > 0


async def test_an_acknowledgement_clears_what_it_covers_on_disk_and_in_memory() -> None:
    rig = await opened()
    await rig.take(inputs.PeerAck(BOB.address, rig.state.peer(BOB.address).sent))
    assert rig.outbox.message_count == 0
    for number in (1, 2, 3):
        await rig.answer(pay(1, number))
    first = rig.state.peer(BOB.address).acknowledged + 1
    await rig.take(inputs.PeerAck(BOB.address, first + 1))
    (left,) = [effect for effect in rig.stored_effects() if isinstance(effect, SendMessage)]
    assert left.sequence == first + 2
    assert rig.outbox.message_count == 1


async def test_an_intent_stays_in_the_outbox_from_its_order_to_its_receipt() -> None:
    rig = Rig()
    await rig.answer(open_command())
    await rig.take(rig.said(BOB, signed(state(0), BOB)))
    (order,) = rig.journal.of("request")
    assert isinstance(order, SubmitTransaction)
    assert rig.outbox.transaction_count == 1
    fact = inputs.TransactionSigned(order.intent_id, b"h" * 32, ALICE.address, 0, b"raw")
    rig.journal.clear()
    await rig.take(fact)
    assert rig.journal.order == ["write asked", "write", "broadcast"]
    stored = [e for e in rig.stored_effects() if not isinstance(e, SendMessage)]
    assert stored == [BroadcastTransaction(order.intent_id, b"h" * 32, b"raw")]
    mined = inputs.TransactionReceipt(
        order.intent_id, b"h" * 32, 1, b"b" * 32, 50_000, 10**9, succeeded=True
    )
    rig.journal.clear()
    await rig.take(mined)
    assert rig.journal.order == ["write asked", "write", "settle"]
    assert all(isinstance(e, SendMessage) for e in rig.stored_effects())
    assert rig.outbox.transaction_count == 0


async def test_a_second_state_for_a_turn_raises_the_alarm_and_nothing_is_written() -> None:
    rig = Rig()
    batch = rig.log.begin(START_MS)
    batch.sign_turn(CHANNEL, 0, b"another state's hash".ljust(32))
    rig.log.commit(batch)
    rig.journal.clear()
    records = rig.log.next_seq
    answers = rig.ask(open_command())
    with pytest.raises(BaseExceptionGroup) as raised:
        await rig.work()
    assert isinstance(the_group(raised), EquivocationAlarm)
    assert rig.journal.order == []
    assert answers == []
    assert rig.restarted().log.next_seq == records


@pytest.mark.parametrize("actor", [ALICE, BOB], ids=["leader", "follower"])
async def test_a_second_state_of_a_ledgers_turn_raises_the_alarm(actor: Actor) -> None:
    rig = await opened_ledger(actor)
    batch = rig.log.begin(START_MS)
    batch.sign_turn(LEDGER, 2, b"another state's hash".ljust(32))
    rig.log.commit(batch)
    (said,) = ledger_proposals(move(1, "rent"))
    paid = inputs.PayLedger(LEDGER, 1, "rent") if actor is ALICE else rig.said(ALICE, said)
    with pytest.raises(BaseExceptionGroup) as raised:
        await rig.take(paid)
    assert isinstance(the_group(raised), EquivocationAlarm)


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


async def test_an_unknown_channel_is_refused_by_name() -> None:
    rig = Rig()
    with pytest.raises(UnknownChannel):
        await rig.answer(pay(1, 1))


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
