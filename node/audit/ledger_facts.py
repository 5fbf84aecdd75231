"""A ledger in the audit's own words: balances and guarantees, folded from recorded changes.

A second arithmetic beside the reducers', so that neither vouches for itself. The state that a
change leads to is built whole and encoded as any other state is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from protocols import ledger_events, resumption_events
from protocols.errors import ProtocolError
from protocols.ledger import ADD, GUARANTEE_COUNT_MAX, MOVE, NO_TARGET, REMOVE
from protocols.outcome import (
    GUARANTEE,
    Allocation,
    SingleAssetExit,
    destination_of,
    guarantee_metadata,
)
from protocols.state import FixedPart, State, state_from_encoding
from protocols.types import amount_from_bytes

GUARANTEE_METADATA_SIZE_BYTES = 64
"""Left's and right's destination."""

ProposalEvent = ledger_events.LedgerUpdateProposed | ledger_events.LedgerUpdateReceived
AgreementEvent = (
    ledger_events.LedgerUpdateSigned
    | ledger_events.LedgerUpdateConfirmed
    | ledger_events.LedgerCountersignatureSeen
)
RefusalEvent = ledger_events.LedgerUpdateRefused | ledger_events.LedgerRefusalReceived
AskedEvent = ledger_events.LedgerPaymentAsked | ledger_events.LedgerPaymentRequested
WishRefusalEvent = ledger_events.LedgerPaymentRefused | ledger_events.LedgerPaymentRefusalReceived
LEDGER_EVENTS = (
    ProposalEvent
    | AgreementEvent
    | RefusalEvent
    | AskedEvent
    | WishRefusalEvent
    | ledger_events.LedgerUpdateResent
    | ledger_events.LedgerRestored
    | resumption_events.LedgerResumptionTold
    | resumption_events.LedgerResumptionHeard
    | resumption_events.LedgerJumpSigned
    | resumption_events.LedgerResumed
)


@dataclass(frozen=True, slots=True)
class Change:
    """One change, as its record says. Amounts in the asset's smallest unit."""

    kind: str
    target: bytes
    amount: int
    left: bytes
    """Destination; the giver of a move."""
    right: bytes
    left_amount: int
    fee: int
    request_id: str

    def inverse(self) -> "Change":
        """What undoes it (M8)."""
        if self.kind == MOVE:
            return replace(self, left=self.right, right=self.left)
        return replace(self, kind=REMOVE if self.kind == ADD else ADD)

    def gains(self) -> tuple[int, int]:
        """What left and right have more afterwards."""
        if self.kind == MOVE:
            return -self.amount, self.amount
        left, right = self.left_amount + self.fee, self.amount - self.left_amount - self.fee
        return (left, right) if self.kind == REMOVE else (-left, -right)


def change_of(event: ProposalEvent) -> Change:
    """The change that a record proposes."""
    amounts = (amount_from_bytes(n) for n in (event.amount, event.left_amount, event.fee))
    amount, left_amount, fee = amounts
    parts = (event.kind, event.target, amount, event.left, event.right, left_amount, fee)
    return Change(*parts, event.request_id)


@dataclass(slots=True)
class Book:
    """Who has how much: free balances by destination, guarantees by target."""

    balances: dict[bytes, int]
    guarantees: dict[bytes, Allocation] = field(default_factory=dict)

    def copy(self) -> "Book":
        """A book that may be changed by itself."""
        return Book(dict(self.balances), dict(self.guarantees))

    def faults(self, change: Change) -> Iterator[str]:
        """Why the amounts and guarantees do not allow a change; nothing if they do."""
        parties = set(self.balances)
        if {change.left, change.right} != parties:
            yield "left and right are not the ledger's two parties (M14)"
            return
        if change.kind == MOVE:
            if change.target != NO_TARGET or change.left_amount or change.fee:
                yield "a move has an amount only"
        elif change.kind not in (ADD, REMOVE):
            yield f"no change is called {change.kind!r}"
            return
        elif change.left_amount > change.amount:
            yield f"left's part {change.left_amount} is above the guarantee of {change.amount}"
        known = self.guarantees.get(change.target)
        if change.kind == ADD and known is not None:
            yield "the ledger guarantees that channel already (M17)"
        if change.kind == ADD and len(self.guarantees) >= GUARANTEE_COUNT_MAX:
            yield f"{len(self.guarantees)} guarantees are there already (M17)"
        if change.kind == ADD and change.target == NO_TARGET:
            yield "the guarantee has no target"
        if change.kind == REMOVE and known is None:
            yield "the ledger has no such guarantee"
        elif change.kind == REMOVE and known != allocation_of(change):
            yield "the guarantee it removes has other values"
        for who, gain in zip((change.left, change.right), change.gains(), strict=True):
            if self.balances[who] + gain < 0:
                yield f"0x{who[12:].hex()} has {self.balances[who]}, {-gain} is taken"

    def apply(self, change: Change) -> None:
        """Take a change for granted, however wrong it is: the findings name it."""
        for who, gain in zip((change.left, change.right), change.gains(), strict=True):
            self.balances[who] = self.balances.get(who, 0) + gain
        if change.kind == ADD:
            self.guarantees[change.target] = allocation_of(change)
        elif change.kind == REMOVE:
            self.guarantees.pop(change.target, None)

    def total(self) -> int:
        """All money of the ledger: no change changes it."""
        return sum(self.balances.values()) + sum(g.amount for g in self.guarantees.values())


