"""What leaving is worth, party by party; `tests/contracts/test_exit_value.py` asks the chain."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import commands
from protocols.errors import TooManyEndings
from protocols.exit_value import (
    LOOKED_AT_COUNT_MAX,
    Material,
    SignedState,
    endings,
    exit_value,
    material_of,
)
from protocols.ledger import Guarantee, LedgerVars, ledger_state
from protocols.outcome import destination_of
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS, Address
from tests.support.actors import ALICE, BOB, IVAN, Actor
from tests.support.builders import CHANNEL, CONSENSUS_APP, DEPOSIT, DURATION_S, PAYMENT_APP, split
from tests.support.exit_cases import exit_case
from tests.support.ledger_rig import FOLLOWER_AMOUNT, LEADER_AMOUNT, LEDGER, opened_ledger
from tests.support.network import opened, pay
from tests.support.soak import times

TOKEN = b"\x70" * 20
AMOUNT = 1_000
BY_ALICE, BY_IVAN, BY_BOB = (b"a", b"", b""), (b"", b"h", b""), (b"", b"", b"b")
BY_ALL = (b"a", b"h", b"b")


def virtual_state(turn: int, paid: int = 0, *, is_final: bool = False) -> State:
    fixed = FixedPart((ALICE.address, IVAN.address, BOB.address), 9, PAYMENT_APP, DURATION_S)
    return State(fixed, b"", split(paid, total=AMOUNT), turn, is_final)


PREFUND = SignedState(virtual_state(0), BY_ALL)
POSTFUND = SignedState(virtual_state(1), BY_ALL)
VIRTUAL = virtual_state(0).fixed


def final(paid: int, signatures: tuple[bytes, ...], turn: int = 3) -> SignedState:
    return SignedState(virtual_state(turn, paid, is_final=True), signatures)


def virtual(*states: SignedState, voucher: int = 0) -> Material:
    return Material(VIRTUAL, (PREFUND, *states), voucher)


def ledger(
    left: Actor,
    right: Actor,
    *,
    balances: tuple[int, int] = (5, 7),
    guarantee: bool = True,
    asset: Address = ZERO_ADDRESS,
    later: tuple[int, int] | None = None,
) -> Material:
    """A ledger that `left` leads, with the guarantee of VIRTUAL; `later` is signed by it alone."""
    fixed = FixedPart((left.address, right.address), 3, CONSENSUS_APP, DURATION_S)
    sides = destination_of(left.address), destination_of(right.address)
    backing = (Guarantee(VIRTUAL.channel_id(), AMOUNT, *sides),) if guarantee else ()

    def at(turn: int, amounts: tuple[int, int], signatures: tuple[bytes, ...]) -> SignedState:
        state = ledger_state(fixed, asset, LedgerVars(*amounts, backing), turn)
        return SignedState(state, signatures)

    states = [at(0, (sum(balances), 0), (b"l", b"f")), at(4, balances, (b"l", b"f"))]
    if later is not None:
        states.append(at(5, later, (b"l", b"")))
    held = sum(balances) + (AMOUNT if guarantee else 0)
    return Material(fixed, tuple(states), None, held)


def value(me: Actor, *materials: Material) -> int:
    found = exit_value(me.address, materials)
    assert set(found) == {ZERO_ADDRESS}
    return found[ZERO_ADDRESS]


TO_HUB, FROM_HUB = ledger(ALICE, IVAN), ledger(IVAN, BOB)


def test_nothing_is_worth_nothing() -> None:
    assert exit_value(ALICE.address, []) == {}


def test_a_payer_counts_her_largest_voucher_as_spent() -> None:
    assert value(ALICE, TO_HUB, virtual(POSTFUND)) == 5 + AMOUNT
    assert value(ALICE, TO_HUB, virtual(POSTFUND, voucher=30)) == 5 + AMOUNT - 30


def test_a_payer_may_be_held_to_any_final_state_she_signed() -> None:
    offered = final(40, BY_ALICE), final(60, BY_ALICE, 4)
    assert value(ALICE, TO_HUB, virtual(POSTFUND, *offered, voucher=30)) == 5 + AMOUNT - 60
    others = final(90, BY_BOB)
    assert value(ALICE, TO_HUB, virtual(POSTFUND, others, voucher=30)) == 5 + AMOUNT - 30


def test_a_payee_has_the_largest_voucher_it_accepted() -> None:
    assert value(BOB, FROM_HUB, virtual(POSTFUND, voucher=30)) == 7 + 30
    assert value(BOB, FROM_HUB, virtual(voucher=30)) == 7


def test_a_payee_is_held_to_what_it_signed_last() -> None:
    redemption = SignedState(virtual_state(2, 20), BY_BOB)
    assert value(BOB, FROM_HUB, virtual(POSTFUND, redemption, voucher=30)) == 7 + 20
    low = final(10, BY_BOB)
    assert value(BOB, FROM_HUB, virtual(POSTFUND, low, voucher=30)) == 7 + 10
    payers = final(10, BY_ALICE)
    assert value(BOB, FROM_HUB, virtual(POSTFUND, payers, voucher=30)) == 7 + 30


def test_a_final_state_of_all_answers_every_challenge() -> None:
    done = virtual(POSTFUND, final(40, BY_ALL), voucher=30)
    assert value(ALICE, TO_HUB, done) == 5 + AMOUNT - 40
    assert value(BOB, FROM_HUB, done) == 7 + 40
    (only,) = endings(done, IVAN.address)
    assert only is not None
    assert only.allocations[1].amount == 40


def test_a_hub_with_both_guarantees_has_its_balances_whatever_is_paid() -> None:
    for states in ((), (POSTFUND,), (POSTFUND, final(40, BY_IVAN))):
        assert value(IVAN, TO_HUB, FROM_HUB, virtual(*states)) == 7 + 5 + AMOUNT


def test_a_hub_with_one_guarantee_loses_whatever_may_be_paid() -> None:
    bare_left, bare_right = ledger(ALICE, IVAN, guarantee=False), ledger(IVAN, BOB, guarantee=False)
    assert value(IVAN, bare_left, FROM_HUB, virtual(POSTFUND)) == 7 + 5
    assert value(IVAN, TO_HUB, bare_right, virtual(POSTFUND)) == 7 + 5
    assert value(IVAN, bare_left, FROM_HUB, virtual()) == 7 + 5 + AMOUNT
    part = SignedState(virtual_state(1), BY_ALICE)
    assert value(IVAN, bare_left, FROM_HUB, virtual(part)) == 7 + 5 + AMOUNT
    own = SignedState(virtual_state(1), BY_IVAN)
    assert value(IVAN, bare_left, FROM_HUB, virtual(own)) == 7 + 5


def test_a_guarantee_of_a_channel_that_cannot_finalise_is_nobodys() -> None:
    half = Material(VIRTUAL, (SignedState(virtual_state(0), (b"a", b"h", b"")),), 0)
    assert value(ALICE, TO_HUB, half) == 5
    assert value(ALICE, TO_HUB) == 5
    unsigned = Material(VIRTUAL, (SignedState(virtual_state(0), (b"", b"", b"")),), 0)
    assert value(ALICE, TO_HUB, unsigned) == 5


def test_a_leader_may_be_held_to_what_the_follower_did_not_sign_yet() -> None:
    assert value(ALICE, ledger(ALICE, IVAN, later=(3, 9)), virtual(POSTFUND)) == 3 + AMOUNT
    assert value(ALICE, ledger(ALICE, IVAN, later=(8, 4)), virtual(POSTFUND)) == 5 + AMOUNT
    assert value(IVAN, ledger(ALICE, IVAN, later=(8, 4)), virtual(POSTFUND)) == 7


def test_a_ledger_that_nobody_can_enforce_is_worth_nothing() -> None:
    fixed = TO_HUB.fixed
    prefund = SignedState(TO_HUB.states[0].state, (b"l", b""))
    assert value(ALICE, Material(fixed, (prefund,), None, 12)) == 0


@pytest.mark.parametrize(("held", "leader", "follower"), [(1_012, 1_005, 7), (1_011, 5, 6)])
def test_a_ledger_that_is_not_covered_is_bounded_from_below(
    held: int, leader: int, follower: int
) -> None:
    short = Material(TO_HUB.fixed, TO_HUB.states, None, held)
    assert value(ALICE, short, virtual(POSTFUND)) == leader
    assert value(IVAN, short, virtual(POSTFUND)) == follower


def test_a_guarantee_smaller_than_what_was_paid_is_nobodys() -> None:
    fixed = FROM_HUB.fixed
    sides = destination_of(IVAN.address), destination_of(BOB.address)
    vars_ = LedgerVars(5, 7, (Guarantee(VIRTUAL.channel_id(), 10, *sides),))
    state = SignedState(ledger_state(fixed, ZERO_ADDRESS, vars_, 0), (b"l", b"f"))
    small = Material(fixed, (state,), None, 22)
    assert value(BOB, small, virtual(POSTFUND, voucher=30)) == 7
    assert value(BOB, small, virtual(POSTFUND, voucher=10)) == 17


def test_each_asset_has_its_own_value() -> None:
    ether = ledger(ALICE, IVAN, guarantee=False)
    token = ledger(ALICE, IVAN, guarantee=False, asset=TOKEN, balances=(1, 2))
    assert exit_value(ALICE.address, [ether, token]) == {ZERO_ADDRESS: 5, TOKEN: 1}


def test_a_stranger_has_no_material() -> None:
    with pytest.raises(ValueError, match="tuple"):
        exit_value(BOB.address, [TO_HUB])


def test_a_directly_funded_channel_is_paid_out_of_its_own_holdings() -> None:
    network = opened()
    pay(network, 30, 1)
    network.settle()
    for node, least in ((network.alice, DEPOSIT - 30), (network.bob, 30)):
        material = material_of(node.channel(), PAYMENT_APP)
        assert material.held == DEPOSIT
        assert exit_value(node.actor.address, [material]) == {ZERO_ADDRESS: least}
    network.alice.feed(commands.CloseChannel(CHANNEL))
    network.deliver(network.alice)
    network.deliver(network.alice)
    for node, least in ((network.alice, DEPOSIT - 30), (network.bob, 30)):
        material = material_of(node.channel(), PAYMENT_APP)
        assert exit_value(node.actor.address, [material])[ZERO_ADDRESS] == least


def test_a_ledger_of_the_core_is_worth_its_balances_and_a_proposal_binds_its_leader() -> None:
    network = opened_ledger()

    def values() -> tuple[int, int]:
        alice, bob = (
            value(node.actor, material_of(node.channel(LEDGER), PAYMENT_APP))
            for node in (network.alice, network.bob)
        )
        return alice, bob

    assert values() == (LEADER_AMOUNT, FOLLOWER_AMOUNT)
    network.alice.feed(commands.PayLedger(LEDGER, 30, "rent"))
    assert values() == (LEADER_AMOUNT - 30, FOLLOWER_AMOUNT)
    network.settle()
    assert values() == (LEADER_AMOUNT - 30, FOLLOWER_AMOUNT + 30)


def unanswered(ours: Material, count: int) -> Material:
    """The ledger with so many more states that its leader alone signed, each one dearer to it."""
    newest = ours.states[-1].state
    (exit_,) = newest.outcome
    leader, follower, *backing = exit_.allocations
    later = []
    for number in range(1, count + 1):
        shares = (
            replace(leader, amount=leader.amount - number),
            replace(follower, amount=follower.amount + number),
            *backing,
        )
        outcome = (replace(exit_, allocations=shares),)
        state = replace(newest, outcome=outcome, turn_num=newest.turn_num + number)
        later.append(SignedState(state, (b"l", b"")))
    return replace(ours, states=(*ours.states, *later))


def numbered(number: int, count: int) -> Material:
    """A ledger of IVAN's with nobody in particular, no guarantee in it."""
    who = Actor("", b"", number.to_bytes(20, "big"), ALICE.signer)
    return unanswered(ledger(IVAN, who, balances=(50, 7), guarantee=False), count)


