"""What each method answers: plain JSON, one Struct per result.

Amounts are decimal strings, ids lower-case 0x hex, addresses EIP-55. The Structs also make the
schemas of `rpc.discover`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from protocols.channel import ChannelStatus

AmountOut = Annotated[str, Meta(description="Decimal, in the asset's smallest unit.")]
AddressOut = Annotated[str, Meta(description="20 bytes in 0x hex, with the EIP-55 checksum.")]
Hash32Out = Annotated[str, Meta(description="32 bytes in lower-case 0x hex.")]


class At(Struct, frozen=True, gc=False):
    """The moment a view shows: the last record in it."""

    seq: int


class CommandResult(Struct, frozen=True, gc=False):
    """A command is on our disk, as record `seq`."""

    seq: int
    objective_id: Hash32Out
    channel_id: Hash32Out


class PaymentResult(Struct, frozen=True, gc=False):
    """A payment is on our disk, and receipted by the payee if it says so."""

    seq: int
    payment_id: Hash32Out
    channel_id: Hash32Out
    total: AmountOut
    """The voucher's cumulative amount."""
    receipted: bool


class Holdings(Struct, frozen=True, gc=False):
    """What the adjudicator holds for the channel."""

    observed: AmountOut
    """In the newest block seen."""
    confirmed: AmountOut
    """At the configured depth: what counts."""


class ChannelView(Struct, frozen=True, gc=False):
    """One channel as this node knows it."""

    channel_id: Hash32Out
    status: ChannelStatus
    role: Literal["payer", "payee"]
    counterparty: AddressOut
    participants: list[AddressOut]
    asset: AddressOut
    deposit: AmountOut
    paid: AmountOut
    """The largest voucher, cumulative."""
    receipted: AmountOut
    """The part of it the payee signed a receipt for."""
    remaining: AmountOut
    """What the payer can still pay."""
    payment_count: int
    challenge_duration_s: int
    turn_num: int
    """The newest supported state; -1 while there is none."""
    holdings: Holdings
    app_definition: AddressOut
    channel_nonce: str
    """Decimal; up to 2^64 - 1."""
    close_only: bool
    """After a restore or a cut log the channel may only be closed."""
    objective_ids: list[Hash32Out]
    at: At


class ChannelList(Struct, frozen=True, gc=False):
    """Channels in the order in which they were made."""

    channels: list[ChannelView]
    at: At


class ObjectiveView(Struct, frozen=True, gc=False):
    """One goal of this node for one channel."""

    objective_id: Hash32Out
    objective_type: str
    status: str
    waiting_for: str
    """The first unmet condition, or nothing."""
    channel_id: Hash32Out
    participants: list[AddressOut]
    initiator: AddressOut | None
    request_id: str
    """Empty unless a call of ours named it."""
    created_ms: int
    """Milliseconds since 1970."""
    success: bool
    reason: str
    """Why it was rejected, or why its last transaction failed, if either is so."""
    at: At


class ObjectiveList(Struct, frozen=True, gc=False):
    """Objectives in the order in which they were made."""

    objectives: list[ObjectiveView]
    at: At


class RecordView(Struct, frozen=True, gc=False):
    """One record of the log."""

    seq: int
    time_ms: int
    cause_seq: int | None
    name: str
    version: int
    payload: dict[str, Any]
    event_id: Hash32Out
    chain_hash: Hash32Out


class LogPage(Struct, frozen=True, gc=False):
    """Records in order; go on with `from_seq` = `next_seq`. An empty page is the end."""

    records: list[RecordView]
    next_seq: int


NodeStatus = Annotated[
    dict[str, Any],
    Meta(
        description="Figures of every room: name, version, address, chain_id and contracts; "
        "uptime_s; log with next_seq and chain_hash; chain with connected, block numbers and "
        "view_age_s; outbox with what waits for an acknowledgement; peers; channels by status."
    ),
]
OpenRpcDocument = Annotated[dict[str, Any], Meta(description="An OpenRPC 1.3 document.")]
