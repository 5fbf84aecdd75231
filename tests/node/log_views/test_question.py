"""Questions to a data directory: up to date, as of a record, and where nothing may be written."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from node.log_views import question
from node.log_views.keeper import NodeView, view_file
from node.log_views.lock import views_lock
from node.log_views.question import answered
from node.log_views.reading import QueryFailed
from node.store.errors import LogMissing
from node.store.log import EventLog
from tests.support import audit_cases

COUNT = "SELECT count(*) FROM payments"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    log = EventLog.open(path)
    history = audit_cases.alice()
    for part in (history[:30], history[30:]):
        batch = log.begin(60_000)
        for event in part:
            batch.append(event)
        log.commit(batch)
    log.close()
    return path


def ask(data: Path, sql: str, at_seq: int | None = None) -> list[tuple[Any, ...]]:
    with answered(data, sql, 5, at_seq) as (seq, answer):
        assert at_seq is None or seq == at_seq
        return list(answer.rows)


def test_the_views_are_made_and_kept_up_to_date(data: Path) -> None:
    assert ask(data, COUNT) == [(6,)]
    assert view_file(data).exists()
    ((kind, status, paid),) = ask(data, "SELECT kind, status, amount_text(paid) FROM channels")
    assert (kind, status) == ("direct", "closed")
    assert [(paid,)] == ask(data, "SELECT amount_text(amount_sum(amount)) FROM payments")


def test_beside_a_node_that_writes(data: Path) -> None:
    log = EventLog.open(data)
    assert ask(data, COUNT) == [(6,)]
    log.close()


def test_as_of_a_record_nothing_is_written(data: Path) -> None:
    assert ask(data, COUNT, 0) == [(0,)]
    payments = [ask(data, COUNT, seq)[0][0] for seq in (20, 35, 50)]
    assert payments == sorted(payments)
    assert not view_file(data).exists()
    with pytest.raises(QueryFailed, match="no record 100000"):
        ask(data, COUNT, 100_000)


def test_another_process_that_keeps_them_is_given_a_moment(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question, "KEEPER_PATIENCE_S", 0.2)
    with views_lock(view_file(data).parent), pytest.raises(QueryFailed, match="being made"):
        ask(data, COUNT)
    view_file(data).write_bytes(b"")
    with views_lock(view_file(data).parent), pytest.raises(QueryFailed, match="being made"):
        ask(data, COUNT)
    with closing(EventLog.open(data, read_only=True)) as log:
        with NodeView(view_file(data)) as kept:
            kept.catch_up(log, 30)
        behind = ask_beside(data)
        monkeypatch.setattr(question, "KEEPER_PATIENCE_S", 20)
        keeper = threading.Timer(0.3, catch_up, (view_file(data), data))
        keeper.start()
        assert ask_beside(data) == [(6,)] != behind
        keeper.join()


def ask_beside(data: Path) -> list[tuple[Any, ...]]:
    with views_lock(view_file(data).parent):
        return ask(data, COUNT)


def catch_up(path: Path, data: Path) -> None:
    with closing(EventLog.open(data, read_only=True)) as log, NodeView(path) as kept:
        kept.catch_up(log)


def test_where_no_file_may_be_written_they_are_derived_for_the_answer(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(directory: Path) -> None:
        raise PermissionError(str(directory))

    monkeypatch.setattr(question, "views_lock", refuse)
    assert ask(data, COUNT) == [(6,)]
    assert not view_file(data).exists()


def test_no_log_is_no_view(tmp_path: Path) -> None:
    with pytest.raises(LogMissing):
        ask(tmp_path, COUNT)
