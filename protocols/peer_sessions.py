"""The sessions with peers: what each side has of the other's messages, and what is told again."""

from __future__ import annotations

from protocols import events, inputs, ledger_restoring, ledger_resuming, messages
from protocols.delivery import RESUME_JUMP_MAX
from protocols.draft import Draft
from protocols.entities import NodeState
from protocols.objectives import directdefund, directfund, virtual_retelling
from protocols.types import Address, to_hex
from protocols.virtual_paths import links_of


def is_loss(state: NodeState, address: Address, received: int) -> bool:
    """Whether a session in which the peer says it has `received` messages begins with a loss."""
    return _we_lost(state, address) or _they_lost(state, address, received)


def _we_lost(state: NodeState, address: Address) -> bool:
    return state.node.tail_cut_count > state.peer(address).resumed_cut


def _they_lost(state: NodeState, address: Address, received: int) -> bool:
    return received < state.peer(address).acknowledged


def shared_channel_count(state: NodeState, address: Address) -> int:
    """In how many channels something may be said again between the peer and us. Reads them all."""
    count = 0
    for channel_id in list(state.channels):
        channel = state.channels[channel_id]
        who = (channel.counterparty,) if channel.virtual is None else links_of(channel)
        count += address in who
    return count


def connected(draft: Draft, item: inputs.PeerConnected) -> None:
    """A session begins. If either side lost the end of its log, say again what still counts.

    The peer's count is above ours when our tail was cut, and below what it once acknowledged when
    its own was: new messages must not reuse numbers, and what was lost must be told again.
    """
    peer = draft.state.peer(item.peer)
    we_lost = _we_lost(draft.state, item.peer)
    they_lost = _they_lost(draft.state, item.peer, item.received)
    if we_lost and item.received <= peer.sent + RESUME_JUMP_MAX:
        sent = max(peer.sent, item.received)
        draft.emit(events.DeliveryResumed(item.peer, sent, peer.received))
    acknowledged(draft, item.peer, item.received)
    if we_lost or they_lost:
        for channel_id in list(draft.state.channels):
            channel = draft.state.channels[channel_id]
            if channel.virtual is not None:
                virtual_retelling.retell(draft, channel, item.peer)
            elif channel.counterparty == item.peer:
                directfund.retell(draft, channel)
                ledger_restoring.retell(draft, channel)
                directdefund.retell(draft, channel)
                if we_lost:
                    ledger_resuming.ask(draft, channel_id)


def acknowledged(draft: Draft, address: Address, sequence: int) -> None:
    """The peer has our messages up to `sequence` on its disk."""
    peer = draft.state.peer(address)
    if not peer.acknowledged < sequence <= peer.sent:
        return
    draft.emit(events.PeerAcknowledged(address, sequence))
    for message in peer.pending:
        if message.sequence <= sequence:
            roundtrip_ms = max(0, draft.context.now_ms - message.sent_ms)
            draft.emit(events.MessageAcked(message.message_id, to_hex(address), roundtrip_ms))


def fault(draft: Draft, item: inputs.PeerFault) -> None:
    """The peer broke the framing: a fact for it and for those like it that it stands for."""
    reason = item.reason[: messages.TEXT_LENGTH_MAX]
    draft.emit(events.PeerMisbehaved(item.peer, item.error_code, reason, item.count))
