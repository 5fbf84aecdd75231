"""The outcome of a finalised channel as it stands, in the audit's own arithmetic."""

from msgspec import Struct
from msgspec.structs import replace

from protocols.abi import decode_outcome, encode_outcome
from protocols.crypto import keccak256
from protocols.errors import ProtocolError
from protocols.outcome import GUARANTEE, Allocation
from protocols.state import fingerprint

CHAIN_STATUS_AFTER = {
    "ChallengeRegistered": "challenged",
    "ChallengeCleared": "open",
    "Checkpointed": "open",
    "Concluded": "concluded",
}
"""What a log of the adjudicator makes of a channel; logs not named leave it."""


class Registered(Struct, frozen=True, gc=False):
    """What a challenge or a conclusion put on chain, as it was seen."""

    finalizes_at: int
    """Chain seconds."""
    state_hash: bytes
    """Zero for a conclusion."""
    outcome: bytes
    """Encoded; b"" where it is not known."""


NOTHING_LEFT = bytes(20)
"""The fingerprint of a channel of which everything was paid out."""


def standing_fingerprint(
    registered: Registered, standing: list[Allocation], *, is_paid: bool
) -> bytes:
    """What the adjudicator keeps of an outcome of one asset that stands so now."""
    if is_paid and not any(share.amount for share in standing):
        return NOTHING_LEFT
    (exit_,) = decode_outcome(registered.outcome)
    outcome = (replace(exit_, allocations=tuple(standing)),)
    return fingerprint(registered.state_hash, keccak256(encode_outcome(outcome)))


def standing_of(encoded: bytes) -> list[Allocation] | None:
    """The shares of an outcome of one asset; None for one that is not known."""
    try:
        outcome = decode_outcome(encoded) if encoded else ()
    except ProtocolError:
        return None
    return list(outcome[0].allocations) if len(outcome) == 1 else None


def after_payout(
    standing: list[Allocation], indices: tuple[int, ...], amounts: tuple[int, ...]
) -> list[Allocation]:
    """The outcome less what was paid."""
    left = list(standing)
    for index, amount in zip(indices, amounts, strict=False):
        if index < len(left):
            left[index] = replace(left[index], amount=max(0, left[index].amount - amount))
    return left


def find_guarantee(standing: list[Allocation], target: bytes) -> Allocation | None:
    """The guarantee for that channel, if the outcome has one."""
    for share in standing:
        if share.allocation_type == GUARANTEE and share.destination == target:
            return share
    return None


def after_reclaim(standing: list[Allocation], target: bytes, right_share: int) -> list[Allocation]:
    """The outcome without the target's guarantee: right gains its share, left the rest."""
    guarantee = find_guarantee(standing, target)
    if guarantee is None:
        return standing
    gains = {
        guarantee.metadata[:32]: guarantee.amount - right_share,
        guarantee.metadata[32:]: right_share,
    }
    rest = [share for share in standing if share is not guarantee]
    return [replace(share, amount=share.amount + gains.pop(share.destination, 0)) for share in rest]
