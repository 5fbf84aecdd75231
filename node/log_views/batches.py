"""Records of the log as messages for a reducer: many in one, as they were written.

A message is an array of records, so each is what the log holds, byte for byte; one of an older
version is brought to today's first. Where one message ends and the next begins means nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from node.log_views.limits import BATCH_RECORD_COUNT_MAX, BATCH_SIZE_BYTES_MAX
from node.store.record import Record, encode_record
from protocols.event_codec import EVENTS

_VERSIONS = {name: event.VERSION for name, event in EVENTS.items()}


class Batch(Struct, frozen=True):
    """Records that follow each other."""

    records: list[bytes]
    last_seq: int

    @property
    def message(self) -> bytes:
        """The array of them."""
        return message_of(self.records)


def message_of(records: list[bytes]) -> bytes:
    """An array of values that are encoded already, in its shortest form."""
    count = len(records)
    if count < 16:
        head = bytes((0x90 | count,))
    elif count < 2**16:
        head = b"\xdc" + count.to_bytes(2, "big")
    else:
        head = b"\xdd" + count.to_bytes(4, "big")
    return b"".join((head, *records))


def record_bytes(record: Record, stored: bytes) -> bytes:
    """The record at today's version. Raises what `Record.event` does for one that is not known."""
    if record.version == _VERSIONS.get(record.name):
        return stored
    return encode_record(record.seq, record.time_ms, record.cause_seq, record.event())


def batches(blocks: Iterable[list[tuple[Record, bytes]]]) -> Iterator[Batch]:
    """The records of these blocks, as many in one message as may be.

    Each is as `LogReader.raw_blocks` gives it, in the one form that msgspec writes.
    """
    waiting: list[bytes] = []
    size = last_seq = 0
    for block in blocks:
        for record, stored in block:
            encoded = record_bytes(record, stored)
            is_full = len(waiting) == BATCH_RECORD_COUNT_MAX
            if waiting and (is_full or size + len(encoded) > BATCH_SIZE_BYTES_MAX):
                yield Batch(waiting, last_seq)
                waiting, size = [], 0
            waiting.append(encoded)
            size += len(encoded)
            last_seq = record.seq
    if waiting:
        yield Batch(waiting, last_seq)
