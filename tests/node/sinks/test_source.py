"""A view's file is read beside its writer: tables, changes in bounds, and sums of past moments."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.sinks import source as source_module
from node.sinks.errors import SinkError, SinkFailure
from node.sinks.layout import ColumnLayout, IndexLayout
from node.sinks.source import ViewSource, encoded_schema
from node.views.digest import view_digest
from node.views.encoding import encode
from node.views.view import View
from tests.support.reducers import ADD, message, scores
from tests.support.view_files import BUDGET, ViewFile


def test_tables_are_read_with_types_keys_and_indexes(tmp_path: Path) -> None:
    view = ViewFile(
        tmp_path / "v.db",
        [
            "CREATE TABLE t (a INT, b TEXT NOT NULL, c BLOB UNIQUE, xmin INTEGER, "
            "PRIMARY KEY (b, a)) STRICT, WITHOUT ROWID",
            "CREATE INDEX whole ON t (xmin DESC, b)",
            "CREATE UNIQUE INDEX again ON t (xmin DESC, b)",
            "CREATE INDEX part ON t (a) WHERE a > 3",
            "CREATE INDEX computed ON t (abs(a))",
        ],
    )
    source = ViewSource(view.path)
    table = source.tables["t"]
    assert table.columns == (
        ColumnLayout("a", "bigint", True),
        ColumnLayout("b", "text", True),
        ColumnLayout("c", "bytea", False),
        ColumnLayout("xmin$", "bigint", False),
    )
    assert table.key == (1, 0)
    assert set(table.indexes) == {
        IndexLayout((3, 1), (True, False)),
        IndexLayout((0,), (False,)),
        IndexLayout((2,), (False,)),
    }
    assert source.origin.budget == encode(BUDGET)
    assert encoded_schema(source.origin) == encode(source.origin.schema)
    source.close()
    view.close()


def test_a_batch_ends_at_a_bound_and_never_inside_of_a_message(
    view: ViewFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        view.put((number, "a", b"", 0), (number + 10, "b", b"", 0))
    source = ViewSource(view.path)
    assert source.seq == 5
    whole = source.batch(-1)
    assert whole is not None
    assert (whole.last_seq, len(whole.changes)) == (5, 12)
    for name, bound, last in (
        ("BATCH_CHANGE_COUNT", 3, 1),
        ("BATCH_MESSAGE_COUNT", 3, 2),
        ("BATCH_SIZE_BYTES", 1, 0),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(source_module, name, bound)
            found = source.batch(-1)
            assert found is not None
            assert found.last_seq == last
            assert found.changes == whole.changes[: 2 * (last + 1)]
    assert source.batch(5) is None
    source.close()


@pytest.mark.parametrize("summed_at", [None, 0, 3, 6])
def test_the_sum_of_any_moment_follows_from_any_sum_that_was_written_down(
    view: ViewFile, summed_at: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "COPY_CHUNK_COUNT", 1)
    digests = {-1: view.digest()}
    for number in range(7):
        view.put((number % 3, "ab"[number % 2], b"x" * number, number))
        digests[number] = view.digest()
        if number == summed_at:
            view.write_sum()
    source = ViewSource(view.path)
    for seq, digest in digests.items():
        total = source.sum_at(seq)
        assert total is not None
        assert view_digest(source.origin.schema, total) == digest
    assert source.sum_at(7) is None
    source.close()


def test_a_view_that_is_not_there_yet_is_told_apart_from_one_that_cannot_be_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "v.db"
    for content, failure in (
        (None, SinkFailure.VIEW_ABSENT),
        (b"", SinkFailure.VIEW_ABSENT),
        (b"no database" * 100, SinkFailure.VIEW_UNREADABLE),
    ):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(SinkError) as caught:
            ViewSource(path)
        assert caught.value.failure is failure
        assert str(path) in caught.value.detail


def test_a_view_that_keeps_no_changes_is_no_source(tmp_path: Path) -> None:
    with View(tmp_path / "v.db", scores(), keeps_changes=False) as view:
        view.apply(0, message(ADD, b"alice", 3))
        with pytest.raises(SinkError) as caught:
            ViewSource(tmp_path / "v.db")
    assert caught.value.failure is SinkFailure.VIEW_WITHOUT_CHANGES


def test_a_file_that_took_the_place_of_another_is_noticed(view: ViewFile) -> None:
    source = ViewSource(view.path)
    assert not source.is_replaced
    view.close()
    view.path.rename(view.path.with_suffix(".old"))
    with pytest.raises(SinkError) as caught:
        _ = source.is_replaced
    assert caught.value.failure is SinkFailure.VIEW_ABSENT
    other = ViewFile(view.path)
    assert source.is_replaced
    other.close()
    source.close()


def test_changes_that_cannot_be_read_are_named(view: ViewFile) -> None:
    view.put((1, "a", b"", 0))
    view.database.host("UPDATE tally_messages SET changes = x'c1'")
    source = ViewSource(view.path)
    with pytest.raises(SinkError) as caught:
        source.batch(-1)
    assert caught.value.failure is SinkFailure.VIEW_UNREADABLE
    source.close()


def test_the_writer_goes_on_while_a_moment_is_read(view: ViewFile) -> None:
    view.put((1, "a", b"", 0))
    source = ViewSource(view.path)
    with source.moment():
        assert source.seq == 0
        view.put((2, "b", b"", 0))
        assert source.seq == 0
        assert list(source.rows(source.tables["items"])) == [(1, "a", b"", 0)]
    assert source.seq == 1
    source.close()
