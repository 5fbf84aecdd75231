"""Flipped bytes in five megabytes of log: the audit finds each, none misleads the daemon.

Three hundred in the suite, five thousand in the soak.
"""

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from rocksdict import Rdict

from node.audit import AuditReport, audit, directory
from node.store import tail
from node.store.errors import LogDamaged
from node.store.log import EventLog
from node.store.rocks import options
from protocols.types import ChannelId
from tests.support.logs import flip, make_log, newest
from tests.support.recorded_nodes import World, demo, pay_batches
from tests.support.soak import times

BATCH_COUNT, LISTED_COUNT = 6, 360
"""Payments with long memos no compression shortens: they make the write-ahead log as large as it
is, and as many more the tables."""
DIRECTORY_SIZE_BYTES = 5_000_000
"""At least, of what is damaged."""

FLIP_COUNTS = {
    kind: times(count)
    for kind, count in {"CURRENT": 20, "MANIFEST": 60, "wal": 100, "table": 120}.items()
}


@dataclass(frozen=True)
class Original:
    """A directory to damage copies of, and what it holds when whole."""

    path: Path
    records: int
    content: list[object]


def read_as_the_daemon(path: Path) -> list[object]:
    """All that a daemon reads of its log; raises `LogDamaged`. A cut tail is the first item."""
    log = EventLog.open(path)
    try:
        events = [event for _, event in log.read_events()]
        return [log.tail_cut, log.find_request("open-1"), *log.outbox(), *events]
    finally:
        log.close()


def size_of(path: Path) -> int:
    """Bytes in the directory's tables and write-ahead logs."""
    return sum(file.stat().st_size for kind in ("*.sst", "*.log") for file in path.glob(kind))


def copied(original: Path, copy: Path, file_name: str) -> None:
    """A copy to damage `file_name` in; tables are never written to, so the others are linked."""
    copy.mkdir()
    for file in original.iterdir():
        if file.suffix == ".sst" and file.name != file_name:
            os.link(file, copy / file.name)
        else:
            shutil.copy2(file, copy / file.name)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Original]:
    """Alice's log after a clean stop, in tables, and after a kill, in the write-ahead log."""
    path = tmp_path_factory.mktemp("originals")

    def pay_long_memos(world: World, channel_id: ChannelId) -> None:
        pay_batches(world, channel_id, BATCH_COUNT, LISTED_COUNT, seed=1)
        shutil.copytree(path / "alice", path / "killed")
        pay_batches(world, channel_id, BATCH_COUNT, LISTED_COUNT, seed=2)

    demo(path, payment_count=60, then=pay_long_memos).stop()
    shutil.copytree(path / "alice", path / "stopped")
    found = {}
    for name in ("killed", "stopped"):
        shutil.copytree(path / name, path / f"{name}-read")
        content = read_as_the_daemon(path / f"{name}-read")
        report = audit(path / name)
        assert report.findings == []
        assert size_of(path / name) >= DIRECTORY_SIZE_BYTES
        found[name] = Original(path / name, report.records, content)
    return found


def victims(kind: str, originals: dict[str, Original]) -> list[tuple[Original, str, int]]:
    """(directory, file name, offset): fixed for ever by the seed."""
    chance = random.Random(f"20240101 {kind}")
    killed, stopped = originals["killed"], originals["stopped"]
    tables = sorted(stopped.path.glob("*.sst"))
    files: dict[str, Callable[[], tuple[Original, Path]]] = {
        "CURRENT": lambda: (chance.choice([killed, stopped]), Path("CURRENT")),
        "MANIFEST": lambda: _with_manifest(chance.choice([killed, stopped])),
        "wal": lambda: (killed, newest(killed.path, ".log")),
        # By size, so that the large ones are hit as often as their bytes deserve.
        "table": lambda: (
            stopped,
            chance.choices(tables, [file.stat().st_size for file in tables])[0],
        ),
    }
    found = []
    for _ in range(FLIP_COUNTS[kind]):
        original, file = files[kind]()
        size = (original.path / file.name).stat().st_size
        found.append((original, file.name, chance.randrange(size)))
    return found


def _with_manifest(original: Original) -> tuple[Original, Path]:
    manifest = tail.manifest_file(original.path)
    assert manifest is not None
    return original, manifest