def test_ledgers_that_carry_nothing_in_common_cost_no_more_together_than_alone() -> None:
    many = [numbered(number, 9) for number in range(1, 41)]
    assert value(IVAN, *many) == 40 * (50 - 9)


def test_linked_ledgers_are_looked_at_together() -> None:
    to_hub = ledger(IVAN, ALICE, balances=(50, 7))
    from_hub = ledger(IVAN, BOB, balances=(50, 7))
    queues = [unanswered(to_hub, 9), unanswered(from_hub, 9)]
    alone = numbered(1, 9)
    carried = virtual(POSTFUND)
    least = value(IVAN, *queues, carried)
    assert value(IVAN, *queues, carried, alone) == least + 41
    assert least == value(IVAN, to_hub, from_hub, carried) - 18


def test_too_many_endings_of_linked_ledgers_are_refused_by_name() -> None:
    queues = [unanswered(ledger(IVAN, other, balances=(5_000, 7)), 700) for other in (ALICE, BOB)]
    with pytest.raises(TooManyEndings) as refused:
        exit_value(IVAN.address, [*queues, virtual(POSTFUND)])
    assert refused.value.count > LOOKED_AT_COUNT_MAX
    assert value(IVAN, *queues) > 0, "without the channel between them they are two"


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, times(200), 100))
def test_a_hundred_seeded_cases_at_their_worst(first: int) -> None:
    for seed in range(first, first + 100):
        case = exit_case(seed, ZERO_ADDRESS, PAYMENT_APP, CONSENSUS_APP)
        least = case.paid(*case.worst())[case.me]
        assert value_of(case.me, case.materials()) == least, seed


def value_of(me: Address, materials: list[Material]) -> int:
    return exit_value(me, materials)[ZERO_ADDRESS]
