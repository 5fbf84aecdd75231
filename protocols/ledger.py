"""Ledger channels: two parties' balances and the guarantees that fund other channels from them.

The leader (participant 0) proposes changes and signs the state each leads to; the follower
countersigns one of them, which agrees to all before it. A proposal once signed is undone only by
its inverse, behind a named refusal (M8). Here are the values and their arithmetic; how the queue of
proposals changes is in `ledger_queue`, and who may propose or accept what is for the objectives.

State bytes are Nitro's: one asset, allocations [leader, follower, guarantees ascending by target],
empty app data.
Source: go-nitro's consensus channel, `money-rules` M8, M14, M15, M17.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from protocols import ledger_standing
from protocols.ledger_errors import (
    DuplicateGuarantee,
    GuaranteeNotFound,
    InvalidGuaranteeAmount,
    InvalidLedgerChange,
    LedgerFundsInsufficient,
    TooManyGuarantees,
)
from protocols.ledger_standing import Standing
from protocols.outcome import (
    GUARANTEE,
    Allocation,
    Outcome,
    SingleAssetExit,
    decode_guarantee_metadata,
    destination_of,
    guarantee_metadata,
)
from protocols.state import FixedPart, State
from protocols.types import Address, Amount, ChannelId, Destination, Signature, StateHash, TurnNum

ADD = "add"
REMOVE = "remove"
MOVE = "move"

NO_TARGET = bytes(32)
"""The target of a change that concerns no other channel."""

GUARANTEE_COUNT_MAX = 400
"""M17: with 600 a challenge no longer fits into a transaction."""

RESTORED_TURN_JUMP = 2**20
"""M27: how far above the turns it remembers a leader goes on that lost the end of its log."""

QUEUE_COUNT_MAX = 256
"""Proposals of one ledger that may wait for a countersignature."""

REFUSED_PAYMENT_COUNT_MAX = 16
"""Refused payments of one ledger that are remembered; the log has them all."""


class Change(Struct, frozen=True, array_like=True, gc=False):
    """One change of a ledger; its inverse has the same values."""

    kind: str
    """ADD, REMOVE or MOVE."""
    target: ChannelId
    """The channel that the guarantee funds; NO_TARGET for a move."""
    amount: Amount
    """Of the guarantee; or what a move takes from left and gives to right."""
    left: Destination
    """The party nearer to the payer; the giver of a move."""
    right: Destination
    left_amount: Amount = 0
    """What left puts into an added guarantee or gets out of a removed one; right has the rest."""
    fee: Amount = 0
    """M14: moved from left to right when a guarantee is added, back when that is undone."""
    request_id: str = ""
    """The owner's request that a move answers (M15)."""


class Guarantee(Struct, frozen=True, array_like=True, gc=False):
    """An amount of the ledger that funds another channel."""

    target: ChannelId
    amount: Amount
    left: Destination
    right: Destination


class LedgerVars(Struct, frozen=True, array_like=True, gc=False):
    """What changes from turn to turn. The guarantees ascend by target."""

    leader: Amount
    follower: Amount
    guarantees: tuple[Guarantee, ...] = ()


class Proposed(Struct, frozen=True, array_like=True, gc=False):
    """A change that the leader signed and the follower has not countersigned."""

    turn_num: TurnNum
    change: Change
    state_hash: StateHash
    signature: Signature
    refusal: str = ""
    """The name of the follower's refusal, which binds it never to sign this turn."""


class Asked(Struct, frozen=True, array_like=True, gc=False):
    """A move that the follower asked the leader for (M15)."""

    request_id: str
    amount: Amount


class RefusedPayment(Struct, frozen=True, array_like=True, gc=False):
    """A move that its giver's owner wanted and the other party refused: it is not made."""

    request_id: str
    amount: Amount
    by_leader: bool
    """Who was to give: the leader, or else the follower."""
    error_code: str


class Resumption(Struct, frozen=True, array_like=True, gc=False):
    """After a loss of records on either side: what the two told each other, to go on (M27)."""

    told_turn: int = -1
    """The agreed turn that we told last; -1 if none since the loss."""
    heard_turn: int = -1
    """The agreed turn that the other party told last."""
    heard_hash: bytes = b""
    """The hash of its state."""
    head_agrees: bool = False
    """Whether our log contains the head that the other party holds of it."""
    owes_answer: bool = False
    """Whether the other party asked and was not told yet."""
    jump_turn: int = -1
    """Of the move of 0 that we, the leader, signed; -1 before."""
    jump_hash: bytes = b""
    jump_signature: bytes = b""
    asked_again: bool = False
    """Whether the other party asked after we signed it: it lost the move, which is made again."""
    is_head_lost: bool = False
    """Whether it once showed a head that our log lost, while we may only close: whatever it shows
    later, the two do not agree."""


