"""The outcome of a finalised channel as it stands, in the audit's own arithmetic."""

from msgspec.structs import replace

from protocols.abi import decode_outcome
from protocols.errors import ProtocolError
from protocols.outcome import GUARANTEE, Allocation


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
