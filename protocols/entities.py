"""What a node holds: its entities by their keys, their canonical bytes and the digest of all.

The values are frozen; the maps that hold them belong to whoever folds (ADR 0025). How events
change them is not known here: see `node_state`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct

from protocols.agenda import Agenda
from protocols.carried import Carried
from protocols.channel import Channel
from protocols.delivery import Peer
from protocols.log_head import LogHead
from protocols.objectives.base import Objective, ObjectiveType, objective_id
from protocols.rejected import RejectedChannels
from protocols.transactions import Transaction
from protocols.types import Address, Bytes32, ChannelId, ObjectiveId

Key = TypeVar("Key")
Value = TypeVar("Value")


class EntityMap(Protocol[Key, Value]):
    """What the reducer needs of a map: a dict is one, a crank's overlay another."""

    def get(self, key: Key, /) -> Value | None:
        """The value under the key; None if there is none."""

    def __getitem__(self, key: Key, /) -> Value: ...
    def __setitem__(self, key: Key, value: Value, /) -> None: ...
    def __delitem__(self, key: Key, /) -> None: ...
    def __iter__(self) -> Iterator[Key]: ...
    def __len__(self) -> int: ...


class Node(Struct, frozen=True, array_like=True, gc=False):
    """Who we are and where we are in the chain: record 0 and the cursor."""

    chain_id: int
    adjudicator: Address
    virtual_payment_app: Address
    consensus_app: Address
    address: Address
    processed_block_num: int = -1
    processed_block_hash: bytes = b""
    tail_cut_count: int = 0
    """How often records were lost: cut, restored over, or missed by a peer."""
    kept_count: int = 0
    """Records that the newest loss left."""
    head: LogHead | None = None
    """The newest head of our log that we signed."""


class NodeState:
    """Every entity of the node, by its key. Read freely; only `apply` writes."""

    def __init__(
        self,
        nodes: EntityMap[bytes, Node] | None = None,
        channels: EntityMap[ChannelId, Channel] | None = None,
        objectives: EntityMap[ObjectiveId, Objective] | None = None,
        peers: EntityMap[Address, Peer] | None = None,
        transactions: EntityMap[Bytes32, Transaction] | None = None,
        approvers: EntityMap[Address, ChannelId] | None = None,
        ledgers: EntityMap[Address, tuple[ChannelId, ...]] | None = None,
    ) -> None:
        self.nodes: EntityMap[bytes, Node] = {} if nodes is None else nodes
        """One entry, under NODE_KEY, once record 0 was applied."""
        self.channels: EntityMap[ChannelId, Channel] = {} if channels is None else channels
        self.objectives: EntityMap[ObjectiveId, Objective] = (
            {} if objectives is None else objectives
        )
        self.peers: EntityMap[Address, Peer] = {} if peers is None else peers
        self.transactions: EntityMap[Bytes32, Transaction] = (
            {} if transactions is None else transactions
        )
        self.approvers: EntityMap[Address, ChannelId] = {} if approvers is None else approvers
        """By token, the channel that asked for an approval last: a view, not digested."""
        self.ledgers: EntityMap[Address, tuple[ChannelId, ...]] = {} if ledgers is None else ledgers
        """By peer, our ledgers from the postfund to the final state, oldest first: likewise."""
        self.unreceipted: set[ChannelId] = set()
        """Channels with payments to us without a receipt: a view of `channels`, not digested."""
        self.refused: set[ChannelId] = set()
        """Channels in which the payee refused payments of ours: likewise."""
        self.unanswered: set[ChannelId] = set()
        """Ledgers that we follow with proposals we could sign or refuse now: likewise."""
        self.unapproved: dict[ObjectiveId, int] = {}
        """Objectives that wait for the owner's word and since when, oldest first: likewise."""
        self.agenda = Agenda()
        """What is under way: likewise, a view of `objectives`."""
        self.carried = Carried()
        """What virtual channels weigh on us, summed by peer and by ledger: likewise."""
        self.rejected = RejectedChannels()
        """Virtual channels that came to nothing, to be pruned or pruned: likewise."""

    @property
    def node(self) -> Node:
        """Record 0 must have been applied."""
        return self.nodes[NODE_KEY]

    def peer(self, address: Address) -> Peer:
        """The conversation with that peer; an empty one if there was none."""
        return self.peers.get(address) or Peer(address)

    def objectives_of(self, channel_id: ChannelId) -> list[Objective]:
        """The objectives of one channel, in the order of their types."""
        ids = (objective_id(kind, channel_id) for kind in ObjectiveType)
        return [found for found in map(self.objectives.get, ids) if found is not None]

    def families(self) -> Iterator[tuple[bytes, EntityMap[bytes, Any]]]:
        """The maps of all entities, each behind what precedes its keys in the digest."""
        yield b"node|", self.nodes
        yield b"channel|", self.channels
        yield b"objective|", self.objectives
        yield b"peer|", self.peers
        yield b"transaction|", self.transactions

    def entities(self) -> Iterator[tuple[bytes, Any]]:
        """Every entity with its key; the order says nothing."""
        for prefix, entities in self.families():
            for key in entities:
                yield prefix + key, entities[key]

    def digest(self) -> Bytes32:
        """The digest of everything held: equal states, equal digests, whatever the order."""
        return Digest().update(self)


NODE_KEY = b"node"
_ENCODER = msgspec.json.Encoder()


def canonical(entity: Any) -> bytes:
    """The entity's canonical bytes: JSON arrays, bytes as base64, integers of any size."""
    return _ENCODER.encode(entity)


class Digest:
    """sum over entities of sha256(key || 0x00 || canonical bytes), modulo 2**256 (ADR 0025).

    Keeps each entity's term, so that a further digest costs what changed since.
    """

    def __init__(self) -> None:
        self._terms: dict[bytes, dict[bytes, tuple[Any, int]]] = {}
        """By family, under the very keys of the state: a copy of each would weigh as much again."""
        self._sum = 0

    def update(self, state: NodeState) -> Bytes32:
        """The digest of `state` now: 32 bytes."""
        for prefix, entities in state.families():
            terms = self._terms.setdefault(prefix, {})
            self._update_family(prefix, entities, terms)
        return (self._sum % 2**256).to_bytes(32, "big")

    def _update_family(
        self, prefix: bytes, entities: EntityMap[bytes, Any], terms: dict[bytes, tuple[Any, int]]
    ) -> None:
        count = 0
        for key in entities:
            count += 1
            entity, known = entities[key], terms.get(key)
            if known is not None and known[0] is entity:
                continue
            hashed = hashlib.sha256(prefix + key + b"\x00" + canonical(entity))
            term = int.from_bytes(hashed.digest(), "big")
            self._sum += term - (known[1] if known else 0)
            terms[key] = (entity, term)
        if count < len(terms):
            for gone in terms.keys() - set(entities):
                self._sum -= terms.pop(gone)[1]

    @property
    def entity_count(self) -> int:
        """Entities that the digest covers."""
        return sum(map(len, self._terms.values()))


Reducer = Callable[[NodeState, Any, int], None]
"""Folds one event, recorded at that time (Unix milliseconds), into the state."""
