"""In what the channel of an application may end, by what a party of it signed (M22).

an end     the newest state that the chain takes, or one above it that the party signed
a hub      it sees no running state: anything; as it began, until it signed the postfund
judged, the other end to move     it may take all: whether it can only the game knows
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from protocols.app_channel import JUDGED
from protocols.channel import POSTFUND_TURN
from protocols.outcome import SingleAssetExit, total
from protocols.signed_state import SignedState
from protocols.types import Amount


def endings_of_application(
    rule: str, states: Sequence[SignedState], index: int
) -> list[SingleAssetExit | None]:
    """The outcomes, the best defence given; None: it may never finalise.

    `states` are those known of it, the prefund first, no final ones; `index` is the party's.
    """
    opening = states[0].state.outcome[0]
    last = len(states[0].state.fixed.participants) - 1
    is_signed = [signed for signed in states if signed.signatures[index]]
    if index not in (0, last):
        return _endings_of_hub(opening, is_signed)
    taken = [signed for signed in states if _is_taken(rule, signed)]
    newest = max(taken, key=lambda signed: signed.state.turn_num, default=None)
    if newest is None:
        return [None]
    turn_num = newest.state.turn_num
    later = [signed for signed in is_signed if signed.state.turn_num > turn_num]
    ways = [signed.state.outcome[0] for signed in (newest, *later)]
    is_open = rule == JUDGED and turn_num >= POSTFUND_TURN
    if is_open and (turn_num - POSTFUND_TURN) % 2 != (0 if index == 0 else 1):
        ways.append(_split(opening, 0 if index == 0 else total(opening)))
    return list(ways)


def _endings_of_hub(
    opening: SingleAssetExit, mine: Sequence[SignedState]
) -> list[SingleAssetExit | None]:
    """No running state counts without the hub's postfund."""
    if any(signed.state.turn_num >= POSTFUND_TURN for signed in mine):
        return [_split(opening, 0), _split(opening, total(opening))]
    if any(signed.is_signed_by_all for signed in mine):
        return [opening]
    return [opening, None] if mine else [None]


def _is_taken(rule: str, signed: SignedState) -> bool:
    """Whether the chain takes it, on the postfund and maybe the state before."""
    turn_num, signatures = signed.state.turn_num, signed.signatures
    if turn_num <= POSTFUND_TURN:
        return signed.is_signed_by_all
    if rule == JUDGED:
        return bool(signatures[0 if turn_num % 2 == 0 else -1])
    return bool(signatures[0] and signatures[-1])


def _split(opening: SingleAssetExit, first: Amount) -> SingleAssetExit:
    """The opening outcome with so much for the first end and the rest for the last."""
    one, other = opening.allocations
    shares = (replace(one, amount=first), replace(other, amount=total(opening) - first))
    return replace(opening, allocations=shares)
