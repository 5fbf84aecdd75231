"""Copies of the log, made by the node that writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from node.answers import BackupRefused
from node.rpc.errors import BackupNotMade
from node.rpc.interface import NodeApi
from node.rpc.params import Params
from node.rpc.results import AddressOut, Hash32Out
from protocols.types import checksum_address

PATH_LENGTH_MAX = 4_096


class NodeBackupParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Where the copy goes."""

    path: Annotated[str, Meta(min_length=1, max_length=PATH_LENGTH_MAX, pattern="^/[^\\x00]*$")]
    """Absolute, of a directory that is not there yet in one that is."""


class BackupResult(Struct, frozen=True, gc=False):
    """A backup is complete on disk. It holds the log and the installed reducers: no key,
    token or configuration."""

    path: str
    records: int
    """How many records it has."""
    chain_hash: Hash32Out
    """Of the last one."""
    node_address: AddressOut
    time_ms: int
    """When it was made, Unix milliseconds."""
    file_count: int
    size_bytes: int


async def node_backup(node: NodeApi, p: NodeBackupParams) -> BackupResult:
    """Copy the log; `BackupNotMade` says why not."""
    try:
        made = await node.backup(Path(p.path))
    except BackupRefused as error:
        raise BackupNotMade(str(error)) from error
    return BackupResult(
        made.path,
        made.records,
        made.chain_hash,
        checksum_address(bytes.fromhex(made.node_address[2:])),
        made.time_ms,
        made.file_count,
        made.size_bytes,
    )
