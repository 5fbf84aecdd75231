"""The node at the moment that a story is asked for: its state then, and its log up to then."""

from __future__ import annotations

from collections.abc import Sequence

from node.answers import PaymentAnswer
from node.explain.casting import OPENING_COUNT_MAX, cast_of
from node.explain.story import Cast, Fact
from node.rpc.interface import NodeApi, NodeView
from node.rpc.queries import node_at
from protocols.types import ChannelId, PaymentId


class Scene:
    """The node at the moment that is asked about, and its log up to then."""

    def __init__(self, node: NodeApi, view: NodeView) -> None:
        self.view = view
        self.state = view.state
        self.end = view.seq + 1
        """Behind the last record."""
        self._node = node
        self._is_past = view is not node

    def blocks_until(self, time_s: int) -> int | None:
        """How many blocks are left until then; None in the past."""
        return None if self._is_past else self._node.blocks_until(time_s)

    def facts(
        self, entities: Sequence[bytes], from_seq: int, limit: int, end: int | None = None
    ) -> Sequence[Fact]:
        """At most `limit` records about any of these ids, before `end` or the moment's."""
        return self._node.facts(entities, from_seq, self.end if end is None else end, limit)

    def payment(self, payment_id: PaymentId) -> PaymentAnswer | None:
        """The payment with what proves it by then."""
        return self._node.payment(payment_id, self.view.seq)

    def cast(self, channel_id: ChannelId) -> Cast:
        """Who takes part in a channel, by the first records of it."""
        opening = self.facts((channel_id,), 0, OPENING_COUNT_MAX)
        return cast_of(self.state.node, channel_id, opening)


async def scene_at(node: NodeApi, at: int | str | None) -> Scene:
    """The node as of `at`; now if that is None. Raises MomentAhead or MomentBeforeLog."""
    return Scene(node, await node_at(node, at))
