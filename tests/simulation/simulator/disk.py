"""A disk that fails on command: the key-value port in memory, with what can go wrong below it.

It outlives the processes that use it. A write that returned is there after any crash, unless the
fault says otherwise; of one that did not return nobody can say, so the fault says that as well.
Of writes beside the write-ahead log a crash keeps the oldest, so many as it likes, and those before
the last flush.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from random import Random

from node.store.batch import SYNCED_KEY
from node.store.kv import (
    BLOCK_COUNT_MAX,
    LOG,
    META,
    OUTBOX,
    SIGNED_TURNS,
    SNAPSHOTS,
    KeyValueDamaged,
    KeyValueError,
    WriteBatch,
)
from node.store.memory import MemoryBatch, MemoryKeyValue
from node.store.record import seq_key
from node.store.tail import TailCut

LOST = "lost"
"""The process dies before anything of the write is on the disk."""
KEPT = "kept"
"""It dies when all of it is, before it hears of that."""
TORN = "torn"
"""It dies with a part of it on the disk, which the next start cuts and reports (M28)."""
FULL = "full"
"""The write fails for want of space, and nothing of it is there."""
FULL_KEPT = "full, kept"
"""The write fails, and all of it is there: after an error nobody can say (M28)."""
WRITE_FAULTS = (LOST, KEPT, TORN, FULL, FULL_KEPT)
UNLOGGED_FAULTS = (LOST, KEPT, FULL, FULL_KEPT)

DAMAGED_FAMILIES = (LOG, META, OUTBOX, SIGNED_TURNS, SNAPSHOTS)
"""Where bits may flip."""

Place = tuple[str, bytes]
Undo = list[tuple[str, bytes, bytes | None]]
"""What a batch replaced: family, key, the value before."""


def is_read_at_start(place: Place, from_seq: int) -> bool:
    """Whether a node that starts reads what is there; of the log it reads records from that one
    on, those behind its snapshot."""
    family, key = place
    if family == LOG:
        return key >= seq_key(from_seq)
    return family == OUTBOX or place == (META, SYNCED_KEY)


class PowerCut(BaseException):
    """The process ends here; what it had in memory is gone."""


class FaultyKeyValue(MemoryKeyValue):
    """Meets `kv.KeyValue`, and fails as planned."""

    def __init__(
        self, note: Callable[[str], None] = lambda fault: None, random: Random | None = None
    ) -> None:
        """`note` is told of each fault that happens; `random` says what crashes keep."""
        super().__init__()
        self.write_count = 0
        self.faults: dict[int, str] = {}
        """By the number of the write, from 1 on: what happens to it."""
        self.unlogged_count = 0
        self.unlogged_faults: dict[int, str] = {}
        """The same of writes beside the write-ahead log."""
        self._random = random or Random(0)
        self._unflushed: list[Undo] = []
        """Of each of those since the last flush, oldest first."""
        self.cut: TailCut | None = None
        """What a start finds torn at the end of the log, until the log tells of it."""
        self.is_damaged = False
        self._note = note
        self._newest: Undo = []
        """Of the newest batch."""
        self._flipped: dict[Place, bytes] = {}
        """Wrong bytes on the disk, with the right ones."""
        self._noticed: set[Place] = set()
        """Those of them that the store's own checksums give away."""

    # --- writing ---

    def write(self, batch: WriteBatch) -> None:
        """As the port says, unless a fault is planned for this write."""
        assert isinstance(batch, MemoryBatch), "a batch of another store"
        self.write_count += 1
        fault = self.faults.pop(self.write_count, None)
        if fault is not None:
            self._note(fault)
        if fault in (None, KEPT, FULL_KEPT):
            self._newest = list(self._before(batch))
            super().write(batch)
            self._overwrite(self._newest)
        if fault == TORN:
            self.cut = TailCut("wal", 1 + len(batch.changes))
        if fault in (FULL, FULL_KEPT):
            raise KeyValueError("no space left on device")
        if fault is not None:
            raise PowerCut(fault)

    def write_unlogged(self, batch: WriteBatch) -> None:
        """As the port says, unless a fault is planned for this write. None of it tears."""
        assert isinstance(batch, MemoryBatch), "a batch of another store"
        self.unlogged_count += 1
        fault = self.unlogged_faults.pop(self.unlogged_count, None)
        if fault is not None:
            self._note(f"unlogged {fault}")
        if fault in (None, KEPT, FULL_KEPT):
            undo = list(self._before(batch))
            super().write_unlogged(batch)
            self._overwrite(undo)
            self._unflushed.append(undo)
        if fault in (FULL, FULL_KEPT):
            raise KeyValueError("no space left on device")
        if fault is not None:
            raise PowerCut(fault)

    def flush(self, family: str, *, wait: bool) -> None:
        """As the port says; one that is not waited for may come too late."""
        super().flush(family, wait=wait)
        if wait or self._random.random() < 0.5:
            self._unflushed = []

    def reopen(self) -> None:
        """After a crash: of what was written beside the write-ahead log the newest is lost."""
        super().reopen()
        kept_count = self._random.randint(0, len(self._unflushed))
        lost, self._unflushed = self._unflushed[kept_count:], []
        for undo in reversed(lost):
            self._undo(undo)
        if lost:
            self._note("unlogged forgotten")

    def _undo(self, undo: Undo) -> None:
        batch = MemoryBatch()
        for family, key, value in reversed(undo):
            if value is None:
                batch.delete(key, family)
            else:
                batch.put(key, value, family)
        super().write(batch)
        self._overwrite(undo)

    def _overwrite(self, undo: Undo) -> None:
        """What was written anew is right again."""
        if not self._flipped:
            return
        for family, key, _ in undo:
            self._flipped.pop((family, key), None)
            self._noticed.discard((family, key))
        self.is_damaged = bool(self._flipped)

    def _before(self, batch: MemoryBatch) -> Iterator[tuple[str, bytes, bytes | None]]:
        for family, key, _, stop in batch.changes:
            values = self._values[family]
            if stop is None:
                yield family, key, self.right_value(family, key)
            else:
                for removed in [known for known in values if key <= known < stop]:
                    yield family, removed, self.right_value(family, removed)

    def forget_newest(self, *, is_reported: bool = True) -> bool:
        """The newest batch, acknowledged as it was, turns out torn; False if there is none."""
        if not self._newest:
            return False
        self._undo(self._newest)
        if is_reported:
            self.cut = TailCut("wal", 1 + len(self._newest))
        self._newest = []
        return True

    # --- damage ---

    def flip(self, place: Place, bit: int, *, is_noticed: bool) -> None:
        """One bit of a value is wrong from now on."""
        family, key = place
        value = bytearray(self._values[family][key])
        place_in_value = bit // 8 % len(value)
        value[place_in_value] ^= 1 << bit % 8
        self._flipped.setdefault(place, self._values[family][key])
        self._values[family][key] = bytes(value)
        if is_noticed or family not in (LOG, SNAPSHOTS):
            self._noticed.add(place)
        self.is_damaged = True

    def places(self, families: Sequence[str] = DAMAGED_FAMILIES) -> list[Place]:
        """What can be damaged, in order."""
        found = [(family, key) for family in families for key in self._keys[family]]
        return [place for place in found if self._values[place[0]][place[1]]]

    def right_value(self, family: str, key: bytes) -> bytes | None:
        """What was written there, whatever a flip made of it."""
        return self._flipped.get((family, key)) or self._values[family].get(key)

    def mend(self) -> None:
        """The right bytes are back, as from a mirror."""
        for (family, key), value in self._flipped.items():
            if key in self._values[family]:
                self._values[family][key] = value
        self._flipped.clear()
        self._noticed.clear()
        self.is_damaged = False

    @property
    def damage(self) -> list[Place]:
        """Where bytes are wrong."""
        return list(self._flipped)

    @property
    def is_noticed(self) -> bool:
        """Whether the store's own checksums give some of it away."""
        return bool(self._noticed)

    # --- reading ---

    def get(self, family: str, key: bytes) -> bytes | None:
        """The value; KeyValueDamaged where a checksum fails."""
        if self._noticed and (family, key) in self._noticed:
            raise KeyValueDamaged(f"checksum mismatch in {family}")
        return super().get(family, key)

    def last(self, family: str) -> tuple[bytes, bytes] | None:
        """The last entry; KeyValueDamaged where a checksum fails."""
        found = super().last(family)
        if found is not None and (family, found[0]) in self._noticed:
            raise KeyValueDamaged(f"checksum mismatch in {family}")
        return found

    def blocks(
        self, family: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[list[tuple[bytes, bytes]]]:
        """See `kv.KeyValue.blocks`."""
        blocks = super().blocks(family, start, stop)
        if not self._noticed:
            return blocks
        return self._checked(family, list(chain.from_iterable(blocks)))

    def _checked(
        self, family: str, entries: list[tuple[bytes, bytes]]
    ) -> Iterator[list[tuple[bytes, bytes]]]:
        end = len(entries)
        for place, (key, _) in enumerate(entries):
            if (family, key) in self._noticed:
                end = place
                break
        for start in range(0, end, BLOCK_COUNT_MAX):
            yield entries[start : min(end, start + BLOCK_COUNT_MAX)]
        if end < len(entries):
            raise KeyValueDamaged(f"checksum mismatch in {family}")
