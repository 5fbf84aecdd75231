"""What finalised channels pay: the contracts' reclaim and transfer, as arithmetic on outcomes (M2).

Every guarantee of a ledger is given back to its two parties as the channel it funds stood when that
one finalised; then every share is paid, earlier ones first. Whose states may finalise is not known
here.
Source: OutcomeMaths.sol and AssetHolder.sol.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from protocols.outcome import GUARANTEE, SingleAssetExit, decode_guarantee_metadata
from protocols.types import Amount, ChannelId, Destination


class NotReclaimable(ValueError):
    """The adjudicator's reclaim reverts: the guarantee and its target do not fit."""


def reclaimed(source: SingleAssetExit, place: int, target: SingleAssetExit) -> SingleAssetExit:
    """The ledger's outcome after reclaiming its guarantee at `place` from its target's outcome.

    `target` is what stood when the target finalised, whatever was transferred since. Raises
    NotReclaimable where the contract reverts.
    """
    if source.asset != target.asset:
        raise NotReclaimable("not a guarantee of the same asset")
    right_share = target.allocations[1].amount if len(target.allocations) > 1 else 0
    return with_reclaimed(source, place, right_share)


def with_reclaimed(source: SingleAssetExit, place: int, right_share: Amount) -> SingleAssetExit:
    """The ledger's outcome without the guarantee at `place`, of which right gets its share.

    Raises NotReclaimable where the contract reverts.
    """
    guarantee = source.allocations[place]
    if guarantee.allocation_type != GUARANTEE:
        raise NotReclaimable("not a guarantee")
    if right_share > guarantee.amount:
        raise NotReclaimable("the right share is more than is guaranteed")
    gains = dict.fromkeys(decode_guarantee_metadata(guarantee.metadata), 0)
    left, right = decode_guarantee_metadata(guarantee.metadata)
    gains[left] += guarantee.amount - right_share
    gains[right] += right_share
    remaining = []
    for index, share in enumerate(source.allocations):
        if index != place:
            # The first share of each party gains.
            gain = gains.pop(share.destination, 0)
            remaining.append(replace(share, amount=share.amount + gain) if gain else share)
    if gains:
        raise NotReclaimable("a party of the guarantee has no share in the ledger")
    return replace(source, allocations=tuple(remaining))


def payouts(exit_: SingleAssetExit, held: Amount) -> dict[Destination, Amount]:
    """What transferring every simple allocation pays: earlier ones first, as far as `held` goes."""
    paid: dict[Destination, Amount] = {}
    for share in exit_.allocations:
        amount = min(share.amount, held)
        held -= amount
        if share.allocation_type != GUARANTEE:
            paid[share.destination] = paid.get(share.destination, 0) + amount
    return paid


def settled(
    exit_: SingleAssetExit, held: Amount, targets: Mapping[ChannelId, SingleAssetExit]
) -> dict[Destination, Amount]:
    """What a finalised channel pays once every guarantee with a finalised target is reclaimed.

    `targets`: the outcomes in which the guaranteed channels finalised; others stay locked.
    """
    place = 0
    while place < len(exit_.allocations):
        share = exit_.allocations[place]
        target = targets.get(share.destination)
        if share.allocation_type == GUARANTEE and target is not None:
            exit_ = reclaimed(exit_, place, target)
        else:
            place += 1
    return payouts(exit_, held)
