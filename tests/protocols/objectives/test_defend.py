"""Somebody challenges: what we do about it, by ourselves, and when we do nothing (M19, M20)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import commands, inputs
from protocols.abi import encode_outcome
from protocols.channel import ChannelStatus, status
from protocols.ledger import ledger_outcome
from protocols.objectives import supports
from protocols.objectives.base import ObjectiveType, newest, newest_round
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL, DEPOSIT, block_hash, chain_log, consent, final, signed
from tests.support.exit_rig import challenge_with_turn, is_completed, paid_to, step, until
from tests.support.ledger_rig import LEDGER, LEDGER_FIXED, opened_ledger, result_of
from tests.support.network import CoreNode, Network, Said, opened, pay

DEFEND = ObjectiveType.DEFEND


def paid_ledger() -> Network:
    network = opened_ledger()
    network.alice.feed(commands.PayLedger(LEDGER, 200, "r1"))
    network.settle()
    return network


def kinds(node: CoreNode) -> list[str]:
    return [order.kind for order in node.submissions]


@pytest.mark.parametrize("index", [0, 1])
def test_a_stale_challenge_of_a_ledger_is_answered_by_a_checkpoint(index: int) -> None:
    network = paid_ledger()
    node = (network.alice, network.bob)[index]
    challenge_with_turn(network, node, LEDGER, 1)
    until(network, node, lambda: is_completed(node, DEFEND, LEDGER))
    assert status(node.channel(LEDGER)) == ChannelStatus.OPEN
    assert network.chain.disputes.kept[LEDGER].turn_num == 2
    assert network.chain.disputes.kept[LEDGER].finalizes_at == 0
    # The ledger goes on as before, and the next challenge is defended anew.
    network.alice.feed(commands.PayLedger(LEDGER, 1, "r2"))
    network.settle()
    challenge_with_turn(network, node, LEDGER, 1)
    step(network, node)
    assert newest_round(node.state.objectives, DEFEND, LEDGER)[0] == 0, "that one reverts"


def test_a_ledger_may_be_challenged_again_and_again() -> None:
    network = opened_ledger()
    for number in range(1, 4):
        network.alice.feed(commands.PayLedger(LEDGER, 1, f"r{number}"))
        network.settle()
        current = network.bob.channel(LEDGER).ledger
        assert current is not None
        stale = chain_log(
            "ChallengeRegistered",
            100 * number,
            confirmed=False,
            channel_id=LEDGER,
            turn_num=current.turn_num - 1,
            number=10**10,
        )
        network.bob.feed(stale)
        cleared = {"channel_id": LEDGER, "number": current.turn_num}
        network.bob.feed(replace(stale, confirmed=True))
        network.bob.feed(chain_log("ChallengeCleared", 100 * number + 1, **cleared))
        found = newest_round(network.bob.state.objectives, DEFEND, LEDGER)
        assert found[0] == number - 1
        assert found[1] is not None
        assert found[1].status == "completed"
        network.bob.submissions.clear()


def test_the_payee_redeems_its_largest_voucher_and_the_payer_does_nothing() -> None:
    network = opened(depth=2)
    pay(network, 30, 1)
    network.settle()
    challenge_with_turn(network, network.alice, CHANNEL, 1)
    for _ in range(6):
        step(network, network.alice, network.bob)
    assert network.chain.disputes.kept[CHANNEL].turn_num == 2
    sent = [o.kind for o in network.alice.events_of("transaction-requested")]
    assert sent == ["deposit"]
    network.chain.pass_time(10**6)
    until(network, network.bob, lambda: is_completed(network.bob, DEFEND, CHANNEL))
    until(network, network.bob, lambda: paid_to(network, network.bob) == 30)
    until(network, network.alice, lambda: paid_to(network, network.alice) == DEPOSIT - 30)


def test_an_answer_that_is_under_way_is_not_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    network = opened(depth=2)
    pay(network, 30, 1)
    network.settle()
    bob, built = network.bob, []
    stale = chain_log("ChallengeRegistered", 9, confirmed=False, number=10**10, turn_num=1)
    bob.feed(stale)
    assert kinds(bob) == ["challenge"]
    monkeypatch.setattr(supports, "held_support", lambda *given: built.append(given))
    bob.feed(inputs.Tick())
    bob.feed(replace(stale, confirmed=True))
    assert (kinds(bob), built) == (["challenge"], [])


def test_whoever_holds_a_final_state_of_all_concludes() -> None:
    bob = opened().bob
    bob.feed(Said(ALICE, signed(final(0), ALICE)))
    assert kinds(bob) == []
    bob.feed(chain_log("ChallengeRegistered", 9, confirmed=False, number=10**10, turn_num=1))
    assert kinds(bob) == ["conclude"]
    assert consent(final(0)) is not None


def test_an_answer_is_given_at_depth_0_and_stays_until_the_clearing_is_confirmed() -> None:
    network = paid_ledger()
    bob = network.bob
    stale = chain_log(
        "ChallengeRegistered", 100, confirmed=False, channel_id=LEDGER, turn_num=1, number=10**10
    )
    bob.feed(stale)
    assert kinds(bob) == ["checkpoint"]
    bob.feed(chain_log("ChallengeCleared", 101, confirmed=False, channel_id=LEDGER, number=2))
    assert not is_completed(bob, DEFEND, LEDGER)
    # A fork takes the answer back: the challenge stands again, and so does our duty.
    bob.feed(inputs.ChainReorg(101, block_hash(101), block_hash(101, fork=1)))
    bob.feed(inputs.Tick())
    assert status(bob.channel(LEDGER)) == ChannelStatus.CHALLENGED
    found = newest(bob.state.objectives, DEFEND, LEDGER)
    assert found is not None
    assert found.is_active


def test_a_challenge_that_a_fork_took_away_needs_no_defence() -> None:
    bob = paid_ledger().bob
    stale = {"channel_id": LEDGER, "turn_num": 1, "number": 10**10}
    bob.feed(chain_log("ChallengeRegistered", 100, confirmed=False, **stale))
    bob.feed(inputs.ChainReorg(100, block_hash(100), block_hash(100, fork=1)))
    bob.feed(inputs.Tick())
    assert is_completed(bob, DEFEND, LEDGER)


def test_a_newer_state_than_ours_is_an_alarm_with_what_it_costs_once() -> None:
    bob = paid_ledger().bob
    worse = ledger_outcome(
        LEDGER_FIXED, bytes(20), replace(result_of(), leader=1_400, follower=100)
    )
    newer = chain_log(
        "ChallengeRegistered",
        100,
        confirmed=False,
        channel_id=LEDGER,
        turn_num=9,
        number=10**10,
        candidate_outcome=encode_outcome(worse),
    )
    bob.feed(newer)
    for _ in range(3):
        bob.feed(inputs.Tick())
    (alarm,) = bob.events_of("challenge-unanswerable")
    assert (alarm.turn_num_record, alarm.own_turn, alarm.finalizes_at) == (9, 2, 10**10)
    assert int.from_bytes(alarm.cost, "big") == 600
    assert kinds(bob) == []
    assert bob.channel(LEDGER).unanswerable_until == 10**10


def test_an_answer_that_came_too_late_is_an_alarm_too() -> None:
    network = paid_ledger()
    bob = network.bob
    start = ledger_outcome(LEDGER_FIXED, bytes(20), result_of())
    stale = chain_log(
        "ChallengeRegistered",
        100,
        channel_id=LEDGER,
        turn_num=1,
        number=5_000,
        candidate_outcome=encode_outcome(start),
    )
    bob.feed(stale)
    bob.feed(inputs.ChainHead(101, block_hash(101), 5_000))
    (alarm,) = bob.events_of("challenge-unanswerable")
    assert int.from_bytes(alarm.cost, "big") == 200
    found = newest(bob.state.objectives, DEFEND, LEDGER)
    assert found is not None
    assert (found.status, found.success) == ("completed", False)


def test_our_own_challenge_is_not_defended_against() -> None:
    network = opened(depth=2)
    pay(network, 30, 1)
    network.settle()
    network.bob.feed(commands.ChallengeChannel(CHANNEL))
    until(network, network.bob, lambda: status(network.bob.channel()) == ChannelStatus.CHALLENGED)
    assert newest(network.bob.state.objectives, DEFEND, CHANNEL) is None
    assert BOB.address == network.bob.actor.address
