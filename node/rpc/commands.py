"""Commands: parameters to inputs of the engine, its answers to results.

Randomness enters here, because the core has none: the entropy of a channel's nonce and the names
of payments. Whether a command can be carried out is the core's to say.
"""

from __future__ import annotations

import secrets

import msgspec

from node.answers import Answer
from node.rpc import params, results
from node.rpc.params import parse_account, parse_amount, parse_hash32
from protocols.crypto import keccak256
from protocols.inputs import (
    ApproveObjective,
    CloseChannel,
    Input,
    OpenChannel,
    RejectObjective,
    SendPayment,
)
from protocols.types import to_hex


def open_channel(p: params.ChannelOpenParams) -> Input:
    """Open a payment channel in which we pay; the entropy of its nonce is drawn here (M10)."""
    return OpenChannel(
        counterparty=parse_account("counterparty", p.counterparty),
        asset=parse_account("asset", p.asset),
        amount=parse_amount("amount", p.amount),
        counterparty_amount=parse_amount("counterparty_amount", p.counterparty_amount),
        challenge_duration=p.challenge_duration_s,
        nonce_entropy=secrets.token_bytes(4),
        request_id=p.request_id,
    )


def close_channel(p: params.ChannelCloseParams) -> Input:
    """Close a channel together with its other participant."""
    return CloseChannel(parse_hash32("channel_id", p.channel_id), p.request_id)


def send_payment(p: params.PaymentSendParams) -> Input:
    """Pay; the payment's name is drawn here unless the request id gives it."""
    channel_id = parse_hash32("channel_id", p.channel_id)
    # A repeated request id must name the same payment: then it is answered, not paid again.
    payment_id = (
        keccak256(b"payment|" + channel_id + p.request_id.encode())
        if p.request_id
        else secrets.token_bytes(32)
    )
    return SendPayment(
        channel_id, parse_amount("amount", p.amount), payment_id, p.memo, p.request_id
    )


def approve(p: params.ObjectiveApproveParams) -> Input:
    """Accept a peer's proposal."""
    return ApproveObjective(parse_hash32("objective_id", p.objective_id), p.request_id)


def reject(p: params.ObjectiveRejectParams) -> Input:
    """Decline a peer's proposal."""
    return RejectObjective(parse_hash32("objective_id", p.objective_id), p.reason, p.request_id)


def command_result(answer: Answer) -> msgspec.Struct:
    """What became of a command on an objective."""
    return results.CommandResult(answer.seq, to_hex(answer.objective_id), to_hex(answer.channel_id))


def payment_result(answer: Answer) -> msgspec.Struct:
    """What became of a payment."""
    return results.PaymentResult(
        answer.seq,
        to_hex(answer.payment_id),
        to_hex(answer.channel_id),
        str(answer.total),
        answer.receipted,
    )