def allocation_of(change: Change) -> Allocation:
    """The guarantee that a change adds or removes."""
    metadata = guarantee_metadata(change.left, change.right)
    return Allocation(change.target, change.amount, GUARANTEE, metadata)


@dataclass(slots=True)
class Proposal:
    """A change that waits for the follower's answer, or was refused and is not passed yet."""

    turn_num: int
    change: Change
    state_hash: bytes
    is_refused: bool = False


@dataclass(slots=True)
class LedgerFacts:
    """A ledger from its postfund on."""

    fixed: FixedPart
    asset: bytes
    opening_total: int
    turn_num: int
    """Of the newest state that both signed."""
    agreed: Book
    proposed: Book
    """With all that is queued."""
    queue: list[Proposal] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)
    """Moves that the follower asked for and no agreed state holds yet (M15)."""
    additions: dict[bytes, Change] = field(default_factory=dict)
    """By target, the newest change that added a guarantee for it: what each side put in."""

    told: int = -1
    """The agreed turn that the other party was told after a loss; -1 if none (M27)."""
    heard: tuple[int, bytes, bool] | None = None
    """What it said: turn, state hash, and whether our log contains the head that it holds."""
    jump: tuple[int, bytes] | None = None
    """Turn and state hash of the move that we, the leader, signed to go on."""

    @property
    def follower(self) -> bytes:
        """Where the follower is paid."""
        return destination_of(self.fixed.participants[1])

    @property
    def highest_turn(self) -> int:
        """The highest turn that anyone signed a running state for."""
        return self.queue[-1].turn_num if self.queue else self.turn_num

    def proposal(self, turn_num: int) -> Proposal | None:
        """What is queued at a turn."""
        return next((p for p in self.queue if p.turn_num == turn_num), None)

    def own_changes(self, through_turn: int) -> Iterator[Proposal]:
        """What the states through a turn do: all but what is refused and what undoes that (M8)."""
        standing: list[Change] = []
        for proposal in self.queue:
            if proposal.turn_num > through_turn:
                return
            if proposal.is_refused:
                standing.append(proposal.change)
            elif standing and proposal.change.inverse() in standing:
                standing.remove(proposal.change.inverse())
            else:
                yield proposal

    def refused_standing(self, through_turn: int) -> list[Proposal]:
        """What is refused up to a turn and not undone up to it."""
        standing: list[Proposal] = []
        for proposal in self.queue:
            if proposal.turn_num > through_turn:
                break
            undone = [p for p in standing if p.change == proposal.change.inverse()]
            if proposal.is_refused:
                standing.append(proposal)
            elif undone:
                standing.remove(undone[0])
        return standing

    def apply(self, event: LEDGER_EVENTS) -> None:
        """Take one more record for granted."""
        match event:
            case ledger_events.LedgerUpdateProposed() | ledger_events.LedgerUpdateReceived():
                change = change_of(event)
                self.proposed.apply(change)
                self.queue.append(Proposal(event.turn_num, change, event.state_hash))
                if change.kind == ADD:
                    self.additions[change.target] = change
            case (
                ledger_events.LedgerUpdateSigned()
                | ledger_events.LedgerUpdateConfirmed()
                | ledger_events.LedgerCountersignatureSeen()
            ):
                self._agree(event.turn_num)
            case ledger_events.LedgerUpdateRefused() | ledger_events.LedgerRefusalReceived():
                refused = self.proposal(event.turn_num)
                if refused is not None:
                    refused.is_refused = True
                    self._end_wish(refused.change)
            case ledger_events.LedgerPaymentAsked() | ledger_events.LedgerPaymentRequested():
                self.asked[event.request_id] = amount_from_bytes(event.amount)
            case ledger_events.LedgerPaymentRefusalReceived():
                self.asked.pop(event.request_id, None)
            case ledger_events.LedgerRestored():
                self._restore(event)
            case _:
                self._apply_resumption(event)

    def _apply_resumption(self, event: LEDGER_EVENTS) -> None:
        match event:
            case resumption_events.LedgerResumptionTold():
                self.told = event.turn_num
            case resumption_events.LedgerResumptionHeard():
                self.heard = (event.turn_num, event.state_hash, event.agrees)
            case resumption_events.LedgerJumpSigned():
                self.jump = (event.turn_num, event.state_hash)
            case resumption_events.LedgerResumed():
                self.turn_num, self.proposed = event.turn_num, self.agreed.copy()
                self.queue.clear()
                self.asked.clear()
                self.forget_resumption()

    def forget_resumption(self) -> None:
        """Nothing that was said before a loss, or before the ledger went on, counts any more."""
        self.told, self.heard, self.jump = -1, None, None

    def _restore(self, event: ledger_events.LedgerRestored) -> None:
        try:
            state = state_from_encoding(self.fixed, event.encoded_state)
        except ProtocolError:
            return
        found = book_of(state)
        if found is not None:
            self.turn_num, self.agreed, self.proposed = state.turn_num, found, found.copy()
            self.queue.clear()
            self.asked.clear()

    def _end_wish(self, refused: Change) -> None:
        """What the follower asked for and then refused is over, unless it stands a second time."""
        if refused.kind != MOVE or refused.left != self.follower:
            return
        if self.asked.get(refused.request_id) != refused.amount:
            return
        if not any(own.change == refused for own in self.own_changes(self.highest_turn)):
            self.asked.pop(refused.request_id)

    def _agree(self, turn_num: int) -> None:
        for own in self.own_changes(turn_num):
            if own.change.kind == MOVE and own.change.left == self.follower:
                self.asked.pop(own.change.request_id, None)
        while self.queue and self.queue[0].turn_num <= turn_num:
            self.agreed.apply(self.queue.pop(0).change)
        self.turn_num = max(self.turn_num, turn_num)


