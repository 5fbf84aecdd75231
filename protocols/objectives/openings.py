"""How every opening begins: the objective, its channel and the prefund state are recorded."""

from __future__ import annotations

from protocols import events
from protocols.draft import Draft
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
