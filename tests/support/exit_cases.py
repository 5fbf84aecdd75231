"""Cases of leaving: a payer, perhaps a hub, a payee, their ledgers and virtual channels, seeded.

A case says what everybody signed, how the channels end on chain while one party is honest, and what
a stranger meddles with. What happens is worked out here by trying every end; nothing of
`protocols.exit_value` is used for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from random import Random

from protocols.exit_value import Material, SignedState
from protocols.ledger import Guarantee, LedgerVars, ledger_state
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.settlement import settled
from protocols.state import FixedPart, State
from protocols.types import Address, Amount, ChannelId, from_hex
from tests.support.nitro_signing import Actor, actor

SIGNATURE = b"\x1b" * 65
"""Stands for a signature where only its presence counts."""
PREFUND, POSTFUND, REDEMPTION, FINAL = range(4)
AGREED_TURN = 7
DURATION_S = 100


@dataclass(frozen=True)
class End:
    """How one channel finalises: by the state of that turn, which pays the payee `paid`."""

    turn: int
    paid: Amount = 0


@dataclass(frozen=True)
class VirtualCase:
    """A virtual channel and what was signed in it."""

    people: tuple[Actor, ...]
    fixed: FixedPart
    asset: Address
    amount: Amount
    postfund_signers: frozenset[int]
    issued: Amount
    accepted: Amount
    final_signers: frozenset[int]
    """Empty: no final state; all: it is supported."""
    final_paid: Amount

    @property
    def channel_id(self) -> ChannelId:
        return self.fixed.channel_id()

    @property
    def is_open(self) -> bool:
        """Whether everybody signed the postfund."""
        return len(self.postfund_signers) == len(self.people)

    def exit_paying(self, paid: Amount) -> SingleAssetExit:
        payer, payee = (destination_of(from_hex(self.people[i].address)) for i in (0, -1))
        shares = (Allocation(payer, self.amount - paid), Allocation(payee, paid))
        return SingleAssetExit(self.asset, shares)

    def state(self, end: End, app_data: bytes = b"") -> State:
        outcome = (self.exit_paying(end.paid),)
        return State(self.fixed, app_data, outcome, end.turn, end.turn == FINAL)

    def material(self, me: int) -> Material:
        everybody = frozenset(range(len(self.people)))
        signers = {PREFUND: everybody, POSTFUND: self.postfund_signers, FINAL: self.final_signers}
        states = tuple(
            SignedState(self.state(End(turn, self.final_paid if turn == FINAL else 0)), present)
            for turn, who in signers.items()
            if (present := tuple(SIGNATURE if i in who else b"" for i in sorted(everybody))) and who
        )
        voucher = {0: self.issued, len(self.people) - 1: self.accepted}.get(me, 0)
        return Material(self.fixed, states, voucher)

    def ends(self, honest: int) -> list[End]:
        """Every end that the others can bring about while that participant answers as it may."""
        everybody = frozenset(range(len(self.people)))
        payee = len(self.people) - 1
        if self.final_signers == everybody:
            return [End(FINAL, self.final_paid)]
        ends = [End(PREFUND)]
        if honest == payee and self.is_open:
            ends = [End(REDEMPTION, self.accepted)]
        elif honest in self.postfund_signers:
            most = self.issued if honest == 0 else self.amount
            ends += [End(POSTFUND), *(End(REDEMPTION, paid) for paid in {0, most // 2, most})]
        if honest == payee and not self.is_open:
            ends = [End(PREFUND)]
        if honest in self.final_signers:
            ends.append(End(FINAL, self.final_paid))
        return ends


@dataclass(frozen=True)
class LedgerCase:
    """A ledger, its newest agreed state and one that only its leader signed."""

    people: tuple[Actor, Actor]
    fixed: FixedPart
    asset: Address
    held: Amount
    agreed: LedgerVars
    proposed: LedgerVars | None

    def vars_at(self, turn: int) -> LedgerVars:
        if turn == AGREED_TURN:
            return self.agreed
        if turn == AGREED_TURN + 1:
            assert self.proposed is not None
            return self.proposed
        half = self.held // 2
        return LedgerVars(half, self.held - half)

    def state(self, turn: int) -> State:
        return ledger_state(self.fixed, self.asset, self.vars_at(turn), turn)

    def material(self) -> Material:
        both = (SIGNATURE, SIGNATURE)
        states = [SignedState(self.state(turn), both) for turn in (0, 1, AGREED_TURN)]
        if self.proposed is not None:
            states.append(SignedState(self.state(AGREED_TURN + 1), (SIGNATURE, b"")))
        return Material(self.fixed, tuple(states), None, self.held)

    def ends(self, honest: Actor) -> list[int]:
        """The turns it can finalise at: the follower of what it did not sign keeps to the rest."""
        may_sign = self.proposed is not None and honest != self.people[1]
        return [AGREED_TURN, AGREED_TURN + 1] if may_sign else [AGREED_TURN]


@dataclass(frozen=True)
class ExitCase:
    """Everything of one case."""

    seed: int
    people: tuple[Actor, ...]
    honest: int
    asset: Address
    ledgers: tuple[LedgerCase, ...]
    virtuals: tuple[VirtualCase, ...]
    random: Random = field(compare=False, repr=False)

    @property
    def me(self) -> Address:
        """The honest party."""
        return from_hex(self.people[self.honest].address)

    def materials(self) -> list[Material]:
        """What the honest party holds."""
        me = self.people[self.honest]
        ledgers = [ledger.material() for ledger in self.ledgers if me in ledger.people]
        return ledgers + [virtual.material(self.honest) for virtual in self.virtuals]

    def all_ends(self) -> Iterator[tuple[tuple[int, ...], tuple[End, ...]]]:
        """Every (turn by ledger, end by virtual channel)."""
        me = self.people[self.honest]
        for turns in product(*(ledger.ends(me) for ledger in self.ledgers)):
            for ends in product(*(virtual.ends(self.honest) for virtual in self.virtuals)):
                yield turns, ends

    def paid(self, turns: tuple[int, ...], ends: tuple[End | None, ...]) -> dict[Address, Amount]:
        """What everybody is paid out of the ledgers in that end; None: it does not finalise."""
        targets = {
            virtual.channel_id: virtual.exit_paying(end.paid)
            for virtual, end in zip(self.virtuals, ends, strict=True)
            if end is not None
        }
        sums = {from_hex(who.address): 0 for who in self.people}
        for ledger, turn in zip(self.ledgers, turns, strict=True):
            (exit_,) = ledger.state(turn).outcome
            for destination, amount in settled(exit_, ledger.held, targets).items():
                sums[destination[12:]] += amount
        return sums

    def worst(self) -> tuple[tuple[int, ...], tuple[End, ...]]:
        """The end in which the honest party is paid the least."""
        return min(self.all_ends(), key=lambda end: self.paid(*end)[self.me])


def exit_case(seed: int, asset: Address, payment_app: Address, consensus_app: Address) -> ExitCase:
    """The case of that seed."""
    random = Random(seed)
    names = ("payer", "hub", "payee") if random.random() < 0.7 else ("payer", "payee")
    people = tuple(actor(f"{name} of exit {seed}") for name in names)
    addresses = tuple(from_hex(who.address) for who in people)
    virtuals = tuple(
        _virtual(
            random, people, FixedPart(addresses, seed * 10 + i, payment_app, DURATION_S), asset
        )
        for i in range(random.randint(0, 3))
    )
    ledgers = tuple(
        _ledger(
            random, (people[i], people[i + 1]), seed * 10 + 5 + i, consensus_app, virtuals, asset
        )
        for i in range(len(people) - 1)
    )
    honest = random.randrange(len(people))
    return ExitCase(seed, people, honest, asset, ledgers, virtuals, random)


def _virtual(
    random: Random, people: tuple[Actor, ...], fixed: FixedPart, asset: Address
) -> VirtualCase:
    everybody = range(len(people))
    amount = random.randint(1, 1_000)
    stage = random.choice(("prefund", "open", "open", "offered", "closed"))
    if stage == "prefund":
        some = frozenset(random.sample(everybody, random.randint(0, len(people) - 1)))
        return VirtualCase(people, fixed, asset, amount, some, 0, 0, frozenset(), 0)
    issued = random.randint(0, amount)
    accepted = random.choice((issued, random.randint(0, issued)))
    finals: frozenset[int] = frozenset()
    if stage == "offered":
        # M12: the payer signs first, the hubs last.
        finals = frozenset({0}) if random.random() < 0.5 else frozenset({0, len(people) - 1})
    elif stage == "closed":
        finals = frozenset(everybody)
    return VirtualCase(
        people, fixed, asset, amount, frozenset(everybody), issued, accepted, finals, issued
    )


def _ledger(
    random: Random,
    near_and_far: tuple[Actor, Actor],
    nonce: int,
    consensus_app: Address,
    virtuals: tuple[VirtualCase, ...],
    asset: Address,
) -> LedgerCase:
    left, right = (destination_of(from_hex(who.address)) for who in near_and_far)
    people = near_and_far if random.random() < 0.5 else near_and_far[::-1]
    addresses = tuple(from_hex(who.address) for who in people)
    fixed = FixedPart(addresses, nonce, consensus_app, DURATION_S)
    guarantees = sorted(
        (Guarantee(v.channel_id, v.amount, left, right) for v in virtuals),
        key=lambda guarantee: guarantee.target,
    )
    leader, follower = random.randint(0, 1_000), random.randint(0, 1_000)
    agreed = LedgerVars(leader, follower, tuple(guarantees))
    proposed = None
    if random.random() < 0.4:
        moved = random.randint(0, leader)
        proposed = LedgerVars(leader - moved, follower + moved, tuple(guarantees))
    held = leader + follower + sum(guarantee.amount for guarantee in guarantees)
    return LedgerCase(people, fixed, asset, held, agreed, proposed)
