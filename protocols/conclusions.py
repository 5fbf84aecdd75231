"""What a channel was concluded with: the chain tells amounts, and our records the rest (ADR 0072).

Everything else of a final state equals what all signed before: assets, destinations, types, order
and sum. Amounts that do not fit are no final state's of the channel, and nothing is made of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from protocols.abi import encode_outcome
from protocols.channel import PREFUND_TURN, Channel, signed_final, supported_final
from protocols.outcome import Outcome
from protocols.types import Amount


class Conclusion(Struct, frozen=True, gc=False):
    """What finalises, as far as it is known."""

    outcome: bytes = b""
    """Encoded; b"" if it is not known."""
    amounts: tuple[Amount, ...] = ()
    """What the chain told and the outcome was made of; none where it is our guess."""


def concluded_with(channel: Channel, told: Sequence[Amount]) -> Conclusion:
    """The outcome that stands after a conclusion of which the chain told these amounts.

    Without amounts that fit, the newest final state that we signed: no other one counts, but there
    may be several, and a lost end of the log may have held the one that was used (M27).
    """
    outcome = _told_by(channel, told)
    if outcome:
        return Conclusion(encode_outcome(outcome), tuple(told))
    final = supported_final(channel) or signed_final(channel, channel.my_index)
    if final is None:
        return Conclusion()
    return Conclusion(encode_outcome(channel.state(final).outcome))


def _told_by(channel: Channel, told: Sequence[Amount]) -> Outcome:
    """The outcome that the channel began with, holding these amounts; empty if they do not fit."""
    opening = channel.state(channel.turns[PREFUND_TURN]).outcome
    shares = [share for exit_ in opening for share in exit_.allocations]
    if len(told) != len(shares):
        return ()
    rest, exits = list(told), []
    for exit_ in opening:
        count = len(exit_.allocations)
        amounts, rest = rest[:count], rest[count:]
        if sum(amounts) != sum(share.amount for share in exit_.allocations):
            return ()
        pairs = zip(exit_.allocations, amounts, strict=True)
        changed = tuple(replace(share, amount=amount) for share, amount in pairs)
        exits.append(replace(exit_, allocations=changed))
    return tuple(exits)
