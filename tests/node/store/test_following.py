"""A log followed beside its writer: it sees what is written after it was opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.store.errors import LogMissing
from node.store.following import FollowedLog
from node.store.log import EventLog
from tests.support.logs import GENESIS, payment


def put(log: EventLog, count: int) -> None:
    batch = log.begin(1_000)
    if log.next_seq == 0:
        batch.append(GENESIS)
    for number in range(count):
        batch.append(payment(log.next_seq + number))
    log.commit(batch)


def test_it_sees_what_is_written_later_also_behind_flushed_tables(tmp_path: Path) -> None:
    log = EventLog.open(tmp_path / "log")
    put(log, 5)
    followed = FollowedLog(tmp_path / "log", tmp_path / "notes")
    assert followed.next_seq == log.next_seq
    for round_num in range(6):
        put(log, 300)
        assert followed.next_seq < log.next_seq
        followed.catch_up()
        assert followed.next_seq == log.next_seq
        last = log.next_seq - 1
        assert followed.chain_at(last) == log.chain_at(last)
        assert [record.seq for record in followed.read(last - 10)] == list(
            range(last - 10, last + 1)
        )
        if round_num % 2:
            log.disk().begin_flush()
    assert sum(1 for _ in followed.read()) == log.next_seq
    followed.close()
    followed.close()
    log.close()


def test_the_writer_is_not_disturbed(tmp_path: Path) -> None:
    log = EventLog.open(tmp_path / "log")
    put(log, 3)
    before = {path.name for path in (tmp_path / "log").iterdir()}
    followed = FollowedLog(tmp_path / "log", tmp_path / "notes")
    put(log, 3)
    followed.close()
    put(log, 3)
    assert {path.name for path in (tmp_path / "log").iterdir()} == before
    log.close()
    assert EventLog.open(tmp_path / "log", read_only=True).next_seq == 10


def test_where_there_is_no_log_there_is_nothing_to_follow(tmp_path: Path) -> None:
    with pytest.raises(LogMissing):
        FollowedLog(tmp_path / "log", tmp_path / "notes")
    assert not (tmp_path / "notes").exists()
