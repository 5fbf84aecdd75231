"""Reading a log: in ranges, by entity, by request; and every damage named."""

import shutil
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from node.store.errors import LogDamaged
from node.store.kv import BLOCK_COUNT_MAX, ENTITY, LOG, META, KeyValueDamaged
from node.store.log import EventLog
from node.store.memory import MemoryKeyValue
from node.store.record import Record, chain_next, seq_key
from protocols.events import ChainBlockProcessed
from tests.support.logs import (
    CHANNEL,
    OTHER_CHANNEL,
    TIME_MS,
    Reopen,
    change,
    fill,
    flip,
    make_log,
    payment,
    refused,
)


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
