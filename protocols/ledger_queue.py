"""A ledger's queue: what the leader proposed and the follower has not countersigned.

A countersignature agrees to the queue through its turn, a refusal leaves the turn in its place
until its inverse is agreed (M8). Here is what becomes of the ledger by each, and what of it stands
whatever is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import astuple, replace

from protocols import ledger_standing
from protocols.ledger import (
    ADD,
    MOVE,
    REFUSED_PAYMENT_COUNT_MAX,
    Asked,
    Change,
    Ledger,
    Proposed,
    RefusedPayment,
    after,
    deltas,
    inverse,
    parties,
    shifted,
)
from protocols.ledger_errors import LedgerUpdateForgotten
from protocols.ledger_standing import Share, Standing
from protocols.state import FixedPart
from protocols.types import Amount, ChannelId, Signature, TurnNum


def with_proposed(ledger: Ledger, proposal: Proposed, fixed: FixedPart) -> Ledger:
    """One more proposal at the end of the queue.

    What a change takes counts until it is agreed; what it gives counts once it is.
    """
    change = proposal.change
    shift = deltas(change, fixed)
    standing = _with_change(ledger.standing, proposal, shift)
    proposed = shifted(ledger.proposed, change, shift)
    return replace(ledger, proposed=proposed, queue=(*ledger.queue, proposal), standing=standing)


def _with_change(standing: Standing, proposal: Proposed, shift: tuple[int, int]) -> Standing:
    change = proposal.change
    share = Share(-min(shift[0], 0), -min(shift[1], 0), int(change.kind == ADD))
    return ledger_standing.with_change(standing, astuple(change), proposal.turn_num, share)


def with_standing_anew(ledger: Ledger, fixed: FixedPart) -> Ledger:
    """The ledger with what its queue takes found by walking the queue: for one of which a refused
    change was agreed all the same, so that what was to undo it undoes nothing."""
    standing = ledger_standing.EMPTY
    for proposal in ledger.queue:
        change, turn_num = proposal.change, proposal.turn_num
        standing = _with_change(standing, proposal, deltas(change, fixed))
        if proposal.refusal:
            key, undoing = astuple(change), astuple(inverse(change))
            standing = ledger_standing.with_refused(standing, key, turn_num, undoing)
    return replace(ledger, standing=standing)


def with_agreed(
    ledger: Ledger, turn_num: TurnNum, signature: Signature, fixed: FixedPart
) -> Ledger:
    """The follower's signature on that turn: the queue through it is agreed."""
    count = turn_num - ledger.turn_num
    agreed, rest = ledger.queue[:count], ledger.queue[count:]
    current = ledger.current if rest else ledger.proposed
    standing = ledger.standing if rest else ledger_standing.EMPTY
    if rest:
        for proposal in agreed:
            current = after(current, proposal.change, fixed)
            key = astuple(proposal.change)
            standing = ledger_standing.with_agreed(standing, key, proposal.turn_num)
    newest = agreed[-1]
    return replace(
        ledger,
        turn_num=turn_num,
        state_hash=newest.state_hash,
        signatures=(newest.signature, signature),
        current=current,
        queue=rest,
        asked=_still_asked(ledger, agreed, fixed) if ledger.asked else (),
        refused_payments=_still_refused(ledger, agreed) if ledger.refused_payments else (),
        standing=standing,
    )


def _still_refused(ledger: Ledger, agreed: Sequence[Proposed]) -> tuple[RefusedPayment, ...]:
    """Without what the follower refused and signed all the same, as the chain showed."""
    refusals, known = OpenRefusals(), ledger.refused_payments
    for proposal in agreed:
        if proposal.refusal:
            refusals.add(proposal.change)
        else:
            refusals.settle(proposal.change)
    if not refusals:
        return known
    refused = [p.change for p in agreed if p.refusal]
    made = {change.request_id for change in refused if refusals.settle(inverse(change))}
    return tuple(one for one in known if not (one.by_leader and one.request_id in made))


def _still_asked(
    ledger: Ledger, agreed: tuple[Proposed, ...], fixed: FixedPart
) -> tuple[Asked, ...]:
    """The follower's wishes that the agreed proposals do not meet."""
    done = {
        proposal.change.request_id
        for proposal in agreed
        if _is_followers_move(proposal.change, fixed) and is_own_change(ledger, proposal)
    }
    return tuple(asked for asked in ledger.asked if asked.request_id not in done)


def with_refused(ledger: Ledger, turn_num: TurnNum, error_code: str, fixed: FixedPart) -> Ledger:
    """The follower never signs that turn; unchanged if it does not wait in the queue.

    A wish that the refused move was to meet is over: proposed again, it would be refused again.
    """
    index = turn_num - ledger.turn_num - 1
    if not 0 <= index < len(ledger.queue):
        return ledger
    refused = replace(ledger.queue[index], refusal=error_code)
    queue = (*ledger.queue[:index], refused, *ledger.queue[index + 1 :])
    undoing = astuple(inverse(refused.change))
    standing = ledger_standing.with_refused(
        ledger.standing, astuple(refused.change), turn_num, undoing
    )
    ledger = replace(ledger, queue=queue, standing=standing)
    return _with_refused_payment(ledger, refused, fixed)


