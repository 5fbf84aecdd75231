"""The key-value port on RocksDB.

The only module that imports rocksdict. It keeps to four habits that components were tested for:
raw mode (bytes in, bytes out); `iter()` with `status()`, because the friendlier iterators end
silently at a damaged block; the recovery mode that forgives a torn tail and nothing else; and
never `repair`, which throws whole files away.
"""

import gc
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    Checkpoint,
    ChecksumType,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteOptions,
)

from node.store import kv
from node.store.kv import BLOCK_COUNT_MAX, FAMILIES, KeyValueBusy, KeyValueDamaged, KeyValueError

WAL_SIZE_BYTES_MAX = 16 * 1024 * 1024
"""Above it RocksDB flushes the families that hold old files: bounds what a start reads again, and
the memory of what is not in tables yet. With four times as much a start after a crash took a
quarter of a second more and a node held 20 MB more; writing cost the same."""
MEMTABLE_SIZE_BYTES = 8 * 1024 * 1024
"""Per family, before it becomes a file."""
OPEN_FILE_COUNT_MAX = 256
"""Tables kept open, with their indexes in memory: a long log has thousands of them."""
BLOCK_CACHE_SIZE_BYTES = 64 * 1024 * 1024
"""For all families together; left to itself RocksDB gives each of them half as much."""
INFO_LOG_COUNT_MAX = 4
"""RocksDB's own chatter, kept for the last starts."""
OPEN_BESIDE_ATTEMPT_COUNT = 3
"""A writer that compacts may delete a file between our reading its name and opening it."""
TABLE_FORMAT_VERSION = 5
"""The newest whose checksums do not depend on a file's own random number, so that an audit can
check every byte of a table with nothing but the file."""

_BUSY_SIGNS = ("lock hold by current process", "While lock file")
_ENVIRONMENT_SIGN = "IO error"
_MISSING_FILE_SIGN = "No such file"


def options(cache: Cache | None = None, *, paranoid: bool = True) -> Options:
    """What the database and each family are opened with; one cache for all, or one made here.

    `paranoid` False opens what can be opened beside a damaged table, for an audit's reading only.
    """
    table = BlockBasedOptions()
    table.set_block_cache(Cache(BLOCK_CACHE_SIZE_BYTES) if cache is None else cache)
    table.set_checksum_type(ChecksumType.crc32c())
    table.set_format_version(TABLE_FORMAT_VERSION)
    result = Options(raw_mode=True)
    result.create_if_missing(True)
    result.create_missing_column_families(True)
    result.set_block_based_table_factory(table)
    result.set_compression_type(DBCompressionType.lz4())
    result.set_paranoid_checks(paranoid)
    result.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    result.set_max_total_wal_size(WAL_SIZE_BYTES_MAX)
    result.set_write_buffer_size(MEMTABLE_SIZE_BYTES)
    result.set_max_open_files(OPEN_FILE_COUNT_MAX)
    result.set_keep_log_file_num(INFO_LOG_COUNT_MAX)
    result.set_stats_dump_period_sec(0)
    return result


def refused_opening(error: Exception) -> KeyValueError:
    """RocksDB's untyped refusal to open as one of ours, by the words in it.

    What the machine refuses (rights, space, file handles) is no damage; a file that is missing is,
    and so is everything RocksDB says about the content it found.
    """
    text = str(error)
    if any(sign in text for sign in _BUSY_SIGNS):
        return KeyValueBusy(text)
    if _ENVIRONMENT_SIGN in text and _MISSING_FILE_SIGN not in text:
        return KeyValueError(text)
    return KeyValueDamaged(text)


