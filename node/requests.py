"""Requests: a retried command gets its first answer.

A command with a request id is found again through the log's index, so that the answer survives a
crash; within a batch that is not written yet, through memory. The answer is rebuilt from the
recorded event.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from node.answers import Answer
from node.payment_answers import (
    Paid,
    PaymentCommand,
    answer_of,
    first_answer,
    ids_of,
    is_repeated,
    stored_ids,
)
from node.store.log import EventLog
from protocols import commands, events, inputs
from protocols.app_errors import AppChannelStopped, AppMessageRefusedByReducer
from protocols.app_events import AppMessageApplied, AppMessageQueued, AppMessageRefused
from protocols.app_reducers import app_of
from protocols.channel import is_finalised
from protocols.commands import command_hash
from protocols.errors import RequestIdConflict
from protocols.exit_events import DisputeKitExported
from protocols.node_state import NodeState
from protocols.objectives.base import ObjectiveType, newest, objective_id
from protocols.types import ChannelId, ObjectiveId, PaymentId

LeavingCommand = commands.ChallengeChannel | commands.ExitChannel | commands.ResumeChannel
"""Orders about leaving: each begins an objective, or finds it under way."""
_BEGUN_BY = {
    commands.ChallengeChannel: ObjectiveType.CHALLENGE,
    commands.ExitChannel: ObjectiveType.EXIT,
    commands.ResumeChannel: ObjectiveType.DEFEND,
}


class Requests:
    """Looks up request ids."""

    def __init__(self, event_log: EventLog, state: NodeState) -> None:
        self._log = event_log
        self._state = state
        self._fresh: dict[str, tuple[int, events.Event, tuple[PaymentId, ...]]] = {}
        """By request id: the record, its number, and the payments of a batch."""
        self._created: dict[ObjectiveId, int] = {}
        """Objectives that this batch created, with their record's number."""

    def answer(
        self, command: inputs.Input, first_seq: int, recorded: tuple[events.Event, ...]
    ) -> Answer:
        """The answer to a command that was just cranked."""
        if isinstance(command, PaymentCommand):
            return first_answer(self._state, command, first_seq, recorded)
        for offset, event in enumerate(recorded):
            if isinstance(event, events.ObjectiveCreated):
                return Answer(first_seq + offset, event.objective_id, event.channel_id)
            if isinstance(event, events.RequestRecorded) and isinstance(
                command, commands.PayLedger
            ):
                return _ledger_answer(first_seq + offset, event, command.channel_id)
            if isinstance(event, AppMessageQueued):
                return _message_answer(first_seq + offset, event)
            if isinstance(event, DisputeKitExported):
                return Answer(first_seq + offset, channel_id=event.channel_id)
        # Nothing new was needed: the objective exists already.
        if isinstance(command, commands.CloseChannel):
            channel = self._state.channels[command.channel_id]
            is_virtual = channel.virtual is not None
            kind = ObjectiveType.VIRTUAL_DEFUND if is_virtual else ObjectiveType.DIRECT_DEFUND
            identity = objective_id(kind, command.channel_id)
            if identity not in self._state.objectives:
                # It was not open yet: the payer gave the opening up.
                identity = objective_id(ObjectiveType.VIRTUAL_FUND, command.channel_id)
            return Answer(self._creation_of(identity), identity, command.channel_id)
        if isinstance(command, LeavingCommand):
            kind = _BEGUN_BY[type(command)]
            found = newest(self._state.objectives, kind, command.channel_id)
            assert found is not None, "the command begins it or finds it under way"
            seq = self._creation_of(found.objective_id)
            return Answer(seq, found.objective_id, command.channel_id)
        assert isinstance(command, commands.ApproveObjective | commands.RejectObjective)
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
        if not request_id or getattr(command, "id_is_drawn", False):
            return None
        found = self._fresh.get(request_id) or self._stored(request_id)
        if found is None:
            return None
        seq, event, payment_ids = found
        if isinstance(event, Paid):
            if not is_repeated(command, event):
                raise RequestIdConflict(request_id)
            return answer_of(self._state, seq, event, payment_ids)
        if isinstance(event, AppMessageQueued):
            return self._repeated_message(command, seq, event)
        assert isinstance(event, events.ObjectiveParamsRecorded | events.RequestRecorded)
        if not isinstance(command, commands.Command) or event.request_hash != command_hash(command):
            raise RequestIdConflict(request_id)
        channel_id = channel_of(self._log, self._state, event.objective_id)
        if isinstance(command, commands.PayLedger):
            assert isinstance(event, events.RequestRecorded), "the hash covers the command's kind"
            return _ledger_answer(seq, event, channel_id)
        if isinstance(event, events.ObjectiveParamsRecorded) or isinstance(
            command, commands.CloseChannel | LeavingCommand
        ):
            seq = self._creation_of(event.objective_id)
        return Answer(seq, event.objective_id, channel_id)

    def _repeated_message(self, command: inputs.Input, seq: int, event: AppMessageQueued) -> Answer:
        """The answer to a message that was ordered before.

        Raises AppMessageRefusedByReducer if it was refused since, and AppChannelStopped if it was
        forgotten, or nobody decides on it any more: whoever waited for that would wait for ever.
        """
        said = (event.channel_id, event.local_id, event.payload)
        if not isinstance(command, commands.SendAppMessage) or said != (
            command.channel_id,
            command.message_id,
            command.payload,
        ):
            raise RequestIdConflict(event.request_id)
        answer = _message_answer(seq, event)
        channel = self._state.channels[event.channel_id]
        app = app_of(channel)
        is_queued = any(queued.message_id == event.local_id for queued in app.queue)
        if is_queued and not app.halted and not is_finalised(channel):
            return answer
        for record in self._log.read_entities((event.channel_id,), seq):
            known = record.event()
            if getattr(known, "local_id", b"") != event.local_id:
                continue
            if isinstance(known, AppMessageApplied):
                return replace(answer, message_count=known.count)
            if isinstance(known, AppMessageRefused):
                raise AppMessageRefusedByReducer.of(known.code, known.failure)
        raise AppChannelStopped(event.channel_id, app.halted or "it ended before this was decided")

    def new_ones(self, commands: Sequence[commands.PayLedger]) -> Sequence[commands.PayLedger]:
        """The commands, up to the first whose request id was used before."""
        for count, command in enumerate(commands):
            if command.id_is_drawn:
                continue
            used = command.request_id in self._fresh
            if used or self._log.find_request(command.request_id) is not None:
                return commands[:count]
        return commands

    def paid(self, command: inputs.Input, seq: int, request: events.Event) -> Answer:
        """The answer to a ledger payment of this batch, whose request is record `seq`."""
        assert isinstance(command, commands.PayLedger)
        assert isinstance(request, events.RequestRecorded)
        if not command.id_is_drawn:
            self._fresh[command.request_id] = (seq, request, ())
        return _ledger_answer(seq, request, command.channel_id)

    def _stored(self, request_id: str) -> tuple[int, events.Event, tuple[PaymentId, ...]] | None:
        seq = self._log.find_request(request_id)
        if seq is None:
            return None
        (record,) = self._log.read(seq, seq + 1)
        event = record.event()
        return seq, event, stored_ids(self._log, seq, event) if isinstance(event, Paid) else ()

    def remember(
        self, command: inputs.Input, first_seq: int, recorded: tuple[events.Event, ...]
    ) -> None:
        """Keep what this batch recorded under a request id until it can be found in the log."""
        request_id: str = getattr(command, "request_id", "")
        if not request_id:
            return
        for offset, event in enumerate(recorded):
            if getattr(event, "request_id", "") == request_id:
                payment_ids = ids_of(recorded) if isinstance(command, commands.SendBatch) else ()
                self._fresh[request_id] = (first_seq + offset, event, payment_ids)

    def end_batch(self) -> None:
        """The batch is durable: its request ids are in the index."""
        self._fresh.clear()
        self._created.clear()


def channel_of(event_log: EventLog, state: NodeState, identity: ObjectiveId) -> ChannelId:
    """The channel of an objective that was recorded, even if it left the state since."""
    objective = state.objectives.get(identity)
    if objective is not None:
        return objective.channel_id
    recorded = (record.event() for record in event_log.read_entity(identity))
    return next(e.channel_id for e in recorded if isinstance(e, events.ObjectiveCreated))


def _message_answer(seq: int, event: AppMessageQueued) -> Answer:
    return Answer(seq, channel_id=event.channel_id, message_id=event.local_id)


def _ledger_answer(seq: int, event: events.RequestRecorded, channel_id: ChannelId) -> Answer:
    return Answer(seq, event.objective_id, channel_id, request_id=event.request_id)
