"""States as they are kept: without the padding that most of a two-party state is made of.

A node that carries channels for others keeps two states of each for as long as it lives, and of
their 864 bytes all but 131 are the same in every one. Those are cut out and put back: no general
compression, whose bytes may change from version to version and which costs ten times as much. Any
other state is kept as it is.
"""

from __future__ import annotations

from struct import Struct

from protocols.plain_state import LAYOUT, PADDING
from protocols.types import Address, Amount

_WHOLE = b"\0"
_SIMPLE = b"\1"

_DIFFERING = Struct("32s 6s 1s 20s 20s 16s 20s 16s")
"""Of a plain state what may differ."""


def compacted(encoded: bytes) -> bytes:
    """The encoded state in fewer bytes; from equal states equal ones."""
    if len(encoded) == LAYOUT.size:
        parts = LAYOUT.unpack(encoded)
        if parts[1::2] == PADDING:
            return _SIMPLE + b"".join(parts[::2])
    return _WHOLE + encoded


def expanded(compact: bytes) -> bytes:
    """The encoded state that `compacted` made this of."""
    if compact.startswith(_WHOLE):
        return compact[1:]
    a, b, c, d, e, f, g, h = _DIFFERING.unpack_from(compact, 1)
    p, q, r, s, t, u, v, w = PADDING
    return LAYOUT.pack(a, p, b, q, c, r, d, s, e, t, f, u, g, v, h, w)


def split_of(compact: bytes) -> tuple[Address, Amount, Amount] | None:
    """The asset of a plain state and what each side gets of it; None for any other state."""
    if compact.startswith(_WHOLE):
        return None
    _, _, _, asset, _, first, _, second = _DIFFERING.unpack_from(compact, 1)
    return asset, int.from_bytes(first, "big"), int.from_bytes(second, "big")
