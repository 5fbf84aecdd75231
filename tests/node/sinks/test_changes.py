"""Many changes become one for each row, and say what to do to the table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.sinks.changes import TableChanges, net_changes
from node.sinks.errors import SinkError, SinkFailure
from node.sinks.layout import ColumnLayout, TableLayout
from node.views.database import Change, RowValues
from node.views.digest import TableSum

TABLE = TableLayout(
    "t", (ColumnLayout("a", "bigint", True), ColumnLayout("b", "text", False)), (0,)
)
TABLES = {"t": TABLE}
ROWS = st.tuples(st.integers(0, 3), st.sampled_from(["x", "y", "x\0", None]))


def only(changes: list[Change]) -> TableChanges:
    return net_changes(changes, TABLES)[0].get("t", TableChanges())


def test_what_comes_and_goes_is_nothing() -> None:
    assert net_changes([("t", None, (1, "x")), ("t", (1, "x"), None)], TABLES) == ({}, [])
    assert net_changes([("t", (1, "x"), (1, "y")), ("t", (1, "y"), (1, "x"))], TABLES) == ({}, [])


def test_a_row_that_goes_and_comes_again_is_changed() -> None:
    found = only([("t", (1, "x"), None), ("t", None, (1, "y"))])
    assert found == TableChanges(updated=[(1, "y")])


def test_a_row_that_gets_another_key_goes_and_comes() -> None:
    found = only([("t", (1, "x"), (2, "x"))])
    assert found == TableChanges(deleted=[(1,)], inserted=[(2, "x")])


def test_what_cannot_be_held_goes_beside() -> None:
    assert only([("t", None, (1, "\0"))]) == TableChanges(put_in=[(1, "\0")])
    assert only([("t", (1, "x"), (1, "\0"))]) == TableChanges(deleted=[(1,)], put_in=[(1, "\0")])
    assert only([("t", (1, "\0"), (1, "x"))]) == TableChanges(
        taken_out=[(1, "\0")], inserted=[(1, "x")]
    )
    assert only([("t", (1, "\0"), (1, "a\0"))]) == TableChanges(
        taken_out=[(1, "\0")], put_in=[(1, "a\0")]
    )


def test_a_change_of_no_table_is_refused() -> None:
    with pytest.raises(SinkError) as caught:
        net_changes([("u", None, (1, "x"))], TABLES)
    assert caught.value.failure is SinkFailure.VIEW_UNREADABLE


@given(st.lists(ROWS, max_size=4, unique_by=lambda row: row[0]), st.lists(ROWS, max_size=12))
def test_the_net_changes_lead_where_the_changes_led(
    begun: list[RowValues], steps: list[RowValues]
) -> None:
    rows: dict[RowValues, RowValues] = {TABLE.key_of(row): row for row in begun}
    table = {key: row for key, row in rows.items() if TABLE.holds(row)}
    beside = {row for row in rows.values() if not TABLE.holds(row)}
    changes: list[Change] = []
    for step in steps:
        key = TABLE.key_of(step)
        before = rows.pop(key, None)
        # The same row again: delete it. Another: insert or update.
        after = None if before == step else step
        if after is not None:
            rows[key] = after
        changes.append(("t", before, after))
    found, net = net_changes(changes, TABLES)
    done = found.get("t", TableChanges())
    beside.difference_update(done.taken_out)
    for deleted in done.deleted:
        del table[deleted]
    for row in done.updated:
        assert TABLE.key_of(row) in table
        table[TABLE.key_of(row)] = row
    for row in done.inserted:
        assert TABLE.key_of(row) not in table
        table[TABLE.key_of(row)] = row
    beside.update(done.put_in)
    assert sorted([*table.values(), *beside], key=repr) == sorted(rows.values(), key=repr)
    one, other = TableSum(), TableSum()
    one.note(changes)
    other.note(net)
    assert (one.to_bytes(), one.row_count) == (other.to_bytes(), other.row_count)
