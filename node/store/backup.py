"""A backup: a copy of a log with a manifest beside it, which says how long it is and whose.

The manifest lies inside the copied data directory, so that a node that starts on the copy knows it
for one, however it got there: until the log records that it was restored, every start finds the
manifest (M27). It knows how a copy is checked and put in a directory's place, not when that is
right: that is the commands'.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from node.store import reducer_files
from node.store.durable import replace_file, sync_directory, sync_file
from node.store.errors import MANIFEST_NAME, BackupUnusable, LogDamaged, LogMissing
from node.store.limits import REDUCER_COUNT_MAX
from node.store.log import EventLog
from protocols.events import NodeCreated

MANIFEST_SIZE_BYTES_MAX = 131_072
"""As many reducers as there may be take 75,000."""
DATA_NAME = "data"
"""The copied data directory's name inside a backup."""
PARTIAL_SUFFIX = ".partial"
"""Of a backup that is being made."""
INCOMING_SUFFIX = ".restoring"
"""Of a restored directory before it is in its place."""
FORMAT_VERSION = 2
"""Version 1 knew of no reducers."""
LOCK_NAME = "OWNER"
"""The lock of a live directory says nothing about a copy."""

Hex32 = Annotated[str, Meta(pattern="^0x[0-9a-f]{64}$")]
Hex20 = Annotated[str, Meta(pattern="^0x[0-9a-f]{40}$")]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What a backup says of itself."""

    format_version: Annotated[int, Meta(ge=1)]
    records: Annotated[int, Meta(ge=1)]
    """How many records the copied log has."""
    chain_hash: Hex32
    """Of the last of them."""
    node_address: Hex20
    chain_id: Annotated[int, Meta(ge=0)]
    adjudicator: Hex20
    time_ms: Annotated[int, Meta(ge=0)]
    """When it was made, Unix milliseconds."""
    reducers: Annotated[tuple[Hex32, ...], Meta(max_length=REDUCER_COUNT_MAX)] = ()
    """By the sha256 of their code, what lies in `reducers` beside the copied data directory."""

    @property
    def reducer_hashes(self) -> list[bytes]:
        """The same as bytes."""
        return [bytes.fromhex(name[2:]) for name in self.reducers]


_OF_THE_COPY = ("format_version", "time_ms", "reducers")
"""What the log does not say."""
_decode = msgspec.json.Decoder(Manifest).decode


def manifest_of(log: EventLog, time_ms: int) -> Manifest:
    """What a copy of an open log, as it is now, says of itself."""
    ((_, created),) = log.read_events(0, 1)
    assert isinstance(created, NodeCreated), "record 0 says what the log is about"
    return Manifest(
        FORMAT_VERSION,
        log.next_seq,
        "0x" + log.chain_hash.hex(),
        "0x" + created.node_address.hex(),
        created.chain_id,
        "0x" + created.adjudicator.hex(),
        time_ms,
    )


def with_reducers(manifest: Manifest, hashes: Iterable[bytes]) -> Manifest:
    """The manifest of a copy that holds these reducers too."""
    names = tuple("0x" + code_hash.hex() for code_hash in hashes)
    return msgspec.structs.replace(manifest, reducers=names)


def write_manifest(data: Path, manifest: Manifest) -> None:
    """Put the manifest into a copied data directory, synced."""
    content = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
    replace_file(data / MANIFEST_NAME, content)


def read_manifest(data: Path) -> Manifest | None:
    """The manifest in a data directory; None if it is no copy, or the log knows of it already.

    Raises `BackupUnusable` for one that cannot be read: what it announces must not be forgotten.
    """
    path = data / MANIFEST_NAME
    try:
        with path.open("rb") as file:
            text = file.read(MANIFEST_SIZE_BYTES_MAX + 1)
        manifest = _decode(text)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise BackupUnusable(str(path), f"the manifest cannot be read: {error}") from error
    if manifest.format_version > FORMAT_VERSION:
        raise BackupUnusable(str(path), f"its format {manifest.format_version} is of a later one")
    return manifest


def forget_manifest(data: Path) -> None:
    """The log records that it was restored."""
    (data / MANIFEST_NAME).unlink(missing_ok=True)
    sync_directory(data)


def data_of(backup: Path) -> Path:
    """The copied data directory of a backup, or the path itself if it is one."""
    return backup if (backup / MANIFEST_NAME).exists() else backup / DATA_NAME


def reducers_of(backup: Path) -> Path:
    """The directory of a backup's reducers, which is there if it has any."""
    return data_of(backup).with_name(reducer_files.BACKUP_NAME)


