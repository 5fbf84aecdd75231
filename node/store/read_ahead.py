"""Reads a large snapshot's tables in processes of their own, while the daemon is being loaded.

A start has two things to do that need no other: to load the program, and to read every value of the
newest snapshot once. Children read from the store as it lies, beside whoever has it open, and hand
over the keys with their sum (`node.store.snapshot_keys`). What one says counts only for the very
manifest it read, and its sums are checked against it as if they were made here. If it fails in any
way, or has nothing to say, the tables are read by who loads the snapshot.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from node.processes import end_with_parent, our_environment, our_python

if TYPE_CHECKING:
    from node.store.snapshot_keys import Part

SIZE_BYTES_MIN = 64 * 1024 * 1024
"""Of the store's tables: with less, starting a process takes longer than reading them."""
TIMEOUT_S = 120.0
"""A million channels take a tenth of it."""
_CHILD_COUNT = 2
"""Each reads about as much: see `parts_of`. A third would cost a quarter of a second to start."""


def read_ahead(path: Path) -> list[bytes]:
    """What children read of the newest snapshot in directory `path`: encoded `ReadAhead`s of
    `node.store.snapshot_keys`, none if the store is small or no snapshot good. Waits for them.
    """
    if sum(_size_bytes(file) for file in path.glob("*.sst")) < SIZE_BYTES_MIN:
        return []
    with ThreadPoolExecutor(_CHILD_COUNT) as helper:
        return list(filter(None, helper.map(partial(_ask_child, path), range(_CHILD_COUNT))))


def _ask_child(path: Path, child: int) -> bytes:
    try:
        done = subprocess.run(
            our_python("node.store.read_ahead", str(path), str(child)),
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


def parts_of(child: int) -> "list[Part]":
    """What that child reads: two thirds of the channels, or all else. A channel's value takes twice
    as long to read as that of its objective, and its key is a hash, so that thirds are thirds."""
    from node.store.snapshot_keys import Part

    two_thirds = 170
    others = [Part(b"objective|"), Part(b"transaction|")]
    first, second = Part(b"channel|", 0, two_thirds), Part(b"channel|", two_thirds)
    return [[first], [second, *others]][child]


def read_newest(path: Path, child: int) -> bytes:
    """The encoded `ReadAhead` of that child's parts.

    Whatever is wrong with the store or its snapshot is raised.
    """
    # Here, since the parent has other things to load meanwhile.
    from node.store.rocks import RocksKeyValue
    from node.store.snapshot_keys import encode_read_ahead, read_newest_keys

    store = RocksKeyValue.open_beside(path)
    try:
        read = read_newest_keys(store, parts_of(child))
    finally:
        store.close()
    return b"" if read is None else encode_read_ahead(read)


if __name__ == "__main__":
    end_with_parent()
    with os.fdopen(sys.stdout.fileno(), "wb", closefd=False) as out:
        out.write(read_newest(Path(sys.argv[1]), int(sys.argv[2])))
