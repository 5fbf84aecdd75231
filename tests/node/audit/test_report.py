"""Faults make a log unsound, notes do not."""

import msgspec

from node.audit.report import END, FINDING_COUNT_MAX, NOTE, NOTE_COUNT_MAX, AuditReport, Finding


def test_a_note_is_kept_apart_from_the_faults() -> None:
    report = AuditReport("log")
    report.add(Finding(3, "end", "not stopped cleanly", severity=NOTE))
    assert report.is_sound
    assert len(report.notes) == 1
    report.add(Finding(3, "chain", "broken"))
    assert not report.is_sound


def test_faults_beyond_the_bound_are_counted_only() -> None:
    report = AuditReport("log")
    for seq in range(FINDING_COUNT_MAX + 5):
        report.add(Finding(seq, "chain", "broken"))
    assert len(report.findings) == FINDING_COUNT_MAX
    assert report.dropped_count == 5


def test_notes_beyond_the_bound_are_counted_but_for_that_of_the_end() -> None:
    report = AuditReport("log")
    for seq in range(NOTE_COUNT_MAX + 5):
        report.add(Finding(seq, "record", "its time is before", severity=NOTE))
    report.add(Finding(9, END, "not stopped cleanly", severity=NOTE))
    assert (len(report.notes), report.dropped_note_count) == (NOTE_COUNT_MAX + 1, 5)
    assert report.notes[-1].check == END


def test_a_finding_is_plain_data() -> None:
    assert msgspec.to_builtins(Finding(3, "chain", "broken", "000004.log")) == {
        "seq": 3,
        "check": "chain",
        "message": "broken",
        "file": "000004.log",
        "severity": "fault",
        "last_seq": None,
    }