def verified(backup: Path) -> Manifest:
    """The manifest of a backup whose log was read from end to end and is what the manifest says,
    as are its reducers.

    Raises `BackupUnusable`, or what opening a log raises.
    """
    data = data_of(backup)
    manifest = read_manifest(data) if data.is_dir() else None
    if manifest is None:
        raise BackupUnusable(str(backup), f"there is no {MANIFEST_NAME} in it or in its data")
    try:
        log = EventLog.open(data, read_only=True)
    except (LogMissing, LogDamaged) as error:
        raise BackupUnusable(str(data), str(error)) from error
    try:
        for _ in log.read():
            pass
        found = manifest_of(log, manifest.time_ms)
    except LogDamaged as error:
        raise BackupUnusable(str(data), str(error)) from error
    finally:
        log.close()
    said: dict[str, Any] = msgspec.structs.asdict(manifest)
    for field, value in msgspec.structs.asdict(found).items():
        if field not in _OF_THE_COPY and said[field] != value:
            reason = f"its {field} is {value}, the manifest says {said[field]}"
            raise BackupUnusable(str(data), reason)
    reducer_files.require_all(reducers_of(backup), manifest.reducer_hashes)
    return manifest


# --- files ---


@contextmanager
def made_whole(target: Path) -> Iterator[Path]:
    """A new directory that takes the name `target` once the block is through, synced, or is gone.

    Raises FileExistsError if an interrupted one lies there.
    """
    partial = target.with_name(target.name + PARTIAL_SUFFIX)
    partial.mkdir(mode=0o700)
    with ExitStack() as undo:
        # A full disk, a damaged log, Ctrl-C: whatever it is, half a copy must not look like one.
        undo.callback(shutil.rmtree, partial, ignore_errors=True)
        yield partial
        sync_directory(partial)
        partial.rename(target)
        undo.pop_all()
        sync_directory(target.parent)


@dataclass(frozen=True, slots=True)
class Copied:
    """What a directory of files came to."""

    file_count: int
    size_bytes: int


def copy_files(source: Path, target: Path) -> Copied:
    """Copy a data directory that nobody writes into a new directory, synced file by file."""
    target.mkdir(mode=0o700)
    count = size_bytes = 0
    for file in sorted(source.iterdir()):
        if file.name == LOCK_NAME or not file.is_file():
            continue
        copy = target / file.name
        shutil.copyfile(file, copy)
        copy.chmod(0o600)
        sync_file(copy)
        count, size_bytes = count + 1, size_bytes + copy.stat().st_size
    sync_directory(target)
    return Copied(count, size_bytes)


def measured(data: Path) -> Copied:
    """How many files a directory has, and their size."""
    sizes = [file.stat().st_size for file in data.iterdir() if file.is_file()]
    return Copied(len(sizes), sum(sizes))


def put_in_place(data: Path, incoming: Path, aside: Path) -> None:
    """`incoming` becomes `data`; what was there is kept under `aside`.

    A crash between the two leaves no directory at `data`, which `require_in_place` notices: a node
    must not begin an empty log there.
    """
    if data.exists():
        data.rename(aside)
    incoming.rename(data)
    sync_directory(data.parent)


def incoming_of(data: Path) -> Path:
    """Where a restored directory waits to take its place."""
    return data.with_name(data.name + INCOMING_SUFFIX)


def require_in_place(data: Path) -> None:
    """Raise `BackupUnusable` if a restore was interrupted: the log is not where it belongs."""
    incoming = incoming_of(data)
    if incoming.exists() and not (data / "CURRENT").exists():
        raise BackupUnusable(str(incoming), "a restore was interrupted: run tally restore again")
