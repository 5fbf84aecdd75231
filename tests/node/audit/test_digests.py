"""Digests against the fold, at once or long after."""

from __future__ import annotations

from typing import Any

from node.audit.digests import DigestCheck
from node.audit.fold import FoldCheck
from node.store.batch import DIGESTS_ENTITY
from node.store.kv import ENTITY, LOG, KeyValueDamaged
from node.store.memory import MemoryKeyValue
from node.store.record import seq_key
from protocols import events
from tests.support.audit_cases import History, alice, bob, changed, entries, nth, without
from tests.support.snapshot_logs import SnapshotLog

DIGEST = events.StateDigestRecorded


def faults(history: History, counts: set[int] | None = None) -> list[tuple[int, str]]:
    """What is said of a history whose fold is looked at in these places: by default, all."""
    check, fold, found = DigestCheck(), FoldCheck(), []
    for entry in entries(history):
        if counts is None or entry.seq in counts:
            assert fold.state is not None
            assert list(check.look(entry.seq, fold.state)) == []
        if isinstance(entry.event, DIGEST):
            found += [(entry.seq, text) for text in check.check(entry)]
        assert list(fold.check(entry)) == []
    return found


def at_recorded_times(history: History) -> History:
    """Objectives remember when they were created; these histories are all told at one time."""
    fold = FoldCheck()
    told: History = []
    for entry in entries(history):
        event = entry.event
        if isinstance(event, DIGEST):
            assert fold.state is not None
            count = len(list(fold.state.entities()))
            event = DIGEST(fold.state.digest(), count, event.clean_stop, entry.seq)
        told.append(event)
        list(fold.check(entry))
    return told


def test_every_digest_of_an_honest_history_is_the_folds() -> None:
    for history in (alice(), bob()):
        assert faults(at_recorded_times(history)) == []


def test_a_wrong_digest_or_count_is_named() -> None:
    honest = at_recorded_times(alice())
    seq, _ = nth(honest, DIGEST)
    ((at, text),) = faults(changed(honest, DIGEST, digest=b"\x01" * 32))
    assert at == seq
    assert "fold to" in text
    ((at, text),) = faults(changed(honest, DIGEST, entity_count=1))
    assert at == seq
    assert "not 1 with" in text


def test_a_digest_of_records_that_are_not_there_is_named() -> None:
    honest = at_recorded_times(alice())
    found = faults(without(honest, events.VoucherIssued))
    assert ["of which" in text for _, text in found] == [True, True]


def test_a_digest_of_records_long_before_is_compared() -> None:
    history = [event for event in at_recorded_times(alice()) if not isinstance(event, DIGEST)]
    fold = FoldCheck()
    for entry in entries(history[:5]):
        list(fold.check(entry))
    assert fold.state is not None
    sums = fold.state.sum_up()
    honest = DIGEST(sums.digest, sums.entity_count, False, 5)
    assert faults([*history[:9], honest], {5}) == []
    wrong = DIGEST(sums.digest, sums.entity_count + 1, False, 5)
    ((_, text),) = faults([*history[:9], wrong], {5})
    assert text.startswith("the first 5 records fold to")
    ((_, text),) = faults([*history[:9], honest], {4})
    assert text == "it is about 5 records, and the index does not name it"


class Reader:
    """What the check asks of a log's reader."""

    def __init__(self, store: MemoryKeyValue) -> None:
        self.store = store


class Damaged(MemoryKeyValue):
    """An index on a bad block."""

    def blocks(self, family, start=b"", stop=None):  # type: ignore[no-untyped-def]
        if family == ENTITY:
            raise KeyValueDamaged("a bad block")
        return super().blocks(family, start, stop)


def stops(store: MemoryKeyValue) -> set[int]:
    reader: Any = Reader(store)
    return set(DigestCheck().stops(reader))


def recorded(store: MemoryKeyValue) -> SnapshotLog:
    log = SnapshotLog(store)
    created = alice()[0]
    log.write([(0, created), *((0, DIGEST(bytes(32), 1, False, count)) for count in (1, 2, 1))])
    return log


def test_the_index_says_of_how_many_records_there_are_digests() -> None:
    store = recorded(MemoryKeyValue()).kv
    assert stops(store) == {1, 2}
    batch = store.new_batch()
    batch.put(DIGESTS_ENTITY + seq_key(0), b"", ENTITY)
    batch.put(DIGESTS_ENTITY + seq_key(99), b"", ENTITY)
    store.write(batch)
    assert stops(store) == {1, 2}


def test_an_index_or_a_record_that_cannot_be_read_is_left_to_who_reads_all() -> None:
    assert stops(recorded(Damaged()).kv) == set()
    store = recorded(MemoryKeyValue()).kv
    batch = store.new_batch()
    batch.put(seq_key(2), b"\x00" * 32 + b"no record", LOG)
    store.write(batch)
    assert stops(store) == {1}
