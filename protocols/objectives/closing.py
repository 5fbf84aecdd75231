"""Agreeing on how a channel ends: the final state, by the payer first, then by the payee.

The payer signs first, with her largest voucher, and pays nothing after (M12). The payee refuses
less than the largest it accepted; a refused turn is never signed, and the payer goes on at the
next one (M7). After a cut tail she begins above every turn that she may have signed before, and
takes one she forgot only with her own signature under it (M6). The two ends of a virtual channel
agree likewise; what follows from the agreement is for DirectDefund and VirtualDefund.
"""

from __future__ import annotations

from protocols import events, messages
from protocols.app_standing import agrees_to_end, show, supported_amounts
from protocols.app_talk import is_resting
from protocols.channel import (
    FINAL_TURN_COUNT_MAX,
    FIRST_FINAL_TURN,
    POSTFUND_TURN,
    PREFUND_TURN,
    Channel,
    FinalRequest,
    SignedTurn,
    funding_terms,
    is_supported,
    known_signer,
    next_final_turn,
    next_own_final_turn,
    signed_final,
    supported_final,
)
from protocols.crypto import keccak256, recover_address
from protocols.draft import Draft
from protocols.errors import StateRefused, WrongSigner
from protocols.objectives.base import ObjectiveType, WaitingFor, objective_id
from protocols.objectives.states import resend, sign, take_in
from protocols.outcome import Allocation, Outcome, SingleAssetExit, destination_of
from protocols.payment_errors import ChannelNotOpen
from protocols.state import State
from protocols.types import Address, ObjectiveId, amount_from_bytes, amount_to_bytes
from protocols.voucher import verify_voucher


def kind_of(channel: Channel) -> ObjectiveType:
    """The objective that closes the channel."""
    is_virtual = channel.virtual is not None
    return ObjectiveType.VIRTUAL_DEFUND if is_virtual else ObjectiveType.DIRECT_DEFUND


def require_end(channel: Channel) -> None:
    """Raise StateRefused in an intermediary's channel: the two ends agree with each other."""
    if not channel.is_end:
        raise StateRefused(FIRST_FINAL_TURN, "the ends of the path agree on it with each other")


def send_final(draft: Draft, channel: Channel, turn_num: int, identity: ObjectiveId) -> None:
    """Tell the other end what we signed, with its own signature if we have it (M6)."""
    if channel.virtual is None:
        resend(draft, channel, turn_num, identity)
        return
    turn = channel.turn(turn_num)
    assert turn is not None
    body = messages.VirtualState(channel.channel_id, turn.encoded_state, turn.signatures)
    draft.send(channel.counterparty, body, identity)


def _sign_and_send(draft: Draft, channel: Channel, state: State, identity: ObjectiveId) -> None:
    sign(draft, channel.channel_id, state)
    if channel.my_index == 0 or channel.payee_index == 1:
        send_final(draft, draft.state.channels[channel.channel_id], state.turn_num, identity)
    # Else a payee's consent reaches the payer hub by hub: twice, it would tell her nothing new.


def agree(draft: Draft, channel: Channel, identity: ObjectiveId) -> WaitingFor | None:
    """Bring about a final state signed by all; None once there is one."""
    if supported_final(channel) is not None:
        return None
    if channel.my_index == 0:
        if _is_talking(channel):
            # What the other end signed or decided is told before it asks back.
            _request_final(draft, channel, identity)
            return WaitingFor.APP_RUN
        if signed_final(channel, 0) is None:
            if channel.close_only and shown_by(channel, channel.counterparty) is None:
                _request_final(draft, channel, identity)
                return WaitingFor.LARGEST_VOUCHER
            if _final_count(channel) >= FINAL_TURN_COUNT_MAX:
                return WaitingFor.SUPPORTED_FINAL_STATE
            if not agrees_to_end(channel):
                return WaitingFor.OWNERS_WORD
            _sign_final(draft, channel, identity)
        return WaitingFor.SUPPORTED_FINAL_STATE

    theirs = signed_final(channel, 0)
    is_signed = theirs is not None and channel.signed_by_me(theirs.turn_num)
    if not is_signed and channel.app is not None and channel.app.answer is not None:
        return WaitingFor.APP_RUN  # What we sign of it comes before the end (M8).
    if not is_signed and not agrees_to_end(channel):
        return WaitingFor.OWNERS_WORD
    if theirs is None:
        _request_final(draft, channel, identity)
        return WaitingFor.FINAL_STATE_FROM_PAYER
    if not is_signed:
        if channel.app is not None and _offered(channel, theirs) != _owed(channel):
            # It was good enough when it came, but the game went on.
            _refuse(draft, channel, theirs.turn_num, identity)
            return WaitingFor.FINAL_STATE_FROM_PAYER
        _sign_and_send(draft, channel, channel.state(theirs), identity)
    is_agreed = supported_final(draft.state.channels[channel.channel_id]) is not None
    return None if is_agreed else WaitingFor.SUPPORTED_FINAL_STATE


