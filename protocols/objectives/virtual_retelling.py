"""After a cut tail (M27): what was signed of a virtual channel is said again, to whoever lost it.

Who lost the end of its log says what it still knows; who knows more answers with all it has. Sets
only grow, so every such exchange ends. A channel touched by a cut is only closed: nobody who lost a
tail signs its postfund, renounces it, or signs a final state as a hub, unless its own signature is
shown to it.
"""

from __future__ import annotations

from protocols import messages
from protocols.channel import POSTFUND_TURN, PREFUND_TURN, Channel, SignedTurn
from protocols.crypto import recover_address
from protocols.draft import Draft
from protocols.objectives import closing
from protocols.objectives.base import ObjectiveStatus, ObjectiveType, objective_id
from protocols.objectives.giving_up import fund_id
from protocols.objectives.states import sign
from protocols.objectives.virtual_states import is_complete, send_prefund, send_state
from protocols.types import Address, ObjectiveId
from protocols.virtual_paths import is_agreed, left_of, links_of, right_of, virtual_of


def retell(draft: Draft, channel: Channel, peer: Address) -> None:
    """Say again all that the peer may know of a channel that is not over."""
    if channel.virtual is None or peer not in links_of(channel) or _is_over(draft, channel):
        return
    are_ends = channel.is_end and peer == channel.counterparty
    for turn in channel.turns:
        if not (turn.is_final and are_ends):
            _tell(draft, channel, turn, peer)
    if are_ends and draft.state.objectives.get(_closing_id(channel)) is not None:
        closing.say_again(draft, channel, _closing_id(channel))
    virtual = virtual_of(channel)
    code, reason = virtual.error_code, virtual.reason
    body: messages.Body
    if channel.rejected:
        body = messages.ObjectiveRejection(fund_id(channel), code, reason)
    elif peer == left_of(channel) and channel.me in virtual.renounced:
        body = messages.PostfundRenunciation(channel.channel_id, code, reason)
    elif virtual.unwinding:
        body = messages.UnwindingRequest(channel.channel_id, code, reason)
    else:
        return
    draft.send(peer, body, fund_id(channel))


def answer(
    draft: Draft,
    before: Channel,
    turn_num: int,
    shown: tuple[bytes, ...],
    sender: Address,
) -> None:
    """The sender showed nothing new: it lost what we know more than that, so tell it."""
    channel = draft.state.channels[before.channel_id]
    known, now = before.turn(turn_num), channel.turn(turn_num)
    if known is None or now is None or now.signatures != known.signatures:
        return
    pairs = zip(known.signatures, shown, strict=True)
    if any(mine and not theirs for mine, theirs in pairs):
        _tell(draft, channel, known, sender)
    for turn in channel.turns:
        if turn.turn_num > turn_num and turn.is_signed_by_all():
            _tell(draft, channel, turn, sender)


def take_own(draft: Draft, channel: Channel, turn: SignedTurn, shown: bytes) -> None:
    """A hub that forgot a final state is shown its own signature: it signs no second one (M6)."""
    if not channel.close_only or turn.signatures[channel.my_index] or not shown:
        return
    if recover_address(turn.state_hash, shown) == channel.me:
        sign(draft, channel.channel_id, channel.state(turn))


def _closing_id(channel: Channel) -> ObjectiveId:
    return objective_id(ObjectiveType.VIRTUAL_DEFUND, channel.channel_id)


def _is_over(draft: Draft, channel: Channel) -> bool:
    objective = draft.state.objectives.get(_closing_id(channel))
    return objective is not None and objective.status == ObjectiveStatus.COMPLETED


def _tell(draft: Draft, channel: Channel, turn: SignedTurn, peer: Address) -> None:
    """The set of that turn, if we signed it and the peer is one who hears of it from us."""
    if not turn.signatures[channel.my_index]:
        return
    is_right, is_left = peer == right_of(channel), peer == left_of(channel)
    if turn.turn_num == PREFUND_TURN:
        _tell_prefund(draft, channel, peer, is_hubs_right=is_right and channel.my_index > 0)
    elif turn.turn_num == POSTFUND_TURN:
        # To the right goes the whole set; the ends tell each other by it, too.
        if is_left or turn.is_signed_by_all():
            send_state(draft, channel, turn.turn_num, peer)
    elif is_left or turn.is_signed_by_all():
        send_state(draft, channel, turn.turn_num, peer)


def _tell_prefund(draft: Draft, channel: Channel, peer: Address, *, is_hubs_right: bool) -> None:
    """A hub's own signature goes right once its own guarantee is agreed; a payee meets it then."""
    if not is_hubs_right:
        send_prefund(draft, channel, peer)
        return
    is_safe = is_agreed(draft.state, virtual_of(channel).left_ledger, channel.channel_id)
    is_whole = is_complete(channel) and is_safe
    if is_whole or channel.my_index < channel.payee_index - 1:
        send_prefund(draft, channel, peer, without_ours=not is_whole)
