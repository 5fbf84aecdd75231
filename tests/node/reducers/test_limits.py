"""Bounds of the tools fit those of the views."""

from node.reducers import limits
from node.views.limits import Budget


def test_a_file_holds_many_of_the_largest_messages() -> None:
    # As hex a message takes two characters a byte.
    assert 100 * 2 * Budget().message_bytes < limits.MESSAGE_FILE_SIZE_BYTES_MAX


def test_what_is_done_untold_is_within_what_may_be_asked_for() -> None:
    assert 1 <= limits.REPLAY_COUNT <= limits.REPLAY_COUNT_MAX
    assert 1 <= limits.PROFILE_RUN_COUNT <= limits.PROFILE_RUN_COUNT_MAX
