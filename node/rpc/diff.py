"""`log_diff`: what changed between two moments, channel by channel and in all that is ours."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Annotated, Literal

import trio
from msgspec import Meta, Struct

from node.balances import Balance, balance_of
from node.diff import ChannelChange, ChannelMoment, ObjectiveChange, channel_change, channel_ids
from node.moments import AtRecord
from node.rpc.bounds import DIFF_CHANNEL_COUNT_MAX, LIST_SLICE_COUNT
from node.rpc.errors import InvalidParams
from node.rpc.interface import NodeApi, NodeView
from node.rpc.params import (
    ChannelKind,
    Hash32Text,
    MomentText,
    Params,
    parse_hash32,
    parse_moment,
)
from node.rpc.results import AddressOut, AmountOut, GuaranteeView, Hash32Out, Role
from node.rpc.views import guarantee_view, kind_of, role_of
from protocols.channel import ChannelStatus, funding_terms
from protocols.errors import UnknownChannel
from protocols.objectives.base import Objective, ObjectiveStatus
from protocols.types import Address, ChannelId, checksum_address, to_hex

SignedAmountOut = Annotated[
    str, Meta(description="Decimal, in the asset's smallest unit; below 0 with a minus sign.")
]


class LogDiffParams(
    Params, frozen=True, forbid_unknown_fields=True, gc=False, rename={"from_": "from"}
):
    """Which two moments to compare."""

    from_: MomentText
    """The earlier moment."""
    to: MomentText | None = None
    """The later one, or the same; left out, now."""
    channel_id: Hash32Text | None = None
    """Only this channel, and only the records about it."""
    after: Hash32Text | None = None
    """The last channel already seen; the list goes on behind it."""
    limit: Annotated[int, Meta(ge=1, le=DIFF_CHANNEL_COUNT_MAX)] = DIFF_CHANNEL_COUNT_MAX
    """How many changed channels at most."""


class MomentView(Struct, frozen=True, gc=False):
    """One of the two moments: right after a record."""

    seq: int
    time_ms: int
    """When that record was written, milliseconds since 1970."""
    processed_block_num: int | None
    """Up to which block the chain had been processed; null while none was."""


class BalanceView(Struct, frozen=True, gc=False):
    """Ours in one asset if every channel ended as it stands; or by how much it differs."""

    on_chain: SignedAmountOut
    """Deposited for channels that are not open yet, or not paid out of concluded ones."""
    channels: SignedAmountOut
    """In open payment channels that the chain funds."""
    ledgers: SignedAmountOut
    """In open ledgers, and promised to nobody."""
    guaranteed: SignedAmountOut
    """In virtual channels, which ledgers carry."""
    total: SignedAmountOut
    """The sum of these."""
    withdrawn: SignedAmountOut
    """Paid out to our address since the log began, and in none of the others."""


class BalanceChange(Struct, frozen=True, gc=False):
    """Ours in one asset at both moments."""

    asset: AddressOut
    before: BalanceView
    after: BalanceView
    difference: BalanceView


class ChannelMomentView(Struct, frozen=True, gc=False):
    """One channel at one of the moments."""

    status: ChannelStatus
    turn_num: int
    """The newest supported state; -1 while there is none."""
    ours: AmountOut
    """What we get if it ends as it stands; of a ledger, outside guarantees."""
    theirs: AmountOut
    """What all others get."""
    guaranteed: AmountOut
    """What a ledger holds for virtual channels; else 0."""
    paid: AmountOut
    receipted: AmountOut
    payment_count: int
    confirmed: AmountOut
    """What the adjudicator holds for it, at the configured depth."""


class ObjectiveChangeView(Struct, frozen=True, gc=False):
    """One objective of the channel that began, moved on or ended in between."""

    objective_id: Hash32Out
    objective_type: str
    change: Literal["began", "moved", "completed", "failed", "rejected", "pruned"]
    """What became of it by the later moment: moved if it is under way, as before."""
    before: str | None
    """Its status at the earlier moment; null if it began in between."""
    after: str | None
    """Its status at the later moment; null if it was pruned with its channel."""
    reason: str
    """Why it was rejected or failed, if it says so."""


class ChannelChangeView(Struct, frozen=True, gc=False):
    """One channel of which anything changed."""

    channel_id: Hash32Out
    kind: ChannelKind
    role: Role
    counterparty: AddressOut
    asset: AddressOut
    before: ChannelMomentView | None
    """Null if it was made in between."""
    after: ChannelMomentView | None
    """Null if it came to nothing and was pruned."""
    guarantees_added: list[GuaranteeView]
    """By a ledger, in between."""
    guarantees_removed: list[GuaranteeView]
    objectives: list[ObjectiveChangeView]


class RecordCount(Struct, frozen=True, gc=False):
    """How many records of one name were written in between."""

    name: str
    count: int


class LogDiff(Struct, frozen=True, gc=False, rename={"from_": "from"}):
    """What changed between two moments."""

    from_: MomentView
    to: MomentView
    balances: list[BalanceChange]
    """By asset, those of which we had anything at either moment."""
    channels: list[ChannelChangeView]
    """Those that changed, in the order in which they were made, pruned ones last."""
    next_after: Hash32Out | None
    """Go on with `after` = this; null if these were all."""
    records: list[RecordCount] | None
    """Those behind the earlier moment up to the later, most frequent first. Null if there are more
    than a million."""


async def log_diff(node: NodeApi, p: LogDiffParams) -> LogDiff:
    """What changed. Raises UnknownChannel, MomentAhead, MomentBeforeLog or InvalidParams."""
    entity = None if p.channel_id is None else parse_hash32("channel_id", p.channel_id)
    behind = None if p.after is None else parse_hash32("after", p.after)
    from_seq = node.seq_of(parse_moment("from", p.from_))
    to_seq = node.seq if p.to is None else node.seq_of(parse_moment("to", p.to))
    if to_seq < from_seq:
        raise InvalidParams("to", f"record {to_seq} is before record {from_seq}: turn them round")
    before, after = await node.at(AtRecord(from_seq)), await node.at(AtRecord(to_seq))
    wanted = list(channel_ids(before.state, after.state)) if entity is None else [entity]
    shown = _behind(wanted, behind)
    for known in (entity, behind):
        if known is not None and not _knows(before, known) and not _knows(after, known):
            raise UnknownChannel(known)
    balances = await _balance_changes(before, after, wanted)
    changes, next_after = await _channel_changes(before, after, shown, p.limit)
    counts = await node.record_counts(from_seq + 1, to_seq, entity)
    return LogDiff(
        _moment_view(node, before),
        _moment_view(node, after),
        balances,
        changes,
        next_after,
        None if counts is None else [RecordCount(*pair) for pair in counts.most_common()],
    )


def _behind(wanted: list[ChannelId], seen: ChannelId | None) -> Iterator[ChannelId]:
    """What follows `seen`; nothing if it is not there."""
    found = iter(wanted)
    if seen is not None:
        for channel_id in found:
            if channel_id == seen:
                break
    return found


def _knows(view: NodeView, channel_id: ChannelId) -> bool:
    return view.state.channels.get(channel_id) is not None


def _moment_view(node: NodeApi, view: NodeView) -> MomentView:
    processed = view.state.node.processed_block_num
    return MomentView(view.seq, node.time_at(view.seq), None if processed < 0 else processed)


async def _balance_changes(
    before: NodeView, after: NodeView, wanted: list[ChannelId]
) -> list[BalanceChange]:
    was, is_now = await _balances(before, wanted), await _balances(after, wanted)
    nothing = Balance()
    return [
        BalanceChange(checksum_address(asset), *map(_balance_view, (old, new, new.plus(old, -1))))
        for asset in sorted({*was, *is_now})
        for old, new in [(was.get(asset, nothing), is_now.get(asset, nothing))]
        if (old, new) != (nothing, nothing)
    ]


async def _balances(view: NodeView, wanted: list[ChannelId]) -> dict[Address, Balance]:
    found: dict[Address, Balance] = {}
    for number, channel_id in enumerate(wanted, 1):
        channel = view.state.channels.get(channel_id)
        if channel is not None and channel.turns:
            asset, balance = balance_of(view.state, channel)
            found[asset] = found.get(asset, Balance()).plus(balance)
        if number % LIST_SLICE_COUNT == 0:
            await trio.lowlevel.checkpoint()
    return found


def _balance_view(balance: Balance) -> BalanceView:
    return BalanceView(
        str(balance.on_chain),
        str(balance.channels),
        str(balance.ledgers),
        str(balance.guaranteed),
        str(balance.total),
        str(balance.withdrawn),
    )


async def _channel_changes(
    before: NodeView, after: NodeView, shown: Iterator[ChannelId], limit: int
) -> tuple[list[ChannelChangeView], str | None]:
    """At most `limit` of them, and the last one's id if there are more."""
    found: list[ChannelChangeView] = []
    for number, channel_id in zip(count(1), shown, strict=False):
        change = channel_change(before.state, after.state, channel_id)
        if change is not None:
            if len(found) == limit:
                return found, found[-1].channel_id
            found.append(_change_view(after, change))
        if number % LIST_SLICE_COUNT == 0:
            await trio.lowlevel.checkpoint()
    return found, None


