"""States of a virtual channel: who signed what, and to whom that is told along the path.

Signatures travel as sets. Every message goes one way, so that nothing waits for what goes round:

    prefund    the payer to the payee and, hub by hub, to the right; the hubs' answers to the left
    guarantees left to right; with its own guarantee agreed a hub hands the whole prefund on, its
               own signature included: whoever has all of it was told so by its left neighbour
    postfund   signed right to left, the payer's last; then the whole set to the right
    final      payer, payee, then hubs right to left; the whole set back to both sides

So a ledger's two parties have what they judge a change by before it is proposed, and no third
party can hold up a ledger's queue.
"""

from __future__ import annotations

from protocols import events, messages
from protocols.channel import (
    POSTFUND_TURN,
    PREFUND_TURN,
    Channel,
    SignedTurn,
    is_supported,
    known_signer,
)
from protocols.crypto import recover_address
from protocols.draft import Draft
from protocols.effects import SendMessage
from protocols.errors import StateRefused, WrongSigner
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.objectives.states import record_support
from protocols.state import State, hash_of_encoding
from protocols.types import Address, ChannelId, amount_to_bytes, to_hex
from protocols.virtual_paths import has_hubs, left_of, right_of, virtual_of


def take_in(
    draft: Draft,
    channel_id: ChannelId,
    state: State,
    encoded: bytes,
    signatures: tuple[bytes, ...],
    sender: Address,
    *,
    with_ours: bool = False,
) -> bool:
    """Record the signatures that are new to us; False if there are none.

    Ours is left out, only we give it; `with_ours` takes it too: we forgot that we did. The caller
    has checked that the state is one this channel may have. Raises StateRefused when the turn is
    taken by another state, WrongSigner or InvalidSignature for a signature that is not its
    participant's; nothing is kept then.
    """
    channel = draft.state.channels[channel_id]
    participants, state_hash = channel.fixed.participants, hash_of_encoding(encoded)
    known = channel.turn(state.turn_num)
    if known is not None and known.state_hash != state_hash:
        raise StateRefused(state.turn_num, "the turn is taken by another state")
    if len(signatures) != len(participants):
        raise StateRefused(state.turn_num, "one signature a participant is expected")
    new = [
        index
        for index, signature in enumerate(signatures)
        if signature
        and (with_ours or index != channel.my_index)
        and not (known is not None and known.signatures[index])
    ]
    for index in new:
        if not _is_signed_by(channel, index, state_hash, signatures[index]):
            raise WrongSigner(participants[index])
    if new and known is None:
        draft.emit(events.StateStored(channel_id, state_hash, encoded))
    for index in new:
        draft.emit(
            events.StateReceived(
                channel_id,
                state.turn_num,
                state_hash,
                participants[index],
                signatures[index],
                state.is_final,
                to_hex(sender),
            )
        )
    record_support(draft, channel_id, state, state_hash)
    return bool(new)


def _is_signed_by(channel: Channel, index: int, state_hash: bytes, signature: bytes) -> bool:
    signer = known_signer(channel, index) if channel.turn(PREFUND_TURN) is not None else None
    if signer is not None:
        return signer.verify(state_hash, signature)
    return recover_address(state_hash, signature) == channel.fixed.participants[index]


def signatures_of(channel: Channel, turn_num: int) -> tuple[bytes, ...]:
    """The signatures we have of that turn, by participant; all empty if we know no state of it."""
    turn = channel.turn(turn_num)
    return (b"",) * len(channel.fixed.participants) if turn is None else turn.signatures


# --- prefund ---


def propose_on(draft: Draft, channel: Channel) -> None:
    """We signed the prefund: those who do not know of it yet hear of it.

    A hub leaves its own signature out. Its right neighbour gets it with all others, once the hub's
    own guarantee is agreed (`hand_on_prefund`).
    """
    right = right_of(channel)
    if channel.my_index == 0:
        assert right is not None, "a payer has a right neighbour"
        send_prefund(draft, channel, right)
        if has_hubs(channel):
            send_prefund(draft, channel, channel.counterparty)
    elif right is not None and channel.my_index < channel.payee_index - 1:
        send_prefund(draft, channel, right, without_ours=True)


def answer_prefund(draft: Draft, before: Channel, channel: Channel) -> None:
    """Tell our left neighbour once we and all hubs to our right signed; the payee tells the payer.

    The payer, with all signatures, hands the whole prefund to her right neighbour.
    """
    if channel.my_index == 0:
        if is_complete(channel) and not is_complete(before) and has_hubs(channel):
            hand_on_prefund(draft, channel)
        return
    if _has_answer(channel) and not _has_answer(before):
        left = left_of(channel) if channel.my_index < channel.payee_index else channel.counterparty
        assert left is not None, "a hub and a payee have left neighbours"
        send_prefund(draft, channel, left)


