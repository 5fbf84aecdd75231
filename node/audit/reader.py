"""Reading a log that may be damaged: every record that can be had, and every gap by its place.

RocksDB stops at the first bad block. This reader goes on behind it: it opens in spite of damaged
files, reads on key by key, and tells which records lie in the gap and which file holds them. It
opens read-only, so it works beside a running node and changes nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from node.audit.blocks import dense_values
from node.audit.messagepack import unpack
from node.store import kv, tail, wal
from node.store.batch import SYNCED_KEY
from node.store.damage import file_in, seqs_in, unopenable
from node.store.errors import LogDamaged
from node.store.kv import KeyValue, KeyValueDamaged
from node.store.record import SEQ_SIZE_BYTES, seq_key
from node.store.rocks import RocksKeyValue
from node.store.salvage import fill_shadow


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored under one record's key: chain hash (32 bytes) || record."""

    seq: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that cannot be read."""

    first_seq: int
    last_seq: int | None
    """None: nobody knows how many there were."""
    reason: str
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """What is stored under the keys of records that follow each other; one at least."""

    first_seq: int
    values: list[bytes]

    def records(self) -> list[Stored]:
        """Each for itself."""
        return [Stored(seq, value) for seq, value in enumerate(self.values, self.first_seq)]


class LogReader:
    """An open log directory, as much of it as opens."""

    def __init__(self, path: Path, store: RocksKeyValue, damage: LogDamaged | None) -> None:
        self._path = path
        self._store = store
        self.damage = damage
        """Why it did not open as a whole; None if it did."""
        self._shadow: TemporaryDirectory[str] | None = None

    @classmethod
    def open(cls, path: Path) -> "LogReader":
        """Open read-only, in spite of damage if need be; raises `LogDamaged` if nothing opens."""
        try:
            return cls(path, RocksKeyValue.open_beside(path), None)
        except KeyValueDamaged as error:
            damage = unopenable(path, str(error))
            try:
                return cls(path, RocksKeyValue.open_beside(path, salvage=True), damage)
            except KeyValueDamaged:
                return cls._of_shadow(path, damage)

    @classmethod
    def _of_shadow(cls, path: Path, damage: LogDamaged) -> "LogReader":
        """What opens of a directory without the damaged write and all behind it.

        Those writes behind it that are whole are read from the files in any case.
        """
        shadow = TemporaryDirectory(prefix="tally-audit-")
        try:
            fill_shadow(path, Path(shadow.name))
            store = RocksKeyValue.open_beside(Path(shadow.name), salvage=True)
        except (KeyValueDamaged, OSError) as error:
            shadow.cleanup()
            raise damage from error
        reader = cls(path, store, damage)
        reader._shadow = shadow
        return reader

    def close(self) -> None:
        """Let go of the files."""
        self._store.close()
        if self._shadow is not None:
            self._shadow.cleanup()

    def synced_length(self) -> int | None:
        """How many records the newest batch says there are (M28); None if it cannot be read."""
        try:
            value = self._store.get(kv.META, SYNCED_KEY)
            return None if value is None else int(unpack(value)[1])
        except (KeyValueDamaged, ValueError, TypeError, IndexError):
            return None

    def known_length(self) -> int:
        """The most records there can be, from what the files and the newest batch say."""
        last = [seqs[1] for seqs in map(self.seqs_in, self._files()) if seqs is not None]
        return max([(self.synced_length() or 0), *(seq + 1 for seq in last)])

    def blocks(self) -> Iterator[list[Stored] | Block | Gap]:
        """Every record in order, many at a time where the log is whole, and every gap."""
        if self.damage is not None:
            yield from ([item] if isinstance(item, Stored) else item for item in self.records())
            return
        yield from self._blocks_in_store()

    def values(self, first_seq: int, end_seq: int) -> Iterator[tuple[int, bytes]]:
        """The stored records with first_seq <= number < end_seq; raises `KeyValueDamaged`."""
        for key, value in self._store.iterate(kv.LOG, seq_key(first_seq), seq_key(end_seq)):
            yield int.from_bytes(key, "big"), value

    def records(self) -> Iterator[Stored | Gap]:
        """Every record in order, and every gap between them."""
        recovered = {} if self.damage is None else dict(self._whole_writes())
        seq = 0
        for item in self._in_store():
            if isinstance(item, Stored):
                yield item
                seq = item.seq + 1
            else:
                yield from _filled(item, recovered)
                seq = item.first_seq if item.last_seq is None else item.last_seq + 1
        behind = max(recovered, default=-1)
        if behind >= seq:
            yield from _filled(Gap(seq, behind, "the write that held them is damaged"), recovered)

    @property
    def store(self) -> KeyValue:
        """The store, for what has a layout of its own. Its reads raise `KeyValueDamaged`."""
        return self._store

    def entries(self, family: str) -> Iterator[tuple[bytes, bytes]]:
        """Entries of another family; raises `KeyValueDamaged`."""
        return self._store.iterate(family)

    def seqs_in(self, file: str) -> tuple[int, int] | None:
        """First and last record that a table can hold; None if it holds none."""
        return seqs_in(self._store, file)

    def _files(self) -> list[str]:
        return [table["name"].lstrip("/") for table in self._store.live_files()]

    def _in_store(self) -> Iterator[Stored | Gap]:
        """What RocksDB gives, and what is missing in it."""
        for item in self._blocks_in_store():
            if isinstance(item, Block):
                yield from item.records()
            elif isinstance(item, Gap):
                yield item
            else:
                yield from item

    def _blocks_in_store(self) -> Iterator[list[Stored] | Block | Gap]:
        seq = 0
        try:
            for entries in self._store.blocks(kv.LOG):
                values = dense_values(entries, seq)
                if values is not None:
                    yield Block(seq, values)
                    seq += len(values)
                    continue
                for item in _one_by_one(entries, seq):
                    yield item if isinstance(item, Gap) else [item]
                    seq = item.seq + 1 if isinstance(item, Stored) else seq
        except KeyValueDamaged as error:
            for item in self._key_by_key(seq, str(error)):
                yield item if isinstance(item, Gap) else [item]
            return
        length = self.synced_length()
        if length is not None and length > seq:
            yield Gap(seq, length - 1, f"{length} records were synced, {seq} are there")

    def _whole_writes(self) -> Iterator[tuple[int, bytes]]:
        """RocksDB drops whole writes behind a damaged one; here they are."""
        for file in tail.wal_files(self._path):
            data = file.read_bytes()
            yield from tail.records_in(data, wal.intact_entries(data))

    def _key_by_key(self, seq: int, reason: str) -> Iterator[Stored | Gap]:
        """Behind a bad block: one read a record, gaps joined as long as the file is the same."""
        end = self.known_length()
        gap: Gap | None = Gap(seq, None, reason, file_in(reason))
        for at in range(seq, end):
            try:
                value = self._store.get(kv.LOG, seq_key(at))
                if value is not None:
                    if gap is not None:
                        yield _closed(gap, at - 1)
                        gap = None
                    yield Stored(at, value)
                    continue
                found = Gap(at, None, "the records are missing")
            except KeyValueDamaged as error:
                found = Gap(at, None, str(error), file_in(str(error)))
            if gap is None:
                gap = found
            elif gap.file != found.file:
                if at > gap.first_seq:
                    yield _closed(gap, at - 1)
                gap = found
        if gap is not None:
            yield _closed(gap, end - 1 if end > gap.first_seq else None)


def _one_by_one(entries: Sequence[tuple[bytes, bytes]], seq: int) -> Iterator[Stored | Gap]:
    """Entries that do not simply follow each other from record `seq` on."""
    for key, value in entries:
        found = int.from_bytes(key, "big")
        if len(key) != SEQ_SIZE_BYTES:
            yield Gap(seq, seq, f"a key of {len(key)} bytes among the records")
            continue
        if found > seq:
            yield Gap(seq, found - 1, "the records are missing")
        seq = found + 1
        yield Stored(found, value)


def _closed(gap: Gap, last_seq: int | None) -> Gap:
    return Gap(gap.first_seq, last_seq, gap.reason, gap.file)


def _filled(gap: Gap, recovered: dict[int, bytes]) -> Iterator[Stored | Gap]:
    """The gap with the records that were found elsewhere in it."""
    seq = gap.first_seq
    inside = [at for at in recovered if at >= seq and (gap.last_seq is None or at <= gap.last_seq)]
    for at in sorted(inside):
        if at > seq:
            yield Gap(seq, at - 1, gap.reason, gap.file)
        yield Stored(at, recovered[at])
        seq = at + 1
    if gap.last_seq is None or seq <= gap.last_seq:
        yield Gap(seq, gap.last_seq, gap.reason, gap.file)
