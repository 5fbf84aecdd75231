"""Small logs for tests: what an engine would write, without an engine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from node.store.errors import LogDamaged
from node.store.kv import KeyValue
from node.store.log import EventLog
from node.store.memory import MemoryKeyValue
from node.store.record import FORMAT_VERSION
from protocols.effects import SendMessage
from protocols.events import NodeCreated, VoucherIssued

CHANNEL = b"\xc1" * 32
OTHER_CHANNEL = b"\xc2" * 32
TIME_MS = 1_704_067_200_000

GENESIS = NodeCreated(
    format_version=FORMAT_VERSION,
    chain_id=31337,
    adjudicator=b"\xad" * 20,
    virtual_payment_app=b"\xab" * 20,
    consensus_app=b"\xac" * 20,
    node_address=b"\xaa" * 20,
)

Reopen = Callable[[EventLog], EventLog]
"""Closes a log and opens it again."""


def payment(number: int, *, channel_id: bytes = CHANNEL, request_id: str = "") -> VoucherIssued:
    """The `number`th payment of 1: every field filled, the signature not a real one."""
    return VoucherIssued(
        channel_id=channel_id,
        payment_id=number.to_bytes(32, "big"),
        amount=(1).to_bytes(32, "big"),
        total=number.to_bytes(32, "big"),
        signature=number.to_bytes(8, "big") * 8 + b"\x1b",
        memo=f"payment {number}",
        request_id=request_id,
    )


def message(number: int) -> SendMessage:
    """An effect for the outbox."""
    return SendMessage(peer=b"\xbb" * 20, sequence=number, body=b"body %d" % number)


def fill(log: EventLog, count: int, *, by: int = 10) -> None:
    """Append payments, `by` of them per batch, until the log has `count` records."""
    if log.next_seq == 0:
        batch = log.begin(TIME_MS)
        batch.append(GENESIS)
        log.commit(batch)
    while log.next_seq < count:
        batch = log.begin(TIME_MS + log.next_seq)
        for seq in range(log.next_seq, min(log.next_seq + by, count)):
            batch.append(payment(seq), cause_seq=0)
            batch.put_effects([message(seq)])
        log.commit(batch)


def make_log(
    path: Path | None, count: int, *, by: int = 10, kv: KeyValue | None = None
) -> EventLog:
    """An open log with `count` records."""
    log = EventLog.open(path or Path(), kv=kv)
    fill(log, count, by=by)
    return log


def change(store: MemoryKeyValue, family: str, key: bytes, value: bytes | None) -> None:
    """Put another value, or none, into the store below a log."""
    batch = store.new_batch()
    if value is None:
        batch.delete(key, family)
    else:
        batch.put(key, value, family)
    store.write(batch)


def refused(store: MemoryKeyValue) -> LogDamaged:
    """How reading all of it is refused."""
    with pytest.raises(LogDamaged) as caught:
        for _ in EventLog.open(Path(), kv=store).read_events():
            pass
    return caught.value


def flip(file: Path, offset: int, mask: int = 0x01) -> None:
    """Change one byte of a file."""
    data = bytearray(file.read_bytes())
    data[offset] ^= mask
    file.write_bytes(data)


def newest(path: Path, suffix: str) -> Path:
    """The newest of RocksDB's numbered files with this suffix."""
    return max(path.glob(f"*{suffix}"), key=lambda file: int(file.stem))
