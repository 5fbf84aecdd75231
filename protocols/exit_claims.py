"""What a payout's call data claims to stand on chain, to be checked against `statusOf` (M4).

A transfer and a reclaim carry the outcome that this node folded from the adjudicator's logs, and
the adjudicator takes it only if its fingerprint is the one that it keeps. Pure: it reads what
`exit_calls` wrote.
"""

from __future__ import annotations

from msgspec import Struct

from protocols.adjudication import outcome_of
from protocols.crypto import keccak256
from protocols.exit_calls import RECLAIM_SELECTOR, TRANSFER_SELECTOR
from protocols.state import fingerprint
from protocols.types import ChannelId

_WORD = 32


class Claim(Struct, frozen=True, gc=False):
    """That the adjudicator keeps this fingerprint of a channel."""

    channel_id: ChannelId
    fingerprint: bytes
    """20 bytes."""
    is_first: bool = False
    """True: as it finalised; false: as it stands now."""


def claims_of(data: bytes) -> tuple[Claim, ...]:
    """What has to stand for the call to be taken; nothing for calls of other functions."""
    body = data[4:]
    match data[:4]:
        case selector if selector == TRANSFER_SELECTOR:
            encoded = _bytes_at(body, 2)
            return (Claim(_word(body, 1), fingerprint(_word(body, 3), keccak256(encoded))),)
        case selector if selector == RECLAIM_SELECTOR:
            return _of_reclaim(body[_WORD:])
        case _:
            return ()


def _of_reclaim(body: bytes) -> tuple[Claim, ...]:
    source, target = _bytes_at(body, 2), _bytes_at(body, 6)
    stands = Claim(_word(body, 0), fingerprint(_word(body, 1), keccak256(source)))
    place = int.from_bytes(_word(body, 4), "big")
    guarantee = outcome_of(source)[0].allocations[place]
    first = fingerprint(_word(body, 5), keccak256(target))
    return stands, Claim(guarantee.destination, first, is_first=True)


def _word(body: bytes, index: int) -> bytes:
    return body[_WORD * index : _WORD * (index + 1)]


def _bytes_at(body: bytes, index: int) -> bytes:
    """The dynamic bytes to which the word at `index` points."""
    start = int.from_bytes(_word(body, index), "big")
    size = int.from_bytes(body[start : start + _WORD], "big")
    return body[start + _WORD : start + _WORD + size]
