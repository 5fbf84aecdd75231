"""The audit as a whole: sound logs, live ones, killed ones, and damaged ones."""

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from node.audit import AuditReport, audit
from node.store import wal
from node.store.errors import LogMissing
from node.store.kv import LOG, META
from node.store.log import EventLog
from node.store.record import chain_next, seq_key
from node.store.rocks import RocksKeyValue
from protocols import events, ledger_events, payment_events, virtual_events
from tests.support.audit_cases import History, changed, nth
from tests.support.audit_webs import hub, open_hub, payee, payer, unwound_hub, write
from tests.support.logs import flip, make_log, newest
from tests.support.recorded_nodes import World, demo


def checks(report: AuditReport) -> set[str]:
    return {finding.check for finding in report.findings}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Alice and Bob after the whole demo, stopped cleanly."""
    path = tmp_path_factory.mktemp("closed")
    demo(path, payment_count=30).stop()
    return path


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_an_honest_log_is_sound_and_without_notes(name: str, closed: Path) -> None:
    done: list[tuple[int, int]] = []
    report = audit(closed / name, lambda count, total: done.append((count, total)))
    assert (report.findings, report.notes) == ([], [])
    assert report.is_sound
    assert report.log == str(closed / name)
    assert report.records > 100
    assert done[-1] == (report.records, report.records)


@pytest.mark.parametrize("history", [payer, hub, payee, open_hub, unwound_hub])
def test_an_honest_log_of_ledgers_and_virtual_channels_is_sound(
    history: Callable[[], History], tmp_path: Path
) -> None:
    write(history(), tmp_path)
    assert audit(tmp_path).findings == []


@pytest.mark.parametrize(
    ("kind", "fields", "check", "words"),
    [
        (ledger_events.LedgerUpdateProposed, {"turn_num": 9}, "ledgers", "does not follow"),
        (virtual_events.VirtualChannelRecorded, {"fees": ()}, "virtual", "0 fees for 1"),
        (ledger_events.LedgerUpdateReceived, {"fee": bytes(32)}, "hub", "our fee is 7"),
    ],
)
def test_each_family_names_the_first_bad_record(
    kind: type[events.Event], fields: dict[str, object], check: str, words: str, tmp_path: Path
) -> None:
    history = changed(hub(), kind, **fields)
    write(history, tmp_path)
    report = audit(tmp_path)
    first = min(finding.seq for finding in report.findings if finding.seq is not None)
    assert first == nth(history, kind)[0]
    assert any(f.check == check and words in f.message for f in report.findings), report.findings


def test_a_list_without_its_voucher_is_named(tmp_path: Path) -> None:
    write(payer()[: nth(payer(), payment_events.BatchIssued)[0]], tmp_path)
    assert ("batches", None) in {(f.check, f.seq) for f in audit(tmp_path).findings}


def test_progress_is_told_now_and_then(tmp_path: Path) -> None:
    make_log(tmp_path, 1200).close()
    done: list[tuple[int, int]] = []
    audit(tmp_path, lambda count, total: done.append((count, total)))
    assert [count for count, _ in done] == sorted({count for count, _ in done} | {1200})
    assert {total for _, total in done} == {1200}
    assert max(done[0][0], *(b - a for (a, _), (b, _) in pairwise(done))) < 1000


def test_auditing_changes_nothing(closed: Path) -> None:
    def contents() -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in (closed / "alice").iterdir()}

    before = contents()
    audit(closed / "alice")
    assert contents() == before


@pytest.mark.slow
def test_a_live_log_is_audited_beside_its_node(tmp_path: Path) -> None:
    world = World(tmp_path)
    channel_id = world.open_channel()
    for number in range(20):
        world.pay(channel_id, 3, number)
        report = audit(tmp_path / "alice")
        assert report.findings == []
        assert report.records == world.alice.log.next_seq
        assert [note.check for note in report.notes] == ["end"]
        assert "not stopped cleanly" in report.notes[0].message
    world.stop()


def test_a_directory_without_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogMissing):
        audit(tmp_path)


def test_an_empty_log_has_no_record_0(tmp_path: Path) -> None:
    EventLog.open(tmp_path).close()
    report = audit(tmp_path)
    assert [(finding.seq, finding.message) for finding in report.findings][-1] == (
        0,
        "there is no record 0",
    )


def torn(world: World, path: Path) -> Path:
    """A copy of Alice's live directory whose last write is torn."""
    shutil.copytree(world.alice.path, path)
    file = newest(path, ".log")
    file.write_bytes(file.read_bytes()[:-1])
    return path


