"""What is said of records becomes a report, in the order of the records and of the families.

Faults are known at once; whether a signature is there is known once somebody looked. What is said
waits in groups until all signatures of its group were looked at, here or by worker processes, so
that a report is the same however many they are.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from operator import itemgetter

from node.audit.limits import UNSETTLED_COUNT_MAX
from node.audit.report import AuditReport, Finding
from node.verify.claims import Claim, Said, SignatureBook, SignedTotals, claim_faults
from node.verify.limits import BATCH_SIGNATURE_COUNT, POOL_SIGNATURE_COUNT_MIN
from node.verify.pool import Batch, VerifierPool


@dataclass(eq=False)
class _Group:
    """Records that follow each other: what was said of them."""

    findings: list[tuple[int, int, Finding]] = field(default_factory=list)
    """(record, place in what was said, finding)."""
    claims: list[Claim] = field(default_factory=list)
    origins: list[tuple[int, int, str]] = field(default_factory=list)
    """By claim: its place in what was said, the (first) record, the family."""
    signature_count: int = 0
    batch: Batch | None = None


class Verdicts:
    """Takes what is said, record after record. Use it in a `with`: it may hold processes."""

    def __init__(self, report: AuditReport, worker_count: int) -> None:
        """With fewer than two workers everything is looked at here."""
        self._report = report
        self._worker_count = worker_count
        self._pool: VerifierPool | None = None
        self._book = SignatureBook()
        self._group = _Group()
        self._groups: deque[_Group] = deque()
        self._waiting_count = 0
        """Signatures in groups that nobody looks at yet."""

    def __enter__(self) -> Verdicts:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()

    def say(self, seq: int, check: str, said: Said) -> None:
        """A family says something of a record; a run of vouchers begins with it."""
        if isinstance(said, str):
            self.add(seq, Finding(seq, check, said))
            return
        group = self._group
        group.origins.append((len(group.findings) + len(group.claims), seq, check))
        group.claims.append(said)
        group.signature_count += len(said.totals32) if isinstance(said, SignedTotals) else 1

    def add(self, seq: int, finding: Finding) -> None:
        """A finding that belongs to where record `seq` is."""
        group = self._group
        group.findings.append((seq, len(group.findings) + len(group.claims), finding))

    def pause(self) -> None:
        """Between two records: what was said so far may be settled."""
        if max(self._group.signature_count, len(self._group.findings)) >= BATCH_SIGNATURE_COUNT:
            self._close_group()
            self._settle(UNSETTLED_COUNT_MAX)

    def settle(self) -> None:
        """Wait until everything that was said is in the report."""
        self._close_group()
        self._settle(0)

    def _close_group(self) -> None:
        group, self._group = self._group, _Group()
        self._groups.append(group)
        self._waiting_count += group.signature_count
        if self._pool is None and self._waiting_count >= POOL_SIGNATURE_COUNT_MIN:
            if self._worker_count > 1:
                self._pool = VerifierPool(self._worker_count)
            else:
                self._settle(0)
                self._waiting_count = 0
        if self._pool is not None:
            for waiting in self._groups:
                if waiting.batch is None:
                    waiting.batch = self._pool.hand_in(waiting.claims)
            self._waiting_count = 0

    def _settle(self, left_count: int) -> None:
        """Report the oldest groups until so many are left, and those that are known anyway."""
        groups = self._groups
        while groups:
            batch = groups[0].batch
            if batch is None:
                if left_count:
                    return
                failed = self._book.failed(groups[0].claims)
            elif batch.failed is None and len(groups) <= left_count:
                return
            else:
                assert self._pool is not None, "who has a batch has it from a pool"
                failed = self._pool.result(batch)
            self._report_group(groups.popleft(), failed)

    def _report_group(self, group: _Group, failed: list[int]) -> None:
        found = list(group.findings)
        for place in failed:
            at, seq, check = group.origins[place]
            for offset, fault in claim_faults(group.claims[place]):
                found.append((seq + offset, at, Finding(seq + offset, check, fault)))
        for _, _, finding in sorted(found, key=itemgetter(0, 1)):
            self._report.add(finding)
