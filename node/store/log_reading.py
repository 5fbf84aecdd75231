"""Reading a log: by sequence number or entity, verified record by record.

What is read is checked: dense sequence, chain of hashes, and nothing that does not decode. It knows
nothing of what events mean.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from heapq import merge
from itertools import chain, islice, takewhile
from typing import TypeVar

import msgspec

from node.store import index
from node.store.batch import BLOCK_PREFIX, block_key, request_entity
from node.store.damage import unreadable
from node.store.errors import LogDamaged
from node.store.kv import ENTITY, LOG, META, OUTBOX, KeyValue, KeyValueDamaged
from node.store.record import (
    CHAIN_SIZE_BYTES,
    Record,
    append_events,
    chain_next,
    chain_seed,
    decode_record,
    linked_records,
    seq_key,
)
from protocols.effects import Effect
from protocols.events import Event

Found = TypeVar("Found")

ENTITY_BLOCK_COUNT = 64
"""Records about an entity that stand behind each other are read so many at a time: whoever reads
on only now and then is held up for half a millisecond."""

_decode_effect = msgspec.msgpack.Decoder(Effect).decode


class LogReader:
    """What is in a log, as far as its end is known."""

    def __init__(self, store: KeyValue) -> None:
        self._store = store
        self.next_seq = 0
        """How many records there are: the sequence number of the next."""

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

    def raw_blocks(self, from_seq: int, to_seq: int | None) -> Iterator[list[tuple[Record, bytes]]]:
        """What `record_blocks` gives, with each record's bytes as they are stored."""
        for records, entries in self._linked_blocks(from_seq, to_seq):
            yield [
                (record, value[CHAIN_SIZE_BYTES:])
                for record, (_, value) in zip(records, entries, strict=False)
            ]

    def record_blocks(self, from_seq: int, to_seq: int | None) -> Iterator[list[Record]]:
        """What `read` gives, many at a time: for who lets others run in between."""
        for records, _ in self._linked_blocks(from_seq, to_seq):
            yield records

    def _linked_blocks(
        self, from_seq: int, to_seq: int | None
    ) -> Iterator[tuple[list[Record], Sequence[tuple[bytes, bytes]]]]:
        end = self.next_seq if to_seq is None else min(to_seq, self.next_seq)
        if from_seq >= end:
            return
        previous = self._chain_before(from_seq)
        seq = from_seq
        try:
            for entries in self._store.blocks(LOG, seq_key(from_seq), seq_key(end)):
                records = linked_records(entries, seq, previous)
                yield records, entries
                seq += len(records)
                if records:
                    previous = entries[len(records) - 1][1][:CHAIN_SIZE_BYTES]
                if len(records) < len(entries):
                    raise _misfit(*entries[len(records)], seq, previous)
        except KeyValueDamaged as error:
            raise unreadable(self._store, str(error), seq) from error
        if seq < end:
            raise LogDamaged("records are missing", seq, end - 1)

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