def test_a_torn_tail_is_a_fault_until_the_node_has_recorded_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.open_channel()
    path = torn(world, tmp_path / "torn")
    world.stop()
    report = audit(path)
    (finding,) = report.findings
    assert finding.file == newest(path, ".log").name
    assert finding.seq == report.records
    assert "a torn tail" in finding.message

    log = EventLog.open(path)
    assert log.tail_cut is not None
    batch = log.begin(1_804_067_200_000)
    cut = log.tail_cut
    batch.append(events.LogTailCut(log.next_seq, cut.size_bytes, cut.file_name))
    log.commit(batch)
    log.close()
    report = audit(path)
    assert report.findings == []
    assert [note.check for note in report.notes] == ["tail", "end"]


def test_a_restored_log_is_worth_a_note(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.open_channel()
    world.stop()
    path = world.alice.path
    log = EventLog.open(path)
    batch = log.begin(1_804_067_200_000)
    batch.append(events.NodeRestored(log.next_seq, log.chain_hash, 1, 7))
    log.commit(batch)
    log.close()
    report = audit(path)
    assert report.findings == []
    assert [note.check for note in report.notes] == ["tail", "end"]
    assert "a backup of" in report.notes[0].message


@pytest.mark.parametrize("name", ["CURRENT", "MANIFEST"])
def test_what_does_not_open_is_named(name: str, closed: Path, tmp_path: Path) -> None:
    shutil.copytree(closed / "alice", tmp_path / "copy")
    file = next((tmp_path / "copy").glob(f"{name}*"))
    flip(file, 5)
    report = audit(tmp_path / "copy")
    assert [finding.file for finding in report.findings] == [file.name]
    assert (report.findings[0].seq, report.findings[0].last_seq) == (0, None)
    assert report.records == 0


def test_a_missing_current_is_named(closed: Path, tmp_path: Path) -> None:
    shutil.copytree(closed / "alice", tmp_path / "copy")
    (tmp_path / "copy" / "CURRENT").unlink()
    report = audit(tmp_path / "copy")
    assert {finding.file for finding in report.findings} == {"CURRENT"}


def test_a_damaged_write_is_named_once_by_file_and_records(tmp_path: Path) -> None:
    world = demo(tmp_path, payment_count=30)
    shutil.copytree(tmp_path / "alice", tmp_path / "copy")
    world.stop()
    file = newest(tmp_path / "copy", ".log")
    entries = wal.walk(file.read_bytes()).entries
    flip(file, entries[len(entries) // 2][0].start + 30)
    report = audit(tmp_path / "copy")
    placed = [finding for finding in report.findings if finding.file == file.name]
    assert len(placed) == 1
    assert placed[0].seq is not None
    assert placed[0].last_seq is not None
    assert placed[0].last_seq - placed[0].seq < 5
    assert checks(report) == {"files", "sequence"}


def test_a_bad_footer_is_named_with_the_records_the_table_holds(
    closed: Path, tmp_path: Path
) -> None:
    shutil.copytree(closed / "alice", tmp_path / "copy")
    table = max((tmp_path / "copy").glob("*.sst"), key=lambda file: file.stat().st_size)
    flip(table, table.stat().st_size - 20)
    report = audit(tmp_path / "copy")
    (finding,) = report.findings
    assert (finding.seq, finding.last_seq) == (0, report.records - 1)
    assert finding.file == table.name


# --- a log rewritten with sound bytes and unsound content ---


def rewritten(source: Path, target: Path, change: dict[int, bytes | None]) -> Path:
    """A copy in which some records are others and every chain hash fits again."""
    shutil.copytree(source, target)
    store = RocksKeyValue(target)
    batch = store.new_batch()
    chain = b""
    for key, value in list(store.iterate(LOG)):
        seq = int.from_bytes(key, "big")
        raw = change.get(seq, value[32:])
        if seq == 0:
            chain = value[:32]
            continue
        if raw is None:
            batch.delete(key, store.handle(LOG))
            continue
        chain = chain_next(chain, raw)
        batch.put(key, chain + raw, store.handle(LOG))
    store.write(batch)
    store.close()
    return target


def raw_of(path: Path, seq: int) -> bytes:
    log = EventLog.open(path, read_only=True)
    try:
        return log._stored(seq)[32:]
    finally:
        log.close()


def seq_of(path: Path, kind: type[events.Event], index: int = 0) -> int:
    log = EventLog.open(path, read_only=True)
    found = [record.seq for record in log.read() if record.name == kind.NAME]
    log.close()
    return found[index]


def test_a_forged_record_with_a_fitting_chain_is_found_by_what_it_says(
    closed: Path, tmp_path: Path
) -> None:
    seq = seq_of(closed / "alice", events.VoucherIssued, 3)
    raw = bytearray(raw_of(closed / "alice", seq))
    raw[-30] ^= 1
    report = audit(rewritten(closed / "alice", tmp_path / "forged", {seq: bytes(raw)}))
    assert not report.is_sound
    assert report.findings[0].seq == seq
    assert report.findings[0].check in {"vouchers", "record"}


def test_a_record_that_does_not_decode_is_named_and_ends_the_ground(
    closed: Path, tmp_path: Path
) -> None:
    seq = seq_of(closed / "alice", events.VoucherIssued, 3)
    report = audit(rewritten(closed / "alice", tmp_path / "forged", {seq: b"\xc1"}))
    assert [(finding.seq, finding.check) for finding in report.findings] == [(seq, "record")]
    last = report.records - 1
    report = audit(rewritten(closed / "alice", tmp_path / "end", {last: b"\xc1"}))
    assert [note.check for note in report.notes] == ["end"]


def test_a_chain_that_does_not_fit_is_named(closed: Path, tmp_path: Path) -> None:
    shutil.copytree(closed / "alice", tmp_path / "copy")
    store = RocksKeyValue(tmp_path / "copy")
    batch = store.new_batch()
    value = store.get(LOG, seq_key(9)) or b""
    batch.put(seq_key(9), bytes(32) + value[32:], store.handle(LOG))
    store.write(batch)
    store.close()
    report = audit(tmp_path / "copy")
    assert [(finding.seq, finding.check) for finding in report.findings] == [(9, "chain")]


def test_a_missing_record_is_named_and_what_follows_is_still_checked_alone(
    closed: Path, tmp_path: Path
) -> None:
    path = rewritten(closed / "alice", tmp_path / "gap", {20: None})
    report = audit(path)
    (finding,) = report.findings
    assert (finding.seq, finding.last_seq, finding.check) == (20, 20, "sequence")
    assert "records 20 to 20 cannot be read" in finding.message


def test_a_length_that_is_not_the_logs_is_named(closed: Path, tmp_path: Path) -> None:
    shutil.copytree(closed / "alice", tmp_path / "copy")
    store = RocksKeyValue(tmp_path / "copy")
    batch = store.new_batch()
    batch.put(b"synced", b"\x92\x01\x02", store.handle(META))
    store.write(batch)
    store.close()
    (finding,) = audit(tmp_path / "copy").findings
    assert "the newest batch says 2" in finding.message


def test_a_wrong_digest_is_named(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.open_channel()
    world.alice.record(events.StateDigestRecorded(b"\x01" * 32, 5, False, 1))
    world.stop()
    report = audit(tmp_path / "alice")
    assert checks(report) == {"fold"}


def test_a_clock_that_was_set_back_is_a_note(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.open_channel()
    world.alice.now_ms -= 3_600_000
    world.stop()
    report = audit(tmp_path / "alice")
    assert report.findings == []
    assert [note.message for note in report.notes] == [
        "its time is 3600000 ms before an earlier record's"
    ]


def test_money_that_was_never_paid_out_is_named_at_the_end(closed: Path, tmp_path: Path) -> None:
    from node.store.record import encode_record

    seq = seq_of(closed / "alice", events.WithdrawCompleted, 1)
    harmless = encode_record(
        seq, 1_804_067_200_000, None, events.MessageAcked(bytes(32), "0x" + "00" * 20, 1)
    )
    report = audit(rewritten(closed / "alice", tmp_path / "unpaid", {seq: harmless}))
    assert "funds" in checks(report)
    assert any("not its final outcome" in finding.message for finding in report.findings)