def hand_on_prefund(draft: Draft, channel: Channel) -> None:
    """The whole prefund for our right neighbour, who may ask for its guarantee from now on.

    Said once in a crank, however often an objective is cranked.
    """
    right = right_of(channel)
    assert right is not None, "a payee hands nothing on"
    sent = (effect for effect in draft.effects if isinstance(effect, SendMessage))
    told = [effect.body for effect in sent if effect.peer == right]
    if not told or messages.encode_body(_proposal(channel, right)) not in told:
        send_prefund(draft, channel, right)


def is_complete(channel: Channel) -> bool:
    """True once all signed the prefund."""
    return is_supported(channel, PREFUND_TURN)


def _has_answer(channel: Channel) -> bool:
    signatures = signatures_of(channel, PREFUND_TURN)
    place, payee = channel.my_index, channel.payee_index
    return all(signatures[place:payee]) if place < payee else bool(signatures[place])


def send_prefund(
    draft: Draft, channel: Channel, to: Address, *, without_ours: bool = False
) -> None:
    """The channel's fixed part and prefund with the signatures we have."""
    body = _proposal(channel, to, without_ours=without_ours)
    draft.send(to, body, objective_id(ObjectiveType.VIRTUAL_FUND, channel.channel_id))


def _proposal(
    channel: Channel, to: Address, *, without_ours: bool = False
) -> messages.VirtualProposal:
    virtual, fixed, prefund = virtual_of(channel), channel.fixed, channel.turns[PREFUND_TURN]
    mine = channel.my_index
    signatures = prefund.signatures
    if without_ours:
        signatures = (*signatures[:mine], b"", *signatures[mine + 1 :])
    return messages.VirtualProposal(
        fixed.participants,
        fixed.channel_nonce,
        fixed.app_definition,
        fixed.challenge_duration,
        prefund.encoded_state,
        signatures,
        tuple(amount_to_bytes(fee) for fee in virtual.fees),
        virtual.right_ledger if to == right_of(channel) else b"",
        "" if channel.app is None else channel.app.turn_rule,
    )


# --- postfund ---


def may_sign_postfund(channel: Channel) -> bool:
    """All to our right signed the postfund."""
    return all(signatures_of(channel, POSTFUND_TURN)[channel.my_index + 1 :])


def tell_own_postfund(draft: Draft, channel: Channel) -> None:
    """We signed: our left neighbour is next; the payer, who is the last, tells all."""
    if channel.my_index:
        left = left_of(channel)
        assert left is not None
        send_state(draft, channel, POSTFUND_TURN, left)
    else:
        _tell_whole_postfund(draft, channel)


def pass_on_postfund(draft: Draft, before: Channel, channel: Channel) -> None:
    """A hub hands the whole postfund on; the payee has it from the payer."""
    was, now = (is_supported(known, POSTFUND_TURN) for known in (before, channel))
    if now and not was and 0 < channel.my_index < channel.payee_index - 1:
        _tell_whole_postfund(draft, channel)


def _tell_whole_postfund(draft: Draft, channel: Channel) -> None:
    right = right_of(channel)
    assert right is not None, "a payee tells nobody"
    send_state(draft, channel, POSTFUND_TURN, right)
    if channel.my_index == 0 and has_hubs(channel):
        send_state(draft, channel, POSTFUND_TURN, channel.counterparty)


# --- final ---


def may_sign_final(channel: Channel, turn: SignedTurn) -> bool:
    """A hub signs after both ends and all hubs to its right, and no second final state."""
    others = any(
        known.is_final and known.turn_num != turn.turn_num and known.signatures[channel.my_index]
        for known in channel.turns
    )
    return bool(turn.signatures[0]) and all(turn.signatures[channel.my_index + 1 :]) and not others


def pass_on_final(draft: Draft, before: Channel, channel: Channel, turn_num: int) -> None:
    """Our own signature goes left, the whole set right; each once."""
    signed = signatures_of(channel, turn_num)[channel.my_index]
    if channel.my_index and signed and not signatures_of(before, turn_num)[channel.my_index]:
        left = left_of(channel)
        if left is not None and (has_hubs(channel)):
            send_state(draft, channel, turn_num, left)
    is_whole, was_whole = (is_supported(known, turn_num) for known in (channel, before))
    if is_whole and not was_whole and not channel.is_end:
        right = right_of(channel)
        assert right is not None
        send_state(draft, channel, turn_num, right)


def send_state(draft: Draft, channel: Channel, turn_num: int, to: Address) -> None:
    """A postfund or final state with every signature we have of it."""
    turn = channel.turn(turn_num)
    assert turn is not None
    kind = ObjectiveType.VIRTUAL_DEFUND if turn.is_final else ObjectiveType.VIRTUAL_FUND
    body = messages.VirtualState(channel.channel_id, turn.encoded_state, turn.signatures)
    draft.send(to, body, objective_id(kind, channel.channel_id))
