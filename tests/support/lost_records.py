"""Nodes that lost records, and what peers hold of their logs.

The core sees no records: whether a log contains a head is told to it. Here a root is made of the
events themselves, so that a log that forgot some and went on has other roots.
"""

from __future__ import annotations

from hashlib import sha256

from msgspec.structs import replace

from protocols import inputs
from protocols.draft import Context
from protocols.event_codec import encode_payload
from protocols.log_head import LogHead, LogOwner, sign_head
from protocols.types import Bytes32
from tests.support.network import CoreNode, Network


def root_of(node: CoreNode, length: int) -> Bytes32:
    """Stands for the root over the first `length` records."""
    hasher = sha256()
    for _, event in node.log[:length]:
        hasher.update(event.NAME.encode() + encode_payload(event))
    return hasher.digest()


def head_of(node: CoreNode, length: int | None = None) -> LogHead:
    """The node's head over its first records, all unless said."""
    state = node.state.node
    count = len(node.log) if length is None else length
    owner = LogOwner(state.chain_id, state.adjudicator, node.actor.address)
    return sign_head(owner, count, root_of(node, count), node.actor.signer)


def looks_into_its_log(node: CoreNode) -> None:
    """The node answers whether its log contains a head, as the shell does."""
    told = node.context

    def has_head(length: int, root: Bytes32) -> bool:
        return length <= len(node.log) and root_of(node, length) == root

    def context() -> Context:
        return replace(told(), has_head=has_head)

    node.context = context  # type: ignore[method-assign]


def show_heads(network: Network) -> None:
    """Each node shows the other the head of its log, which the other keeps."""
    for node in network.nodes.values():
        other = network.other(node)
        other.feed(inputs.PeerHead(node.actor.address, head_of(node)))


def tell_held_heads(network: Network) -> None:
    """Each node tells the other which head of the other's log it holds."""
    for node in network.nodes.values():
        other = network.other(node)
        held = node.peer(other.actor.address).head
        if held is not None:
            known = other.context().has_head(held.length, held.root)
            other.feed(inputs.HeldHead(node.actor.address, held, known))
