"""Signing and taking in states: the two doors through which a signature enters a channel.

`sign` refuses a second, different state for a turn (M6). `take_in` checks that the turn is not
taken by another state and that the counterparty signed. Both record the whole state before they
name its hash.
"""

from __future__ import annotations

from protocols import events, messages
from protocols.channel import Channel, is_supported
from protocols.crypto import keccak256, recover_address
from protocols.draft import Draft
from protocols.errors import EquivocationRefused, StateRefused, WrongSigner
from protocols.state import State, hash_of_encoding
from protocols.types import ChannelId, ObjectiveId, Signature, StateHash, to_hex


def sign(draft: Draft, channel_id: ChannelId, state: State) -> tuple[StateHash, Signature]:
    """Sign `state` as ourselves and record it; EquivocationRefused if another holds its turn."""
    channel = draft.state.channels[channel_id]
    encoded = state.encode()
    state_hash = hash_of_encoding(encoded)
    _store(draft, channel, state, state_hash, encoded)
    signature = draft.context.signer(state_hash)
    app_data_hash = keccak256(state.app_data) if state.app_data else None
    draft.emit(
        events.StateSigned(
            channel_id,
            state.turn_num,
            state_hash,
            channel.me,
            signature,
            state.is_final,
            app_data_hash,
        )
    )
    record_support(draft, channel_id, state, state_hash)
    return state_hash, signature


def sign_and_send(
    draft: Draft, channel_id: ChannelId, state: State, objective_id: ObjectiveId
) -> None:
    """Sign, and send the signature to the counterparty."""
    sign(draft, channel_id, state)
    resend(draft, draft.state.channels[channel_id], state.turn_num, objective_id)


def resend(draft: Draft, channel: Channel, turn_num: int, objective_id: ObjectiveId) -> None:
    """Send the signature we gave for that turn, on a final state with the receiver's if we have it.

    A receiver who lost the end of its log signs no second state for a turn it forgot: its own
    signature shows that this one is the first (M6).
    """
    turn = channel.turn(turn_num)
    assert turn is not None
    mine = turn.signatures[channel.my_index]
    theirs = turn.signatures[channel.payee_index - channel.my_index] if turn.is_final else b""
    body = messages.SignedState(channel.channel_id, turn.encoded_state, mine, theirs)
    draft.send(channel.counterparty, body, objective_id)


def take_in(draft: Draft, channel: Channel, state: State, encoded: bytes, signature: bytes) -> bool:
    """Record the counterparty's signature; False if we have it already.

    The caller has checked that the state is the one this step allows. Raises WrongSigner,
    InvalidSignature, or StateRefused when the turn is taken by another state.
    """
    state_hash = hash_of_encoding(encoded)
    known = channel.turn(state.turn_num)
    if known is not None and known.state_hash != state_hash:
        raise StateRefused(state.turn_num, "the turn is taken by another state")
    if recover_address(state_hash, signature) != channel.counterparty:
        raise WrongSigner(channel.counterparty)
    if known is not None and known.signatures[channel.payee_index - channel.my_index]:
        return False
    _store(draft, channel, state, state_hash, encoded)
    draft.emit(
        events.StateReceived(
            channel.channel_id,
            state.turn_num,
            state_hash,
            channel.counterparty,
            signature,
            state.is_final,
            to_hex(channel.counterparty),
        )
    )
    record_support(draft, channel.channel_id, state, state_hash)
    return True


def _store(
    draft: Draft, channel: Channel, state: State, state_hash: StateHash, encoded: bytes
) -> None:
    known = channel.turn(state.turn_num)
    if known is None:
        draft.emit(events.StateStored(channel.channel_id, state_hash, encoded))
    elif known.state_hash != state_hash:
        raise EquivocationRefused(channel.channel_id, state.turn_num)


def record_support(
    draft: Draft, channel_id: ChannelId, state: State, state_hash: StateHash
) -> None:
    """Record that a state is supported now, if its signatures say so and none above it is."""
    channel = draft.state.channels[channel_id]
    turn_num = state.turn_num
    if not is_supported(channel, turn_num) or turn_num <= channel.supported_turn:
        return
    previous = channel.supported_turn if channel.supported_turn >= 0 else None
    count = len(channel.fixed.participants)
    draft.emit(events.StateSupportedUpdated(channel_id, turn_num, state_hash, count, previous))
    if state.is_final:
        draft.emit(events.ChannelFinalized(channel_id, turn_num, state_hash))
