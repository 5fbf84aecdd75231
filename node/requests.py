"""Requests: a retried command gets its first answer, and who waits for a receipt is told of it.

A command with a request id is found again through the log's index, so that the answer survives a
crash; within a batch that is not written yet, through memory. The answer is rebuilt from the
recorded event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from node.answers import Answer
from node.limits import RECEIPT_WAITER_COUNT_MAX
from node.store.log import EventLog
from protocols import events, inputs
from protocols.channel import ChannelStatus, status
from protocols.errors import (
    PaymentRefusedByPayee,
    ProtocolError,
    RequestIdConflict,
    all_errors,
)
from protocols.inputs import command_hash
from protocols.node_state import NodeState
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.types import Bytes32, ObjectiveId, amount_from_bytes

Done = Callable[[Answer | ProtocolError], None]

Telling = events.ReceiptReceived | events.VoucherRefusalReceived | events.ObjectiveCompleted
"""Events that a caller who waits for a receipt may have to be told of."""


def _payment_answer(state: NodeState, seq: int, event: events.VoucherIssued) -> Answer:
    total = amount_from_bytes(event.total)
    receipted = state.channels[event.channel_id].vouchers.receipted_total >= total
    return Answer(seq, b"", event.channel_id, event.payment_id, total, receipted)


class Requests:
    """Looks up request ids; keeps the callers that wait for receipts."""

    def __init__(self, event_log: EventLog, state: NodeState) -> None:
        self._log = event_log
        self._state = state
        self._fresh: dict[str, tuple[int, events.Event]] = {}
        self._created: dict[ObjectiveId, int] = {}
        """Objectives that this batch created, with their record's number."""
        self._waiting: dict[Bytes32, list[tuple[Done, Answer]]] = {}
        self._waiting_count = 0

    def answer(
        self, command: inputs.Input, first_seq: int, recorded: tuple[events.Event, ...]
    ) -> Answer:
        """The answer to a command that was just cranked."""
        for offset, event in enumerate(recorded):
            if isinstance(event, events.VoucherIssued):
                return _payment_answer(self._state, first_seq + offset, event)
            if isinstance(event, events.ObjectiveCreated):
                return Answer(first_seq + offset, event.objective_id, event.channel_id)
        # Nothing new was needed: the objective exists already.
        if isinstance(command, inputs.CloseChannel):
            identity = objective_id(ObjectiveType.DIRECT_DEFUND, command.channel_id)
            return Answer(self._creation_of(identity), identity, command.channel_id)
        assert isinstance(command, inputs.ApproveObjective | inputs.RejectObjective)
        channel_id = self._state.objectives[command.objective_id].channel_id
        return Answer(first_seq, command.objective_id, channel_id)

    def created(self, identity: ObjectiveId, seq: int) -> None:
        """This batch creates an objective."""
        self._created[identity] = seq

    def _creation_of(self, identity: ObjectiveId) -> int:
        """The record that created a known objective."""
        seq = self._created.get(identity)
        if seq is not None:
            return seq
        records = self._log.read_entity(identity)
        return next(found.seq for found in records if found.name == events.ObjectiveCreated.NAME)

    def find(self, command: inputs.Input) -> Answer | None:
        """The first answer to the command's request id; RequestIdConflict for another command."""
        request_id: str = getattr(command, "request_id", "")
        if not request_id:
            return None
        found = self._fresh.get(request_id) or self._stored(request_id)
        if found is None:
            return None
        seq, event = found
        if isinstance(event, events.VoucherIssued):
            if not _is_same_payment(command, event):
                raise RequestIdConflict(request_id)
            return _payment_answer(self._state, seq, event)
        assert isinstance(event, events.ObjectiveParamsRecorded | events.RequestRecorded)
        if not isinstance(command, inputs.Command) or event.request_hash != command_hash(command):
            raise RequestIdConflict(request_id)
        channel_id = self._state.objectives[event.objective_id].channel_id
        if isinstance(event, events.ObjectiveParamsRecorded):
            seq = self._creation_of(event.objective_id)
        return Answer(seq, event.objective_id, channel_id)

    def _stored(self, request_id: str) -> tuple[int, events.Event] | None:
        seq = self._log.find_request(request_id)
        if seq is None:
            return None
        (record,) = self._log.read(seq, seq + 1)
        return seq, record.event()

    def remember(
        self, command: inputs.Input, first_seq: int, recorded: tuple[events.Event, ...]
    ) -> None:
        """Keep what this batch recorded under a request id until it can be found in the log."""
        request_id: str = getattr(command, "request_id", "")
        if not request_id:
            return
        for offset, event in enumerate(recorded):
            if getattr(event, "request_id", "") == request_id:
                self._fresh[request_id] = (first_seq + offset, event)

    def end_batch(self) -> None:
        """The batch is durable: its request ids are in the index."""
        self._fresh.clear()
        self._created.clear()

    def wait_for_receipt(self, answer: Answer, done: Done) -> bool:
        """Answer `done` when the payment's receipt is durable.

        False if too many wait, or if none will come any more: the channel is paid out.
        """
        if self._waiting_count >= RECEIPT_WAITER_COUNT_MAX:
            return False
        if status(self._state.channels[answer.channel_id]) == ChannelStatus.CLOSED:
            return False
        self._waiting.setdefault(answer.payment_id, []).append((done, answer))
        self._waiting_count += 1
        return True

    def on_event(self, event: Telling) -> Iterator[tuple[Done, Answer | ProtocolError]]:
        """Whom the event answers; to be called before it is folded."""
        if not self._waiting:
            return
        if isinstance(event, events.VoucherRefusalReceived):
            yield from self._refused(event)
            return
        if isinstance(event, events.ObjectiveCompleted):
            yield from self._completed(event)
            return
        pending = self._state.channels[event.channel_id].vouchers.pending
        for payment in pending[: event.payment_count]:
            for done, answer in self._no_longer_waiting(payment.payment_id):
                yield done, _receipted(answer)

    def _refused(
        self, event: events.VoucherRefusalReceived
    ) -> Iterator[tuple[Done, Answer | ProtocolError]]:
        error = all_errors().get(event.error_code)
        if error is not None and (error.retry_safe or error.name() == "VOUCHER_TOTAL_WRONG"):
            return
        for done, _ in self._no_longer_waiting(event.payment_id):
            yield done, PaymentRefusedByPayee(event.payment_id, event.error_code, event.reason)

    def _completed(
        self, event: events.ObjectiveCompleted
    ) -> Iterator[tuple[Done, Answer | ProtocolError]]:
        """What has no receipt when the channel is paid out never gets one: the outcome holds it."""
        channel_id = self._state.objectives[event.objective_id].channel_id
        for payment in self._state.channels[channel_id].vouchers.pending:
            yield from self._no_longer_waiting(payment.payment_id)

    def _no_longer_waiting(self, payment_id: Bytes32) -> list[tuple[Done, Answer]]:
        waited = self._waiting.pop(payment_id, [])
        self._waiting_count -= len(waited)
        return waited


def _is_same_payment(command: inputs.Input, event: events.VoucherIssued) -> bool:
    return (
        isinstance(command, inputs.SendPayment)
        and command.channel_id == event.channel_id
        and command.amount == amount_from_bytes(event.amount)
        and command.memo == event.memo
    )


def _receipted(answer: Answer) -> Answer:
    return Answer(
        answer.seq,
        answer.objective_id,
        answer.channel_id,
        answer.payment_id,
        answer.total,
        receipted=True,
    )
