"""Who keeps the views of a log: one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_NAME = "LOCK"


class ViewsInUse(Exception):
    """Another process keeps these views now."""


@contextmanager
def views_lock(directory: Path) -> Iterator[None]:
    """Hold the views in that directory, which is made if it is not there.

    Raises `ViewsInUse`, and OSError where the directory may not be written to. The lock ends with
    the process, however that does.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ViewsInUse(str(directory)) from None
        yield
    finally:
        os.close(descriptor)
