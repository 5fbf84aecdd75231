"""Giving a virtual channel up before it opened: by a word while nothing stands, else by unwinding.

A rejection ends the objective of everybody who has no guarantee for the channel. Who has one asks
for unwinding: from then on it signs neither the postfund nor another guarantee, and gives its
guarantees back under M16 (b) (`unwinding`). Asking for it costs nobody anything, so whoever takes
part may, until the channel is open.
"""

from __future__ import annotations

from protocols import events, messages
from protocols.channel import POSTFUND_TURN, PREFUND_TURN, Channel, is_supported
from protocols.draft import Draft
from protocols.errors import StateRefused, UnexpectedMessage
from protocols.objectives.base import ObjectiveStatus, ObjectiveType, objective_id
from protocols.objectives.virtual_states import is_complete, send_state, signatures_of
from protocols.types import Address, ObjectiveId
from protocols.virtual_events import PostfundRenounced, UnwindingAsked
from protocols.virtual_paths import has_hubs, left_of, links_of, right_of, stands, virtual_of

_OVER = (ObjectiveStatus.REJECTED, ObjectiveStatus.COMPLETED)


def fund_id(channel: Channel) -> ObjectiveId:
    """The objective that opens the channel."""
    return objective_id(ObjectiveType.VIRTUAL_FUND, channel.channel_id)


def may_abandon(draft: Draft, channel: Channel) -> bool:
    """True while no state of a ledger that we signed guarantees the channel."""
    virtual = virtual_of(channel)
    ledgers = (virtual.left_ledger, virtual.right_ledger)
    return not any(stands(draft.state, ledger, channel.channel_id) for ledger in ledgers)


def is_given_up(draft: Draft, channel: Channel) -> bool:
    """True once a channel that never opened is unwound, or its opening has ended."""
    objective = draft.state.objectives.get(fund_id(channel))
    return virtual_of(channel).unwinding or objective is None or objective.status in _OVER


def may_give_up(draft: Draft, channel: Channel) -> bool:
    """True while the channel may still fail to open as far as we are concerned.

    The payer signs the postfund last: before that, it opens for nobody. The others may not take
    back a postfund they signed (M16 b).
    """
    objective = draft.state.objectives.get(fund_id(channel))
    if objective is None or objective.status in _OVER:
        return False
    return not channel.signed_by_me(POSTFUND_TURN)


def give_up(
    draft: Draft, channel: Channel, error_code: str, reason: str, source: Address | None = None
) -> None:
    """Reject the opening, or have it unwound; all but the `source` of the wish are told."""
    virtual = virtual_of(channel)
    identity = fund_id(channel)
    objective = draft.state.objectives.get(identity)
    if objective is None or objective.status in _OVER or virtual.unwinding:
        return
    reason = reason[: messages.TEXT_LENGTH_MAX]
    body: messages.Body
    if may_abandon(draft, channel):
        draft.emit(events.ObjectiveRejected(identity, reason, error_code))
        body = messages.ObjectiveRejection(identity, error_code, reason)
    else:
        draft.emit(UnwindingAsked(channel.channel_id, error_code, reason))
        body = messages.UnwindingRequest(channel.channel_id, error_code, reason)
    for link in _introduced(channel):
        if link != source:
            draft.send(link, body, identity)
    tell_hubs_postfund(draft, channel)


def _introduced(channel: Channel) -> list[Address]:
    """Those of our links who know of the channel."""
    place, payee = channel.my_index, channel.payee_index
    has_proposed = channel.signed_by_me(PREFUND_TURN)
    virtual = virtual_of(channel)
    known = {
        # The payee hears of it from the payer, and meets its neighbour with the whole prefund.
        left_of(channel): place < payee or not has_hubs(channel) or bool(virtual.left_ledger),
        right_of(channel): has_proposed
        if place != payee - 1 or place == 0
        else is_complete(channel),
    }
    return [who for who in links_of(channel) if known.get(who, place == payee or has_proposed)]


def tell_hubs_postfund(draft: Draft, channel: Channel) -> None:
    """A hub cannot renounce a postfund it signed: the payer hears of it, and closes (M16 a)."""
    signed_by_hub = any(signatures_of(channel, POSTFUND_TURN)[1 : channel.payee_index])
    if signed_by_hub and not channel.is_end and not is_supported(channel, POSTFUND_TURN):
        left = left_of(channel)
        assert left is not None
        send_state(draft, channel, POSTFUND_TURN, left)


def receive_rejection(
    draft: Draft, channel: Channel, sender: Address, body: messages.ObjectiveRejection
) -> None:
    """A link takes no part; once a guarantee of ours stands it is a wish to unwind."""
    _receive_wish(draft, channel, sender, body.error_code, body.reason)


def receive_request(
    draft: Draft, channel: Channel, sender: Address, body: messages.UnwindingRequest
) -> None:
    """A link gives the channel up."""
    _receive_wish(draft, channel, sender, body.error_code, body.reason)


def _receive_wish(
    draft: Draft, channel: Channel, sender: Address, error_code: str, reason: str
) -> None:
    if sender not in links_of(channel):
        raise UnexpectedMessage("rejection", "it is not from a neighbour on the path")
    if is_supported(channel, POSTFUND_TURN):
        raise StateRefused(POSTFUND_TURN, "the channel is open, it is left by a final state")
    if channel.signed_by_me(POSTFUND_TURN):
        # The payer's last signature may be under way to others: only her word says that it never
        # will be (a payee), and a hub only hands the wish on.
        is_payers_word = sender == channel.fixed.participants[0]
        if channel.my_index == 0 or (
            channel.my_index == channel.payee_index and not is_payers_word
        ):
            return
    give_up(draft, channel, error_code, reason, sender)


def receive_renunciation(
    draft: Draft, channel: Channel, sender: Address, body: messages.PostfundRenunciation
) -> None:
    """Our right neighbour never signs the postfund (a payee: takes no voucher): M16 (b)."""
    if sender != right_of(channel):
        raise UnexpectedMessage("renunciation", "it is not from the neighbour on the right")
    virtual = virtual_of(channel)
    if sender in virtual.renounced:
        return
    place = channel.my_index + 1
    if place < channel.payee_index and signatures_of(channel, POSTFUND_TURN)[place]:
        raise StateRefused(POSTFUND_TURN, "who signed the postfund cannot renounce it")
    if is_supported(channel, POSTFUND_TURN):
        raise StateRefused(POSTFUND_TURN, "the channel is open, it is left by a final state")
    draft.emit(PostfundRenounced(channel.channel_id, sender, body.error_code, body.reason))
    channel = draft.state.channels[channel.channel_id]
    give_up(draft, channel, body.error_code, body.reason, sender)


def with_hop(hop: int, reason: str) -> str:
    """The reason with the participant's place in the path before it, unless it is named there."""
    return reason if reason.startswith("hop ") else f"hop {hop}: {reason}"
