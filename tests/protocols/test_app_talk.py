"""Offers, answers and confirmations between two nodes, and what breaks the talk."""

from __future__ import annotations

import pytest

from protocols import commands, messages
from protocols.app_channel import ALTERNATE, LEADER
from protocols.app_data import MESSAGE_SIZE_BYTES_MAX, TIMESTAMP_MS_MIN
from protocols.app_errors import (
    AppMessageOversized,
    NotAnAppChannel,
    NotYourTurn,
    TimestampOff,
    TooManyMessagesWaiting,
)
from protocols.app_talk import QUEUE_COUNT_MAX, RESTAMP_COUNT_MAX, is_resting, state_of
from protocols.errors import UnknownChannel
from protocols.payment_errors import ChannelClosing
from tests.support.app_rig import APP_CHANNEL, FAILS, STAKES, AppNetwork, open_app, opened_app
from tests.support.builders import open_command
from tests.support.network import Said

LATE_MS = 120_000
TOO_LONG = bytes(MESSAGE_SIZE_BYTES_MAX)


def offer(network: AppNetwork, **changes: object) -> messages.AppOffer:
    parts = {
        "channel_id": APP_CHANNEL,
        "base_count": 0,
        "timestamp_ms": network.alice.now_ms,
        "digest": b"",
        "payloads": (b"\x01",),
    }
    payloads = changes.get("payloads", parts["payloads"])
    assert isinstance(payloads, tuple)
    parts["digests"] = network.bob.till.digests_after(0, 0, *payloads)
    return messages.AppOffer(**{**parts, **changes})  # type: ignore[arg-type]


def faults(network: AppNetwork) -> list[str]:
    return [event.reason for event in network.bob.events_of("message-dropped")]


def test_a_message_is_signed_by_both_and_moves_what_the_reducer_says() -> None:
    network = opened_app()
    network.alice.say(5)
    network.settle()
    network.require_agreement()
    assert network.bob.app().tip.amounts == (995, 505)
    assert state_of(network.bob.channel(APP_CHANNEL)).turn_num == 2
    assert is_resting(network.alice.channel(APP_CHANNEL))


def test_the_ends_take_turns() -> None:
    network = opened_app(ALTERNATE)
    with pytest.raises(NotYourTurn):
        network.bob.say(1)
    network.alice.say(5)
    with pytest.raises(NotYourTurn):
        network.alice.say(6)
    network.settle()
    network.bob.say(7)
    network.settle()
    network.require_agreement()
    assert [event.sender for event in network.alice.applied()] == [
        network.alice.actor.address,
        network.bob.actor.address,
    ]


def test_messages_of_one_batch_are_one_run_with_one_signature() -> None:
    network = opened_app(LEADER)
    for amount in range(1, 6):
        network.alice.say(amount)
    network.settle()
    network.require_agreement()
    assert network.alice.app().tip.count == 5
    assert [event.turn_num for event in network.bob.events_of("app-state-signed")] == [6]


def test_what_both_say_at_once_is_ordered_by_the_leader() -> None:
    network = opened_app(LEADER)
    network.alice.say(1)
    network.bob.say(2)
    network.bob.say(3)
    network.settle()
    network.require_agreement()
    senders = [event.sender for event in network.bob.applied()]
    assert senders[0] == network.alice.actor.address
    assert len(senders) == 3
    assert sum(network.alice.app().tip.amounts) == sum(STAKES)


def test_an_offer_beyond_the_clock_is_stamped_anew_and_then_refused() -> None:
    network = opened_app()
    network.bob.now_ms += LATE_MS
    network.alice.say(5, 77)
    network.settle()
    assert len(network.alice.events_of("app-messages-offered")) == RESTAMP_COUNT_MAX + 1
    (refused,) = network.alice.events_of("app-message-refused")
    assert (refused.failure, refused.local_id) == ("TIMESTAMP_OFF", (77).to_bytes(32, "big"))
    assert not network.alice.events_of("app-state-signed")
    assert not network.bob.events_of("app-state-signed")
    network.require_agreement()
    network.alice.now_ms += LATE_MS
    network.alice.say(5)
    network.settle()
    assert network.bob.app().tip.count == 1


def test_a_clock_before_all_timestamps_says_nothing_whatever_the_other_end_would_answer() -> None:
    network = opened_app()
    alice = network.alice
    good_ms, alice.now_ms = alice.now_ms, TIMESTAMP_MS_MIN - 1
    with pytest.raises(TimestampOff) as caught:
        alice.say(5)
    assert caught.value.retry_safe
    alice.now_ms = good_ms
    alice.say(5)
    alice.now_ms = 0
    network.settle()
    assert not alice.events_of("app-messages-offered")
    alice.now_ms = good_ms
    network.settle()
    network.require_agreement()
    assert network.bob.app().tip.count == 1


def test_a_late_offer_is_made_again_with_the_time_of_then() -> None:
    network = opened_app()
    network.alice.say(5)
    network.alice.judge()
    network.wait(LATE_MS)
    network.settle()
    network.require_agreement()
    assert network.alice.app().tip.count == 1
    assert len(network.alice.events_of("app-messages-offered")) == 2


