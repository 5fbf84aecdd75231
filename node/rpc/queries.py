"""Queries: what the node believes and what its log holds, read between two batches of the engine.

Long answers are gathered in slices with a pause between them, so that nobody waits for a reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec
import trio

from node.rpc import params, results
from node.rpc.bounds import (
    LIST_SLICE_COUNT,
    LOG_READ_SIZE_BYTES_MAX,
    LOG_READ_SLICE_COUNT,
    STORY_RECORD_COUNT_MAX,
)
from node.rpc.errors import InvalidParams
from node.rpc.filters import wanted_by
from node.rpc.interface import NodeApi, NodeView
from node.rpc.params import parse_account, parse_hash32, parse_moment
from node.rpc.views import channel_view, kind_of, known_channel, objective_view, record_view
from protocols.channel import funding_terms, status
from protocols.errors import UnknownChannel, UnknownObjective

View = TypeVar("View")


async def node_at(node: NodeApi, at: int | str | None, name: str = "at") -> NodeView:
    """The node as it is, or as it was at the moment that a caller named.

    `name`: of the parameter. Raises InvalidParams, MomentAhead or MomentBeforeLog.
    """
    return node if at is None else await node.at(parse_moment(name, at))


async def node_status(node: NodeApi, p: params.MomentParams) -> dict[str, object]:
    """Figures of every room."""
    return (await node_at(node, p.at)).status()


async def channel_get(node: NodeApi, p: params.ChannelGetParams) -> results.ChannelView:
    """One channel; `UnknownChannel` if there is none."""
    channel_id = parse_hash32("channel_id", p.channel_id)
    view = await node_at(node, p.at)
    channel = known_channel(view, channel_id)
    if channel is None:
        raise UnknownChannel(channel_id)
    return channel_view(view, channel, in_full=True)


async def channel_list(node: NodeApi, p: params.ChannelListParams) -> results.ChannelList:
    """Channels in the order in which they were made; `UnknownChannel` if `after` is none."""
    after = None if p.after is None else parse_hash32("after", p.after)
    view = await node_at(node, p.at)
    if after is not None and view.state.channels.get(after) is None:
        raise UnknownChannel(after)

    def show(channel_id: bytes) -> results.ChannelView | None:
        channel = known_channel(view, channel_id)
        if channel is None:
            return None
        wanted = p.kind is None or kind_of(view, channel) == p.kind
        wanted = wanted and (p.status is None or status(channel) == p.status)
        return channel_view(view, channel) if wanted else None

    found = await _gather(view.state.channels, after, p.limit, show)
    return results.ChannelList(found, results.At(view.seq))


async def ledger_list(node: NodeApi, p: params.LedgerListParams) -> results.ChannelList:
    """Ledgers in the order in which they were made; `UnknownChannel` if `after` is none."""
    after = None if p.after is None else parse_hash32("after", p.after)
    asset = None if p.asset is None else parse_account("asset", p.asset)
    peer = None if p.counterparty is None else parse_account("counterparty", p.counterparty)
    view = await node_at(node, p.at)
    if after is not None and view.state.channels.get(after) is None:
        raise UnknownChannel(after)

    def show(channel_id: bytes) -> results.ChannelView | None:
        channel = known_channel(view, channel_id)
        if channel is None or kind_of(view, channel) != "ledger":
            return None
        if peer not in (None, channel.counterparty):
            return None
        if asset not in (None, funding_terms(channel).asset):
            return None
        wanted = p.status is None or status(channel) == p.status
        return channel_view(view, channel) if wanted else None

    found = await _gather(view.state.channels, after, p.limit, show)
    return results.ChannelList(found, results.At(view.seq))


async def objective_get(node: NodeApi, p: params.ObjectiveGetParams) -> results.ObjectiveView:
    """One objective; `UnknownObjective` if there is none."""
    objective_id = parse_hash32("objective_id", p.objective_id)
    view = await node_at(node, p.at)
    objective = view.state.objectives.get(objective_id)
    if objective is None:
        raise UnknownObjective(objective_id)
    return objective_view(view, objective)


async def objective_list(node: NodeApi, p: params.ObjectiveListParams) -> results.ObjectiveList:
    """Objectives in the order in which they were made; `UnknownObjective` if `after` is none."""
    after = None if p.after is None else parse_hash32("after", p.after)
    view = await node_at(node, p.at)
    if after is not None and view.state.objectives.get(after) is None:
        raise UnknownObjective(after)

    def show(objective_id: bytes) -> results.ObjectiveView | None:
        objective = view.state.objectives[objective_id]
        wanted = p.status is None or objective.status == p.status
        return objective_view(view, objective) if wanted else None

    found = await _gather(view.state.objectives, after, p.limit, show)
    return results.ObjectiveList(found, results.At(view.seq))


async def _gather(
    entities: Iterable[bytes],
    after: bytes | None,
    limit: int,
    show: Callable[[bytes], View | None],
) -> list[View]:
    """At most `limit` views of the entities behind `after`, those that `show` wants."""
    keys = list(entities)
    found: list[View] = []
    for index, key in enumerate(keys if after is None else keys[keys.index(after) + 1 :], 1):
        view = show(key)
        if view is not None:
            found.append(view)
            if len(found) == limit:
                break
        if index % LIST_SLICE_COUNT == 0:
            await trio.lowlevel.checkpoint()
    return found


async def log_read(node: NodeApi, p: params.LogReadParams) -> results.LogPage:
    """Records from `from_seq` on, of the whole log or of one channel or objective."""
    entity = _entity(p)
    last_seq = node.seq if p.at is None else node.seq_of(parse_moment("at", p.at))
    if p.names or p.peer is not None:
        return await _filtered(node, p, entity, last_seq)
    found: list[results.RecordView] = []
    next_seq, size_bytes = p.from_seq, 0
    while len(found) < p.limit and size_bytes < LOG_READ_SIZE_BYTES_MAX:
        count = min(LOG_READ_SLICE_COUNT, p.limit - len(found))
        entries = node.record(next_seq, count, entity, last_seq)
        for entry in entries:
            found.append(record_view(entry))
            next_seq = entry.seq + 1
            size_bytes += len(msgspec.json.encode(entry.payload))
            if size_bytes >= LOG_READ_SIZE_BYTES_MAX:
                break
        if len(entries) < count:
            break
        await trio.lowlevel.checkpoint()
    return results.LogPage(found, next_seq)


async def _filtered(
    node: NodeApi, p: params.LogReadParams, entity: bytes | None, last_seq: int
) -> results.LogPage:
    """Records that fit, of at most `STORY_RECORD_COUNT_MAX` that are looked at."""
    wanted = wanted_by(node, p.names, p.peer)
    found: list[results.RecordView] = []
    next_seq, size_bytes, looked_at = p.from_seq, 0, 0
    while next_seq <= last_seq and len(found) < p.limit and looked_at < STORY_RECORD_COUNT_MAX:
        count = min(LOG_READ_SLICE_COUNT, p.limit - len(found))
        entries, next_seq = node.matching(next_seq, count, entity, wanted, last_seq)
        found += map(record_view, entries)
        size_bytes += sum(len(msgspec.json.encode(entry.payload)) for entry in entries)
        looked_at += count
        if size_bytes >= LOG_READ_SIZE_BYTES_MAX:
            break
        await trio.lowlevel.checkpoint()
    return results.LogPage(found, next_seq)


def _entity(p: params.LogReadParams) -> bytes | None:
    if p.channel_id is not None and p.objective_id is not None:
        raise InvalidParams("objective_id", "give channel_id or objective_id, not both")
    if p.channel_id is not None:
        return parse_hash32("channel_id", p.channel_id)
    if p.objective_id is not None:
        return parse_hash32("objective_id", p.objective_id)
    return None
