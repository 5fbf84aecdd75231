"""The key-value port in memory: for tests and for logs that need not outlive the process."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import chain

from node.store.kv import BLOCK_COUNT_MAX, FAMILIES, KeyValueError, WriteBatch


class MemoryBatch:
    """A list of changes in order."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, bytes, bytes | None, bytes | None]] = []
        """Family, key, value, and for a range that is removed the key behind it."""

    def put(self, key: bytes, value: bytes, handle: str) -> None:
        """See `kv.WriteBatch.put`."""
        self.changes.append((handle, key, value, None))

    def delete(self, key: bytes, handle: str) -> None:
        """See `kv.WriteBatch.delete`."""
        self.changes.append((handle, key, None, None))

    def delete_range(self, start: bytes, stop: bytes, handle: str) -> None:
        """See `kv.WriteBatch.delete_range`."""
        self.changes.append((handle, start, None, stop))


class MemoryKeyValue:
    """One dict and one sorted list of keys per family. Meets `kv.KeyValue`."""

    def __init__(self) -> None:
        self._values: dict[str, dict[bytes, bytes]] = {family: {} for family in FAMILIES}
        self._keys: dict[str, list[bytes]] = {family: [] for family in FAMILIES}
        self._closed = False

    def handle(self, family: str) -> str:
        """The family's own name."""
        if family not in self._values:
            raise KeyValueError(f"no family {family}")
        return family

    def new_batch(self) -> MemoryBatch:
        """An empty batch."""
        return MemoryBatch()

    def write(self, batch: WriteBatch) -> None:
        """Apply the changes in order; they are as durable as this process."""
        self._apply(batch)

    def write_unlogged(self, batch: WriteBatch) -> None:
        """The same: nothing is lost here before everything is."""
        self._apply(batch)

    def flush(self, family: str, *, wait: bool) -> None:
        """There is nothing to do."""
        self._require_open()

    def _apply(self, batch: WriteBatch) -> None:
        self._require_open()
        assert isinstance(batch, MemoryBatch), "a batch of another store"
        for family, key, value, stop in batch.changes:
            values, keys = self._values[family], self._keys[family]
            if stop is not None:
                first, end = bisect_left(keys, key), bisect_left(keys, stop)
                for removed in keys[first:end]:
                    del values[removed]
                del keys[first:end]
            elif value is not None:
                if key not in values:
                    # Appending at the end is what a log does: no search, no move.
                    position = len(keys) if not keys or key > keys[-1] else bisect_left(keys, key)
                    keys.insert(position, key)
                values[key] = value
            elif values.pop(key, None) is not None:
                del keys[bisect_left(keys, key)]

    def get(self, family: str, key: bytes) -> bytes | None:
        """The value, or None."""
        self._require_open()
        return self._values[family].get(key)

    def last(self, family: str) -> tuple[bytes, bytes] | None:
        """The entry with the largest key, or None."""
        self._require_open()
        keys = self._keys[family]
        return (keys[-1], self._values[family][keys[-1]]) if keys else None

    def iterate(
        self, family: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Entries with start <= key < stop, as they are now."""
        return chain.from_iterable(self.blocks(family, start, stop))

    def blocks(
        self, family: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[list[tuple[bytes, bytes]]]:
        """See `kv.KeyValue.blocks`."""
        self._require_open()
        keys = self._keys[family]
        end = len(keys) if stop is None else bisect_left(keys, stop)
        values = self._values[family]
        entries = [(key, values[key]) for key in keys[bisect_left(keys, start) : end]]
        starts = range(0, len(entries), BLOCK_COUNT_MAX)
        return iter([entries[start : start + BLOCK_COUNT_MAX] for start in starts])

    def close(self) -> None:
        """Refuse everything from here on; what was stored stays for `reopen`."""
        self._closed = True

    def reopen(self) -> None:
        """Be open again with the same content, as a disk would be."""
        self._closed = False

    def _require_open(self) -> None:
        if self._closed:
            raise KeyValueError("the store is closed")
