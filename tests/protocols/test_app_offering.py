"""What is offered, when, and by whom first; what our own reducer refuses is never offered."""

from __future__ import annotations

from itertools import groupby

from protocols import commands, messages
from protocols.app_channel import ALTERNATE, LEADER, RUN_MESSAGE_COUNT_MAX
from protocols.app_offering import may_speak, payloads_to_offer, stamp_of_offer
from protocols.draft import Draft
from protocols.inputs import AppVerdict
from tests.support.app_disputes import GAME, game
from tests.support.app_rig import (
    APP_CHANNEL,
    FAILS,
    AppNetwork,
    AppNode,
    opened_app,
    signed_hashes,
)
from tests.support.network import Said


def draft_of(node: AppNode) -> Draft:
    return Draft(node.state, node.context())


def test_a_run_has_so_many_messages_and_a_turn_one() -> None:
    network = opened_app(LEADER)
    for number in range(RUN_MESSAGE_COUNT_MAX + 3):
        network.alice.say(number % 3 + 1)
    assert len(payloads_to_offer(network.alice.app())) == RUN_MESSAGE_COUNT_MAX
    turns = opened_app(ALTERNATE)
    turns.alice.say(1)
    assert payloads_to_offer(turns.alice.app()) == (b"\x01",)


def test_messages_are_stamped_with_now_and_never_before_the_last_one() -> None:
    network = opened_app(LEADER)
    network.alice.say(1)
    network.settle()
    alice = network.alice
    last_ms = alice.app().tip.timestamp_ms
    alice.now_ms = last_ms - 5
    assert stamp_of_offer(draft_of(alice), alice.app()) == last_ms
    alice.now_ms = last_ms + 5
    assert stamp_of_offer(draft_of(alice), alice.app()) == last_ms + 5
    assert stamp_of_offer(draft_of(alice), game().alice.app(GAME)) == 0


def test_messages_are_offered_as_they_ran() -> None:
    network = opened_app(LEADER)
    alice = network.alice
    alice.say(1)
    alice.judge()
    (run,) = alice.runs
    (offered,) = alice.events_of("app-messages-offered")
    assert (run.is_offer, run.stamp_ms) == (True, offered.stamp_ms)
    assert offered.stamp_ms == alice.now_ms > 0


def test_messages_wait_for_the_chain_and_not_for_a_channel_that_closes() -> None:
    network = opened_app(LEADER)
    alice = network.alice
    alice.say(1)
    alice.chain_view_age_s = None
    assert not may_speak(draft_of(alice), alice.channel(APP_CHANNEL))
    alice.judge()
    assert (alice.runs, len(alice.app().queue)) == ([], 1)
    alice.chain_view_age_s = 0
    assert may_speak(draft_of(alice), alice.channel(APP_CHANNEL))
    alice.feed(commands.CloseChannel(APP_CHANNEL))
    alice.judge()
    (refused,) = alice.events_of("app-message-refused")
    assert (refused.failure, alice.app().queue) == ("CHANNEL_CLOSING", ())


def test_of_what_our_own_reducer_refuses_nobody_else_hears() -> None:
    network = opened_app(LEADER)
    for number, amount in enumerate((FAILS, 3, FAILS, FAILS, 4, FAILS), start=1):
        network.alice.say(amount, number)
    network.settle()
    network.require_agreement()
    assert network.alice.app().tip.count == 2
    refused = network.alice.events_of("app-message-refused")
    assert [int.from_bytes(event.local_id, "big") for event in refused] == [1, 3, 4, 6]
    (heard,) = network.bob.events_of("app-offer-received")
    assert heard.payloads == (b"\x03", b"\x04")
    assert network.bob.peer(network.alice.actor.address).refusal_count == 0


def test_what_crossed_the_leaders_offer_is_void_at_both_ends_and_made_again() -> None:
    network = opened_app(LEADER)
    alice, bob = network.alice, network.bob
    alice.say(1)
    for _ in range(5):
        bob.say(2)
    alice.judge()
    bob.judge()
    assert alice.app().offered_count == 1
    assert bob.app().offered_count == 5
    network.settle()
    network.require_agreement()
    assert len(bob.events_of("app-messages-offered")) == 2
    # Nobody signed what did not come to the same at both.
    assert [event.turn_num for event in alice.events_of("app-state-signed")] == [2, 7]
    assert all(run.base_count in (0, 1) for run in alice.runs)
    assert not alice.events_of("message-dropped")
    assert not bob.events_of("message-dropped")


def test_what_is_not_offered_again_does_not_keep_the_leader_waiting() -> None:
    network = opened_app(LEADER)
    alice, bob = network.alice, network.bob
    alice.say(1)
    bob.say(2, 7)
    alice.judge()
    bob.judge()
    # After her message it would not be taken in any more.
    bob.bend = lambda verdict: AppVerdict(4, "", (), b"") if bob.runs[-1].is_offer else verdict
    alice.say(3)
    network.settle()
    network.require_agreement()
    assert [event.sender for event in bob.applied()] == [alice.actor.address] * 2
    assert [event.message_count for event in bob.events_of("app-messages-offered")] == [1, 0]
    (refused,) = bob.events_of("app-message-refused")
    assert (refused.code, refused.local_id) == (4, (7).to_bytes(32, "big"))


def test_an_empty_offer_out_of_place_is_dropped() -> None:
    network = opened_app(LEADER)
    for node, other in ((network.alice, network.bob), (network.bob, network.alice)):
        body = messages.AppOffer(APP_CHANNEL, 0, node.now_ms, b"", (), ())
        node.feed(Said(other.actor, body))
        assert len(node.events_of("message-dropped")) == 1
        assert node.app().asked is None


def senders(network: AppNetwork) -> list[tuple[bytes, int]]:
    """Who spoke, and how many messages in a row."""
    spoken = (event.sender for event in network.bob.applied())
    return [(sender, len(list(messages))) for sender, messages in groupby(spoken)]


def test_where_both_have_much_to_say_neither_waits_for_the_other_to_be_silent() -> None:
    network = opened_app(LEADER)
    for _ in range(3 * RUN_MESSAGE_COUNT_MAX):
        network.alice.say(1)
        network.bob.say(1)
    network.settle()
    network.require_agreement()
    found = senders(network)
    ends = (network.alice.actor.address, network.bob.actor.address)
    assert found == [(end, RUN_MESSAGE_COUNT_MAX) for _ in range(3) for end in ends]
    for node in (network.alice, network.bob):
        assert all(len(hashes) == 1 for hashes in signed_hashes(node).values())
