"""Backups of a running node: a consistent copy of its log in a new directory (`tally backup`), and
of the reducers beside it.

Tables are flushed in the background first, so that the copy itself, during which nothing else of
the node runs, costs a few syncs. It is made between two turns of the engine: length and chain hash
of the copy are those of the log at that moment.
"""

from __future__ import annotations

import time
from pathlib import Path

import trio

from node.answers import BackupAnswer, BackupRefused
from node.limits import BACKUP_FLUSH_WAIT_S
from node.store import backup, reducer_files
from node.store.backup import Manifest
from node.store.kv import KeyValueError
from node.store.log import EventLog

FLUSH_POLL_S = 0.02
FLUSH_POLL_COUNT = round(BACKUP_FLUSH_WAIT_S / FLUSH_POLL_S)


class Backups:
    """Makes copies of one open log, one at a time."""

    def __init__(self, log: EventLog, data_dir: Path) -> None:
        self._log = log
        self._data_dir = data_dir
        self._is_busy = False

    async def make(self, target: Path) -> BackupAnswer:
        """Copy the log into the new directory `target`; raises `BackupRefused`."""
        try:
            require_target(target, self._data_dir)
        except OSError as error:
            raise BackupRefused(f"{target}: {error.strerror}") from error
        if self._is_busy:
            raise BackupRefused("another backup is being made")
        self._is_busy = True
        try:
            with backup.made_whole(target) as partial:
                manifest = await self._copy(partial)
            return answer_of(target, manifest)
        except FileExistsError as error:
            raise BackupRefused(
                f"{error.filename} is there: remove what an interrupted backup left"
            ) from error
        except OSError as error:
            raise BackupRefused(f"{error.filename or target}: {error.strerror}") from error
        finally:
            self._is_busy = False

    async def _copy(self, partial: Path) -> Manifest:
        disk = self._log.disk()
        disk.begin_flush()
        for _ in range(FLUSH_POLL_COUNT):
            if not disk.is_flushing():
                break
            await trio.sleep(FLUSH_POLL_S)
        manifest = self._take(partial / backup.DATA_NAME)
        # After the log: what a channel in it was opened with was installed before.
        reducers = await trio.to_thread.run_sync(
            reducer_files.copy_sound, self._data_dir, partial / reducer_files.BACKUP_NAME
        )
        manifest = backup.with_reducers(manifest, reducers)
        backup.write_manifest(partial / backup.DATA_NAME, manifest)
        return manifest

    def _take(self, data: Path) -> Manifest:
        """The copy of the log. It has no await: no record comes between it and its manifest."""
        manifest = backup.manifest_of(self._log, time.time_ns() // 1_000_000)
        try:
            self._log.disk().copy_to(data)
        except KeyValueError as error:
            raise BackupRefused(f"the copy failed: {error}") from error
        data.chmod(0o700)
        return manifest


def answer_of(target: Path, manifest: Manifest) -> BackupAnswer:
    """What a complete backup holds."""
    copied = backup.measured(target / backup.DATA_NAME)
    return BackupAnswer(
        str(target),
        manifest.records,
        manifest.chain_hash,
        manifest.node_address,
        manifest.time_ms,
        copied.file_count,
        copied.size_bytes,
    )


def require_target(target: Path, data_dir: Path) -> None:
    """Raise `BackupRefused` unless `target` names a new directory in one that is there."""
    if not target.is_absolute():
        raise BackupRefused("the path must be absolute")
    if target.name in ("", "..") or ".." in target.parts:
        raise BackupRefused("the path must name a directory to be made")
    if target.exists() or target.is_symlink():
        raise BackupRefused(f"{target} is there already: nothing is overwritten")
    parent = target.parent
    if not parent.is_dir():
        raise BackupRefused(f"{parent} is no directory")
    if parent.resolve().is_relative_to(data_dir.resolve()):
        raise BackupRefused("a log is not copied into itself")
