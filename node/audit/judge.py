"""Every record by every family, in order: block by block where a log is plainly in order.

Behind a gap the ground is gone: what needs the records before (states, vouchers, money, the fold)
stops at the first one, and only each record for itself is still checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from node.audit.apps import AppCheck
from node.audit.batches import BatchCheck
from node.audit.blocks import plain_entries
from node.audit.books import BookCheck
from node.audit.checks import Check, Ground
from node.audit.digests import DigestCheck
from node.audit.entry import Entry, Undecodable, decode_entry
from node.audit.facts import Facts
from node.audit.families import FamilyCheck
from node.audit.fold import FoldCheck
from node.audit.funds import FundsCheck
from node.audit.halts import HaltCheck
from node.audit.heads import HeadCheck
from node.audit.hub import HubCheck
from node.audit.kits import KitCheck
from node.audit.ledgers import LedgerCheck
from node.audit.outbox import OutboxCheck
from node.audit.reader import Block, Gap, LogReader, Stored
from node.audit.records import ChainCheck, RecordCheck
from node.audit.report import NOTE, Finding
from node.audit.resumptions import ResumptionCheck
from node.audit.runs import RUN_KINDS, VoucherRuns, runs_of
from node.audit.scope import Scope
from node.audit.settlements import SettlementCheck
from node.audit.snapshots import SnapshotCheck
from node.audit.states import StateCheck
from node.audit.transactions import ObjectiveCheck, TransactionCheck
from node.audit.verdicts import Verdicts
from node.audit.virtual import VirtualCheck
from node.audit.vouchers import VoucherCheck
from node.store.record import CHAIN_SIZE_BYTES
from node.verify.claims import Said
from protocols.events import Event, LogTailCut, NodeRestored


def families(
    facts: Facts, fold: FoldCheck, batches: BatchCheck, others: Sequence[Check]
) -> tuple[Check, ...]:
    """All families, in the order in which they speak of a record.

    A new one is added before `others`, which are of this audit alone.
    """
    return (
        StateCheck(facts),
        LedgerCheck(facts),
        ResumptionCheck(facts),
        VirtualCheck(facts),
        VoucherCheck(facts),
        AppCheck(facts),
        batches,
        FundsCheck(facts),
        SettlementCheck(facts),
        KitCheck(facts),
        HubCheck(facts),
        TransactionCheck(facts),
        HaltCheck(facts),
        ObjectiveCheck(facts),
        OutboxCheck(fold),
        FamilyCheck(),
        HeadCheck(facts),
        BookCheck(facts),
        DigestCheck(),
        SnapshotCheck(),
        *others,
    )


class Judge:
    """What an audit knows of the records until now."""

    def __init__(
        self,
        verdicts: Verdicts,
        scope: Scope | None = None,
        others: Sequence[Check] = (),
        *,
        by_blocks: bool = True,
    ) -> None:
        """`by_blocks` False looks at each record by itself, however plain it is."""
        self._verdicts = verdicts
        self._scope = scope or Scope()
        self._by_blocks = by_blocks
        self.facts = Facts()
        batches = BatchCheck(self.facts)
        is_whole = self._scope.channel_id is None
        self._fold = FoldCheck(is_wanted=is_whole)
        self._checks = tuple(
            check
            for check in families(self.facts, self._fold, batches, others)
            if is_whole or check.is_of_channels
        )
        self._runs = VoucherRuns(self.facts, batches)
        self._chain = ChainCheck()
        self._record = RecordCheck()
        self._of_kind: dict[type[Event], list[Check]] = {}
        self._stops: dict[int, list[Check]] = {}
        self.on_ground = True
        """False behind the first gap."""
        self.last: Entry | None = None
        """The last record; None if it could not be decoded."""

    def start(self, reader: LogReader) -> None:
        """Before the first record."""
        for check in self._checks:
            for seq in check.stops(reader):
                self._stops.setdefault(seq, []).append(check)

    def take(self, item: Block | list[Stored]) -> None:
        """The next records."""
        if isinstance(item, Block) and item.first_seq == 0 and len(item.values) > 1:
            # Record 0 is like no other: it begins the chain.
            self.take(Block(0, item.values[:1]))
            item = Block(1, item.values[1:])
        entries = self._plain(item) if isinstance(item, Block) else None
        if entries is None or not isinstance(item, Block):
            for stored in item.records() if isinstance(item, Block) else item:
                self._stored(stored)
            return
        self.last = entries[-1]
        self._chain.passed(item.values[-1])
        self._record.passed(entries[-1].time_ms)
        if self.on_ground:
            self._chained(item.values)
            for part in self._parts(entries):
                self._judge_part(part)

    def gap(self, gap: Gap) -> None:
        """Records that cannot be read."""
        self._chain.restart()
        self.on_ground = False
        last = "the end" if gap.last_seq is None else str(gap.last_seq)
        where = "" if gap.file is None else f" in {gap.file}"
        message = f"records {gap.first_seq} to {last}{where} cannot be read: {gap.reason}"
        finding = Finding(gap.first_seq, "sequence", message, gap.file, last_seq=gap.last_seq)
        self._verdicts.add(gap.first_seq, finding)

    def finish(self, reader: LogReader, record_count: int) -> Iterator[Finding]:
        """What is compared when all records were read."""
        if not self.on_ground:
            return
        self._look(record_count)
        ground = Ground(reader, self.facts, self._fold.state, record_count)
        for check in self._checks:
            for fault in check.finish(ground):
                if not self._scope.is_of_interest(fault.message):
                    continue
                yield Finding(fault.seq, check.name, fault.message, fault.file)

    # --- many at once ---

    def _plain(self, block: Block) -> list[Entry] | None:
        chain = self._chain.stored
        if chain is None or block.first_seq == 0 or not self._by_blocks:
            return None
        return plain_entries(block.values, block.first_seq, chain, self._record.time_ms)

    def _parts(self, entries: list[Entry]) -> Iterator[list[Entry]]:
        """The records up to each place where somebody wants to see the fold."""
        first = entries[0].seq
        stops = {*self._stops, self._scope.from_seq}
        places = sorted(seq for seq in stops if first <= seq < first + len(entries))
        start = 0
        for seq in places:
            if seq - first > start:
                yield entries[start : seq - first]
            start = seq - first
            self._look(seq)
        yield entries[start:]

    def _judge_part(self, entries: list[Entry]) -> None:
        for run in runs_of(entries):
            if type(run[0].event) not in RUN_KINDS or not self._judge_run(run):
                for entry in run:
                    self._judge(entry)
        self._taken(entries)

    def _judge_run(self, run: Sequence[Entry]) -> bool:
        claim = self._runs.judge(run)
        if claim is None:
            return False
        if self._scope.covers(run[0]):
            self._verdicts.say(run[0].seq, VoucherCheck.name, claim)
        for seq, message in self._fold.check_run(run):
            if self._scope.covers_fold(seq):
                self._verdicts.say(seq, self._fold.name, message)
        self._verdicts.pause()
        return True

    # --- one by one ---

    def _stored(self, stored: Stored) -> None:
        seq = stored.seq
        self._say(seq, self._chain.name, self._chain.check(seq, stored.value))
        try:
            entry = decode_entry(stored.value[CHAIN_SIZE_BYTES:])
        except Undecodable as error:
            self._verdicts.say(seq, self._record.name, str(error))
            self.on_ground = False
            self.last = None
            return
        self.last = entry
        self._say(seq, self._record.name, self._record.check(entry, seq))
        fell = self._record.clock_fell(entry)
        if fell is not None:
            self._verdicts.add(seq, Finding(seq, self._record.name, fell, severity=NOTE))
        if self.on_ground:
            self._chained([stored.value])
            self._look(seq)
            self._judge(entry)
            self._taken([entry])

    def _judge(self, entry: Entry) -> None:
        seq, event = entry.seq, entry.event
        is_covered = self._scope.covers(entry)
        for check in self._judging(type(event)):
            # What is taken for granted is judged all the same: a family remembers what it judged.
            said = list(check.check(entry))
            if said and is_covered:
                self._say(seq, check.name, said)
        folded = list(self._fold.check(entry))
        if folded and self._scope.covers_fold(seq):
            self._say(seq, self._fold.name, folded)
        self.facts.apply(event)
        if isinstance(event, LogTailCut):
            message = (
                f"a tail of {event.cut_size_bytes} bytes of {event.file_name} was cut "
                "here: every channel before may only be closed (M27)"
            )
            self._verdicts.add(seq, Finding(seq, "tail", message, severity=NOTE))
        if isinstance(event, NodeRestored):
            message = (
                f"a backup of {event.record_count} records was put in place here: every "
                "channel before may only be closed (M27)"
            )
            self._verdicts.add(seq, Finding(seq, "tail", message, severity=NOTE))
        self._verdicts.pause()

    def _judging(self, kind: type[Event]) -> list[Check]:
        checks = self._of_kind.get(kind)
        if checks is None:
            checks = [
                check for check in self._checks if check.judges is None or kind in check.judges
            ]
            self._of_kind[kind] = checks
        return checks

    def _chained(self, values: Sequence[bytes]) -> None:
        chain_hashes = [value[:CHAIN_SIZE_BYTES] for value in values]
        for check in self._checks:
            check.chained(chain_hashes)

    def _taken(self, entries: Sequence[Entry]) -> None:
        for check in self._checks:
            for seq, message in check.take(entries):
                if self._scope.covers(entries[seq - entries[0].seq]):
                    self._verdicts.say(seq, check.name, message)

    def _look(self, seq: int) -> None:
        state = self._fold.state
        for check in self._stops.get(seq, ()):
            if state is not None and self._scope.covers_fold(seq):
                self._say(seq, check.name, check.look(seq, state))

    def _say(self, seq: int, name: str, said: Iterable[Said]) -> None:
        for one in said:
            self._verdicts.say(seq, name, one)
