"""Putting a backup in the place of a log: checked, never over a newer one, at one stroke.

Whoever restores over a log that is as long or longer throws away what it signed since: the rule
against it is here, and the words that lift it.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from node.store import backup, reducer_files
from node.store.backup import Copied, Manifest
from node.store.errors import LogDamaged, LogMissing, LogNotOpened, RestoreRefused
from node.store.lock import take_lock
from node.store.log import EventLog

FORCE_WORDS = "lose newer records"
"""What an owner has to say to restore over a log that is as long as the backup, or longer."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    manifest: Manifest
    data: Path
    aside: Path | None
    """Where the log that was there is kept; None if there was none."""
    lost_count: int | None
    """Records of that log beyond the backup; None if it could not be read."""
    copied: Copied


def restore(source: Path, data: Path, *, force: str = "") -> Restored:
    """Put the backup `source` where the log directory `data` is, or is to be.

    What was there is kept beside it; the backup's reducers are added to those there. Raises
    `BackupUnusable`, `RestoreRefused`, `LogInUse`, or OSError; the log in place is untouched then.
    """
    manifest = backup.verified(source)
    data.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = take_lock(data)
    try:
        lost_count = _require_older(data, manifest, force)
        incoming = backup.incoming_of(data)
        if incoming.exists():
            shutil.rmtree(incoming)  # Of a restore that was interrupted; the backup has it all.
        copied = backup.copy_files(backup.data_of(source), incoming)
        # Before the log: it must not be in place without them.
        reducer_files.put_back(backup.reducers_of(source), data, manifest.reducer_hashes)
        has_log = (data / "CURRENT").exists() or any(data.glob("*.sst"))
        aside = _aside_of(data)
        if not has_log:
            # Nothing but the lock: it goes with its directory.
            shutil.rmtree(data)
        backup.put_in_place(data, incoming, aside)
    finally:
        os.close(lock)
    return Restored(manifest, data, aside if has_log else None, lost_count, copied)


def _require_older(data: Path, manifest: Manifest, force: str) -> int | None:
    """How much longer the log in place is than the backup; None if it cannot be read."""
    try:
        log = EventLog.open(data, read_only=True)
    except LogMissing:
        return 0
    except (LogDamaged, LogNotOpened):
        return None  # Most likely why the owner restores.
    try:
        if log.next_seq == 0:
            return 0
        here = backup.manifest_of(log, manifest.time_ms)
    except LogDamaged:
        return None
    finally:
        log.close()
    if here.node_address != manifest.node_address:
        raise RestoreRefused(
            str(data),
            f"it is the log of {here.node_address}, the backup is {manifest.node_address}'s",
        )
    if here.records >= manifest.records and force != FORCE_WORDS:
        raise RestoreRefused(
            str(data),
            f"it holds {here.records} records, the backup {manifest.records}: what was signed in "
            f"the last {here.records - manifest.records} would be forgotten, and nothing won",
        )
    return max(0, here.records - manifest.records)


def _aside_of(data: Path) -> Path:
    """A name beside the directory that is free."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    name, number = f"{data.name}.before-{stamp}", 1
    while data.with_name(name).exists():
        number += 1
        name = f"{data.name}.before-{stamp}-{number}"
    return data.with_name(name)
