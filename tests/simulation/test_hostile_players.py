"""A player who lies, stops, halts or asks for the end at its best moment takes nobody's move.

Where the contract judges the moves (M25), BOB can be stopped by nothing that ALICE says.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from protocols import commands, inputs, messages
from protocols.app_channel import LEADER, ListedRefusal
from protocols.app_talk import state_of
from protocols.channel import ChainStatus, observed_chain_status
from protocols.objectives.app_supports import app_turn
from protocols.objectives.closing import final_outcome
from protocols.state import State
from tests.support.app_disputes import GAME, game, register, register_other_move, until
from tests.support.app_rig import (
    APP_CHANNEL,
    STAKES,
    AppNetwork,
    AppNode,
    opened_app,
    signed_hashes,
)
from tests.support.exit_rig import paid_to
from tests.support.network import Said

POT = sum(STAKES)
UNSIGNED = bytes(65)
UNKNOWN = b"\x01" * 32


def hear(node: AppNode, sender: AppNode, *bodies: messages.Body) -> None:
    """The node is told these by the other end, and does with them what it does."""
    for body in bodies:
        node.feed(Said(sender.actor, body))
        node.judge()
        node.feed(inputs.EndOfBatch())


def is_challenged(node: AppNode) -> bool:
    return observed_chain_status(node.channel(GAME)) == ChainStatus.CHALLENGED


def kept_turn(network: AppNetwork) -> int:
    known = network.chain.disputes.kept.get(GAME)
    return -1 if known is None else known.turn_num


def halt_message(channel_id: bytes = GAME) -> messages.AppHalt:
    return messages.AppHalt(channel_id, "DIGEST_DIFFERS", "because")


def offer(
    node: AppNode, *payloads: bytes, digest: bytes = b"", digests: tuple[bytes, ...] | None = None
) -> messages.AppOffer:
    """What ALICE says in the game: with what it comes to, unless it is said otherwise."""
    app = node.app(GAME)
    if digests is None:
        digests = node.till.digests_after(app.tip.count, 0, *payloads)
    return messages.AppOffer(GAME, app.tip.count, 0, digest, payloads, digests)


def refusal(node: AppNode, error_code: str = "", **changes: object) -> messages.AppAnswer:
    """An answer to what the node offers that takes nothing in."""
    count, refused = node.app(GAME).tip.count, (ListedRefusal(0, 9, ""),)
    empty = messages.AppAnswer(GAME, count, 1, refused, 0, b"", b"")
    if error_code:
        empty = replace(empty, decided_count=0, refusals=(), error_code=error_code)
    return replace(empty, **changes)


STOPS: dict[str, Callable[[AppNode], messages.Body]] = {
    "a halt": lambda bob: halt_message(),
    "an offer with another digest": lambda bob: offer(bob, b"\x01", digest=b"\x01" * 32),
    "an offer that comes to something else": lambda bob: offer(bob, b"\x01", digests=(UNKNOWN,)),
    "an offer of two": lambda bob: offer(bob, b"\x01", b"\x02"),
    "a wish for the end": lambda bob: messages.FinalStateRequest(GAME, bytes(32), b""),
}


def bob_still_wins(network: AppNetwork) -> None:
    """ALICE registers her last move; BOB's owner moves once more, and the chain pays by that."""
    alice, bob = network.alice, network.bob
    register(network, alice, GAME, "challenge")
    until(network, lambda: is_challenged(bob), bob)
    bob.say(7, channel_id=GAME)
    # Whatever ALICE answers to what she is offered.
    hear(bob, alice, refusal(bob, "CHANNEL_CLOSING"))
    until(network, lambda: kept_turn(network) == 5, bob)
    network.chain.pass_time(10**6)
    until(network, lambda: paid_to(network, bob) > 0, bob)
    assert paid_to(network, bob) == STAKES[1] + 10 - 7
    assert not bob.events_of("challenge-unanswerable")
    assert not any(len(found) > 1 for found in signed_hashes(bob).values())


@pytest.mark.parametrize("stop", STOPS)
def test_nothing_that_is_said_takes_a_move_from_whose_turn_it_is(stop: str) -> None:
    network = game(3)
    hear(network.bob, network.alice, STOPS[stop](network.bob))
    bob_still_wins(network)


