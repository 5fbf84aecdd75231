"""The tables in PostgreSQL: changed with their stamp or not at all, read back to the byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from node.sinks.changes import TableChanges
from node.sinks.driver import connect
from node.sinks.errors import SinkError, SinkFailure
from node.sinks.layout import ColumnLayout, TableLayout, index_sql, table_sql
from node.sinks.source import Origin
from node.sinks.target import Target
from node.views.digest import TableSum
from tests.support.postgres_server import PostgresServer

TABLE = TableLayout(
    "t",
    (
        ColumnLayout("k", "text", True),
        ColumnLayout("n", "bigint", False),
        ColumnLayout("d", "bytea", False),
    ),
    (0,),
)
ORIGIN = Origin(b"c" * 32, "engine", b"budget", [("t", "CREATE TABLE t")])
SUM = TableSum.of_rows([("t", ("a", 1, None))])


@pytest.fixture
def target(postgres: PostgresServer, namespace: str) -> Iterator[Target]:
    with connect(postgres.conninfo) as connection:
        made = Target(connection, namespace)
        with made.transaction():
            made.make_namespace()
            made.make_unheld()
            for make in (table_sql, index_sql):
                for statement in make(made.table("t"), TABLE):
                    made.execute(statement)
            made.write_stamp(4, ORIGIN, [TABLE], SUM)
        yield made


def read(target: Target) -> list[Any]:
    with target.transaction(for_reading=True):
        return sorted(target.rows([TABLE]), key=repr)


def test_a_stamp_is_read_as_it_was_written(target: Target) -> None:
    stamp = target.read_stamp()
    assert stamp is not None
    assert (stamp.seq, stamp.copied_seq, stamp.origin, stamp.tables) == (4, 4, ORIGIN, [TABLE])
    assert (stamp.row_sum, stamp.row_count) == (SUM.to_bytes(), 1)
    assert 0 <= stamp.applied_ago_s < 60


def test_a_stamp_moves_only_from_where_it_is(target: Target) -> None:
    target.move_stamp(4, 9, TableSum())
    stamp = target.read_stamp()
    assert stamp is not None
    assert (stamp.seq, stamp.copied_seq, stamp.row_count) == (9, 4, 0)
    with pytest.raises(SinkError) as caught:
        target.move_stamp(4, 9, TableSum())
    assert caught.value.failure is SinkFailure.SINK_OVERTAKEN


def test_changes_of_all_kinds_are_made(target: Target) -> None:
    first = [("a", -(2**63), b""), ("b", 2**63 - 1, None), ("c", None, bytes(range(256)))]
    target.apply(TABLE, TableChanges(inserted=list(first), put_in=[("x\0", 1, None)]))
    assert read(target) == sorted([("t", row) for row in [*first, ("x\0", 1, None)]], key=repr)
    assert target.unheld_count() == 1
    target.apply(
        TABLE,
        TableChanges(
            updated=[("a", None, None), ("b", None, None)],
            deleted=[("c",)],
            taken_out=[("x\0", 1, None)],
            put_in=[("x\0", 2, None), ("y\0", 2, b"")],
        ),
    )
    rows = [("a", None, None), ("b", None, None), ("x\0", 2, None), ("y\0", 2, b"")]
    assert read(target) == sorted([("t", row) for row in rows], key=repr)


@pytest.mark.parametrize(
    "changes",
    [
        TableChanges(updated=[("a", 1, None)]),
        TableChanges(deleted=[("a",)]),
        TableChanges(taken_out=[("a", 1, None)]),
        TableChanges(inserted=[("b", 1, None)]),
    ],
)
def test_rows_that_are_not_as_they_must_be_are_noticed(
    target: Target, changes: TableChanges
) -> None:
    target.apply(TABLE, TableChanges(inserted=[("b", 7, None)]))

    def both() -> None:
        with target.transaction():
            target.apply(TABLE, TableChanges(inserted=[("z", 1, None)]))
            target.apply(TABLE, changes)

    with pytest.raises(SinkError) as caught:
        both()
    assert caught.value.failure is SinkFailure.ROWS_DIFFER
    assert read(target) == [("t", ("b", 7, None))]


def test_only_one_sink_has_the_lock(target: Target, postgres: PostgresServer) -> None:
    assert target.lock()
    with connect(postgres.conninfo) as connection:
        assert not Target(connection, target.namespace).lock()
        assert Target(connection, f"{target.namespace}_other").lock()


def test_a_schema_of_somebody_else_is_left_alone(
    postgres: PostgresServer, namespace: str, ask: Callable[..., list[Any]]
) -> None:
    with connect(postgres.conninfo) as connection:
        target = Target(connection, namespace)
        assert target.read_stamp() is None
        ask(f"CREATE SCHEMA {namespace}")
        assert target.read_stamp() is None
        ask("CREATE TABLE mine (id int)")
        with pytest.raises(SinkError) as caught:
            target.read_stamp()
    assert caught.value.failure is SinkFailure.NAMESPACE_TAKEN
    assert "mine" in caught.value.detail


def test_a_stamp_of_another_format_is_left_alone(
    target: Target, ask: Callable[..., list[Any]]
) -> None:
    ask("UPDATE tally_stamp SET format = 2")
    with pytest.raises(SinkError) as caught:
        target.read_stamp()
    assert caught.value.failure is SinkFailure.FORMAT_UNKNOWN


def test_a_stamp_that_was_emptied_is_noticed(target: Target, ask: Callable[..., list[Any]]) -> None:
    ask("DELETE FROM tally_stamp")
    with pytest.raises(SinkError) as caught:
        target.read_stamp()
    assert caught.value.failure is SinkFailure.ROWS_DIFFER
