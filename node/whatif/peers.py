"""Peers as a simulation assumes them: honest, awake, and of one mind with us.

Their keys are nowhere, so nothing of theirs can pass a check. What they would answer is taken as
answered and checked: the facts that the crank would record are recorded with placeholders where
their signatures belong, and from there on the crank goes its own way. Which answers are due is
read from the state alone.
"""

from __future__ import annotations

from collections.abc import Callable

from node.whatif.placeholders import placeholder
from protocols import events, messages
from protocols.app_standing import supported_amounts
from protocols.channel import (
    POSTFUND_TURN,
    PREFUND_TURN,
    REDEMPTION_TURN,
    Channel,
    SignedTurn,
    funding_terms,
    next_final_turn,
    next_own_final_turn,
    signed_final,
    supported_final,
)
from protocols.crypto import keccak256
from protocols.draft import Draft
from protocols.funding import require_safe
from protocols.ledger import (
    MOVE,
    NO_TARGET,
    Change,
    LedgerVars,
    Proposed,
    after,
    ledger_state,
    parties,
)
from protocols.ledger_encoding import ledger_state_hash
from protocols.ledger_events import LedgerUpdateConfirmed, LedgerUpdateReceived
from protocols.ledger_payments import propose_asked
from protocols.ledger_queue import is_settled
from protocols.ledgers import concerned, has_final, proposal_message, proposed_moves, update_fact
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.objectives.closing import final_outcome, kind_of, shown_by
from protocols.objectives.states import record_support
from protocols.objectives.virtual_states import is_complete, signatures_of
from protocols.payment_errors import AmountAboveDeposit, AmountNotPositive, PaymentRefused
from protocols.payments import refuse
from protocols.receipts import root_of
from protocols.state import State, hash_of_encoding
from protocols.types import Address, ChannelId, amount_to_bytes, to_hex
from protocols.virtual_paths import (
    addition,
    has_hubs,
    is_agreed,
    is_proposed,
    left_of,
    removal_by_final,
    right_of,
    virtual_of,
)

IsThere = Callable[[Address], bool]


def answer(draft: Draft, channel_id: ChannelId, is_there: IsThere) -> list[ChannelId]:
    """Record all that the other parties owe us in that channel now; the channels to crank."""
    channel = draft.state.channels.get(channel_id)
    if channel is None or not channel.turns or channel.rejected:
        return []
    count = len(draft.events)
    found: list[ChannelId] = []
    if channel.virtual is not None:
        _virtual(draft, channel, is_there)
    elif is_there(channel.counterparty):
        found = _direct(draft, channel)
    return [channel_id, *found] if len(draft.events) > count else []


def pay_us(draft: Draft, channel: Channel, amount: int, payment_id: bytes) -> None:
    """The payer's voucher arrives: taken or refused as the node would, its signature aside."""
    total = channel.vouchers.total + amount
    try:
        require_safe(draft, channel)
        if amount <= 0:
            raise AmountNotPositive(amount)
        deposit = funding_terms(channel).deposits[0]
        if total > deposit:
            raise AmountAboveDeposit(amount, deposit - channel.vouchers.total)
    except PaymentRefused as refusal:
        refuse(draft, channel, payment_id, total, refusal)
        return
    given = placeholder(channel.counterparty, payment_id)
    shown = amount_to_bytes(amount), amount_to_bytes(total)
    draft.emit(events.VoucherReceived(channel.channel_id, payment_id, *shown, given))


# --- two parties ---


def _direct(draft: Draft, channel: Channel) -> list[ChannelId]:
    for turn in channel.turns:
        is_mine = bool(turn.signatures[channel.my_index])
        if channel.ledger is None and turn.turn_num == REDEMPTION_TURN:
            continue  # The payee's own, for the chain.
        if is_mine and not turn.is_signed_by_all() and turn.turn_num not in channel.refused_turns:
            _signed(draft, channel.channel_id, turn, (1 - channel.my_index,))
    channel = draft.state.channels[channel.channel_id]
    if channel.ledger is None:
        _receipt(draft, channel)
        _final_by_payer(draft, channel)
        return []
    _final_by_leader(draft, channel)
    return _ledger(draft, draft.state.channels[channel.channel_id])


def _signed(draft: Draft, channel_id: ChannelId, turn: SignedTurn, places: tuple[int, ...]) -> None:
    """Participants sign a state that is known."""
    channel = draft.state.channels[channel_id]
    state = channel.state(turn)
    for place in places:
        who = channel.fixed.participants[place]
        if signatures_of(channel, turn.turn_num)[place]:
            continue
        given = placeholder(who, turn.state_hash)
        sender = _speaks_for(channel, place)
        _heard(draft, channel, sender, turn.is_final, len(turn.encoded_state))
        draft.emit(
            events.StateReceived(
                channel_id,
                turn.turn_num,
                turn.state_hash,
                who,
                given,
                turn.is_final,
                to_hex(sender),
            )
        )
    record_support(draft, channel_id, state, turn.state_hash)


