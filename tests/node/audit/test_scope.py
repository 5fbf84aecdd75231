"""A part of an audit: faults outside of it are not told, those inside are."""

from collections.abc import Callable
from pathlib import Path

import pytest

from node.audit.audit import AuditPlan, audit
from node.audit.entry import decode_entry
from node.audit.scope import Scope
from node.store.record import encode_record
from protocols import events, ledger_events
from protocols.types import to_hex
from tests.support.audit_cases import History, alice, bob, changed, nth
from tests.support.audit_webs import hub, payer, write

BAD = {"signature": bytes(65)}


def audited(history: History, path: Path, plan: AuditPlan) -> list[int | None]:
    write(history, path)
    report = audit(path, plan=plan)
    assert bool(report.assumed) == bool(plan.from_seq)
    return [finding.seq for finding in report.findings]


def two_faults() -> tuple[History, int, int]:
    """Bob's log with two vouchers that nobody signed, and where they are."""
    kind = events.VoucherReceived
    history = changed(changed(bob(), kind, 1, **BAD), kind, 4, **BAD)
    return history, nth(history, kind, 1)[0], nth(history, kind, 4)[0]


@pytest.mark.slow
@pytest.mark.parametrize("by_blocks", [True, False])
def test_what_is_recorded_before_is_taken_for_granted(by_blocks: bool, tmp_path: Path) -> None:
    history, first, second = two_faults()
    # Written at another time, the history folds to other digests than those it records.
    digests = [s for s, e in enumerate(history) if isinstance(e, events.StateDigestRecorded)]
    whole = sorted([first, second, *digests])
    for from_seq in (0, first, first + 1, second, second + 1, 10_000):
        plan = AuditPlan(from_seq=from_seq, by_blocks=by_blocks, worker_count=0)
        found = audited(history, tmp_path / str(from_seq), plan)
        assert found == [seq for seq in whole if seq >= from_seq]


def test_bytes_are_checked_wherever_they_are(tmp_path: Path) -> None:
    write(payer(), tmp_path)
    report = audit(tmp_path, plan=AuditPlan(from_seq=30))
    assert report.findings == []
    assert report.records == len(payer())
    (assumed,) = report.assumed
    assert assumed.startswith("records 0 to 29: their bytes and their chain of hashes were checked")


@pytest.mark.slow
@pytest.mark.parametrize("history", [alice, bob, hub, payer])
def test_each_channel_of_an_honest_log_is_sound(
    history: Callable[[], History], tmp_path: Path
) -> None:
    write(history(), tmp_path)
    created = [e.channel_id for e in history() if isinstance(e, events.ChannelCreated)]
    assert created
    for channel_id in created:
        report = audit(tmp_path, plan=AuditPlan(channel_id=channel_id))
        assert report.findings == []
        assert to_hex(channel_id) in report.assumed[0]


def test_faults_of_one_channel_are_not_told_of_another(tmp_path: Path) -> None:
    kind = ledger_events.LedgerUpdateReceived
    history = changed(hub(), kind, **BAD)
    seq, event = nth(history, kind)
    assert isinstance(event, ledger_events.LedgerUpdateReceived)
    write(history, tmp_path)
    found = {
        channel_id: [f.seq for f in audit(tmp_path, plan=AuditPlan(channel_id=channel_id)).findings]
        for channel_id in {e.channel_id for e in history if isinstance(e, events.ChannelCreated)}
    }
    concerned = {event.channel_id, event.target} & found.keys()
    assert {channel_id for channel_id, seqs in found.items() if seqs} == concerned
    assert all(found[channel_id] == [seq] for channel_id in concerned)


def test_a_channels_transactions_and_objectives_concern_it() -> None:
    channel_id = nth(alice(), events.ChannelCreated)[1].channel_id
    scope, other = Scope(channel_id=channel_id), Scope(channel_id=b"\x05" * 32)
    kinds = (events.TransactionRequested, events.TransactionMined, events.ObjectiveCompleted)
    entries = [decode_entry(encode_record(seq, 5, None, e)) for seq, e in enumerate(alice())]
    assert {type(entry.event) for entry in entries} >= {*kinds, events.NodeCreated}
    for entry in entries:
        if isinstance(entry.event, kinds):
            assert scope.covers(entry), entry
            assert not other.covers(entry)
        if isinstance(entry.event, events.NodeCreated):
            assert not scope.covers(entry)
