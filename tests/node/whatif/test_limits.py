"""Bounds that hold each other up."""

from node.whatif import limits


def test_time_is_looked_at_more_often_than_answers_are_given_up() -> None:
    # An hour is looked at at least every fifteen seconds, a month every three hours.
    assert 3_600 / limits.TICK_COUNT_MAX <= 15
    assert limits.DURATION_S_MAX / limits.TICK_COUNT_MAX <= 3 * 3_600


def test_an_answer_of_all_events_is_within_a_message() -> None:
    # An event is some hundred bytes of JSON, a whole state some thousand.
    assert limits.EVENT_COUNT_MAX * 1_000 <= 8 * 2**20
