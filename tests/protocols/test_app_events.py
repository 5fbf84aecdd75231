"""Events of application channels read as JSON."""

from protocols.app_events import AppDefinitionRecorded
from protocols.event_codec import EVENTS, json_payload


def test_a_definition_says_what_it_is_and_by_which_rule() -> None:
    event = AppDefinitionRecorded(b"\xa9" * 20, "judged")
    payload = json_payload(event, 1, 5)
    assert (payload["app_definition"], payload["rule"]) == ("0x" + "a9" * 20, "judged")
    assert EVENTS["app-definition-recorded"] is AppDefinitionRecorded
