"""What stands beside the records, compared by sums and, where those differ, one by one."""

from pathlib import Path

import pytest

from node.audit import expected as module
from node.audit.entry import decode_entry
from node.audit.expected import (
    Difference,
    ExpectedIndex,
    expected_blocks,
    expected_turns,
    index_keys,
    signed_turn,
)
from node.audit.reader import LogReader
from node.store.batch import block_key
from node.store.kv import ENTITY, SIGNED_TURNS
from node.store.log import EventLog
from node.store.record import CHAIN_SIZE_BYTES, encode_record, seq_key
from node.store.rocks import RocksKeyValue
from protocols import events
from scripts.benchmarks import sound_logs
from tests.support.logs import GENESIS

COUNT = 900


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several chunks in a short log, and two of them at once."""
    monkeypatch.setattr(module, "INDEX_CHUNK_SUFFIX_SIZE_BYTES", 1)
    monkeypatch.setattr(module, "INDEX_CHUNK_RECORD_COUNT", 256)
    monkeypatch.setattr(module, "_CHUNK_OF_KEY", slice(32, 39))
    monkeypatch.setattr(module, "_CHUNKS_AT_ONCE", 2)
    monkeypatch.setattr(module, "COMPARED_KEY_COUNT_MAX", 20)


def differences(path: Path) -> tuple[Difference, Difference]:
    reader = LogReader.open(path)
    try:
        entries = [decode_entry(v[CHAIN_SIZE_BYTES:]) for _, v in reader.values(0, 10_000)]
        index, turns = ExpectedIndex(), expected_turns()
        for start in range(0, len(entries), 25):
            index.take(entries[start : start + 25])
            turns.take(entries[start : start + 25])
        return index.difference(reader), turns.difference(reader, len(entries))
    finally:
        reader.close()


def edit(path: Path, family: str, entries: dict[bytes, bytes | None]) -> None:
    store = RocksKeyValue(path)
    batch = store.new_batch()
    for key, value in entries.items():
        if value is None:
            batch.delete(key, store.handle(family))
        else:
            batch.put(key, value, store.handle(family))
    store.write(batch)
    store.close()


def held(path: Path, family: str) -> dict[bytes, bytes]:
    store = RocksKeyValue.open_beside(path)
    found = dict(store.iterate(family))
    store.close()
    return found


@pytest.mark.parametrize("make", [sound_logs.payees_log, sound_logs.followers_log])
def test_an_honest_log_has_what_its_records_want(make: object, tmp_path: Path) -> None:
    make(tmp_path, COUNT)  # type: ignore[operator]
    assert differences(tmp_path) == (Difference(), Difference())


def test_what_an_entry_of_many_records_loses_is_counted(tmp_path: Path) -> None:
    sound_logs.payees_log(tmp_path, COUNT)
    longest = max(held(tmp_path, ENTITY).items(), key=lambda pair: pair[1])
    edit(tmp_path, ENTITY, {longest[0]: None, b"short": b"", b"\x01" * 40: b""})
    index, turns = differences(tmp_path)
    assert turns == Difference()
    assert (index.missing, index.extra, index.changed) == (
        int.from_bytes(longest[1][1:], "big"),
        2,
        0,
    )
    assert index.first == {"missing": longest[0], "extra": b"\x01" * 40}


@pytest.mark.slow
def test_turns_are_compared_a_part_at_a_time(tmp_path: Path) -> None:
    sound_logs.followers_log(tmp_path, COUNT)
    keys = sorted(held(tmp_path, SIGNED_TURNS))
    edit(tmp_path, SIGNED_TURNS, {keys[3]: b"other", keys[5]: None, keys[9]: None, b"x": b""})
    index, turns = differences(tmp_path)
    assert index == Difference()
    assert (turns.missing, turns.extra, turns.changed) == (2, 1, 1)
    assert turns.first == {"missing": keys[5], "extra": b"x", "changed": keys[3]}


def test_sums_are_of_the_keys_of_each_record(tmp_path: Path) -> None:
    sound_logs.followers_log(tmp_path, 60)
    reader = LogReader.open(tmp_path)
    entries = [decode_entry(v[CHAIN_SIZE_BYTES:]) for _, v in reader.values(0, 100)]
    reader.close()
    keys = [key for entry in entries for key in index_keys(entry)]
    index = ExpectedIndex()
    index.take(entries)
    assert sum(index._sums.values()) == sum(map(hash, keys))
    turns = dict(turn for entry in entries if (turn := signed_turn(entry.event)) is not None)
    assert turns == held(tmp_path, SIGNED_TURNS)


def test_the_last_record_of_a_block_counts(tmp_path: Path) -> None:
    """After a restore the same blocks are processed again."""
    processed = [events.ChainBlockProcessed(number, bytes(32)) for number in (5, 6, 6, 7)]
    log = EventLog.open(tmp_path)
    for event in (GENESIS, *processed):
        sound_logs.write(log, [event])
    log.close()
    blocks, reader = expected_blocks(), LogReader.open(tmp_path)
    try:
        blocks.take([decode_entry(v[CHAIN_SIZE_BYTES:]) for _, v in reader.values(0, 10)])
        assert blocks.difference(reader, 5) == Difference()
        blocks.take([decode_entry(encode_record(5, 9, None, processed[0]))])
        assert blocks.difference(reader, 5) == Difference()
    finally:
        reader.close()
    edit(tmp_path, "meta", {block_key(6): seq_key(2), block_key(8): seq_key(4)})
    reader = LogReader.open(tmp_path)
    try:
        difference = blocks.difference(reader, 5)
    finally:
        reader.close()
    assert (difference.changed, difference.extra, difference.missing) == (1, 1, 0)
