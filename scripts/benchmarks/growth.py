"""Does a payment cost more when a node has many channels, or a long past? Core alone, no disk.

Channels are made by their events, as a replay makes them; then payments are cranked and folded
round robin over all of them, or in one channel after so many payments before.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from protocols import commands, events
from protocols.crank import crank
from protocols.crypto import Signer, keccak256
from protocols.draft import Context, Decision
from protocols.node_state import NodeState, apply
from protocols.nonce import channel_nonce
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.receipts import root_of
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS, Address, ChannelId, amount_to_bytes
from scripts.benchmarks.machine import pinned, without_gc

CHANNEL_COUNTS = (1, 10, 100, 1_000)
HISTORY_COUNTS = (1_000, 10_000, 100_000, 1_000_000)
"""Events before the payments that are timed."""
PAYMENT_COUNT = 10_000
ROUND_COUNT = 10
RECEIPT_INTERVAL = 100
"""Payments between two receipts, so that none waits for ever."""

_CHAIN_ID, _DURATION_S, _DEPOSIT, _NOW_MS = 31_337, 86_400, 10**18, 1_700_000_000_000
_ADJUDICATOR, _APP, _CONSENSUS = b"\xad" * 20, b"\xab" * 20, b"\xac" * 20


def growth_us(
    channel_counts: Sequence[int] = CHANNEL_COUNTS,
    history_counts: Sequence[int] = HISTORY_COUNTS,
    payment_count: int = PAYMENT_COUNT,
) -> dict[str, float]:
    """Microseconds of the payer's crank and fold for one payment, by what the node holds."""
    with pinned(1), without_gc():
        payers = {f"payment_us_at_{count}_channels": _Payer(count) for count in channel_counts}
        for count in history_counts:
            payers[f"payment_us_after_{count}_events"] = payer = _Payer(1)
            payer.live_through(count)
        # In turn, and the best of some rounds: others' work only ever adds.
        size = payment_count // ROUND_COUNT
        rounds = [
            {name: one.block_us(size) for name, one in payers.items()} for _ in range(ROUND_COUNT)
        ]
    return {name: min(measured[name] for measured in rounds) for name in payers}


def growth(found: dict[str, float]) -> dict[str, float]:
    """How many times more the last of each row costs than the first."""
    by_channels = [us for name, us in found.items() if name.endswith("channels")]
    by_history = [us for name, us in found.items() if name.endswith("events")]
    return {
        "growth_over_channels": by_channels[-1] / by_channels[0],
        "growth_over_history": by_history[-1] / by_history[0],
    }


class _Payer:
    """A payer's core with so many open channels."""

    def __init__(self, channel_count: int) -> None:
        self._signer = Signer(keccak256(b"payer"))
        self._payee = Signer(keccak256(b"payee"))
        me = self._signer.address
        self._state = NodeState()
        self._fold(events.NodeCreated(1, _CHAIN_ID, _ADJUDICATOR, _APP, _CONSENSUS, me))
        self._ids = [self._open(number) for number in range(channel_count)]
        self._number = 0
        allow = Decision("allow")
        self._context = Context(_NOW_MS, self._signer, me, 3_600, lambda proposal: allow)

    def _fold(self, event: events.Event) -> None:
        apply(self._state, event, _NOW_MS)

    def _open(self, number: int) -> ChannelId:
        participants = (self._signer.address, self._payee.address)
        nonce = channel_nonce(_CHAIN_ID, _ADJUDICATOR, number.to_bytes(4, "big"))
        fixed = FixedPart(participants, nonce, _APP, _DURATION_S)
        channel_id = fixed.channel_id()
        self._fold(events.ChannelCreated(channel_id, participants, nonce, _APP, _DURATION_S))
        for turn_num in (0, 1):
            self._agree(fixed, turn_num)
        held = amount_to_bytes(_DEPOSIT)
        self._fold(events.DepositDetected(channel_id, 1, 0, ZERO_ADDRESS, held, held))
        return channel_id

    def _agree(self, fixed: FixedPart, turn_num: int) -> None:
        channel_id = fixed.channel_id()
        amounts = (_DEPOSIT, 0)
        shares = tuple(
            Allocation(destination_of(who), amount)
            for who, amount in zip(fixed.participants, amounts, strict=True)
        )
        state = State(fixed, b"", (SingleAssetExit(ZERO_ADDRESS, shares),), turn_num, False)
        state_hash = state.state_hash()
        self._fold(events.StateStored(channel_id, state_hash, state.encode()))
        for signer in (self._signer, self._payee):
            self._fold(self._signed(channel_id, turn_num, state_hash, signer))
        self._fold(events.StateSupportedUpdated(channel_id, turn_num, state_hash, 2))

    def _signed(
        self, channel_id: ChannelId, turn_num: int, state_hash: bytes, signer: Signer
    ) -> events.StateReceived:
        who: Address = signer.address
        return events.StateReceived(
            channel_id, turn_num, state_hash, who, signer(state_hash), False
        )

    def block_us(self, count: int) -> float:
        """Processor time of one payment, over so many."""
        spent_s = 0.0
        for index in range(count):
            self._number += 1
            channel_id = self._ids[index % len(self._ids)]
            identity = self._number.to_bytes(32, "big")
            started = time.thread_time()
            result = crank(
                self._state, commands.SendPayment(channel_id, 1, identity), self._context
            )
            for event in result.events:
                apply(self._state, event, _NOW_MS)
            spent_s += time.thread_time() - started
            if index % RECEIPT_INTERVAL == RECEIPT_INTERVAL - 1:
                self._receipt_all()
        self._receipt_all()
        return spent_s / count * 1e6

    def _receipt_all(self) -> None:
        for channel_id in self._ids:
            vouchers = self._state.channels[channel_id].vouchers
            if vouchers.pending:
                total = amount_to_bytes(vouchers.total)
                count, root = len(vouchers.pending), root_of(vouchers.pending)
                self._fold(events.ReceiptReceived(channel_id, total, count, root, bytes(65)))

    def live_through(self, event_count: int) -> None:
        """So many payments happen, as a replay sees them."""
        (channel_id,) = self._ids
        one, signature = amount_to_bytes(1), bytes(65)
        for index in range(event_count):
            self._number += 1
            total = amount_to_bytes(self._state.channels[channel_id].vouchers.total + 1)
            identity = self._number.to_bytes(32, "big")
            self._fold(events.VoucherIssued(channel_id, identity, one, total, signature))
            if index % RECEIPT_INTERVAL == RECEIPT_INTERVAL - 1:
                self._receipt_all()
        self._receipt_all()
