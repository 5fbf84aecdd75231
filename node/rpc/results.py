"""What each method answers: plain JSON, one Struct per result.

Amounts are decimal strings, ids lower-case 0x hex, addresses EIP-55. The Structs also make the
schemas of `rpc.discover`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from node.rpc.params import ChannelKind
from protocols.channel import ChannelStatus

AmountOut = Annotated[str, Meta(description="Decimal, in the asset's smallest unit.")]
AddressOut = Annotated[str, Meta(description="20 bytes in 0x hex, with the EIP-55 checksum.")]
Hash32Out = Annotated[str, Meta(description="32 bytes in lower-case 0x hex.")]


Role = Literal["payer", "payee", "hub", "leader", "follower", "player"]
"""Of this node in a channel."""


class At(Struct, frozen=True, gc=False):
    """The moment a view shows: the last record in it."""

    seq: int


class CommandResult(Struct, frozen=True, gc=False):
    """A command is on our disk, as record `seq`."""

    seq: int
    objective_id: Hash32Out
    channel_id: Hash32Out
    completed: bool
    """Whether the objective is, as far as the answer waited for it."""


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


class LedgerPaymentResult(Struct, frozen=True, gc=False):
    """A payment in a ledger is on our disk; it counts once the other party countersigned."""

    seq: int
    channel_id: Hash32Out
    request_id: str
    """Names the payment in the ledger's update."""
    agreed: bool
    """Whether both signed it, as far as the answer waited for it."""


class GuaranteeView(Struct, frozen=True, gc=False):
    """An amount of a ledger that carries a virtual channel."""

    channel_id: Hash32Out
    """The virtual channel."""
    amount: AmountOut
    left: AddressOut
    """The party nearer to the payer."""
    right: AddressOut


class UpdateView(Struct, frozen=True, gc=False):
    """A change of a ledger that the leader signed and the follower has not answered for good."""

    turn_num: int
    kind: str
    """add, remove or move."""
    channel_id: Hash32Out | None
    """The virtual channel whose guarantee comes or goes; null for a payment."""
    amount: AmountOut
    left: AddressOut
    """The giver of a payment; of a guarantee the party nearer to the payer."""
    right: AddressOut
    left_amount: AmountOut
    """What left puts into a guarantee, or gets out of it."""
    fee: AmountOut
    refusal: str
    """The name of the follower's refusal, if it refused."""


class RefusedPaymentView(Struct, frozen=True, gc=False):
    """A payment of ours in a ledger that was not made."""

    request_id: str
    """The name it was asked for under."""
    amount: AmountOut
    error_code: str
    """The name of the follower's refusal."""


class LedgerView(Struct, frozen=True, gc=False):
    """What a ledger holds, by the newest state that both parties signed."""

    turn_num: int
    balance: AmountOut
    """Ours, outside guarantees."""
    counterparty_balance: AmountOut
    guaranteed: AmountOut
    """The sum of all guarantees."""
    guarantee_count: int
    update_count: int
    """Changes on their way."""
    guarantees: list[GuaranteeView] | None
    """By `channel_get` alone; null in lists."""
    updates: list[UpdateView] | None
    """Likewise, in their order."""
    refused_payments: list[RefusedPaymentView] | None
    """Likewise, oldest first: the newest of ours, by `ledger_pay`, that were refused."""


class VirtualView(Struct, frozen=True, gc=False):
    """What carries a virtual channel."""

    path: list[AddressOut]
    """From the payer through the intermediaries to the payee."""
    fees: list[AmountOut]
    """What each intermediary takes, in path order."""
    left_ledger: Hash32Out | None
    """Our ledger with the neighbour nearer to the payer; null for the payer."""
    right_ledger: Hash32Out | None
    """Our ledger with the neighbour nearer to the payee; null for the payee."""
    failure: str
    """Why the channel is given up before it opened, if it is."""


class AppView(Struct, frozen=True, gc=False):
    """What an application's channel has come to."""

    reducer: Hash32Out
    """sha256 of the code."""
    turn_rule: str
    """alternate or leader."""
    count: int
    """Messages in the newest state that counts."""
    amounts: list[AmountOut]
    """What the first and the last participant get by it."""
    waiting_count: int
    """Messages of ours that are not decided."""
    halted: str
    """Why nothing is said any more, by name; empty while it goes on."""


class ChannelView(Struct, frozen=True, gc=False):
    """One channel as this node knows it."""

    channel_id: Hash32Out
    kind: ChannelKind
    status: ChannelStatus
    role: Role
    """A ledger has a leader and a follower, an application players; a hub stands between payer and
    payee."""
    counterparty: AddressOut
    """The participant at the other end; a hub is shown the payee."""
    participants: list[AddressOut]
    asset: AddressOut
    deposit: AmountOut
    """All that is put in when it opens."""
    our_deposit: AmountOut
    """Our part of it: what a proposal asks of us; nothing of a hub."""
    paid: AmountOut
    """The largest voucher, cumulative; 0 in a ledger."""
    receipted: AmountOut
    """The part of it the payee signed a receipt for."""
    remaining: AmountOut
    """What the payer can still pay; in a ledger, what is ours and promised to nobody; what an
    application gives us now."""
    ledger: LedgerView | None
    """Of ledgers that have opened."""
    virtual: VirtualView | None
    """Of virtual channels."""
    app: AppView | None
    """Of an application's channel."""
    payment_count: int
    challenge_duration_s: int
    turn_num: int
    """The newest supported state; -1 while there is none."""
    holdings: Holdings
    app_definition: AddressOut
    channel_nonce: str
    """Decimal; up to 2^64 - 1."""
    close_only: bool
    """After a cut log the channel may only be closed."""
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
    """Records in order; go on with `from_seq` = `next_seq`. An empty page is the end; with a filter
    by name or peer the end is where `next_seq` rises no more."""

    records: list[RecordView]
    next_seq: int


NodeStatus = Annotated[
    dict[str, Any],
    Meta(
        description="Figures of every room: name, version, address, chain_id and contracts; "
        "uptime_s; log with next_seq and chain_hash; snapshots: seq, state and age of the "
        "newest, kept_count, time_share (0 to 1) and interval_records; views: state (off, "
        "starting, following, or waiting after a failure), seq, lag_records, restart_count, "
        "rebuilt (why they were last made anew), failure and detail, and sink: how far their copy "
        "in PostgreSQL is (schema, state, seq, lag_records, lag_s, failure, next_step and counts), "
        "null if there is none; chain with connected, "
        "block numbers and view_age_s; outbox with what waits for an acknowledgement; peers; "
        "channels by status; recovering: whether any waits for a peer after a loss of records; "
        "alarms: what threatens money and needs the owner, each with name, channel_id, deadline (a "
        "date), blocks_left until it, what, and next_step; at. Of a past moment it is null what "
        "no log remembers: uptime_s, snapshots, views, outbox, who was connected and where, and "
        "of the chain all but processed_block_num."
    ),
]
OpenRpcDocument = Annotated[dict[str, Any], Meta(description="An OpenRPC 1.3 document.")]
