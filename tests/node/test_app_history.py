"""What a reducer was given is read from the log, as it was given."""

from __future__ import annotations

from node.app_history import applied_messages, reducer_inputs
from protocols.app_channel import JUDGED, MESSAGE_LOG
from protocols.app_data import log_message, reducer_input
from protocols.app_events import AppChannelRecorded, AppMessageApplied
from protocols.types import ChannelId
from tests.support.actors import ALICE, BOB
from tests.support.app_rig import APP_CHANNEL, REDUCER, opened_app
from tests.support.engine_rig import Rig

STAMP_MS = 1_700_000_000_000


def recorded(rule: str, *messages: AppMessageApplied) -> Rig:
    """An engine's log with an application's channel and what was said in it."""
    rig = Rig(ALICE)
    for _, event in opened_app().alice.log[3:]:
        if not isinstance(event, AppChannelRecorded):
            rig.engine.record(event)
            continue
        rig.engine.record(AppChannelRecorded(APP_CHANNEL, REDUCER, "alternate", rule))
    for message in messages:
        rig.engine.record(message)
    return rig


def applied(count: int, by: bytes, message: bytes, stamp_ms: int) -> AppMessageApplied:
    return AppMessageApplied(APP_CHANNEL, count, by, stamp_ms, message)


def inputs_of(rig: Rig, channel_id: ChannelId = APP_CHANNEL) -> list[bytes]:
    return list(reducer_inputs(rig.log, rig.state, channel_id))


def test_messages_of_a_log_are_given_with_their_time() -> None:
    rig = recorded(
        MESSAGE_LOG,
        applied(1, ALICE.address, log_message(0, STAMP_MS, b"\x05"), STAMP_MS),
        applied(2, BOB.address, log_message(1, STAMP_MS + 1, b"\xa1x"), STAMP_MS + 1),
    )
    assert inputs_of(rig) == [
        reducer_input(APP_CHANNEL, 0, STAMP_MS, b"\x05"),
        reducer_input(APP_CHANNEL, 1, STAMP_MS + 1, b"\xa1x"),
    ]
    assert [event.count for event in applied_messages(rig.log, APP_CHANNEL)] == [1, 2]


def test_moves_that_a_contract_judges_are_given_without() -> None:
    rig = recorded(JUDGED, applied(1, ALICE.address, b"\xc4\x01x", 0))
    assert inputs_of(rig) == [reducer_input(APP_CHANNEL, 0, 0, b"\xc4\x01x")]


def test_a_move_that_the_chain_replaced_is_left_out() -> None:
    rig = recorded(
        JUDGED,
        applied(1, ALICE.address, b"\x01", 0),
        applied(2, BOB.address, b"\x02", 0),
        applied(2, BOB.address, b"\x03", 0),
    )
    assert [event.message for event in applied_messages(rig.log, APP_CHANNEL)] == [b"\x01", b"\x03"]


def test_without_messages_there_is_nothing() -> None:
    assert inputs_of(recorded(MESSAGE_LOG)) == []
