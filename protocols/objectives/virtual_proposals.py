"""Proposing a virtual channel: our owner's command, and what a link tells of one.

A proposal is judged before anything is kept: its path, its state, the ledgers that are to carry it
and the room in them; then policy decides. What follows from it is `virtualfund`'s.
"""

from __future__ import annotations

from protocols import events, messages
from protocols.app_errors import AppOpeningRefused
from protocols.channel import PREFUND_TURN, Channel
from protocols.commands import OpenVirtual, OpenVirtualApp, command_hash
from protocols.draft import HUB, PAYEE, PLAYER, Draft, Proposal
from protocols.errors import ParticipantsRefused, StateRefused, UnknownChannel, WrongSigner
from protocols.ledger_errors import LedgerRefused
from protocols.nonce import channel_nonce
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.objectives.giving_up import give_up, with_hop
from protocols.objectives.openings import app_of_command, record_app, record_opening
from protocols.objectives.prefund_rules import require_opening
from protocols.objectives.virtual_refusals import ANSWERED, answer_refusal
from protocols.objectives.virtual_retelling import answer
from protocols.objectives.virtual_rules import (
    amounts_of,
    choose_right,
    require_any_left,
    require_few_opening,
    require_left,
    require_path,
    require_room,
    require_state,
)
from protocols.objectives.virtual_states import answer_prefund, take_in
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.state import FixedPart, State, state_from_encoding
from protocols.types import (
    Address,
    ChannelId,
    ObjectiveId,
    amount_from_bytes,
    amount_to_bytes,
    require_uint,
)
from protocols.virtual_errors import VirtualRefused
from protocols.virtual_events import VirtualChannelRecorded
from protocols.virtual_paths import left_of, links_of, virtual_of


def open_channel(draft: Draft, command: OpenVirtual | OpenVirtualApp) -> ObjectiveId:
    """The owner's command: propose a channel over that path, for payments or of an application.

    Raises a ChannelRefused, AppRefused, VirtualRefused or LedgerRefused; nothing is promised then.
    """
    node = draft.state.node
    theirs = command.counterparty_amount if isinstance(command, OpenVirtualApp) else 0
    named = (("amount", command.amount), ("counterparty_amount", theirs))
    for name, amount in (*named, *(("fee", fee) for fee in command.fees)):
        require_uint(name, amount, 256)
    require_uint("fees", command.amount + theirs + sum(command.fees), 256)
    require_uint("challenge_duration", command.challenge_duration, 48)
    participants = (draft.context.me, *command.path)
    require_path(participants, command.fees)
    nonce = channel_nonce(node.chain_id, node.adjudicator, command.nonce_entropy)
    app, app_data, turn_rule = node.virtual_payment_app, b"", ""
    if isinstance(command, OpenVirtualApp):
        app, app_data = app_of_command(node, command)
        turn_rule = command.turn_rule
    fixed = FixedPart(participants, nonce, app, command.challenge_duration)
    allocations = (
        Allocation(destination_of(participants[0]), command.amount),
        Allocation(destination_of(participants[-1]), theirs),
    )
    outcome = (SingleAssetExit(command.asset, allocations),)
    state = State(fixed, app_data, outcome, PREFUND_TURN, False)
    require_state(draft, state, 0, turn_rule)
    ledger_id = choose_right(draft, state, 0, command.fees)
    require_room(draft, state, 0, command.fees, (ledger_id,))
    require_opening(draft, state)
    request_hash = command_hash(command)
    kind, me = ObjectiveType.VIRTUAL_FUND, draft.context.me
    identity = record_opening(draft, kind, state, me, command.request_id, request_hash)
    _record_ledgers(draft, state.channel_id, b"", ledger_id, command.fees)
    record_app(draft, state, turn_rule)
    draft.emit(events.ObjectiveApproved(identity, me))
    return identity


def receive_proposal(
    draft: Draft, sender: Address, body: messages.VirtualProposal
) -> ChannelId | None:
    """A link tells of a channel, or more of its prefund: the channel to crank, None if refused.

    Raises EncodingError, ChannelRefused, PathRefused or UnknownChannel for what no honest node
    sends, and what would be answered once the sender had too many answers; nothing is kept then.
    """
    fixed = messages.fixed_part(body)
    state = state_from_encoding(fixed, body.encoded_state)
    fees = tuple(amount_from_bytes(fee) for fee in body.fees)
    known = draft.state.channels.get(state.channel_id)
    if known is not None:
        return _receive_again(draft, sender, body, known, state, fees)
    require_path(fixed.participants, fees)
    if draft.context.me not in fixed.participants:
        raise ParticipantsRefused("we take no part in it")
    place = fixed.participants.index(draft.context.me)
    if place == 0 or sender not in (fixed.participants[place - 1], _payer_of_payee(fixed, place)):
        raise UnknownChannel(state.channel_id)
    try:
        _consider(draft, sender, body, state, fees)
    except ANSWERED as refusal:
        identity = objective_id(ObjectiveType.VIRTUAL_FUND, state.channel_id)
        answer_refusal(draft, sender, identity, place, refusal)
        return None
    return state.channel_id


def _payer_of_payee(fixed: FixedPart, place: int) -> Address | None:
    """The payee hears of a channel from the payer herself."""
    return fixed.participants[0] if place == len(fixed.participants) - 1 else None


