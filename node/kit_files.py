"""Dispute kits on disk: whole or not at all, and their owner's alone to read."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from node.store.durable import sync_directory
from protocols.dispute_kit import KIT_SIZE_BYTES_MAX
from protocols.exit_errors import KitDamaged


class KitFile:
    """A place for a kit that was looked at before anything is signed for it.

    `overwrite`: whether a file that is there is replaced. Raises FileExistsError, or another
    OSError where nothing can be written.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self._path = path
        self._overwrite = overwrite
        if not overwrite and os.path.lexists(path):
            raise FileExistsError(17, "the file is there, and is not written over", str(path))
        self._draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        self._handle = os.open(self._draft, flags, 0o600)

    def write(self, data: bytes) -> None:
        """Put the kit in its place, durable; FileExistsError if another file came there first."""
        with os.fdopen(self._handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if self._overwrite:
            self._draft.replace(self._path)
        else:
            os.link(self._draft, self._path)
            self._draft.unlink()
        sync_directory(self._path.parent)

    def discard(self) -> None:
        """Leave nothing behind but what was written."""
        self._draft.unlink(missing_ok=True)


def read_kit_file(path: Path) -> bytes:
    """The bytes of a kit's file. Raises KitDamaged for what can be none, OSError."""
    with path.open("rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise KitDamaged("the file", "it is no regular file")
        data = file.read(KIT_SIZE_BYTES_MAX + 1)
    if not data:
        raise KitDamaged("the file", "it is empty")
    return data
