"""The end of the log on disk: whole, torn, or damaged (M28).

RocksDB forgives a torn end silently, and by the same rule it would drop acknowledged batches behind
one flipped length. So before RocksDB opens a directory, this module reads the write-ahead files
itself: only the newest may end in bytes that form no complete write, and nothing complete may
follow them. What is cut is remembered in a file until the log itself records it, because a second
crash right after the start would otherwise make it forgotten, and M27 with it.
"""

import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from node.store import wal
from node.store.durable import replace_file, sync_directory
from node.store.errors import LogDamaged
from node.store.record import CHAIN_SIZE_BYTES, SEQ_SIZE_BYTES

MARKER_NAME = "TAIL_CUT"
"""Beside RocksDB's own files; it leaves files alone whose names it does not know."""
LIVE_ATTEMPT_COUNT = 5
LIVE_PAUSE_S = 0.02
"""How often, and how far apart, a directory that is being written is looked at again."""

_ARRAY_OF_SIX = b"\x96"
_CURRENT = re.compile(rb"(MANIFEST-\d{6,})\n")


@dataclass(frozen=True, slots=True)
class TailCut:
    """Bytes at the end of the newest write-ahead file that form no complete write."""

    file_name: str
    size_bytes: int


def wal_files(path: Path) -> list[Path]:
    """The directory's write-ahead files, oldest first."""
    return sorted(
        (file for file in path.glob("*.log") if file.stem.isdigit()),
        key=lambda file: int(file.stem),
    )


def records_in(data: bytes, entries: Iterable[tuple[wal.Part, ...]]) -> Iterator[tuple[int, bytes]]:
    """(sequence number, stored value) of the log records in these writes, in order.

    A write names its families by numbers only the MANIFEST knows; a log record shows itself by its
    8-byte key and the array behind its chain hash.
    """
    for parts in entries:
        for key, value in wal.batch_puts(wal.entry_data(data, parts)):
            is_record = value[CHAIN_SIZE_BYTES : CHAIN_SIZE_BYTES + 1] == _ARRAY_OF_SIX
            if is_record and len(key) == SEQ_SIZE_BYTES:
                yield int.from_bytes(key, "big"), value


def length_of(file: Path) -> int | None:
    """The number behind the last whole record in a write-ahead file; None if it holds none."""
    data = file.read_bytes()
    seqs = [seq for seq, _ in records_in(data, wal.intact_entries(data))]
    return seqs[-1] + 1 if seqs else None


def inspect(path: Path, *, verify: bool = False) -> TailCut | None:
    """What the newest write-ahead file of `path` lost at its end, if anything.

    Raises `LogDamaged` for bytes that no torn write explains: in an older file, with a complete
    write behind them, or in CURRENT or MANIFEST, whose loss would make RocksDB forget whole
    tables. With `verify` every checksum is computed here, to name the place RocksDB refused.
    """
    _inspect_manifest(path, verify)
    files = wal_files(path)
    cut = None
    for file in files:
        data = file.read_bytes()
        found = wal.walk(data, verify=verify)
        if found.end == len(data):
            continue
        cut = TailCut(file.name, len(data) - found.end)
        # A start that was killed may leave the file it had cut already behind a newer, empty one.
        may_be_torn = file == files[-1] or cut == remembered(path)
        if found.later is not None or not may_be_torn:
            raise _damaged(file, data, found)
    return cut


def inspect_live(path: Path) -> TailCut | None:
    """`inspect` beside a writer: what is still true a moment later was no write in progress."""
    for _ in range(LIVE_ATTEMPT_COUNT - 1):
        try:
            if inspect(path) is None:
                return None
        except (LogDamaged, FileNotFoundError):
            pass
        time.sleep(LIVE_PAUSE_S)
    return inspect(path)


def manifest_file(path: Path) -> Path | None:
    """The MANIFEST that CURRENT names; None if it names none, or none that is there."""
    try:
        name = (path / "CURRENT").read_bytes()
    except FileNotFoundError:
        return None
    found = _CURRENT.fullmatch(name)
    file = path / found.group(1).decode() if found else None
    return file if file is not None and file.exists() else None


def _inspect_manifest(path: Path, verify: bool) -> None:
    if not (path / "CURRENT").exists():
        # RocksDB would begin a new database here, and delete the tables of the old one.
        if any(path.glob("*.sst")) or any(file.stat().st_size for file in wal_files(path)):
            raise LogDamaged("it is missing, and there are records", first_seq=0, file="CURRENT")
        return
    file = manifest_file(path)
    if file is None:
        raise LogDamaged("it does not name a MANIFEST that is there", first_seq=0, file="CURRENT")
    data = file.read_bytes()
    end = wal.walk(data, verify=verify).end
    if end < len(data):
        raise LogDamaged(
            f"{len(data) - end} bytes from offset {end} on form no complete entry",
            first_seq=0,
            file=file.name,
        )


def _damaged(file: Path, data: bytes, found: wal.Walk) -> LogDamaged:
    before = [seq for seq, _ in records_in(data, found.entries[-1:])]
    after: list[int] = []
    if found.later is not None:
        later = wal.part_at(data, found.later)
        after = [] if later is None else [seq for seq, _ in records_in(data, ((later,),))]
    return LogDamaged(
        f"{len(data) - found.end} bytes from offset {found.end} on form no complete write",
        first_seq=before[-1] + 1 if before else None,
        last_seq=after[0] - 1 if after else None,
        file=file.name,
    )


def remember(path: Path, cut: TailCut) -> None:
    """Keep `cut` on disk, synced, until `forget`."""
    replace_file(path / MARKER_NAME, json.dumps(asdict(cut)).encode("ascii"))


def remembered(path: Path) -> TailCut | None:
    """A cut that no record tells of yet."""
    try:
        return TailCut(**json.loads((path / MARKER_NAME).read_text(encoding="ascii")))
    except FileNotFoundError:
        return None


def forget(path: Path) -> None:
    """The log records the cut now."""
    (path / MARKER_NAME).unlink(missing_ok=True)
    sync_directory(path)
