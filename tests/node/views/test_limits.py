"""The bounds of views fit together."""

import pytest

from node.views import limits
from node.views.limits import Budget


def test_a_reply_and_a_message_fit_into_the_memory_of_a_reducer() -> None:
    budget = Budget()
    assert budget.message_bytes + budget.reply_bytes < budget.memory_bytes
    assert budget.row_bytes < budget.reply_bytes


def test_what_one_message_can_make_sqlite_hold_is_bounded() -> None:
    budget = Budget()
    # An instruction in ten makes a row, at most.
    assert budget.sql_steps // 10 * budget.row_bytes <= 64 * 1024 * 1024
    assert budget.change_count * budget.row_bytes <= 64 * 1024 * 1024


def test_the_budget_is_looked_at_often_and_statements_are_not_free() -> None:
    assert Budget().sql_steps // limits.STEP_GRAIN >= 100
    assert Budget().sql_steps // limits.STATEMENT_STEP_COUNT <= 1_000


def test_a_module_with_all_the_data_it_may_have_is_within_its_size() -> None:
    assert limits.MODULE_DATA_BYTES_MAX < limits.MODULE_SIZE_BYTES_MAX


def test_a_budget_allows_no_more_memory_than_there_are_addresses_for() -> None:
    assert Budget(memory_bytes=limits.MEMORY_BYTES_MAX).memory_bytes == limits.MEMORY_BYTES_MAX
    with pytest.raises(ValueError, match="16777216"):
        Budget(memory_bytes=limits.MEMORY_BYTES_MAX + 1)
