"""The log: append, read, refuse; against both stores, against crashes and against damage."""

import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from node.store import tail
from node.store.errors import (
    EquivocationAlarm,
    LogDamaged,
    LogInUse,
    LogMissing,
    LogNotOpened,
    LogWriteFailed,
    NewerLogFormat,
)
from node.store.kv import (
    ENTITY,
    LOG,
    META,
    OUTBOX,
    KeyValueError,
    WriteBatch,
)
from node.store.log import EventLog
from node.store.memory import MemoryKeyValue
from node.store.record import FORMAT_VERSION, seq_key
from node.store.rocks import RocksKeyValue, refused_opening
from protocols.effects import outbox_key
from protocols.events import LogTailCut, NodeCreated
from tests.support.logs import (
    CHANNEL,
    GENESIS,
    TIME_MS,
    Reopen,
    change,
    fill,
    flip,
    make_log,
    message,
    newest,
    payment,
    refused,
)


def test_an_empty_log_has_no_records(fresh: tuple[EventLog, Reopen]) -> None:
    log, reopen = fresh
    assert (log.next_seq, log.chain_hash, log.tail_cut) == (0, b"", None)
    log = reopen(log)
    assert list(log.read()) == []
    log.commit(log.begin(TIME_MS))
    assert log.next_seq == 0
    log.close()


def test_what_was_appended_is_read_back_after_opening_again(
    fresh: tuple[EventLog, Reopen],
) -> None:
    log, reopen = fresh
    fill(log, 95)
    chain = log.chain_hash
    log = reopen(log)
    assert (log.next_seq, log.chain_hash) == (95, chain)
    pairs = list(log.read_events())
    assert [record.seq for record, _ in pairs] == list(range(95))
    assert [event for _, event in pairs] == [GENESIS] + [payment(n) for n in range(1, 95)]
    assert log.chain_at(94) == chain
    fill(log, 120)
    assert [record.seq for record in log.read(90)] == list(range(90, 120))
    log.close()


def test_effects_stay_in_the_outbox_until_cleared(fresh: tuple[EventLog, Reopen]) -> None:
    log, reopen = fresh
    fill(log, 4)
    batch = log.begin(TIME_MS)
    batch.clear_effect(outbox_key(message(2)))
    log.commit(batch)
    log = reopen(log)
    assert [effect for _, effect in log.outbox()] == [message(1), message(3)]
    log.close()


def test_a_turn_signed_before_a_restart_raises_the_alarm(fresh: tuple[EventLog, Reopen]) -> None:
    log, reopen = fresh
    fill(log, 1)
    batch = log.begin(TIME_MS)
    batch.sign_turn(CHANNEL, 1, b"\x01" * 32)
    log.commit(batch)
    log = reopen(log)
    with pytest.raises(EquivocationAlarm):
        log.begin(TIME_MS).sign_turn(CHANNEL, 1, b"\x02" * 32)
    log.close()


def test_only_the_batch_begun_last_is_committed_and_only_once(
    fresh: tuple[EventLog, Reopen],
) -> None:
    log, _ = fresh
    fill(log, 2)
    old, new = log.begin(TIME_MS), log.begin(TIME_MS)
    new.append(payment(2))
    with pytest.raises(AssertionError, match="begun last"):
        log.commit(old)
    log.commit(new)
    with pytest.raises(AssertionError, match="begun last"):
        log.commit(new)
    log.close()


class FullDisk(MemoryKeyValue):
    """Fails on the next writes once told so."""

    is_full = False

    def write(self, batch: WriteBatch) -> None:
        if self.is_full:
            raise KeyValueError("No space left on device")
        super().write(batch)

    def close(self) -> None:
        super().close()
        if self.is_full:
            raise KeyValueError("Writer has previous error.")


def test_closing_behind_a_failed_write_does_not_speak_over_it() -> None:
    store = FullDisk()
    log = make_log(None, 5, kv=store)
    store.is_full = True
    batch = log.begin(TIME_MS)
    batch.append(payment(5))
    with pytest.raises(LogWriteFailed, match="No space left"):
        log.commit(batch)
    log.close()


def test_closing_tells_when_the_last_flush_failed() -> None:
    store = FullDisk()
    log = make_log(None, 5, kv=store)
    store.is_full = True
    with pytest.raises(LogWriteFailed, match="previous error"):
        log.close()


