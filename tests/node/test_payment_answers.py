"""Answers to batches and handed vouchers: at once, to a repeated call, and after a restart."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from node.answers import Answer
from protocols import commands, events, inputs, messages
from protocols.errors import RequestIdConflict
from protocols.payment_errors import AmountAboveDeposit, PaymentRefusedByPayee
from protocols.payment_events import BatchIssued, PaymentListed, VoucherCreated, VoucherTaken
from protocols.types import amount_to_bytes
from protocols.voucher import sign_voucher, verify_voucher
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL, DEPOSIT
from tests.support.engine_rig import opened, pay, receipt

PREFIX = b"\x07" * 28


def batch(*amounts: int, request_id: str = "", **changes: Any) -> commands.SendBatch:
    memos = ("",) * len(amounts)
    command = commands.SendBatch(CHANNEL, amounts, memos, PREFIX, None, request_id)
    return replace(command, **changes)


SHARED, SPLIT = batch(10, 5, request_id="rent"), batch(10, 5, request_id="rent", is_shared=False)
IDS = tuple(SHARED.payment_ids())


@pytest.mark.parametrize("command", [SHARED, SPLIT], ids=["shared", "split"])
async def test_a_batch_is_answered_with_the_ids_of_its_payments_once_and_ever_after(
    command: commands.SendBatch,
) -> None:
    rig = await opened()
    first, again = rig.ask(command), rig.ask(replace(command, id_prefix=bytes(28)))
    await rig.work()
    (answer,) = first
    assert first == again
    assert isinstance(answer, Answer)
    assert (answer.payment_ids, answer.payment_id, answer.total) == (IDS, IDS[-1], 15)
    (record,) = rig.log.read(answer.seq, answer.seq + 1)
    assert record.name in ("batch-issued", "batch-split")
    assert await rig.answer(command) == answer
    assert await rig.restarted().answer(command) == answer
    assert rig.state.channels[CHANNEL].vouchers.total == 15


@pytest.mark.parametrize(
    "other",
    [
        batch(10, 6, request_id="rent"),
        batch(10, request_id="rent"),
        batch(10, 5, request_id="rent", memos=("", "tea")),
        batch(10, 5, request_id="rent", channel_id=bytes(32)),
        batch(10, 5, request_id="rent", is_shared=False),
        pay(15, 1, "rent"),
        commands.CloseChannel(CHANNEL, "rent"),
        commands.CreateVoucher(CHANNEL, 15, bytes(32), "", "rent"),
    ],
    ids=["amount", "count", "memo", "channel", "sharing", "payment", "close", "voucher"],
)
async def test_a_batch_s_request_id_is_refused_for_any_other_command(other: inputs.Input) -> None:
    rig = await opened()
    for _ in range(2):
        first, conflict = rig.ask(SHARED), rig.ask(other)
        await rig.work()
        assert isinstance(first[0], Answer)
        assert isinstance(conflict[0], RequestIdConflict)
    with pytest.raises(RequestIdConflict):
        await rig.restarted().answer(other)


async def test_a_refused_batch_spends_nothing_and_may_be_asked_again() -> None:
    rig = await opened()
    with pytest.raises(AmountAboveDeposit):
        await rig.answer(batch(DEPOSIT, 1, request_id="rent"))
    assert (await rig.answer(SHARED)).total == 15


@pytest.mark.parametrize("command", [SHARED, SPLIT], ids=["shared", "split"])
async def test_a_batch_waits_for_the_receipt_over_all_of_it(command: commands.SendBatch) -> None:
    rig = await opened()
    waiting = rig.ask(command, "receipt")
    await rig.work()
    assert waiting == []
    await rig.take(rig.said(BOB, receipt(rig, 2)))
    (answer,) = waiting
    assert isinstance(answer, Answer)
    assert (answer.receipted, answer.payment_ids) == (True, IDS)


async def test_a_batch_refused_for_good_tells_who_waits() -> None:
    rig = await opened()
    waiting = rig.ask(SHARED, "receipt")
    await rig.work()
    total, nothing = amount_to_bytes(15), bytes(32)
    body = messages.PaymentRefusal(CHANNEL, IDS[-1], total, nothing, "CHANNEL_CLOSING", "why")
    await rig.take(rig.said(BOB, body))
    assert isinstance(waiting[0], PaymentRefusedByPayee)


async def test_the_records_of_a_batch_follow_from_its_first() -> None:
    rig = await opened()
    answer = await rig.answer(batch(*[1] * 40))
    records = list(rig.log.read(answer.seq - 40, answer.seq + 1))
    assert [record.name for record in records] == ["payment-listed"] * 40 + ["batch-issued"]
    assert records[0].cause_seq is None
    assert {record.cause_seq for record in records[1:]} == {records[0].seq}
    for payment_id, record in zip(answer.payment_ids, records, strict=False):
        assert [found.seq for found in rig.log.read_entity(payment_id)] == [record.seq]
    assert rig.folded().digest() == rig.state.digest()


async def test_a_created_voucher_is_answered_with_its_signature_once_and_ever_after() -> None:
    rig = await opened()
    command = commands.CreateVoucher(CHANNEL, 10, bytes(32), "tea", "gift")
    answer = await rig.answer(command)
    assert verify_voucher(CHANNEL, 10, answer.signature, ALICE.known)
    assert await rig.answer(replace(command, payment_id=b"\x01" * 32)) == answer
    assert await rig.restarted().answer(command) == answer
    assert len(rig.events_of(VoucherCreated)) == 1
    with pytest.raises(RequestIdConflict):
        await rig.answer(pay(10, 1, "gift", memo="tea"))


async def test_a_taken_voucher_is_answered_with_what_it_added() -> None:
    rig = await opened(BOB)
    signature = sign_voucher(CHANNEL, 10, ALICE.signer)
    command = commands.TakeVoucher(CHANNEL, 10, signature, "gift")
    answer = await rig.answer(command)
    assert (answer.total, answer.rise) == (10, 10)
    assert await rig.answer(command) == answer
    assert await rig.restarted().answer(command) == answer
    known = await rig.answer(replace(command, request_id=""))
    assert (known.total, known.rise) == (10, 0)
    assert len(rig.events_of(VoucherTaken)) == 1
    with pytest.raises(RequestIdConflict):
        await rig.answer(replace(command, total=11))


async def test_a_list_of_a_peer_is_recorded_payment_by_payment() -> None:
    payer, payee = await opened(), await opened(BOB)
    await payer.answer(batch(*[1] * 40))
    await payee.take(payee.said(ALICE, payer.peers.bodies(BOB.address)[-1]))
    assert len(payee.events_of(PaymentListed)) == 40
    assert len(payee.events_of(events.ReceiptIssued)) == 1
    assert payee.folded().digest() == payee.state.digest()
    assert payee.state.unreceipted == set()


async def test_lists_share_a_write_up_to_a_bound() -> None:
    rig = await opened()
    for _ in range(5):
        rig.ask(batch(*[1] * 1_000))
    await rig.work()
    # The digest of what they left is recorded when nothing waits any more, by itself.
    assert len(rig.events_of(events.StateDigestRecorded)) == 1
    assert rig.journal.order.count("write") == 3 + 1
    assert len(rig.events_of(BatchIssued)) == 5