ANSWERS: dict[str, Callable[[AppNode], messages.AppAnswer]] = {
    "a rule that it would break": lambda bob: refusal(bob, "CHANNEL_CLOSING"),
    "another verdict": refusal,
    "a signature under nothing": lambda bob: refusal(
        bob, refusals=(), turn_num=5, digest=bytes(32), signature=UNSIGNED
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_no_answer_takes_a_move_from_its_mover(answer: str) -> None:
    network = game(3)
    bob = network.bob
    bob.say(7, channel_id=GAME)
    bob.judge()
    hear(bob, network.alice, ANSWERS[answer](bob))
    until_said = bool(bob.app(GAME).queue)
    if until_said:
        register(network, network.alice, GAME, "challenge")
        until(network, lambda: kept_turn(network) == 5, bob)
        assert app_turn(bob.state.node, bob.channel(GAME)) == 5
    else:
        # Its owner was told that it was refused, and says it again.
        bob_still_wins(network)


def test_an_offer_that_is_never_confirmed_does_not_hide_the_move_on_chain() -> None:
    network = game(2)
    alice, bob = network.alice, network.bob
    hear(bob, alice, offer(bob, b"\x05"))
    assert bob.app(GAME).tip.turn_num == 4
    hear(bob, alice, offer(bob, b"\x06"))
    assert bob.app(GAME).asked is not None
    register_other_move(network, alice, 9)
    until(network, lambda: app_turn(bob.state.node, bob.channel(GAME)) == 4, bob)
    assert bob.app(GAME).supported.message == bytes((9,))
    assert not any(len(found) > 1 for found in signed_hashes(bob).values())


@pytest.mark.parametrize("asker", ["alice", "bob"])
def test_nobody_is_ended_at_its_move_without_its_owners_word(asker: str) -> None:
    """Who moved last has the pot until it is answered, and would end the game just then."""
    network = game(3)
    if asker == "bob":
        network.bob.say(30, channel_id=GAME)
        network.settle()
    asking: AppNode = getattr(network, asker)
    asking.feed(commands.CloseChannel(GAME))
    network.settle()
    assert not network.alice.events_of("channel-finalized")
    other = network.bob if asking is network.alice else network.alice
    # The game goes on if it likes, at the latest on chain; or its owner agrees.
    other.feed(commands.CloseChannel(GAME))
    network.settle()
    assert network.alice.events_of("channel-finalized")
    assert sum(paid_to(network, node) for node in (network.alice, network.bob)) == POT


def test_an_end_that_was_offered_before_the_next_move_is_refused_after_it() -> None:
    network = game(3)
    alice, bob = network.alice, network.bob
    alice.feed(commands.CloseChannel(GAME))
    network.settle()
    assert bob.channel(GAME).turns[-1].is_final
    register(network, alice, GAME, "challenge")
    until(network, lambda: is_challenged(bob), bob)
    bob.say(7, channel_id=GAME)
    until(network, lambda: kept_turn(network) == 5, bob)
    bob.feed(commands.CloseChannel(GAME))
    assert not bob.channel(GAME).turns[-1].signatures[1]
    # What BOB says of it can be read: a move signed by him alone is no standing of both.
    network.settle()
    assert len(bob.events_of("final-state-refused")) == 1


def test_a_word_for_the_end_is_good_for_the_moment_it_was_given_at() -> None:
    """BOB's owner would end it after his move; ALICE moves on, on chain, and takes him by it."""
    network = game(3)
    alice, bob = network.alice, network.bob
    bob.say(30, channel_id=GAME)
    network.settle()
    bob.feed(commands.CloseChannel(GAME))
    network.settle()
    register_other_move(network, alice, 9)
    until(network, lambda: app_turn(bob.state.node, bob.channel(GAME)) == 6, bob)
    final = replace(alice.channel(GAME).state(alice.channel(GAME).turns[0]), is_final=True)
    shares = final.outcome[0].allocations
    amounts = bob.app(GAME).supported.amounts
    paid = tuple(replace(s, amount=a) for s, a in zip(shares, amounts, strict=True))
    outcome = (replace(final.outcome[0], allocations=paid),)
    final = replace(final, turn_num=200, app_data=b"", outcome=outcome)
    signature = alice.actor.signer(final.state_hash())
    hear(bob, alice, messages.SignedState(GAME, final.encode(), signature, b""))
    turn = bob.channel(GAME).turn(200)
    assert turn is not None
    assert turn.signatures == (signature, b"")


# --- message logs ---


def test_nothing_of_a_run_is_signed_after_the_end_is() -> None:
    """ALICE signed the end because BOB asked for it; of two states he would choose."""
    network = opened_app(LEADER)
    alice, bob = network.alice, network.bob
    alice.say(5)
    alice.judge()
    network.deliver(alice)
    bob.judge()
    answer = messages.AppAnswer(
        APP_CHANNEL, 0, 1, (), 2, bob.app().tip.digest, bob.app().tip.signatures[1]
    )
    hear(alice, bob, messages.FinalStateRequest(APP_CHANNEL, bytes(32), b""))
    assert alice.channel(APP_CHANNEL).turns[-1].is_final
    hear(alice, bob, answer)
    assert alice.app().supported.count == 0
    assert not alice.events_of("app-state-signed")
    assert len(alice.events_of("message-dropped")) == 1


def test_what_was_forgotten_is_not_signed_again_otherwise() -> None:
    """M27: the other end remembers what ALICE signed after the record that she lost."""
    network = opened_app(LEADER)
    alice, bob = network.alice, network.bob
    for amount in (1, 2):
        alice.say(amount)
    alice.judge()
    network.deliver(alice)
    kept = len(alice.log)
    bob.patience = 1
    network.settle()
    signed = signed_hashes(alice)
    assert len(signed[APP_CHANNEL, 2]) == len(signed[APP_CHANNEL, 3]) == 1
    network.cut_tail(alice, len(alice.log) - kept)
    run = messages.AppAnswer(APP_CHANNEL, 0, 2, (), 3, bytes(32), UNSIGNED)
    hear(alice, bob, run)
    assert alice.app().answer is None
    assert not alice.app().queue
    assert not set(alice.state.unjudged)


def test_a_halt_says_why_and_counts_once() -> None:
    network = opened_app(LEADER)
    alice, bob = network.alice, network.bob
    hear(alice, bob, replace(halt_message(APP_CHANNEL), error_code=""))
    assert not alice.app().halted
    assert len(alice.events_of("message-dropped")) == 1
    late = messages.AppAnswer(APP_CHANNEL, 0, 1, (), 2, bytes(32), UNSIGNED)
    asked = messages.AppOffer(APP_CHANNEL, 0, alice.now_ms, b"", (b"\x01",), (UNKNOWN,))
    for _ in range(3):
        hear(alice, bob, halt_message(APP_CHANNEL), late, asked)
    assert len(alice.events_of("app-halt-received")) == 1
    assert not alice.events_of("app-answer-received")
    assert not alice.events_of("app-offer-received")
    assert len(alice.events_of("message-repeated")) == 8
    assert (alice.app().asked, alice.app().answer) == (None, None)


def test_offers_of_which_nothing_is_taken_in_are_counted_against_their_author() -> None:
    network = opened_app(LEADER)
    alice, bob = network.alice, network.bob
    before = alice.state.peer(bob.actor.address).refusal_count
    for payload in (b"\x64", b"\x05", b"\x64"):
        stamp = alice.now_ms if payload == b"\x64" else 2**40
        hear(alice, bob, messages.AppOffer(APP_CHANNEL, 0, stamp, b"", (payload,), (UNKNOWN,)))
    assert alice.state.peer(bob.actor.address).refusal_count == before + 3


def test_a_confirmation_in_another_coat_keeps_what_is_known_of_the_state() -> None:
    network = opened_app(LEADER)
    alice, bob = network.alice, network.bob
    alice.say(5)
    alice.judge()
    network.deliver(alice)
    bob.judge()
    network.deliver(bob)
    alice.judge()
    tip = bob.app().tip
    encoded = state_of(alice.channel(APP_CHANNEL)).encode()
    hear(bob, alice, messages.AppStanding(APP_CHANNEL, encoded, alice.app().supported.signatures))
    assert bob.app().supported == replace(tip, signatures=alice.app().supported.signatures)
    assert bob.app().supported.timestamp_ms > 0


def test_an_answer_is_judged_before_the_end_is_signed() -> None:
    """BOB's owner closes in the batch in which ALICE's end and her answer came."""
    network = game(1)
    alice, bob = network.alice, network.bob
    bob.say(7, channel_id=GAME)
    bob.judge()
    network.deliver(bob)
    alice.judge()
    channel = bob.channel(GAME)
    final = State(channel.fixed, b"", final_outcome(channel, STAKES[1] + 10), 131, is_final=True)
    signature = alice.actor.signer(final.state_hash())
    bob.feed(Said(alice.actor, messages.SignedState(GAME, final.encode(), signature, b"")))
    tip = alice.app(GAME).tip
    body = messages.AppAnswer(GAME, 1, 1, (), tip.turn_num, tip.digest, tip.signatures[0])
    bob.feed(Said(alice.actor, body))
    bob.feed(commands.CloseChannel(GAME))
    assert not bob.channel(GAME).signed_by_me(131)
    bob.judge()
    assert bob.app(GAME).supported.turn_num == 3
    assert not bob.channel(GAME).signed_by_me(131)
