"""`tally restore BACKUP DIR`: a backup in the place of a lost log, and what follows from it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.backup import KEY_FILES
from node.cli.failures import CommandFailed, reports_failures
from node.cli.options import AsJson
from node.cli.output import print_json, say


@reports_failures
def restore(
    source: Annotated[Path, typer.Argument(metavar="BACKUP", help="What tally backup made.")],
    home: Annotated[
        Path, typer.Argument(metavar="DIR", help="The node's directory; made if it is not there.")
    ],
    force: Annotated[
        str,
        typer.Option(
            metavar="WORDS",
            help='Restore over a log that is as long or longer: say "lose newer records". What '
            "was signed since the backup is forgotten, and a peer may use it against you.",
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Put a backup in the place of a node's log. What was there is kept beside it."""
    from node.config import load
    from node.keys import keystore_address
    from node.store import backup as copies
    from node.store.errors import RestoreRefused
    from node.store.restore import FORCE_WORDS
    from node.store.restore import restore as put_in_place

    manifest = copies.verified(source)
    keys = _with_keys(source, home)
    config = load(home)
    address = "0x" + keystore_address(config.node.keystore).hex()
    if address != manifest.node_address:
        raise CommandFailed(
            f"the backup is of {manifest.node_address}, the key in {config.node.keystore} is "
            f"{address}",
            "Name the directory of the node that the backup is of",
            "BACKUP_OF_ANOTHER_NODE",
        )
    try:
        done = put_in_place(source, config.node.data_dir, force=force)
    except RestoreRefused as error:
        raise CommandFailed(
            str(error),
            "Keep the log that is there. If it is truly to go, say what that means: "
            f'--force "{FORCE_WORDS}"',
            "RESTORE_REFUSED",
        ) from error
    document: dict[str, Any] = {
        "data_dir": str(done.data),
        "records": done.manifest.records,
        "chain_hash": done.manifest.chain_hash,
        "node_address": done.manifest.node_address,
        "backup_time_ms": done.manifest.time_ms,
        "kept_aside": None if done.aside is None else str(done.aside),
        "lost_record_count": done.lost_count,
        "reducers": list(done.manifest.reducers),
        "keys": keys,
    }
    if as_json:
        print_json(document)
        return
    say(f"{done.data}: {done.manifest.records} records of {done.manifest.node_address}, checked.")
    if done.manifest.reducers:
        say(f"It brought {len(done.manifest.reducers)} reducers of applications.")
    if done.aside is not None:
        say(f"The log that was there is kept in {done.aside}.")
    say("From its first start on every channel is close-only until its peer showed what it knows.")
    say(f"Start it with: tally run -c {home}, and look with: tally recovery -c {home}")


def _with_keys(source: Path, directory: Path) -> list[str]:
    """Take configuration, keystore and token out of the backup where the directory has none."""
    if (directory / KEY_FILES[0]).exists() or directory.is_file():
        return []
    held = [name for name in KEY_FILES if (source / name).is_file()]
    if KEY_FILES[0] not in held:
        raise CommandFailed(
            f"there is no node in {directory}, and the backup holds no keys",
            "Put config.toml and keystore.json there first",
            "NO_NODE_THERE",
        )
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in held:
        target = directory / name
        if target.exists():
            continue
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write((source / name).read_bytes())
    return held