def test_after_a_failed_write_nothing_is_written_any_more() -> None:
    store = FullDisk()
    log = make_log(None, 5, kv=store)
    store.is_full = True
    with pytest.raises(LogWriteFailed, match="No space left"):
        fill(log, 6)
    store.is_full = False
    with pytest.raises(LogWriteFailed, match="No space left"):
        fill(log, 6)
    assert log.next_seq == 5


def test_an_interrupted_write_is_a_failed_one() -> None:
    class Interrupted(MemoryKeyValue):
        def write(self, batch: WriteBatch) -> None:
            raise KeyboardInterrupt

    log = EventLog.open(Path(), kv=Interrupted())
    batch = log.begin(TIME_MS)
    batch.append(GENESIS)
    with pytest.raises(KeyboardInterrupt):
        log.commit(batch)
    with pytest.raises(LogWriteFailed, match="interrupted"):
        log.commit(log.begin(TIME_MS))


# --- directories ---


def test_reading_needs_a_log(tmp_path: Path) -> None:
    with pytest.raises(LogMissing):
        EventLog.open(tmp_path / "nothing", read_only=True)
    assert not (tmp_path / "nothing").exists()


def test_a_second_opener_is_refused_and_leaves_the_first_alone(tmp_path: Path) -> None:
    log = make_log(tmp_path, 5)
    with pytest.raises(LogInUse, match="open in another process"):
        EventLog.open(tmp_path)
    fill(log, 10)
    log.close()
    log.close()
    reopened = EventLog.open(tmp_path)
    assert reopened.next_seq == 10
    reopened.close()


def test_a_directory_rocksdb_finds_locked_is_in_use(tmp_path: Path) -> None:
    make_log(tmp_path, 2).close()
    holder = RocksKeyValue(tmp_path)
    with pytest.raises(LogInUse):
        EventLog.open(tmp_path)
    holder.close()
    EventLog.open(tmp_path).close()


def test_what_the_machine_refuses_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_log(tmp_path, 2).close()

    def refuse(path: Path) -> RocksKeyValue:
        raise refused_opening(Exception("IO error: While open a file: Too many open files"))

    monkeypatch.setattr("node.store.log.RocksKeyValue", refuse)
    with pytest.raises(LogNotOpened, match="Too many open files"):
        EventLog.open(tmp_path)
    monkeypatch.undo()
    EventLog.open(tmp_path).close()


def test_a_reader_beside_a_live_writer_reads_what_is_there_and_writes_nothing(
    tmp_path: Path,
) -> None:
    log = make_log(tmp_path, 30)
    before = sorted(file.name for file in tmp_path.iterdir())
    reader = EventLog.open(tmp_path, read_only=True)
    fill(log, 40)
    assert [record.seq for record in reader.read()] == list(range(30))
    with pytest.raises(AssertionError, match="opened for reading"):
        reader.commit(reader.begin(TIME_MS))
    reader.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == before
    log.close()


def test_a_torn_tail_is_cut_reported_and_remembered_until_it_is_recorded(tmp_path: Path) -> None:
    log = make_log(tmp_path / "live", 41)
    shutil.copytree(tmp_path / "live", tmp_path / "torn")
    log.close()
    path = tmp_path / "torn"
    file = newest(path, ".log")
    file.write_bytes(file.read_bytes()[:-1])

    reader = EventLog.open(path, read_only=True)
    assert reader.next_seq == 31
    assert reader.tail_cut is not None
    reader.close()
    assert tail.remembered(path) is None, "a reader changes nothing"

    log = EventLog.open(path)
    cut = log.tail_cut
    assert log.next_seq == 31
    assert cut is not None
    assert cut.file_name == file.name
    log.close()
    log = EventLog.open(path)
    assert log.tail_cut == cut, "a second crash before it is recorded forgets nothing"
    batch = log.begin(TIME_MS)
    batch.append(LogTailCut(log.next_seq, cut.size_bytes, cut.file_name))
    log.commit(batch)
    assert log.tail_cut is None
    log.close()
    log = EventLog.open(path)
    assert log.tail_cut is None
    assert log.next_seq == 32
    log.close()


def test_a_log_without_its_directory_records_a_cut_like_any_event() -> None:
    log = make_log(None, 2, kv=MemoryKeyValue())
    batch = log.begin(TIME_MS)
    batch.append(LogTailCut(2, 5, "000004.log"))
    log.commit(batch)
    assert log.next_seq == 3


