"""Bytes on disk: CURRENT, MANIFEST, write-ahead files and tables, before any record is believed.

What reading the records verifies anyway (data blocks, by RocksDB) is not read twice.
"""

from collections.abc import Iterator
from pathlib import Path

from node.audit.report import Finding
from node.store import kv, tail
from node.store.errors import LogDamaged
from node.store.table import TableDamaged, family_of
from node.store.tail import TailCut

CHECK = "files"


def is_log(path: Path) -> bool:
    """Whether there is anything of a log in the directory."""
    return any(any(path.glob(pattern)) for pattern in ("CURRENT", "MANIFEST-*", "*.sst", "*.log"))


def cut_tail(path: Path) -> TailCut | None:
    """A torn end of the write-ahead log that no record tells of yet; raises `LogDamaged`."""
    return tail.inspect_live(path) or tail.remembered(path)


def damaged_tables(path: Path) -> Iterator[tuple[str, str]]:
    """(file name, reason) of every table with a bad byte outside its data blocks."""
    for file in sorted(path.glob("*.sst")):
        try:
            family = family_of(file)
        except TableDamaged as damage:
            yield file.name, str(damage)
        except FileNotFoundError:
            continue  # A live writer replaced it meanwhile.
        else:
            if family not in kv.FAMILIES:
                yield file.name, f"it belongs to an unknown family {family}"


def damage_finding(damage: LogDamaged, records: int) -> Finding:
    """A refusal of the store as a finding; where it names no record, from `records` on."""
    first = damage.first_seq
    if first is None:
        first = records if damage.last_seq is None else min(records, damage.last_seq)
    message = f"{damage.where()}: {damage.reason}"
    return Finding(first, CHECK, message, damage.file, last_seq=damage.last_seq)
