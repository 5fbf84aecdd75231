"""The event log: opened, appended to by batches, and read as `log_reading` says.

One writer; every commit is synced before it returns. A log whose end is not the end is refused. It
knows nothing of what events mean.
"""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from weakref import WeakSet

import msgspec

from node.store import tail
from node.store.batch import SYNCED_KEY, Batch
from node.store.damage import unopenable, unreadable
from node.store.errors import (
    LogDamaged,
    LogInUse,
    LogMissing,
    LogNotOpened,
    LogWriteFailed,
    NewerLogFormat,
)
from node.store.kv import LOG, META, KeyValue, KeyValueBusy, KeyValueDamaged, KeyValueError
from node.store.limits import TREE_UNWRITTEN_COUNT_MAX
from node.store.lock import take_lock
from node.store.log_reading import LogReader
from node.store.log_tree import LogTree
from node.store.record import CHAIN_SIZE_BYTES, FORMAT_VERSION
from node.store.rocks import RocksKeyValue
from node.store.tail import TailCut
from protocols.events import NodeCreated

_decode_lengths = msgspec.msgpack.Decoder(tuple[int, int]).decode


class EventLog(LogReader):
    """An open log. Make it with `EventLog.open`."""

    def __init__(
        self, store: KeyValue, *, path: Path | None, lock: int | None, tail_cut: TailCut | None
    ) -> None:
        super().__init__(store)
        self.tail_cut = tail_cut
        """What the last crash cost, until a committed `log-tail-cut` tells of it; then None."""
        self.pins: WeakSet[Any] = WeakSet()
        """Snapshots that states in memory still fetch values from."""
        self._path = path
        self._lock = lock
        self._read_only = lock is None and path is not None
        self._failure: str | None = None
        self._batch: Batch | None = None
        """The one begun last; it holds handles of the store."""
        self._tree: LogTree | None = None
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
        if read_only and not (path / "CURRENT").exists():
            raise LogMissing(str(path))
        with ExitStack() as undo:
            lock = None if read_only else take_lock(path)
            if lock is not None:
                undo.callback(os.close, lock)
            cut = tail.inspect_live(path) if read_only else tail.inspect(path)
            if cut is not None and not read_only:
                tail.remember(path, cut)
            cut = cut or tail.remembered(path)
            log = cls(_open_store(path, read_only), path=path, lock=lock, tail_cut=cut)
            undo.callback(log._store.close)
            log._load()
            undo.pop_all()
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


def _open_store(path: Path, read_only: bool) -> RocksKeyValue:
    try:
        return RocksKeyValue.open_beside(path) if read_only else RocksKeyValue(path)
    except KeyValueBusy as error:
        raise LogInUse(str(path)) from error
    except KeyValueDamaged as error:
        raise unopenable(path, str(error)) from error
    except KeyValueError as error:
        raise LogNotOpened(str(path), str(error)) from error
