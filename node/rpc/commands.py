"""Commands: parameters to inputs of the engine, its answers to results.

Randomness enters here, because the core has none: the entropy of a channel's nonce and the names
of payments. Whether a command can be carried out is the core's to say.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Protocol

import msgspec

from node.answers import Answer
from node.rpc import params, results
from node.rpc.errors import InvalidParams
from node.rpc.interface import NodeApi
from node.rpc.params import parse_account, parse_amount, parse_hash32
from protocols.commands import (
    ApproveObjective,
    ChallengeChannel,
    CloseChannel,
    ExitChannel,
    OpenChannel,
    OpenLedger,
    OpenVirtual,
    PayLedger,
    RejectObjective,
    ResumeChannel,
    SendPayment,
)
from protocols.crypto import keccak256
from protocols.errors import PayeeMustOpenWithZero
from protocols.inputs import Input
from protocols.routes import AppTerms
from protocols.types import Address, amount_from_bytes, to_hex
from protocols.virtual_errors import FeeTooHigh, PathRefused

QUOTE_TIMEOUT_MS = 5_000
"""How long a path may take to say what it costs."""


class PathParams(Protocol):
    """What says who carries a channel, and for how much."""

    @property
    def counterparty(self) -> str | None:
        """The other end, unless the path says it."""
        ...

    @property
    def asset(self) -> str:
        """What the channel is in."""
        ...

    @property
    def amount(self) -> str:
        """What the ledgers guarantee."""
        ...

    @property
    def challenge_duration_s(self) -> int:
        """How long a challenge can be answered."""
        ...

    @property
    def path(self) -> list[str] | None:
        """The intermediaries in order, then the other end."""
        ...

    @property
    def over_ledger(self) -> bool:
        """Without a path: over our own ledger."""
        ...

    @property
    def fees(self) -> list[str] | None:
        """By intermediary."""
        ...

    @property
    def fee_max(self) -> str | None:
        """What all of them may take."""
        ...

    @property
    def request_id(self) -> str:
        """Names the call."""
        ...


async def with_fees(node: NodeApi, p: PathParams) -> PathParams:
    """The parameters with the fees that the path quotes, unless they say them.

    Raises PathRefused for the first hop that would take no part.
    """
    return await with_fees_for(node, p, lambda: None)


async def with_fees_for(
    node: NodeApi, p: PathParams, app: Callable[[], AppTerms | None]
) -> PathParams:
    """`with_fees` for a channel of an application, if `app` says what it is like: asked only where
    a path is. Raises what it raises.

    Raises PathRefused for the first hop that would take no part.
    """
    path = virtual_path(p)
    if path is None or len(path) == 1 or p.fees is not None:
        return p
    # A repeated call is answered like the first: it must not differ by another quote.
    fees = node.fees_of_request(p.request_id) if p.request_id else None
    if fees is None:
        asset, amount = parse_account("asset", p.asset), parse_amount("amount", p.amount)
        terms = (path, asset, amount, p.challenge_duration_s, QUOTE_TIMEOUT_MS)
        hops = await node.route_quote(*terms, app())
        for place, hop in enumerate(hops):
            if not hop.ok:
                raise PathRefused(place, hop.participant, f"{hop.error_code}: {hop.reason}")
        fees = tuple(amount_from_bytes(hop.fee) for hop in hops[1:-1])
    fee_max = "0" if p.fee_max is None else p.fee_max
    assert isinstance(p, params.Params), "what a caller sent"
    return msgspec.structs.replace(p, fees=[str(fee) for fee in fees], fee_max=fee_max)


def open_channel(p: params.ChannelOpenParams) -> Input:
    """Open a payment channel in which we pay, over the chain or over ledgers.

    The entropy of its nonce is drawn here (M10).
    """
    asset, amount = parse_account("asset", p.asset), parse_amount("amount", p.amount)
    theirs = parse_amount("counterparty_amount", p.counterparty_amount)
    path, entropy = virtual_path(p), secrets.token_bytes(4)
    if path is None:
        terms = (asset, amount, theirs, p.challenge_duration_s, entropy, p.request_id)
        return OpenChannel(_payee(p), *terms)
    if theirs:
        raise PayeeMustOpenWithZero(theirs)
    fees = fees_of(p, intermediary_count=len(path) - 1)
    return OpenVirtual(path, asset, amount, fees, p.challenge_duration_s, entropy, p.request_id)


def virtual_path(p: PathParams) -> tuple[Address, ...] | None:
    """The intermediaries and the payee; None for a channel that the chain funds."""
    if p.path is None and not p.over_ledger:
        if p.fees:
            raise InvalidParams("fees", "only intermediaries take fees: give a path")
        return None
    if not p.path:
        return (_payee(p),)
    path = tuple(parse_account("path", address) for address in p.path)
    if p.counterparty is not None and _payee(p) != path[-1]:
        raise InvalidParams("counterparty", "it is the last of the path, or left out")
    return path


def _payee(p: PathParams) -> Address:
    if p.counterparty is None:
        raise InvalidParams("counterparty", "say who will be paid, here or as the end of a path")
    return parse_account("counterparty", p.counterparty)


def fees_of(p: PathParams, intermediary_count: int) -> tuple[int, ...]:
    """What each intermediary takes. Raises InvalidParams or FeeTooHigh."""
    fees = tuple(parse_amount("fees", fee) for fee in p.fees or ())
    if len(fees) != intermediary_count:
        expected = f"one for each of {intermediary_count} intermediaries, not {len(fees)}"
        raise InvalidParams("fees", expected)
    if p.fee_max is not None and sum(fees) > (limit := parse_amount("fee_max", p.fee_max)):
        raise FeeTooHigh(sum(fees), limit)
    return fees


def open_ledger(p: params.LedgerOpenParams) -> Input:
    """Open a ledger that we lead; the entropy of its nonce is drawn here (M10)."""
    return OpenLedger(
        counterparty=parse_account("counterparty", p.counterparty),
        asset=parse_account("asset", p.asset),
        amount=parse_amount("amount", p.amount),
        counterparty_amount=parse_amount("counterparty_amount", p.counterparty_amount),
        challenge_duration=p.challenge_duration_s,
        nonce_entropy=secrets.token_bytes(4),
        request_id=p.request_id,
    )


def pay_ledger(p: params.LedgerPayParams) -> Input:
    """Give the other party of a ledger some of our balance; the payment always has a name."""
    return PayLedger(
        parse_hash32("channel_id", p.channel_id),
        parse_amount("amount", p.amount),
        p.request_id or secrets.token_hex(16),
        id_is_drawn=not p.request_id,
    )


def close_channel(p: params.ChannelCloseParams) -> Input:
    """Close a channel together with its other participant."""
    return CloseChannel(parse_hash32("channel_id", p.channel_id), p.request_id)


def challenge_channel(p: params.ChannelLeaveParams) -> Input:
    """Have our newest state of a channel registered on chain."""
    return ChallengeChannel(parse_hash32("channel_id", p.channel_id), p.request_id)


def exit_channel(p: params.ChannelLeaveParams) -> Input:
    """Leave a channel alone, until everything of ours is in our account."""
    return ExitChannel(parse_hash32("channel_id", p.channel_id), p.request_id)


def resume_channel(p: params.ChannelLeaveParams) -> Input:
    """Leave a ledger no more."""
    return ResumeChannel(parse_hash32("channel_id", p.channel_id), p.request_id)


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
    ids = to_hex(answer.objective_id), to_hex(answer.channel_id)
    return results.CommandResult(answer.seq, *ids, answer.completed)


def ledger_payment_result(answer: Answer) -> msgspec.Struct:
    """What became of a payment in a ledger."""
    names = to_hex(answer.channel_id), answer.request_id
    return results.LedgerPaymentResult(answer.seq, *names, answer.agreed)


def payment_result(answer: Answer) -> msgspec.Struct:
    """What became of a payment."""
    return results.PaymentResult(
        answer.seq,
        to_hex(answer.payment_id),
        to_hex(answer.channel_id),
        str(answer.total),
        answer.receipted,
    )
