"""The event log beside its limits: durable appends, proofs, and replay from disk to state.

The events are those of a payee's log, a receipt for every ten vouchers, written and read through
`node.store.EventLog` as the daemon does; only the signatures in them are random bytes, since
neither an append nor a replay looks at them.
"""

from __future__ import annotations

import random
import secrets
import shutil
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

from node.engine import replay
from node.limits import TREE_LAG_COUNT_MIN
from node.prover import proof_under
from node.store.log import EventLog
from protocols import events
from protocols.crypto import Signer
from protocols.log_head import LogOwner, sign_head
from protocols.node_state import NodeState
from protocols.types import amount_to_bytes
from scripts.benchmarks.limits import BATCH_COUNT
from scripts.benchmarks.machine import median_seconds, without_gc

PAYMENTS_PER_RECEIPT = 10
PROOF_COUNT = 200
"""Proofs the figure is the median of."""
REPLAY_COUNT = 3
"""Replays the figure is the median of."""

_PAYER, _PAYEE = b"\xa1" * 20, b"\xb0" * 20
_APP = b"\xc0" * 20
_CHANNEL_ID = b"\xc1" * 32
_TIME_MS = 1_700_000_000_000


def opening() -> list[events.Event]:
    """Record 0 and the channel."""
    return [
        events.NodeCreated(1, 31_337, b"\xad" * 20, _APP, b"\xcc" * 20, _PAYEE),
        events.ChannelCreated(_CHANNEL_ID, (_PAYER, _PAYEE), 1, _APP, 86_400),
    ]


def payments() -> Iterator[events.Event]:
    """What a payee records of payments, without end."""
    signature, root = secrets.token_bytes(65), secrets.token_bytes(32)
    amount, total = amount_to_bytes(10), 0
    number = 0
    while True:
        for _ in range(PAYMENTS_PER_RECEIPT):
            number += 1
            total += 10
            yield events.VoucherReceived(
                _CHANNEL_ID, number.to_bytes(32, "big"), amount, amount_to_bytes(total), signature
            )
        yield events.ReceiptIssued(
            _CHANNEL_ID, amount_to_bytes(total), PAYMENTS_PER_RECEIPT, root, signature
        )


def appends_per_s(path: Path, batch_count: int) -> float:
    """Durable events a second through the log, `BATCH_COUNT` to a write: the median write's."""
    return BATCH_COUNT / _median_write_s(path, batch_count, BATCH_COUNT)


def append_p50_ms(path: Path, count: int) -> float:
    """How long one durable event takes, alone in its write: the median."""
    return _median_write_s(path, count, 1) * 1e3


def _median_write_s(path: Path, write_count: int, event_count: int) -> float:
    """The median of durable writes of so many events, as the engine makes them.

    What the writes owe to the tree (kept chain hashes, its nodes) is in them; growing it, which the
    engine does between its turns, is not.
    """
    log = EventLog.open(path)
    try:
        write(log, opening())
        source, found = payments(), []
        with without_gc():
            for _ in range(write_count):
                recorded = list(islice(source, event_count))
                if log.tree.lag_count >= TREE_LAG_COUNT_MIN:
                    log.grow_tree()
                started = time.perf_counter()
                write(log, recorded)
                found.append(time.perf_counter() - started)
    finally:
        log.close()
    shutil.rmtree(path)
    return statistics.median(found)


@dataclass(frozen=True)
class Proofs:
    """What proofs of random records of a long log cost."""

    median_ms: float
    slowest_ms: float
    tree_us: float
    """The tree's share of each record, in processor time."""


def proofs(path: Path, record_count: int) -> Proofs:
    """Prove random records of a log of so many, each read, led to its root and checked again."""
    signer, chooser = Signer(b"\x01" * 32), random.Random(1)
    log = EventLog.open(path)
    try:
        write(log, opening())
        source = payments()
        while log.next_seq < record_count:
            write(log, list(islice(source, min(10_000, record_count - log.next_seq))))
        started = time.process_time()
        while log.grow_tree():
            pass
        tree_us = (time.process_time() - started) / record_count * 1e6
        write(log, list(islice(source, 1)))
        owner = LogOwner(31_337, b"\xad" * 20, signer.address)
        head = sign_head(owner, record_count, log.tree.root(record_count), signer)
        found = []
        with without_gc():
            for _ in range(PROOF_COUNT):
                seq = chooser.randrange(record_count)
                started = time.perf_counter()
                proof_under(log, owner, head, seq)
                found.append((time.perf_counter() - started) * 1e3)
    finally:
        log.close()
    shutil.rmtree(path)
    return Proofs(statistics.median(found), max(found), tree_us)


def replay_per_s(path: Path, event_count: int) -> float:
    """Events a second from a closed log's directory to a state: decode, chain, reduce."""
    log = EventLog.open(path)
    try:
        write(log, opening())
        source = payments()
        for start in range(0, event_count, 1_000):
            write(log, list(islice(source, min(1_000, event_count - start))))
    finally:
        log.close()
    result = replay_log_per_s(path)
    shutil.rmtree(path)
    return result


def replay_log_per_s(path: Path) -> float:
    """The same for a log that is there already, which is not changed."""
    log = EventLog.open(path, read_only=True)
    try:

        def fold() -> None:
            count = max(replay(log, NodeState()))
            assert count == log.next_seq, "every record is replayed"

        return log.next_seq / median_seconds(fold, REPLAY_COUNT)
    finally:
        log.close()


def write(log: EventLog, recorded: list[events.Event]) -> None:
    """One durable write, as the engine makes it: payments that came together are one run."""
    batch = log.begin(_TIME_MS)
    for _, group in groupby(recorded, type):
        run = list(group)
        if len(run) > 1:
            batch.append_run(run, None, None)
        else:
            batch.append(run[0])
    log.commit(batch)
