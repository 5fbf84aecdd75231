"""A view follows its log: further on, from where it was, anew if it is not its own any more."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from node.log_views.keeper import NodeView, Progress, RecordRefused, view_file
from node.store.log import EventLog
from node.views.errors import Failure
from protocols import events
from tests.support import audit_cases, audit_webs
from tests.support.audit_cases import History
from tests.support.view_folds import by_state, by_view


def write(history: History, path: Path) -> None:
    with closing(EventLog.open(path)) as log:
        batch = log.begin(60_000)
        for event in history:
            batch.append(event)
        log.commit(batch)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    write(audit_webs.hub(), tmp_path / "data")
    with closing(EventLog.open(tmp_path / "data", read_only=True)) as opened:
        yield opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return view_file(tmp_path / "data")


def is_the_state(kept: NodeView, history: History) -> bool:
    return by_view(kept.view) == by_state(audit_webs.folded(history))


def test_it_takes_in_what_the_log_has_and_goes_on_from_there(log: EventLog, path: Path) -> None:
    with NodeView(path) as kept:
        assert kept.seq == -1
        assert kept.catch_up(log, 40) == Progress(39, 40)
        assert is_the_state(kept, audit_webs.hub()[:40])
    with NodeView(path) as kept:
        assert (kept.seq, kept.rebuilt) == (39, "")
        assert kept.catch_up(log) == Progress(log.next_seq - 1, log.next_seq)
        assert kept.catch_up(log).lag_count == 0
        assert kept.rebuilt == ""
        assert is_the_state(kept, audit_webs.hub())
        digest = kept.view.digest
    with NodeView(":memory:") as other:
        other.catch_up(log)
        assert other.view.digest == digest
    assert path.parent == log._path.with_name("data-views")  # type: ignore[union-attr]


def test_who_asks_it_to_stop_is_heard(log: EventLog) -> None:
    with NodeView(":memory:") as kept:
        seen: list[Progress] = []

        def stop(progress: Progress) -> bool:
            seen.append(progress)
            return False

        kept.catch_up(log, None, stop)
        assert seen == [Progress(log.next_seq - 1, log.next_seq)]


def test_a_view_of_another_log_is_made_anew(log: EventLog, path: Path, tmp_path: Path) -> None:
    write(audit_cases.alice(), tmp_path / "other")
    with closing(EventLog.open(tmp_path / "other", read_only=True)) as other:
        with NodeView(path) as kept:
            kept.catch_up(other)
        with NodeView(path) as kept:
            kept.catch_up(log)
            assert "another log" in kept.rebuilt
            assert is_the_state(kept, audit_webs.hub())


def test_a_log_that_lost_its_end_makes_it_anew(log: EventLog, path: Path, tmp_path: Path) -> None:
    write(audit_webs.hub()[:50], tmp_path / "shorter")
    with NodeView(path) as kept:
        kept.catch_up(log)
        with closing(EventLog.open(tmp_path / "shorter", read_only=True)) as shorter:
            assert kept.catch_up(shorter) == Progress(49, 50)
        assert is_the_state(kept, audit_webs.hub()[:50])


@pytest.mark.parametrize("keeps_changes", [False, True])
def test_a_damaged_file_is_made_anew(log: EventLog, path: Path, keeps_changes: bool) -> None:
    with NodeView(path, keeps_changes=keeps_changes) as kept:
        kept.catch_up(log)
    data = bytearray(path.read_bytes())
    data[: len(data) // 2] = bytes(len(data) // 2)
    path.write_bytes(data)
    with NodeView(path, keeps_changes=keeps_changes) as kept:
        assert kept.rebuilt
        kept.catch_up(log)
        assert is_the_state(kept, audit_webs.hub())


def test_a_view_that_something_else_made_is_made_anew(log: EventLog, path: Path) -> None:
    with NodeView(path) as kept:
        kept.catch_up(log)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE tally_stamp SET code_hash = x'00'")
    with NodeView(path) as kept:
        assert "code" in kept.rebuilt
        assert kept.seq == -1
    with NodeView(path, keeps_changes=True) as kept:
        assert "keeps_changes" in kept.rebuilt


def test_changes_are_kept_for_who_wants_them_and_the_tables_are_the_same(log: EventLog) -> None:
    with NodeView(":memory:") as lean, NodeView(":memory:", keeps_changes=True) as full:
        lean.catch_up(log)
        full.catch_up(log)
        assert lean.view.digest == full.view.digest == full.view.computed_digest()
        assert list(lean.view.messages()) == []
        tables = {change[0] for record in full.view.messages() for change in record.changes}
        assert {"channels", "fees", "balances"} <= tables


def test_a_message_that_is_too_much_is_taken_in_parts(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with NodeView(":memory:") as kept:
        apply, sizes = kept.view.apply, []

        def small(seq: int, message: bytes, **options: object) -> object:
            sizes.append(len(message))
            if len(message) > 9_000:
                return kept.view._verdict(seq, failure=Failure.OUT_OF_FUEL)
            return apply(seq, message, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(kept.view, "apply", small)
        assert kept.catch_up(log).lag_count == 0
        assert len(sizes) > 4
        assert is_the_state(kept, audit_webs.hub())


def test_a_record_that_the_reducer_fails_at_is_named(tmp_path: Path) -> None:
    history = audit_cases.alice()
    place, stored = audit_cases.nth(history, events.StateStored)
    path, wrong = tmp_path / "data", events.StateStored(stored.channel_id, bytes(32), b"x")
    write([*history[:place], wrong], path)
    with closing(EventLog.open(path, read_only=True)) as log, NodeView(":memory:") as kept:
        with pytest.raises(RecordRefused) as refused:
            kept.catch_up(log)
        assert refused.value.seq == place
        assert "trap-unreachable" in str(refused.value)
        assert kept.seq == place - 1
