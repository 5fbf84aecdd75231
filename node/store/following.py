"""A log followed beside the process that writes it: opened once, then brought up to date.

It sees what was written, which may not be synced yet: who must not know more than the writer can be
sure of has the writer tell how far that is.
"""

from __future__ import annotations

from pathlib import Path

from node.store.damage import unopenable, unreadable
from node.store.errors import LogMissing, LogNotOpened
from node.store.kv import LOG, KeyValueDamaged, KeyValueError
from node.store.log_reading import LogReader
from node.store.rocks import RocksKeyValue


class FollowedLog(LogReader):
    """The log in directory `path`; `scratch` is a directory of ours for RocksDB's notes.

    Raises `LogMissing`, `LogDamaged` or `LogNotOpened`. `LogDamaged` may also mean that the writer
    replaced a file at this very moment: open it again before believing it.
    """

    def __init__(self, path: Path, scratch: Path) -> None:
        if not (path / "CURRENT").exists():
            raise LogMissing(str(path))
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._rocks = RocksKeyValue(path, follow_in=scratch)
        except KeyValueDamaged as error:
            raise unopenable(path, str(error)) from error
        except KeyValueError as error:
            raise LogNotOpened(str(path), str(error)) from error
        super().__init__(self._rocks)
        self._look()

    def catch_up(self) -> None:
        """See what was written since. Raises `LogDamaged`."""
        try:
            self._rocks.catch_up()
        except KeyValueDamaged as error:
            raise unreadable(self._rocks, str(error), None) from error
        self._look()

    def close(self) -> None:
        """Let go of the files. A second call does nothing."""
        self._rocks.close()

    def _look(self) -> None:
        try:
            last = self._rocks.last(LOG)
        except KeyValueDamaged as error:
            raise unreadable(self._rocks, str(error), None) from error
        self.next_seq = 0 if last is None else int.from_bytes(last[0], "big") + 1
