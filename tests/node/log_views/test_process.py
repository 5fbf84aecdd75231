"""The process that keeps the views: told a number, it goes so far; it ends when nobody speaks."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from node.log_views.keeper import NodeView, view_file
from node.log_views.lock import views_lock
from node.log_views.process import Speaker, keep
from node.log_views.report import Report
from node.processes import our_environment, our_python
from node.sinks.check import check
from node.store.log import EventLog
from protocols import events
from tests.support import audit_cases, audit_webs
from tests.support.postgres_server import PostgresServer
from tests.support.view_folds import by_state, by_view


def put(log: EventLog, history: list[events.Event]) -> None:
    batch = log.begin(60_000)
    for event in history:
        batch.append(event)
    log.commit(batch)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with closing(EventLog.open(tmp_path / "data")) as opened:
        put(opened, audit_cases.bob()[:40])
        yield opened


@pytest.fixture
def data(tmp_path: Path, log: EventLog) -> Path:
    return tmp_path / "data"


class Child:
    """The process, as the node starts it."""

    def __init__(self, data: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            our_python("node.log_views.process", str(data), *options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=our_environment(),
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout

    def tell(self, count: int) -> None:
        self.stdin.write(b"%d\n" % count)
        self.stdin.flush()

    def hear(self, seq: int) -> None:
        for line in self.stdout:
            report = msgspec.json.decode(line, type=Report)
            assert not report.failure, report
            if report.seq == seq:
                return
        raise AssertionError(f"it ended before record {seq}")

    def end(self) -> int:
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        code = self.process.wait(20)
        self.stdout.close()
        return code


def rows(data: Path, history: list[events.Event]) -> bool:
    with NodeView(view_file(data)) as kept:
        return by_view(kept.view) == by_state(audit_webs.folded(history)) and not kept.rebuilt


def test_it_goes_as_far_as_it_is_told_and_not_further(data: Path, log: EventLog) -> None:
    child = Child(data)
    child.tell(30)
    child.hear(29)
    put(log, audit_cases.bob()[40:])
    child.tell(log.next_seq - 1)
    child.hear(log.next_seq - 2)
    assert child.end() == 0
    assert rows(data, audit_cases.bob()[:-1])


def test_one_that_was_killed_goes_on_from_where_it_was(data: Path, log: EventLog) -> None:
    child = Child(data, "--keep-changes")
    child.tell(40)
    child.hear(39)
    child.process.kill()
    assert child.end() < 0
    put(log, audit_cases.bob()[40:])
    child = Child(data, "--keep-changes")
    child.tell(log.next_seq)
    child.hear(39)
    child.hear(log.next_seq - 1)
    assert child.end() == 0
    assert rows(data, audit_cases.bob())


def run(data: Path, count: int, **options: Any) -> tuple[int, list[Report]]:
    """Keep the views in this process, by one who is told a number and then left."""
    reading, writing = os.pipe()
    os.write(writing, b"%d\n" % count)
    speaker, open_ends = Speaker(reading), [writing]
    reports: list[Report] = []
    speaker.listen(1)

    def report(told: Report) -> None:
        reports.append(told)
        if told.seq == count - 1 and open_ends:
            os.close(open_ends.pop())

    try:
        return keep(data, speaker, report, keeps_changes=False, **options), reports
    finally:
        for descriptor in (reading, *open_ends):
            os.close(descriptor)


def test_what_it_says_is_how_far_it_is_and_why_it_was_made_anew(data: Path, log: EventLog) -> None:
    code, reports = run(data, 40)
    assert (code, reports[0].seq, reports[-1].seq) == (0, -1, 39)
    path = view_file(data)
    path.write_bytes(b"no database" * 1_000)
    code, reports = run(data, 40)
    assert "NotADBError" in reports[0].rebuilt
    assert reports[-1].seq == 39


def test_a_log_whose_end_was_lost_makes_them_anew(
    tmp_path: Path, data: Path, log: EventLog
) -> None:
    assert run(data, 40)[0] == 0
    other = tmp_path / "shorter"
    with closing(EventLog.open(other)) as shorter:
        put(shorter, audit_cases.bob()[:20])
        view_file(data).parent.rename(view_file(other).parent)
        code, reports = run(other, 20)
    assert code == 0
    assert any("longer one" in report.rebuilt for report in reports)
    assert rows(other, audit_cases.bob()[:20])


def test_what_it_fails_at_has_a_name(data: Path, log: EventLog, tmp_path: Path) -> None:
    with views_lock(view_file(data).parent):
        assert run(data, 40)[1][-1].failure == "views-in-use"
    assert run(tmp_path / "nowhere", 5)[1][-1].failure == "log-unreadable"
    place, stored = audit_cases.nth(audit_cases.bob(), events.StateStored)
    with closing(EventLog.open(tmp_path / "wrong")) as wrong:
        put(
            wrong,
            [*audit_cases.bob()[:place], events.StateStored(stored.channel_id, bytes(32), b"")],
        )
        code, reports = run(tmp_path / "wrong", place + 1)
    assert (code, reports[-1].failure, reports[-1].seq) == (1, "record-refused", place - 1)


def test_a_file_that_is_damaged_inside_is_removed(data: Path, log: EventLog) -> None:
    put(log, audit_cases.bob()[40:])
    assert run(data, 40)[0] == 0
    path = view_file(data)
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(content)
    for _ in range(3):
        code, reports = run(data, log.next_seq)
        if code == 0:
            break
        assert reports[-1].failure == "view-broken", reports
    assert reports[-1].seq == log.next_seq - 1
    assert rows(data, audit_cases.bob())


def test_a_sink_copies_what_is_kept_and_reports(
    data: Path, log: EventLog, postgres: PostgresServer
) -> None:
    reader, writer = os.pipe()
    ends = os.fdopen(writer, "wb", buffering=0)
    reports: list[Report] = []

    def report(told: Report) -> None:
        reports.append(told)
        if told.sink is not None and told.sink.seq == log.next_seq - 1:
            ends.close()

    ends.write(b"%d\n" % log.next_seq)
    sink = (postgres.conninfo, "process")
    assert keep(data, Speaker(reader), report, keeps_changes=False, sink=sink) == 0
    os.close(reader)
    assert all(not told.failure for told in reports)
    assert check(postgres.conninfo, "process", view_file(data)).is_equal