def fault_of_report(report: AuditReport, original: Original, file_name: str) -> str | None:
    """None if the report places the damage, else what is wrong with it."""
    if report.is_sound:
        return "the audit found nothing"
    placed = [finding for finding in report.findings if finding.file == file_name]
    if not placed:
        return f"no finding names the file: {report.findings}"
    if not any(file_name in finding.message for finding in placed):
        return f"no message names the file: {placed}"
    # What could not be read lies in a range that some finding names.
    missing, named = original.records - report.records, 0
    for finding in placed:
        last = original.records - 1 if finding.last_seq is None else finding.last_seq
        named += 0 if finding.seq is None else last - finding.seq + 1
    return None if named >= missing else f"{missing} records are missing, {named} are named"


def fault_of_daemon(path: Path, original: Original) -> str | None:
    """None if the daemon refuses, reports a cut tail, or reads exactly what was written."""
    try:
        content = read_as_the_daemon(path)
    except LogDamaged as damage:
        return None if damage.reason else "a refusal without a reason"
    if content[0] is not None:
        lost = len(original.content) - len(content)
        return None if lost > 0 else "a cut tail that lost nothing"
    return None if content == original.content else "it reads something else than was written"


def test_there_are_three_hundred() -> None:
    assert sum(FLIP_COUNTS.values()) == times(300)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FLIP_COUNTS)
def test_three_hundred_flipped_bytes_are_found_and_mislead_nobody(
    kind: str, originals: dict[str, Original], tmp_path: Path
) -> None:
    chance = random.Random(7)
    faults = []
    lost_count = 0
    for original, file_name, offset in victims(kind, originals):
        copy = tmp_path / "copy"
        copied(original.path, copy, file_name)
        flip(copy / file_name, offset, 1 << chance.randrange(8))
        report = audit(copy)
        found = [fault_of_report(report, original, file_name), fault_of_daemon(copy, original)]
        lost_count += report.records < original.records
        faults += [(file_name, offset, fault) for fault in found if fault is not None]
        shutil.rmtree(copy)
    assert faults == []
    # The flips really cost records, in every kind of file.
    assert lost_count > 0


def test_a_directory_is_a_log_by_its_files(tmp_path: Path) -> None:
    assert not directory.is_log(tmp_path)
    assert not directory.is_log(tmp_path / "nothing")
    make_log(tmp_path / "log", 3).close()
    assert directory.is_log(tmp_path / "log")


def test_a_torn_tail_is_a_cut_until_it_is_recorded(tmp_path: Path) -> None:
    log = make_log(tmp_path / "live", 41)
    shutil.copytree(tmp_path / "live", tmp_path / "torn")
    log.close()
    assert directory.cut_tail(tmp_path / "live") is None
    file = newest(tmp_path / "torn", ".log")
    file.write_bytes(file.read_bytes()[:-1])
    cut = directory.cut_tail(tmp_path / "torn")
    assert cut is not None
    EventLog.open(tmp_path / "torn").close()
    assert directory.cut_tail(tmp_path / "torn") == cut


def test_a_table_of_an_unknown_family_is_damage(tmp_path: Path) -> None:
    make_log(tmp_path / "log", 30).close()
    assert list(directory.damaged_tables(tmp_path / "log")) == []
    families = {"strangers": options()}
    other = Rdict(str(tmp_path / "other"), options(), column_families=families)
    strangers = other.get_column_family("strangers")
    strangers[b"key"] = b"value"
    strangers.close()
    other.close()
    (table,) = (tmp_path / "other").glob("*.sst")
    shutil.copy(table, tmp_path / "log" / "999999.sst")
    (tmp_path / "log" / "999998.sst").write_bytes(b"no table")
    assert list(directory.damaged_tables(tmp_path / "log")) == [
        ("999998.sst", "it is shorter than a footer"),
        ("999999.sst", "it belongs to an unknown family strangers"),
    ]


def test_a_refusal_without_a_record_begins_behind_what_was_read() -> None:
    finding = directory.damage_finding(LogDamaged("why", file="000004.log"), 17)
    assert (finding.seq, finding.last_seq, finding.file) == (17, None, "000004.log")
    finding = directory.damage_finding(LogDamaged("why", 3, 9, "000004.log"), 17)
    assert (finding.seq, finding.last_seq) == (3, 9)
    finding = directory.damage_finding(LogDamaged("why", None, 5, "000004.log"), 17)
    assert (finding.seq, finding.last_seq) == (5, 5)
    finding = directory.damage_finding(LogDamaged("why", 3, 9, "000004.log"), 17)
    assert finding.message == "000004.log, records 3 to 9: why"
