"""The file of a kit: what was written is read, and damage is found before anything is done."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from protocols import dispute_kit
from protocols.dispute_kit import (
    KIT_VERSION,
    DisputeKit,
    checksum_of,
    decode_kit,
    encode_kit,
)
from protocols.dispute_reading import read_kit
from protocols.exit_errors import KitDamaged, KitTooNew
from tests.support.builders import CHANNEL
from tests.support.exit_web import ExitWeb
from tests.support.kit_rig import export
from tests.support.network import opened, pay


@pytest.fixture(scope="module")
def kit() -> DisputeKit:
    network = opened(depth=2)
    pay(network, 30, 1)
    network.settle()
    return export(network.bob, CHANNEL, sealed=True)


def test_what_is_written_is_read(kit: DisputeKit) -> None:
    assert decode_kit(encode_kit(kit)) == kit
    assert kit.checksum == checksum_of(kit)


@given(place=st.integers(min_value=0), flip=st.integers(1, 255))
def test_any_changed_byte_is_damage(kit: DisputeKit, place: int, flip: int) -> None:
    data = bytearray(encode_kit(kit))
    place %= len(data)
    data[place] ^= flip
    try:
        # White space between values says nothing.
        assert decode_kit(bytes(data)) == kit
    except (KitDamaged, KitTooNew):
        pass


@given(st.binary(max_size=200))
def test_any_bytes_are_a_kit_or_damage(data: bytes) -> None:
    with pytest.raises(KitDamaged):
        decode_kit(data)


def _leaves(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    if isinstance(value, dict):
        return [leaf for key in value for leaf in _leaves(value[key], (*path, key))]
    if isinstance(value, list):
        return [leaf for at, item in enumerate(value) for leaf in _leaves(item, (*path, at))]
    return [] if value is None else [path]


def _changed(value: object) -> object:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str() if value.startswith("0x"):
            return "0x" + ("ff" if value[2:4] != "ff" else "00") + value[4:]
        case str() if value.isdigit():
            return str(int(value) + 1)
        case _:
            return "else"


HARMLESS = {
    ("made", "time_ms"),
    ("made", "block_num"),
    ("made", "block_hash"),
    ("made", "block_time_s"),
    ("made", "log_seq"),
    ("made", "log_hash"),
    ("deployment", "chain_id"),
    ("deployment", "confirmation_count"),
    ("sealed",),
}
"""What no signature covers: by it money is found later or not at all, and goes nowhere else. The
chain id and the contracts are compared with the endpoint's."""


@pytest.fixture(scope="module")
def payers_kit() -> DisputeKit:
    """Of a virtual channel, with the ledger that funds it."""
    web = ExitWeb(0)
    return export(web.payer, web.opened(30))


@pytest.mark.parametrize("name", ["kit", "payers_kit"])
def test_each_field_that_counts_is_checked_behind_the_checksum(
    name: str, request: pytest.FixtureRequest
) -> None:
    kit: DisputeKit = request.getfixturevalue(name)
    document = json.loads(encode_kit(kit))
    assert len(_leaves(document)) > 50
    for path in _leaves(document):
        damaged = json.loads(encode_kit(kit))
        *way, last = path
        at = damaged
        for key in way:
            at = at[key]
        at[last] = _changed(at[last])
        changed = msgspec.convert(damaged, DisputeKit, strict=False)
        changed = replace(changed, checksum=checksum_of(changed))
        try:
            case = read_kit(decode_kit(encode_kit(changed)))
        except (KitDamaged, KitTooNew):
            continue
        is_of_chain = "on_chain" in path or path[0] in ("deployment", "limits")
        assert tuple(path) in HARMLESS or is_of_chain or path == ("checksum",), path
        # Whatever else is wrong, everything is paid to the account that signed.
        assert case.kit.destination == kit.destination
        assert case.account == read_kit(kit).account


def test_a_later_version_is_refused_by_name(kit: DisputeKit) -> None:
    later = replace(kit, version=KIT_VERSION + 1)
    with pytest.raises(KitTooNew, match=str(KIT_VERSION + 1)):
        decode_kit(encode_kit(later))


def test_more_than_a_kit_can_have_is_refused(kit: DisputeKit) -> None:
    with pytest.raises(KitDamaged, match="size"):
        decode_kit(b" " * (dispute_kit.KIT_SIZE_BYTES_MAX + 1))
    many = replace(kit, channels=kit.channels * (dispute_kit.KIT_CHANNEL_COUNT_MAX + 1))
    with pytest.raises(KitDamaged, match="channels"):
        decode_kit(encode_kit(many))
