"""Widths are refused where they are wrong, and spellings survive the round trip."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import types
from protocols.errors import InvalidEncoding, InvalidWidth, ProtocolError
from protocols.types import (
    UINT48_MAX,
    UINT256_MAX,
    ZERO_ADDRESS,
    amount_from_bytes,
    amount_to_bytes,
    checksum_address,
    from_hex,
    parse_address,
    require_uint,
    require_width,
    to_hex,
)
from tests.support.vectors import NITRO

# The examples of EIP-55 itself.
EIP55_EXAMPLES = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@pytest.mark.parametrize(
    ("alias", "size"),
    [
        (types.Address, 20),
        (types.Bytes32, 32),
        (types.ChannelId, 32),
        (types.StateHash, 32),
        (types.Destination, 32),
        (types.ObjectiveId, 32),
        (types.PaymentId, 32),
        (types.Amount32, 32),
        (types.Signature, 65),
    ],
)
def test_a_decoder_refuses_byte_strings_one_byte_too_short_or_too_long(
    alias: Any, size: int
) -> None:
    decoder = msgspec.msgpack.Decoder(alias)
    right = msgspec.msgpack.encode(bytes(size))
    assert decoder.decode(right) == bytes(size)
    for wrong in (size - 1, size + 1):
        with pytest.raises(msgspec.ValidationError):
            decoder.decode(msgspec.msgpack.encode(bytes(wrong)))


@pytest.mark.parametrize("alias", [types.TurnNum, types.Uint48])
def test_a_decoder_refuses_numbers_above_48_bits(alias: Any) -> None:
    decoder = msgspec.msgpack.Decoder(alias)
    assert decoder.decode(msgspec.msgpack.encode(UINT48_MAX)) == UINT48_MAX
    for wrong in (-1, UINT48_MAX + 1):
        with pytest.raises(msgspec.ValidationError):
            decoder.decode(msgspec.msgpack.encode(wrong))


def test_a_decoder_takes_a_uint64_over_its_whole_width_and_no_negative_number() -> None:
    decoder = msgspec.msgpack.Decoder(types.Uint64)
    assert decoder.decode(msgspec.msgpack.encode(types.UINT64_MAX)) == types.UINT64_MAX
    with pytest.raises(msgspec.ValidationError):
        decoder.decode(msgspec.msgpack.encode(-1))


@pytest.mark.parametrize("bits", [8, 48, 64, 256])
def test_a_uint_reaches_from_zero_to_its_last_bit(bits: int) -> None:
    require_uint("n", 0, bits)
    require_uint("n", 2**bits - 1, bits)
    for wrong in (-1, 2**bits, 10**5000):
        with pytest.raises(InvalidWidth) as caught:
            require_uint("n", wrong, bits)
        assert caught.value.field == "n"
        assert caught.value.expected == f"uint{bits}"


@pytest.mark.parametrize("wrong", [True, 1.0, "1", None, b"\x01"])
def test_a_uint_is_an_int_and_nothing_that_looks_like_one(wrong: Any) -> None:
    with pytest.raises(InvalidWidth, match=type(wrong).__name__):
        require_uint("n", wrong, 256)


@pytest.mark.parametrize("wrong", [bytes(19), bytes(21), b"", bytearray(20), "x" * 20, None])
def test_a_width_is_bytes_of_exactly_that_length(wrong: Any) -> None:
    require_width("address", bytes(20), 20)
    with pytest.raises(InvalidWidth, match="expected 20 bytes"):
        require_width("address", wrong, 20)


@given(st.integers(min_value=0, max_value=UINT256_MAX))
def test_an_amount_survives_its_32_bytes(amount: int) -> None:
    encoded = amount_to_bytes(amount)
    assert len(encoded) == 32
    assert amount_from_bytes(encoded) == amount


def test_amounts_are_big_endian() -> None:
    assert amount_to_bytes(258) == bytes(30) + b"\x01\x02"


@pytest.mark.parametrize("wrong", [-1, 2**256])
def test_an_amount_outside_uint256_has_no_bytes(wrong: int) -> None:
    with pytest.raises(InvalidWidth):
        amount_to_bytes(wrong)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_an_amount_of_another_width_is_no_amount(size: int) -> None:
    with pytest.raises(InvalidWidth):
        amount_from_bytes(bytes(size))


@given(st.binary(max_size=70))
def test_hex_survives_the_round_trip_and_is_lower_case(value: bytes) -> None:
    text = to_hex(value)
    assert text == text.lower()
    assert from_hex(text) == value
    assert from_hex("0x" + text[2:].upper()) == value


@pytest.mark.parametrize(
    "wrong",
    ["", "00", "0X00", "0x0", "0x 0", "0x00 ", "0x0g", "0x00\n", "0x\u0660\u0660", "-0x00", "0x0x"],
)
def test_hex_is_strict(wrong: str) -> None:
    with pytest.raises(InvalidEncoding):
        from_hex(wrong)


@pytest.mark.parametrize("text", EIP55_EXAMPLES)
def test_the_examples_of_eip_55_are_spelled_as_it_says(text: str) -> None:
    assert checksum_address(bytes.fromhex(text[2:])) == text


def test_the_golden_addresses_are_spelled_with_their_checksum() -> None:
    for actor in NITRO["actors"]:
        assert checksum_address(parse_address(actor["address"])) == actor["address"]


def test_a_checksum_needs_an_address_of_20_bytes() -> None:
    with pytest.raises(InvalidWidth):
        checksum_address(bytes(32))


@given(st.binary(min_size=20, max_size=20))
def test_an_address_is_read_in_either_case_and_with_its_checksum(address: bytes) -> None:
    assert parse_address("0x" + address.hex()) == address
    assert parse_address("0x" + address.hex().upper()) == address
    assert parse_address(checksum_address(address)) == address


@given(st.binary(min_size=20, max_size=20), st.integers(min_value=2, max_value=41))
def test_one_letter_in_the_wrong_case_is_refused(address: bytes, place: int) -> None:
    text = checksum_address(address)
    typo = text[:place] + text[place].swapcase() + text[place + 1 :]
    if typo in (text, "0x" + address.hex(), "0x" + address.hex().upper()):
        assert parse_address(typo) == address
    else:
        with pytest.raises(InvalidEncoding, match="checksum"):
            parse_address(typo)


@pytest.mark.parametrize("wrong", ["0x", "0x" + "00" * 19, "0x" + "00" * 32, "00" * 20, "alice"])
def test_what_is_no_address_is_refused(wrong: str) -> None:
    with pytest.raises(ProtocolError):
        parse_address(wrong)


def test_the_zero_address_is_twenty_zero_bytes() -> None:
    assert parse_address("0x" + "0" * 40) == ZERO_ADDRESS
