"""What a party gets when it leaves, worked out and paid by the contracts: equal to the wei (M22).

Each case is played on a real chain: challenges, also stale ones that are outranked, conclusions,
time, reclaims, transfers, and a stranger who deposits into and transfers out of whatever is
finalised, before and between.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from protocols.exit_value import exit_value
from protocols.outcome import SIMPLE, Outcome
from protocols.settlement import payouts, reclaimed
from protocols.state import State
from protocols.types import Address, from_hex
from tests.support.exit_cases import (
    AGREED_TURN,
    DURATION_S,
    FINAL,
    POSTFUND,
    PREFUND,
    REDEMPTION,
    End,
    ExitCase,
    LedgerCase,
    VirtualCase,
    exit_case,
)
from tests.support.nitro_chain import Nitro
from tests.support.nitro_signing import (
    NATIVE,
    Channel,
    VariablePart,
    encode_outcome,
    voucher_data,
)
from tests.support.nitro_signing import Outcome as Values
from tests.support.soak import times

pytestmark = pytest.mark.e2e

CASE_COUNT = times(48)
"""Half of them native, half in a token."""
CONCLUDED = bytes(32)
"""The state hash under which a concluded channel's outcome stands."""


def values_of(outcome: Outcome) -> Values:
    """The outcome as the contracts' structs."""
    return [
        (
            "0x" + exit_.asset.hex(),
            (exit_.asset_type, exit_.asset_metadata),
            [(a.destination, a.amount, a.allocation_type, a.metadata) for a in exit_.allocations],
        )
        for exit_ in outcome
    ]


def variable_part(state: State) -> VariablePart:
    return (values_of(state.outcome), state.app_data, state.turn_num, state.is_final)


class Play:
    """One case on the chain."""

    def __init__(self, nitro: Nitro, case: ExitCase) -> None:
        self.nitro, self.case, self.random = nitro, case, case.random
        self.asset = "0x" + case.asset.hex()
        self.gifts: dict[Address, int] = {from_hex(who.address): 0 for who in case.people}
        """What a stranger's money brought to whom."""

    def channel(self, case: LedgerCase | VirtualCase) -> Channel:
        fixed = case.fixed
        app = "0x" + fixed.app_definition.hex()
        return Channel(case.people, app, fixed.channel_nonce, fixed.challenge_duration)

    def end_ledger(self, ledger: LedgerCase, turn: int) -> bytes:
        """Challenge, perhaps with something old first; the hash of the state that stands."""
        channel = self.channel(ledger)
        if self.random.random() < 0.3:
            stale = variable_part(ledger.state(self.random.choice((PREFUND, POSTFUND))))
            self.nitro.challenge(channel, channel.signed(stale))
        return self.nitro.challenge(channel, channel.signed(variable_part(ledger.state(turn))))

    def end_virtual(self, virtual: VirtualCase, end: End) -> bytes:
        """The same for a virtual channel."""
        channel, postfund = self.channel(virtual), variable_part(virtual.state(End(POSTFUND)))
        if end.turn in (REDEMPTION, FINAL) and self.random.random() < 0.3:
            self.nitro.challenge(channel, channel.signed(postfund))
        if end.turn == FINAL:
            final = channel.signed(variable_part(virtual.state(end)))
            self.nitro.adjudicator.send("conclude", channel.fixed_part, final)
            return CONCLUDED
        if end.turn == REDEMPTION:
            data = voucher_data(virtual.channel_id, end.paid, virtual.people[0])
            payee = virtual.people[-1]
            redemption = channel.signed(variable_part(virtual.state(end, data)), [payee])
            return self.nitro.challenge(channel, redemption, [channel.signed(postfund)], payee)
        return self.nitro.challenge(channel, channel.signed(variable_part(virtual.state(end))))

    def meddle(self, virtual: VirtualCase, end: End, message_hash: bytes) -> None:
        """A stranger deposits into the finalised virtual channel and has it paid out."""
        exit_ = virtual.exit_paying(end.paid)
        gift = self.random.randint(1, 2 * virtual.amount)
        self.nitro.deposit(virtual.channel_id, gift, self.asset)
        arguments = (virtual.channel_id, values_of((exit_,)), message_hash)
        self.nitro.adjudicator.send("transferAllAssets", *arguments)
        for destination, amount in payouts(exit_, gift).items():
            self.gifts[destination[12:]] += amount

    def pay_out(
        self,
        ledger: LedgerCase,
        turn: int,
        message_hash: bytes,
        targets: Sequence[tuple[VirtualCase, End, bytes]],
    ) -> None:
        """Reclaim in any order, shares paid in between, and everything at last."""
        (exit_,) = ledger.state(turn).outcome
        channel_id, send = ledger.fixed.channel_id(), self.nitro.adjudicator.send
        for virtual, end, target_hash in self.random.sample(targets, len(targets)):
            if self.random.random() < 0.4:
                # Both balances stand before the guarantees, so what one of them is paid is its own.
                index = self.random.choice((0, 1))
                encoded = encode_outcome(values_of((exit_,)))
                send("transfer", 0, channel_id, encoded, message_hash, [index])
                shares = list(exit_.allocations)
                shares[index] = replace(shares[index], amount=0)
                exit_ = replace(exit_, allocations=tuple(shares))
            place = [a.destination for a in exit_.allocations].index(virtual.channel_id)
            target = virtual.exit_paying(end.paid)
            source = (channel_id, message_hash, encode_outcome(values_of((exit_,))), 0, place)
            judged = (target_hash, encode_outcome(values_of((target,))), 0)
            send("reclaim", (*source, *judged))
            exit_ = reclaimed(exit_, place, target)
        simple = [i for i, a in enumerate(exit_.allocations) if a.allocation_type == SIMPLE]
        encoded = encode_outcome(values_of((exit_,)))
        send("transfer", 0, channel_id, encoded, message_hash, simple)

    def run(self, turns: Sequence[int], ends: Sequence[End | None]) -> dict[Address, int]:
        """Everything; what everybody was paid out of the ledgers."""
        case = self.case
        for ledger in case.ledgers:
            self.nitro.deposit(ledger.fixed.channel_id(), ledger.held, self.asset)
        ended = [
            (virtual, end, self.end_virtual(virtual, end))
            for virtual, end in zip(case.virtuals, ends, strict=True)
            if end is not None
        ]
        hashes = [
            self.end_ledger(ledger, turn) for ledger, turn in zip(case.ledgers, turns, strict=True)
        ]
        self.nitro.rpc.pass_time(DURATION_S + 1)
        for virtual, end, message_hash in ended:
            if self.random.random() < 0.4:
                self.meddle(virtual, end, message_hash)
        for ledger, turn, message_hash in zip(case.ledgers, turns, hashes, strict=True):
            self.pay_out(ledger, turn, message_hash, ended)
        return {who: self.balance(who) - gift for who, gift in self.gifts.items()}

    def balance(self, who: Address) -> int:
        address = "0x" + who.hex()
        if self.asset == NATIVE:
            return self.nitro.rpc.balance(address)
        balance: int = self.nitro.token.call("balanceOf", address)
        return balance