class RocksKeyValue:
    """A RocksDB directory that is open. Meets `kv.KeyValue`."""

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        salvage: bool = False,
        follow_in: Path | None = None,
    ) -> None:
        """Open (and, unless `read_only`, create) the directory.

        Raises `KeyValueBusy` if it is open for writing elsewhere and `KeyValueDamaged` if it does
        not open. `read_only` works beside a live writer and sees what was written until now.
        `salvage` (with `read_only`) opens in spite of damaged tables and of a damaged end of the
        write-ahead log, for reading what is left. `follow_in` is a directory for RocksDB's own
        notes, with which what is opened for reading can be brought up to date (`catch_up`).
        """
        self._is_read_only = read_only or follow_in is not None
        cache = Cache(BLOCK_CACHE_SIZE_BYTES)
        chosen = options(cache, paranoid=not salvage)
        if salvage:
            chosen.set_wal_recovery_mode(DBRecoveryMode.point_in_time())
        access = AccessType.read_only(False) if read_only else AccessType.read_write()
        if follow_in is not None:
            # Tables stay open: the writer may delete one that is still read from here.
            chosen.set_max_open_files(-1)
            access = AccessType.secondary(str(follow_in))
        try:
            self._db: Rdict | None = Rdict(
                str(path),
                chosen,
                column_families={
                    family: options(cache, paranoid=not salvage) for family in FAMILIES
                },
                access_type=access,
            )
        except Exception as error:
            raise refused_opening(error) from error
        self._columns = {family: self._db.get_column_family(family) for family in FAMILIES}
        self._handles = {family: self._db.get_column_family_handle(family) for family in FAMILIES}
        self._synced = WriteOptions()
        self._synced.sync = True
        self._unlogged = WriteOptions()
        # The library's types call it a method; it is a property.
        self._unlogged.disable_wal = True  # type: ignore[method-assign, assignment]

    @classmethod
    def open_beside(cls, path: Path, *, salvage: bool = False) -> "RocksKeyValue":
        """Open for reading, beside a live writer that may replace a file at this very moment.

        Raises `KeyValueDamaged` if it still does not open after `OPEN_BESIDE_ATTEMPT_COUNT` tries.
        """
        for _ in range(OPEN_BESIDE_ATTEMPT_COUNT - 1):
            try:
                return cls(path, read_only=True, salvage=salvage)
            except KeyValueDamaged:
                continue
        return cls(path, read_only=True, salvage=salvage)

    def catch_up(self) -> None:
        """See what the writer wrote since, of what was opened to follow it.

        It reads the write-ahead files again: 10 to 50 ms. Raises `KeyValueDamaged`.
        """
        try:
            self._require_open().try_catch_up_with_primary()
        except KeyValueError:
            raise
        except Exception as error:
            raise KeyValueDamaged(str(error)) from error

    def handle(self, family: str) -> Any:
        """The column family's handle."""
        return self._handles[family]

    def new_batch(self) -> kv.WriteBatch:
        """RocksDB's own batch: it has the port's shape, and no call of ours in between."""
        batch: kv.WriteBatch = WriteBatch(raw_mode=True)
        return batch

    def write(self, batch: kv.WriteBatch) -> None:
        """One synced write."""
        self._write(batch, self._synced)

    def write_unlogged(self, batch: kv.WriteBatch) -> None:
        """A write beside the write-ahead log, whose torn end stays what a torn batch left (M28)."""
        self._write(batch, self._unlogged)

    def _write(self, batch: kv.WriteBatch, how: WriteOptions) -> None:
        assert isinstance(batch, WriteBatch), "a batch of another store"
        try:
            self._require_open().write(batch, how)
        except Exception as error:
            raise KeyValueError(str(error)) from error

    def flush(self, family: str, *, wait: bool) -> None:
        """Turn the family's memtable into a table, in RocksDB's own thread if not `wait`."""
        self._require_open()
        try:
            self._columns[family].flush(wait)
        except Exception as error:
            raise KeyValueError(str(error)) from error

    def get(self, family: str, key: bytes) -> bytes | None:
        """The value, or None."""
        self._require_open()
        try:
            value: bytes | None = self._columns[family].get(key)
        except Exception as error:
            raise KeyValueDamaged(str(error)) from error
        return value

    def last(self, family: str) -> tuple[bytes, bytes] | None:
        """The entry with the largest key, or None."""
        self._require_open()
        cursor = self._columns[family].iter()
        cursor.seek_to_last()
        if cursor.valid():
            return cursor.key(), cursor.value()
        _require_clean_end(cursor)
        return None

    def iterate(
        self, family: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Entries with start <= key < stop, as they were when the first one is taken."""
        return chain.from_iterable(self.blocks(family, start, stop))

    def blocks(
        self, family: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[list[tuple[bytes, bytes]]]:
        """The same, many at a time."""
        self._require_open()
        column = self._columns[family]
        reading = ReadOptions()
        # The log is read through; in the cache it would take the place of what is looked up. Who
        # opened for reading only reads everything once, and filling is a fifth of its reading.
        is_kept = family != kv.LOG and not self._is_read_only
        reading.fill_cache(is_kept)  # type: ignore[call-arg]  # its stub forgets the flag
        if stop is not None:
            reading.set_iterate_upper_bound(stop)
        last: bytes | None = None
        # One call an entry, a fifth of what a cursor costs; but it ends silently at a bad block.
        entries: Iterator[Any] = iter(column.items(from_key=start, read_opt=reading))
        while block := list(islice(entries, BLOCK_COUNT_MAX)):
            last = block[-1][0]
            yield block
        # So a cursor, which tells, looks whether that was the end.
        cursor = column.iter()
        cursor.seek(start if last is None else last)
        if last is not None and cursor.valid():
            cursor.next()
        while cursor.valid():
            key = cursor.key()
            if stop is not None and key >= stop:
                return
            yield [(key, cursor.value())]
            cursor.next()
        _require_clean_end(cursor)

    def begin_flush(self) -> None:
        """Have what is in memory written to tables, in the background."""
        self._require_open()
        for column in self._columns.values():
            column.flush(False)

    def is_flushing(self) -> bool:
        """Whether tables are still being written."""
        self._require_open()
        names = ("rocksdb.num-running-flushes", "rocksdb.num-immutable-mem-table")
        columns = self._columns.values()
        return any(column.property_int_value(name) for column in columns for name in names)

    def copy_to(self, path: Path) -> None:
        """Make a consistent copy at `path`, which must not exist: tables are linked where that is
        possible. Blocks every thread of Python while it runs: a few syncs after `begin_flush`.
        """
        try:
            Checkpoint(self._require_open()).create_checkpoint(str(path))
        except KeyValueError:
            raise
        except Exception as error:
            raise KeyValueError(str(error)) from error

    def live_files(self) -> list[dict[str, Any]]:
        """RocksDB's own list of tables: name, start_key, end_key and counts of each."""
        files: list[dict[str, Any]] = self._require_open().live_files()
        return files

    def close(self) -> None:
        """Flush and release the directory's lock.

        Raises `KeyValueError`, when all is let go, if the flush failed: what was synced is on the
        disk all the same.
        """
        if self._db is None:
            return
        self._handles.clear()
        failure: Exception | None = None
        for holder in (*self._columns.values(), self._db):
            try:
                holder.close()
            except Exception as error:  # noqa: BLE001  rocksdict raises nothing narrower
                failure = failure or error
        self._columns.clear()
        self._db = None
        # RocksDB lets go when its last handle dies; an iterator in a reference circle is one.
        gc.collect()
        if failure is not None:
            raise KeyValueError(str(failure))

    def _require_open(self) -> Rdict:
        if self._db is None:
            raise KeyValueError("the store is closed")
        return self._db


def _require_clean_end(cursor: Any) -> None:
    try:
        cursor.status()
    except Exception as error:
        raise KeyValueDamaged(str(error)) from error
