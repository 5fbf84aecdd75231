"""The plain state: one asset split between two addresses, no app data. Packed and read as a whole.

Nearly every state that a node signs, takes in or keeps is one, always 864 bytes in one layout. All
of it but 131 bytes is the same, so a template makes it in a tenth of the time, and bytes that fit
the template are canonical: they need no encoding again to be believed. Whatever is not plain is for
`protocols.abi`, whose encodings these are; tests hold the two together.
"""

from __future__ import annotations

from struct import Struct

from protocols.outcome import SIMPLE, Allocation, Outcome, SingleAssetExit
from protocols.types import ChannelId, TurnNum

LAYOUT = Struct("32s 90s 6s 31s 1s 108s 20s 268s 20s 16s 16s 108s 20s 16s 16s 96s")
"""In turns what may differ and what may not: channel id, turn number, whether it is final, asset,
and of each allocation address and amount. An amount above 16 bytes makes a state that is not
plain."""


def _words(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


_ADDRESS_PADDING = bytes(12)
_AFTER_AMOUNT = _words(SIMPLE, 0x80, 0)
"""Type, offset and length of the metadata."""

PADDING = (
    _words(0xA0, 0xC0) + bytes(26),
    bytes(31),
    _words(0, 1, 0x20) + _ADDRESS_PADDING,
    _words(0x60, 0xC0, 0, 0x40, 0, 2, 0x40, 0xE0) + _ADDRESS_PADDING,
    bytes(16),
    _AFTER_AMOUNT + _ADDRESS_PADDING,
    bytes(16),
    _AFTER_AMOUNT,
)
"""What every plain state has between its values."""

_HEAD, _BEFORE_FLAG, _BEFORE_ASSET, _BEFORE_FIRST, _HIGH, _BETWEEN, _, _END = PADDING
_FLAGS = (b"\0", b"\1")
_NUMBER = int.from_bytes

PlainState = tuple[ChannelId, Outcome, TurnNum, bool]
"""What differs between plain states."""


def packed(
    channel_id: ChannelId, outcome: Outcome, turn_num: TurnNum, is_final: bool
) -> bytes | None:
    """The encoding of the state without app data, whose widths are known; None if not plain."""
    if len(outcome) != 1:
        return None
    exit_ = outcome[0]
    if len(exit_.allocations) != 2 or exit_.asset_type or exit_.asset_metadata:
        return None
    first, second = exit_.allocations
    if first.allocation_type or first.metadata or second.allocation_type or second.metadata:
        return None
    left, right = first.destination, second.destination
    if left[:12] != _ADDRESS_PADDING or right[:12] != _ADDRESS_PADDING:
        return None
    if first.amount >> 128 or second.amount >> 128:
        return None
    return LAYOUT.pack(
        channel_id,
        _HEAD,
        turn_num.to_bytes(6, "big"),
        _BEFORE_FLAG,
        _FLAGS[is_final],
        _BEFORE_ASSET,
        exit_.asset,
        _BEFORE_FIRST,
        left[12:],
        _HIGH,
        first.amount.to_bytes(16, "big"),
        _BETWEEN,
        right[12:],
        _HIGH,
        second.amount.to_bytes(16, "big"),
        _END,
    )


def unpacked(encoded: bytes) -> PlainState | None:
    """What the encoded state says; None for bytes that are no plain state."""
    if type(encoded) is not bytes or len(encoded) != LAYOUT.size:
        return None
    parts = LAYOUT.unpack(encoded)
    if parts[1::2] != PADDING or parts[4] not in _FLAGS:
        return None
    allocations = (
        Allocation(_ADDRESS_PADDING + parts[8], _NUMBER(parts[10], "big")),
        Allocation(_ADDRESS_PADDING + parts[12], _NUMBER(parts[14], "big")),
    )
    outcome = (SingleAssetExit(parts[6], allocations),)
    return parts[0], outcome, _NUMBER(parts[2], "big"), parts[4] == _FLAGS[1]
