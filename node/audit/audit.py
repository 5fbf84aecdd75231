"""The audit itself: files first, then every record by every family of checks, then the ends."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from node.audit import directory
from node.audit.judge import Judge
from node.audit.reader import Block, Gap, LogReader
from node.audit.report import NOTE, AuditReport, Finding
from node.audit.scope import Scope
from node.audit.verdicts import Verdicts
from node.store.errors import LogDamaged, LogMissing
from node.verify.pool import core_count
from protocols.events import StateDigestRecorded

Progress = Callable[[int, int], None]
"""Told (records done, records in all) now and then."""

PROGRESS_RECORD_COUNT = 500
"""Records between two calls of a progress callback, at least."""


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """How to audit."""

    worker_count: int | None = None
    """Processes that check signatures; None: one for each core. Below 2 there are none."""
    by_blocks: bool = True
    """False: each record by itself, however plain it is; the findings are the same."""
    from_seq: int = 0
    """Judge what is recorded from this record on."""
    channel_id: bytes | None = None
    """Judge what concerns this channel."""
    rpc_urls: tuple[str, ...] = ()
    """Endpoints of the chain: what it says is compared, too."""


WHOLE = AuditPlan()
"""Everything in the log, nothing beside it."""


def audit(path: Path, progress: Progress | None = None, plan: AuditPlan = WHOLE) -> AuditReport:
    """Read and check the log in directory `path`; raises `LogMissing` if there is none.

    Nothing is changed, and a node may be running: then what it wrote until now is checked.
    """
    if not directory.is_log(path):
        raise LogMissing(str(path))
    report = AuditReport(str(path))
    worker_count = core_count() if plan.worker_count is None else plan.worker_count
    scope = Scope(plan.from_seq, plan.channel_id)
    with Verdicts(report, worker_count) as verdicts:
        judge = Judge(verdicts, scope, by_blocks=plan.by_blocks)
        _Run(path, progress, report, judge, verdicts).read()
    report.assumed += scope.assumptions()
    return report


@dataclass(eq=False)
class _Run:
    """One audit."""

    path: Path
    progress: Progress | None
    report: AuditReport
    judge: Judge
    verdicts: Verdicts

    def read(self) -> None:
        """The whole audit."""
        damages = list(self._file_damages())
        try:
            reader = LogReader.open(self.path)
        except LogDamaged as damage:
            self._add_damages([*damages, damage])
            return
        if reader.damage is not None:
            damages.append(reader.damage)
        try:
            self._tables(reader)
            self._records(reader)
            self._add_damages(damages)
            self._ends(reader)
        finally:
            reader.close()

    # --- files ---

    def _file_damages(self) -> Iterator[LogDamaged]:
        try:
            cut = directory.cut_tail(self.path)
        except LogDamaged as damage:
            yield damage
            return
        if cut is not None:
            reason = f"{cut.size_bytes} bytes at its end form no complete write: a torn tail"
            yield LogDamaged(reason, file=cut.file_name)

    def _add_damages(self, damages: list[LogDamaged]) -> None:
        """Findings for damaged files; those that name no record begin behind what was read."""
        seen = set()
        for damage in damages:
            if damage.file not in seen:
                self.report.add(directory.damage_finding(damage, self.report.records))
            seen.add(damage.file)

    def _tables(self, reader: LogReader) -> None:
        for file, reason in directory.damaged_tables(self.path):
            first, last = reader.seqs_in(file) or (None, None)
            holds = "no records" if first is None else f"records {first} to {last}"
            message = f"{file}, which holds {holds}: {reason}"
            self.report.add(Finding(first, directory.CHECK, message, file, last_seq=last))

    # --- records ---

    def _records(self, reader: LogReader) -> None:
        self.judge.start(reader)
        total, told = reader.known_length(), 0
        for item in reader.blocks():
            if isinstance(item, Gap):
                self.judge.gap(item)
                continue
            self.judge.take(item)
            self.report.records += len(item.values) if isinstance(item, Block) else len(item)
            if self.progress is not None and self.report.records - told >= PROGRESS_RECORD_COUNT:
                told = self.report.records
                self.progress(told, max(total, told))
        self.verdicts.settle()
        if self.progress is not None:
            self.progress(self.report.records, self.report.records)

    # --- ends ---

    def _ends(self, reader: LogReader) -> None:
        records = self.report.records
        for finding in self.judge.finish(reader, records):
            self.report.add(finding)
        if self.judge.on_ground:
            length = reader.synced_length()
            if length != records:
                message = f"{records} records are there, the newest batch says {length}"
                self.report.add(Finding(None, "sequence", message))
        if records == 0:
            self.report.add(Finding(0, "sequence", "there is no record 0"))
            return
        last = self.judge.last.event if self.judge.last is not None else None
        if not isinstance(last, StateDigestRecorded) or not last.clean_stop:
            message = "not stopped cleanly: the last record is no digest of a clean stop"
            self.report.add(Finding(records - 1, "end", message, severity=NOTE))
