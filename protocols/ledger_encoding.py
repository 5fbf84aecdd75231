"""The bytes of a ledger state, packed by hand: `ledger_state(...).encode()` without its objects.

Each update of a ledger is one state of two balances and up to 400 guarantees, of which it adds or
removes one. So the bytes of all are remembered by ledger, and one is put in or taken out; what is
left is one join and one keccak.
Source: the layout of `protocols.abi.encode_state`, which tests compare this with.
"""

from __future__ import annotations

from functools import lru_cache

from protocols.crypto import keccak256
from protocols.ledger import Guarantee, LedgerVars
from protocols.outcome import GUARANTEE
from protocols.state import FixedPart
from protocols.types import Address, ChannelId, StateHash, TurnNum

_ADDRESS_PADDING = bytes(12)
_SIMPLE_SIZE_BYTES = 160
_GUARANTEE_SIZE_BYTES = 224


def _words(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


_HEAD = _words(0xA0, 0xC0)
"""Offsets of the empty app data and of the outcome."""
_BEFORE_ASSET = _words(0, 0, 1, 0x20)
"""Not final, no app data, one asset at its offset."""
_AFTER_ASSET = _words(0x60, 0xC0, 0, 0x40, 0)
"""Offsets of the asset's empty metadata and of its allocations, and the metadata."""
_SIMPLE_TAIL = _words(0, 0x80, 0)
"""A simple allocation after its amount: type, offset and length of the metadata."""
_GUARANTEE_TAIL = _words(GUARANTEE, 0x80, 64)


@lru_cache(maxsize=512)
def _offsets(guarantee_count: int) -> bytes:
    """The count of allocations and the offset of each, behind the count."""
    count = guarantee_count + 2
    first = 32 * count
    simple = [first, first + _SIMPLE_SIZE_BYTES]
    third = first + 2 * _SIMPLE_SIZE_BYTES
    others = [third + _GUARANTEE_SIZE_BYTES * index for index in range(guarantee_count)]
    return _words(count, *simple, *others)


def _guarantee(guarantee: Guarantee) -> bytes:
    amount = guarantee.amount.to_bytes(32, "big")
    parts = (guarantee.target, amount, _GUARANTEE_TAIL, guarantee.left, guarantee.right)
    return b"".join(parts)


class _Blocks:
    """The encoded guarantees of the ledgers that changed last, each as one block of bytes.

    What is remembered under a ledger's id is compared with what is to be encoded, guarantee by
    guarantee, before its bytes are used.
    """

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._count = 0
        self._known: dict[ChannelId, tuple[tuple[Guarantee, ...], bytes]] = {}
        """By ledger, the one that changed last at the end."""

    def encoded(self, channel_id: ChannelId, guarantees: tuple[Guarantee, ...]) -> bytes:
        """All the guarantees' bytes, in order."""
        known, block = self._known.pop(channel_id, _NO_BLOCK)
        if guarantees is not known:
            block = _changed(known, block, guarantees)
        self._count += len(guarantees) - len(known)
        if guarantees:
            self._known[channel_id] = guarantees, block
        while self._count > self._count_max:
            oldest, _ = self._known.pop(next(iter(self._known)))
            self._count -= len(oldest)
        return block


_NO_BLOCK: tuple[tuple[Guarantee, ...], bytes] = ((), b"")


def _changed(
    known: tuple[Guarantee, ...], block: bytes, guarantees: tuple[Guarantee, ...]
) -> bytes:
    """The bytes of `guarantees`, from those of `known` if they differ by at most one of them."""
    added = len(guarantees) - len(known)
    if added == 0 and guarantees == known:
        return block
    if added == 1:
        place = _first_difference(known, guarantees)
        if guarantees[:place] == known[:place] and guarantees[place + 1 :] == known[place:]:
            at = place * _GUARANTEE_SIZE_BYTES
            return block[:at] + _guarantee(guarantees[place]) + block[at:]
    if added == -1:
        place = _first_difference(guarantees, known)
        if guarantees[:place] == known[:place] and guarantees[place:] == known[place + 1 :]:
            at = place * _GUARANTEE_SIZE_BYTES
            return block[:at] + block[at + _GUARANTEE_SIZE_BYTES :]
    return b"".join(map(_guarantee, guarantees))


def _first_difference(fewer: tuple[Guarantee, ...], more: tuple[Guarantee, ...]) -> int:
    """Where one more was put in, if that is how they differ: both ascend by target."""
    low, high = 0, len(fewer)
    while low < high:
        middle = (low + high) // 2
        if fewer[middle].target == more[middle].target:
            low = middle + 1
        else:
            high = middle
    return low


ENCODED_COUNT_MAX = 16_384
"""Guarantees whose bytes are remembered, of all ledgers together: 3.7 MB."""

_blocks = _Blocks(ENCODED_COUNT_MAX)


def encode_ledger_state(
    channel_id: ChannelId, fixed: FixedPart, asset: Address, vars_: LedgerVars, turn_num: TurnNum
) -> bytes:
    """What `ledger_state(fixed, asset, vars_, turn_num).encode()` gives for a running state.

    The widths are those of a ledger that exists; they are not checked again.
    """
    leader, follower = fixed.participants
    guarantees = vars_.guarantees
    return b"".join(
        (
            channel_id,
            _HEAD,
            turn_num.to_bytes(32, "big"),
            _BEFORE_ASSET,
            _ADDRESS_PADDING,
            asset,
            _AFTER_ASSET,
            _offsets(len(guarantees)),
            _ADDRESS_PADDING,
            leader,
            vars_.leader.to_bytes(32, "big"),
            _SIMPLE_TAIL,
            _ADDRESS_PADDING,
            follower,
            vars_.follower.to_bytes(32, "big"),
            _SIMPLE_TAIL,
            _blocks.encoded(channel_id, guarantees),
        )
    )


def ledger_state_hash(
    channel_id: ChannelId, fixed: FixedPart, asset: Address, vars_: LedgerVars, turn_num: TurnNum
) -> StateHash:
    """The hash that both parties sign for a running state of the ledger."""
    return keccak256(encode_ledger_state(channel_id, fixed, asset, vars_, turn_num))
