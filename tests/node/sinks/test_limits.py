"""Bounds that depend on each other."""

from node.sinks import limits
from node.views.limits import Budget


def test_one_message_fits_into_a_transaction() -> None:
    assert Budget().change_count <= limits.BATCH_CHANGE_COUNT


def test_what_fits_into_a_key_fits_into_postgresql_whatever_the_columns() -> None:
    # A third of a page of 8,192 bytes, without its headers: PostgreSQL's BTMaxItemSize.
    assert limits.KEY_SIZE_BYTES_MAX + 8 + 16 < 2_704


def test_pauses_grow_from_the_least_to_the_most() -> None:
    assert limits.POLL_S <= limits.RETRY_S_MIN < limits.RETRY_S_MAX