def _change_view(view: NodeView, change: ChannelChange) -> ChannelChangeView:
    channel = change.channel
    kind = kind_of(view, channel)
    return ChannelChangeView(
        to_hex(channel.channel_id),
        kind,
        role_of(kind, channel),
        checksum_address(channel.counterparty),
        checksum_address(funding_terms(channel).asset),
        None if change.before is None else _channel_moment(change.before),
        None if change.after is None else _channel_moment(change.after),
        [guarantee_view(guarantee) for guarantee in change.added],
        [guarantee_view(guarantee) for guarantee in change.removed],
        [_objective_view(found) for found in change.objectives],
    )


def _channel_moment(moment: ChannelMoment) -> ChannelMomentView:
    shares = moment.shares
    return ChannelMomentView(
        moment.status,
        moment.turn_num,
        str(shares.ours),
        str(shares.theirs),
        str(shares.guaranteed),
        str(moment.paid),
        str(moment.receipted),
        moment.payment_count,
        str(moment.confirmed),
    )


def _objective_view(change: ObjectiveChange) -> ObjectiveChangeView:
    before, after = change.before, change.after
    return ObjectiveChangeView(
        to_hex(change.either.objective_id),
        change.either.objective_type,
        _kind_of_change(before, after),
        None if before is None else before.status,
        None if after is None else after.status,
        change.either.reason,
    )


def _kind_of_change(
    before: Objective | None, after: Objective | None
) -> Literal["began", "moved", "completed", "failed", "rejected", "pruned"]:
    if after is None:
        return "pruned"
    if after.status == ObjectiveStatus.COMPLETED:
        return "completed" if after.success else "failed"
    if after.status == ObjectiveStatus.REJECTED:
        return "rejected"
    return "began" if before is None else "moved"
