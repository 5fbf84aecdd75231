"""How a loss of records is folded: cut, restored over, or proved by what a peer holds (M27).

`LOSS_REDUCERS` is the door.
"""

from __future__ import annotations

from msgspec.structs import replace

from protocols import events, resumption_events
from protocols.channel_reducers import CHANNEL_REDUCERS, restricted
from protocols.conversation_reducers import look_at_app
from protocols.entities import NODE_KEY, NodeState, Reducer
from protocols.event import Event
from protocols.ledger_events import LedgerRestored
from protocols.ledger_reducers import ledger_of
from protocols.types import Address

OFFSET_SIZE_BYTES = 4
"""Of a head's root: whoever lost another history goes on at other final turns (M6)."""


def _tail_cut(state: NodeState, event: events.LogTailCut, time_ms: int) -> None:
    _lost(state, event.record_count, 0)


def _restored(state: NodeState, event: events.NodeRestored, time_ms: int) -> None:
    _lost(state, event.record_count, event.turn_offset)


def _compared(state: NodeState, event: resumption_events.HeldHeadCompared, time_ms: int) -> None:
    if not event.explained:
        # How much of the log is what the peer saw cannot be told: nothing of it, at worst.
        _lost(state, 0, int.from_bytes(event.root[:OFFSET_SIZE_BYTES], "big") // 2)
    peer = state.peer(event.peer)
    state.peers[event.peer] = replace(
        peer,
        compared_cut=state.node.tail_cut_count,
        lost_root=peer.lost_root if event.agrees else event.root,
    )
    if not event.agrees:
        _remember_in_ledgers(state, event.peer)


def _remember_in_ledgers(state: NodeState, peer: Address) -> None:
    """The peer may show no head later, or an older one: what it showed is not forgotten."""
    for channel_id in state.ledgers.get(peer) or ():
        channel = state.channels[channel_id]
        ledger = channel.ledger
        if ledger is None or ledger.resumption is None or not channel.close_only:
            continue
        said = replace(ledger.resumption, head_agrees=False, is_head_lost=True)
        state.channels[channel_id] = replace(channel, ledger=replace(ledger, resumption=said))


def _lost(state: NodeState, kept_count: int, turn_offset: int) -> None:
    """Records are lost, however: M27 is in force for every channel."""
    count = state.node.tail_cut_count + 1
    state.nodes[NODE_KEY] = replace(state.node, tail_cut_count=count, kept_count=kept_count)
    for channel_id in list(state.channels):
        channel = restricted(state.channels[channel_id], turn_offset)
        state.channels[channel_id] = channel
        if channel.app is not None:
            look_at_app(state, channel)
    state.rejected.keep_all()


def _ledger_restored(state: NodeState, event: LedgerRestored, time_ms: int) -> None:
    before = state.channels[event.channel_id]
    after = CHANNEL_REDUCERS[LedgerRestored](before, event)
    state.channels[event.channel_id] = after
    state.unanswered.discard(event.channel_id)
    # What we guaranteed and forgot we may have signed more of: it is only closed as well.
    known = {guarantee.target for guarantee in ledger_of(before).current.guarantees}
    for guarantee in ledger_of(after).current.guarantees:
        channel = state.channels.get(guarantee.target)
        if channel is not None and guarantee.target not in known and not channel.close_only:
            state.channels[guarantee.target] = restricted(channel)


LOSS_REDUCERS: dict[type[Event], Reducer] = {
    events.LogTailCut: _tail_cut,
    events.NodeRestored: _restored,
    resumption_events.HeldHeadCompared: _compared,
    LedgerRestored: _ledger_restored,
}
