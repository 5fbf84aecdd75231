"""`tally backup DEST`: a copy of a node's log, consistent while the node runs, and checked."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.failures import CommandFailed, reports_failures
from node.cli.node_call import ask
from node.cli.options import HERE, AsJson, NodeDir
from node.cli.output import print_json, say

BACKUP_TIMEOUT_S = 600.0
"""A log of many gigabytes on another disk takes a while to copy."""
KEY_FILES = ("config.toml", "keystore.json", "rpc.token")
"""What `--with-keys` adds, under these names."""


@reports_failures
def backup(
    destination: Annotated[
        Path, typer.Argument(metavar="DEST", help="A directory to be made; nothing is overwritten.")
    ],
    directory: NodeDir = HERE,
    with_keys: Annotated[
        bool,
        typer.Option(
            "--with-keys",
            help="Copy configuration, keystore and token too: whoever has them and the password "
            "is the node.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy the node's log, while it runs or not, and check the copy."""
    from node.config import load
    from node.store import backup as copies
    from node.store.errors import LogInUse

    config, target = load(directory), Path(os.path.abspath(destination))
    try:
        _copy_at_rest(config.node.data_dir, target)
    except LogInUse:
        ask(directory, "node_backup", path=str(target), timeout_s=BACKUP_TIMEOUT_S)
    manifest = copies.verified(target)
    copied = copies.measured(target / copies.DATA_NAME)
    keys = _copy_keys(config, target) if with_keys else []
    left_out = _left_out(config.node.data_dir, manifest.reducers)
    document: dict[str, Any] = {
        "path": str(target),
        "records": manifest.records,
        "chain_hash": manifest.chain_hash,
        "node_address": manifest.node_address,
        "time_ms": manifest.time_ms,
        "file_count": copied.file_count,
        "size_bytes": copied.size_bytes,
        "reducers": list(manifest.reducers),
        "reducers_left_out": left_out,
        "with_keys": with_keys,
        "keys": keys,
    }
    if as_json:
        print_json(document)
        return
    say(f"{target}: {manifest.records} records of {manifest.node_address}, checked.")
    if manifest.reducers:
        say(f"It holds {len(manifest.reducers)} reducers of applications.")
    if left_out:
        say(f"Left out, as their files are damaged: {', '.join(left_out)}. Install them again.")
    if with_keys:
        say(f"It holds {', '.join(keys)} too: keep it as you keep a key.")
    else:
        say("It holds no key: keep a copy of keystore.json and its password elsewhere.")
    say(f"Put it in place of a lost log with: tally restore {target} DIR")


def _copy_at_rest(data: Path, target: Path) -> None:
    """Copy the log of a node that does not run; raises LogInUse for one that does."""
    from node.answers import BackupRefused
    from node.backups import require_target
    from node.store import backup as copies
    from node.store import reducer_files
    from node.store.errors import LogMissing
    from node.store.lock import take_lock
    from node.store.log import EventLog

    if not (data / "CURRENT").exists():
        raise LogMissing(str(data))
    lock = take_lock(data)
    try:
        require_target(target, data)
        with copies.made_whole(target) as partial:
            copy = partial / copies.DATA_NAME
            copies.copy_files(data, copy)
            with closing(EventLog.open(copy, read_only=True)) as log:
                manifest = copies.manifest_of(log, time.time_ns() // 1_000_000)
            reducers = reducer_files.copy_sound(data, partial / reducer_files.BACKUP_NAME)
            manifest = copies.with_reducers(manifest, reducers)
            copies.write_manifest(copy, manifest)
    except BackupRefused as error:
        raise CommandFailed(str(error), "Name a new directory", "BACKUP_NOT_MADE") from error
    except FileExistsError as error:
        raise CommandFailed(
            f"{error.filename} is there",
            "Remove what an interrupted backup left",
            "BACKUP_NOT_MADE",
        ) from error
    finally:
        os.close(lock)


def _left_out(data: Path, copied: tuple[str, ...]) -> list[str]:
    from node.store import reducer_files

    there = reducer_files.hashes_in(reducer_files.reducers_directory(data))
    return [name for code_hash in there if (name := "0x" + code_hash.hex()) not in copied]


def _copy_keys(config: Any, target: Path) -> list[str]:
    from node.store.durable import sync_directory, sync_file

    sources = (config.path, config.node.keystore, config.token_path)
    found = []
    for source, name in zip(sources, KEY_FILES, strict=True):
        if not source.is_file():
            continue
        copy = target / name
        descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(source.read_bytes())
        sync_file(copy)
        found.append(name)
    sync_directory(target)
    return found
