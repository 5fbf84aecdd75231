"""How a ledger ends: by the leader's final state, above every turn, with nothing left (M8)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands, inputs, messages
from protocols.channel import ChannelStatus, status, supported_final
from protocols.events import MessageDropped
from protocols.ledger import RESTORED_TURN_JUMP, LedgerVars, ledger_state
from protocols.ledger_errors import LedgerInUse, LedgerNotRunning
from protocols.objectives.base import ObjectiveType, WaitingFor
from protocols.objectives.directdefund import CONCLUDE_FALLBACK_MS
from protocols.payment_errors import ChannelNotOpen
from protocols.state import State
from protocols.types import ZERO_ADDRESS, amount_to_bytes
from tests.support.actors import ALICE, BOB, Actor
from tests.support.builders import chain_log, final_request, signed
from tests.support.ledger_rig import (
    LEDGER,
    LEDGER_FIXED,
    START,
    Verdicts,
    add,
    countersignature,
    judged_by,
    ledger_at,
    move,
    open_ledger_command,
    opened_ledger,
    proposals,
    propose,
    refusal,
    remove,
    result_of,
)
from tests.support.network import CoreNode, Network, Said
from tests.support.playbook import Playbook, names

END = inputs.EndOfBatch()
CLOSE = commands.CloseChannel(LEDGER)
STARTED = "objective-created, objective-params-recorded, objective-approved"
DEFUND = ObjectiveType.DIRECT_DEFUND


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


def final(turn_num: int = 2, vars_: LedgerVars = START, **changes: Any) -> State:
    state = ledger_state(LEDGER_FIXED, ZERO_ADDRESS, vars_, turn_num, is_final=True)
    return replace(state, **changes)


def request() -> messages.FinalStateRequest:
    return final_request(0, channel_id=LEDGER)


def final_by(actor: Actor, turn_num: int = 2, vars_: LedgerVars = START) -> messages.SignedState:
    return signed(final(turn_num, vars_), actor)


# --- the way ---


@pytest.mark.parametrize("by_leader", [True, False], ids=["leader", "follower"])
def test_either_side_closes_and_both_are_paid(by_leader: bool, network: Network) -> None:
    propose(network.alice, move(100))
    network.settle()
    closer = network.alice if by_leader else network.bob
    closer.feed(CLOSE)
    network.settle()
    for node in (network.alice, network.bob):
        channel = node.channel(LEDGER)
        assert status(channel) == ChannelStatus.CLOSED
        assert node.objective(DEFUND, LEDGER).success
        agreed = supported_final(channel)
        assert agreed is not None
        assert agreed.turn_num == 3
    assert network.chain.paid == {ALICE.address: 900, BOB.address: 600}


def test_the_leader_passes_every_pause_point(network: Network) -> None:
    assert (
        Playbook(network.alice)
        >> CLOSE
        << f"{STARTED}, state-stored, state-signed, message-sent, objective-cranked"
        << "send SignedState, wait supported-final-state"
        >> Said(BOB, final_by(BOB))
        << "message-received, state-received, state-supported-updated, channel-finalized"
        << "transaction-requested, objective-cranked, submit conclude, wait conclusion"
    )


def test_the_follower_passes_every_pause_point(network: Network) -> None:
    assert (
        Playbook(network.bob)
        >> CLOSE
        << f"{STARTED}, final-state-requested, message-sent, objective-cranked"
        << "send FinalStateRequest, wait final-state-from-leader"
        >> Said(ALICE, final_by(ALICE))
        << "message-received, state-stored, state-received, state-signed"
        << "state-supported-updated, channel-finalized, message-sent, objective-cranked"
        << "send SignedState, wait conclusion"
    )
    network.bob.now_ms += CONCLUDE_FALLBACK_MS
    assert names(network.bob.feed(inputs.Tick()))[0] == "transaction-requested"


def test_a_wish_to_close_is_met_by_the_final_state(network: Network) -> None:
    assert (
        Playbook(network.alice)
        >> Said(BOB, request())
        << f"message-received, final-state-requested, {STARTED}"
        << "state-stored, state-signed, message-sent, objective-cranked"
        << "send SignedState, wait supported-final-state"
    )


# --- nothing is left in it ---


def test_a_ledger_with_guarantees_is_not_closed(network: Network) -> None:
    propose(network.alice, add(1))
    network.settle()
    for node in (network.alice, network.bob):
        with pytest.raises(LedgerInUse):
            node.feed(CLOSE)
        assert status(node.channel(LEDGER)) == ChannelStatus.OPEN
    network.alice.feed(Said(BOB, request()))
    assert reason_of(network.alice).startswith("LEDGER_IN_USE")
    network.bob.feed(Said(ALICE, final_by(ALICE, 3)))
    assert reason_of(network.bob).startswith("LEDGER_IN_USE")


def test_a_ledger_that_never_opened_is_not_closed() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_ledger_command())
    with pytest.raises(ChannelNotOpen):
        alice.feed(CLOSE)


def test_the_leader_waits_until_its_queue_is_answered(network: Network) -> None:
    alice = network.alice
    propose(alice, move(5))
    assert (
        Playbook(alice)
        >> CLOSE
        << f"{STARTED}, final-state-requested, message-sent, objective-cranked"
        << "send FinalStateRequest, wait empty-ledger"
    )
    alice.feed(Said(BOB, countersignature(2, result_of(move(5)))))
    assert alice.channel(LEDGER).signed_by_me(3)


def test_a_refusal_on_the_way_is_undone_before_the_end(
    network: Network, verdicts: Verdicts
) -> None:
    alice, bob = network.alice, network.bob
    propose(alice, add(1))
    bob.feed(CLOSE)
    network.settle()
    assert bob.events_of("ledger-update-refused")[0].error_code == "LEDGER_NOT_RUNNING"
    assert [e.kind for e in alice.events_of("ledger-update-proposed")] == ["add", "remove"]
    for node in (alice, bob):
        assert status(node.channel(LEDGER)) == ChannelStatus.CLOSED
    assert network.chain.paid == {ALICE.address: 1_000, BOB.address: 500}


def test_a_guarantee_that_crossed_the_wish_is_given_back_first(network: Network) -> None:
    alice = network.alice
    propose(alice, add(1))
    network.deliver(alice)
    network.bob.feed(END)
    alice.feed(CLOSE)
    network.settle()
    assert status(alice.channel(LEDGER)) == ChannelStatus.CLOSING
    bob = network.bob
    assert bob.events_of("message-dropped") == [], "neither is to blame"
    assert bob.peer(ALICE.address).fault_count == 0
    propose(alice, remove(1))
    network.settle()
    for node in (alice, bob):
        assert status(node.channel(LEDGER)) == ChannelStatus.CLOSED


def test_a_leader_that_wishes_to_close_a_ledger_in_use_tells_nothing_new(network: Network) -> None:
    bob = network.bob
    propose(network.alice, add(1))
    network.settle()
    assert Playbook(bob) >> Said(ALICE, request()) << "message-received, message-repeated"
    assert status(bob.channel(LEDGER)) == ChannelStatus.OPEN
    voucher = replace(request(), total=amount_to_bytes(1))
    bob.feed(Said(ALICE, voucher))
    assert reason_of(bob).startswith("STATE_REFUSED")


def test_who_signed_the_end_signs_no_running_state(network: Network) -> None:
    alice, bob = network.alice, network.bob
    (said,) = proposals(move(5))
    bob.feed(Said(ALICE, final_by(ALICE)))
    bob.feed(Said(ALICE, replace(said, turn_num=3)))
    assert reason_of(bob).startswith(("LEDGER_TURN_WRONG", "LEDGER_NOT_RUNNING"))
    assert names(bob.feed(END)) == []
    alice.feed(CLOSE)
    with pytest.raises(LedgerNotRunning):
        propose(alice, move(5))


# --- what is refused ---


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (final(2, LedgerVars(1_001, 499)), "it does not pay out what was agreed last"),
        (final(2, LedgerVars(1_000, 499)), "it does not pay out what was agreed last"),
        (final(2, result_of(add(1))), "it does not pay out what was agreed last"),
        (final(2, app_data=b"x"), "it does not pay out what was agreed last"),
        (final(1), "the turn is taken by another state"),
        (final(0), "the turn is taken by another state"),
    ],
)
def test_the_follower_agrees_to_the_agreed_balances_alone(
    state: State, reason: str, network: Network
) -> None:
    bob = network.bob
    bob.feed(Said(ALICE, signed(state, ALICE)))
    assert reason in reason_of(bob)
    assert supported_final(bob.channel(LEDGER)) is None


def test_the_end_comes_above_what_was_proposed(network: Network, verdicts: Verdicts) -> None:
    verdicts.default = False
    bob = network.bob
    (said,) = proposals(add(1))
    bob.feed(Said(ALICE, said))
    bob.feed(Said(ALICE, final_by(ALICE, 2)))
    assert "not the turn above all that was signed" in reason_of(bob)
    bob.feed(Said(ALICE, final_by(ALICE, 3)))
    assert supported_final(bob.channel(LEDGER)) is not None


def test_a_second_end_is_not_signed(network: Network) -> None:
    bob = network.bob
    bob.feed(Said(ALICE, final_by(ALICE, 2)))
    bob.feed(Said(ALICE, final_by(ALICE, 3)))
    assert "not the turn above all that was signed" in reason_of(bob)
    assert [turn.turn_num for turn in bob.channel(LEDGER).turns if turn.is_final] == [2]


def test_the_leader_signs_first(network: Network) -> None:
    alice = network.alice
    alice.feed(Said(BOB, final_by(BOB)))
    assert reason_of(alice).startswith("STATE_REFUSED")
    assert alice.channel(LEDGER).turn(2) is None


def test_a_stolen_signature_ends_nothing(network: Network) -> None:
    network.bob.feed(Said(ALICE, final_by(BOB)))
    assert reason_of(network.bob).startswith("WRONG_SIGNER")
    assert supported_final(network.bob.channel(LEDGER)) is None


def test_a_ledger_has_no_vouchers(network: Network) -> None:
    body = messages.FinalStateRequest(LEDGER, amount_to_bytes(5), b"")
    network.alice.feed(Said(BOB, body))
    assert reason_of(network.alice).startswith("STATE_REFUSED")
    assert status(network.alice.channel(LEDGER)) == ChannelStatus.OPEN


# --- said again ---


def test_what_is_said_again_is_answered_again_and_the_talk_ends(network: Network) -> None:
    bob = network.bob
    bob.feed(CLOSE)
    for _ in range(2):
        answer = bob.feed(Said(ALICE, request()))
    assert names(answer)[-2:] == ["send FinalStateRequest", "wait final-state-from-leader"]
    bob.feed(Said(ALICE, final_by(ALICE)))
    answer = bob.feed(Said(ALICE, final_by(ALICE)))
    assert "send SignedState" in names(answer)
    alice = network.alice
    alice.feed(CLOSE)
    alice.feed(Said(BOB, final_by(BOB)))
    assert not any(name.startswith("send") for name in names(alice.feed(Said(BOB, final_by(BOB)))))


def test_a_second_close_answers_like_the_first(network: Network) -> None:
    network.alice.feed(CLOSE)
    again = network.alice.feed(CLOSE)
    assert again.waiting_for == WaitingFor.SUPPORTED_FINAL_STATE
    assert len(network.alice.events_of("objective-created")) == 2


def test_a_challenged_ledger_is_closed_by_agreement_at_once(network: Network) -> None:
    log = chain_log("ChallengeRegistered", 9, confirmed=False, channel_id=LEDGER, number=5)
    network.bob.feed(log)
    network.bob.feed(Said(ALICE, final_by(ALICE)))
    assert [order.kind for order in network.bob.submissions] == ["checkpoint", "conclude"]


# --- after a cut tail (M27) ---


@pytest.mark.parametrize("cut", ["alice", "bob"])
def test_a_ledger_is_closed_after_a_cut_that_lost_nothing(cut: str, network: Network) -> None:
    propose(network.alice, move(100))
    network.settle()
    node = {"alice": network.alice, "bob": network.bob}[cut]
    node.lose_tail()
    network.reconnect()
    network.settle()
    node.feed(CLOSE)
    network.settle()
    assert network.chain.paid == {ALICE.address: 900, BOB.address: 600}
    agreed = supported_final(network.bob.channel(LEDGER))
    assert agreed is not None
    assert agreed.turn_num == ledger_at(network.bob).turn_num + 1
    assert ledger_at(network.bob).resumed_turn > RESTORED_TURN_JUMP


def test_two_cuts_lead_to_two_turns(network: Network) -> None:
    alice = network.alice
    alice.lose_tail()
    alice.feed(Said(BOB, request()))
    first = supported_final(alice.channel(LEDGER)) or alice.channel(LEDGER).turns[-1]
    assert first.turn_num > RESTORED_TURN_JUMP
    other = opened_ledger().alice
    other.lose_tail()
    other.lose_tail()
    other.feed(Said(BOB, request()))
    assert other.channel(LEDGER).turns[-1].turn_num > first.turn_num


def test_a_leader_without_its_tail_asks_before_it_signs(network: Network) -> None:
    alice = network.alice
    alice.lose_tail()
    assert alice.feed(CLOSE).waiting_for == WaitingFor.LATEST_LEDGER_STATE
    assert not any(turn.is_final for turn in alice.channel(LEDGER).turns)
    alice.feed(Said(BOB, request()))
    assert alice.channel(LEDGER).turns[-1].is_final


def test_a_leader_that_forgot_the_end_takes_it_with_its_own_signature(network: Network) -> None:
    alice, bob = network.alice, network.bob
    alice.feed(CLOSE)
    network.deliver(alice)
    network.cut_tail(alice)
    assert not any(turn.is_final for turn in alice.channel(LEDGER).turns)
    network.reconnect()
    network.settle()
    assert status(bob.channel(LEDGER)) == ChannelStatus.CLOSED
    assert network.chain.paid == {ALICE.address: 1_000, BOB.address: 500}
    assert status(alice.channel(LEDGER)) == ChannelStatus.CLOSED


def test_what_a_leader_proposed_before_its_cut_does_not_keep_it(network: Network) -> None:
    alice, bob = network.alice, network.bob
    propose(alice, move(5))
    alice.outbox[BOB.address].clear()
    alice.lose_tail()
    bob.feed(CLOSE)
    alice.feed(Said(BOB, request()))
    assert alice.channel(LEDGER).turns[-1].is_final
    assert ledger_at(alice).queue != ()
    assert names(alice.feed(Said(BOB, refusal(2)))) == ["ledger-refusal-received"]
