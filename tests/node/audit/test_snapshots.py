"""Snapshots against the fold: an honest node's are right, and each wrong byte of one is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from node.audit.audit import audit
from node.store.kv import SNAPSHOTS
from node.store.log import EventLog
from node.store.rocks import RocksKeyValue
from node.store.snapshot_writing import SnapshotWriting
from node.store.snapshots import (
    decode_manifest,
    encode_manifest,
    encode_version,
    manifest_key,
    manifests,
    range_of,
)
from protocols.node_state import NodeState
from tests.support.logs import flip
from tests.support.recorded_nodes import World


def snapshot(log: EventLog, state: NodeState) -> None:
    writing = SnapshotWriting(log, state)
    while writing.advance(64, lambda: False) is None:
        pass


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A payee's log with three snapshots, closed."""
    world = World(tmp_path)
    bob = world.bob
    channel_id = world.open_channel()
    snapshot(bob.log, bob.state)
    for number in range(4):
        world.pay(channel_id, 10, number)
    snapshot(bob.log, bob.state)
    world.close_channel(channel_id)
    snapshot(bob.log, bob.state)
    world.stop()
    return tmp_path / "bob"


def findings(path: Path) -> list[str]:
    report = audit(path)
    assert {finding.check for finding in report.findings} <= {"snapshots"}
    return [finding.message for finding in report.findings]


def edit(path: Path, change) -> None:  # type: ignore[no-untyped-def]
    """Rewrite the snapshots' entries."""
    store = RocksKeyValue(path)
    batch = store.new_batch()
    for key, value in change(store).items():
        if value is None:
            batch.delete(key, store.handle(SNAPSHOTS))
        else:
            batch.put(key, value, store.handle(SNAPSHOTS))
    store.write_unlogged(batch)
    store.close()


def counts_of(store: RocksKeyValue) -> list[int]:
    return [count for count, _ in manifests(store)]


def test_the_snapshots_of_an_honest_node_are_what_its_records_fold_to(path: Path) -> None:
    assert findings(path) == []


def test_a_value_that_is_not_the_folds_is_named_for_each_snapshot_that_shows_it(path: Path) -> None:
    def change(store: RocksKeyValue) -> dict[bytes, bytes | None]:
        first = next(store.iterate(SNAPSHOTS, *range_of(b"objective|")))[0]
        return {first: encode_version(first[:-8], 0, b'["other"]')}

    edit(path, change)
    first, *rest = findings(path)
    assert "holds" in first
    assert len(rest) <= 2


def test_a_place_that_was_changed_is_named(path: Path) -> None:
    def change(store: RocksKeyValue) -> dict[bytes, bytes | None]:
        key, value = next(store.iterate(SNAPSHOTS, *range_of(b"objective|")))
        return {key: bytes([value[0] ^ 1]) + value[1:]}

    edit(path, change)
    (found,) = findings(path)
    assert found.startswith("1 values in snapshots stand at places that were changed")


def test_a_lost_value_is_named(path: Path) -> None:
    edit(path, lambda store: {next(store.iterate(SNAPSHOTS, *range_of(b"node|")))[0]: None})
    found = findings(path)
    assert found != []
    assert all("entities with digest" in message for message in found)


def test_a_lost_or_changed_view_is_named(path: Path) -> None:
    edit(path, lambda store: {next(store.iterate(SNAPSHOTS, *range_of(b"proven|")))[0]: None})
    assert findings(path) != []


def test_a_snapshot_of_another_state_is_named_though_it_fits_its_manifest(path: Path) -> None:
    """What a start cannot see: a state in memory that was not the fold."""

    def change(store: RocksKeyValue) -> dict[bytes, bytes | None]:
        count = counts_of(store)[-1]
        manifest = decode_manifest(store.get(SNAPSHOTS, manifest_key(count)) or b"")
        assert manifest is not None
        wrong = replace(manifest, entity_count=manifest.entity_count + 1)
        return {manifest_key(count): encode_manifest(wrong)}

    edit(path, change)
    against_fold, against_held = findings(path)
    assert "their snapshot says" in against_fold
    assert "its manifest says" in against_held


def test_snapshots_of_other_records_and_damaged_manifests_are_nobodys(path: Path) -> None:
    def change(store: RocksKeyValue) -> dict[bytes, bytes | None]:
        first, second, _ = counts_of(store)
        manifest = decode_manifest(store.get(SNAPSHOTS, manifest_key(first)) or b"")
        assert manifest is not None
        return {
            manifest_key(first): encode_manifest(replace(manifest, chain_hash=bytes(32))),
            manifest_key(second): b"damaged",
            manifest_key(10**9): encode_manifest(replace(manifest, record_count=10**9)),
        }

    edit(path, change)
    assert findings(path) == []


def test_a_table_of_snapshots_that_cannot_be_read_is_named_with_its_file(path: Path) -> None:
    table = next(
        file
        for file in sorted(path.glob("*.sst"))
        if b"manifest|" in file.read_bytes() or b"objective|" in file.read_bytes()
    )
    flip(table, 60)
    found = audit(path).findings
    assert any(finding.file == table.name for finding in found)
