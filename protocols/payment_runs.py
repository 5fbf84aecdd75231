"""Runs of payments: what `crank` makes of one after the other, for less than half of its time.

Most payments come in the company of others of their channel. What is the same for all of them is
looked at once, and their facts are folded as a whole. A run ends before the first payment that is
not plainly in order: that one is `crank`'s alone, and so is what it leads to.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat

from protocols import events, messages
from protocols.channel import funding_terms, known_signer
from protocols.commands import SendPayment
from protocols.draft import Context, CrankResult, Draft
from protocols.errors import ProtocolError
from protocols.funding import require_safe
from protocols.inputs import Input, PeerMessage
from protocols.node_state import NodeState
from protocols.payments import PAYMENTS_IN_FLIGHT_COUNT_MAX, paid_channel, require_spendable
from protocols.voucher import sign_totals, total_hash

_to_int = int.from_bytes
"""Of what came in a message: its widths are known."""


def received_together(items: Sequence[Input], start: int = 0) -> list[PeerMessage]:
    """The inputs from `start` on that are payments of one peer in one channel, as numbered."""
    run: list[PeerMessage] = []
    peer, channel_id, sequence = b"", b"", 0
    for place in range(start, len(items)):
        item = items[place]
        if not isinstance(item, PeerMessage):
            break
        body = item.body
        if not isinstance(body, messages.Payment):
            break
        if not run:
            peer, channel_id, sequence = item.peer, body.channel_id, item.sequence
        elif item.sequence != sequence or item.peer != peer or body.channel_id != channel_id:
            break
        sequence += 1
        run.append(item)
    return run


def sent_together(items: Sequence[Input], start: int = 0) -> list[SendPayment]:
    """The inputs from `start` on that order payments in one channel, without request ids."""
    run: list[SendPayment] = []
    for place in range(start, len(items)):
        item = items[place]
        if not isinstance(item, SendPayment) or item.request_id:
            break
        if run and item.channel_id != run[0].channel_id:
            break
        run.append(item)
    return run


def receive_run(state: NodeState, run: Sequence[PeerMessage], context: Context) -> CrankResult:
    """What the payee accepts of `received_together`, from the first on: one event for each."""
    draft, peer = Draft(state, context), run[0].peer
    bodies = [item.body for item in run if isinstance(item.body, messages.Payment)]
    channel_id = bodies[0].channel_id
    try:
        channel = paid_channel(draft, peer, channel_id)
        require_safe(draft, channel)
    except ProtocolError:
        return draft.result()
    payer, deposit = known_signer(channel, 0), funding_terms(channel).deposits[0]
    if payer is None or run[0].sequence != draft.state.peer(peer).received + 1:
        return draft.result()
    base, count, verify = channel.vouchers.total, 0, payer.verify
    for body in bodies:
        amount, total = _to_int(body.amount, "big"), _to_int(body.total, "big")
        if amount <= 0 or total != base + amount or total > deposit:
            break
        if not verify(total_hash(channel_id, body.total), body.signature):
            break
        base, count = total, count + 1
    accepted = [
        events.VoucherReceived(channel_id, b.payment_id, b.amount, b.total, b.signature, b.memo)
        for b in bodies[:count]
    ]
    # Nothing else is decided here, so nobody folds them before the engine does.
    return CrankResult(tuple(accepted), ())


def send_run(state: NodeState, run: Sequence[SendPayment], context: Context) -> CrankResult:
    """What may be paid of `sent_together`, from the first on: one event and one message each."""
    draft, channel_id = Draft(state, context), run[0].channel_id
    try:
        channel = require_spendable(draft, channel_id, run[0].amount, 1)
    except ProtocolError:
        return draft.result()
    vouchers = channel.vouchers
    room = PAYMENTS_IN_FLIGHT_COUNT_MAX - len(vouchers.pending)
    total, deposit = vouchers.total, funding_terms(channel).deposits[0]
    totals: list[int] = []
    for command in run[:room]:
        amount = command.amount
        is_within = amount > 0 and total + amount <= deposit
        if not is_within or len(command.memo) > messages.TEXT_LENGTH_MAX:
            break
        total += amount
        totals.append(total)
    if totals:
        paid, totals32 = run[: len(totals)], [total.to_bytes(32, "big") for total in totals]
        fields = (
            repeat(channel_id),
            [command.payment_id for command in paid],
            [command.amount.to_bytes(32, "big") for command in paid],
            totals32,
            sign_totals(channel_id, totals32, context.signer),
            [command.memo for command in paid],
        )
        bodies = list(map(messages.Payment, *fields))
        draft.send_run(channel.counterparty, bodies, list(map(events.VoucherIssued, *fields)))
    return draft.result()
