"""App data is what `abi.encode` makes of it, and messages have one form."""

from __future__ import annotations

import msgspec
import pytest
from eth_abi import decode, encode
from hypothesis import given
from hypothesis import strategies as st

from protocols.app_data import (
    MESSAGE_SIZE_BYTES_MAX,
    NO_ROOT,
    TIMESTAMP_MS_MAX,
    TIMESTAMP_MS_MIN,
    AppData,
    decode_app_data,
    encode_app_data,
    log_message,
    next_root,
    opening_data,
    parse_log_message,
    reducer_input,
    reducer_opening,
)
from protocols.crypto import keccak256
from protocols.errors import InvalidEncoding, InvalidWidth

TYPES = ["bytes32", "bytes32", "uint64", "bytes"]
words = st.binary(min_size=32, max_size=32)
counts = st.integers(0, 2**64 - 1)
texts = st.binary(max_size=200)


@given(words, words, counts, texts)
def test_it_is_the_abi_encoding(reducer: bytes, root: bytes, count: int, message: bytes) -> None:
    encoded = encode_app_data(AppData(reducer, root, count, message))
    assert encoded == encode(TYPES, [reducer, root, count, message])
    assert decode_app_data(encoded) == AppData(*decode(TYPES, encoded))


@given(st.binary(max_size=260))
def test_bytes_of_another_form_are_refused(junk: bytes) -> None:
    with pytest.raises(InvalidEncoding):
        decode_app_data(junk)


@pytest.mark.parametrize(
    "change",
    [
        lambda good: good + bytes(32),
        lambda good: good[:-1] + b"\x01",
        lambda good: good[:96] + (160).to_bytes(32, "big") + good[128:],
        lambda good: good[:64] + (2**64).to_bytes(32, "big") + good[96:],
        lambda good: good[:128] + (MESSAGE_SIZE_BYTES_MAX + 1).to_bytes(32, "big") + good[160:],
    ],
    ids=["longer", "padding", "offset", "count", "size"],
)
def test_app_data_has_one_form(change: object) -> None:
    good = encode_app_data(AppData(bytes(32), NO_ROOT, 7, b"said"))
    assert decode_app_data(good).message == b"said"
    with pytest.raises(InvalidEncoding):
        decode_app_data(change(good))  # type: ignore[operator]


def test_fields_out_of_shape_are_refused() -> None:
    with pytest.raises(InvalidWidth):
        encode_app_data(AppData(b"short", NO_ROOT, 0, b""))
    with pytest.raises(InvalidWidth):
        encode_app_data(AppData(bytes(32), NO_ROOT, 2**64, b""))


def test_a_channel_begins_without_messages() -> None:
    assert opening_data(b"\x01" * 32) == encode(TYPES, [b"\x01" * 32, bytes(32), 0, b""])


def test_the_root_takes_a_message_in_by_its_hash() -> None:
    assert next_root(NO_ROOT, b"m") == keccak256(bytes(32) + keccak256(b"m"))


@given(st.integers(0, 1), st.integers(TIMESTAMP_MS_MIN, TIMESTAMP_MS_MAX), st.text(max_size=20))
def test_a_log_message_is_messagepack_of_sender_time_and_payload(
    sender: int, timestamp_ms: int, text: str
) -> None:
    payload = msgspec.msgpack.encode(text)
    message = log_message(sender, timestamp_ms, payload)
    assert message == msgspec.msgpack.encode([sender, timestamp_ms, text])
    parsed = parse_log_message(message)
    assert (parsed.sender, parsed.timestamp_ms, parsed.payload) == (sender, timestamp_ms, payload)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        log_message(0, TIMESTAMP_MS_MIN, b""),
        b"\x94" + log_message(0, TIMESTAMP_MS_MIN, b"\x01")[1:],
        b"\x93\x02" + log_message(0, TIMESTAMP_MS_MIN, b"\x01")[2:],
        b"\x93\x00\xcf" + bytes(8) + b"\x01",
    ],
    ids=["nothing", "no payload", "four parts", "no such sender", "a time in a longer form"],
)
def test_messages_of_another_form_are_refused(broken: bytes) -> None:
    with pytest.raises(InvalidEncoding):
        parse_log_message(broken)


def test_a_reducer_is_given_channel_sender_time_and_payload() -> None:
    payload = msgspec.msgpack.encode([1, "two"])
    for stamp in (0, TIMESTAMP_MS_MIN):
        given_ = reducer_input(b"\xc1" * 32, 1, stamp, payload)
        assert given_ == msgspec.msgpack.encode([b"\xc1" * 32, 1, stamp, [1, "two"]])


def test_before_the_first_message_a_reducer_is_given_what_each_end_paid_in() -> None:
    amounts = [(2**256 - 1).to_bytes(32), (7).to_bytes(32)]
    expected = msgspec.msgpack.encode([b"\xc1" * 32, None, 0, amounts])
    assert reducer_opening(b"\xc1" * 32, (2**256 - 1, 7)) == expected
