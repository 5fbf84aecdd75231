"""After a cut tail: what both signed is shown, and taken by whoever forgot it (M27)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from protocols import commands, inputs, messages
from protocols.channel import ChannelStatus, status
from protocols.events import MessageDropped
from protocols.ledger import Guarantee, LedgerVars, inverse, ledger_state
from protocols.outcome import SingleAssetExit
from protocols.state import State
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB, IRENE, Actor
from tests.support.ledger_rig import (
    FOLLOWER,
    LEADER,
    LEDGER,
    LEDGER_FIXED,
    START,
    Verdicts,
    add,
    judged_by,
    ledger_at,
    move,
    move_back,
    open_ledger_command,
    opened_ledger,
    proposals,
    propose,
    result_of,
    target,
)
from tests.support.network import CoreNode, Network, Said
from tests.support.playbook import names

END = inputs.EndOfBatch()


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> Verdicts:
    return judged_by(monkeypatch)


@pytest.fixture
def network(verdicts: Verdicts) -> Network:
    return opened_ledger()


def reason_of(node: CoreNode) -> str:
    event = node.log[-1][1]
    assert isinstance(event, MessageDropped), event
    return event.reason


def shown(state: State, by: Actor = BOB, to: Actor = ALICE) -> messages.SignedState:
    """The state with the sender's signature and the receiver's."""
    state_hash = state.state_hash()
    mine, theirs = by.signer(state_hash), to.signer(state_hash)
    return messages.SignedState(LEDGER, state.encode(), mine, theirs)


def agreed(vars_: LedgerVars, turn_num: int = 5) -> State:
    return ledger_state(LEDGER_FIXED, ZERO_ADDRESS, vars_, turn_num)


# --- over the network ---


def test_a_leader_learns_again_what_it_proposed_and_forgot(network: Network) -> None:
    alice, bob = network.alice, network.bob
    alice.feed(commands.PayLedger(LEDGER, 100, "rent"))
    network.deliver(alice)
    bob.feed(END)
    network.cut_tail(alice)
    assert ledger_at(alice).proposed == START
    network.reconnect()
    network.settle()
    assert ledger_at(alice).current == ledger_at(bob).current == result_of(move(100))
    assert not alice.channel(LEDGER).close_only
    assert len(alice.events_of("ledger-restored")) == 1
    alice.feed(commands.CloseChannel(LEDGER))
    network.settle()
    assert network.chain.paid == {ALICE.address: 900, BOB.address: 600}


def test_a_follower_learns_again_what_it_signed_and_forgot(network: Network) -> None:
    alice, bob = network.alice, network.bob
    alice.feed(commands.PayLedger(LEDGER, 100, "rent"))
    network.deliver(alice)
    bob.feed(END)
    network.deliver(bob)
    network.cut_tail(bob, 2)
    assert ledger_at(bob).queue == ()
    network.reconnect()
    network.settle()
    assert ledger_at(bob).current == ledger_at(alice).current == result_of(move(100))
    bob.feed(commands.CloseChannel(LEDGER))
    network.settle()
    assert network.chain.paid == {ALICE.address: 900, BOB.address: 600}


def test_a_follower_hears_again_what_it_had_not_answered(
    network: Network, verdicts: Verdicts
) -> None:
    alice, bob = network.alice, network.bob
    verdicts.default = False
    propose(alice, add(1))
    propose(alice, move(5))
    network.deliver(alice)
    network.deliver(alice, 1)
    network.acknowledge(bob)
    network.cut_tail(bob, 2)
    assert ledger_at(bob).queue == ()
    network.reconnect()
    assert [e.turn_num for e in alice.events_of("ledger-update-resent")] == [2, 3]
    network.settle()
    assert ledger_at(alice).current == ledger_at(bob).current == START
    assert ledger_at(alice).queue == ledger_at(bob).queue == ()
    alice.feed(commands.CloseChannel(LEDGER))
    network.settle()
    assert status(bob.channel(LEDGER)) == ChannelStatus.CLOSED


def test_a_follower_without_its_tail_signs_only_what_it_knows_to_be_agreed(
    network: Network,
) -> None:
    """ADR 0046: what takes back leads to the agreed state again, at a higher turn."""
    alice, bob = network.alice, network.bob
    alice.feed(commands.PayLedger(LEDGER, 100, "rent"))
    network.settle()
    bob.lose_tail()
    agreed_to = ledger_at(bob)
    for change in (move(1), add(1), move_back(3)):
        # A leader that heard of no cut, or of none that it cares for.
        for body in proposals(change, start=ledger_at(bob).proposed, first_turn=next_turn(bob)):
            bob.feed(Said(ALICE, body))
        assert [e.NAME for e in bob.feed(END).events] in ([], ["ledger-update-refused"])
        assert ledger_at(bob).turn_num == agreed_to.turn_num
        undoing = proposals(
            *(inverse(p.change) for p in ledger_at(bob).queue),
            start=ledger_at(bob).proposed,
            first_turn=next_turn(bob),
        )
        for body in undoing:
            bob.feed(Said(ALICE, body))
        bob.feed(END)
        assert ledger_at(bob).current == agreed_to.current
        assert ledger_at(bob).queue == ()
        agreed_to = ledger_at(bob)
    assert agreed_to.turn_num > 2


def next_turn(node: CoreNode) -> int:
    return ledger_at(node).proposed_turn + 1


def test_a_follower_that_forgot_the_opening_hears_what_followed(network: Network) -> None:
    alice, bob = network.alice, network.bob
    alice.feed(commands.PayLedger(LEDGER, 1, "rent"))
    network.cut_tail(bob, 4)
    assert bob.channel(LEDGER).ledger is None
    network.reconnect()
    network.settle()
    assert ledger_at(alice).queue == ledger_at(bob).queue == ()
    alice.feed(commands.CloseChannel(LEDGER))
    network.settle()
    assert status(bob.channel(LEDGER)) == ChannelStatus.CLOSED


def test_who_hears_a_queue_again_and_again_tells_nothing_new(network: Network) -> None:
    alice = network.alice
    for _ in range(3):
        propose(alice, move(5))
    postfund = alice.channel(LEDGER).turns[1]
    said = messages.SignedState(LEDGER, postfund.encoded_state, postfund.signatures[1])
    for count in (1, 2):
        alice.feed(Said(BOB, said))
        assert alice.peer(BOB.address).repeat_count == count


def test_without_a_cut_nothing_is_said_again(network: Network) -> None:
    propose(network.alice, move(5))
    network.settle()
    network.reconnect()
    assert network.waiting(network.alice) == network.waiting(network.bob) == 0


paid = st.tuples(st.sampled_from(["alice", "bob"]), st.integers(min_value=1, max_value=60))
done = st.sampled_from(["to-bob", "to-alice", "ack-alice", "ack-bob", "end-bob"])
cuts = st.tuples(st.sampled_from(["cut-alice", "cut-bob"]), st.integers(min_value=1, max_value=4))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(paid, done), max_size=14), cuts, st.sampled_from(["alice", "bob"]))
def test_a_ledger_ends_alike_for_both_whatever_one_forgot(
    steps: list[Any], cut: tuple[str, int], closer: str
) -> None:
    network = opened_ledger()
    nodes = {"alice": network.alice, "bob": network.bob}
    for node in nodes.values():
        node.proves_purity = False
    for number, step in enumerate(steps):
        if isinstance(step, tuple):
            nodes[step[0]].feed(commands.PayLedger(LEDGER, step[1], str(number)))
            continue
        what, who = step.split("-")
        other = {"alice": "bob", "bob": "alice"}[who]
        if what == "end":
            nodes[who].feed(END)
        elif what == "ack":
            network.acknowledge(nodes[who])
        elif network.waiting(nodes[other]):
            network.deliver(nodes[other])
    # What both have agreed to by now is known to one of them at least, and must not be lost.
    lost = nodes[cut[0].removeprefix("cut-")]
    other_node = network.other(lost)
    known = ledger_at(other_node).turn_num
    network.cut_tail(lost, cut[1])
    network.reconnect()
    network.settle()
    assert ledger_at(lost).turn_num >= known
    nodes[closer].feed(commands.CloseChannel(LEDGER))
    network.settle()
    for node in nodes.values():
        assert status(node.channel(LEDGER)) == ChannelStatus.CLOSED
        assert node.fold().digest() == node.state.digest()
    assert sum(network.chain.paid.values()) == 1_500
    last = ledger_at(other_node).current
    assert network.chain.paid == {
        who: amount
        for who, amount in ((ALICE.address, last.leader), (BOB.address, last.follower))
        if amount
    }


# --- what is taken, and what is not ---


def test_a_state_with_our_own_signature_is_taken_with_its_guarantees(network: Network) -> None:
    for node, by, to in ((network.alice, BOB, ALICE), (network.bob, ALICE, BOB)):
        vars_ = result_of(add(1), move(7))
        assert names(node.feed(Said(by, shown(agreed(vars_), by, to)))) == [
            "message-received",
            "ledger-restored",
            "ledger-resumption-told",
            "send LedgerResumption",
        ]
        ledger = ledger_at(node)
        assert (ledger.current, ledger.turn_num, ledger.queue) == (vars_, 5, ())
        assert node.channel(LEDGER).close_only
        assert node.channel(LEDGER).supported_turn == 5
        assert node.fold().digest() == node.state.digest()
    assert ledger_at(network.alice).signatures == ledger_at(network.bob).signatures


def test_what_was_proposed_and_is_not_in_it_is_forgotten(network: Network) -> None:
    bob = network.bob
    propose(network.alice, move(5))
    network.deliver(network.alice)
    assert bob.state.unanswered == {LEDGER}
    bob.feed(Said(ALICE, shown(agreed(START), ALICE, BOB)))
    assert bob.state.unanswered == set()
    assert bob.fold().unanswered == set()


def test_an_older_state_is_answered_by_the_newer_one(network: Network) -> None:
    propose(network.alice, move(5))
    propose(network.alice, move(5))
    network.settle()
    answer = network.bob.feed(Said(ALICE, shown(agreed(result_of(move(5)), 2), ALICE, BOB)))
    assert names(answer)[-1] == "send SignedState"
    again = network.bob.feed(Said(ALICE, shown(agreed(result_of(move(10)), 3), ALICE, BOB)))
    assert not any(name.startswith("send") for name in names(again))


def _outcome(*amounts: int) -> tuple[SingleAssetExit, ...]:
    (exit_,) = agreed(START).outcome
    allocations = tuple(
        replace(allocation, amount=amount)
        for allocation, amount in zip(exit_.allocations, amounts, strict=True)
    )
    return (replace(exit_, allocations=allocations),)


def _guarantees(*numbers: int) -> LedgerVars:
    made = tuple(Guarantee(target(number), 10, LEADER, FOLLOWER) for number in numbers)
    return LedgerVars(1_000 - 10 * len(made), 500, made)


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (agreed(LedgerVars(1_000, 501)), "STATE_REFUSED"),
        (agreed(LedgerVars(1_000, 499)), "STATE_REFUSED"),
        (agreed(_guarantees(2, 1)), "INVALID_LEDGER_CHANGE"),
        (agreed(_guarantees(1, 1)), "INVALID_LEDGER_CHANGE"),
        (replace(agreed(START), app_data=b"x"), "INVALID_LEDGER_CHANGE"),
        (replace(agreed(START), outcome=()), "INVALID_LEDGER_CHANGE"),
        (replace(agreed(START), outcome=_outcome(1_000, 500) * 2), "INVALID_LEDGER_CHANGE"),
        (
            ledger_state(LEDGER_FIXED, b"\x07" * 20, START, 5),
            "STATE_REFUSED",
        ),
    ],
)
def test_what_is_no_state_of_the_ledger_is_not_taken_even_signed(
    state: State, name: str, network: Network
) -> None:
    network.alice.feed(Said(BOB, shown(state)))
    assert reason_of(network.alice).startswith(name)
    assert ledger_at(network.alice).current == START


@pytest.mark.parametrize(
    ("by", "to"), [(BOB, BOB), (BOB, IRENE), (IRENE, ALICE), (ALICE, BOB), (ALICE, ALICE)]
)
def test_a_state_without_both_signatures_is_not_taken(
    by: Actor, to: Actor, network: Network
) -> None:
    network.alice.feed(Said(BOB, shown(agreed(LedgerVars(0, 1_500)), by, to)))
    assert reason_of(network.alice).startswith("WRONG_SIGNER")
    assert ledger_at(network.alice).current == START
    assert not network.alice.channel(LEDGER).close_only


def test_a_state_without_our_signature_is_not_taken(network: Network) -> None:
    body = replace(shown(agreed(LedgerVars(0, 1_500))), receivers_signature=b"")
    network.alice.feed(Said(BOB, body))
    assert reason_of(network.alice).startswith("WRONG_SIGNER")


def test_a_second_state_of_an_agreed_turn_is_equivocation(network: Network) -> None:
    propose(network.alice, move(5))
    network.settle()
    network.alice.feed(Said(BOB, shown(agreed(result_of(move(6)), 2))))
    assert reason_of(network.alice).startswith("EQUIVOCATION_REFUSED")
    assert ledger_at(network.alice).current == result_of(move(5))


def test_a_candidate_of_our_own_is_confirmed_by_its_countersignature_alone(
    network: Network,
) -> None:
    propose(network.alice, move(5))
    answer = network.alice.feed(Said(BOB, shown(agreed(result_of(move(5)), 2))))
    assert "ledger-restored" not in names(answer)
    assert ledger_at(network.alice).turn_num == 1
    assert not network.alice.channel(LEDGER).close_only


def test_no_running_state_is_shown_of_a_ledger_that_is_not_open() -> None:
    network = Network()
    network.alice.feed(open_ledger_command())
    network.alice.feed(Said(BOB, shown(agreed(START))))
    assert reason_of(network.alice).startswith("STATE_REFUSED")
