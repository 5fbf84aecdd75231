"""Heads between peers: each keeps the longest the other signed, and says which one it keeps.

A log only grows. So a head that is shorter than one its node signed before, or as long with another
root, shows that the node lost records or rewrote them: that is recorded with both heads, which
anybody can check, and nothing stops for it.
"""

from __future__ import annotations

from protocols import inputs, log_losses
from protocols.draft import Draft
from protocols.entities import Node
from protocols.errors import InvalidSignature
from protocols.events import PeerMisbehaved
from protocols.head_events import LogHeadDisputed, LogHeadReceived
from protocols.log_head import LogHead, LogOwner, require_signed
from protocols.types import Address

FORKED = "forked"
SHORTENED = "shortened"
DISPUTE_COUNT_MAX = 10
"""Disputes recorded of one peer: each holds two signatures of it already, and it could go on."""


def owner_of(ours: Node, node: Address) -> LogOwner:
    """The log of a node in our deployment."""
    return LogOwner(ours.chain_id, ours.adjudicator, node)


def shown(draft: Draft, item: inputs.PeerHead) -> None:
    """A peer shows a head of its own log."""
    if not _is_signed(draft, item.peer, item.peer, item.head):
        return
    peer = draft.state.peer(item.peer)
    if peer.head is None or item.head.length > peer.head.length:
        head = item.head
        draft.emit(LogHeadReceived(item.peer, head.length, head.root, head.signature))
        return
    kind = _contradiction(peer.head, item.head)
    if kind and peer.head_dispute_count < DISPUTE_COUNT_MAX:
        old, new = peer.head, item.head
        held = (old.length, old.root, old.signature)
        draft.emit(LogHeadDisputed(item.peer, kind, *held, new.length, new.root, new.signature))


def held(draft: Draft, item: inputs.HeldHead) -> None:
    """A peer says which head of ours it keeps.

    One that we signed and our log does not contain proves that the log lost records.
    """
    if _is_signed(draft, item.peer, draft.context.me, item.head):
        log_losses.compare(draft, item.peer, item.head, agrees=item.in_our_log)


def _contradiction(held: LogHead, new: LogHead) -> str:
    if new.length < held.length:
        return SHORTENED
    return "" if new.root == held.root else FORKED


def _is_signed(draft: Draft, peer: Address, node: Address, head: LogHead) -> bool:
    """Whether the node signed the head. If not, who said so broke a rule."""
    try:
        require_signed(owner_of(draft.state.node, node), head)
    except InvalidSignature as error:
        draft.emit(PeerMisbehaved(peer, error.name(), error.reason, 1))
        return False
    return True
