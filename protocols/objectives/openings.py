"""How every opening begins: the objective, its channel and the prefund state are recorded."""

from __future__ import annotations

from protocols import events
from protocols.app_data import decode_app_data, opening_data
from protocols.app_definitions import message_log_app, rule_of
from protocols.app_errors import NoMessageLogApp
from protocols.app_events import AppChannelRecorded
from protocols.commands import OpenApp, OpenVirtualApp
from protocols.draft import Draft
from protocols.entities import Node
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.state import State, hash_of_encoding
from protocols.types import Address, ObjectiveId


def record_opening(
    draft: Draft,
    kind: ObjectiveType,
    state: State,
    initiator: Address,
    request_id: str,
    request_hash: bytes | None,
) -> ObjectiveId:
    """Record the channel of the prefund `state`, and the objective that is to open it; its id."""
    fixed, channel_id = state.fixed, state.channel_id
    identity, encoded = objective_id(kind, channel_id), state.encode()
    draft.emit(events.ObjectiveCreated(identity, kind, channel_id, fixed.participants))
    draft.emit(events.ObjectiveParamsRecorded(identity, initiator, request_id, request_hash))
    draft.emit(
        events.ChannelCreated(
            channel_id,
            fixed.participants,
            fixed.channel_nonce,
            fixed.app_definition,
            fixed.challenge_duration,
        )
    )
    draft.emit(events.StateStored(channel_id, hash_of_encoding(encoded), encoded))
    return identity


def app_of_command(node: Node, command: OpenApp | OpenVirtualApp) -> tuple[Address, bytes]:
    """The contract of a new application channel, and what its first states commit to beside money.

    Raises NoMessageLogApp if the command leaves the contract open and there is none.
    """
    app = command.app_definition or message_log_app(node)
    if not app:
        raise NoMessageLogApp()
    return app, opening_data(command.reducer_id)


def record_app(draft: Draft, state: State, turn_rule: str) -> None:
    """What is agreed on beside the channel of the prefund `state`, if it is an application's."""
    rule = rule_of(draft.state.node, state.fixed.app_definition)
    if rule is not None:
        reducer_id = decode_app_data(state.app_data).reducer_id
        draft.emit(AppChannelRecorded(state.channel_id, reducer_id, turn_rule, rule))
