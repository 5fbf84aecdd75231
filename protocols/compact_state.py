"""States as they are kept: without the padding that most of a two-party state is made of.

A node that carries channels for others keeps two states of each for as long as it lives, and of
their 864 bytes all but 131 are the same in every one. Those are cut out and put back: no general
compression, whose bytes may change from version to version and which costs ten times as much. Any
other state is kept as it is.
Source: the layout of `protocols.abi.encode_state`.
"""

from __future__ import annotations

from itertools import chain
from struct import Struct

from protocols.abi import encode_state
from protocols.outcome import Allocation, SingleAssetExit
from protocols.types import ZERO_ADDRESS

_WHOLE = b"\0"
_SIMPLE = b"\1"

_LAYOUT = Struct("32s 90s 6s 31s 1s 108s 20s 268s 20s 16s 16s 108s 20s 16s 16s 96s")
"""A state of one asset and two simple allocations to addresses, in turns what may differ and what
may not: channel id, turn number, whether it is final, asset, and of each allocation address and
amount. An amount above 16 bytes makes a state that is kept whole."""
_DIFFERING = Struct("32s 6s 1s 20s 20s 16s 20s 16s")

_NOBODY = Allocation(bytes(32), 0)
_PATTERN = encode_state(
    bytes(32), b"", (SingleAssetExit(ZERO_ADDRESS, (_NOBODY, _NOBODY)),), 0, False
)
_PADDING = _LAYOUT.unpack(_PATTERN)[1::2]


def compacted(encoded: bytes) -> bytes:
    """The encoded state in fewer bytes; from equal states equal ones."""
    if len(encoded) == _LAYOUT.size:
        parts = _LAYOUT.unpack(encoded)
        if parts[1::2] == _PADDING:
            return _SIMPLE + b"".join(parts[::2])
    return _WHOLE + encoded


def expanded(compact: bytes) -> bytes:
    """The encoded state that `compacted` made this of."""
    if compact.startswith(_WHOLE):
        return compact[1:]
    parts = zip(_DIFFERING.unpack_from(compact, 1), _PADDING, strict=True)
    return b"".join(chain.from_iterable(parts))