def _speaks_for(channel: Channel, place: int) -> Address:
    """Who brings us that participant's word: itself, or our neighbour on its side."""
    if channel.virtual is None:
        return channel.counterparty
    neighbour = left_of(channel) if place < channel.my_index else right_of(channel)
    return channel.fixed.participants[place] if neighbour is None else neighbour


def _heard(draft: Draft, channel: Channel, peer: Address, is_final: bool, size_bytes: int) -> None:
    number = draft.state.peer(peer).received + 1
    name = keccak256(b"assumed message|" + peer + number.to_bytes(8, "big"))
    if is_final:
        kind = kind_of(channel)
    else:
        is_virtual = channel.virtual is not None
        kind = ObjectiveType.VIRTUAL_FUND if is_virtual else ObjectiveType.DIRECT_FUND
    identity = objective_id(kind, channel.channel_id)
    said = messages.SignedState if channel.virtual is None else messages.VirtualState
    draft.emit(events.MessageReceived(name, to_hex(peer), identity, size_bytes, said.__name__))


def _first_said(draft: Draft, channel: Channel, state: State, places: tuple[int, ...]) -> None:
    """A state that another participant makes."""
    encoded = state.encode()
    state_hash = hash_of_encoding(encoded)
    draft.emit(events.StateStored(channel.channel_id, state_hash, encoded))
    turn = draft.state.channels[channel.channel_id].turn(state.turn_num)
    assert turn is not None, "it was stored right now"
    _signed(draft, channel.channel_id, turn, places)


def _receipt(draft: Draft, channel: Channel) -> None:
    """The payee signs for everything that waits for it."""
    pending = channel.vouchers.pending
    if channel.my_index != 0 or not pending or channel.vouchers.refused_at >= 0:
        return
    root, total = root_of(pending), amount_to_bytes(pending[-1].total)
    given = placeholder(channel.counterparty, root)
    draft.emit(events.ReceiptReceived(channel.channel_id, total, len(pending), root, given))


def _final_by_payer(draft: Draft, channel: Channel) -> None:
    """We asked for the end and showed our largest voucher: the payer signs it first (M12)."""
    is_payee = channel.my_index == channel.payee_index
    if not is_payee or shown_by(channel, channel.me) is None or signed_final(channel, 0):
        return
    is_app = channel.app is not None
    paid = supported_amounts(channel)[1] if is_app else channel.vouchers.total
    turn_num = next_own_final_turn(channel) if is_app else next_final_turn(channel)
    state = State(channel.fixed, b"", final_outcome(channel, paid), turn_num, True)
    _first_said(draft, channel, state, (0,))


# --- ledgers ---


def _final_by_leader(draft: Draft, channel: Channel) -> None:
    """We, the follower, asked for the end: the leader signs it once nothing is left in the way."""
    ledger = channel.ledger
    if ledger is None or channel.my_index == 0 or shown_by(channel, channel.me) is None:
        return
    if has_final(channel) or ledger.queue or ledger.current.guarantees:
        return
    free = LedgerVars(ledger.current.leader, ledger.current.follower)
    turn_num = ledger.proposed_turn + 1
    state = ledger_state(channel.fixed, ledger.asset, free, turn_num, is_final=True)
    _first_said(draft, channel, state, (0,))


def _ledger(draft: Draft, channel: Channel) -> list[ChannelId]:
    """The other party answers what waits: a follower agrees to all, a leader proposes the wish."""
    ledger = channel.ledger
    if ledger is None or has_final(channel):
        return []
    if channel.my_index == 0:
        turn_num = ledger.proposed_turn
        if not ledger.queue or not is_settled(ledger, turn_num):
            return []
        state_hash = ledger.queue[-1].state_hash
        given = placeholder(channel.counterparty, state_hash)
        agreed = LedgerUpdateConfirmed(channel.channel_id, turn_num, state_hash, given)
        draft.emit(agreed)
        propose_asked(draft, channel.channel_id)
        return concerned(channel, ledger, turn_num)
    waiting = proposed_moves(ledger)
    leader, follower = parties(channel.fixed)
    for asked in ledger.asked:
        if asked.request_id not in waiting:
            name = asked.request_id
            change = Change(MOVE, NO_TARGET, asked.amount, follower, leader, request_id=name)
            _proposed(draft, channel.channel_id, change)
    return []


def _proposed(draft: Draft, ledger_id: ChannelId, change: Change) -> None:
    """The leader of a ledger that we follow proposes a change; we judge it at the batch's end."""
    channel = draft.state.channels[ledger_id]
    ledger = channel.ledger
    assert ledger is not None, "only a ledger that is open is asked"
    turn_num = ledger.proposed_turn + 1
    vars_ = after(ledger.proposed, change, channel.fixed)
    state_hash = ledger_state_hash(ledger_id, channel.fixed, ledger.asset, vars_, turn_num)
    given = placeholder(channel.counterparty, state_hash)
    body = proposal_message(ledger_id, Proposed(turn_num, change, state_hash, given))
    draft.emit(update_fact(LedgerUpdateReceived, body, state_hash))


