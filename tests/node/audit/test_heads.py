"""Heads: a root that is not the records', a signature that is not the node's, a tree of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from node.audit.checks import Ground
from node.audit.entry import decode_entry
from node.audit.facts import Facts
from node.audit.heads import HeadCheck
from node.audit.reader import LogReader
from node.store.kv import TREE, KeyValueDamaged
from node.store.log import EventLog
from node.store.memory import MemoryKeyValue
from node.store.record import encode_record
from protocols.event import Event
from protocols.events import NodeCreated
from protocols.head_events import LogHeadDisputed, LogHeadReceived, LogHeadSigned
from protocols.log_head import LogHead, LogOwner, sign_head
from tests.support.actors import ALICE, BOB, Actor
from tests.support.builders import ADJUDICATOR, CHAIN_ID, CONSENSUS_APP, PAYMENT_APP
from tests.support.logs import TIME_MS, payment

COUNT = 300
ROOT = b"\x07" * 32


def head(length: int, by: Actor = BOB, root: bytes = ROOT) -> LogHead:
    return sign_head(LogOwner(CHAIN_ID, ADJUDICATOR, by.address), length, root, by.signer)


def received(length: int, by: Actor = BOB) -> LogHeadReceived:
    shown = head(length, by)
    return LogHeadReceived(BOB.address, shown.length, shown.root, shown.signature)


def dispute(held: LogHead, shown: LogHead, kind: str) -> LogHeadDisputed:
    values = (held.length, held.root, held.signature, shown.length, shown.root, shown.signature)
    return LogHeadDisputed(BOB.address, kind, *values)


def signed_log(kv: MemoryKeyValue, *more: Event, change: dict[str, object] | None = None) -> None:
    """ALICE's log: 300 records, a head of hers, then `more`."""
    log = EventLog.open(Path(), kv=kv)
    batch = log.begin(TIME_MS)
    batch.append(NodeCreated(1, CHAIN_ID, ADJUDICATOR, PAYMENT_APP, CONSENSUS_APP, ALICE.address))
    batch.append_run([payment(seq) for seq in range(1, COUNT)], None, None)
    log.commit(batch)
    while log.grow_tree():
        pass
    ours = head(COUNT, ALICE, log.tree.root(COUNT))
    batch = log.begin(TIME_MS)
    first = LogHeadSigned(ours.length, ours.root, ours.signature)
    batch.append(replace(first, **(change or {})))
    for event in more:
        batch.append(event)
    log.commit(batch)
    log.close()
    kv.reopen()


class Reader(LogReader):
    """Stands for a directory whose tree is given."""

    def __init__(self, nodes: Iterator[tuple[bytes, bytes]]) -> None:
        self._nodes = nodes

    def entries(self, family: str) -> Iterator[tuple[bytes, bytes]]:
        assert family == TREE
        return self._nodes


def findings(
    kv: MemoryKeyValue, nodes: Iterator[tuple[bytes, bytes]] | None = None
) -> list[tuple[int | None, str]]:
    """What the check says of the log in `kv`."""
    facts, reader = Facts(), Reader(kv.iterate(TREE) if nodes is None else nodes)
    check = HeadCheck(facts)
    assert list(check.stops(reader)) == []
    log = EventLog.open(Path(), kv=kv)
    check.chained([log.chain_at(seq) for seq in range(log.next_seq)])
    found: list[tuple[int | None, str]] = []
    for pairs in log.event_blocks():
        entries = []
        for record, event in pairs:
            raw = encode_record(record.seq, record.time_ms, record.cause_seq, event)
            entries.append(decode_entry(raw))
            facts.apply(event)
        found += check.take(entries)
    ground = Ground(reader, facts, None, log.next_seq)
    return [*found, *((fault.seq, fault.message) for fault in check.finish(ground))]


def test_an_honest_log_has_true_heads_and_its_own_tree() -> None:
    kv = MemoryKeyValue()
    held = head(10)
    signed_log(kv, received(10), dispute(held, head(9), "shortened"), received(11))
    assert len(list(kv.iterate(TREE))) == 7
    assert findings(kv) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"root": ROOT}, f"the root over {COUNT} records is 0x"),
        ({"length": COUNT - 1}, f"the head is of {COUNT - 1} records, {COUNT} are before it"),
        (
            {"signature": head(COUNT).signature},
            "the head is not signed by 0x",
        ),
    ],
)
def test_a_head_that_is_not_of_this_log_is_found(change: dict[str, object], words: str) -> None:
    kv = MemoryKeyValue()
    signed_log(kv, change=change)
    found = findings(kv)
    assert any(seq == COUNT and words in message for seq, message in found), found


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([received(10, ALICE)], "the peer's head is not signed"),
        ([received(10), received(10)], "a head of 10 records replaces one of 10"),
        ([dispute(head(10), head(9), "shortened")], "not about the head that is held"),
        ([received(10), dispute(head(10), head(9), "forked")], "the two heads are not forked"),
        (
            [received(10), dispute(head(10), head(10, root=b"\x08" * 32), "shortened")],
            "the two heads are not shortened",
        ),
        (
            [received(10), dispute(head(10), head(9, ALICE), "shortened")],
            "the head that was shown is not signed",
        ),
        (
            [received(10, ALICE), dispute(head(10, ALICE), head(9), "shortened")],
            "the head that was held is not signed",
        ),
    ],
)
def test_a_peers_head_that_proves_nothing_is_found(more: list[Event], words: str) -> None:
    kv = MemoryKeyValue()
    signed_log(kv, *more)
    found = findings(kv)
    assert any(seq == COUNT + len(more) and words in message for seq, message in found), found


def _changed(nodes: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [nodes[0], (nodes[1][0], ROOT), *nodes[2:]]


def _without(nodes: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [nodes[0], *nodes[2:]]


def _longer(nodes: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [*nodes, (b"\xff" * 9, ROOT), (b"\xff" * 10, ROOT)]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_changed, "family tree differs over records 64 to 127"),
        (_without, "family tree differs over records 64 to 127"),
        (_longer, "family tree has 2 nodes over records that are not there"),
    ],
)
def test_a_stored_tree_of_other_records_is_found(
    harm: Callable[[list[tuple[bytes, bytes]]], list[tuple[bytes, bytes]]], words: str
) -> None:
    kv = MemoryKeyValue()
    signed_log(kv)
    assert findings(kv, iter(harm(list(kv.iterate(TREE))))) == [(None, words)]


def test_a_tree_that_cannot_be_read_is_said_once() -> None:
    def broken() -> Iterator[tuple[bytes, bytes]]:
        raise KeyValueDamaged("block checksum mismatch in 000012.sst")
        yield

    kv = MemoryKeyValue()
    signed_log(kv)
    ((_, message),) = findings(kv, broken())
    assert message.startswith("family tree cannot be read")