def opened(postfund: State) -> LedgerFacts | None:
    """The ledger that a postfund begins; None if it is no ledger's."""
    start = book_of(postfund)
    if start is None:
        return None
    asset, turn_num = postfund.outcome[0].asset, postfund.turn_num
    return LedgerFacts(postfund.fixed, asset, start.total(), turn_num, start, start.copy())


def book_of(state: State) -> Book | None:
    """What a ledger's state says; None if it is no ledger's."""
    if len(state.fixed.participants) != 2 or len(state.outcome) != 1:
        return None
    (exit_,) = state.outcome
    book = Book(
        {a.destination: a.amount for a in exit_.allocations[:2]},
        {a.destination: a for a in exit_.allocations[2:]},
    )
    built = state_of(state.fixed, exit_.asset, book, state.turn_num, is_final=state.is_final)
    others = exit_.allocations[2:]
    are_guarantees = all(
        a.allocation_type == GUARANTEE and len(a.metadata) == GUARANTEE_METADATA_SIZE_BYTES
        for a in others
    )
    return book if built == state and are_guarantees else None


def state_of(
    fixed: FixedPart, asset: bytes, book: Book, turn_num: int, *, is_final: bool = False
) -> State:
    """The state in which the ledger stands like that. Raises ProtocolError if none can."""
    parties = [destination_of(who) for who in fixed.participants]
    free = [Allocation(who, book.balances.get(who, 0)) for who in parties]
    guarantees = [book.guarantees[target] for target in sorted(book.guarantees)]
    outcome = (SingleAssetExit(asset, (*free, *guarantees)),)
    return State(fixed, b"", outcome, turn_num, is_final)
