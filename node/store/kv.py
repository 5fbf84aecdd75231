"""The port to a sorted key-value store: all that the log asks of a disk.

Two adapters pass one suite: `rocks` (the real one) and `memory`. Keys and values are bytes, keys
sort bytewise, and families are separate key spaces that one batch writes together or not at all.
"""

from collections.abc import Iterator
from typing import Any, Protocol

LOG = "log"
"""seq u64 big-endian -> chain hash (32) || record."""
ENTITY = "entity"
"""Which records are about a channel, an objective, a payment, a request: see `node.store.index`."""
OUTBOX = "outbox"
"""Key of the engine's choice -> effect that no event has cleared yet."""
SIGNED_TURNS = "signed_turns"
"""channel_id (32) || turn u64 -> state hash we signed (M6)."""
SNAPSHOTS = "snapshots"
"""The state as it was, entity by entity: derived from the log, see `node.store.snapshots`."""
TREE = "tree"
"""Nodes of the Merkle mountain range over the records: see `node.store.log_tree`."""
META = "meta"
"""Facts about the log itself."""

BLOCK_COUNT_MAX = 256
"""Entries read ahead: enough to make a step of a generator cheap, few enough for a CPU's cache."""

FAMILIES = (LOG, ENTITY, OUTBOX, SIGNED_TURNS, SNAPSHOTS, TREE, META)


class KeyValueError(Exception):
    """The store below failed; the text is its own."""


class KeyValueDamaged(KeyValueError):
    """The store below noticed bytes that are not what it wrote."""


class KeyValueBusy(KeyValueError):
    """Somebody else has the store open for writing."""


class WriteBatch(Protocol):
    """Changes that become durable together. `handle` comes from `KeyValue.handle`."""

    def put(self, key: bytes, value: bytes, handle: Any) -> None:
        """Set `key`; a later put or delete of it in the batch wins."""

    def delete(self, key: bytes, handle: Any) -> None:
        """Remove `key`; a missing one is no error."""

    def delete_range(self, start: bytes, stop: bytes, handle: Any) -> None:
        """Remove every key with start <= key < stop."""


class KeyValue(Protocol):
    """A store that is open. Reads see everything written before, and nothing of open batches."""

    def handle(self, family: str) -> Any:
        """What a batch needs to address `family`; looked up once, used often."""

    def new_batch(self) -> WriteBatch:
        """An empty batch."""

    def write(self, batch: WriteBatch) -> None:
        """Write all of it or nothing, synced to the disk when this returns.

        Raises `KeyValueError`; after that the content of the batch is uncertain.
        """

    def write_unlogged(self, batch: WriteBatch) -> None:
        """Write all of it or nothing, for derived data: visible now, and durable some time.

        A crash loses the newest of a family's unlogged writes, however many, and never one from
        between others. All changes of the batch are of one family, which nothing else writes.
        Raises `KeyValueError`.
        """

    def flush(self, family: str, *, wait: bool) -> None:
        """Make what was written to `family` durable, or begin to if not `wait`.

        Raises `KeyValueError`.
        """

    def get(self, family: str, key: bytes) -> bytes | None:
        """The value, or None. Raises `KeyValueDamaged`."""

    def last(self, family: str) -> tuple[bytes, bytes] | None:
        """The entry with the largest key, or None. Raises `KeyValueDamaged`."""

    def iterate(
        self, family: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Entries with start <= key < stop, in order.

        Raises `KeyValueDamaged` at the first unreadable place: an end that was reached is the end.
        """

    def blocks(
        self, family: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[list[tuple[bytes, bytes]]]:
        """The same entries, `BLOCK_COUNT_MAX` at a time: for who reads very many.

        Gives every entry before an unreadable place before it raises.
        """

    def close(self) -> None:
        """Flush and let go. A second call does nothing."""
