"""Answers to payments, made from what was recorded: at once, and again to a repeated call."""

from __future__ import annotations

from collections.abc import Sequence

from node.answers import Answer
from node.store.log import EventLog
from protocols import commands, events, inputs
from protocols.commands import command_hash
from protocols.node_state import NodeState
from protocols.payment_events import (
    BatchIssued,
    BatchSplit,
    PaymentListed,
    VoucherCreated,
    VoucherTaken,
)
from protocols.types import PaymentId, amount_from_bytes

PaymentCommand = (
    commands.SendPayment | commands.SendBatch | commands.CreateVoucher | commands.TakeVoucher
)
Paid = events.VoucherIssued | BatchIssued | BatchSplit | VoucherCreated | VoucherTaken
"""The record that a payment command is answered from; it carries the request id."""


def first_answer(
    state: NodeState, command: PaymentCommand, first_seq: int, recorded: Sequence[events.Event]
) -> Answer:
    """The answer to a command that was just cranked."""
    event = recorded[-1] if recorded else None
    if isinstance(event, events.VoucherIssued):
        # First, because it runs for every single payment.
        return answer_of(state, first_seq + len(recorded) - 1, event, ())
    if isinstance(command, commands.TakeVoucher):
        for offset, taken in enumerate(recorded):
            if isinstance(taken, VoucherTaken):
                return answer_of(state, first_seq + offset, taken, ())
        # It was known already: nothing new was recorded.
        total = state.channels[command.channel_id].vouchers.total
        return Answer(max(0, first_seq - 1), b"", command.channel_id, total=total, receipted=True)
    assert isinstance(event, Paid), "a payment's own record is its last"
    payment_ids = ids_of(recorded) if isinstance(command, commands.SendBatch) else ()
    return answer_of(state, first_seq + len(recorded) - 1, event, payment_ids)


def answer_of(
    state: NodeState, seq: int, event: Paid, payment_ids: tuple[PaymentId, ...]
) -> Answer:
    """The answer that a record makes; `payment_ids` are those of a batch."""
    total = amount_from_bytes(event.total)
    receipted = state.channels[event.channel_id].vouchers.receipted_total >= total
    if isinstance(event, events.VoucherIssued):
        return Answer(seq, b"", event.channel_id, event.payment_id, total, receipted)
    if isinstance(event, VoucherCreated):
        ids = (event.channel_id, event.payment_id)
        return Answer(seq, b"", *ids, total, receipted, signature=event.signature)
    if isinstance(event, VoucherTaken):
        rise = amount_from_bytes(event.amount)
        return Answer(seq, b"", event.channel_id, total=total, receipted=True, rise=rise)
    last = payment_ids[-1]
    return Answer(seq, b"", event.channel_id, last, total, receipted, payment_ids=payment_ids)


def ids_of(recorded: Sequence[events.Event]) -> tuple[PaymentId, ...]:
    """The payments that a batch recorded, in order."""
    kinds = PaymentListed | events.VoucherIssued
    return tuple([event.payment_id for event in recorded if isinstance(event, kinds)])


def stored_ids(log: EventLog, seq: int, event: Paid) -> tuple[PaymentId, ...]:
    """The payments of a batch whose own record is `seq`; nothing for what is no batch."""
    if not isinstance(event, BatchIssued | BatchSplit):
        return ()
    return ids_of([listed for _, listed in log.read_events(seq - event.payment_count, seq)])


def is_repeated(command: inputs.Input, event: Paid) -> bool:
    """Whether the command asks for what the record did."""
    match event:
        case BatchIssued() | BatchSplit():
            if not isinstance(command, commands.SendBatch):
                return False
            return event.request_hash == command_hash(command)
        case VoucherTaken():
            return (
                isinstance(command, commands.TakeVoucher)
                and command.channel_id == event.channel_id
                and command.total == amount_from_bytes(event.total)
            )
        case _:
            is_created = isinstance(event, VoucherCreated)
            return (
                isinstance(command, commands.CreateVoucher if is_created else commands.SendPayment)
                and command.channel_id == event.channel_id
                and command.amount == amount_from_bytes(event.amount)
                and command.memo == event.memo
            )
