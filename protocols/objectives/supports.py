"""The newest state of a channel that we can put on chain, and the calls that put it there.

    ledger: what both agreed on last     payment channel: the postfund, or the prefund
    payee of a payment channel: the redemption of its largest voucher (M20)
    application channel: what both ends signed last, or its last move (`app_supports`)
    the others of it: that redemption, once the payee showed it on chain (ADR 0069)

Signing the redemption is a step of its own: it closes the channel to further vouchers (M11). A
final state is concluded and never challenged with (M7).
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from protocols.adjudication import Adjudicated, exit_of
from protocols.channel import (
    POSTFUND_TURN,
    PREFUND_TURN,
    REDEMPTION_TURN,
    Channel,
    SignedTurn,
    funding_terms,
    is_supported,
    observed_adjudicated,
    own_rest,
    supported_final,
)
from protocols.draft import Draft
from protocols.entities import Node
from protocols.exit_calls import (
    challenge_call,
    checkpoint_call,
    conclude_and_transfer_call,
    conclude_call,
    redemption,
)
from protocols.ledger import ledger_outcome, ledger_state
from protocols.objectives.app_supports import AppSupport, Running, app_support, app_turn
from protocols.objectives.states import sign
from protocols.signed_state import SignedState
from protocols.state import challenge_message
from protocols.transactions import Transaction, TransactionStatus, is_pending, was_vain
from protocols.types import Address, Bytes32, Signature, StateHash
from protocols.voucher import voucher_hash

CHALLENGE, CHECKPOINT, CONCLUDE = "challenge", "checkpoint", "conclude"
"""The kinds of these transaction intents."""

ForChain = Callable[[Bytes32, Signature, Address], Signature]
"""Hash, signature and signer to the signature as the contracts take it (M9)."""


class Support(Struct, frozen=True, gc=False):
    """A state that the adjudicator takes, with what it wants to see beside it."""

    candidate: SignedState
    state_hash: StateHash
    proof: tuple[SignedState, ...] = ()


def newest_turn(node: Node, channel: Channel) -> int:
    """The highest turn that we can have registered; -1 if we hold no state signed by all."""
    if channel.ledger is not None:
        return channel.ledger.turn_num
    if redeems(node, channel) or holds_redemption(node, channel):
        return REDEMPTION_TURN
    running_turn = app_turn(node, channel)
    if running_turn > POSTFUND_TURN:
        return running_turn
    return next((turn for turn in (POSTFUND_TURN, PREFUND_TURN) if is_supported(channel, turn)), -1)


def redeems(node: Node, channel: Channel) -> bool:
    """Whether we are a payee with a voucher to redeem."""
    return (
        channel.fixed.app_definition == node.virtual_payment_app
        and channel.my_index == channel.payee_index
        and channel.vouchers.total > 0
        and is_supported(channel, POSTFUND_TURN)
    )


def holds_redemption(node: Node, channel: Channel) -> bool:
    """Whether the payee signed a redemption that we have: each participant may register it."""
    turn = channel.turn(REDEMPTION_TURN)
    return (
        channel.fixed.app_definition == node.virtual_payment_app
        and turn is not None
        and bool(turn.signatures[channel.payee_index])
        and is_supported(channel, POSTFUND_TURN)
    )


def signed_for_chain(for_chain: ForChain, channel: Channel, turn: SignedTurn) -> SignedState:
    """A state of that turn with its signatures as the contracts take them (M9)."""
    people = zip(turn.signatures, channel.fixed.participants, strict=True)
    signatures = (
        for_chain(turn.state_hash, signature, who) if signature else b""
        for signature, who in people
    )
    return SignedState(channel.state(turn), tuple(signatures))


def newest_support(draft: Draft, channel: Channel) -> Support | None:
    """The newest state that we can have registered; a payee's redemption is signed for it."""
    node = draft.state.node
    if needs_redemption(node, channel):
        postfund = channel.turn(POSTFUND_TURN)
        assert postfund is not None, "a payee with vouchers has the postfund"
        for_chain = draft.context.for_chain
        proof = signed_for_chain(for_chain, channel, postfund)
        total, signature = channel.vouchers.total, channel.vouchers.signature
        payer = channel.fixed.participants[0]
        voucher = for_chain(voucher_hash(channel.channel_id, total), signature, payer)
        sign(draft, channel.channel_id, redemption(proof, total, voucher))
        channel = draft.state.channels[channel.channel_id]
    return held_support(node, channel, draft.context.for_chain)


def needs_redemption(node: Node, channel: Channel) -> bool:
    """Whether our newest state is a redemption that we have not signed yet."""
    return (
        channel.ledger is None
        and redeems(node, channel)
        and not channel.signed_by_me(REDEMPTION_TURN)
    )


def held_support(node: Node, channel: Channel, for_chain: ForChain) -> Support | None:
    """The same as far as it is signed already: None for a redemption that is not."""
    turn_num = newest_turn(node, channel)
    if turn_num < 0:
        return None
    if channel.ledger is not None:
        return _ledgers(channel, for_chain)
    running = app_support(node, channel)
    if running is not None:
        return _of_application(channel, running, for_chain)
    turn = channel.turn(turn_num)
    signer = channel.payee_index if turn_num == REDEMPTION_TURN else channel.my_index
    if turn is None or not turn.signatures[signer]:
        return None
    signed = signed_for_chain(for_chain, channel, turn)
    if turn_num != REDEMPTION_TURN:
        return Support(signed, turn.state_hash)
    postfund = channel.turn(POSTFUND_TURN)
    assert postfund is not None, "what was redeemed was opened"
    return Support(signed, turn.state_hash, (signed_for_chain(for_chain, channel, postfund),))


