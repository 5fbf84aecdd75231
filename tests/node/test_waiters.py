"""Callers that wait: for a payment's receipt, for an objective's end, or in vain."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from node.answers import Answer
from node.limits import WAITER_COUNT_MAX
from node.waiters import Waiters
from protocols import commands, events, inputs, messages
from protocols.errors import ObjectiveFailed, ProtocolError
from protocols.payment_errors import ChainViewStale, ChannelClosing, PaymentRefusedByPayee
from protocols.types import amount_to_bytes
from tests.support.actors import BOB
from tests.support.builders import CHANNEL, deposited, final, open_command, payout, signed, state
from tests.support.engine_rig import Rig, opened, pay, receipt


async def test_a_caller_may_wait_for_the_receipt() -> None:
    rig = await opened()
    waiting, at_once = rig.ask(pay(10, 1), "receipt"), rig.ask(pay(5, 2), "durable")
    await rig.work()
    assert waiting == []
    assert isinstance(at_once[0], Answer)
    assert not at_once[0].receipted
    rig.journal.clear()
    await rig.take(rig.said(BOB, receipt(rig, 1)))
    (answer,) = waiting
    assert isinstance(answer, Answer)
    assert (answer.receipted, answer.total, answer.payment_id) == (True, 10, amount_to_bytes(1))
    assert rig.journal.order == ["write asked", "write", "acknowledge", "answer"]


async def test_a_receipt_answers_the_payments_it_covers_and_no_other() -> None:
    rig = await opened()
    waiting = [rig.ask(pay(10, number), "receipt") for number in range(1, 6)]
    await rig.work()
    await rig.take(rig.said(BOB, receipt(rig, 3)))
    assert [len(answers) for answers in waiting] == [1, 1, 1, 0, 0]
    await rig.take(rig.said(BOB, receipt(rig, 2)))
    assert [len(answers) for answers in waiting] == [1, 1, 1, 1, 1]


async def test_a_receipt_in_the_same_batch_as_a_repeated_request_answers_both() -> None:
    rig = await opened()
    first = rig.ask(pay(10, 1, "rent"), "receipt")
    await rig.work()
    rig.queue(rig.said(BOB, receipt(rig, 1)))
    again = rig.ask(pay(10, 2, "rent"), "receipt")
    await rig.work()
    assert first == again
    assert isinstance(again[0], Answer)
    assert again[0].receipted


async def test_who_asks_again_after_a_restart_waits_for_the_receipt_too() -> None:
    rig = await opened()
    rig.ask(pay(10, 1, "rent"), "receipt")
    await rig.work()
    rig = rig.restarted()
    again = rig.ask(pay(10, 2, "rent"), "receipt")
    await rig.work()
    assert again == []
    await rig.take(rig.said(BOB, receipt(rig, 1)))
    assert isinstance(again[0], Answer)
    assert again[0].receipted


async def test_a_wrong_receipt_answers_nobody() -> None:
    rig = await opened()
    waiting = rig.ask(pay(10, 1), "receipt")
    await rig.work()
    wrong = receipt(rig, 1)
    forged = messages.Receipt(CHANNEL, wrong.total, 1, wrong.root, bytes(64) + b"\x1b")
    await rig.take(rig.said(BOB, forged))
    assert waiting == []


def refusal(number: int, total: int, accepted: int, error: str) -> messages.PaymentRefusal:
    return messages.PaymentRefusal(
        CHANNEL,
        amount_to_bytes(number),
        amount_to_bytes(total),
        amount_to_bytes(accepted),
        error,
        "because",
    )


async def test_a_refusal_for_good_is_the_waiting_caller_s_answer() -> None:
    rig = await opened()
    waiting = rig.ask(pay(10, 1), "receipt")
    await rig.work()
    await rig.take(rig.said(BOB, refusal(1, 10, 0, ChannelClosing.name())))
    (error,) = waiting
    assert isinstance(error, PaymentRefusedByPayee)
    assert (error.payment_id, error.error_code) == (amount_to_bytes(1), "CHANNEL_CLOSING")


@pytest.mark.parametrize("name", [ChainViewStale.name(), "VOUCHER_TOTAL_WRONG"])
async def test_a_refusal_that_is_sent_again_leaves_the_caller_waiting(name: str) -> None:
    rig = await opened()
    waiting = rig.ask(pay(10, 1), "receipt")
    await rig.work()
    await rig.take(rig.said(BOB, refusal(1, 10, 0, name)))
    await rig.take(inputs.Tick())
    assert waiting == []
    assert len(rig.events_of(events.VoucherResent)) == 1
    await rig.take(rig.said(BOB, receipt(rig, 1)))
    assert isinstance(waiting[0], Answer)
    assert waiting[0].receipted


async def closed_without_a_receipt(rig: Rig) -> None:
    await rig.answer(commands.CloseChannel(CHANNEL))
    paid = rig.state.channels[CHANNEL].vouchers.total
    await rig.take(rig.said(BOB, signed(final(paid), BOB)))
    deposit = 10**18
    await rig.take(*payout(9, deposit - paid, paid, confirmed=False))
    await rig.take(*payout(9, deposit - paid, paid))


async def test_who_waits_when_the_channel_is_paid_out_is_answered_without_a_receipt() -> None:
    rig = await opened()
    waiting = rig.ask(pay(10, 1, "rent"), "receipt")
    await rig.work()
    await closed_without_a_receipt(rig)
    (answer,) = waiting
    assert isinstance(answer, Answer)
    assert not answer.receipted
    assert answer.total == 10


async def test_nobody_waits_for_a_receipt_of_a_channel_that_is_paid_out() -> None:
    rig = await opened()
    first = await rig.answer(pay(10, 1, "rent"))
    await closed_without_a_receipt(rig)
    assert await rig.answer(pay(10, 2, "rent"), "receipt") == first


OPEN = open_command(request_id="open-1")


async def test_who_opens_may_wait_until_the_channel_is_open() -> None:
    rig = Rig()
    durable = await rig.answer(OPEN)
    waiting = rig.ask(OPEN, "completed")
    await rig.work()
    await rig.take(rig.said(BOB, signed(state(0), BOB)), deposited())
    assert waiting == []
    rig.journal.clear()
    await rig.take(rig.said(BOB, signed(state(1), BOB)))
    assert waiting == [replace(durable, completed=True)]
    order = rig.journal.order
    assert order.index("write") < order.index("answer")


async def test_who_asks_again_once_it_is_open_is_answered_at_once() -> None:
    rig = Rig()
    first = await rig.answer(OPEN)
    await rig.take(rig.said(BOB, signed(state(0), BOB)), deposited())
    await rig.take(rig.said(BOB, signed(state(1), BOB)))
    assert await rig.answer(OPEN, "completed") == replace(first, completed=True)
    rig = rig.restarted()
    assert await rig.answer(OPEN, "completed") == replace(first, completed=True)


async def test_who_closes_may_wait_until_the_money_is_paid_out() -> None:
    rig = await opened()
    waiting = rig.ask(commands.CloseChannel(CHANNEL), "completed")
    await rig.work()
    await rig.take(rig.said(BOB, signed(final(0), BOB)))
    await rig.take(*payout(9, 10**18, 0, confirmed=False))
    assert waiting == []
    await rig.take(*payout(9, 10**18, 0))
    (answer,) = waiting
    assert isinstance(answer, Answer)
    assert answer.completed


async def test_who_waits_for_what_is_rejected_hears_why() -> None:
    rig = Rig()
    waiting = rig.ask(OPEN, "completed")
    await rig.work()
    (created,) = rig.events_of(events.ObjectiveCreated)
    body = messages.ObjectiveRejection(created.objective_id, "OWNER_REJECTED", "not this month")
    await rig.take(rig.said(BOB, body))
    again = rig.ask(OPEN, "completed")
    await rig.work()
    for (error,) in (waiting, again):
        assert isinstance(error, ObjectiveFailed)
        assert error.objective_id == created.objective_id
        assert "not this month" in error.reason


async def test_beyond_the_bound_callers_are_told_at_once_that_the_payment_is_durable() -> None:
    rig = await opened()
    answer = await rig.answer(pay(10, 1, "rent"))
    waiters = Waiters(rig.state)
    told: list[Answer | ProtocolError] = []
    for _ in range(WAITER_COUNT_MAX):
        assert waiters.settle("receipt", answer, told.append) is None
    assert waiters.settle("receipt", answer, told.append) == answer
    body = receipt(rig, 1)
    event = events.ReceiptReceived(CHANNEL, body.total, 1, body.root, body.signature)
    assert len(list(waiters.on_event(event))) == WAITER_COUNT_MAX
    assert waiters.settle("receipt", answer, told.append) is None


def test_what_was_forgotten_since_is_not_waited_for() -> None:
    rig = Rig()
    answer = Answer(7, b"\1" * 32, CHANNEL)
    told: list[Answer | ProtocolError] = []
    error = Waiters(rig.state).settle("completed", answer, told.append)
    assert isinstance(error, ObjectiveFailed)
    assert told == []