def test_a_flipped_byte_in_the_write_ahead_log_refuses_to_open(tmp_path: Path) -> None:
    log = make_log(tmp_path / "live", 100)
    shutil.copytree(tmp_path / "live", tmp_path / "copy")
    log.close()
    file = newest(tmp_path / "copy", ".log")
    flip(file, file.stat().st_size // 2)
    with pytest.raises(LogDamaged):
        EventLog.open(tmp_path / "copy")
    EventLog.open(tmp_path / "live").close()


def test_a_damaged_current_names_itself(tmp_path: Path) -> None:
    make_log(tmp_path, 5).close()
    flip(tmp_path / "CURRENT", 0)
    with pytest.raises(LogDamaged) as caught:
        EventLog.open(tmp_path)
    assert caught.value.file == "CURRENT"


# --- damage that a store cannot notice ---


def test_a_log_shorter_than_what_was_synced_is_refused(store: MemoryKeyValue) -> None:
    for seq in (28, 29):
        change(store, LOG, seq_key(seq), None)
    error = refused(store)
    assert (error.first_seq, error.last_seq) == (28, 29)
    assert "30 with it" in str(error)


def test_a_log_longer_than_what_was_synced_is_refused(store: MemoryKeyValue) -> None:
    change(store, META, b"synced", msgspec.msgpack.encode([10, 20]))
    assert refused(store).first_seq == 20


def test_a_log_that_lost_all_its_records_is_refused(store: MemoryKeyValue) -> None:
    for seq in range(30):
        change(store, LOG, seq_key(seq), None)
    assert (refused(store).first_seq, refused(store).last_seq) == (0, 29)


def test_a_log_that_begins_with_another_event_is_refused() -> None:
    store = MemoryKeyValue()
    payload = msgspec.msgpack.encode([0, 0, ""])
    raw = msgspec.msgpack.encode([1, 0, 5, None, "log-tail-cut", msgspec.Raw(payload)])
    chain = sha256(sha256(payload).digest() + raw).digest()
    change(store, LOG, seq_key(0), chain + raw)
    change(store, META, b"synced", msgspec.msgpack.encode([0, 1]))
    assert "not node-created" in str(refused(store))


def test_a_log_of_a_newer_format_is_refused() -> None:
    store = MemoryKeyValue()
    log = EventLog.open(Path(), kv=store)
    batch = log.begin(TIME_MS)
    batch.append(NodeCreated(FORMAT_VERSION + 1, 1, *([b"\x01" * 20] * 4)))
    log.commit(batch)
    with pytest.raises(NewerLogFormat, match="log has version"):
        EventLog.open(Path(), kv=store)


# --- crashes ---


def run_writer(path: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.log_writer", str(path), *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_after_any_kill_the_log_is_whole_and_has_all_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged = 0
    for attempt in range(6):
        with run_writer(tmp_path) as process:
            assert process.stdout is not None
            for _ in range(3 + 40 * attempt):
                acknowledged = int(process.stdout.readline())
            process.kill()
            for line in process.stdout.read().splitlines():
                acknowledged = int(line)
        log = EventLog.open(tmp_path)
        assert log.next_seq >= acknowledged
        assert [record.seq for record in log.read()] == list(range(log.next_seq))
        assert log.tail_cut is None
        log.close()


@pytest.mark.slow
def test_a_full_disk_stops_the_log_and_loses_nothing_acknowledged(tmp_path: Path) -> None:
    with run_writer(tmp_path, "300000") as process:
        output = process.communicate()[0].splitlines()
    assert process.returncode == 0
    acknowledged = int(output[-3])
    assert output[-2].startswith("failed: the log could not be written")
    assert output[-1].startswith("refused: the log could not be written")
    log = EventLog.open(tmp_path)
    assert log.next_seq >= acknowledged
    assert len(list(log.read())) == log.next_seq
    log.close()


def test_unused_families_are_empty(tmp_path: Path) -> None:
    make_log(tmp_path, 3).close()
    store = RocksKeyValue.open_beside(tmp_path)
    assert list(store.iterate("snapshots")) == []
    # Each payment under its channel and under its own id.
    assert len(list(store.iterate(ENTITY))) == 4
    assert len(list(store.iterate(OUTBOX))) == 2
    store.close()