class Ledger(Struct, frozen=True, array_like=True, gc=False):
    """The newest agreed state of a ledger channel, and what is proposed on top of it."""

    asset: Address
    turn_num: TurnNum
    """Of the newest state that both signed."""
    state_hash: StateHash
    signatures: tuple[Signature, Signature]
    """The leader's and the follower's under that state."""
    current: LedgerVars
    proposed: LedgerVars
    """After everything in the queue."""
    queue: tuple[Proposed, ...] = ()
    """By turn number, dense, from turn_num + 1."""
    asked: tuple[Asked, ...] = ()
    """Moves the follower asked for that no agreed state holds yet."""
    refused_payments: tuple[RefusedPayment, ...] = ()
    """The newest, oldest first, at most `REFUSED_PAYMENT_COUNT_MAX`: for the owner who asked."""
    standing: Standing = ledger_standing.EMPTY
    """What the queue takes whatever of it is refused. It follows from the queue, and is kept since
    a queue may be long."""

    resumption: Resumption | None = None
    """None unless a loss of records is to be made good in it."""
    resumed_turn: TurnNum = 0
    """Of the newest move that made one good; 0 if none was needed."""

    @property
    def proposed_turn(self) -> TurnNum:
        """The highest turn the leader signed."""
        return self.turn_num + len(self.queue)


def find_guarantee(vars_: LedgerVars, target: ChannelId) -> Guarantee | None:
    """The guarantee for that channel, if there is one."""
    guarantees = vars_.guarantees
    index = bisect_left(guarantees, target, key=_target)
    if index < len(guarantees) and guarantees[index].target == target:
        return guarantees[index]
    return None


def _target(guarantee: Guarantee) -> ChannelId:
    return guarantee.target


def balance_total(vars_: LedgerVars) -> Amount:
    """All money of the ledger: constant whatever is changed (the invariant of every step)."""
    return vars_.leader + vars_.follower + sum(g.amount for g in vars_.guarantees)


def inverse(change: Change) -> Change:
    """The change that undoes this one exactly (M8)."""
    if change.kind == MOVE:
        return replace(change, left=change.right, right=change.left)
    return replace(change, kind=REMOVE if change.kind == ADD else ADD)


def after(vars_: LedgerVars, change: Change, fixed: FixedPart) -> LedgerVars:
    """The ledger after one change. Raises a LedgerRefused for one that its amounts do not allow."""
    return shifted(vars_, change, deltas(change, fixed))


def shifted(vars_: LedgerVars, change: Change, shift: tuple[int, int]) -> LedgerVars:
    """`after`, for who knows the change's `deltas` already."""
    guarantees = vars_.guarantees
    to_leader, to_follower = shift
    if change.kind == ADD:
        guarantees = _with(vars_, change)
    elif change.kind == REMOVE:
        guarantees = _without(vars_, change)
    leader, follower = vars_.leader + to_leader, vars_.follower + to_follower
    if leader < 0:
        raise LedgerFundsInsufficient(-to_leader, vars_.leader)
    if follower < 0:
        raise LedgerFundsInsufficient(-to_follower, vars_.follower)
    return LedgerVars(leader, follower, guarantees)


def deltas(change: Change, fixed: FixedPart) -> tuple[int, int]:
    """What a change adds to the leader's and to the follower's balance.

    Raises InvalidLedgerChange or InvalidGuaranteeAmount for a change that is none.
    """
    leader, follower = parties(fixed)
    left_is_leader = change.left == leader
    if change.right != (follower if left_is_leader else leader) or (
        not left_is_leader and change.left != follower
    ):
        raise InvalidLedgerChange("left and right are not the ledger's two parties")
    if change.kind == MOVE:
        if change.target != NO_TARGET or change.left_amount or change.fee:
            raise InvalidLedgerChange("a move has an amount only")
        left, right = -change.amount, change.amount
    else:
        right_amount = change.amount - change.left_amount
        if right_amount < 0:
            raise InvalidGuaranteeAmount(change.left_amount, change.amount)
        left, right = change.left_amount + change.fee, right_amount - change.fee
        if change.kind == ADD:
            left, right = -left, -right
        elif change.kind != REMOVE:
            raise InvalidLedgerChange(f"no change is called {change.kind!r}")
    return (left, right) if left_is_leader else (right, left)


@lru_cache(maxsize=4096)
def parties(fixed: FixedPart) -> tuple[Destination, Destination]:
    """The destinations that pay the leader and the follower."""
    leader, follower = fixed.participants
    return destination_of(leader), destination_of(follower)