def _is_talking(channel: Channel) -> bool:
    """Whether a run of messages is under way that the other end may yet decide on (M8)."""
    if channel.app is None or is_resting(channel):
        return False
    if channel.app.answer is not None:
        return True  # It is judged at the end of this batch.
    return shown_by(channel, channel.counterparty) is None


def _sign_final(draft: Draft, channel: Channel, identity: ObjectiveId) -> None:
    """The payer's step: her largest voucher, the one she issued or the one the payee showed."""
    if channel.app is not None:
        show(draft, channel, identity)
    outcome = final_outcome(channel, _owed(channel))
    state = State(channel.fixed, b"", outcome, next_own_final_turn(channel), True)
    _sign_and_send(draft, channel, state, identity)


def _owed(channel: Channel) -> int:
    """What the other end has by all that we know."""
    if channel.app is not None:
        return supported_amounts(channel)[1]
    shown = shown_by(channel, channel.counterparty)
    return max(channel.vouchers.total, 0 if shown is None else shown.total)


def _final_count(channel: Channel) -> int:
    return sum(turn.is_final for turn in channel.turns)


def wish(draft: Draft, channel: Channel, identity: ObjectiveId) -> None:
    """Our owner wants a game ended: by its word whoever is to move gives the move away."""
    app = channel.app
    if app is None or not app.is_judged or app.wished_count == app.supported.count:
        return
    total, signature = _largest_voucher(channel)
    amount = amount_to_bytes(total)
    draft.emit(events.FinalStateRequested(channel.channel_id, channel.me, amount, signature))
    _send_request(draft, channel, identity)


def _request_final(draft: Draft, channel: Channel, identity: ObjectiveId) -> None:
    if shown_by(channel, channel.me) is not None:
        return
    total, signature = _largest_voucher(channel)
    amount = amount_to_bytes(total)
    draft.emit(events.FinalStateRequested(channel.channel_id, channel.me, amount, signature))
    _send_request(draft, channel, identity)


def _send_request(draft: Draft, channel: Channel, identity: ObjectiveId) -> None:
    if channel.app is not None:
        show(draft, channel, identity)
    total, signature = _largest_voucher(channel)
    amount = amount_to_bytes(total)
    body = messages.FinalStateRequest(channel.channel_id, amount, signature)
    draft.send(channel.counterparty, body, identity)


def _largest_voucher(channel: Channel) -> tuple[int, bytes]:
    """What we can show: a payee its largest accepted voucher, a payer nothing."""
    if channel.my_index == 0:
        return 0, b""
    return channel.vouchers.total, channel.vouchers.signature


def shown_by(channel: Channel, who: Address) -> FinalRequest | None:
    """What that end showed when it asked to close; None if it did not ask."""
    for request in channel.final_requests:
        if request.requester == who:
            return request
    return None


def final_outcome(channel: Channel, paid: int) -> Outcome:
    """The payer's rest and the payee's sum, in the funding outcome's order."""
    terms = funding_terms(channel)
    payer, payee = channel.fixed.participants[0], channel.fixed.participants[-1]
    allocations = (
        Allocation(destination_of(payer), terms.total - paid),
        Allocation(destination_of(payee), paid),
    )
    return (SingleAssetExit(terms.asset, allocations),)


