"""The audit itself: files first, then every record by every family of checks, then the ends."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from node.audit import directory
from node.audit.chain_facts import ChainFactsCheck
from node.audit.entry import Undecodable, decode_entry
from node.audit.facts import Facts
from node.audit.judge import Judge
from node.audit.limits import COLLECTION_THRESHOLD
from node.audit.reader import Block, Gap, LogReader
from node.audit.report import END, NOTE, AuditReport, Finding
from node.audit.scope import Scope
from node.audit.verdicts import Verdicts
from node.store.errors import LogDamaged, LogMissing
from node.store.kv import KeyValueDamaged
from node.store.record import CHAIN_SIZE_BYTES
from node.verify.pool import core_count
from protocols.events import NodeCreated, StateDigestRecorded

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
    With endpoints of the chain in the plan it raises `ChainError` if none of them can be asked.
    """
    if not directory.is_log(path):
        raise LogMissing(str(path))
    report = AuditReport(str(path))
    worker_count = core_count() if plan.worker_count is None else plan.worker_count
    scope = Scope(plan.from_seq, plan.channel_id)
    chain = ChainFactsCheck()
    others = (chain,) if plan.rpc_urls else ()
    if plan.rpc_urls:
        _require_endpoint(path, plan.rpc_urls)
    with _rarely_collecting(), Verdicts(report, worker_count) as verdicts:
        judge = Judge(verdicts, scope, others, by_blocks=plan.by_blocks)
        _Run(path, progress, report, judge, verdicts).read()
    if plan.rpc_urls and judge.on_ground and judge.facts.node is not None:
        _compare(plan, chain, judge.facts, judge.facts.node, report)
    report.assumed += scope.assumptions()
    return report


@contextmanager
def _rarely_collecting() -> Iterator[None]:
    """Few objects of an audit refer to each other in circles, and millions come and go: to look
    for circles among them as often as usual is a fifteenth of its time."""
    before = gc.get_threshold()
    gc.set_threshold(COLLECTION_THRESHOLD, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _require_endpoint(path: Path, urls: Sequence[str]) -> None:
    """Before an hour's work: that there is somebody to ask, as far as the log says of what."""
    from node.audit.chain_compare import require_endpoint

    try:
        reader = LogReader.open(path)
    except LogDamaged:
        return
    try:
        first = [decode_entry(v[CHAIN_SIZE_BYTES:]).event for _, v in reader.values(0, 1)]
    except (Undecodable, KeyValueDamaged):
        return
    finally:
        reader.close()
    if first and isinstance(first[0], NodeCreated):
        require_endpoint(urls, first[0])


def _compare(
    plan: AuditPlan, chain: ChainFactsCheck, facts: Facts, node: NodeCreated, report: AuditReport
) -> None:
    # The chain room brings web3 along, which takes a second to load.
    from node.audit.chain_compare import compare

    faults, unasked = compare(plan.rpc_urls, chain, facts, node, plan.channel_id)
    for fault in faults:
        if fault.seq is None or fault.seq == 0 or fault.seq >= plan.from_seq:
            report.add(Finding(fault.seq, chain.name, fault.message))
    report.assumed += [f"the chain could not be asked for {what}" for what in unasked]


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
            self.report.add(Finding(records - 1, END, message, severity=NOTE))
