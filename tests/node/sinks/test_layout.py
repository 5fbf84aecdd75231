"""A view's tables as PostgreSQL has them."""

from __future__ import annotations

import pytest

from node.sinks import layout as sql
from node.sinks.errors import SinkError, SinkFailure
from node.sinks.layout import (
    ColumnLayout,
    IndexLayout,
    TableLayout,
    check_namespace,
    column_layout,
)
from node.sinks.limits import KEY_SIZE_BYTES_MAX

ID = ColumnLayout("id", "bigint", True)
NAME = ColumnLayout("name", "text", False)
DATA = ColumnLayout("data", "bytea", False)
TABLE = TableLayout("select", (ID, NAME, DATA), (1, 0), (IndexLayout((2, 1), (False, True)),))


def test_types_are_the_three_that_hold_the_same_values() -> None:
    kinds = {kind: column_layout("c", kind, False).kind for kind in ("INT", "integer", "Text")}
    assert kinds == {"INT": "bigint", "integer": "bigint", "Text": "text"}
    with pytest.raises(SinkError) as caught:
        column_layout("c", "REAL", False)
    assert caught.value.failure is SinkFailure.VIEW_UNREADABLE


@pytest.mark.parametrize("name", sorted(sql.SYSTEM_COLUMNS))
def test_a_column_named_as_one_of_postgresqls_own_gets_another_name(name: str) -> None:
    assert column_layout(name, "TEXT", False).name == f"{name}$"


def test_statements_quote_every_name() -> None:
    (made,) = sql.table_sql('"s"."select"', TABLE)
    assert made == (
        'CREATE TABLE "s"."select" ("id" int8 NOT NULL, "name" text COLLATE "C", "data" bytea)'
    )
    assert list(sql.index_sql("t", TABLE)) == [
        'ALTER TABLE t ADD PRIMARY KEY ("name", "id")',
        'CREATE INDEX ON t ("data", "name" DESC)',
    ]
    assert sql.update_sql("t", TABLE) == (
        'UPDATE t AS old SET "data" = new.c2 FROM unnest(%b::int8[], %b::text[], %b::bytea[]) '
        'AS new (c0, c1, c2) WHERE old."name" = new.c1 AND old."id" = new.c0'
    )
    assert sql.delete_sql("t", TABLE) == (
        "DELETE FROM t AS old USING unnest(%b::text[], %b::int8[]) AS new (c1, c0) "
        'WHERE old."name" = new.c1 AND old."id" = new.c0'
    )


def test_keys_are_in_their_own_order() -> None:
    assert TABLE.key_of((7, "a", b"d")) == ("a", 7)
    assert TABLE.rest == (2,)


def test_what_has_a_nul_or_too_much_in_an_index_is_not_held() -> None:
    plain = TableLayout("t", (ID, NAME, DATA), (0,))
    long_text = "ä" * KEY_SIZE_BYTES_MAX
    assert plain.holds((1, long_text, b"\0" * 9_999))
    assert not plain.holds((1, "a\0b", b""))
    fitting = KEY_SIZE_BYTES_MAX - 16
    assert TABLE.holds((1, "a" * fitting, b""))
    assert not TABLE.holds((1, "a" * (fitting + 1), b""))
    assert not TABLE.holds((1, "ä" * (fitting // 2 + 1), b""))
    assert not TABLE.holds((1, "", b"d" * (fitting + 1)))
    assert TABLE.holds((1, None, None))


@pytest.mark.parametrize("name", ["", "pg_mine", "A", "a b", 'a"b', "1a", "x" * 49, "a;b"])
def test_a_schema_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(SinkError) as caught:
        check_namespace(name)
    assert caught.value.failure is SinkFailure.NAMESPACE_INVALID


def test_keywords_may_name_schemas() -> None:
    assert check_namespace("select") == "select"
