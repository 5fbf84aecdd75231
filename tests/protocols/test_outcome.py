"""Outcomes: shapes and sums are checked when built, destinations are Nitro's."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import InvalidEncoding, InvalidWidth
from protocols.outcome import (
    GUARANTEE,
    SIMPLE,
    WITHDRAW_HELPER,
    Allocation,
    SingleAssetExit,
    address_of_destination,
    decode_guarantee_metadata,
    destination_of,
    guarantee_metadata,
    is_external,
    require_outcome,
    total,
)
from protocols.types import UINT256_MAX, ZERO_ADDRESS, from_hex
from tests.support.actors import ALICE, BOB
from tests.support.vectors import NITRO

TO_ALICE = destination_of(ALICE.address)
TO_BOB = destination_of(BOB.address)


def test_allocation_types_are_the_contracts() -> None:
    assert (SIMPLE, WITHDRAW_HELPER, GUARANTEE) == (0, 1, 2)


def test_an_allocation_is_simple_and_bare_unless_told_otherwise() -> None:
    allocation = Allocation(TO_ALICE, 5)
    assert allocation == Allocation(TO_ALICE, 5, SIMPLE, b"")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"destination": ALICE.address}, "destination"),
        ({"destination": bytes(33)}, "destination"),
        ({"amount": -1}, "amount"),
        ({"amount": 2**256}, "amount"),
        ({"amount": 1.0}, "amount"),
        ({"amount": True}, "amount"),
        ({"allocation_type": 256}, "allocation_type"),
        ({"allocation_type": -1}, "allocation_type"),
        ({"metadata": "00"}, "metadata"),
        ({"metadata": None}, "metadata"),
    ],
)
def test_an_allocation_out_of_shape_is_refused(wrong: dict[str, Any], field: str) -> None:
    right: dict[str, Any] = {"destination": TO_ALICE, "amount": 5}
    with pytest.raises(InvalidWidth) as caught:
        Allocation(**(right | wrong))
    assert caught.value.field == f"allocation.{field}"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"asset": bytes(32)}, "asset"),
        ({"asset_type": 256}, "asset_type"),
        ({"asset_metadata": "00"}, "asset_metadata"),
        ({"allocations": [Allocation(TO_ALICE, 5)]}, "allocations"),
        ({"allocations": ((TO_ALICE, 5, 0, b""),)}, "allocations"),
    ],
)
def test_an_exit_out_of_shape_is_refused(wrong: dict[str, Any], field: str) -> None:
    right: dict[str, Any] = {"asset": ZERO_ADDRESS, "allocations": (Allocation(TO_ALICE, 5),)}
    with pytest.raises(InvalidWidth) as caught:
        SingleAssetExit(**(right | wrong))
    assert caught.value.field == field


def test_a_total_is_the_sum_of_the_allocations() -> None:
    exit_ = SingleAssetExit(ZERO_ADDRESS, (Allocation(TO_ALICE, 5), Allocation(TO_BOB, 7)))
    assert total(exit_) == 12
    assert total(SingleAssetExit(ZERO_ADDRESS, ())) == 0


def test_a_sum_may_reach_the_largest_uint256_and_not_pass_it() -> None:
    most = Allocation(TO_ALICE, UINT256_MAX)
    exit_ = SingleAssetExit(ZERO_ADDRESS, (most, Allocation(TO_BOB, 0)))
    assert total(exit_) == UINT256_MAX
    with pytest.raises(InvalidWidth, match="larger sum"):
        SingleAssetExit(ZERO_ADDRESS, (most, Allocation(TO_BOB, 1)))


def test_nothing_in_an_outcome_can_be_changed() -> None:
    allocation = Allocation(TO_ALICE, 5)
    exit_ = SingleAssetExit(ZERO_ADDRESS, (allocation,))
    with pytest.raises(AttributeError):
        allocation.amount = 6  # type: ignore[misc]
    with pytest.raises(AttributeError):
        exit_.allocations = ()  # type: ignore[misc]
    assert hash(exit_) == hash(SingleAssetExit(ZERO_ADDRESS, (Allocation(TO_ALICE, 5),)))


def test_replacing_a_field_checks_it_again() -> None:
    with pytest.raises(InvalidWidth):
        msgspec.structs.replace(Allocation(TO_ALICE, 5), amount=-1)


@pytest.mark.parametrize("wrong", [[], [()], ((),), (Allocation(TO_ALICE, 5),), None])
def test_an_outcome_is_a_tuple_of_exits(wrong: Any) -> None:
    require_outcome(())
    require_outcome((SingleAssetExit(ZERO_ADDRESS, ()),))
    with pytest.raises(InvalidWidth, match="outcome"):
        require_outcome(wrong)


# Destinations


@given(st.binary(min_size=20, max_size=20))
def test_an_address_survives_as_a_destination(address: bytes) -> None:
    destination = destination_of(address)
    assert destination == bytes(12) + address
    assert is_external(destination)
    assert address_of_destination(destination) == address


@pytest.mark.parametrize(
    ("destination", "external"),
    [
        ("0x000000000000000000000000" + "96f7123e3a80c9813ef50213aded0e4511cb820f", True),
        ("0x" + "00" * 32, True),
        ("0x6f7123e3a80c9813ef50213aded0e4511cb820f5" + "00" * 12, False),
        ("0x" + "00" * 11 + "01" + "00" * 20, False),
        ("0x10" + "00" * 31, False),
        ("0x0000000000b0" + "00" * 26, False),
    ],
)
def test_a_destination_is_external_if_its_first_twelve_bytes_are_zero(
    destination: str, external: bool
) -> None:
    assert is_external(from_hex(destination)) is external


def test_the_golden_destinations_are_left_padded() -> None:
    for allocation in NITRO["state"]["outcome"][0]["allocations"]:
        assert is_external(from_hex(allocation["destination"]))


def test_a_channel_id_pays_no_address() -> None:
    with pytest.raises(InvalidEncoding, match="names a channel"):
        address_of_destination(b"\x01" * 32)


def test_destinations_and_addresses_are_not_confused() -> None:
    with pytest.raises(InvalidWidth):
        destination_of(TO_ALICE)
    with pytest.raises(InvalidWidth):
        is_external(ALICE.address)
    with pytest.raises(InvalidWidth):
        address_of_destination(ALICE.address)


# Guarantees


def test_the_golden_guarantee_metadata_is_reproduced() -> None:
    vector = NITRO["guarantee_metadata"]
    left, right = from_hex(vector["left"]), from_hex(vector["right"])
    metadata = from_hex(vector["metadata"])
    assert guarantee_metadata(left, right) == metadata
    assert decode_guarantee_metadata(metadata) == (left, right)


@pytest.mark.parametrize("size", [0, 32, 63, 65, 96])
def test_guarantee_metadata_is_64_bytes(size: int) -> None:
    with pytest.raises(InvalidWidth):
        decode_guarantee_metadata(bytes(size))


def test_a_guarantee_stands_between_two_destinations() -> None:
    for left, right in ((ALICE.address, TO_BOB), (TO_ALICE, BOB.address)):
        with pytest.raises(InvalidWidth):
            guarantee_metadata(left, right)
