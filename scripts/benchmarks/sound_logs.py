"""Logs that an audit finds nothing wrong with, made without sockets or a chain, with signatures
that verify: a payee's with vouchers and receipts, and a follower's with ledger updates.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, groupby, islice
from pathlib import Path

from node.engine import replay
from node.store.log import EventLog
from protocols import events, ledger_events
from protocols.crypto import Signer, keccak256, payment_root
from protocols.ledger import MOVE, NO_TARGET, LedgerVars, ledger_state
from protocols.node_state import NodeState
from protocols.nonce import channel_nonce
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS, amount_to_bytes
from protocols.voucher import receipt_hash, sign_voucher

PAYMENTS_PER_RECEIPT = 10
RECORDS_PER_WRITE = 1_000

_PAYER, _PAYEE = Signer(keccak256(b"payer")), Signer(keccak256(b"payee"))
_CHAIN_ID, _DURATION_S, _DEPOSIT, _TIME_MS = 31_337, 86_400, 10**18, 1_700_000_000_000
_ADJUDICATOR, _APP, _CONSENSUS = b"\xad" * 20, b"\xab" * 20, b"\xac" * 20


def payees_log(path: Path, record_count: int) -> None:
    """A closed log of about so many records: vouchers, and a receipt for every ten."""
    _write_all(path, payments(_PAYEE), record_count)


def payments(me: Signer) -> Iterator[events.Event]:
    """What a payer or payee records of a channel and its payments, without end."""
    fixed = _fixed(_APP)
    yield from _opening(fixed, (_DEPOSIT, 0), me)
    is_payers = me is _PAYER
    voucher = events.VoucherIssued if is_payers else events.VoucherReceived
    receipt = events.ReceiptReceived if is_payers else events.ReceiptIssued
    channel_id, amount, total = fixed.channel_id(), amount_to_bytes(10), 0
    while True:
        paid = []
        for _ in range(PAYMENTS_PER_RECEIPT):
            total += 10
            identity, total32 = keccak256(amount_to_bytes(total)), amount_to_bytes(total)
            paid.append((identity, 10))
            signature = sign_voucher(channel_id, total, _PAYER)
            yield voucher(channel_id, identity, amount, total32, signature)
        root = payment_root(paid)
        signature = _PAYEE(receipt_hash(channel_id, total, root))
        yield receipt(channel_id, amount_to_bytes(total), PAYMENTS_PER_RECEIPT, root, signature)


def history(record_count: int, *, of_payer: bool = False) -> list[events.Event]:
    """The first so many facts of `payments`."""
    return list(islice(payments(_PAYER if of_payer else _PAYEE), record_count))


def states_log(path: Path, record_count: int) -> None:
    """A closed log of about so many records: channels that were agreed on and funded, nothing
    else. Each takes ten records."""
    _write_all(path, _openings(), record_count)


def _openings() -> Iterator[events.Event]:
    for number in count():
        opening = _opening(_fixed(_APP, number), (_DEPOSIT, 0), _PAYEE)
        yield from islice(opening, 0 if number == 0 else 1, None)


def followers_log(path: Path, record_count: int) -> None:
    """A closed log of about so many records: moves of a wei, each countersigned."""
    _write_all(path, _updates(), record_count)


def _updates() -> Iterator[events.Event]:
    fixed = _fixed(_CONSENSUS)
    yield from _opening(fixed, (_DEPOSIT, _DEPOSIT), _PAYEE)
    channel_id, leader = fixed.channel_id(), _DEPOSIT
    left, right = (destination_of(who) for who in fixed.participants)
    one, none = amount_to_bytes(1), amount_to_bytes(0)
    turn_num = 1
    while True:
        turn_num, leader = turn_num + 1, leader - 1
        balances = LedgerVars(leader, 2 * _DEPOSIT - leader)
        state_hash = ledger_state(fixed, ZERO_ADDRESS, balances, turn_num).state_hash()
        theirs, ours = _PAYER(state_hash), _PAYEE(state_hash)
        yield ledger_events.LedgerUpdateReceived(
            channel_id,
            turn_num,
            state_hash,
            theirs,
            MOVE,
            NO_TARGET,
            one,
            left,
            right,
            none,
            none,
        )
        yield ledger_events.LedgerUpdateSigned(channel_id, turn_num, state_hash, ours)


def _fixed(app: bytes, number: int = 0) -> FixedPart:
    nonce = channel_nonce(_CHAIN_ID, _ADJUDICATOR, number.to_bytes(4, "big"))
    return FixedPart((_PAYER.address, _PAYEE.address), nonce, app, _DURATION_S)


def _opening(fixed: FixedPart, amounts: tuple[int, int], me: Signer) -> Iterator[events.Event]:
    """Record 0, and a channel that is open and funded."""
    channel_id = fixed.channel_id()
    yield events.NodeCreated(1, _CHAIN_ID, _ADJUDICATOR, _APP, _CONSENSUS, me.address)
    yield events.ChannelCreated(
        channel_id,
        fixed.participants,
        fixed.channel_nonce,
        fixed.app_definition,
        fixed.challenge_duration,
    )
    yield from _agreed(fixed, amounts, 0, me)
    held = amount_to_bytes(sum(amounts))
    yield events.DepositDetected(channel_id, 1, 0, ZERO_ADDRESS, held, held)
    yield from _agreed(fixed, amounts, 1, me)


def _agreed(
    fixed: FixedPart, amounts: tuple[int, int], turn_num: int, me: Signer
) -> Iterator[events.Event]:
    channel_id = fixed.channel_id()
    shares = tuple(
        Allocation(destination_of(who), amount)
        for who, amount in zip(fixed.participants, amounts, strict=True)
    )
    state = State(fixed, b"", (SingleAssetExit(ZERO_ADDRESS, shares),), turn_num, False)
    state_hash = state.state_hash()
    yield events.StateStored(channel_id, state_hash, state.encode())
    for signer in (_PAYER, _PAYEE):
        kind = events.StateSigned if signer is me else events.StateReceived
        yield kind(channel_id, turn_num, state_hash, signer.address, signer(state_hash), False)
    before = turn_num - 1 if turn_num else None
    yield events.StateSupportedUpdated(channel_id, turn_num, state_hash, 2, before)


def _write_all(path: Path, source: Iterator[events.Event], record_count: int) -> None:
    log = EventLog.open(path)
    try:
        for start in range(0, record_count, RECORDS_PER_WRITE):
            write(log, list(islice(source, min(RECORDS_PER_WRITE, record_count - start))))
        state = NodeState()
        for _ in replay(log, state):
            pass
        # Everything that was said to the payer has arrived, so the outbox is empty.
        sent = state.peer(_PAYER.address).sent
        if sent:
            write(log, [events.PeerAcknowledged(_PAYER.address, sent)])
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
    for event in recorded:
        if isinstance(event, events.StateSigned | ledger_events.LedgerUpdateSigned):
            batch.sign_turn(event.channel_id, event.turn_num, event.state_hash)
    log.commit(batch)
