"""Messages about virtual channels: who may send which, and which objective hears it."""

from __future__ import annotations

from protocols import messages
from protocols.channel import Channel
from protocols.draft import Draft
from protocols.errors import UnknownChannel
from protocols.objectives import giving_up, virtualdefund, virtualfund
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.objectives.prefund_rules import is_pruned
from protocols.state import says_final, state_from_encoding
from protocols.types import Address, ChannelId, ObjectiveId
from protocols.virtual_paths import links_of

Message = (
    messages.VirtualProposal
    | messages.VirtualState
    | messages.PostfundRenunciation
    | messages.UnwindingRequest
)
MESSAGES = (
    messages.VirtualProposal,
    messages.VirtualState,
    messages.PostfundRenunciation,
    messages.UnwindingRequest,
)
"""What `receive` takes."""


def objective_of(body: Message) -> ObjectiveId:
    """The objective that the message belongs to."""
    match body:
        case messages.VirtualProposal():
            return objective_id(ObjectiveType.VIRTUAL_FUND, messages.fixed_part(body).channel_id())
        case messages.VirtualState():
            final = says_final(body.encoded_state)
            kind = ObjectiveType.VIRTUAL_DEFUND if final else ObjectiveType.VIRTUAL_FUND
            return objective_id(kind, body.channel_id)
        case _:
            return objective_id(ObjectiveType.VIRTUAL_FUND, body.channel_id)


def receive(draft: Draft, sender: Address, body: Message) -> ChannelId | None:
    """Check and record one message; the channel to crank, if any. Raises ProtocolError."""
    if isinstance(body, messages.VirtualProposal):
        return virtualfund.receive_proposal(draft, sender, body)
    if is_pruned(draft, body.channel_id):
        return None  # It crossed our own word.
    channel = _channel_of(draft, sender, body.channel_id)
    match body:
        case messages.VirtualState():
            state = state_from_encoding(channel.fixed, body.encoded_state)
            hear = virtualdefund.receive_final if state.is_final else virtualfund.receive_state
            hear(draft, channel, sender, state, body)
        case messages.PostfundRenunciation():
            giving_up.receive_renunciation(draft, channel, sender, body)
        case messages.UnwindingRequest():
            giving_up.receive_request(draft, channel, sender, body)
    return channel.channel_id


def _channel_of(draft: Draft, sender: Address, channel_id: ChannelId) -> Channel:
    channel = draft.state.channels.get(channel_id)
    if channel is None or channel.virtual is None or sender not in links_of(channel):
        raise UnknownChannel(channel_id)
    return channel
