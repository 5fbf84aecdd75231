"""Where messages have come to, and on whom it is to go on."""

from __future__ import annotations

from msgspec.structs import replace

from protocols.app_channel import (
    ALTERNATE,
    JUDGED,
    LEADER,
    MESSAGE_LOG,
    AppPoint,
    Asked,
    Due,
    QueuedMessage,
    after,
    data_of_opening,
    due,
    is_at_rest,
    message_of,
    opening,
    orders,
    outcome_of,
    state_at,
)
from protocols.app_data import NO_ROOT, decode_app_data, log_message, next_root, opening_data
from tests.support.app_rig import REDUCER, STAKES, app_fixed
from tests.support.builders import split

NEW = opening(REDUCER, ALTERNATE, MESSAGE_LOG, STAKES)
LED = replace(NEW, turn_rule=LEADER)
QUEUED = (QueuedMessage(bytes(32), b"\x01"),)
ASKED = Asked(0, 2**40, b"", (b"\x01",))
HALF = AppPoint(1, bytes(32), b"m", 0, STAKES, bytes(32), (b"s", b""))


def test_a_new_channel_is_at_its_postfund() -> None:
    assert NEW.tip.is_supported
    assert (NEW.tip.turn_num, NEW.tip.amounts) == (1, STAKES)
    assert data_of_opening(NEW) == opening_data(REDUCER)
    assert is_at_rest(NEW)


def test_the_ends_of_an_alternating_channel_take_turns() -> None:
    waiting = replace(NEW, queue=QUEUED)
    assert [due(waiting, end) for end in (0, 1)] == [Due.QUEUE, Due.NOTHING]
    second = replace(waiting, tip=replace(HALF, signatures=(b"s", b"s")))
    assert [due(second, end) for end in (0, 1)] == [Due.NOTHING, Due.QUEUE]


def test_one_run_is_under_way_at_a_time() -> None:
    waiting = replace(LED, queue=QUEUED)
    assert [due(waiting, end) for end in (0, 1)] == [Due.QUEUE, Due.QUEUE]
    for busy in (
        replace(waiting, offered_count=1),
        replace(waiting, tip=HALF),
        replace(waiting, halted="DIGEST_DIFFERS"),
        replace(waiting, queue=()),
    ):
        assert [due(busy, end) for end in (0, 1)] == [Due.NOTHING, Due.NOTHING]


def test_a_leader_judges_what_it_was_asked_before_it_offers() -> None:
    asked = replace(LED, queue=QUEUED, asked=ASKED)
    assert due(asked, 0) is Due.ASKED
    assert due(replace(asked, asked=None), 0) is Due.QUEUE


def test_a_leaders_own_offer_comes_before_what_it_is_asked() -> None:
    crossed = replace(LED, queue=QUEUED, offered_count=1, asked=ASKED)
    assert due(crossed, 0) is Due.NOTHING
    assert due(crossed, 1) is Due.ASKED
    assert orders(crossed, 0)
    assert not orders(crossed, 1)


def test_nothing_is_judged_while_a_signature_is_missing_or_after_a_halt() -> None:
    assert due(replace(NEW, asked=ASKED), 1) is Due.ASKED
    assert due(replace(NEW, asked=ASKED, tip=HALF), 1) is Due.NOTHING
    assert due(replace(NEW, asked=ASKED, halted="x"), 1) is Due.NOTHING
    assert due(NEW, 1) is Due.NOTHING


def test_a_message_is_a_turn_that_commits_to_all_before_it() -> None:
    point = after(after(NEW.tip, b"one", 5), b"two", 6)
    assert (point.count, point.turn_num, point.timestamp_ms) == (2, 3, 6)
    assert point.root == next_root(next_root(NO_ROOT, b"one"), b"two")
    assert not point.is_supported


def test_a_state_pays_what_the_reducer_says_to_whom_the_postfund_says() -> None:
    funding = split(500, total=1_500)[0]
    point = replace(after(NEW.tip, b"one", 5), amounts=(1_200, 300))
    state = state_at(NEW, app_fixed(), funding, point)
    assert state.outcome == split(300, total=1_500) == outcome_of(funding, (1_200, 300))
    assert (state.turn_num, state.is_final) == (2, False)
    data = decode_app_data(state.app_data)
    assert (data.reducer_id, data.count, data.message) == (REDUCER, 1, b"one")


def test_a_judged_move_stands_alone_and_has_no_clock() -> None:
    assert message_of(replace(NEW, definition_rule=JUDGED), 1, 5, b"\xc0") == b"\xc0"
    assert message_of(NEW, 1, 2**40, b"\xc0") == log_message(1, 2**40, b"\xc0")
