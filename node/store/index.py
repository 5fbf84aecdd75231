"""The index of entities: which records are about a channel, an objective, a payment, a request.

One entry stands for a record, or for up to `RUN_COUNT_MAX` that follow each other: all about one
entity, or each about the next of entities that count upwards, as the payments of a batch do. Their
keys cost a payment as much as its record did.

    entity (32) || seq u64        -> empty                the record
    entity (32) || seq u64        -> 1 || count u16       so many records from `seq` on
    first entity (32) || seq u64  -> 2 || count u16       record seq + n is about first entity + n
"""

from collections.abc import Sequence
from operator import eq, lt

from node.store.record import SEQ_SIZE_BYTES, seq_key

ENTITY_SIZE_BYTES = 32
RUN_COUNT_MAX = 256
"""Records that one entry stands for: a reader looks so far back for the entry that has one."""

_SAME, _ASCENDING = 1, 2
_SPLIT_COUNT_MIN = 8
"""Entities in no order are looked through for runs of at least about half so many."""

Entry = tuple[bytes, bytes]


def run_entries(columns: Sequence[Sequence[bytes]], first_seq: int) -> list[Entry]:
    """The entries of records from `first_seq` on: by column, the entity of each record."""
    assert len(columns) <= 2, "a record of a run is about a channel, a payment, or both"
    entries: list[Entry] = []
    # A payer may name a payment after its channel: their entries would have one key.
    add = _add_singles if len(columns) == 2 and any(map(eq, *columns)) else _add
    for column in columns:
        for start in range(0, len(column), RUN_COUNT_MAX):
            add(entries, column[start : start + RUN_COUNT_MAX], first_seq + start)
    return entries


def _add(entries: list[Entry], column: Sequence[bytes], seq: int) -> None:
    count, first = len(column), column[0]
    if count == 1:
        entries.append((first + seq_key(seq), b""))
    elif column[-1] == first and column.count(first) == count:
        entries.append((first + seq_key(seq), _value(_SAME, count)))
    elif _ascends(column):
        entries.append((first + seq_key(seq), _value(_ASCENDING, count)))
    elif count < _SPLIT_COUNT_MIN:
        _add_singles(entries, column, seq)
    else:
        half = count // 2
        _add(entries, column[:half], seq)
        _add(entries, column[half:], seq + half)


def _ascends(column: Sequence[bytes]) -> bool:
    """Whether each is the one before plus one: all rise, and in all by one less than they are."""
    rise = int.from_bytes(column[-1], "big") - int.from_bytes(column[0], "big")
    return rise == len(column) - 1 and all(map(lt, column, column[1:]))


def _add_singles(entries: list[Entry], column: Sequence[bytes], first_seq: int) -> None:
    entries += [(entity + seq_key(seq), b"") for seq, entity in enumerate(column, first_seq)]


def _value(kind: int, count: int) -> bytes:
    return bytes((kind,)) + count.to_bytes(2, "big")


def _parsed(value: bytes) -> tuple[int, int]:
    """Kind and count; ValueError for what no entry says."""
    if not value:
        return _SAME, 1
    kind, count = value[0], int.from_bytes(value[1:], "big")
    if len(value) != 3 or kind not in (_SAME, _ASCENDING) or not 2 <= count <= RUN_COUNT_MAX:
        raise ValueError(f"0x{value.hex()} is no entry of the index")
    return kind, count


def single_keys(key: bytes, value: bytes) -> list[bytes]:
    """What an entry stands for, as the keys that single records would have.

    Raises ValueError for what is no entry.
    """
    if len(key) != ENTITY_SIZE_BYTES + SEQ_SIZE_BYTES:
        raise ValueError(f"0x{key.hex()} is no key of the index")
    entity, seq = key[:ENTITY_SIZE_BYTES], int.from_bytes(key[ENTITY_SIZE_BYTES:], "big")
    kind, count = _parsed(value)
    if kind == _SAME:
        return [entity + seq_key(seq + place) for place in range(count)]
    first = int.from_bytes(entity, "big")
    return [
        (first + place).to_bytes(ENTITY_SIZE_BYTES, "big") + seq_key(seq + place)
        for place in range(count)
    ]


def seqs_of_entity(key: bytes, value: bytes) -> range:
    """The records about the entity that begins the key. Raises ValueError."""
    seq = int.from_bytes(key[ENTITY_SIZE_BYTES:], "big")
    kind, count = _parsed(value)
    return range(seq, seq + (count if kind == _SAME else 1))


def seq_below(entity: bytes, key: bytes, value: bytes) -> int | None:
    """The record about `entity` in the entry of a smaller one, if it is there.

    Raises ValueError.
    """
    kind, count = _parsed(value)
    place = int.from_bytes(entity, "big") - int.from_bytes(key[:ENTITY_SIZE_BYTES], "big")
    if kind != _ASCENDING or place >= count:
        return None
    return int.from_bytes(key[ENTITY_SIZE_BYTES:], "big") + place


def range_of_entity(entity: bytes, from_seq: int, to_seq: int) -> tuple[bytes, bytes]:
    """Between which keys the entries of `entity` are that reach from_seq <= seq < to_seq."""
    return entity + seq_key(max(0, from_seq - RUN_COUNT_MAX + 1)), entity + seq_key(to_seq)


def range_below(entity: bytes) -> tuple[bytes, bytes]:
    """Between which keys the entries of smaller entities are that reach up to `entity`."""
    lowest = max(0, int.from_bytes(entity, "big") - RUN_COUNT_MAX + 1)
    return lowest.to_bytes(len(entity), "big"), entity
