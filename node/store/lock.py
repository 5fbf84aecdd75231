"""The lock on a log's directory: one owner at a time."""

import fcntl
import os
from pathlib import Path

from node.store.errors import LogInUse

_LOCK_NAME = "OWNER"


def take_lock(path: Path) -> int:
    """Our own lock, before anything is read: RocksDB takes its own only while it opens.

    A descriptor to close. Raises `LogInUse`.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise LogInUse(str(path)) from error
    return lock