def start(
    draft: Draft,
    channel: Channel,
    initiator: Address,
    request_id: str = "",
    request_hash: bytes | None = None,
) -> ObjectiveId:
    """Begin to close, approved: leaving is never a matter of policy."""
    kind = kind_of(channel)
    identity = objective_id(kind, channel.channel_id)
    if draft.state.objectives.get(identity) is None:
        participants = channel.fixed.participants
        draft.emit(events.ObjectiveCreated(identity, kind, channel.channel_id, participants))
        draft.emit(events.ObjectiveParamsRecorded(identity, initiator, request_id, request_hash))
        draft.emit(events.ObjectiveApproved(identity, draft.context.me))
    return identity


def receive_request(draft: Draft, channel: Channel, body: messages.FinalStateRequest) -> None:
    """The counterparty wants to close, and shows its largest voucher."""
    if not is_supported(channel, POSTFUND_TURN):
        raise ChannelNotOpen(channel.channel_id, "not funded yet")
    _record_shown(draft, channel, amount_from_bytes(body.total), body.signature)
    identity = start(draft, channel, channel.counterparty)
    if channel.my_index != 0 or signed_final(channel, 0) is not None:
        # Asked although we signed or asked: it was lost on the way to the other side's disk.
        say_again(draft, channel, identity)


def say_again(draft: Draft, channel: Channel, identity: ObjectiveId) -> None:
    """All that the other side needs to reach a final state signed by both, in its order.

    A payee who forgot what it refused has to refuse that before it takes the next turn.
    """
    mine = [turn for turn in channel.turns if turn.is_final and turn.signatures[channel.my_index]]
    if not mine and shown_by(channel, channel.me) is not None:
        _send_request(draft, channel, identity)
    for turn in mine:
        send_final(draft, channel, turn.turn_num, identity)


def _record_shown(draft: Draft, channel: Channel, total: int, signature: bytes) -> None:
    """Keep the largest voucher the payee shows, if it is truly the payer's own; refuse the rest."""
    if (channel.my_index != 0 or total == 0) and (total or signature):
        raise StateRefused(FIRST_FINAL_TURN, "there is no such voucher to show")
    if total > 0:
        payer = known_signer(channel, 0)
        if total > funding_terms(channel).total:
            raise StateRefused(FIRST_FINAL_TURN, f"the voucher of {total} is above the deposit")
        if payer is None or not verify_voucher(channel.channel_id, total, signature, payer):
            raise StateRefused(FIRST_FINAL_TURN, "the voucher shown is not ours")
    amount, who = amount_to_bytes(total), channel.counterparty
    known = shown_by(channel, who)
    if known is None or total > known.total:
        draft.emit(events.FinalStateRequested(channel.channel_id, who, amount, signature))


def receive_final(draft: Draft, channel: Channel, state: State, body: messages.SignedState) -> None:
    """The counterparty signed a final state: the payer's proposal, or the payee's consent."""
    # A virtual channel that was given up half open may be left by a final state as well (M16 a).
    needed = POSTFUND_TURN if channel.virtual is None else PREFUND_TURN
    if not is_supported(channel, needed):
        raise StateRefused(state.turn_num, "the channel is not funded")
    if channel.my_index == 0:
        receive_consent(draft, channel, state, body)
        return
    if state.turn_num in channel.refused_turns:
        _refuse_again(draft, channel, state, body)
        return
    if channel.turn(state.turn_num) is None:
        _require_final_in_turn(channel, state)
    identity = start(draft, channel, channel.counterparty)
    channel = draft.state.channels[channel.channel_id]
    is_new = take_in(draft, channel, state, body.encoded_state, body.signature)
    if not is_new and channel.signed_by_me(state.turn_num):
        send_final(draft, channel, state.turn_num, identity)
        return
    offered = state.outcome[0].allocations[1].amount
    is_less = channel.app is not None and offered != _owed(channel)
    if offered < channel.vouchers.total or is_less:
        _refuse(draft, channel, state.turn_num, identity)


