"""`node_backup` as callers see it."""

from __future__ import annotations

import msgspec
import pytest

from node.rpc.backups import NodeBackupParams, node_backup
from node.rpc.errors import BackupNotMade, InvalidParams
from node.rpc.params import params_decoder
from protocols.types import checksum_address
from tests.support.rpc_node import RecordingNode


async def test_a_backup_is_answered_with_what_it_holds() -> None:
    made = await node_backup(RecordingNode(), NodeBackupParams("/srv/monday"))
    assert (made.path, made.records, made.file_count) == ("/srv/monday", 7, 3)
    assert made.node_address == checksum_address(b"\x0a" * 20)


async def test_why_there_is_none_is_said() -> None:
    with pytest.raises(BackupNotMade, match="disk is full"):
        await node_backup(RecordingNode(), NodeBackupParams("/mnt/monday"))


@pytest.mark.parametrize("path", ["", "relative", "/a\x00b", "/" + "a" * 5_000, None, 7])
def test_what_is_no_absolute_path_is_refused_before_the_node_hears_of_it(path: object) -> None:
    raw = msgspec.Raw(msgspec.json.encode({"path": path}))
    with pytest.raises(InvalidParams):
        params_decoder(NodeBackupParams)(raw)
