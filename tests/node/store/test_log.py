"""The log: append, read, refuse; against both stores, against crashes and against damage."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from itertools import islice
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
    BLOCK_COUNT_MAX,
    ENTITY,
    LOG,
    META,
    OUTBOX,
    KeyValueDamaged,
    KeyValueError,
    WriteBatch,
)
from node.store.log import EventLog
from node.store.memory import MemoryKeyValue
from node.store.record import FORMAT_VERSION, Record, chain_next, seq_key
from node.store.rocks import RocksKeyValue, refused_opening
from protocols.effects import outbox_key
from protocols.events import ChainBlockProcessed, LogTailCut, NodeCreated
from tests.support.logs import (
    CHANNEL,
    GENESIS,
    OTHER_CHANNEL,
    TIME_MS,
    fill,
    flip,
    make_log,
    message,
    newest,
    payment,
)

Reopen = Callable[[EventLog], EventLog]


@pytest.fixture(params=["memory", "rocks"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[EventLog, Reopen]:
    """An empty log and how to close and open it again."""
    if request.param == "rocks":

        def reopen_directory(log: EventLog) -> EventLog:
            log.close()
            return EventLog.open(tmp_path / "log")

        return EventLog.open(tmp_path / "log"), reopen_directory
    store = MemoryKeyValue()

    def reopen_memory(log: EventLog) -> EventLog:
        log.close()
        store.reopen()
        return EventLog.open(tmp_path, kv=store)

    return EventLog.open(tmp_path, kv=store), reopen_memory


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


def test_a_range_is_read_without_its_ends(fresh: tuple[EventLog, Reopen]) -> None:
    log, _ = fresh
    fill(log, 50)
    assert [record.seq for record in log.read(10, 13)] == [10, 11, 12]
    assert [record.seq for record in log.read(48, 1_000)] == [48, 49]
    assert list(log.read(50)) == list(log.read(7, 7)) == []
    log.close()


def test_records_of_one_entity_come_alone_and_in_order(fresh: tuple[EventLog, Reopen]) -> None:
    log, _ = fresh
    fill(log, 5)
    batch = log.begin(TIME_MS)
    for number in (5, 6, 7):
        batch.append(payment(number, channel_id=OTHER_CHANNEL))
    log.commit(batch)
    assert [record.seq for record in log.read_entity(OTHER_CHANNEL)] == [5, 6, 7]
    assert [record.seq for record in log.read_entity(CHANNEL)] == [1, 2, 3, 4]
    assert [record.seq for record in log.read_entity(OTHER_CHANNEL, 6)] == [6, 7]
    assert [record.seq for record in log.read_entity(OTHER_CHANNEL, 0, 2)] == [5, 6]
    assert list(log.read_entity(b"\xff" * 32)) == []
    log.close()


def test_records_of_several_entities_come_each_once_and_in_order(
    fresh: tuple[EventLog, Reopen],
) -> None:
    log, _ = fresh
    fill(log, 3)
    batch = log.begin(TIME_MS)
    for number in range(3, 90):
        channel_id = OTHER_CHANNEL if number % 10 == 0 else CHANNEL
        batch.append(payment(number, channel_id=channel_id))
    log.commit(batch)
    both = (CHANNEL, OTHER_CHANNEL, (7).to_bytes(32, "big"))
    assert [record.seq for record in log.read_entities(both)] == list(range(1, 90))
    assert [record.seq for record in log.read_entities(both, 20, 25)] == list(range(20, 25))
    others = [record.seq for record in log.read_entities((OTHER_CHANNEL,))]
    assert others == list(range(10, 90, 10))
    assert list(log.read_entities((b"\xff" * 32,))) == []
    assert list(log.read_entities(())) == []
    log.close()


def test_records_written_as_a_run_are_found_one_by_one(fresh: tuple[EventLog, Reopen]) -> None:
    log, _ = fresh
    fill(log, 3)
    run = [payment(number) for number in range(3, 603)]
    again = payment(450)
    batch = log.begin(TIME_MS)
    batch.append_run(run, None, None)
    batch.append(again)
    log.commit(batch)
    assert [record.seq for record in log.read_entity(CHANNEL, 290, 3)] == [290, 291, 292]
    assert len(list(log.read_entity(CHANNEL))) == 603
    for seq, event in enumerate(run, 3):
        expected = [seq, 603] if event.payment_id == again.payment_id else [seq]
        assert [found.seq for found in log.read_entity(event.payment_id)] == expected
        assert [found.seq for found in log.read_entity(event.payment_id, seq + 1)] == expected[1:]
    log.close()


def test_an_index_that_says_nonsense_is_damage(fresh: tuple[EventLog, Reopen]) -> None:
    log, _ = fresh
    fill(log, 3)
    batch = log.begin(TIME_MS)
    batch.native.put(CHANNEL + seq_key(2), b"\x09", log._store.handle(ENTITY))
    batch.append(payment(3))
    log.commit(batch)
    with pytest.raises(LogDamaged, match="the index of entities"):
        list(log.read_entity(CHANNEL))
    log.close()


def test_a_request_is_found_by_its_id(fresh: tuple[EventLog, Reopen]) -> None:
    log, reopen = fresh
    fill(log, 3)
    batch = log.begin(TIME_MS)
    batch.append(payment(3, request_id="buy-milk"))
    batch.append(payment(4, request_id="buy-milk"))
    log.commit(batch)
    log = reopen(log)
    assert log.find_request("buy-milk") == 3
    assert log.find_request("buy-mil") is None
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


def test_a_damaged_table_names_its_file_and_the_records_it_can_hold(tmp_path: Path) -> None:
    make_log(tmp_path, 500).close()
    table = max(tmp_path.glob("*.sst"), key=lambda file: file.stat().st_size)
    flip(table, table.stat().st_size // 3)
    log = EventLog.open(tmp_path)
    seen: list[Record] = []
    with pytest.raises(LogDamaged) as caught:
        seen.extend(log.read())
    count = len(seen)
    assert 0 < count < 499
    assert caught.value.file == table.name
    assert (caught.value.first_seq, caught.value.last_seq) == (count, 499)
    with pytest.raises(LogDamaged):
        list(log.read(count + 1, count + 2))
    log.close()


def readings_that_fail(path: Path, file_name: str) -> set[str]:
    """Which ways of reading the log refuse, each naming the file."""
    failed = set()
    try:
        log = EventLog.open(path)
    except LogDamaged as error:
        return {"open"} if error.file == file_name else set()
    for name, read in (("outbox", log.outbox), ("entity", partial(log.read_entity, CHANNEL))):
        try:
            list(read())
        except LogDamaged as error:
            if error.file == file_name:
                failed.add(name)
    log.close()
    return failed


def test_every_family_notices_its_damaged_table(tmp_path: Path) -> None:
    make_log(tmp_path / "whole", 50).close()
    failed = set()
    for number, table in enumerate(sorted((tmp_path / "whole").glob("*.sst"))):
        path = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", path)
        flip(path / table.name, 10)
        failed |= readings_that_fail(path, table.name)
    assert failed == {"open", "outbox", "entity"}


# --- damage that a store cannot notice ---


def change(store: MemoryKeyValue, family: str, key: bytes, value: bytes | None) -> None:
    batch = store.new_batch()
    if value is None:
        batch.delete(key, family)
    else:
        batch.put(key, value, family)
    store.write(batch)


@pytest.fixture
def store() -> MemoryKeyValue:
    filled = MemoryKeyValue()
    make_log(None, 30, kv=filled)
    return filled


def refused(store: MemoryKeyValue) -> LogDamaged:
    with pytest.raises(LogDamaged) as caught:
        for _ in EventLog.open(Path(), kv=store).read_events():
            pass
    return caught.value


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


def test_a_missing_record_is_named(store: MemoryKeyValue) -> None:
    change(store, LOG, seq_key(7), None)
    error = refused(store)
    assert (error.first_seq, error.last_seq) == (7, 7)
    log = EventLog.open(Path(), kv=store)
    with pytest.raises(LogDamaged, match="missing"):
        list(log.read(8))
    with pytest.raises(LogDamaged, match="missing"):
        list(log.read(7, 8))
    with pytest.raises(LogDamaged, match="missing"):
        log.chain_at(7)


def test_an_altered_byte_is_named(store: MemoryKeyValue) -> None:
    for offset in (0, 31, 32, 40, 60):
        value = bytearray(store.get(LOG, seq_key(12)) or b"")
        value[offset] ^= 1
        change(store, LOG, seq_key(12), bytes(value))
        assert (refused(store).first_seq, refused(store).last_seq) == (12, 12)
        value[offset] ^= 1
        change(store, LOG, seq_key(12), bytes(value))


@pytest.mark.parametrize("bad", [1, BLOCK_COUNT_MAX - 1, BLOCK_COUNT_MAX, BLOCK_COUNT_MAX + 1])
def test_every_record_before_a_bad_one_is_given(bad: int) -> None:
    store = MemoryKeyValue()
    make_log(None, 2 * BLOCK_COUNT_MAX, kv=store)
    value = bytearray(store.get(LOG, seq_key(bad)) or b"")
    value[-1] ^= 1
    change(store, LOG, seq_key(bad), bytes(value))
    log = EventLog.open(Path(), kv=store)
    records, pairs = log.read(), log.read_events()
    assert [record.seq for record in islice(records, bad)] == list(range(bad))
    assert [record.seq for record, _ in islice(pairs, bad)] == list(range(bad))
    for reading in (records, pairs):
        with pytest.raises(LogDamaged, match="chain hash") as caught:
            next(reading)
        assert (caught.value.first_seq, caught.value.last_seq) == (bad, bad)


def test_a_record_under_another_number_is_named(store: MemoryKeyValue) -> None:
    log = EventLog.open(Path(), kv=store)
    batch = log.begin(TIME_MS)
    batch.next_seq = 35
    batch.append(payment(35))
    stored = {change[1]: change[2] for change in batch.native.changes}  # type: ignore[attr-defined]
    change(store, LOG, seq_key(30), stored[seq_key(35)])
    change(store, META, b"synced", msgspec.msgpack.encode([30, 31]))
    assert refused(store).first_seq == 30


def replace_last(store: MemoryKeyValue, raw: bytes) -> None:
    """Make `raw` record 30, with a chain hash that fits."""
    log = EventLog.open(Path(), kv=store)
    change(store, LOG, seq_key(30), chain_next(log.chain_hash, raw) + raw)
    change(store, META, b"synced", msgspec.msgpack.encode([30, 31]))


def test_a_record_that_does_not_decode_is_named(store: MemoryKeyValue) -> None:
    replace_last(store, b"\xc1")
    assert refused(store).first_seq == 30


def test_a_payload_that_does_not_decode_is_named(store: MemoryKeyValue) -> None:
    replace_last(store, msgspec.msgpack.encode([1, 30, 5, None, "log-tail-cut", ["x", 0, ""]]))
    error = refused(store)
    assert error.first_seq == 30
    assert "payload of log-tail-cut" in str(error)


@pytest.mark.parametrize("bad", [1, BLOCK_COUNT_MAX - 1, BLOCK_COUNT_MAX, BLOCK_COUNT_MAX + 1])
def test_every_event_before_one_that_does_not_decode_is_given(bad: int) -> None:
    store = MemoryKeyValue()
    log = make_log(None, bad, kv=store)
    raw = msgspec.msgpack.encode([1, bad, 5, None, "log-tail-cut", ["x", 0, ""]])
    change(store, LOG, seq_key(bad), chain_next(log.chain_hash, raw) + raw)
    change(store, META, b"synced", msgspec.msgpack.encode([bad, bad + 1]))
    pairs = EventLog.open(Path(), kv=store).read_events()
    assert [record.seq for record, _ in islice(pairs, bad)] == list(range(bad))
    with pytest.raises(LogDamaged, match="payload of log-tail-cut") as caught:
        next(pairs)
    assert (caught.value.first_seq, caught.value.last_seq) == (bad, bad)


def test_a_record_0_that_does_not_decode_is_named(store: MemoryKeyValue) -> None:
    change(store, LOG, seq_key(0), bytes(32) + b"\xc1")
    assert (refused(store).first_seq, refused(store).last_seq) == (0, 0)


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


class Unreadable(MemoryKeyValue):
    """A store that fails where it is told to."""

    broken: str = ""

    def get(self, family: str, key: bytes) -> bytes | None:
        if family == self.broken:
            raise KeyValueDamaged("block checksum mismatch in /x/000009.sst")
        return super().get(family, key)


def test_a_store_that_cannot_read_one_key_names_the_record() -> None:
    store = Unreadable()
    log = make_log(None, 9, kv=store)
    store.broken = LOG
    with pytest.raises(LogDamaged) as caught:
        log.chain_at(4)
    assert (caught.value.first_seq, caught.value.file) == (4, "000009.sst")


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


def test_a_block_leads_to_the_record_that_processed_it(fresh: tuple[EventLog, Reopen]) -> None:
    log, reopen = fresh
    fill(log, 1)
    found = {}
    for block_num in (5, 6, 300, 2**32):
        batch = log.begin(TIME_MS)
        batch.append(payment(log.next_seq))
        found[block_num] = batch.append(ChainBlockProcessed(block_num, b"\x01" * 32))
        log.commit(batch)
    log = reopen(log)
    assert {block_num: log.find_block(block_num) for block_num in found} == found
    assert (log.find_block(0), log.find_block(7)) == (found[5], found[300])
    assert log.find_block(2**32 + 1) is None
    log.close()


def test_the_time_of_a_record_is_read_alone(fresh: tuple[EventLog, Reopen]) -> None:
    log, _ = fresh
    fill(log, 30)
    assert [log.time_at(record.seq) for record in log.read()] == [r.time_ms for r in log.read()]
    with pytest.raises(LogDamaged):
        log.time_at(30)
    log.close()
