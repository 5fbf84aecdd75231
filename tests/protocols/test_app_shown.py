"""What the chain shows of an application becomes ours: signatures, moves, states we forgot."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import inputs
from protocols.app_channel import LEADER
from protocols.objectives.app_supports import app_support, app_turn
from protocols.objectives.base import ObjectiveType
from tests.support.app_disputes import (
    GAME,
    game,
    pass_blocks,
    register,
    register_other_move,
    say_to_nobody,
    until,
)
from tests.support.app_rig import (
    APP_CHANNEL,
    STAKES,
    AppNetwork,
    AppNode,
    opened_app,
    signed_hashes,
)
from tests.support.exit_rig import challenge_with_turn, is_completed, paid_to

EXIT = ObjectiveType.EXIT
POT = sum(STAKES)


def kept_turn(network: AppNetwork) -> int:
    known = network.chain.disputes.kept.get(GAME)
    return -1 if known is None else known.turn_num


def alone(node: AppNode) -> int:
    return app_turn(node.state.node, node.channel(GAME))


def test_a_move_that_nobody_answers_is_signed_alone_and_pays() -> None:
    network = game(2)
    alice = network.alice
    say_to_nobody(alice)
    assert alone(alice) == 3
    alice.feed(inputs.ExitChannel(GAME))
    until(network, lambda: GAME in network.chain.disputes.kept, alice)
    assert kept_turn(network) == 4
    found = app_support(alice.state.node, alice.channel(GAME))
    assert found is not None
    assert found.before is not None
    assert (bool(found.newest.signatures[0]), found.newest.signatures[1]) == (True, b"")
    network.chain.pass_time(10**6)
    until(network, lambda: is_completed(alice, EXIT, GAME), alice)
    assert paid_to(network, alice) == STAKES[0] - 10 + 10 - 5


def test_a_first_move_needs_no_move_before() -> None:
    network = game()
    say_to_nobody(network.alice)
    network.alice.feed(inputs.ExitChannel(GAME))
    until(network, lambda: GAME in network.chain.disputes.kept, network.alice)
    assert kept_turn(network) == 2


def test_a_move_that_our_reducer_refuses_is_not_made_and_what_both_signed_is_registered() -> None:
    network = game(2)
    say_to_nobody(network.alice, 100)
    network.alice.feed(inputs.ExitChannel(GAME))
    until(network, lambda: GAME in network.chain.disputes.kept, network.alice)
    assert kept_turn(network) == 3
    (refused,) = network.alice.events_of("app-message-refused")
    assert refused.failure == "trap-unreachable"


def test_a_stale_challenge_is_answered_by_a_move_that_was_waiting() -> None:
    network = game(2)
    say_to_nobody(network.alice)
    challenge_with_turn(network, network.alice, GAME, 1)
    until(network, lambda: kept_turn(network) == 4, network.alice)
    assert [event.kind for event in network.alice.events_of("transaction-requested")][-1] == (
        "challenge"
    )
    assert not network.alice.events_of("challenge-unanswerable")


def test_a_move_on_chain_is_taken_in_and_answered_by_the_next() -> None:
    network = game(2)
    alice, bob = network.alice, network.bob
    say_to_nobody(alice)
    alice.feed(inputs.ExitChannel(GAME))
    until(network, lambda: alone(bob) == 4, alice, bob)
    assert not bob.events_of("challenge-unanswerable")
    (taken,) = bob.events_of("app-move-taken")
    assert (taken.turn_num, bob.app(GAME).supported.turn_num) == (4, 4)
    say_to_nobody(bob, 7)
    until(network, lambda: kept_turn(network) == 5, alice, bob)
    # And so on: the chain is where they talk now.
    until(network, lambda: alone(alice) == 5, alice, bob)
    alice.say(1, channel_id=GAME)
    until(network, lambda: kept_turn(network) == 6, alice, bob)
    network.chain.pass_time(10**6)
    until(network, lambda: paid_to(network, bob) > 0, alice, bob)
    assert paid_to(network, alice) == STAKES[0] - 10 + 10 - 5 + 7 - 1
    assert paid_to(network, bob) == POT - paid_to(network, alice)
    assert not network.alice.events_of("challenge-unanswerable")


def test_another_move_on_chain_than_was_offered_is_answered_all_the_same() -> None:
    """Who offers one move and shows another does not take our turn from us."""
    network = game(2)
    alice, bob = network.alice, network.bob
    say_to_nobody(alice)
    network.deliver(alice)
    bob.judge()
    assert (bob.app(GAME).tip.turn_num, alone(bob)) == (4, 3)
    register_other_move(network, alice, 9)
    until(network, lambda: alone(bob) == 4, bob)
    assert bob.app(GAME).supported.message == bytes((9,))
    assert bob.app(GAME).supported.amounts == bob.till.amounts == (STAKES[0] - 9, STAKES[1] + 9)
    say_to_nobody(bob, 7)
    until(network, lambda: kept_turn(network) == 5, bob)
    assert not bob.events_of("challenge-unanswerable")
    assert not any(len(found) > 1 for found in signed_hashes(bob).values())


def test_a_move_on_chain_that_pays_what_no_reducer_says_halts_the_talk() -> None:
    network = game(2)
    alice, bob = network.alice, network.bob
    bob.bend = lambda verdict: replace(verdict, amounts=(STAKES[0] - 1, STAKES[1] + 1))
    say_to_nobody(alice)
    alice.feed(inputs.ExitChannel(GAME))
    until(network, lambda: bool(bob.app(GAME).halted), alice, bob)
    assert bob.app(GAME).halted == "STATE_DIFFERS"
    assert alone(bob) == 3


@pytest.mark.parametrize("kind", ["challenge", "checkpoint"])
def test_a_signature_that_was_kept_from_us_is_taken_from_the_chain(kind: str) -> None:
    network = opened_app(LEADER)
    alice, bob = network.alice, network.bob
    alice.say(10)
    network.settle()
    alice.say(20)
    alice.feed(inputs.EndOfBatch())
    network.deliver(alice)
    bob.judge()
    network.deliver(bob)
    alice.judge()
    # ALICE has both signatures and tells nobody.
    assert (alice.app().supported.count, bob.app().supported.count) == (2, 1)
    register(network, alice, APP_CHANNEL, kind)
    pass_blocks(network, bob, count=2)
    assert bob.app().supported.count == 2
    assert app_turn(bob.state.node, bob.channel(APP_CHANNEL)) == 3


def test_whoever_forgot_the_newest_state_takes_it_from_the_chain() -> None:
    network = opened_app(LEADER)
    for amount in (10, 20):
        network.alice.say(amount)
        network.settle()
    bob = network.bob
    network.cut_tail(bob, 2)
    assert app_turn(bob.state.node, bob.channel(APP_CHANNEL)) < 3
    register(network, network.alice, APP_CHANNEL, "checkpoint")
    pass_blocks(network, bob, count=2)
    assert app_turn(bob.state.node, bob.channel(APP_CHANNEL)) == 3
    assert bob.app().supported.amounts == (STAKES[0] - 30, STAKES[1] + 30)


def logs_of(network: AppNetwork, name: str) -> list[inputs.ChainLog]:
    return [log for block in network.chain.blocks for log in block.logs if log.log_name == name]


def test_nothing_is_believed_for_being_told_by_the_chain() -> None:
    """An endpoint may tell anything: signatures are checked, and the game by our own reducer."""
    network = game(2)
    alice, bob = network.alice, network.bob
    say_to_nobody(alice)
    alice.feed(inputs.ExitChannel(GAME))
    until(network, lambda: GAME in network.chain.disputes.kept, alice)
    (log,) = logs_of(network, "ChallengeRegistered")
    before = bob.channel(GAME)
    for lie in (
        replace(log, signatures=(bytes(64) + b"\x1b",)),
        replace(log, signatures=()),
        replace(log, candidate=b"\x01" * 64),
        replace(log, candidate=log.candidate[:-1] + b"\x01"),
        replace(log, proof=()),
    ):
        bob.feed(replace(lie, block_hash=bytes(32)))
        bob.judge()
        assert bob.channel(GAME).app == before.app
        assert alone(bob) == 3
