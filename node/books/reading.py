"""The books of a log on disk: read-only, also beside the node that writes it.

Everything from record 0 on is posted, for a balance is what all before it made; a range chooses
what is shown. Reading verifies each record's place in the chain of hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from node.books.book import Books
from node.books.entry import Entry
from node.store.errors import LogDamaged
from node.store.log import EventLog
from node.store.record import Record
from protocols.event import Event
from protocols.types import ChannelId


class Posted(Struct, frozen=True, gc=False):
    """An entry with the record it follows from."""

    seq: int
    time_ms: int
    """When the record was written, Unix milliseconds."""
    entry: Entry


class Journal:
    """The books of one log, read once, in order."""

    def __init__(self, path: Path) -> None:
        """Open the log in that directory; raises what `EventLog.open` does, but for damage."""
        self.books = Books()
        self.record_count = 0
        """Records read so far."""
        self.damage: LogDamaged | None = None
        """Where the log cannot be believed: nothing from there on is in the books."""
        self._log: EventLog | None = None
        try:
            self._log = EventLog.open(path, read_only=True)
        except LogDamaged as damage:
            self.damage = damage

    def entries(self, is_over: Callable[[Record, Event], bool] | None = None) -> Iterator[Posted]:
        """Every entry up to the first record of which `is_over` says that it is behind the end, or
        up to where the log cannot be believed, which `damage` tells then.
        """
        try:
            yield from self._entries(is_over)
        except LogDamaged as damage:
            self.damage = damage

    def _entries(self, is_over: Callable[[Record, Event], bool] | None) -> Iterator[Posted]:
        if self._log is None:
            return
        post = self.books.post
        for pairs in self._log.event_blocks():
            for record, event in pairs:
                if is_over is not None and is_over(record, event):
                    return
                self.record_count += 1
                for entry in post(event):
                    yield Posted(record.seq, record.time_ms, entry)

    def close(self) -> None:
        """Let go of the files."""
        if self._log is not None:
            self._log.close()


def concerns(entry: Entry, channel_id: ChannelId) -> bool:
    """Whether an entry is about that channel, or moves what a guarantee for it, or its own
    guarantees, hold."""
    if entry.channel_id == channel_id:
        return True
    name = channel_id.hex()
    return any(name in account for account, _ in entry.postings)
