"""Plain states are packed and read as any other would be, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocols.abi import _encode_any_state, decode_state, encode_state
from protocols.outcome import Allocation, Outcome, SingleAssetExit, destination_of
from protocols.plain_state import LAYOUT, packed, unpacked
from protocols.types import UINT48_MAX, ZERO_ADDRESS
from tests.support.actors import ALICE, BOB

CHANNEL = b"\xc4" * 32
ENDS = (destination_of(ALICE.address), destination_of(BOB.address))
PLAIN = (SingleAssetExit(ZERO_ADDRESS, (Allocation(ENDS[0], 7), Allocation(ENDS[1], 3))),)

addresses = st.binary(min_size=20, max_size=20)
amounts = st.integers(0, 2**128 - 1)
splits = st.tuples(addresses, amounts, addresses, amounts)


def _outcome(asset: bytes, split: tuple[bytes, int, bytes, int]) -> Outcome:
    left, first, right, second = split
    shares = (
        Allocation(destination_of(left), first),
        Allocation(destination_of(right), second),
    )
    return (SingleAssetExit(asset, shares),)


@given(
    channel_id=st.binary(min_size=32, max_size=32),
    asset=addresses,
    split=splits,
    turn_num=st.integers(0, UINT48_MAX),
    is_final=st.booleans(),
)
def test_a_plain_state_is_what_the_general_encoding_makes_of_it(
    channel_id: bytes,
    asset: bytes,
    split: tuple[bytes, int, bytes, int],
    turn_num: int,
    is_final: bool,
) -> None:
    outcome = _outcome(asset, split)
    encoded = packed(channel_id, outcome, turn_num, is_final)
    assert encoded == _encode_any_state(channel_id, b"", outcome, turn_num, is_final)
    assert encoded is not None
    assert unpacked(encoded) == (channel_id, outcome, turn_num, is_final)
    assert decode_state(encoded) == (channel_id, b"", outcome, turn_num, is_final)


def _with(**changed: object) -> Outcome:
    (exit_,) = PLAIN
    return (type(exit_)(**{f: getattr(exit_, f) for f in exit_.__struct_fields__} | changed),)


SHARE = PLAIN[0].allocations[0]


@pytest.mark.parametrize(
    "outcome",
    [
        (),
        PLAIN * 2,
        _with(allocations=(SHARE,)),
        _with(allocations=(SHARE,) * 3),
        _with(asset_type=1),
        _with(asset_metadata=b"\0"),
        _with(allocations=(SHARE, Allocation(ENDS[1], 3, 2))),
        _with(allocations=(Allocation(ENDS[0], 7, 1), SHARE)),
        _with(allocations=(SHARE, Allocation(ENDS[1], 3, 0, b"\0"))),
        _with(allocations=(Allocation(ENDS[0], 7, 0, b"\0"), SHARE)),
        _with(allocations=(SHARE, Allocation(b"\x01" * 32, 3))),
        _with(allocations=(Allocation(b"\x01" * 32, 3), SHARE)),
        _with(allocations=(SHARE, Allocation(ENDS[1], 2**128))),
        _with(allocations=(Allocation(ENDS[0], 2**128), SHARE)),
    ],
)
def test_any_other_state_is_left_to_the_general_encoding(outcome: Outcome) -> None:
    assert packed(CHANNEL, outcome, 1, False) is None
    encoded = encode_state(CHANNEL, b"", outcome, 1, False)
    assert encoded == _encode_any_state(CHANNEL, b"", outcome, 1, False)
    assert unpacked(encoded) is None
    assert decode_state(encoded) == (CHANNEL, b"", outcome, 1, False)


@given(st.binary(min_size=1, max_size=1), st.integers(0, LAYOUT.size - 1))
@example(b"\2", 159)
def test_what_is_read_is_packed_to_the_same_bytes(value: bytes, place: int) -> None:
    plain = encode_state(CHANNEL, b"", PLAIN, 1, False)
    changed = plain[:place] + value + plain[place + 1 :]
    found = unpacked(changed)
    if found is not None:
        channel_id, outcome, turn_num, is_final = found
        assert packed(channel_id, outcome, turn_num, is_final) == changed


@pytest.mark.parametrize("encoded", [b"", bytes(LAYOUT.size), bytes(LAYOUT.size + 32)])
def test_other_bytes_are_no_plain_state(encoded: bytes) -> None:
    assert unpacked(encoded) is None
