"""What the chain shows of an application becomes ours: signatures, moves, states we forgot."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols import commands, inputs
from protocols.app_channel import JUDGED, LEADER, MESSAGE_LOG, outcome_of
from protocols.app_data import NO_ROOT, AppData, encode_app_data, next_root, opening_data
from protocols.app_events import AppDefinitionRecorded
from protocols.app_shown import receive
from protocols.channel import Channel, SignedTurn
from protocols.compact_state import compacted
from protocols.draft import Draft
from protocols.events import NodeCreated
from protocols.exit_value import endings, material_of
from protocols.node_state import NodeState, apply
from protocols.objectives.app_supports import CLAIM_PATIENCE_MS, app_support, app_turn
from protocols.objectives.base import ObjectiveType
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB, Actor
from tests.support.app_disputes import (
    GAME,
    GrabbingTill,
    game,
    pass_blocks,
    register,
    register_other_move,
    say_to_nobody,
    until,
)
from tests.support.app_rig import (
    APP_CHANNEL,
    REDUCER,
    STAKES,
    AppNetwork,
    AppNode,
    opened_app,
    signed_hashes,
)
from tests.support.builders import (
    ADJUDICATOR,
    CHAIN_ID,
    CONSENSUS_APP,
    DURATION_S,
    GAME_APP,
    LOG_APP,
    PAYMENT_APP,
    chain_log,
)
from tests.support.exit_rig import challenge_with_turn, is_completed, paid_to, step

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
    alice.feed(commands.ExitChannel(GAME))
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
    network.alice.feed(commands.ExitChannel(GAME))
    until(network, lambda: GAME in network.chain.disputes.kept, network.alice)
    assert kept_turn(network) == 2


def test_a_move_that_our_reducer_refuses_is_not_made_and_what_both_signed_is_registered() -> None:
    network = game(2)
    network.alice.say(100, channel_id=GAME)
    network.alice.feed(commands.ExitChannel(GAME))
    until(network, lambda: GAME in network.chain.disputes.kept, network.alice)
    assert kept_turn(network) == 3
    (refused,) = network.alice.events_of("app-message-refused")
    assert refused.failure == "trap-unreachable"


def test_a_reducer_that_does_not_run_keeps_nobody_from_leaving() -> None:
    network = game(2)
    alice = network.alice
    say_to_nobody(alice)
    alice.feed(commands.ExitChannel(GAME))
    for _ in range(CLAIM_PATIENCE_MS // 10_000 - 1):
        step(network, alice)
        assert kept_turn(network) == -1
    for _ in range(3):
        step(network, alice)
    assert kept_turn(network) == 3
    # It runs again: the move is made, and outranks what was registered without it.
    until(network, lambda: kept_turn(network) == 4, alice)


@pytest.mark.parametrize("runs", [True, False], ids=["it runs", "it fails"])
def test_a_move_that_costs_us_is_an_alarm_if_our_reducer_does_not_take_it_in(runs: bool) -> None:
    network = game(2, GrabbingTill)
    alice, bob = network.alice, network.bob
    network.chain.time_s = bob.now_ms // 1_000
    say_to_nobody(alice, 50)
    alice.feed(commands.ExitChannel(GAME))
    until(network, lambda: kept_turn(network) == 4, alice)
    bob.now_ms = alice.now_ms
    step(network, alice, bob)
    assert bob.app(GAME).shown
    assert not bob.events_of("challenge-unanswerable"), "the reducer may take it in yet"
    for _ in range(CLAIM_PATIENCE_MS // 10_000 + 2):
        if runs:
            bob.judge()
        step(network, alice, bob)
    assert bool(bob.events_of("challenge-unanswerable")) != runs


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
    alice.feed(commands.ExitChannel(GAME))
    until(network, lambda: alone(bob) == 4, alice, bob)
    assert not bob.events_of("challenge-unanswerable")
    (taken,) = bob.events_of("app-move-taken")
    assert (taken.turn_num, bob.app(GAME).supported.turn_num) == (4, 4)
    bob.say(7, channel_id=GAME)
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
    bob.say(7, channel_id=GAME)
    until(network, lambda: kept_turn(network) == 5, bob)
    assert not bob.events_of("challenge-unanswerable")
    assert not any(len(found) > 1 for found in signed_hashes(bob).values())


def test_a_move_on_chain_that_pays_what_no_reducer_says_halts_the_talk() -> None:
    network = game(2)
    alice, bob = network.alice, network.bob
    bob.bend = lambda verdict: replace(verdict, amounts=(STAKES[0] - 1, STAKES[1] + 1))
    say_to_nobody(alice)
    alice.feed(commands.ExitChannel(GAME))
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
    alice.judge()
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
    # What the chain showed and what was said are one state, with the signatures of both.
    for node, due in ((alice, STAKES[0] - 30), (bob, STAKES[1] + 30)):
        material = material_of(node.channel(APP_CHANNEL), PAYMENT_APP, MESSAGE_LOG)
        (exit_,) = endings(material, node.actor.address)
        assert exit_ is not None
        assert exit_.allocations[node.channel(APP_CHANNEL).my_index].amount == due


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
    alice.feed(commands.ExitChannel(GAME))
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


HUB = b"\x48" * 20


def hub_state(app: bytes) -> tuple[NodeState, Channel]:
    """A hub between ALICE and BOB: it signed the postfund and hears no talk."""
    fixed = FixedPart((ALICE.address, HUB, BOB.address), 7, app, DURATION_S)
    shares = tuple(Allocation(destination_of(who.address), 500) for who in (ALICE, BOB))
    outcome = (SingleAssetExit(ZERO_ADDRESS, shares),)
    turns = []
    for turn_num in (0, 1):
        state = State(fixed, opening_data(REDUCER), outcome, turn_num, False)
        name, encoded = state.state_hash(), compacted(state.encode())
        signatures = (ALICE.signer(name), bytes(65), BOB.signer(name))
        turns.append(SignedTurn(turn_num, name, False, encoded, signatures))
    node = NodeState()
    apply(node, NodeCreated(1, CHAIN_ID, ADJUDICATOR, PAYMENT_APP, CONSENSUS_APP, HUB), 0)
    apply(node, AppDefinitionRecorded(LOG_APP, MESSAGE_LOG), 0)
    apply(node, AppDefinitionRecorded(GAME_APP, JUDGED), 0)
    channel = Channel(fixed.channel_id(), fixed, 1, tuple(turns), supported_turn=1)
    node.channels[channel.channel_id] = channel
    return node, channel


def moves_of(channel: Channel, *by: tuple[Actor, ...]) -> list[tuple[bytes, tuple[bytes, ...]]]:
    """Running states that follow each other, as a log shows them, signed by these."""
    root, shown = NO_ROOT, []
    for count, signers in enumerate(by, start=1):
        message = bytes((count,))
        root = next_root(root, message)
        outcome = outcome_of(channel.state(channel.turns[0]).outcome[0], (1_000 - count, count))
        data = encode_app_data(AppData(REDUCER, root, count, message))
        state = State(channel.fixed, data, outcome, count + 1, False)
        signatures = tuple(who.signer(state.state_hash()) for who in signers)
        shown.append((state.encode(), signatures))
    return shown


@pytest.mark.parametrize("app", [LOG_APP, GAME_APP])
def test_a_hub_registers_what_it_was_shown(app: bytes) -> None:
    node, channel = hub_state(app)
    signers = ((ALICE, BOB), (ALICE, BOB)) if app == LOG_APP else ((ALICE,), (BOB,))
    *earlier, (encoded, signatures) = moves_of(channel, *signers)
    postfund = (channel.state(channel.turns[1]).encode(), channel.turns[1].signatures)
    log = chain_log(
        "CheckpointProved",
        5,
        channel_id=channel.channel_id,
        turn_num=3,
        candidate=encoded,
        signatures=signatures,
        proof=(postfund, *(earlier if app == GAME_APP else ())),
    )
    draft = Draft(node, replace(opened_app().alice.context(), me=HUB))
    assert receive(draft, log) == [channel.channel_id]
    known = draft.state.channels[channel.channel_id]
    found = app_support(node.node, known)
    assert found is not None
    assert found.newest.state.encode() == encoded
    assert (found.before is not None) == (app == GAME_APP)
    again = Draft(draft.state, draft.context)
    assert receive(again, log) == []
    for lie in (
        replace(log, signatures=signatures[:1] if app == LOG_APP else (bytes(65),)),
        replace(log, candidate=postfund[0]),
    ):
        draft = Draft(node, draft.context)
        receive(draft, lie)
        assert app_turn(node.node, draft.state.channels[channel.channel_id]) < 3
