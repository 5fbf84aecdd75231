"""The audit's own arithmetic of finalised outcomes."""

from __future__ import annotations

from node.audit.standing import after_payout, after_reclaim, find_guarantee, standing_of
from protocols.abi import encode_outcome
from protocols.outcome import GUARANTEE, Allocation, SingleAssetExit, guarantee_metadata
from protocols.types import ZERO_ADDRESS

LEFT, RIGHT, TARGET = bytes(31) + b"\x01", bytes(31) + b"\x02", b"\xc1" * 32
SHARES = [
    Allocation(LEFT, 4),
    Allocation(RIGHT, 3),
    Allocation(TARGET, 5, GUARANTEE, guarantee_metadata(LEFT, RIGHT)),
]


def amounts(shares: list[Allocation]) -> list[int]:
    return [share.amount for share in shares]


def test_an_outcome_of_one_asset_is_read() -> None:
    exit_ = SingleAssetExit(ZERO_ADDRESS, tuple(SHARES))
    assert standing_of(encode_outcome((exit_,))) == SHARES
    assert standing_of(encode_outcome((exit_, exit_))) is None
    assert standing_of(b"") is None
    assert standing_of(b"\x07") is None


def test_payouts_lower_their_shares_alone() -> None:
    assert amounts(after_payout(SHARES, (0, 9), (3, 1))) == [1, 3, 5]
    assert amounts(after_payout(SHARES, (1,), (99,))) == [4, 0, 5]


def test_a_guarantee_is_split_between_its_parties() -> None:
    assert amounts(after_reclaim(SHARES, TARGET, 2)) == [7, 5]
    assert after_reclaim(SHARES, b"\x09" * 32, 2) == SHARES
    assert find_guarantee(SHARES, TARGET) == SHARES[2]
    assert find_guarantee(SHARES, LEFT) is None
