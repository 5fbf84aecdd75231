"""A node's log with very many open channels, as a payee records them; signatures are random bytes.

No reducer looks at a signature, so the log folds and its states decode; an audit would object. Run
as a program it fills a node's log, takes a snapshot, goes on a little, and ends as a power cut ends
it:

    python -m scripts.benchmarks.many_channels DATA_DIR CHANNELS VOUCHERS TOUCHED
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from node.store.kv import SNAPSHOTS
from node.store.log import EventLog
from node.store.snapshot_writing import SnapshotWriting
from protocols import events
from protocols.node_state import NodeState, apply_all
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS, Address, ChannelId, amount_to_bytes

RECORDS_PER_WRITE = 1_000
_PAYER, _DURATION_S, _DEPOSIT = b"\xa1" * 20, 86_400, 10**18
_SIGNATURE = secrets.token_bytes(64) + b"\x1b"


def channel_id_of(number: int, node: events.NodeCreated) -> ChannelId:
    """The id of the `number`th channel."""
    return _fixed(number, node).channel_id()


def opening(number: int, node: events.NodeCreated) -> Iterator[events.Event]:
    """All that a payee records until its `number`th channel is open and funded: 13 events."""
    fixed = _fixed(number, node)
    channel_id, me = fixed.channel_id(), node.node_address
    identity = objective_id(ObjectiveType.DIRECT_FUND, channel_id)
    yield events.ChannelCreated(
        channel_id,
        fixed.participants,
        fixed.channel_nonce,
        fixed.app_definition,
        fixed.challenge_duration,
    )
    kind = ObjectiveType.DIRECT_FUND
    yield events.ObjectiveCreated(identity, kind, channel_id, fixed.participants)
    yield events.ObjectiveApproved(identity, me)
    yield from _agreed(fixed, channel_id, 0, me)
    held = amount_to_bytes(_DEPOSIT)
    yield events.DepositDetected(channel_id, 1, 0, ZERO_ADDRESS, held, held)
    yield from _agreed(fixed, channel_id, 1, me)
    yield events.ObjectiveCompleted(identity, True)


def voucher(channel_id: ChannelId, count: int) -> Iterator[events.Event]:
    """The `count`th payment of a channel, a wei, and its receipt."""
    total, identity = amount_to_bytes(count), secrets.token_bytes(32)
    yield events.VoucherReceived(channel_id, identity, amount_to_bytes(1), total, _SIGNATURE)
    yield events.ReceiptIssued(channel_id, total, 1, identity, _SIGNATURE)


def _fixed(number: int, node: events.NodeCreated) -> FixedPart:
    participants: tuple[Address, ...] = (_PAYER, node.node_address)
    return FixedPart(participants, number, node.virtual_payment_app, _DURATION_S)


def _agreed(
    fixed: FixedPart, channel_id: ChannelId, turn_num: int, me: Address
) -> Iterator[events.Event]:
    shares = tuple(
        Allocation(destination_of(who), amount)
        for who, amount in zip(fixed.participants, (_DEPOSIT, 0), strict=True)
    )
    state = State(fixed, b"", (SingleAssetExit(ZERO_ADDRESS, shares),), turn_num, False)
    state_hash = state.state_hash()
    yield events.StateStored(channel_id, state_hash, state.encode())
    yield events.StateReceived(channel_id, turn_num, state_hash, _PAYER, _SIGNATURE, False)
    yield events.StateSigned(channel_id, turn_num, state_hash, me, _SIGNATURE, False)
    before = turn_num - 1 if turn_num else None
    yield events.StateSupportedUpdated(channel_id, turn_num, state_hash, 2, before)


def fill(path: Path, channels: int, vouchers: int, touched: int) -> None:
    """Fill the log of a node that was started once; never returns.

    So many channels with so many vouchers each, then a snapshot that is durable, then one more
    voucher in each of the first `touched`.
    """
    log = EventLog.open(path)
    state, created = NodeState(), None
    for pairs in log.event_blocks():
        apply_all(state, [(event, record.time_ms) for record, event in pairs])
        created = created or pairs[0][1]
    assert isinstance(created, events.NodeCreated), "record 0 says whose log it is"
    ids = [channel_id_of(number, created) for number in range(channels)]
    openings = chain.from_iterable(opening(number, created) for number in range(channels))
    write(log, state, openings)
    for count in range(1, vouchers + 1):
        write(log, state, chain.from_iterable(voucher(channel_id, count) for channel_id in ids))
    writing = SnapshotWriting(log, state)
    while writing.advance(1_000, lambda: False) is None:
        pass
    log.store.flush(SNAPSHOTS, wait=True)
    more = (voucher(channel_id, vouchers + 1) for channel_id in ids[:touched])
    write(log, state, chain.from_iterable(more))
    os.kill(os.getpid(), signal.SIGKILL)


def write(log: EventLog, state: NodeState, recorded: Iterable[events.Event]) -> None:
    """Append and fold, `RECORDS_PER_WRITE` to a write."""
    source, time_ms = iter(recorded), 1_700_000_000_000
    while taken := list(islice(source, RECORDS_PER_WRITE)):
        batch = log.begin(time_ms)
        for event in taken:
            batch.append(event)
        log.commit(batch)
        apply_all(state, [(event, time_ms) for event in taken])


if __name__ == "__main__":
    fill(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
