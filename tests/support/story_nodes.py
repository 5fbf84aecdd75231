"""Nodes whose stories are told: real logs, written as an engine writes them, and their states."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import cast

from node.answers import PaymentAnswer
from node.explain.casting import cast_of
from node.explain.story import Cast, Fact
from node.history import History
from node.moments import Moment
from node.past_view import PastView
from node.payment_lookup import find_payment
from node.rpc.interface import NodeApi
from node.step import SIGNING
from node.store.log import EventLog
from node.store.memory import MemoryKeyValue
from protocols import commands
from protocols.draft import Context, Decision
from protocols.node_state import NodeState
from protocols.objectives.cranks import waiting_for
from protocols.types import ChannelId
from tests.support.network import CoreNode
from tests.support.recorded_nodes import RecordedNode
from tests.support.web import Web

NOWHERE = Path("/nowhere")


class StoryNode:
    """What the explanations ask of a node, over its log."""

    def __init__(self, log: EventLog, state: NodeState) -> None:
        self.log = log
        self.state = state

    @property
    def seq(self) -> int:
        return self.log.next_seq - 1

    def waiting_for(self, objective_id: bytes) -> str:
        me = self.state.node.address
        context = Context(0, lambda _: b"", me, 0, lambda _: Decision("ask"))
        return waiting_for(self.state, self.state.objectives[objective_id], context)

    def facts(
        self, entities: Sequence[bytes], from_seq: int, to_seq: int, limit: int
    ) -> Sequence[Fact]:
        records = self.log.read_entities(entities, from_seq, to_seq)
        return [
            Fact(record.seq, record.time_ms, record.cause_seq, record.event())
            for record in islice(records, limit)
        ]

    def payment(self, payment_id: bytes, last_seq: int) -> PaymentAnswer | None:
        return find_payment(self.log, payment_id, last_seq)

    def seq_of(self, moment: Moment) -> int:
        return History(self.log, lambda: 0).seq_of(moment)

    async def at(self, moment: Moment) -> PastView:
        history = History(self.log, lambda: 0)
        seq = self.seq_of(moment)
        context = Context(0, lambda _: b"", b"", 0, lambda _: Decision("ask"))
        return PastView(self.log, await history.state_at(seq), seq, context, "story")

    def cast(self, channel_id: ChannelId) -> Cast:
        """Who takes part in a channel."""
        return cast_of(self.state.node, channel_id, self.facts((channel_id,), 0, self.seq + 1, 64))


def recorded(node: RecordedNode) -> NodeApi:
    """A node with a log on disk."""
    return cast(NodeApi, StoryNode(node.log, node.state))


def of_core(node: CoreNode) -> StoryNode:
    """A node of the pure core, its records written with their causes."""
    log = EventLog.open(NOWHERE, kv=MemoryKeyValue())
    for (time_ms, event), cause_seq in zip(node.log, node.causes, strict=True):
        batch = log.begin(time_ms)
        batch.append(event, cause_seq)
        if isinstance(event, SIGNING):
            batch.sign_turn(event.channel_id, event.turn_num, event.state_hash)
        log.commit(batch)
    return StoryNode(log, node.state)


@lru_cache
def closed_path() -> tuple[tuple[StoryNode, ...], ChannelId]:
    """Payer, hub and payee of a virtual channel: opened, paid in, a list, closed."""
    web = Web(1, fees=(7,))
    channel_id = web.opened(1_000)
    for number in range(1, 6):
        web.pay(channel_id, number, number)
    web.settle()
    web.payer.feed(commands.SendBatch(channel_id, (1, 2, 3), ("a", "b", "c"), b"list" * 7, True))
    web.settle()
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    return tuple(of_core(node) for node in web.row), channel_id
