"""A step: what a batch of inputs records, answers, clears and refuses."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from node.answers import Answer
from node.misbehaviour import is_too_much
from node.store.errors import EquivocationAlarm
from protocols import commands, events, inputs, messages
from protocols.crank import crank
from protocols.draft import Decision
from protocols.effects import BroadcastTransaction, SendMessage, SubmitTransaction
from protocols.errors import RequestIdConflict, UnknownChannel
from protocols.payment_errors import AmountAboveDeposit, AmountNotPositive
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
from tests.support.web import Web


def the_group(group: pytest.ExceptionInfo[BaseExceptionGroup[Exception]]) -> BaseException:
    (error,) = group.value.exceptions
    return error


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


async def test_each_ledger_payment_of_a_batch_is_answered_by_its_own_request() -> None:
    rig = await opened_ledger(ALICE)
    rig.journal.clear()
    orders = [commands.PayLedger(LEDGER, n, f"rent-{n}", id_is_drawn=n == 2) for n in (1, 2, 3)]
    again, other = orders[0], commands.PayLedger(LEDGER, 5, "rent-1")
    answers = [rig.ask(order) for order in (*orders, again, other)]
    await rig.work()
    assert len(rig.journal.of("write")) == 1
    for order, (answer,) in zip(orders, answers, strict=False):
        assert isinstance(answer, Answer)
        (record,) = rig.log.read(answer.seq, answer.seq + 1)
        request = record.event()
        assert isinstance(request, events.RequestRecorded)
        assert request.request_id == answer.request_id == order.request_id
        assert record.cause_seq == answer.seq - 1
        (proposed,) = rig.log.read(answer.seq - 1, answer.seq)
        assert proposed.cause_seq is None
        assert proposed.event().request_id == order.request_id  # type: ignore[attr-defined]
    assert answers[3] == answers[0]
    assert isinstance(answers[4][0], RequestIdConflict)
    assert rig.folded().digest() == rig.state.digest()
    assert [await rig.answer(order) for order in (orders[0], orders[2])] == answers[0] + answers[2]


async def test_a_ledger_payment_under_a_known_request_id_ends_its_company() -> None:
    rig = await opened_ledger(ALICE)
    first = await rig.answer(commands.PayLedger(LEDGER, 1, "rent"))
    again, drawn = (
        rig.ask(commands.PayLedger(LEDGER, 1, name, id_is_drawn=name == "gas"))
        for name in ("rent", "gas")
    )
    await rig.work()
    assert again == [first]
    assert isinstance(drawn[0], Answer)
    assert drawn[0].seq > first.seq


async def test_what_time_leads_to_in_one_channel_is_no_cause_of_what_it_does_in_another() -> None:
    rig = Rig(BOB)
    rig.decision = Decision("ask")
    for number in (1, 2):
        entropy = bytes([0, 0, 0, number])
        alice = Rig(ALICE)
        command = replace(open_command(), nonce_entropy=entropy)
        proposed = crank(alice.state, command, alice.context(START_MS))
        (message,) = (effect for effect in proposed.effects if isinstance(effect, SendMessage))
        await rig.take(rig.said(ALICE, messages.decode_body(message.body)))
    first_seq = rig.log.next_seq
    rig.now_ms += 10**9
    await rig.take(inputs.Tick())
    records = list(rig.log.read(first_seq))
    assert [(record.name, record.cause_seq) for record in records] == [
        ("objective-rejected", None),
        ("message-sent", first_seq),
        ("objective-rejected", None),
        ("message-sent", first_seq + 2),
    ]
    assert rig.folded().digest() == rig.state.digest()


def test_what_an_agreement_leads_to_names_the_agreement_as_its_cause() -> None:
    web = Web(1)
    web.opened(1_000)
    hub = web.row[1]
    (agreed,) = (
        seq for seq, (_, event) in enumerate(hub.log) if event.NAME == "ledger-update-signed"
    )
    assert hub.causes[agreed] is None
    assert hub.log[agreed + 1][1].NAME == "message-sent"
    assert hub.causes[agreed + 1] == agreed


async def test_the_records_of_one_input_name_the_first_as_their_cause() -> None:
    rig = Rig()
    await rig.answer(open_command())
    records = list(rig.log.read(1))
    assert len(records) > 3
    assert records[0].cause_seq is None
    assert {record.cause_seq for record in records[1:]} == {1}


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


async def test_of_a_peer_that_is_to_go_nothing_more_is_taken_in() -> None:
    rig = await opened(BOB)
    rig.is_expelled = is_too_much
    junk = [rig.said(ALICE, None) for _ in range(30)]
    await rig.take(*junk, rig.said(ALICE, payment(10, 10)))
    assert len(rig.events_of(events.MessageDropped)) == 11
    assert rig.state.channels[CHANNEL].vouchers.total == 0
    await rig.take(*junk[11:])
    assert len(rig.events_of(events.MessageDropped)) == 12


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


async def test_what_a_fork_orders_again_and_the_same_batch_settles_does_not_leave() -> None:
    rig = Rig()
    await rig.answer(open_command())
    await rig.take(rig.said(BOB, signed(state(0), BOB)))
    (order,) = rig.journal.of("request")
    await rig.take(inputs.TransactionSigned(order.intent_id, b"h" * 32, ALICE.address, 0, b"raw"))
    mined = inputs.TransactionReceipt(
        order.intent_id, b"h" * 32, 1, b"b" * 32, 50_000, 10**9, succeeded=True
    )
    await rig.take(mined)
    rig.journal.clear()
    fork = inputs.ChainReorg(1, b"b" * 32, b"c" * 32)
    await rig.take(fork, replace(mined, block_num=2, block_hash=b"d" * 32))
    assert rig.journal.of("broadcast") == []
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
    paid = commands.PayLedger(LEDGER, 1, "rent") if actor is ALICE else rig.said(ALICE, said)
    with pytest.raises(BaseExceptionGroup) as raised:
        await rig.take(paid)
    assert isinstance(the_group(raised), EquivocationAlarm)


async def test_an_unknown_channel_is_refused_by_name() -> None:
    rig = Rig()
    with pytest.raises(UnknownChannel):
        await rig.answer(pay(1, 1))
