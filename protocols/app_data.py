"""App data: what a state of an application channel commits to, byte for byte (ADR 0022).

    abi.encode(bytes32 reducerId, bytes32 logRoot, uint64 count, bytes lastMessage)
    logRoot' = keccak256(logRoot || keccak256(message))

Pre- and postfund have root 0, count 0 and an empty message; each message is one turn. A message in
a message log is MessagePack [sender, timestamp, payload]; where the app's contract judges the
moves, it is the move alone, and the ends take turns.
"""

from __future__ import annotations

from msgspec import Struct

from protocols.crypto import keccak256
from protocols.errors import InvalidEncoding
from protocols.types import UINT64_MAX, Bytes32, amount_to_bytes, require_uint, require_width

MESSAGE_SIZE_BYTES_MAX = 4_096
"""A longer one is refused on chain (ADR 0080): a challenge has to fit into a transaction."""
TIMESTAMP_MS_MIN, TIMESTAMP_MS_MAX = 2**32, 2**63 - 1
"""Unix milliseconds between these have one form in MessagePack, of nine bytes."""
NO_ROOT = bytes(32)
"""Of a log without messages."""

_WORD = 32
_OFFSET = (4 * _WORD).to_bytes(_WORD, "big")


class AppData(Struct, frozen=True, gc=False):
    """The four fields."""

    reducer_id: Bytes32
    """sha256 of the reducer's code."""
    root: Bytes32
    count: int
    message: bytes
    """The last one; empty before the first."""


def encode_app_data(data: AppData) -> bytes:
    """`abi.encode` of the fields; InvalidWidth for one out of shape."""
    require_width("reducer_id", data.reducer_id, _WORD)
    require_width("root", data.root, _WORD)
    require_uint("count", data.count, 64)
    size = len(data.message)
    padding = bytes(-size % _WORD)
    count, length = data.count.to_bytes(_WORD, "big"), size.to_bytes(_WORD, "big")
    return b"".join((data.reducer_id, data.root, count, _OFFSET, length, data.message, padding))


def decode_app_data(encoded: bytes) -> AppData:
    """The inverse. Raises InvalidEncoding for bytes in any other form."""
    if len(encoded) < 5 * _WORD:
        raise InvalidEncoding("app data", f"{len(encoded)} bytes are too few")
    count = int.from_bytes(encoded[64:96], "big")
    size = int.from_bytes(encoded[128:160], "big")
    if count > UINT64_MAX or size > MESSAGE_SIZE_BYTES_MAX:
        raise InvalidEncoding("app data", "the count or the message is too large")
    data = AppData(encoded[:32], encoded[32:64], count, encoded[160 : 160 + size])
    if encode_app_data(data) != encoded:
        raise InvalidEncoding("app data", "not in the one form")
    return data


def opening_data(reducer_id: Bytes32) -> bytes:
    """The app data of pre- and postfund (M23)."""
    return encode_app_data(AppData(reducer_id, NO_ROOT, 0, b""))


def next_root(root: Bytes32, message: bytes) -> Bytes32:
    """The log's root with one more message."""
    return keccak256(root + keccak256(message))


def log_message(sender: int, timestamp_ms: int, payload: bytes) -> bytes:
    """A message of a message log; `sender` is 0 for the first participant, 1 for the last.

    `payload` is one value in MessagePack; whether it is, the reducer's host finds out.
    """
    return b"\x93" + _place(sender) + _moment(timestamp_ms) + payload


def reducer_input(channel_id: Bytes32, sender: int, timestamp_ms: int, payload: bytes) -> bytes:
    """What a reducer is given: MessagePack [channel id, sender, timestamp, payload].

    The timestamp is 0 where a contract judges the moves: no clock is agreed on there.
    """
    moment = _moment(timestamp_ms) if timestamp_ms else b"\x00"
    return b"\x94\xc4\x20" + channel_id + _place(sender) + moment + payload


def reducer_opening(channel_id: Bytes32, amounts: tuple[int, int]) -> bytes:
    """What a reducer is given before the first message (ADR 0087).

    MessagePack [channel id, nil, 0, [first, last]]: what each end paid in, amounts of 32 bytes.
    A reducer that refuses it does not play for these.
    """
    first, last = (b"\xc4\x20" + amount_to_bytes(amount) for amount in amounts)
    return b"\x94\xc4\x20" + channel_id + b"\xc0\x00\x92" + first + last


def _place(sender: int) -> bytes:
    assert sender in (0, 1), "a message is from one of the two ends"
    return bytes((sender,))


def _moment(timestamp_ms: int) -> bytes:
    assert TIMESTAMP_MS_MIN <= timestamp_ms <= TIMESTAMP_MS_MAX, "checked where it came in"
    return b"\xcf" + timestamp_ms.to_bytes(8, "big")


LOG_MESSAGE_HEAD_SIZE = len(log_message(0, TIMESTAMP_MS_MIN, b""))
"""Bytes of a message of a message log before its payload."""


class LogMessage(Struct, frozen=True, gc=False):
    """A message of a message log, taken apart."""

    sender: int
    timestamp_ms: int
    payload: bytes


def parse_log_message(message: bytes) -> LogMessage:
    """The inverse of `log_message`. Raises InvalidEncoding for any other form."""
    head = LOG_MESSAGE_HEAD_SIZE
    if len(message) <= head or message[:1] != b"\x93" or message[1] > 1 or message[2] != 0xCF:
        raise InvalidEncoding("message", "not [sender, timestamp, payload]")
    timestamp_ms = int.from_bytes(message[3:head], "big")
    if not TIMESTAMP_MS_MIN <= timestamp_ms <= TIMESTAMP_MS_MAX:
        raise InvalidEncoding("message", "a timestamp out of range")
    return LogMessage(message[1], timestamp_ms, message[head:])
