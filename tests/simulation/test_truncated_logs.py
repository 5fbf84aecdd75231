"""A write-ahead log cut at any length: what is left is whole batches, and a torn one is reported.

M28. A cut between two writes leaves a shorter log that is whole in itself: nothing in the directory
can tell it from an older copy, and only the peers who hold a later head of it can.
"""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.store import wal
from node.store.errors import LogDamaged
from node.store.log import EventLog
from node.store.tail import TailCut
from tests.support.logs import GENESIS, TIME_MS, message, newest, payment
from tests.support.soak import times

BATCH_COUNT = times(12)
PART_COUNT = 4
"""As many tests share the lengths out, so that as many processes may."""
RANDOM_LENGTH_COUNT = times(50)
MARGINS = (-2, -1, 0, 1, 2)


@dataclass(frozen=True)
class Crashed:
    """The directory of a process that was killed, and where each of its writes ends."""

    path: Path
    file: Path
    """Its write-ahead log."""
    ends: tuple[int, ...]
    """Offsets behind each write, the empty file's 0 first."""
    lengths: tuple[int, ...]
    """How many records there are after each of them."""
    values: tuple[bytes, ...]
    """Every record as it is stored."""


def stored_values(log: EventLog) -> tuple[bytes, ...]:
    return tuple(log.chain_at(record.seq) + record.payload for record in log.read())


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Crashed:
    """Batches of all sizes: some fill more than one block of the file."""
    path = tmp_path_factory.mktemp("truncated")
    chance = random.Random(20240102)
    log = EventLog.open(path / "live")
    lengths = [0]
    while len(lengths) <= BATCH_COUNT:
        batch = log.begin(TIME_MS + len(lengths))
        if log.next_seq == 0:
            batch.append(GENESIS)
        for _ in range(chance.choice((1, 2, 3, 10, 150))):
            batch.append(payment(batch.next_seq), cause_seq=0)
            batch.put_effects([message(batch.next_seq)])
        log.commit(batch)
        lengths.append(log.next_seq)
    shutil.copytree(path / "live", path / "crashed")
    values = stored_values(log)
    log.close()
    file = newest(path / "crashed", ".log")
    entries = wal.walk(file.read_bytes()).entries
    ends = (0, *(parts[-1].end for parts in entries))
    assert len(ends) == len(lengths)
    return Crashed(path / "crashed", file, ends, tuple(lengths), values)


def sizes(crashed: Crashed) -> list[int]:
    """Every boundary with its margins, and lengths by chance; each once, in a fixed order."""
    size = crashed.ends[-1]
    around = {end + margin for end in crashed.ends for margin in MARGINS}
    chance = random.Random(20240103)
    by_chance = {chance.randrange(size + 1) for _ in range(RANDOM_LENGTH_COUNT)}
    return sorted(found for found in around | by_chance if 0 <= found <= size)


def fault_of(crashed: Crashed, size: int, copy: Path) -> str | None:
    """None if a start on the file's first `size` bytes finds what M28 says, else what is wrong."""
    shutil.copytree(crashed.path, copy)
    file = copy / crashed.file.name
    file.write_bytes(file.read_bytes()[:size])
    whole = max(place for place, end in enumerate(crashed.ends) if end <= size)
    torn = size - crashed.ends[whole]
    expected = TailCut(file.name, torn) if torn else None
    # The second start is one after a kill right behind the first: the cut is not forgotten.
    for start in ("first", "second") if torn else ("first",):
        log = EventLog.open(copy)
        try:
            if log.tail_cut != expected:
                return f"{start} start: {log.tail_cut} is reported, {expected} was cut"
            if log.next_seq != crashed.lengths[whole]:
                return f"{start} start: {log.next_seq} records, not {crashed.lengths[whole]}"
            if stored_values(log) != crashed.values[: log.next_seq]:
                return f"{start} start: they are others"
        finally:
            log.close()
    return None


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PART_COUNT))
def test_every_truncation_leaves_whole_batches_and_reports_a_torn_one(
    part: int, crashed: Crashed, tmp_path: Path
) -> None:
    faults = []
    for size in sizes(crashed)[part::PART_COUNT]:
        fault = fault_of(crashed, size, tmp_path / "copy")
        faults += [] if fault is None else [(size, fault)]
        shutil.rmtree(tmp_path / "copy")
    assert faults == []


def test_the_lengths_cover_every_boundary_and_the_middle_of_writes(crashed: Crashed) -> None:
    found = sizes(crashed)
    assert len(found) >= RANDOM_LENGTH_COUNT
    assert set(crashed.ends) <= set(found)
    assert any(parts[0].kind != wal.FULL for parts in wal.walk(crashed.file.read_bytes()).entries)


def test_a_truncated_file_behind_which_another_follows_is_damage(
    crashed: Crashed, tmp_path: Path
) -> None:
    shutil.copytree(crashed.path, tmp_path / "copy")
    file = tmp_path / "copy" / crashed.file.name
    file.write_bytes(file.read_bytes()[: crashed.ends[-1] - 1])
    (tmp_path / "copy" / "999999.log").write_bytes(b"")
    with pytest.raises(LogDamaged, match="form no complete write"):
        EventLog.open(tmp_path / "copy")