def test_what_cannot_be_said_is_refused_to_the_owner() -> None:
    network = opened_app(LEADER)
    alice = network.alice
    with pytest.raises(UnknownChannel):
        alice.say(1, channel_id=b"\x09" * 32)
    too_long = bytes(MESSAGE_SIZE_BYTES_MAX - 10)
    with pytest.raises(AppMessageOversized):
        alice.feed(commands.SendAppMessage(APP_CHANNEL, too_long, bytes(32)))
    with pytest.raises(AppMessageOversized):
        alice.feed(commands.SendAppMessage(APP_CHANNEL, b"", bytes(32)))
    alice.feed(open_command(nonce_entropy=b"wxyz"))
    network.settle()
    (payments,) = set(alice.state.channels) - {APP_CHANNEL}
    with pytest.raises(NotAnAppChannel):
        alice.say(1, channel_id=payments)
    alice.feed(commands.CloseChannel(APP_CHANNEL))
    network.settle()
    with pytest.raises(ChannelClosing):
        alice.say(1)


def test_so_many_messages_wait_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert QUEUE_COUNT_MAX > 1_000
    monkeypatch.setattr("protocols.app_talk.QUEUE_COUNT_MAX", 2)
    network = opened_app(LEADER)
    network.alice.say(1)
    network.alice.say(1)
    with pytest.raises(TooManyMessagesWaiting):
        network.alice.say(1)


def test_a_second_offer_before_the_answer_is_a_fault() -> None:
    network = opened_app()
    network.bob.feed(Said(network.alice.actor, offer(network)))
    network.bob.feed(Said(network.alice.actor, offer(network)))
    assert "is not answered" in faults(network)[0]


@pytest.mark.parametrize(
    ("changes", "error_code"),
    [
        ({"base_count": 3}, "APP_OFFER_REFUSED"),
        ({"payloads": (b"\x01", b"\x02")}, "NOT_YOUR_TURN"),
        ({"timestamp_ms": 7}, "TIMESTAMP_OFF"),
    ],
    ids=["elsewhere", "two at once", "long ago"],
)
def test_offers_against_the_rules_are_answered_and_leave_nothing(
    changes: dict[str, object], error_code: str
) -> None:
    network = opened_app()
    network.bob.feed(Said(network.alice.actor, offer(network, **changes)))
    network.bob.judge()
    (answered,) = network.bob.events_of("app-offer-answered")
    assert (answered.error_code, answered.decided_count) == (error_code, 0)
    assert not network.bob.runs
    assert network.bob.app().asked is None
    assert not network.bob.events_of("app-state-signed")


def test_what_is_refused_is_counted_against_who_said_it() -> None:
    network = opened_app()
    peer = network.alice.actor.address
    network.bob.feed(Said(network.alice.actor, offer(network, base_count=3)))
    network.bob.judge()
    assert network.bob.peer(peer).refusal_count == 1
    network.bob.feed(Said(network.alice.actor, offer(network, payloads=(bytes((FAILS,)),))))
    network.bob.judge()
    assert network.bob.peer(peer).refusal_count == 2


def test_who_is_refused_holds_it_against_nobody() -> None:
    network = opened_app()
    network.bob.now_ms += LATE_MS
    network.alice.say(1)
    network.settle()
    assert network.alice.peer(network.bob.actor.address).refusal_count == 0
    assert network.bob.peer(network.alice.actor.address).refusal_count == RESTAMP_COUNT_MAX + 1


@pytest.mark.parametrize(
    "body",
    [
        messages.AppAnswer(APP_CHANNEL, 0, 1, (), 2, bytes(32), bytes(65)),
        messages.AppConfirmation(APP_CHANNEL, 2, bytes(32), bytes(65)),
        messages.AppOffer(APP_CHANNEL, 0, 2**41, b"", (TOO_LONG,), (bytes(32),)),
        messages.AppOffer(APP_CHANNEL, 0, 2**41, b"", (b"\x01", b"\x02"), (bytes(32),)),
        messages.AppOffer(APP_CHANNEL, 0, 2**41, b"", (b"\x01",), ()),
    ],
    ids=[
        "answer to nothing",
        "confirmation of nothing",
        "a message too long",
        "a digest too few",
        "no digest",
    ],
)
def test_what_breaks_the_talk_is_dropped(body: messages.Body) -> None:
    network = opened_app()
    before = network.bob.channel(APP_CHANNEL)
    network.bob.feed(Said(network.alice.actor, body))
    assert len(faults(network)) == 1
    assert network.bob.channel(APP_CHANNEL) == before


def test_talk_before_the_channel_is_open_is_dropped() -> None:
    network = AppNetwork(verdict="ask")
    network.alice.feed(open_app())
    network.settle()
    network.bob.feed(Said(network.alice.actor, offer(network)))
    assert "not open" in faults(network)[0]


def test_a_forged_confirmation_is_dropped() -> None:
    network = opened_app()
    network.bob.feed(Said(network.alice.actor, offer(network)))
    network.bob.judge()
    forged = network.alice.actor.signer(b"\x01" * 32)
    tip = network.bob.app().tip
    body = messages.AppConfirmation(APP_CHANNEL, tip.turn_num, tip.digest, forged)
    network.bob.feed(Said(network.alice.actor, body))
    assert not network.bob.app().tip.is_supported
    assert len(faults(network)) == 1
