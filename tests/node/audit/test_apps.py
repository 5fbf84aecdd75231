"""Applications' records: sound ones break no rule, and each kind of change is found."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
from msgspec.structs import replace

from node.audit.apps import AppCheck
from node.audit.books import BookCheck
from node.audit.states import StateCheck
from node.audit.virtual import VirtualCheck
from node.audit.vouchers import VoucherCheck
from protocols import app_events, commands, events
from protocols.app_channel import LEADER
from protocols.app_data import log_message
from protocols.types import amount_to_bytes
from protocols.virtual_events import PostfundRenounced
from tests.support.actors import ALICE, BOB
from tests.support.app_rig import APP_CHANNEL, STAKES, opened_app
from tests.support.app_web import AppWeb
from tests.support.audit_cases import History, as_audited, changed, inserted, messages


@lru_cache
def _histories() -> dict[str, tuple[events.Event, ...]]:
    network = opened_app(LEADER)
    for amount in (1, 2, 100, 3):
        network.alice.say(amount)
    network.settle()
    network.bob.say(9)
    network.settle()
    network.bob.feed(commands.CloseChannel(APP_CHANNEL))
    network.settle()
    nodes = {"alice": network.alice, "bob": network.bob}
    return {
        name: tuple(as_audited([event for _, event in node.log])) for name, node in nodes.items()
    }


def history(name: str = "alice") -> History:
    return list(_histories()[name])


def found(changed_history: History) -> list[str]:
    return [message for _, message in messages(AppCheck, changed_history)]


@pytest.mark.parametrize("who", ["alice", "bob"])
@pytest.mark.parametrize("check", [AppCheck, StateCheck, VoucherCheck])
def test_what_two_honest_ends_recorded_breaks_no_rule(who: str, check: Any) -> None:
    assert messages(check, history(who)) == []


@lru_cache
def _histories_over_hubs() -> list[tuple[events.Event, ...]]:
    web = AppWeb(2)
    channel_id = web.opened_app()
    for end, amount in ((0, 40), (1, 15)):
        web.say(channel_id, end, amount)
    web.ends[1].feed(commands.CloseChannel(channel_id))
    web.settle()
    return [tuple(as_audited([event for _, event in node.log])) for node in web.row]


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("check", [AppCheck, VoucherCheck, VirtualCheck, BookCheck])
def test_what_a_path_recorded_of_an_application_breaks_no_rule(place: int, check: Any) -> None:
    assert messages(check, list(_histories_over_hubs()[place])) == []


def test_an_end_that_signed_less_than_was_agreed_on_is_found_over_hubs_too() -> None:
    confirmed = app_events.AppConfirmationReceived
    kept = [event for event in _histories_over_hubs()[0] if not isinstance(event, confirmed)]
    assert any("both signed" in message for message in found(kept))


def test_another_virtual_channel_than_of_payments_or_an_application_is_found() -> None:
    learnt = app_events.AppDefinitionRecorded
    history = [event for event in _histories_over_hubs()[1] if not isinstance(event, learnt)]
    said = [message for _, message in messages(VirtualCheck, history)]
    assert "only payment channels and applications are virtual (M1)" in said


def test_who_signed_a_running_state_cannot_renounce_the_opening() -> None:
    channel_id = next(
        event.channel_id
        for event in _histories_over_hubs()[3]
        if isinstance(event, app_events.AppStateSigned)
    )
    renounced = PostfundRenounced(channel_id, BOB.address, "GIVEN_UP", "hop 2: no more")
    said = [m for _, m in messages(VirtualCheck, [*_histories_over_hubs()[3], renounced])]
    assert "we signed a running state before (M16)" in said


HALTED = app_events.AppChannelHalted(APP_CHANNEL, "DIGEST_DIFFERS", 0, "a", "b")


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        (app_events.AppChannelRecorded, {"definition_rule": "judged"}, "known as message-log"),
        (app_events.AppChannelRecorded, {"turn_rule": "majority"}, "no rule of turns"),
        (app_events.AppChannelRecorded, {"reducer_id": bytes(32)}, "does not commit"),
        (app_events.AppMessageApplied, {"count": 2}, "the channel has 0"),
        (app_events.AppMessageApplied, {"sender": b"\x01" * 20}, "no end of the channel"),
        (app_events.AppMessageApplied, {"sender": BOB.address}, "names another sender"),
        (app_events.AppMessageApplied, {"stamp_ms": 1}, "another time"),
        (app_events.AppMessageApplied, {"message": b"x"}, "no message of a message log"),
        (
            app_events.AppMessageApplied,
            {"message": log_message(0, 2**40, bytes(5_000))},
            "cannot be enforced",
        ),
        (app_events.AppMessageApplied, {"message": log_message(0, 2**40, b"\x07")}, "state hash"),
        (app_events.AppMessageRefused, {"local_id": b"\x01" * 32}, "does not wait"),
        (app_events.AppMessagesOffered, {"message_count": 5}, "3 wait"),
        (app_events.AppStateSigned, {"turn_num": 9}, "signed after 3 messages"),
        (app_events.AppStateSigned, {"state_hash": bytes(32)}, "not that of the messages"),
        (
            app_events.AppStateSigned,
            {"amounts": (amount_to_bytes(1), amount_to_bytes(1))},
            "pays out 2 of 1500",
        ),
        (
            app_events.AppStateSigned,
            {"amounts": (amount_to_bytes(STAKES[0]), amount_to_bytes(STAKES[1]))},
            "not that of the messages",
        ),
        (app_events.AppStateSigned, {"signature": bytes(65)}, "turn 4"),
        (app_events.AppStateConfirmed, {"turn_num": 9}, "of turn 9 waits"),
        (app_events.AppStateConfirmed, {"signature": bytes(65)}, "turn 4"),
    ],
)
def test_a_changed_record_is_found(kind: type, change: dict[str, Any], words: str) -> None:
    faults = found(changed(history(), kind, **change))
    assert any(words in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("event", "before", "words"),
    [
        (HALTED, app_events.AppMessageApplied, "was halted"),
        (HALTED, app_events.AppStateSigned, "was halted"),
        (
            replace(HALTED, channel_id=b"\x01" * 32),
            app_events.AppStateSigned,
            "never created",
        ),
        (
            app_events.AppStandingTaken(APP_CHANNEL, b"", (bytes(65), bytes(65))),
            app_events.AppStateSigned,
            "no state of this application",
        ),
        (
            app_events.AppConfirmationReceived(APP_CHANNEL, 4, bytes(65)),
            app_events.AppStateSigned,
            "no state of ours",
        ),
        (events.LogTailCut(3, 10, "a"), app_events.AppStateSigned, "only be closed"),
    ],
)
def test_a_record_out_of_place_is_found(event: events.Event, before: type, words: str) -> None:
    faults = found(inserted(history(), event, before))
    assert any(words in fault for fault in faults), faults


def test_an_end_by_less_than_both_signed_is_found() -> None:
    without = [
        event
        for event in history("alice")
        if not isinstance(event, app_events.AppConfirmationReceived)
    ]
    assert any("both signed" in fault for fault in found(without))


def test_a_state_shown_by_the_other_end_is_judged() -> None:
    network = opened_app(LEADER)
    for _ in range(3):
        network.alice.say(1)
        network.settle()
    network.cut_tail(network.bob, 3)
    network.reconnect()
    network.settle()
    network.alice.feed(commands.CloseChannel(APP_CHANNEL))
    network.settle()
    recorded = as_audited([event for _, event in network.bob.log])
    assert any(isinstance(event, app_events.AppStandingTaken) for event in recorded)
    assert found(recorded) == []
    for change, words in (
        ({"signatures": (bytes(65), bytes(65))}, "turn 4"),
        ({"encoded_state": b"junk"}, "no state of this application"),
    ):
        faults = found(changed(recorded, app_events.AppStandingTaken, **change))
        assert any(words in fault for fault in faults), faults


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_the_books_follow_what_both_signed(who: str) -> None:
    recorded = history(who)
    from node.audit.facts import Facts
    from node.books.entry import APPLICATIONS
    from tests.support.audit_cases import entries

    facts = Facts()
    check = BookCheck(facts)
    said = []
    for entry in entries(recorded):
        said += list(check.take([entry]))
        facts.apply(entry.event)
    assert said == []
    books = check._check.books
    assert list(check._check.finish()) == []
    gained = 9 - 1 - 2 - 3
    own = gained if who == "alice" else -gained
    assert books.balance(bytes(20), APPLICATIONS) == -own
    assert ALICE.address != BOB.address