def _consider(
    draft: Draft,
    sender: Address,
    body: messages.VirtualProposal,
    state: State,
    fees: tuple[int, ...],
) -> None:
    """Check every rule, record the channel, let policy decide. Raises ProtocolError."""
    fixed = state.fixed
    place, last = fixed.participants.index(draft.context.me), len(fixed.participants) - 1
    require_state(draft, state, place, body.turn_rule)
    require_few_opening(draft, sender, fixed.participants[0])
    require_uint("fees", sum(amounts_of(state)) + sum(fees), 256)
    if len(body.signatures) != last + 1 or not body.signatures[0]:
        raise WrongSigner(fixed.participants[0])
    left_ledger = body.ledger_id
    if sender == fixed.participants[place - 1]:
        require_left(draft, state, place, fees, left_ledger)
    else:
        require_any_left(draft, state)
        left_ledger = b""
    right_ledger = b"" if place == last else choose_right(draft, state, place, fees)
    chosen = tuple(ledger for ledger in (left_ledger, right_ledger) if ledger)
    require_room(draft, state, place, fees, chosen)
    identity = record_opening(draft, ObjectiveType.VIRTUAL_FUND, state, sender, "", None)
    channel_id = state.channel_id
    take_in(draft, channel_id, state, body.encoded_state, body.signatures, sender)
    _record_ledgers(draft, channel_id, left_ledger, right_ledger, fees)
    record_app(draft, state, body.turn_rule)
    _let_policy_decide(draft, identity, state, place, fees)


def _receive_again(
    draft: Draft,
    sender: Address,
    body: messages.VirtualProposal,
    channel: Channel,
    state: State,
    fees: tuple[int, ...],
) -> ChannelId | None:
    """More signatures of a prefund that we know; to the payee also the ledger that carries it."""
    if channel.virtual is None or sender not in links_of(channel):
        raise UnknownChannel(channel.channel_id)
    if body.encoded_state != channel.turns[PREFUND_TURN].encoded_state:
        # Whatever state is taken in here is judged by nobody else: a final one would be signed.
        raise StateRefused(state.turn_num, "it is not the prefund that was proposed")
    virtual = virtual_of(channel)
    if fees != virtual.fees:
        raise StateRefused(PREFUND_TURN, "the fees are other ones than we agreed to")
    if body.turn_rule != ("" if channel.app is None else channel.app.turn_rule):
        raise StateRefused(PREFUND_TURN, "the rule of turns is another one than we agreed to")
    if channel.rejected:
        return None  # It crossed our own word.
    is_left = sender == left_of(channel)
    if is_left and virtual.left_ledger and body.ledger_id != virtual.left_ledger:
        raise StateRefused(PREFUND_TURN, "another ledger was to carry the channel")
    take_in(draft, channel.channel_id, state, body.encoded_state, body.signatures, sender)
    if is_left and not virtual.left_ledger:
        _meet_left(draft, channel, state, body.ledger_id)
    answer_prefund(draft, channel, draft.state.channels[channel.channel_id])
    answer(draft, channel, PREFUND_TURN, body.signatures, sender)
    return channel.channel_id


def _meet_left(draft: Draft, channel: Channel, state: State, ledger_id: bytes) -> None:
    """The payee hears which ledger carries the channel; a wrong one ends the opening."""
    virtual = virtual_of(channel)
    try:
        require_left(draft, state, channel.my_index, virtual.fees, ledger_id)
        require_room(draft, state, channel.my_index, virtual.fees, (ledger_id,))
    except (VirtualRefused, LedgerRefused) as refusal:
        give_up(draft, channel, refusal.name(), with_hop(channel.my_index, str(refusal)))
        return
    _record_ledgers(draft, channel.channel_id, ledger_id, b"", virtual.fees)


def _record_ledgers(
    draft: Draft, channel_id: ChannelId, left: bytes, right: bytes, fees: tuple[int, ...]
) -> None:
    encoded = tuple(amount_to_bytes(fee) for fee in fees)
    draft.emit(VirtualChannelRecorded(channel_id, left, right, encoded))


def _let_policy_decide(
    draft: Draft, identity: ObjectiveId, state: State, place: int, fees: tuple[int, ...]
) -> None:
    fixed, (exit_,) = state.fixed, state.outcome
    is_hub = place < len(fixed.participants) - 1
    app = draft.state.channels[state.channel_id].app
    end_role = PAYEE if app is None else PLAYER
    decision = draft.context.decide(
        Proposal(
            fixed.participants[place - 1],
            ObjectiveType.VIRTUAL_FUND,
            exit_.asset,
            0,
            0,
            fixed.challenge_duration,
            HUB if is_hub else end_role,
            sum(amounts_of(state)),
            fees[place - 1] if is_hub else 0,
            b"" if app is None else app.reducer_id,
        )
    )
    channel = draft.state.channels[state.channel_id]
    if decision.verdict == "deny":
        reason = with_hop(place, decision.reason or "denied by policy")
        give_up(draft, channel, "POLICY_DENIED", reason)
        return
    try:
        if not is_hub:
            require_opening(draft, state)
    except AppOpeningRefused as refusal:
        give_up(draft, channel, refusal.name(), with_hop(place, str(refusal)))
        return
    if decision.verdict == "allow":
        draft.emit(events.ObjectiveApproved(identity))
