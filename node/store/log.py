"""The event log: append by batches, read by sequence number or entity, verify while reading.

One writer; every commit is synced before it returns. What is read is checked: dense sequence,
chain of hashes, and an end that is the end. It knows nothing of what events mean.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from heapq import merge
from itertools import chain, islice, takewhile
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

import msgspec

from node.store import index, tail
from node.store.batch import BLOCK_PREFIX, SYNCED_KEY, Batch, block_key, request_entity
from node.store.damage import unopenable, unreadable
from node.store.errors import (
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
    KeyValue,
    KeyValueBusy,
    KeyValueDamaged,
    KeyValueError,
)
from node.store.limits import TREE_UNWRITTEN_COUNT_MAX
from node.store.log_tree import LogTree
from node.store.record import (
    CHAIN_SIZE_BYTES,
    FORMAT_VERSION,
    Record,
    append_events,
    chain_next,
    chain_seed,
    decode_record,
    linked_records,
    seq_key,
)
from node.store.rocks import RocksKeyValue
from node.store.tail import TailCut
from protocols.effects import Effect
from protocols.events import Event, NodeCreated

Found = TypeVar("Found")

_LOCK_NAME = "OWNER"
ENTITY_BLOCK_COUNT = 64
"""Records about an entity that stand behind each other are read so many at a time: whoever reads
on only now and then is held up for half a millisecond."""

_decode_effect = msgspec.msgpack.Decoder(Effect).decode
_decode_lengths = msgspec.msgpack.Decoder(tuple[int, int]).decode


class EventLog:
    """An open log. Make it with `EventLog.open`."""

    def __init__(
        self, store: KeyValue, *, path: Path | None, lock: int | None, tail_cut: TailCut | None
    ) -> None:
        self.tail_cut = tail_cut
        """What the last crash cost, until a committed `log-tail-cut` tells of it; then None."""
        self.pins: WeakSet[Any] = WeakSet()
        """Snapshots that states in memory still fetch values from."""
        self._store = store
        self._path = path
        self._lock = lock
        self._read_only = lock is None and path is not None
        self._failure: str | None = None
        self._batch: Batch | None = None
        """The one begun last; it holds handles of the store."""
        self._tree: LogTree | None = None
        self.next_seq = 0
        """How many records there are: the sequence number of the next."""
        self.chain_hash = b""
        """Chain hash of the last record; empty while there is none."""

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False, kv: KeyValue | None = None) -> "EventLog":
        """Open the log in directory `path`, creating it unless `read_only`.

        `read_only` reads what a live writer has written until now, and disturbs nobody. With
        `kv` given, that is used and `path` is left alone. Raises `LogMissing`, `LogInUse`,
        `LogNotOpened`, `LogDamaged` or `NewerLogFormat`; nothing on disk is changed by a refusal.
        """
        if kv is not None:
            log = cls(kv, path=None, lock=None, tail_cut=None)
            log._load()
            return log
        is_there = (path / "CURRENT").exists()
        if read_only and not is_there:
            raise LogMissing(str(path))
        lock = None if read_only else take_lock(path)
        try:
            cut = tail.inspect_live(path) if read_only else tail.inspect(path)
            if cut is not None and not read_only:
                tail.remember(path, cut)
            cut = cut or tail.remembered(path)
            log = cls(_open_store(path, read_only), path=path, lock=lock, tail_cut=cut)
            try:
                log._load()
            except BaseException:
                log._store.close()
                raise
        except BaseException:
            if lock is not None:
                os.close(lock)
            raise
        return log

    @property
    def store(self) -> KeyValue:
        """Where the log is kept, for what follows from it."""
        return self._store

    @property
    def is_read_only(self) -> bool:
        """True if nothing may be written, not even what follows from the log."""
        return self._read_only

    def begin(self, time_ms: int) -> Batch:
        """An empty batch at the log's end; all its records carry `time_ms` (Unix, milliseconds).

        One at a time: a batch begun before can no longer be used.
        """
        if self._batch is not None:
            self._batch.release()
        self._batch = Batch(self._store, self.next_seq, self.chain_hash, time_ms)
        return self._batch

    def commit(self, batch: Batch) -> None:
        """Make the batch durable by one synced write; an empty one costs nothing.

        Raises `LogWriteFailed` on any error, now and for every later commit: after a failed write
        nobody can say what is on the disk (M28), so nothing more may be acknowledged.
        """
        if self._failure is not None:
            raise LogWriteFailed(self._failure)
        assert not self._read_only, "a log opened for reading is never written"
        assert batch is self._batch, "only the batch begun last is committed, once"
        if batch.is_empty:
            return
        self._failure = "interrupted"
        if self._tree is not None:
            self._tree.put_nodes(batch.native)
        try:
            self._store.write(batch.seal())
        except Exception as error:
            self._failure = str(error)
            raise LogWriteFailed(self._failure) from error
        self._failure = None
        self._batch = None
        batch.release()
        self.next_seq = batch.next_seq
        self.chain_hash = batch.chain_hash
        if self._tree is not None:
            self._tree.keep(batch.chain_hashes)
        if batch.records_tail_cut and self._path is not None:
            tail.forget(self._path)
            self.tail_cut = None

    @property
    def tree(self) -> LogTree:
        """The Merkle mountain range over the records; taken up when it is first asked for."""
        if self._tree is None:
            self._tree = LogTree(self._store, self._chain_hashes, self.next_seq)
        return self._tree

    def grow_tree(self) -> bool:
        """Take a bounded number of new records into the tree; False if all were in it already.

        Raises `LogDamaged`.
        """
        tree = self.tree
        if tree.lag_count == 0:
            return False
        tree.advance()
        return True

    def save_tree(self) -> None:
        """Write its nodes if too many wait for a batch; only between two batches.

        Raises `LogWriteFailed`.
        """
        if self.tree.unwritten_count > TREE_UNWRITTEN_COUNT_MAX:
            batch = self.begin(0)
            batch.is_empty = False
            self.commit(batch)

    def has_root(self, length: int, root: bytes) -> bool:
        """Whether `root` is that of the first `length` records; at least one is asked about.

        Raises `LogDamaged`.
        """
        while self.tree.length < min(length, self.next_seq) and self.grow_tree():
            pass
        return length <= self.tree.length and self.tree.root(length) == root

    def read(self, from_seq: int = 0, to_seq: int | None = None) -> Iterator[Record]:
        """Records with from_seq <= seq < to_seq (default: all there are), verified.

        Raises `LogDamaged` at the first record that is missing, altered or unreadable.
        """
        return chain.from_iterable(self.record_blocks(from_seq, to_seq))

    def read_events(
        self, from_seq: int = 0, to_seq: int | None = None
    ) -> Iterator[tuple[Record, Event]]:
        """Like `read`, with each record's event at today's version: what a replay needs."""
        return chain.from_iterable(self.event_blocks(from_seq, to_seq))

    def event_blocks(
        self, from_seq: int = 0, to_seq: int | None = None
    ) -> Iterator[list[tuple[Record, Event]]]:
        """What `read_events` gives, many at a time."""
        for records, found in self._decoded_blocks(from_seq, to_seq):
            yield list(zip(records, found, strict=True))

    def dated_blocks(
        self, from_seq: int = 0, to_seq: int | None = None
    ) -> Iterator[list[tuple[Event, int]]]:
        """The events with their times, many at a time: what `apply_all` folds."""
        for records, found in self._decoded_blocks(from_seq, to_seq):
            yield list(zip(found, [record.time_ms for record in records], strict=True))

    def _decoded_blocks(
        self, from_seq: int, to_seq: int | None
    ) -> Iterator[tuple[list[Record], list[Event]]]:
        for records in self.record_blocks(from_seq, to_seq):
            found: list[Event] = []
            try:
                append_events(records, found)
            except msgspec.DecodeError as error:
                yield records[: len(found)], found
                record = records[len(found)]
                reason = f"the payload of {record.name} does not decode: {error}"
                raise LogDamaged(reason, record.seq, record.seq) from error
            yield records, found

    def raw_record(self, seq: int) -> tuple[bytes, bytes]:
        """The chain hash before a record, and the record's bytes, verified.

        Raises `LogDamaged`.
        """
        before, value = self._chain_before(seq), self._stored(seq)
        record = value[CHAIN_SIZE_BYTES:]
        if chain_next(before, record) != value[:CHAIN_SIZE_BYTES]:
            raise LogDamaged("its bytes do not fit its chain hash", seq, seq)
        return before, record

    def read_entity(
        self, entity: bytes, from_seq: int = 0, limit: int | None = None
    ) -> Iterator[Record]:
        """Records about `entity` (channel id, objective id), from `from_seq` on, at most `limit`.

        Each is verified against its own chain hash and its predecessor's.
        """
        for seq in islice(self._entity_seqs(entity, from_seq), limit):
            yield from self.read(seq, seq + 1)

    def read_entities(
        self, entities: Sequence[bytes], from_seq: int = 0, to_seq: int | None = None
    ) -> Iterator[Record]:
        """Records about any of the entities, each once and in order, from_seq <= seq < to_seq."""
        end = self.next_seq if to_seq is None else to_seq
        seqs = merge(*(self._entity_seqs(entity, from_seq) for entity in entities))
        first: int | None = None
        after = from_seq
        for seq in takewhile(lambda seq: seq < end, seqs):
            if first is not None and (seq > after or after - first >= ENTITY_BLOCK_COUNT):
                yield from self.read(first, after)
                first = None
            if seq >= after:
                first = seq if first is None else first
                after = seq + 1
        if first is not None:
            yield from self.read(first, after)

    def find_request(self, request_id: str) -> int | None:
        """The first record that answers to `request_id`, or None."""
        return next(self._own_seqs(request_entity(request_id), 0), None)

    def find_block(self, block_num: int) -> int | None:
        """The record with which that block of the chain was processed, itself or with a later one.

        None if no record says so yet. Blocks are processed in their order.
        """
        stop = BLOCK_PREFIX + b"\xff" * 9
        try:
            for _, value in self._store.iterate(META, block_key(block_num), stop):
                return int.from_bytes(value, "big")
        except KeyValueDamaged as error:
            raise unreadable(self._store, str(error), None) from error
        return None

    def time_at(self, seq: int) -> int:
        """When record `seq` was written, Unix milliseconds; times never fall along the log.

        Read alone, without the records around it: it is not verified. Raises `LogDamaged`.
        """
        try:
            return decode_record(self._stored(seq)[CHAIN_SIZE_BYTES:]).time_ms
        except msgspec.DecodeError as error:
            raise LogDamaged(f"the record does not decode: {error}", seq, seq) from error

    def outbox(self) -> Iterator[tuple[bytes, Effect]]:
        """Effects that no event has cleared, in key order."""
        try:
            for key, value in self._store.iterate(OUTBOX):
                yield key, _decode_effect(value)
        except KeyValueDamaged as error:
            raise unreadable(self._store, str(error), None) from error

    def chain_at(self, seq: int) -> bytes:
        """The stored chain hash of record `seq`; raises `LogDamaged` if it is not there."""
        return self._stored(seq)[:CHAIN_SIZE_BYTES]

    def disk(self) -> RocksKeyValue:
        """The store below, for a copy of its files; a log in memory has none."""
        assert isinstance(self._store, RocksKeyValue), "only a log on disk is copied"
        return self._store

    def close(self) -> None:
        """Flush, let go of the directory. A second call does nothing.

        Raises `LogWriteFailed` if the flush failed and no write had: whoever met that knows why.
        """
        if self._batch is not None:
            self._batch.release()
        try:
            self._store.close()
        except KeyValueError as error:
            if self._failure is None:
                raise LogWriteFailed(str(error)) from error
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def record_blocks(self, from_seq: int, to_seq: int | None) -> Iterator[list[Record]]:
        """What `read` gives, many at a time: for who lets others run in between."""
        end = self.next_seq if to_seq is None else min(to_seq, self.next_seq)
        if from_seq >= end:
            return
        previous = self._chain_before(from_seq)
        seq = from_seq
        try:
            for entries in self._store.blocks(LOG, seq_key(from_seq), seq_key(end)):
                records = linked_records(entries, seq, previous)
                yield records
                seq += len(records)
                if records:
                    previous = entries[len(records) - 1][1][:CHAIN_SIZE_BYTES]
                if len(records) < len(entries):
                    raise _misfit(*entries[len(records)], seq, previous)
        except KeyValueDamaged as error:
            raise unreadable(self._store, str(error), seq) from error
        if seq < end:
            raise LogDamaged("records are missing", seq, end - 1)

    def _load(self) -> None:
        """Find the end, and refuse a log that is shorter than what was synced (M28)."""
        try:
            last = self._store.last(LOG)
            lengths = self._store.get(META, SYNCED_KEY)
        except KeyValueDamaged as error:
            raise unreadable(self._store, str(error), None) from error
        if last is not None:
            self.next_seq = int.from_bytes(last[0], "big") + 1
            self._require_known_format()
            # The last record is verified here, so that an append never continues a broken chain.
            for _ in self.read(self.next_seq - 1):
                self.chain_hash = last[1][:CHAIN_SIZE_BYTES]
        before, after = (0, 0) if lengths is None else _decode_lengths(lengths)
        if self.next_seq != after:
            raise LogDamaged(
                f"{self.next_seq} records are readable, {before} were synced before the newest "
                f"batch and {after} with it",
                min(self.next_seq, after),
                max(self.next_seq, after) - 1,
            )

    def _require_known_format(self) -> None:
        for _, event in self.read_events(0, 1):
            if not isinstance(event, NodeCreated):
                raise LogDamaged(f"record 0 is {event.NAME}, not {NodeCreated.NAME}", 0, 0)
            if event.format_version > FORMAT_VERSION:
                raise NewerLogFormat("log", event.format_version, FORMAT_VERSION)

    def _chain_before(self, seq: int) -> bytes:
        if seq > 0:
            return self.chain_at(seq - 1)
        value = self._stored(0)
        try:
            record = decode_record(value[CHAIN_SIZE_BYTES:])
        except msgspec.DecodeError as error:
            raise LogDamaged(f"the record does not decode: {error}", 0, 0) from error
        return chain_seed(record.payload)

    def _chain_hashes(self, from_seq: int, to_seq: int) -> list[bytes]:
        """Those of the records from_seq <= seq < to_seq, as they are stored; all are there."""
        found: list[bytes] = []
        try:
            for entries in self._store.blocks(LOG, seq_key(from_seq), seq_key(to_seq)):
                found += [value[:CHAIN_SIZE_BYTES] for _, value in entries]
        except KeyValueDamaged as error:
            raise unreadable(self._store, str(error), from_seq + len(found)) from error
        if len(found) != to_seq - from_seq:
            raise LogDamaged("records are missing", from_seq, to_seq - 1)
        return found

    def _stored(self, seq: int) -> bytes:
        try:
            value = self._store.get(LOG, seq_key(seq))
        except KeyValueDamaged as error:
            raise unreadable(self._store, str(error), seq) from error
        if value is None:
            raise LogDamaged("the record is missing", seq, seq)
        return value

    def _entity_seqs(self, entity: bytes, from_seq: int) -> Iterator[int]:
        """In order; also those that stand in an entry of a smaller entity."""
        below = self._seqs_below(entity, from_seq)
        seqs = self._own_seqs(entity, from_seq)
        return merge(below, seqs) if below else seqs

    def _own_seqs(self, entity: bytes, from_seq: int) -> Iterator[int]:
        found = self._in_index(
            index.range_of_entity(entity, from_seq, self.next_seq), index.seqs_of_entity
        )
        for seqs in found:
            yield from (seq for seq in seqs if from_seq <= seq < self.next_seq)

    def _seqs_below(self, entity: bytes, from_seq: int) -> list[int]:
        found = self._in_index(index.range_below(entity), partial(index.seq_below, entity))
        return sorted(seq for seq in found if seq is not None and from_seq <= seq < self.next_seq)

    def _in_index(
        self, keys: tuple[bytes, bytes], reads: Callable[[bytes, bytes], Found]
    ) -> Iterator[Found]:
        """What `reads` makes of each entry of the index between two keys."""
        try:
            for key, value in self._store.iterate(ENTITY, *keys):
                yield reads(key, value)
        except KeyValueDamaged as error:
            raise unreadable(self._store, str(error), None) from error
        except ValueError as error:
            raise LogDamaged(f"the index of entities: {error}") from error


def _misfit(key: bytes, value: bytes, seq: int, previous: bytes) -> LogDamaged:
    """Why an entry is not record `seq` behind the one with the chain hash `previous`."""
    found = int.from_bytes(key, "big")
    if found != seq:
        return LogDamaged(f"the next record is {found}", seq, found - 1)
    raw = value[CHAIN_SIZE_BYTES:]
    if chain_next(previous, raw) == value[:CHAIN_SIZE_BYTES]:
        try:
            decode_record(raw)
        except msgspec.DecodeError as error:
            return LogDamaged(f"the record does not decode: {error}", seq, seq)
    return LogDamaged("its bytes do not fit its chain hash", seq, seq)


def take_lock(path: Path) -> int:
    """Our own lock, before anything is read: RocksDB takes its own only while it opens.

    A descriptor to close. Raises `LogInUse`.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise LogInUse(str(path)) from error
    return lock


def _open_store(path: Path, read_only: bool) -> RocksKeyValue:
    try:
        return RocksKeyValue.open_beside(path) if read_only else RocksKeyValue(path)
    except KeyValueBusy as error:
        raise LogInUse(str(path)) from error
    except KeyValueDamaged as error:
        raise unopenable(path, str(error)) from error
    except KeyValueError as error:
        raise LogNotOpened(str(path), str(error)) from error
