"""Refusals of moments are found by name and say what to do next."""

from protocols.errors import all_errors
from protocols.moment_errors import MomentAhead, MomentBeforeLog, MomentRefused


def test_every_refusal_of_the_room_is_on_the_list_of_all_refusals() -> None:
    assert set(MomentRefused.__subclasses__()) == {MomentAhead, MomentBeforeLog}
    for error in MomentRefused.__subclasses__():
        assert all_errors()[error.name()] is error
        assert error.code // 100 == 17


def test_only_what_is_still_to_come_may_be_asked_for_again() -> None:
    assert MomentAhead.retry_safe
    assert not MomentBeforeLog.retry_safe
    shown = str(MomentAhead("record 9", 7, "2024-01-01T00:00:00.000Z"))
    assert shown == (
        "the log does not reach record 9 yet: its newest record is 7, of 2024-01-01T00:00:00.000Z"
    )
