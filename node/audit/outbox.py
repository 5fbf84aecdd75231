"""What was told to the world is settled once: by a later record, and of something that was told."""

from collections.abc import Iterator

from node.audit.checks import Check
from node.audit.entry import Entry
from node.audit.fold import FoldCheck
from protocols import events
from protocols.errors import ProtocolError
from protocols.node_state import NodeState
from protocols.types import from_hex


class OutboxCheck(Check):
    """Messages, by acknowledgements that rise and never beyond what was sent; questions to the
    chain, by one answer. Transactions have a family of their own.

    What is under way is read from the fold of all records before: whether that is right is the
    other families' to say. What is left in the end is compared with the outbox itself.
    """

    name = "outbox"
    is_of_channels = False
    judges = (events.PeerAcknowledged, events.MessageAcked, events.HoldingsRead)

    def __init__(self, fold: FoldCheck) -> None:
        self._fold = fold

    def check(self, entry: Entry) -> Iterator[str]:
        """What is wrong with this record, given all before it; nothing where the fold ended."""
        state = self._fold.state
        if state is None:
            return
        match entry.event:
            case events.PeerAcknowledged() as event:
                yield from _acknowledged(state, event)
            case events.MessageAcked() as event:
                yield from _acked(state, event)
            case events.HoldingsRead() as event:
                channel = state.channels.get(event.channel_id)
                if channel is not None and not channel.unread:
                    yield "nobody waits for what the chain holds for the channel, or not any more"


def _acknowledged(state: NodeState, event: events.PeerAcknowledged) -> Iterator[str]:
    peer = state.peer(event.peer)
    if event.sequence > peer.sent:
        yield f"message {event.sequence} is acknowledged, {peer.sent} were sent"
    elif event.sequence <= peer.acknowledged:
        yield f"message {event.sequence} was acknowledged before, up to {peer.acknowledged}"


def _acked(state: NodeState, event: events.MessageAcked) -> Iterator[str]:
    try:
        peer = state.peer(from_hex(event.peer_id))
    except ProtocolError:
        yield f"{event.peer_id!r} is no address"
        return
    sequences = [m.sequence for m in peer.pending if m.message_id == event.message_id]
    if not sequences:
        yield "no such message was sent, or it was acknowledged before"
    elif min(sequences) > peer.acknowledged:
        yield f"it is message {min(sequences)}, the peer has {peer.acknowledged}"