def case_of(nitro: Nitro, seed: int) -> ExitCase:
    asset = NATIVE if seed % 2 else nitro.token.address
    apps = (nitro.payment_app.address, nitro.consensus_app.address)
    return exit_case(seed, from_hex(asset), *map(from_hex, apps))


@pytest.mark.parametrize("seed", range(CASE_COUNT))
def test_an_honest_party_gets_its_exit_value_to_the_wei_at_worst(nitro: Nitro, seed: int) -> None:
    case = case_of(nitro, seed)
    turns, ends = case.worst()
    paid = Play(nitro, case).run(turns, ends)
    assert paid == case.paid(turns, ends)
    assert paid[case.me] == exit_value(case.me, case.materials())[case.asset]


@pytest.mark.parametrize("seed", range(CASE_COUNT, 2 * CASE_COUNT))
def test_an_honest_party_never_gets_less_than_its_exit_value(nitro: Nitro, seed: int) -> None:
    case = case_of(nitro, seed)
    turns, ends = case.random.choice(list(case.all_ends()))
    paid = Play(nitro, case).run(turns, ends)
    assert paid == case.paid(turns, ends)
    assert paid[case.me] >= exit_value(case.me, case.materials())[case.asset]


@pytest.mark.parametrize("seed", range(2 * CASE_COUNT, 2 * CASE_COUNT + times(12)))
def test_a_guarantee_whose_channel_nobody_finalised_stays_and_locks_nothing_else(
    nitro: Nitro, seed: int
) -> None:
    case = case_of(nitro, seed)
    turns = tuple(AGREED_TURN for _ in case.ledgers)
    ends = tuple(case.random.choice((None, virtual.ends(0)[0])) for virtual in case.virtuals)
    assert Play(nitro, case).run(turns, ends) == case.paid(turns, ends)


def test_the_cases_are_of_every_kind(nitro: Nitro) -> None:
    cases = [case_of(nitro, seed) for seed in range(CASE_COUNT)]
    assert {len(ledger.agreed.guarantees) for c in cases for ledger in c.ledgers} == {0, 1, 2, 3}
    parties = {(len(case.people), case.honest) for case in cases}
    assert parties == {(2, 0), (2, 1), (3, 0), (3, 1), (3, 2)}
    assert {turn for case in cases for turn in case.worst()[0]} == {AGREED_TURN, AGREED_TURN + 1}
    worst = {end.turn for case in cases for end in case.worst()[1]}
    assert worst == {PREFUND, REDEMPTION, FINAL}
    all_ends = {end.turn for case in cases for _, ends in case.all_ends() for end in ends}
    assert all_ends == {PREFUND, POSTFUND, REDEMPTION, FINAL}
