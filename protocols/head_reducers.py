"""How heads are folded: ours into the node, a peer's into our conversation with it.

`HEAD_REDUCERS` is the door.
"""

from __future__ import annotations

from msgspec.structs import replace

from protocols import head_events
from protocols.entities import NODE_KEY, NodeState, Reducer
from protocols.event import Event
from protocols.log_head import LogHead


def _signed(state: NodeState, event: head_events.LogHeadSigned, time_ms: int) -> None:
    head = LogHead(event.length, event.root, event.signature)
    state.nodes[NODE_KEY] = replace(state.node, head=head)


def _received(state: NodeState, event: head_events.LogHeadReceived, time_ms: int) -> None:
    head = LogHead(event.length, event.root, event.signature)
    state.peers[event.peer] = replace(state.peer(event.peer), head=head)


def _disputed(state: NodeState, event: head_events.LogHeadDisputed, time_ms: int) -> None:
    peer = state.peer(event.peer)
    state.peers[event.peer] = replace(peer, head_dispute_count=peer.head_dispute_count + 1)


HEAD_REDUCERS: dict[type[Event], Reducer] = {
    head_events.LogHeadSigned: _signed,
    head_events.LogHeadReceived: _received,
    head_events.LogHeadDisputed: _disputed,
}
