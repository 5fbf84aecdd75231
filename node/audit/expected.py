"""What records put beside themselves: entries of the index, of signed turns, processed blocks.

Of millions of them an audit keeps sums: each entry's hash, added up by chunks of the log. Equal
sums say that both sides hold the same; where they differ, the entries are looked at one by one,
a bounded number at a time. The hash is Python's, keyed anew in each process.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import add, attrgetter
from typing import get_args

from node.audit.entry import Entry, decode_entry
from node.audit.limits import (
    COMPARED_KEY_COUNT_MAX,
    INDEX_CHUNK_RECORD_COUNT,
    INDEX_CHUNK_SUFFIX_SIZE_BYTES,
)
from node.audit.reader import LogReader
from node.store import kv
from node.store.batch import (
    ANSWERS_REQUEST,
    BLOCK_PREFIX,
    DIGESTS_ENTITY,
    INDEXED_FIELDS,
    NO_TARGET,
    block_key,
    request_entity,
    turn_key,
)
from node.store.index import ENTITY_SIZE_BYTES, single_keys
from node.store.record import CHAIN_SIZE_BYTES, SEQ_SIZE_BYTES, seq_key
from protocols.app_events import AppStateSigned
from protocols.events import ChainBlockProcessed, Event, StateDigestRecorded, StateSigned
from protocols.ledger_events import (
    LedgerUpdateProposed,
    LedgerUpdateReceived,
    LedgerUpdateSigned,
)
from protocols.resumption_events import LedgerJumpSigned, LedgerResumed

SIGNING = (
    StateSigned
    | AppStateSigned
    | LedgerUpdateProposed
    | LedgerUpdateSigned
    | LedgerJumpSigned
    | LedgerResumed
)
"""What puts a signature of ours under a state (M6)."""
_SIGNING_KINDS = frozenset(get_args(SIGNING))
_OF_A_GUARANTEE = LedgerUpdateProposed | LedgerUpdateReceived
"""What is found again by the channel it guarantees, too."""
Column = Callable[[Event], bytes]
_COLUMNS: dict[str, tuple[Column, ...]] = {
    name: tuple(map(attrgetter, fields))
    for name, fields in INDEXED_FIELDS.items()
    if name not in ANSWERS_REQUEST
    and name not in (LedgerUpdateProposed.NAME, LedgerUpdateReceived.NAME, StateDigestRecorded.NAME)
}
"""By event whose entries follow from these fields alone: how to read them."""
_KEY_SIZE_BYTES = ENTITY_SIZE_BYTES + SEQ_SIZE_BYTES
_CHUNK_OF_KEY = slice(ENTITY_SIZE_BYTES, _KEY_SIZE_BYTES - INDEX_CHUNK_SUFFIX_SIZE_BYTES)
_NO_CHUNK = b""
"""Of what is no entry of the index."""
_CHUNKS_AT_ONCE = max(1, COMPARED_KEY_COUNT_MAX // (4 * INDEX_CHUNK_RECORD_COUNT))


def index_keys(entry: Entry) -> list[bytes]:
    """The keys in the index that a record must have, as if each stood for itself."""
    event, key = entry.event, seq_key(entry.seq)
    keys = [getattr(event, field) + key for field in INDEXED_FIELDS[entry.name]]
    if isinstance(event, _OF_A_GUARANTEE) and event.target != NO_TARGET:
        keys.append(event.target + key)
    if isinstance(event, StateDigestRecorded):
        keys.append(DIGESTS_ENTITY + key)
    request_id = getattr(event, "request_id", "")
    if request_id and entry.name in ANSWERS_REQUEST:
        keys.append(request_entity(request_id) + key)
    return keys


def signed_turn(event: Event) -> tuple[bytes, bytes] | None:
    """Key and value among the signed turns, if the event puts our signature under a state."""
    if not isinstance(event, SIGNING):
        return None
    return turn_key(event.channel_id, event.turn_num), event.state_hash


@dataclass(slots=True)
class Difference:
    """How two sides of a family differ: how many keys, and the smallest."""

    missing: int = 0
    extra: int = 0
    changed: int = 0
    first: dict[str, bytes] = field(default_factory=dict)
    """By "missing", "extra" and "changed"."""

    def count(self, expected: dict[bytes, bytes], found: dict[bytes, bytes]) -> None:
        """Compare a part of both."""
        both = expected.keys() & found.keys()
        for what, keys in (
            ("missing", expected.keys() - found.keys()),
            ("extra", found.keys() - expected.keys()),
            ("changed", {key for key in both if expected[key] != found[key]}),
        ):
            if keys:
                setattr(self, what, getattr(self, what) + len(keys))
                self.first[what] = min(min(keys), self.first.get(what, min(keys)))


class ExpectedIndex:
    """The index as the records want it."""

    def __init__(self) -> None:
        self._sums: dict[bytes, int] = defaultdict(int)

    def take(self, entries: Sequence[Entry]) -> None:
        """Note what records must have; they follow each other."""
        by_name: dict[str, list[Entry]] = {}
        for entry in entries:
            by_name.setdefault(entry.name, []).append(entry)
        for name, group in by_name.items():
            self._take_group(_COLUMNS.get(name), group)

    def _take_group(self, columns: tuple[Column, ...] | None, group: list[Entry]) -> None:
        sums = self._sums
        if columns is None:
            for entry in group:
                sums[_chunk_of(entry.seq)] += sum(map(hash, index_keys(entry)))
            return
        first, last = _chunk_of(group[0].seq), _chunk_of(group[-1].seq)
        if first != last:
            half = len(group) // 2
            self._take_group(columns, group[:half])
            self._take_group(columns, group[half:])
            return
        keys = [entry.seq.to_bytes(SEQ_SIZE_BYTES, "big") for entry in group]
        events = [entry.event for entry in group]
        for column in columns:
            sums[first] += sum(map(hash, map(add, map(column, events), keys)))

    def difference(self, reader: LogReader) -> Difference:
        """Between the index and what the records want; raises `KeyValueDamaged`."""
        if _sum_of_index(reader) == sum(self._sums.values()):
            return Difference()
        found: dict[bytes, int] = defaultdict(int)
        for key, value in reader.entries(kv.ENTITY):
            keys, odd = _stands_for(key, value)
            for single in keys:
                found[_chunk(single)] += hash(single + odd)
        wrong = [
            chunk
            for chunk in sorted(self._sums.keys() | found.keys())
            if self._sums[chunk] != found[chunk]
        ]
        difference = Difference()
        for start in range(0, len(wrong), _CHUNKS_AT_ONCE):
            _compare(reader, set(wrong[start : start + _CHUNKS_AT_ONCE]), difference)
        return difference


class ExpectedPairs:
    """Keys and values as the records of some kinds want them; of one key the last one counts."""

    def __init__(
        self,
        kinds: Iterable[type[Event]],
        pair_of: Callable[[Entry], tuple[bytes, bytes]],
        found: Callable[[LogReader], Iterable[tuple[bytes, bytes]]],
    ) -> None:
        """`pair_of` is asked of records of these kinds; `found` reads what is there."""
        self._kinds = frozenset(kinds)
        self._pair_of = pair_of
        self._found = found
        self._sum = self._count = 0

    def take(self, entries: Sequence[Entry]) -> None:
        """Note what records must have."""
        for entry in entries:
            if type(entry.event) in self._kinds:
                self._sum += hash(add(*self._pair_of(entry)))
                self._count += 1

    def difference(self, reader: LogReader, record_count: int) -> Difference:
        """Between what is there and what the records want; raises `KeyValueDamaged`."""
        count = found_sum = 0
        for key, value in self._found(reader):
            found_sum += hash(key + value)
            count += 1
        difference = Difference()
        if (count, found_sum) == (self._count, self._sum):
            return difference
        parts = max(count, self._count) // COMPARED_KEY_COUNT_MAX + 1
        for part in range(parts):
            wanted = (
                self._pair_of(entry)
                for entry in _entries(reader, 0, record_count)
                if type(entry.event) in self._kinds
            )
            expected = {key: value for key, value in wanted if hash(key) % parts == part}
            pairs = self._found(reader)
            found = {key: value for key, value in pairs if hash(key) % parts == part}
            difference.count(expected, found)
        return difference


def expected_turns() -> ExpectedPairs:
    """The signed turns."""
    return ExpectedPairs(
        _SIGNING_KINDS, _signed_turn, lambda reader: reader.entries(kv.SIGNED_TURNS)
    )


def expected_blocks() -> ExpectedPairs:
    """Which record processed which block; what else is said of the log is not compared."""
    return ExpectedPairs(
        (ChainBlockProcessed,),
        lambda entry: (block_key(entry.event.block_num), seq_key(entry.seq)),  # type: ignore[attr-defined]
        lambda reader: (p for p in reader.entries(kv.META) if p[0].startswith(BLOCK_PREFIX)),
    )


def _signed_turn(entry: Entry) -> tuple[bytes, bytes]:
    turn = signed_turn(entry.event)
    assert turn is not None, "asked of signing events only"
    return turn


def _sum_of_index(reader: LogReader) -> int:
    """Of the hashes of all single entries: most indexes are right, and need no sum of each chunk.

    Raises `KeyValueDamaged`.
    """
    total = 0
    for block in reader.store.blocks(kv.ENTITY):
        singles = [key for key, value in block if not value and len(key) == _KEY_SIZE_BYTES]
        total += sum(map(hash, singles))
        if len(singles) == len(block):
            continue
        for key, value in block:
            if value or len(key) != _KEY_SIZE_BYTES:
                keys, odd = _stands_for(key, value)
                total += sum([hash(single + odd) for single in keys])
    return total


def _stands_for(key: bytes, value: bytes) -> tuple[list[bytes], bytes]:
    """What an entry of the index stands for; what is no entry stands for itself, as it is."""
    try:
        return single_keys(key, value), b""
    except ValueError:
        return [key], value


def _chunk_of(seq: int) -> bytes:
    return seq.to_bytes(SEQ_SIZE_BYTES, "big")[:-INDEX_CHUNK_SUFFIX_SIZE_BYTES]


def _chunk(key: bytes) -> bytes:
    return key[_CHUNK_OF_KEY] if len(key) == _KEY_SIZE_BYTES else _NO_CHUNK


def _compare(reader: LogReader, chunks: set[bytes], difference: Difference) -> None:
    expected: dict[bytes, bytes] = {}
    for chunk in chunks - {_NO_CHUNK}:
        first = int.from_bytes(chunk, "big") << (8 * INDEX_CHUNK_SUFFIX_SIZE_BYTES)
        for entry in _entries(reader, first, first + INDEX_CHUNK_RECORD_COUNT):
            expected.update(dict.fromkeys(index_keys(entry), b""))
    found: dict[bytes, bytes] = {}
    for key, value in reader.entries(kv.ENTITY):
        keys, odd = _stands_for(key, value)
        found.update((single, odd) for single in keys if _chunk(single) in chunks)
    difference.count(expected, found)


def _entries(reader: LogReader, first_seq: int, end_seq: int) -> Iterable[Entry]:
    for _, value in reader.values(first_seq, end_seq):
        yield decode_entry(value[CHAIN_SIZE_BYTES:])
