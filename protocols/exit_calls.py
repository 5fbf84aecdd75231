"""Call data of every step out of a channel, from signed material alone.

    challenge, checkpoint or conclude -> (the deadline passes) -> reclaim -> transfer

Pure functions: no node, no key, no chain. What is signed comes in as `SignedState`, with signatures
as the contracts take them (M9: `crypto.restore_v` comes first), and what the adjudicator keeps of a
finalised channel as `Finalised`. Which step is due is for objectives, or for who holds a kit.
Source: ForceMove.sol, AssetHolder.sol, VirtualPaymentApp.sol.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from protocols.abi import (
    encode_array,
    encode_bytes,
    encode_fixed_part,
    encode_outcome,
    encode_signature,
    encode_signed_part,
)
from protocols.adjudication import CONCLUDED_HASH as CONCLUDED_HASH
from protocols.channel import REDEMPTION_TURN
from protocols.errors import InvalidWidth
from protocols.outcome import Outcome
from protocols.signed_state import SignedState
from protocols.state import FixedPart, State
from protocols.types import (
    Amount,
    Bytes32,
    ChannelId,
    Signature,
    StateHash,
    require_uint,
    require_width,
)
from protocols.voucher import redemption_app_data

CHALLENGE_SELECTOR = bytes.fromhex("8286a060")
"""challenge(FixedPart,SignedVariablePart[],SignedVariablePart,Signature)"""
CHECKPOINT_SELECTOR = bytes.fromhex("6d2a9c92")
"""checkpoint(FixedPart,SignedVariablePart[],SignedVariablePart)"""
CONCLUDE_SELECTOR = bytes.fromhex("ee049b50")
"""conclude(FixedPart,SignedVariablePart)"""
CONCLUDE_AND_TRANSFER_SELECTOR = bytes.fromhex("ec346235")
"""concludeAndTransferAllAssets(FixedPart,SignedVariablePart)"""
TRANSFER_SELECTOR = bytes.fromhex("3033730e")
"""transfer(uint256,bytes32,bytes,bytes32,uint256[])"""
RECLAIM_SELECTOR = bytes.fromhex("d3c4e738")
"""reclaim((bytes32,bytes32,bytes,uint256,uint256,bytes32,bytes,uint256))"""


class Finalised(Struct, frozen=True, gc=False):
    """What the adjudicator keeps of a finalised channel, as the fingerprint commits to it."""

    channel_id: ChannelId
    state_hash: StateHash
    """CONCLUDED_HASH if it was concluded; else the challenged state's."""
    outcome: Outcome


def redemption(postfund: SignedState, amount: Amount, voucher: Signature) -> State:
    """Turn 2 of a payment channel: the payer's voucher for `amount`, moved to the payee (M1, M20).

    Signed by the payee, with the postfund as proof, it is what a challenge redeems. Raises
    `InvalidWidth` for more than the payer has, `InvalidSignature` for a v outside 27 and 28.
    """
    state = postfund.state
    (exit_,) = state.outcome
    payer, payee = exit_.allocations
    if amount > payer.amount:
        raise InvalidWidth("amount", f"at most {payer.amount}", str(amount))
    shares = (replace(payer, amount=payer.amount - amount), replace(payee, amount=amount))
    outcome = (replace(exit_, allocations=shares),)
    return State(state.fixed, redemption_app_data(amount, voucher), outcome, REDEMPTION_TURN, False)


def challenge_call(
    candidate: SignedState, proof: Sequence[SignedState], challenger: Signature
) -> bytes:
    """Register the candidate and start the clock.

    `challenger` is a participant's signature of `state.challenge_message` of the candidate's hash.
    Raises `InvalidSignature` for a v outside 27 and 28.
    """
    return CHALLENGE_SELECTOR + _arguments(
        _fixed(candidate.state.fixed),
        encode_array([_signed(state) for state in proof]),
        _signed(candidate),
        static=encode_signature(challenger),
    )


def checkpoint_call(candidate: SignedState, proof: Sequence[SignedState] = ()) -> bytes:
    """Raise the turn number record to the candidate's and stop a challenge with an older state."""
    return CHECKPOINT_SELECTOR + _arguments(
        _fixed(candidate.state.fixed),
        encode_array([_signed(state) for state in proof]),
        _signed(candidate),
    )


def conclude_call(final: SignedState) -> bytes:
    """Finalise the channel at once by a final state that all signed; nothing is paid yet."""
    return CONCLUDE_SELECTOR + _arguments(_fixed(final.state.fixed), _signed(final))


def conclude_and_transfer_call(final: SignedState) -> bytes:
    """The same, and pay everybody; reverts where a guarantee is left in the outcome."""
    return CONCLUDE_AND_TRANSFER_SELECTOR + _arguments(_fixed(final.state.fixed), _signed(final))


def transfer_call(finalised: Finalised, indices: Sequence[int], asset_index: int = 0) -> bytes:
    """Pay the allocations at these places, which ascend, of one asset of a finalised channel."""
    require_width("channel_id", finalised.channel_id, 32)
    require_width("state_hash", finalised.state_hash, 32)
    outcome = encode_bytes(encode_outcome(finalised.outcome))
    return b"".join(
        (
            TRANSFER_SELECTOR,
            _word(asset_index),
            finalised.channel_id,
            _word(0xA0),
            finalised.state_hash,
            _word(0xA0 + len(outcome)),
            outcome,
            _word(len(indices)),
            *map(_word, indices),
        )
    )


def reclaim_call(source: Finalised, place: int, target: Finalised) -> bytes:
    """Give the guarantee at `place` of a finalised ledger back to the ledger's two parties.

    `source` stands as it does now, `target` as it stood when it finalised, whatever was paid out of
    it since (M2). One asset each.
    """
    for field, value in (("source", source.channel_id), ("source state", source.state_hash)):
        require_width(field, value, 32)
    require_width("target state", target.state_hash, 32)
    theirs = encode_bytes(encode_outcome(source.outcome))
    judged = encode_bytes(encode_outcome(target.outcome))
    return b"".join(
        (
            RECLAIM_SELECTOR,
            _word(0x20),
            source.channel_id,
            source.state_hash,
            _word(0x100),
            _word(0),
            _word(place),
            target.state_hash,
            _word(0x100 + len(theirs)),
            _word(0),
            theirs,
            judged,
        )
    )


def _word(value: int) -> Bytes32:
    require_uint("argument", value, 256)
    return value.to_bytes(32, "big")


def _fixed(fixed: FixedPart) -> bytes:
    return encode_fixed_part(
        fixed.participants, fixed.channel_nonce, fixed.app_definition, fixed.challenge_duration
    )


def _signed(signed: SignedState) -> bytes:
    # The contracts find out by themselves who signed: a missing signature is left out.
    return encode_signed_part(signed.state, [s for s in signed.signatures if s])


def _arguments(*dynamic: bytes, static: bytes = b"") -> bytes:
    """Arguments of dynamic types, then static ones: offsets, the static ones, the values."""
    offset = 32 * len(dynamic) + len(static)
    heads = []
    for value in dynamic:
        heads.append(_word(offset))
        offset += len(value)
    return b"".join((*heads, static, *dynamic))
