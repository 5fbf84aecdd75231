"""The one encoding of what crosses between node and reducer (ADR 0076).

MessagePack with one form for each value: integers in their shortest form from -2**63 to 2**64 - 1,
text in UTF-8, bytes, nil, booleans in messages, arrays. No floats, maps or extensions. An integer
of up to 256 bits is its 32 bytes big-endian, as in the log: such bytes sort as the numbers do.
"""

from __future__ import annotations

from typing import Any

import msgspec

from node.views.errors import Failure, ReducerFailed
from node.views.limits import DEPTH_MAX

Scalar = None | int | str | bytes
"""A value of a row."""

SCALARS = frozenset({type(None), int, str, bytes})
_MESSAGE_SCALARS = SCALARS | {bool}
SQL_INTEGER_MIN, SQL_INTEGER_MAX = -(2**63), 2**63 - 1
UINT256_SIZE_BYTES = 32

encode = msgspec.msgpack.Encoder().encode
"""Value -> bytes, in the shortest form."""

_decode_any = msgspec.msgpack.Decoder().decode


def uint256(number: int) -> bytes:
    """The 32 bytes of an amount. Raises OverflowError outside of 256 bits without sign."""
    return number.to_bytes(UINT256_SIZE_BYTES, "big")


def decode(data: bytes) -> Any:
    """The message; raises `ReducerFailed` (message-not-canonical) for bytes of any other form."""
    try:
        value = _decode_any(data)
    except (msgspec.MsgspecError, RecursionError, ValueError, TypeError) as error:
        raise ReducerFailed(Failure.MESSAGE_NOT_CANONICAL, str(error)) from None
    _check(value, 0)
    if encode(value) != data:
        raise ReducerFailed(Failure.MESSAGE_NOT_CANONICAL, "not in the shortest form")
    return value


def _check(value: Any, depth: int) -> None:
    if type(value) is list:
        if depth == DEPTH_MAX:
            raise ReducerFailed(Failure.MESSAGE_NOT_CANONICAL, "arrays too deep")
        for item in value:
            if type(item) not in _MESSAGE_SCALARS:
                _check(item, depth + 1)
    elif type(value) not in _MESSAGE_SCALARS:
        kind = type(value).__name__
        raise ReducerFailed(Failure.MESSAGE_NOT_CANONICAL, f"holds a {kind}")


def check_row(row: list[Any]) -> None:
    """Raise `ReducerFailed` for what SQL must not be given: floats, maps, wide integers."""
    for value in row:
        if type(value) not in SCALARS:
            raise ReducerFailed(Failure.VALUE_TYPE, f"a {type(value).__name__} in a row")
        if type(value) is int and not SQL_INTEGER_MIN <= value <= SQL_INTEGER_MAX:
            raise ReducerFailed(Failure.VALUE_RANGE, "an integer of more than 64 bits with sign")
