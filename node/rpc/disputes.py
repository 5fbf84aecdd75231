"""Dispute kits over RPC: signed and recorded first, then made of what was recorded."""

from __future__ import annotations

from typing import Any, cast

import trio

from node.answers import Answer
from node.rpc.interface import NodeApi
from node.rpc.params import Hash32Text, Params, parse_hash32
from node.slices import in_slices
from protocols.commands import ExportDisputeKit
from protocols.dispute_kit import DisputeKit
from protocols.dispute_making import Exported, kit_steps
from protocols.errors import ProtocolError
from protocols.exit_errors import KitNotMade
from protocols.exit_events import DisputeKitExported
from protocols.types import ChannelId

EXPORT_COUNT_MAX = 8
"""Times that what was signed is outdated before the kit is made: a ledger under load changes with
every batch, yet the kit is made right behind one."""


class DisputeExportParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """What to leave, from elsewhere."""

    channel_id: Hash32Text
    sealed: bool = False
    """Sign the redemptions as well: no key is needed to run the kit, and the channels in it that
    pay us take no voucher any more."""


async def dispute_export(node: NodeApi, p: DisputeExportParams) -> DisputeKit:
    """The kit, once what was signed for it is on disk. Raises UnknownChannel, NothingToLeave or
    KitNotMade."""
    channel_id = parse_hash32("channel_id", p.channel_id)
    for _ in range(EXPORT_COUNT_MAX):
        exported = await _export(node, channel_id, sealed=p.sealed)
        kit = await in_slices(kit_steps(node.state, exported))
        if kit is not None:
            return kit
    raise KitNotMade(channel_id)


async def _export(node: NodeApi, channel_id: ChannelId, *, sealed: bool) -> Exported:
    told: list[Answer | ProtocolError] = []
    is_told = trio.Event()

    def done(answer: Answer | ProtocolError) -> None:
        told.append(answer)
        is_told.set()

    while not node.command_then(ExportDisputeKit(channel_id, sealed), "durable", done):
        await node.queue_room()
    node.prompt()
    await is_told.wait()
    (answer,) = told
    if isinstance(answer, ProtocolError):
        raise answer
    (fact,) = node.facts([channel_id], answer.seq, answer.seq + 1, 1)
    (entry,) = node.record(answer.seq, 1, None, answer.seq)
    event = fact.event
    assert isinstance(event, DisputeKitExported), "the answer names its record"
    chain = cast(dict[str, Any], node.status()["chain"])
    depth: int = chain["confirmation_count"]
    return Exported(event, answer.seq, entry.chain_hash, entry.time_ms, depth)
