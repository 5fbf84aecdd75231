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
)
from node.rpc.errors import InvalidParams
from node.rpc.interface import NodeApi
from node.rpc.params import parse_account, parse_hash32
from node.rpc.views import channel_view, kind_of, objective_view, record_view
from protocols.channel import funding_terms, status
from protocols.errors import UnknownChannel, UnknownObjective

View = TypeVar("View")


async def node_status(node: NodeApi, p: params.NoParams) -> dict[str, object]:
    """Figures of every room."""
    return node.status()


async def channel_get(node: NodeApi, p: params.ChannelGetParams) -> results.ChannelView:
    """One channel; `UnknownChannel` if there is none."""
    channel_id = parse_hash32("channel_id", p.channel_id)
    channel = node.state.channels.get(channel_id)
    if channel is None:
        raise UnknownChannel(channel_id)
    return channel_view(node, channel, in_full=True)


async def channel_list(node: NodeApi, p: params.ChannelListParams) -> results.ChannelList:
    """Channels in the order in which they were made; `UnknownChannel` if `after` is none."""
    after = None if p.after is None else parse_hash32("after", p.after)
    if after is not None and node.state.channels.get(after) is None:
        raise UnknownChannel(after)

    def show(channel_id: bytes) -> results.ChannelView | None:
        channel = node.state.channels[channel_id]
        wanted = p.kind is None or kind_of(node, channel) == p.kind
        wanted = wanted and (p.status is None or status(channel) == p.status)
        return channel_view(node, channel) if wanted else None

    found = await _gather(node.state.channels, after, p.limit, show)
    return results.ChannelList(found, results.At(node.seq))


async def ledger_list(node: NodeApi, p: params.LedgerListParams) -> results.ChannelList:
    """Ledgers in the order in which they were made; `UnknownChannel` if `after` is none."""
    after = None if p.after is None else parse_hash32("after", p.after)
    if after is not None and node.state.channels.get(after) is None:
        raise UnknownChannel(after)
    asset = None if p.asset is None else parse_account("asset", p.asset)
    peer = None if p.counterparty is None else parse_account("counterparty", p.counterparty)

    def show(channel_id: bytes) -> results.ChannelView | None:
        channel = node.state.channels[channel_id]
        if kind_of(node, channel) != "ledger" or peer not in (None, channel.counterparty):
            return None
        if asset not in (None, funding_terms(channel).asset):
            return None
        wanted = p.status is None or status(channel) == p.status
        return channel_view(node, channel) if wanted else None

    found = await _gather(node.state.channels, after, p.limit, show)
    return results.ChannelList(found, results.At(node.seq))


async def objective_get(node: NodeApi, p: params.ObjectiveGetParams) -> results.ObjectiveView:
    """One objective; `UnknownObjective` if there is none."""
    objective_id = parse_hash32("objective_id", p.objective_id)
    objective = node.state.objectives.get(objective_id)
    if objective is None:
        raise UnknownObjective(objective_id)
    return objective_view(node, objective)


async def objective_list(node: NodeApi, p: params.ObjectiveListParams) -> results.ObjectiveList:
    """Objectives in the order in which they were made; `UnknownObjective` if `after` is none."""
    after = None if p.after is None else parse_hash32("after", p.after)
    if after is not None and node.state.objectives.get(after) is None:
        raise UnknownObjective(after)

    def show(objective_id: bytes) -> results.ObjectiveView | None:
        objective = node.state.objectives[objective_id]
        wanted = p.status is None or objective.status == p.status
        return objective_view(node, objective) if wanted else None

    found = await _gather(node.state.objectives, after, p.limit, show)
    return results.ObjectiveList(found, results.At(node.seq))


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
    found: list[results.RecordView] = []
    next_seq, size_bytes = p.from_seq, 0
    while len(found) < p.limit and size_bytes < LOG_READ_SIZE_BYTES_MAX:
        count = min(LOG_READ_SLICE_COUNT, p.limit - len(found))
        entries = node.record(next_seq, count, entity)
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


def _entity(p: params.LogReadParams) -> bytes | None:
    if p.channel_id is not None and p.objective_id is not None:
        raise InvalidParams("objective_id", "give channel_id or objective_id, not both")
    if p.channel_id is not None:
        return parse_hash32("channel_id", p.channel_id)
    if p.objective_id is not None:
        return parse_hash32("objective_id", p.objective_id)
    return None