def _with(vars_: LedgerVars, change: Change) -> tuple[Guarantee, ...]:
    guarantees = vars_.guarantees
    if change.target == NO_TARGET:
        raise InvalidLedgerChange("a guarantee needs a target")
    index = bisect_left(guarantees, change.target, key=_target)
    if index < len(guarantees) and guarantees[index].target == change.target:
        raise DuplicateGuarantee(change.target)
    if len(guarantees) >= GUARANTEE_COUNT_MAX:
        raise TooManyGuarantees(len(guarantees), GUARANTEE_COUNT_MAX)
    added = Guarantee(change.target, change.amount, change.left, change.right)
    return (*guarantees[:index], added, *guarantees[index:])


def _without(vars_: LedgerVars, change: Change) -> tuple[Guarantee, ...]:
    guarantees = vars_.guarantees
    index = bisect_left(guarantees, change.target, key=_target)
    if index == len(guarantees) or guarantees[index].target != change.target:
        raise GuaranteeNotFound(change.target)
    found = guarantees[index]
    if found != Guarantee(change.target, change.amount, change.left, change.right):
        raise InvalidLedgerChange("the guarantee to remove has other values")
    return guarantees[:index] + guarantees[index + 1 :]


def ledger_outcome(fixed: FixedPart, asset: Address, vars_: LedgerVars) -> Outcome:
    """Nitro's ledger outcome: leader, follower, then the guarantees ascending by target."""
    leader, follower = fixed.participants
    allocations = [
        Allocation(destination_of(leader), vars_.leader),
        Allocation(destination_of(follower), vars_.follower),
    ]
    for guarantee in vars_.guarantees:
        metadata = guarantee_metadata(guarantee.left, guarantee.right)
        allocations.append(Allocation(guarantee.target, guarantee.amount, GUARANTEE, metadata))
    return (SingleAssetExit(asset, tuple(allocations)),)


def ledger_state(
    fixed: FixedPart,
    asset: Address,
    vars_: LedgerVars,
    turn_num: TurnNum,
    *,
    is_final: bool = False,
) -> State:
    """The state that is signed for these balances and guarantees."""
    return State(fixed, b"", ledger_outcome(fixed, asset, vars_), turn_num, is_final)


def opened(
    asset: Address, postfund: StateHash, signatures: tuple[bytes, ...], amounts: tuple[int, ...]
) -> Ledger:
    """The ledger as the postfund (turn 1), signed by both, leaves it."""
    leader, follower = amounts
    start = LedgerVars(leader, follower)
    return Ledger(asset, 1, postfund, (signatures[0], signatures[1]), start, start)


def vars_of(state: State) -> LedgerVars:
    """The balances and guarantees of a ledger's state; InvalidLedgerChange if it is none."""
    if len(state.outcome) != 1 or len(state.outcome[0].allocations) < 2:
        raise InvalidLedgerChange("no state of a ledger has such an outcome")
    leader, follower, *others = state.outcome[0].allocations
    guarantees = tuple(
        Guarantee(found.destination, found.amount, *decode_guarantee_metadata(found.metadata))
        for found in others
    )
    vars_ = LedgerVars(leader.amount, follower.amount, guarantees)
    asset, turn_num = state.outcome[0].asset, state.turn_num
    is_sorted = all(a.target < b.target for a, b in pairwise(guarantees))
    if not is_sorted or state != ledger_state(state.fixed, asset, vars_, turn_num):
        raise InvalidLedgerChange("no state of a ledger looks like this")
    return vars_


def begun_anew(said: Resumption | None) -> Resumption:
    """Nothing that was said before a loss counts, but that the other party showed what we lost."""
    return Resumption(is_head_lost=said is not None and said.is_head_lost)


def restored(
    ledger: Ledger, state: State, state_hash: StateHash, signatures: tuple[Signature, Signature]
) -> Ledger:
    """The ledger as a state says that both signed and we forgot; what was proposed is gone."""
    vars_ = vars_of(state)
    known = ledger.refused_payments
    return Ledger(
        ledger.asset,
        state.turn_num,
        state_hash,
        signatures,
        vars_,
        vars_,
        refused_payments=known,
        resumption=begun_anew(ledger.resumption),
        resumed_turn=ledger.resumed_turn,
    )


def resumed(
    ledger: Ledger,
    turn_num: TurnNum,
    state_hash: StateHash,
    signatures: tuple[Signature, Signature],
) -> Ledger:
    """The ledger after a move of 0 far above all that either side forgot (M27).

    What was proposed or wished for below it is not made: the owner who asked for it reads so.
    """
    return Ledger(
        ledger.asset,
        turn_num,
        state_hash,
        signatures,
        ledger.current,
        ledger.current,
        refused_payments=ledger.refused_payments,
        resumed_turn=turn_num,
    )
