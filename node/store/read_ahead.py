"""Reads a large snapshot's tables in a process of their own, while the daemon is being loaded.

A start has two things to do that need no other: to load the program, and to read every value of the
newest snapshot once. The child reads from the store as it lies, beside whoever has it open, and
hands over the keys with their sum (`node.store.snapshot_keys`). What it says counts only for the
very manifest it read, and its sums are checked against it as if they were made here. If it fails in
any way, or has nothing to say, the tables are read by who loads the snapshot.
"""

import os
import subprocess
import sys
from pathlib import Path

from node.processes import end_with_parent, our_environment, our_python

SIZE_BYTES_MIN = 64 * 1024 * 1024
"""Of the store's tables: with less, starting a process takes longer than reading them."""
TIMEOUT_S = 120.0
"""A million channels take a tenth of it."""


def read_ahead(path: Path) -> bytes:
    """What a child read of the newest snapshot in directory `path`: an encoded
    `snapshot_keys.ReadAhead`, or nothing if the store is small or no snapshot good. Waits for it.
    """
    if sum(_size_bytes(file) for file in path.glob("*.sst")) < SIZE_BYTES_MIN:
        return b""
    try:
        done = subprocess.run(
            our_python("node.store.read_ahead", str(path)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=our_environment(),
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return b""
    return done.stdout if done.returncode == 0 else b""


def _size_bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        # Beside a live writer tables come and go.
        return 0


# --- what runs in the child ---


def read_newest(path: Path) -> bytes:
    """The encoded `ReadAhead`; whatever is wrong with the store or its snapshot is raised."""
    # Here, since the parent has other things to load meanwhile.
    from node.store.rocks import RocksKeyValue
    from node.store.snapshot_keys import encode_read_ahead, read_newest_keys

    store = RocksKeyValue.open_beside(path)
    try:
        read = read_newest_keys(store)
    finally:
        store.close()
    return b"" if read is None else encode_read_ahead(read)


if __name__ == "__main__":
    end_with_parent()
    with os.fdopen(sys.stdout.fileno(), "wb", closefd=False) as out:
        out.write(read_newest(Path(sys.argv[1])))
