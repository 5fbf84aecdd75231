"""Whatever a state is, it comes back byte for byte; the usual one takes a fifth of its room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.compact_state import compacted, expanded, split_of
from protocols.outcome import (
    GUARANTEE,
    Allocation,
    Outcome,
    SingleAssetExit,
    destination_of,
    guarantee_metadata,
)
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB
from tests.support.builders import FIXED

ENDS = (destination_of(ALICE.address), destination_of(BOB.address))
TOKEN = b"\x70" * 20


def _encoded(outcome: Outcome, app_data: bytes = b"", turn_num: int = 1) -> bytes:
    return State(FIXED, app_data, outcome, turn_num, False).encode()


def _simple(*amounts: int, asset: bytes = ZERO_ADDRESS) -> SingleAssetExit:
    shares = (Allocation(end, amount) for end, amount in zip(ENDS, amounts, strict=True))
    return SingleAssetExit(asset, tuple(shares))


@given(
    nonce=st.integers(0, 2**64 - 1),
    asset=st.binary(min_size=20, max_size=20),
    amounts=st.tuples(st.integers(0, 2**255 - 1), st.integers(0, 2**255 - 1)),
    turn_num=st.integers(0, 2**48 - 1),
    is_final=st.booleans(),
)
def test_every_state_between_two_ends_comes_back(
    nonce: int, asset: bytes, amounts: tuple[int, int], turn_num: int, is_final: bool
) -> None:
    fixed = FixedPart((ALICE.address, BOB.address), nonce, b"\xab" * 20, 3_600)
    encoded = State(fixed, b"", (_simple(*amounts, asset=asset),), turn_num, is_final).encode()
    compact = compacted(encoded)
    assert expanded(compact) == encoded
    assert len(compact) == (132 if max(amounts) < 2**128 else 865)
    assert split_of(compact) == ((asset, *amounts) if max(amounts) < 2**128 else None)


GUARANTEED = Allocation(b"\x77" * 32, 5, GUARANTEE, guarantee_metadata(*ENDS))
TWO_ASSETS = (_simple(1, 2), _simple(3, 4, asset=TOKEN))


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        bytes(864),
        _encoded((_simple(1, 2),), app_data=b"\0" * 32),
        _encoded(TWO_ASSETS),
        _encoded((SingleAssetExit(ZERO_ADDRESS, (*_simple(1, 2).allocations, GUARANTEED)),)),
        _encoded((SingleAssetExit(ZERO_ADDRESS, (Allocation(ENDS[0], 1), GUARANTEED)),)),
        _encoded((SingleAssetExit(ZERO_ADDRESS, (Allocation(b"\x77" * 32, 1),) * 2),)),
        _encoded((SingleAssetExit(ZERO_ADDRESS, _simple(1, 2).allocations, 1),)),
    ],
)
def test_any_other_bytes_come_back_too(encoded: bytes) -> None:
    assert compacted(encoded) == b"\0" + encoded
    assert expanded(compacted(encoded)) == encoded
    assert split_of(compacted(encoded)) is None


@given(st.binary(min_size=1, max_size=1), st.integers(0, 863))
def test_no_byte_of_the_padding_is_lost(value: bytes, place: int) -> None:
    usual = _encoded((_simple(1, 2),))
    changed = usual[:place] + value + usual[place + 1 :]
    assert expanded(compacted(changed)) == changed
