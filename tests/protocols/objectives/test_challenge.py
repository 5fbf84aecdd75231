"""Challenging: with the newest state we can show, once, until the channel is final."""

from __future__ import annotations

from protocols import commands, inputs
from protocols.channel import REDEMPTION_TURN
from protocols.objectives.base import ObjectiveType, WaitingFor, newest
from protocols.payment_errors import ChannelClosing, ChannelDisputed
from tests.support.actors import ALICE
from tests.support.builders import CHANNEL, chain_log, final, payment, signed
from tests.support.exit_rig import is_completed, until, wait_out
from tests.support.ledger_rig import LEDGER, opened_ledger
from tests.support.network import Said, opened, pay

CHALLENGE = ObjectiveType.CHALLENGE


def test_the_postfund_is_registered_and_its_time_runs() -> None:
    network = opened()
    answer = network.alice.feed(commands.ChallengeChannel(CHANNEL))
    assert answer.waiting_for == WaitingFor.CHALLENGE_REGISTRATION
    assert [order.kind for order in network.alice.submissions] == ["challenge"]
    wait_out(network, network.alice, CHANNEL)
    assert network.chain.disputes.kept[CHANNEL].turn_num == 1
    until(network, network.alice, lambda: is_completed(network.alice, CHALLENGE, CHANNEL))


def test_a_payee_signs_its_redemption_and_takes_no_voucher_any_more() -> None:
    network = opened()
    pay(network, 30, 1)
    network.settle()
    bob = network.bob
    bob.feed(commands.ChallengeChannel(CHANNEL))
    assert bob.channel().signed_by_me(REDEMPTION_TURN)
    result = bob.feed(Said(ALICE, payment(1, 31)))
    assert [event.NAME for event in result.events] == ["voucher-refused"]
    assert result.events[0].error_code in (ChannelClosing.name(), ChannelDisputed.name())
    # Asked for again it is the same state: nothing is signed twice.
    before = len(bob.events_of("state-signed"))
    bob.feed(inputs.Tick())
    assert len(bob.events_of("state-signed")) == before


def test_with_a_final_state_of_all_the_channel_is_concluded_instead() -> None:
    bob = opened().bob
    bob.feed(Said(ALICE, signed(final(0), ALICE)))
    bob.feed(commands.ChallengeChannel(CHANNEL))
    assert [order.kind for order in bob.submissions] == ["conclude"]


def test_an_older_challenge_is_outranked() -> None:
    network = opened_ledger()
    network.alice.feed(commands.PayLedger(LEDGER, 200, "r1"))
    network.settle()
    bob = network.bob
    bob.feed(commands.ChallengeChannel(LEDGER))
    bob.submissions.clear()
    stale = {"channel_id": LEDGER, "turn_num": 1, "number": 10**10}
    bob.feed(chain_log("ChallengeRegistered", 100, confirmed=False, **stale))
    answer = bob.feed(inputs.Tick())
    assert [e.NAME for e in answer.events if e.NAME.startswith("transaction")] == []
    (asked,) = [e for e in bob.events_of("transaction-requested") if e.kind == "challenge"]
    assert asked.channel_id == LEDGER


def test_what_the_chain_has_seen_newer_cannot_be_challenged_with_less() -> None:
    bob = opened_ledger().bob
    bob.feed(chain_log("Checkpointed", 100, channel_id=LEDGER, number=7))
    answer = bob.feed(commands.ChallengeChannel(LEDGER))
    assert answer.waiting_for == WaitingFor.KNOWN_OUTCOME
    assert [order.kind for order in bob.submissions] == []


def test_who_answers_is_there_again_and_the_channel_goes_on() -> None:
    network = opened_ledger()
    alice = network.alice
    alice.feed(commands.ChallengeChannel(LEDGER))
    until(network, alice, lambda: alice.channel(LEDGER).chain_status == "challenged")
    cleared = {"channel_id": LEDGER, "number": 2}
    alice.now_ms += 1
    alice.feed(chain_log("ChallengeCleared", 900, **cleared))
    assert is_completed(alice, CHALLENGE, LEDGER)
    found = newest(alice.state.objectives, CHALLENGE, LEDGER)
    assert found is not None
    assert not found.success
