"""How an application channel is folded: from offer to supported state, one fact at a time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from protocols import app_events as facts
from protocols.app_channel import LEADER, App
from protocols.app_data import next_root
from protocols.app_reducers import APP_REDUCERS, app_of, my_end
from protocols.channel import Channel
from protocols.event import Event
from protocols.types import amount_to_bytes
from tests.support.actors import ALICE, BOB
from tests.support.app_rig import APP_CHANNEL, STAKES, opened_app
from tests.support.network import opened

NAME, DIGEST, HASH = b"\x01" * 32, b"\x0d" * 32, b"\x0e" * 32
MINE, THEIRS = b"\x11" * 65, b"\x22" * 65
AMOUNTS = tuple(map(amount_to_bytes, (900, 600)))

QUEUED = facts.AppMessageQueued(APP_CHANNEL, NAME, b"\x05")
OFFERED = facts.AppMessagesOffered(APP_CHANNEL, 0, 2**40, 1)
ASKED = facts.AppOfferReceived(APP_CHANNEL, 0, 2**40, b"", (b"\x05",))
SIGNED = facts.AppStateSigned(APP_CHANNEL, 2, HASH, MINE, AMOUNTS, DIGEST)
ANSWERED = facts.AppOfferAnswered(APP_CHANNEL, 0, 1)
JUDGED = facts.AppAnswerJudged(APP_CHANNEL, 0, 1)
CONFIRMED = facts.AppStateConfirmed(APP_CHANNEL, 2, THEIRS)
HEARD = facts.AppConfirmationReceived(APP_CHANNEL, 2, THEIRS)


def answer(error_code: str = "") -> facts.AppAnswerReceived:
    return facts.AppAnswerReceived(APP_CHANNEL, 0, 1, (), (), (), error_code, 2, DIGEST, THEIRS)


def applied(by: bytes, name: bytes = b"") -> facts.AppMessageApplied:
    return facts.AppMessageApplied(APP_CHANNEL, 1, by, 2**40, b"said", name)


def folded(channel: Channel, events: Sequence[Event]) -> App:
    for event in events:
        channel = APP_REDUCERS[type(event)](channel, event)
    return app_of(channel)


@pytest.fixture
def alice() -> Channel:
    return opened_app(LEADER).alice.channel(APP_CHANNEL)


@pytest.fixture
def bob() -> Channel:
    return opened_app(LEADER).bob.channel(APP_CHANNEL)


def test_the_ends_are_the_first_and_the_last_participant(alice: Channel, bob: Channel) -> None:
    assert (my_end(alice), my_end(bob)) == (0, 1)


def test_the_author_goes_from_queue_to_supported(alice: Channel) -> None:
    offered = folded(alice, (QUEUED, OFFERED))
    assert (len(offered.queue), offered.offered_count, offered.offered_ms) == (1, 1, 2**40)
    app = folded(
        alice, (QUEUED, OFFERED, answer(), applied(ALICE.address, NAME), SIGNED, JUDGED, CONFIRMED)
    )
    assert app.tip == app.supported
    assert app.tip.signatures == (MINE, THEIRS)
    assert (app.tip.amounts, app.tip.digest) == ((900, 600), DIGEST)
    assert app.tip.root == next_root(bytes(32), b"said")
    assert (app.queue, app.offered_count, app.answer) == ((), 0, None)


def test_the_other_end_signs_first_and_waits(bob: Channel) -> None:
    half = folded(bob, (ASKED, applied(ALICE.address), SIGNED, ANSWERED))
    assert not half.tip.is_supported
    assert (half.supported.count, half.asked) == (0, None)
    app = folded(bob, (ASKED, applied(ALICE.address), SIGNED, ANSWERED, HEARD))
    assert app.supported.signatures == (THEIRS, MINE)


def test_a_refused_message_is_forgotten(alice: Channel, bob: Channel) -> None:
    refused = facts.AppMessageRefused(APP_CHANNEL, ALICE.address, 4, "", NAME)
    app = folded(alice, (QUEUED, OFFERED, answer(), refused, JUDGED))
    assert (app.queue, app.tip, app.answer) == ((), app_of(alice).tip, None)
    theirs = facts.AppMessageRefused(APP_CHANNEL, ALICE.address, 4, "")
    assert folded(bob, (ASKED, theirs, ANSWERED)) == app_of(bob)


def test_an_offer_refused_as_a_whole_stays_in_the_queue(alice: Channel) -> None:
    app = folded(alice, (QUEUED, OFFERED, answer("TIMESTAMP_OFF")))
    assert (len(app.queue), app.offered_count, app.restamp_count) == (1, 0, 1)
    assert app.answer is None


@pytest.mark.parametrize(
    "halt",
    [
        facts.AppChannelHalted(APP_CHANNEL, "DIGEST_DIFFERS", 0, "a", "b"),
        facts.AppHaltReceived(APP_CHANNEL, "DIGEST_DIFFERS", "why"),
    ],
)
def test_a_halt_forgets_what_was_under_way(alice: Channel, halt: Event) -> None:
    app = folded(alice, (QUEUED, OFFERED, answer(), halt))
    assert app.halted == "DIGEST_DIFFERS"
    assert (app.queue, app.offered_count, app.asked, app.answer) == ((), 0, None, None)


def test_a_new_application_begins_with_what_was_deposited(bob: Channel) -> None:
    recorded = facts.AppChannelRecorded(APP_CHANNEL, HASH, LEADER, "message-log")
    app = folded(bob, (recorded,))
    assert (app.reducer_id, app.turn_rule, app.tip.amounts) == (HASH, LEADER, STAKES)
    assert BOB.address == bob.me


def test_only_an_application_is_folded_so() -> None:
    with pytest.raises(AssertionError):
        folded(opened().alice.channel(), (QUEUED,))
