"""What an audit says: findings that make it fail, and notes that do not."""

from dataclasses import dataclass, field

FINDING_COUNT_MAX = 200
"""Findings kept: one wrong byte can make every later line of a log wrong."""

NOTE_COUNT_MAX = 200
"""Notes kept, but for that of the log's end: a clock that was set back is worth one for each record
until it has caught up."""

FAULT = "fault"
"""The log is damaged, or its node broke a rule."""
NOTE = "note"
"""Worth knowing, and no fault: the node was killed, or a tail was cut and recorded."""

END = "end"
"""Of the note about how the log ends."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    seq: int | None
    """The record, or the first of those concerned; None if it is none in particular."""
    check: str
    """Which family of checks found it."""
    message: str
    """What was expected and what was found."""
    file: str | None = None
    """The file on disk, when the finding is about bytes."""
    severity: str = FAULT
    """FAULT or NOTE."""
    last_seq: int | None = None
    """The last record concerned, when there is a range; None with a `seq`: that one, or up to the
    end where the message says so."""


@dataclass(slots=True)
class AuditReport:
    """The audit of one log."""

    log: str
    """The directory."""
    records: int = 0
    """Records that could be read."""
    findings: list[Finding] = field(default_factory=list)
    """Faults, in the order found: any of them makes the log unsound."""
    notes: list[Finding] = field(default_factory=list)
    """What is worth knowing and no fault."""
    assumed: list[str] = field(default_factory=list)
    """What was taken for granted because the caller asked for a part of the audit only."""
    dropped_count: int = 0
    """Faults beyond FINDING_COUNT_MAX, counted only."""
    dropped_note_count: int = 0
    """Notes beyond NOTE_COUNT_MAX, counted only."""

    @property
    def is_sound(self) -> bool:
        """True if nothing was found."""
        return not self.findings

    def add(self, finding: Finding) -> None:
        """Keep a finding where it belongs."""
        if finding.severity == NOTE:
            if len(self.notes) < NOTE_COUNT_MAX or finding.check == END:
                self.notes.append(finding)
            else:
                self.dropped_note_count += 1
        elif len(self.findings) < FINDING_COUNT_MAX:
            self.findings.append(finding)
        else:
            self.dropped_count += 1
