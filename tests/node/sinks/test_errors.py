"""Failures have names that stay, and say what to do."""

from __future__ import annotations

import re

import pytest

from node.sinks.errors import SinkError, SinkFailure


@pytest.mark.parametrize("failure", SinkFailure)
def test_a_name_is_words_of_small_letters(failure: SinkFailure) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", failure.value)
    assert str(SinkError(failure, "why")) == f"{failure.value}: why"


def test_what_time_may_mend_is_told_apart_from_what_needs_somebody() -> None:
    assert SinkError(SinkFailure.UNREACHABLE, "").is_transient
    assert SinkError(SinkFailure.DISK_FULL, "").is_transient
    assert not SinkError(SinkFailure.LOGIN_REFUSED, "").is_transient
    for failure in SinkFailure:
        error = SinkError(failure, "")
        # Nobody is left with a failure that neither goes away nor says what to do.
        assert error.is_transient or error.next_step or failure in OF_THE_MACHINE, failure


OF_THE_MACHINE = {
    SinkFailure.CONNINFO_INVALID,
    SinkFailure.VIEW_UNREADABLE,
    SinkFailure.VERSION_TOO_OLD,
    SinkFailure.REFUSED,
}
"""Their detail is all there is to say."""