def _with_refused_payment(ledger: Ledger, refused: Proposed, fixed: FixedPart) -> Ledger:
    change, asked = refused.change, ledger.asked
    if change.kind != MOVE or not change.request_id:
        return ledger
    by_leader = not _is_followers_move(change, fixed)
    if not by_leader:
        wish = Asked(change.request_id, change.amount)
        if wish not in asked or _is_met(ledger, change):
            # Nobody asked for it, or not twice.
            return ledger
        asked = tuple(known for known in asked if known != wish)
    newest = RefusedPayment(change.request_id, change.amount, by_leader, refused.refusal)
    known = (*ledger.refused_payments, newest)[-REFUSED_PAYMENT_COUNT_MAX:]
    return replace(ledger, asked=asked, refused_payments=known)


def _is_met(ledger: Ledger, move: Change) -> bool:
    """Whether the same move stands in the queue unrefused."""
    return any(p.change == move and is_own_change(ledger, p) for p in ledger.queue)


def _is_followers_move(change: Change, fixed: FixedPart) -> bool:
    return change.kind == MOVE and change.left == parties(fixed)[1]


def is_own_change(ledger: Ledger, proposal: Proposed) -> bool:
    """Whether a proposal in the queue is neither refused nor undoes a refused one (M8)."""
    return ledger_standing.is_own(ledger.standing, astuple(proposal.change), proposal.turn_num)


def with_asked(ledger: Ledger, request_id: str, amount: Amount) -> Ledger:
    """The follower asked for a move."""
    return replace(ledger, asked=(*ledger.asked, Asked(request_id, amount)))


def with_wish_refused(ledger: Ledger, request_id: str, error_code: str) -> Ledger:
    """The leader never proposes the move that the follower asked for under that id."""
    refused = tuple(wish for wish in ledger.asked if wish.request_id == request_id)
    asked = tuple(wish for wish in ledger.asked if wish.request_id != request_id)
    newest = (RefusedPayment(wish.request_id, wish.amount, False, error_code) for wish in refused)
    known = (*ledger.refused_payments, *newest)[-REFUSED_PAYMENT_COUNT_MAX:]
    return replace(ledger, asked=asked, refused_payments=known)


def without_waiting(ledger: Ledger, fixed: FixedPart) -> Ledger:
    """The ledger goes on after a loss: payments that waited are not made, by this name."""
    code = LedgerUpdateForgotten.name()
    waiting = [
        RefusedPayment(
            proposal.change.request_id,
            proposal.change.amount,
            not _is_followers_move(proposal.change, fixed),
            code,
        )
        for proposal in ledger.queue
        if proposal.change.kind == MOVE
        and proposal.change.request_id
        and is_own_change(ledger, proposal)
    ]
    proposed = {payment.request_id for payment in waiting if not payment.by_leader}
    waiting += [
        RefusedPayment(asked.request_id, asked.amount, False, code)
        for asked in ledger.asked
        if asked.request_id not in proposed
    ]
    known = (*ledger.refused_payments, *waiting)[-REFUSED_PAYMENT_COUNT_MAX:]
    return replace(ledger, refused_payments=known)


class OpenRefusals:
    """Refused changes of a queue that no later proposal undoes: found by walking the queue."""

    __slots__ = ("_awaited",)

    def __init__(self) -> None:
        self._awaited: dict[Change, int] = {}

    def add(self, change: Change) -> None:
        """That change is refused."""
        undoing = inverse(change)
        self._awaited[undoing] = self._awaited.get(undoing, 0) + 1

    def settle(self, change: Change) -> bool:
        """True if the change undoes a refused one, which is then open no more (M8)."""
        count = self._awaited.pop(change, 0)
        if count > 1:
            self._awaited[change] = count - 1
        return count > 0

    def __bool__(self) -> bool:
        return bool(self._awaited)


def find_proposed(ledger: Ledger, target: ChannelId) -> Proposed | None:
    """The newest proposal in the queue about that channel's guarantee."""
    for proposal in reversed(ledger.queue):
        if proposal.change.target == target:
            return proposal
    return None


class Secured(Struct, frozen=True, gc=False):
    """What stands of a ledger whatever part of its queue is refused."""

    leader: Amount
    follower: Amount
    guarantee_count: int
    """The most that may stand."""


def secured(ledger: Ledger) -> Secured:
    """The agreed balances without what the queue takes, and before what it gives.

    Who proposes no more than this can always undo what is refused: an inverse never finds that
    what it gives back was spent on by a later proposal (M8). Nothing is left of a side whose later
    proposals leaned on an undoing, once the follower agreed on chain to what it had refused.
    """
    taken, current = ledger.standing.taken, ledger.current
    return Secured(
        max(0, current.leader - taken.leader),
        max(0, current.follower - taken.follower),
        len(current.guarantees) + taken.room,
    )


def is_settled(ledger: Ledger, turn_num: TurnNum) -> bool:
    """Whether nothing through that turn is refused and not undone."""
    refusals = OpenRefusals()
    for proposal in ledger.queue[: turn_num - ledger.turn_num]:
        if proposal.refusal:
            refusals.add(proposal.change)
        else:
            refusals.settle(proposal.change)
    return not refusals