# --- virtual channels ---


def _virtual(draft: Draft, channel: Channel, is_there: IsThere) -> None:
    """Everybody who can be reached signs in the order of the path, and proposes what it leads."""
    reached = _reached(channel, is_there)
    _sign_prefund(draft, channel, reached)
    _guarantees(draft, channel, is_there)
    _sign_postfund(draft, draft.state.channels[channel.channel_id], reached)
    channel = draft.state.channels[channel.channel_id]
    if channel.is_end and is_there(channel.counterparty):
        _receipt(draft, channel)
        _final_by_payer(draft, draft.state.channels[channel.channel_id])
    _sign_final(draft, draft.state.channels[channel.channel_id], reached)


def _reached(channel: Channel, is_there: IsThere) -> tuple[int, ...]:
    """Places of the others who are awake, with everybody between them and us."""
    participants, mine = channel.fixed.participants, channel.my_index
    found: list[int] = []
    for places in (range(mine - 1, -1, -1), range(mine + 1, len(participants))):
        for place in places:
            if not is_there(participants[place]):
                break
            found.append(place)
    return tuple(sorted(found))


def _sign_prefund(draft: Draft, channel: Channel, reached: tuple[int, ...]) -> None:
    prefund = channel.turns[PREFUND_TURN]
    if prefund.signatures[channel.my_index] and not prefund.is_signed_by_all():
        _signed(draft, channel.channel_id, prefund, reached)


def _guarantees(draft: Draft, channel: Channel, is_there: IsThere) -> None:
    """In ledgers that we follow the neighbour proposes: to add the guarantee, to remove it."""
    virtual, final = virtual_of(channel), supported_final(channel)
    mine = channel.my_index
    for ledger_id, place in ((virtual.left_ledger, mine - 1), (virtual.right_ledger, mine)):
        ledger = draft.state.channels.get(ledger_id) if ledger_id else None
        if ledger is None or ledger.my_index == 0 or not is_there(ledger.counterparty):
            continue
        agreed = is_agreed(draft.state, ledger_id, channel.channel_id)
        proposed = is_proposed(draft.state, ledger_id, channel.channel_id)
        if final is not None:
            if agreed and proposed:
                _proposed(draft, ledger_id, removal_by_final(channel, place, final))
            continue
        if agreed or proposed or virtual.unwinding or not _is_opening(draft, channel):
            continue
        is_left_there = place < mine or mine == 0
        if is_left_there or is_agreed(draft.state, virtual.left_ledger, channel.channel_id):
            _proposed(draft, ledger_id, addition(channel, place))


def _is_opening(draft: Draft, channel: Channel) -> bool:
    identity = objective_id(ObjectiveType.VIRTUAL_FUND, channel.channel_id)
    objective = draft.state.objectives.get(identity)
    return objective is not None and objective.is_active and is_complete(channel)


def _sign_postfund(draft: Draft, channel: Channel, reached: tuple[int, ...]) -> None:
    """From the payee to the payer: those to our right before us, those to our left behind."""
    if not _is_opening(draft, channel) or virtual_of(channel).unwinding:
        return
    virtual, channel_id = virtual_of(channel), channel.channel_id
    if not all(
        is_agreed(draft.state, ledger_id, channel_id)
        for ledger_id in (virtual.left_ledger, virtual.right_ledger)
        if ledger_id
    ):
        return
    mine, turn = channel.my_index, channel.turn(POSTFUND_TURN)
    right = tuple(place for place in reached if place > mine)
    if len(right) != channel.payee_index - mine:
        return
    if turn is None and right:
        outcome = channel.state(channel.turns[PREFUND_TURN]).outcome
        state = State(channel.fixed, b"", outcome, POSTFUND_TURN, False)
        _first_said(draft, channel, state, right)
    elif turn is not None and not turn.is_signed_by_all():
        left = tuple(place for place in reached if place < mine)
        _signed(draft, channel_id, turn, (*left, *right) if turn.signatures[mine] else right)


def _sign_final(draft: Draft, channel: Channel, reached: tuple[int, ...]) -> None:
    """The payer, the payee, then the hubs."""
    for turn in channel.turns:
        if not turn.is_final or turn.is_signed_by_all() or not turn.signatures[0]:
            continue
        if turn.turn_num in channel.refused_turns:
            continue
        payee, mine = channel.payee_index, channel.my_index
        if not turn.signatures[payee]:
            if payee in reached or not has_hubs(channel):
                _signed(draft, channel.channel_id, turn, tuple({payee} - {mine}))
            return
        _signed(draft, channel.channel_id, turn, reached)
