"""The audit itself: files first, then every record by every family of checks, then the ends.

Behind a gap the ground is gone: what needs the records before (states, vouchers, money, the fold)
stops at the first one, and only each record for itself is still checked.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from node.audit import directory
from node.audit.batches import BatchCheck
from node.audit.entry import Entry, Undecodable, decode_entry
from node.audit.facts import Facts
from node.audit.families import FamilyCheck
from node.audit.fold import FoldCheck
from node.audit.funds import FundsCheck
from node.audit.hub import HubCheck
from node.audit.ledgers import LedgerCheck
from node.audit.reader import Gap, LogReader, Stored
from node.audit.records import ChainCheck, RecordCheck
from node.audit.report import NOTE, AuditReport, Finding
from node.audit.states import StateCheck
from node.audit.transactions import ObjectiveCheck, TransactionCheck
from node.audit.virtual import VirtualCheck
from node.audit.vouchers import VoucherCheck
from node.store.errors import LogDamaged, LogMissing
from node.store.record import CHAIN_SIZE_BYTES
from protocols.events import LogTailCut, NodeRestored, StateDigestRecorded

Progress = Callable[[int, int], None]
"""Told (records done, records in all) now and then."""

PROGRESS_RECORD_COUNT = 500
"""Records between two calls of a progress callback."""


def audit(path: Path, progress: Progress | None = None) -> AuditReport:
    """Read and check the log in directory `path`; raises `LogMissing` if there is none.

    Nothing is changed, and a node may be running: then what it wrote until now is checked.
    """
    if not directory.is_log(path):
        raise LogMissing(str(path))
    run = _Run(path, progress)
    run.read()
    return run.report


class _Run:
    """One audit: the checks with what they remember, and the report they write."""

    def __init__(self, path: Path, progress: Progress | None) -> None:
        self.report = AuditReport(str(path))
        self._path = path
        self._progress = progress
        self._facts = Facts()
        self._chain = ChainCheck()
        self._record = RecordCheck()
        self._fold = FoldCheck()
        self._families = FamilyCheck()
        self._funds = FundsCheck(self._facts)
        self._batches = BatchCheck(self._facts)
        self._hub = HubCheck(self._facts)
        self._rules = (
            StateCheck(self._facts),
            LedgerCheck(self._facts),
            VirtualCheck(self._facts),
            VoucherCheck(self._facts),
            self._batches,
            self._funds,
            self._hub,
            TransactionCheck(self._facts),
            ObjectiveCheck(self._facts),
        )
        self._on_ground = True
        """False behind the first gap."""
        self._last: Entry | None = None

    def read(self) -> None:
        """The whole audit."""
        damages = list(self._file_damages())
        try:
            reader = LogReader.open(self._path)
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
            cut = directory.cut_tail(self._path)
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
        for file, reason in directory.damaged_tables(self._path):
            first, last = reader.seqs_in(file) or (None, None)
            holds = "no records" if first is None else f"records {first} to {last}"
            message = f"{file}, which holds {holds}: {reason}"
            self.report.add(Finding(first, directory.CHECK, message, file, last_seq=last))

    # --- records ---

    def _records(self, reader: LogReader) -> None:
        total = reader.known_length()
        for item in reader.records():
            if isinstance(item, Gap):
                self._gap(item)
                continue
            self._stored(item)
            self.report.records += 1
            if self._progress is not None and self.report.records % PROGRESS_RECORD_COUNT == 0:
                self._progress(self.report.records, max(total, self.report.records))
        if self._progress is not None:
            self._progress(self.report.records, self.report.records)

    def _gap(self, gap: Gap) -> None:
        self._chain.restart()
        self._on_ground = False
        last = "the end" if gap.last_seq is None else str(gap.last_seq)
        where = "" if gap.file is None else f" in {gap.file}"
        message = f"records {gap.first_seq} to {last}{where} cannot be read: {gap.reason}"
        self.report.add(
            Finding(gap.first_seq, "sequence", message, gap.file, last_seq=gap.last_seq)
        )

    def _stored(self, stored: Stored) -> None:
        seq = stored.seq
        self._add(seq, self._chain.name, self._chain.check(seq, stored.value))
        try:
            entry = decode_entry(stored.value[CHAIN_SIZE_BYTES:])
        except Undecodable as error:
            self.report.add(Finding(seq, self._record.name, str(error)))
            self._on_ground = False
            self._last = None
            return
        self._last = entry
        self._add(seq, self._record.name, self._record.check(entry, seq))
        fell = self._record.clock_fell(entry)
        if fell is not None:
            self.report.add(Finding(seq, self._record.name, fell, severity=NOTE))
        if not self._on_ground:
            return
        for rule in self._rules:
            self._add(seq, rule.name, rule.check(entry))
        self._add(seq, self._fold.name, self._fold.check(entry))
        self._families.gather(entry)
        self._facts.apply(entry.event)
        if isinstance(entry.event, LogTailCut):
            message = (
                f"a tail of {entry.event.cut_size_bytes} bytes of {entry.event.file_name} was cut "
                "here: every channel before may only be closed (M27)"
            )
            self.report.add(Finding(seq, "tail", message, severity=NOTE))
        if isinstance(entry.event, NodeRestored):
            message = (
                f"a backup of {entry.event.record_count} records was put in place here: every "
                "channel before may only be closed (M27)"
            )
            self.report.add(Finding(seq, "tail", message, severity=NOTE))

    def _add(self, seq: int | None, check: str, messages: Iterator[str]) -> None:
        for message in messages:
            self.report.add(Finding(seq, check, message))

    # --- ends ---

    def _ends(self, reader: LogReader) -> None:
        if self._on_ground:
            for family in (self._funds, self._batches, self._hub):
                self._add(None, family.name, family.finish())
            for message, file in self._families.compare(reader, self._fold.state):
                self.report.add(Finding(None, self._families.name, message, file))
            length = reader.synced_length()
            if length != self.report.records:
                message = f"{self.report.records} records are there, the newest batch says {length}"
                self.report.add(Finding(None, "sequence", message))
        if self.report.records == 0:
            self.report.add(Finding(0, "sequence", "there is no record 0"))
            return
        last = self._last.event if self._last is not None else None
        if not isinstance(last, StateDigestRecorded) or not last.clean_stop:
            message = "not stopped cleanly: the last record is no digest of a clean stop"
            seq = self.report.records - 1
            self.report.add(Finding(seq, "end", message, severity=NOTE))
