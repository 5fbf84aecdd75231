"""Callers that wait for more than their command's own record: a receipt, or an objective's end.

Whoever cannot wait, because too many do or because nothing will come any more, is answered as the
command alone would be. A caller that goes away leaves nothing but its place here.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from node.agreements import Agreements, Deciding
from node.answers import Answer, Done, Until
from node.limits import WAITER_COUNT_MAX
from protocols import app_events, events
from protocols.app_errors import AppChannelStopped, AppMessageRefusedByReducer
from protocols.channel import ChannelStatus, status
from protocols.errors import ObjectiveFailed, ProtocolError
from protocols.node_state import NodeState
from protocols.objectives.base import ObjectiveStatus
from protocols.payment_errors import PaymentRefusedByPayee
from protocols.payments import is_for_good
from protocols.types import Bytes32, amount_from_bytes
from protocols.voucher import covered_by

Telling = (
    events.ReceiptReceived
    | events.VoucherRefusalReceived
    | events.ObjectiveCompleted
    | events.ObjectiveRejected
    | app_events.AppMessageApplied
    | app_events.AppMessageRefused
    | app_events.AppChannelHalted
    | app_events.AppHaltReceived
    | Deciding
)
"""Events that a caller who waits may have to be told of."""


class Waiters:
    """Who waits for what. Payments and objectives have different names, so one table holds both."""

    def __init__(self, state: NodeState) -> None:
        self._state = state
        self._waiting: dict[Bytes32, list[tuple[Done, Answer]]] = {}
        self._count = 0
        self._agreements = Agreements(state)

    def settle(self, until: Until, answer: Answer, done: Done) -> Answer | ProtocolError | None:
        """What to answer now to a command that is done; None if `done` waits for an event."""
        if until == "receipt" and answer.payment_id and not answer.receipted:
            if status(self._state.channels[answer.channel_id]) == ChannelStatus.CLOSED:
                return answer  # It is paid out, no receipt comes any more.
            return self._keep(answer.payment_id, answer, done)
        if until == "completed":
            objective = self._state.objectives.get(answer.objective_id)
            if objective is None:
                reason = "it was given up before anything was at stake, and forgotten"
                return ObjectiveFailed(answer.objective_id, reason)
            if objective.status == ObjectiveStatus.REJECTED:
                return ObjectiveFailed(answer.objective_id, objective.reason)
            if objective.status == ObjectiveStatus.COMPLETED:
                return replace(answer, completed=True)
            return self._keep(answer.objective_id, answer, done)
        if until == "decided" and not answer.message_count:
            return self._keep(answer.message_id, answer, done)
        if until == "agreed":
            return self._agreements.settle(answer, done, room=self._has_room())
        return answer

    def _has_room(self) -> bool:
        return self._count + self._agreements.count < WAITER_COUNT_MAX

    def _keep(self, name: Bytes32, answer: Answer, done: Done) -> Answer | None:
        if not self._has_room():
            return answer
        self._waiting.setdefault(name, []).append((done, answer))
        self._count += 1
        return None

    def on_event(self, event: Telling) -> Iterator[tuple[Done, Answer | ProtocolError]]:
        """Whom the event answers; to be called before it is folded."""
        if not self._waiting and not self._agreements.count:
            return
        match event:
            case events.ReceiptReceived():
                yield from self._receipted(event)
            case events.VoucherRefusalReceived():
                if is_for_good(event.error_code):
                    for done, _ in self._no_longer_waiting(event.payment_id):
                        refused = (event.payment_id, event.error_code, event.reason)
                        yield done, PaymentRefusedByPayee(*refused)
            case events.ObjectiveRejected():
                for done, _ in self._no_longer_waiting(event.objective_id):
                    yield done, ObjectiveFailed(event.objective_id, event.reason)
            case events.ObjectiveCompleted():
                yield from self._completed(event)
            case app_events.AppMessageApplied():
                for done, answer in self._no_longer_waiting(event.local_id):
                    yield done, replace(answer, message_count=event.count)
            case app_events.AppMessageRefused():
                for done, _ in self._no_longer_waiting(event.local_id):
                    yield done, AppMessageRefusedByReducer.of(event.code, event.failure)
            case app_events.AppChannelHalted() | app_events.AppHaltReceived():
                yield from self._halted(event)
            case _:
                yield from self._agreements.on_event(event)

    def _receipted(
        self, event: events.ReceiptReceived
    ) -> Iterator[tuple[Done, Answer | ProtocolError]]:
        vouchers = self._state.channels[event.channel_id].vouchers
        covered = covered_by(vouchers, amount_from_bytes(event.total), event.payment_count)
        waiting = self._waiting
        for payment_id in [p.payment_id for p in covered if p.payment_id in waiting]:
            for done, answer in self._no_longer_waiting(payment_id):
                yield done, replace(answer, receipted=True)

    def _completed(
        self, event: events.ObjectiveCompleted
    ) -> Iterator[tuple[Done, Answer | ProtocolError]]:
        for done, answer in self._no_longer_waiting(event.objective_id):
            yield done, replace(answer, completed=True)
        # What has no receipt when the channel is paid out never gets one: the outcome holds it.
        channel_id = self._state.objectives[event.objective_id].channel_id
        yield from self._agreements.give_up(channel_id)
        channel = self._state.channels[channel_id]
        for payment in channel.vouchers.pending:
            yield from self._no_longer_waiting(payment.payment_id)
        for queued in () if channel.app is None else channel.app.queue:
            yield from self._no_longer_waiting(queued.message_id)

    def _halted(
        self, event: app_events.AppChannelHalted | app_events.AppHaltReceived
    ) -> Iterator[tuple[Done, Answer | ProtocolError]]:
        app = self._state.channels[event.channel_id].app
        for queued in () if app is None else app.queue:
            for done, _ in self._no_longer_waiting(queued.message_id):
                yield done, AppChannelStopped(event.channel_id, event.error_code)

    def _no_longer_waiting(self, name: Bytes32) -> list[tuple[Done, Answer]]:
        waited = self._waiting.pop(name, [])
        self._count -= len(waited)
        return waited
