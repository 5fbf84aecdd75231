"""Where a log is damaged, as exactly as the files tell: the file, and the records it can hold.

RocksDB's refusals name a file at best. Here its words are joined with what the files themselves
show, for the daemon that refuses to start and for the audit alike. Nothing is ever changed.
"""

import re
from pathlib import Path

from node.store import tail
from node.store.errors import LogDamaged
from node.store.kv import KeyValueDamaged
from node.store.record import SEQ_SIZE_BYTES
from node.store.rocks import RocksKeyValue

_FILE_NAME = re.compile(r"(\d{6,}\.(?:sst|log)|MANIFEST-\d+|CURRENT)")


def file_in(text: str) -> str | None:
    """The first of RocksDB's files that an error names."""
    found = _FILE_NAME.search(text)
    return found.group(1) if found else None


def seqs_in(store: RocksKeyValue, file: str) -> tuple[int, int] | None:
    """First and last record that table `file` can hold; None if it holds no records."""
    for table in store.live_files():
        first, last = table["start_key"], table["end_key"]
        if table["name"].lstrip("/") != file or first is None or last is None:
            continue
        if len(first) == len(last) == SEQ_SIZE_BYTES:
            return int.from_bytes(first, "big"), int.from_bytes(last, "big")
    return None


def unopenable(path: Path, reason: str) -> LogDamaged:
    """Why the directory did not open, from RocksDB's `reason` and the files.

    A refused write-ahead file or MANIFEST is found by its checksums; a refused table is in the
    reason, and what it can hold is still in the MANIFEST.
    """
    try:
        cut = tail.inspect(path, verify=True)
    except LogDamaged as damage:
        return LogDamaged(
            f"{damage.reason} ({reason})", damage.first_seq, damage.last_seq, damage.file
        )
    file = file_in(reason)
    if cut is not None and file is None:
        # The newest write has its length and not its content: RocksDB does not call that torn.
        return LogDamaged(reason, tail.length_of(path / cut.file_name), None, cut.file_name)
    seqs = None
    if file is not None and file.endswith(".sst"):
        try:
            store = RocksKeyValue.open_beside(path, salvage=True)
        except KeyValueDamaged:
            return LogDamaged(reason, file=file)
        seqs = seqs_in(store, file)
        store.close()
    first, last = seqs or (None, None)
    return LogDamaged(reason, first, last, file)


def unreadable(store: object, reason: str, seq: int | None) -> LogDamaged:
    """Why record `seq` (None: something that is no record) could not be read from `store`."""
    file = file_in(reason)
    last = None
    if isinstance(store, RocksKeyValue) and file is not None and seq is not None:
        seqs = seqs_in(store, file)
        last = None if seqs is None else seqs[1]
    return LogDamaged(reason, seq, last, file)