def receive_consent(
    draft: Draft, channel: Channel, state: State, body: messages.SignedState
) -> None:
    """Participant 0's side: the other end signed what it signed first."""
    if not channel.signed_by_me(state.turn_num):
        if not channel.close_only:
            raise StateRefused(state.turn_num, "the payer signs the final state first")
        # The payee agrees to what a cut tail made us forget (M27).
        start(draft, channel, channel.counterparty)
        if not body.receivers_signature:
            return  # It will be asked, and says it again with our signature.
        if recover_address(keccak256(body.encoded_state), body.receivers_signature) != channel.me:
            raise WrongSigner(channel.me)
        # M6: this is no second state of the turn, for our own signature stands under this one.
        sign(draft, channel.channel_id, state)
        channel = draft.state.channels[channel.channel_id]
    take_in(draft, channel, state, body.encoded_state, body.signature)


def _require_final_in_turn(channel: Channel, state: State) -> None:
    # A payer who lost a tail leaves out the turns that she may have signed before (M6).
    if state.turn_num < next_final_turn(channel) or signed_final(channel, 0) is not None:
        raise StateRefused(state.turn_num, "not the next final turn")
    if _final_count(channel) >= FINAL_TURN_COUNT_MAX:
        raise StateRefused(state.turn_num, "too many final states were refused")
    amounts = [a.amount for exit_ in state.outcome for a in exit_.allocations]
    if state.app_data or len(amounts) != 2 or state.outcome != final_outcome(channel, amounts[1]):
        raise StateRefused(state.turn_num, "the outcome is not a split of the deposit")


def _refuse(draft: Draft, channel: Channel, turn_num: int, identity: ObjectiveId) -> None:
    total, signature = _largest_voucher(channel)
    amount = amount_to_bytes(total)
    draft.emit(
        events.FinalStateRefused(channel.channel_id, turn_num, channel.me, amount, signature)
    )
    _send_refusal(draft, channel, turn_num, identity)


def _send_refusal(draft: Draft, channel: Channel, turn_num: int, identity: ObjectiveId) -> None:
    if channel.app is not None:
        show(draft, channel, identity)
    total, signature = _largest_voucher(channel)
    amount = amount_to_bytes(total)
    body = messages.FinalStateRefusal(channel.channel_id, turn_num, amount, signature)
    draft.send(channel.counterparty, body, identity)


def _refuse_again(draft: Draft, channel: Channel, state: State, body: messages.SignedState) -> None:
    """The payer says a refused turn again: she forgot the refusal."""
    known = channel.turn(state.turn_num)
    if known is None or known.encoded_state != body.encoded_state:
        raise StateRefused(state.turn_num, "we refused this turn already")
    identity = objective_id(kind_of(channel), channel.channel_id)
    _send_refusal(draft, channel, state.turn_num, identity)


def receive_refusal(draft: Draft, channel: Channel, body: messages.FinalStateRefusal) -> None:
    """The payee will never sign that turn; with the voucher it shows we sign the next one."""
    shown = shown_by(channel, channel.counterparty)
    if body.turn_num in channel.refused_turns:
        if shown is not None and amount_from_bytes(body.total) <= shown.total:
            return  # Said again, to a payer who might have forgotten it.
        raise StateRefused(body.turn_num, "the payee refused this turn already")
    mine = channel.turn(body.turn_num)
    if channel.my_index != 0 or mine is None or not mine.is_final or mine.signatures[-1]:
        raise StateRefused(body.turn_num, "no such final state waits for the payee")
    total = amount_from_bytes(body.total)
    if channel.app is not None:
        is_better = _offered(channel, mine) != _owed(channel)
    else:
        is_better = total > _offered(channel, mine)
    if not is_better:
        raise StateRefused(body.turn_num, "the voucher shown is not above what we offered")
    _record_shown(draft, channel, total, body.signature)
    draft.emit(
        events.FinalStateRefused(
            channel.channel_id, body.turn_num, channel.counterparty, body.total, body.signature
        )
    )


def _offered(channel: Channel, turn: SignedTurn) -> int:
    return channel.state(turn).outcome[0].allocations[1].amount