def _of_application(channel: Channel, found: AppSupport, for_chain: ForChain) -> Support:
    postfund = channel.turn(POSTFUND_TURN)
    assert postfund is not None, "what runs was opened"
    proof = [signed_for_chain(for_chain, channel, postfund)]
    if found.before is not None:
        proof.append(signed_running(for_chain, found.before))
    return Support(signed_running(for_chain, found.newest), found.newest.state_hash, tuple(proof))


def signed_running(for_chain: ForChain, running: Running) -> SignedState:
    """A running state with its signatures as the contracts take them."""
    people = zip(running.signatures, running.state.fixed.participants, strict=True)
    signatures = (
        for_chain(running.state_hash, signature, who) if signature else b""
        for signature, who in people
    )
    return SignedState(running.state, tuple(signatures))


def _ledgers(channel: Channel, for_chain: ForChain) -> Support:
    ledger = channel.ledger
    assert ledger is not None
    state = ledger_state(channel.fixed, ledger.asset, ledger.current, ledger.turn_num)
    people = zip(ledger.signatures, channel.fixed.participants, strict=True)
    signatures = tuple(for_chain(ledger.state_hash, signature, who) for signature, who in people)
    return Support(SignedState(state, signatures), ledger.state_hash)


# --- asking for transactions ---


def request(draft: Draft, kind: str, channel: Channel, data: bytes, deadline_s: int = 0) -> bool:
    """Ask for a call of the adjudicator, again if it was mined and its need came back.

    `deadline_s` is the chain's time after which it is of no use; 0 for none. What a mined one did
    is known once its block is confirmed: until then that very call counts as done.
    """
    _, newest = draft.latest_transaction(kind, channel.channel_id)
    processed = draft.state.node.processed_block_num
    if newest is not None and _is_fresh(newest, processed) and was_vain(newest, data):
        return False
    adjudicator = draft.state.node.adjudicator
    return draft.request_transaction(
        kind, channel.channel_id, adjudicator, 0, data, repeats=True, deadline_s=deadline_s
    )


def _is_fresh(transaction: Transaction, processed_block_num: int) -> bool:
    is_mined = transaction.status == TransactionStatus.MINED
    return is_mined and transaction.block_num > processed_block_num


def _is_asked_for(draft: Draft, kind: str, channel: Channel) -> bool:
    """Whether such a call is under way: then no other follows, and none need be built.

    Every fact of a challenged channel cranks its answer again, and building one costs signatures.
    What is not signed yet is signed all the same: from then on the channel takes no more.
    """
    if kind == CHALLENGE and needs_redemption(draft.state.node, channel):
        return False
    _, newest = draft.latest_transaction(kind, channel.channel_id)
    return newest is not None and is_pending(newest)


def request_challenge(draft: Draft, channel: Channel) -> None:
    """Have our newest state registered; the clock starts, or starts again."""
    if _is_asked_for(draft, CHALLENGE, channel):
        return
    found = newest_support(draft, channel)
    assert found is not None, "the caller looked for it"
    context, message = draft.context, challenge_message(found.state_hash)
    wish = context.for_chain(message, context.signer(message), context.me)
    data = challenge_call(found.candidate, found.proof, wish)
    request(draft, CHALLENGE, channel, data, _deadline(channel))


def request_checkpoint(draft: Draft, channel: Channel) -> None:
    """Stop a challenge with an older state by our newest one."""
    if _is_asked_for(draft, CHECKPOINT, channel):
        return
    found = newest_support(draft, channel)
    assert found is not None, "the caller looked for it"
    data = checkpoint_call(found.candidate, found.proof)
    request(draft, CHECKPOINT, channel, data, _deadline(channel))


def request_conclusion(draft: Draft, channel: Channel) -> None:
    """End the channel at once by its final state; a channel with holdings is paid out by it too."""
    if _is_asked_for(draft, CONCLUDE, channel):
        return
    final = supported_final(channel)
    assert final is not None, "the caller looked for it"
    signed = signed_for_chain(draft.context.for_chain, channel, final)
    call = conclude_call if channel.virtual is not None else conclude_and_transfer_call
    request(draft, CONCLUDE, channel, call(signed), _deadline(channel))


def _deadline(channel: Channel) -> int:
    """When a running challenge ends, chain seconds; 0 without one."""
    return observed_adjudicated(channel).finalizes_at


# --- what a state on chain costs us ---


def shortfall(node: Node, channel: Channel, known: Adjudicated) -> int:
    """What we get less, beside guarantees, by what stands than by the newest state we know.

    0 for what cannot be said: the outcome is not known, or a hub's share hangs on ledgers.
    """
    exit_ = exit_of(known.first_outcome)
    if exit_ is None:
        return 0
    return max(0, _expected(node, channel) - own_rest(channel, exit_))


def _expected(node: Node, channel: Channel) -> int:
    final = supported_final(channel)
    if final is not None:
        return own_rest(channel, channel.state(final).outcome[0])
    if channel.ledger is not None:
        ledger = channel.ledger
        return own_rest(channel, ledger_outcome(channel.fixed, ledger.asset, ledger.current)[0])
    if not is_supported(channel, PREFUND_TURN) or not channel.is_end:
        return 0
    running = app_support(node, channel)
    if running is not None:
        return own_rest(channel, running.newest.state.outcome[0])
    payers, payees = funding_terms(channel).deposits
    paid = channel.vouchers.total
    return payers - paid if channel.my_index == 0 else payees + paid
