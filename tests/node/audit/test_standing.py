"""The audit's own arithmetic of finalised outcomes."""

from __future__ import annotations

from node.audit.standing import (
    NOTHING_LEFT,
    Registered,
    after_payout,
    after_reclaim,
    find_guarantee,
    standing_fingerprint,
    standing_of,
)
from protocols.abi import encode_outcome
from protocols.crypto import keccak256
from protocols.outcome import GUARANTEE, Allocation, SingleAssetExit, guarantee_metadata
from protocols.state import fingerprint
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


def test_the_fingerprint_is_of_the_state_and_of_what_is_left() -> None:
    exit_ = SingleAssetExit(ZERO_ADDRESS, tuple(SHARES), 0, b"\x01")
    registered = Registered(9, b"\x05" * 32, encode_outcome((exit_,)))
    whole = fingerprint(b"\x05" * 32, keccak256(registered.outcome))
    assert standing_fingerprint(registered, SHARES, is_paid=False) == whole
    rest = after_payout(SHARES, (0,), (4,))
    left = SingleAssetExit(ZERO_ADDRESS, tuple(rest), 0, b"\x01")
    expected = fingerprint(b"\x05" * 32, keccak256(encode_outcome((left,))))
    assert standing_fingerprint(registered, rest, is_paid=True) == expected != whole


def test_of_a_channel_that_is_paid_out_nothing_is_kept() -> None:
    shares = SHARES[:2]
    registered = Registered(9, bytes(32), encode_outcome((SingleAssetExit(ZERO_ADDRESS, ()),)))
    nothing = after_payout(shares, (0, 1), (4, 3))
    assert standing_fingerprint(registered, nothing, is_paid=True) == NOTHING_LEFT
    # One that never had anything was never paid: it keeps its own.
    assert standing_fingerprint(registered, nothing, is_paid=False) != NOTHING_LEFT
    # A guarantee that nobody reclaimed yet is something.
    assert standing_fingerprint(registered, [*nothing, SHARES[2]], is_paid=True) != NOTHING_LEFT
