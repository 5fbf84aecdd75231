"""Messages as people write them: JSON, with a few objects for what JSON does not have.

    {"hex": "c0ffee"}            bytes
    {"amount": "1000"}           an amount: 32 bytes, big-endian
    {"join": [BYTES, ...]}       bytes one behind the other
    {"keccak256": [BYTES, ...]}  the hash of bytes one behind the other
    {"pack": VALUE}              a value as the MessagePack that it is, as bytes

A number inside `join` or `keccak256` is one byte, text its UTF-8. Messages have no maps: an object
can mean nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from node.views.encoding import encode, uint256
from node.views.limits import DEPTH_MAX
from protocols.crypto import keccak256

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**64 - 1
_DEPTH_MAX = 2 * DEPTH_MAX
"""Of JSON: a message may be in an envelope, and have objects around its bytes."""


class ValueUnusable(ValueError):
    """JSON that is no message; the text says why."""


def from_json(value: Any, depth: int = 0) -> Any:
    """The value that JSON stands for; raises `ValueUnusable`."""
    if depth > _DEPTH_MAX:
        raise ValueUnusable("it is nested too deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        if not INTEGER_MIN <= value <= INTEGER_MAX:
            raise ValueUnusable(f'{value} has more than 64 bits: write {{"amount": "{value}"}}')
        return value
    if isinstance(value, list):
        return [from_json(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return _bytes_of_object(value, depth)
    raise ValueUnusable(f"{value} is a fraction: messages have none")


def to_json(value: Any) -> Any:
    """A value of a row or message as JSON; bytes as `{"hex": ...}`."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def _text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueUnusable("text with half a character") from None
    return value


def _bytes_of_object(value: dict[str, Any], depth: int) -> bytes:
    if len(value) != 1:
        raise ValueUnusable(f"an object says one thing, not {len(value)}")
    ((form, argument),) = value.items()
    read = _FORMS.get(form)
    if read is None:
        raise ValueUnusable(f"{form[:40]!r} is none of {', '.join(_FORMS)}")
    return read(argument, depth + 1)


def _hex(argument: Any, _: int) -> bytes:
    try:
        return bytes.fromhex(argument.removeprefix("0x"))
    except (ValueError, AttributeError, TypeError):
        raise ValueUnusable(f"{str(argument)[:40]!r} is not hex") from None


def _amount(argument: Any, _: int) -> bytes:
    if isinstance(argument, bool) or not isinstance(argument, int | str):
        raise ValueUnusable("an amount is a whole number")
    if isinstance(argument, str) and not (argument.isascii() and argument.isdigit()):
        raise ValueUnusable(f"{argument[:80]!r} is not a whole number")
    try:
        return uint256(int(argument))
    except (OverflowError, ValueError):
        raise ValueUnusable("an amount has 256 bits without sign") from None


def _join(argument: Any, depth: int) -> bytes:
    if not isinstance(argument, list):
        raise ValueUnusable("what is joined is a list")
    return b"".join(_piece(item, depth) for item in argument)


def _piece(value: Any, depth: int) -> bytes:
    found = from_json(value, depth)
    if isinstance(found, bytes):
        return found
    if isinstance(found, str):
        return found.encode()
    if isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 256:
        return bytes([found])
    raise ValueUnusable("joined are bytes, text, and numbers of one byte")


def _keccak256(argument: Any, depth: int) -> bytes:
    return keccak256(_join(argument, depth))


def _pack(argument: Any, depth: int) -> bytes:
    return encode(from_json(argument, depth))


_FORMS: dict[str, Callable[[Any, int], bytes]] = {
    "hex": _hex,
    "amount": _amount,
    "join": _join,
    "keccak256": _keccak256,
    "pack": _pack,
}
