"""What a node holds: its entities by their keys, their canonical bytes and the digest of all.

The values are frozen; the maps that hold them belong to whoever folds (ADR 0025). How events
change them is not known here: see `node_state`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from protocols.agenda import Agenda
from protocols.carried import Carried, Share
from protocols.channel import Channel
from protocols.delivery import Peer
from protocols.digest import (
    NamedTable,
    Sums,
    canonical,
    digest_of_sum,
    take_changes,
    term,
)
from protocols.log_head import LogHead
from protocols.objectives.base import Objective, ObjectiveType, newest_round, objective_id
from protocols.rejected import RejectedChannels
from protocols.rejections import Rejection
from protocols.table import KeySet, Table
from protocols.transactions import Transaction
from protocols.types import Address, Bytes32, ChannelId, ObjectiveId
from protocols.unconfirmed import Unconfirmed

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
    processed_block_time_s: int = 0
    """The processed block's own time, Unix seconds."""
    app_definitions: tuple[tuple[Address, str], ...] = ()
    """Contracts that application channels may run on, each with its rule (`app_definitions`)."""


class NodeState:
    """Every entity of the node, by its key. Read freely; only `apply` writes."""

    def __init__(
        self,
        nodes: EntityMap[bytes, Node] | None = None,
        channels: EntityMap[ChannelId, Channel] | None = None,
        objectives: EntityMap[ObjectiveId, Objective] | None = None,
        peers: EntityMap[Address, Peer] | None = None,
        transactions: EntityMap[Bytes32, Transaction] | None = None,
    ) -> None:
        self.nodes: EntityMap[bytes, Node] = Table() if nodes is None else nodes
        """One entry, under NODE_KEY, once record 0 was applied."""
        self.channels: EntityMap[ChannelId, Channel] = Table() if channels is None else channels
        self.objectives: EntityMap[ObjectiveId, Objective] = (
            Table() if objectives is None else objectives
        )
        self.peers: EntityMap[Address, Peer] = Table() if peers is None else peers
        self.transactions: EntityMap[Bytes32, Transaction] = (
            Table() if transactions is None else transactions
        )
        self.approvers: EntityMap[Address, ChannelId] = Table()
        """By token, the channel that asked for an approval last: a view, not digested."""
        self.ledgers: EntityMap[Address, tuple[ChannelId, ...]] = Table()
        """By peer, our ledgers from the postfund to the final state, oldest first: likewise."""
        self.unreceipted: KeySet[ChannelId] = KeySet()
        """Channels with payments to us without a receipt: a view of `channels`, not digested."""
        self.refused: KeySet[ChannelId] = KeySet()
        """Channels in which the payee refused payments of ours: likewise."""
        self.unanswered: KeySet[ChannelId] = KeySet()
        """Ledgers that we follow with proposals we could sign or refuse now: likewise."""
        self.unjudged: KeySet[ChannelId] = KeySet()
        """Application channels with messages to be given to the reducer now: likewise."""
        self.unapproved: Table[ObjectiveId, int] = Table()
        """Objectives that wait for the owner's word and since when, oldest first: likewise."""
        self.agenda = Agenda()
        """What is under way: likewise, a view of `objectives`."""
        self.carried = Carried()
        """What virtual channels weigh on us, summed by peer and by ledger: likewise."""
        self.rejected = RejectedChannels()
        """Virtual channels that came to nothing, to be pruned or pruned: likewise."""
        self.unconfirmed = Unconfirmed()
        """What the chain may take back: likewise."""
        self.sums = Sums()
        """Of everything but what the tables note as changed."""

    @property
    def node(self) -> Node:
        """Record 0 must have been applied."""
        return self.nodes[NODE_KEY]

    def peer(self, address: Address) -> Peer:
        """The conversation with that peer; an empty one if there was none."""
        return self.peers.get(address) or Peer(address)

    def objectives_of(self, channel_id: ChannelId) -> list[Objective]:
        """The objectives of one channel, in the order of their types and rounds."""
        return [
            self.objectives[objective_id(kind, channel_id, number)]
            for kind in ObjectiveType
            for number in range(newest_round(self.objectives, kind, channel_id)[0] + 1)
        ]

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

    def tables(self) -> Iterator[NamedTable]:
        """All tables the state is made of; what else it holds follows from them."""
        for name, table in (
            (b"node|", self.nodes),
            (b"channel|", self.channels),
            (b"objective|", self.objectives),
            (b"peer|", self.peers),
            (b"transaction|", self.transactions),
        ):
            assert isinstance(table, Table), "a state that is folded, not a crank's"
            yield NamedTable(name, table, is_digested=True)
        for name, view in self._views():
            yield NamedTable(name, view, is_digested=False)

    def _views(self) -> Iterator[tuple[bytes, Table[Any, Any] | KeySet[Any]]]:
        for name, table in ((b"approver|", self.approvers), (b"ledger|", self.ledgers)):
            assert isinstance(table, Table), "a state that is folded, not a crank's"
            yield name, table
        yield b"unreceipted|", self.unreceipted
        yield b"refused|", self.refused
        yield b"unanswered|", self.unanswered
        yield b"unjudged|", self.unjudged
        yield b"unapproved|", self.unapproved
        yield b"active|", self.agenda.active
        yield b"proven|", self.agenda.proven
        yield b"rejection|", self.agenda.rejections.entries
        yield b"turned-away|", self.agenda.rejections.refused
        yield b"share|", self.carried.shares
        yield b"fee|", self.carried.fees_earned
        yield b"rejected-of-ours|", self.rejected.ours
        yield b"rejected-of-theirs|", self.rejected.theirs
        yield b"pruned|", self.rejected.pruned
        yield b"observed|", self.unconfirmed.channels
        yield b"mined|", self.unconfirmed.mined
        yield b"disputed|", self.unconfirmed.disputed
        yield b"troubled|", self.unconfirmed.troubled

    def rebuild(self) -> None:
        """What follows from the tables, once they were restored."""
        self.carried.rebuild()
        identities = {*self.unapproved, *self.agenda.active}
        begun = [self.objectives[identity] for identity in identities]
        begun.sort(key=lambda objective: objective.created_ms)
        self.agenda.rebuild(begun, self.node.address)

    def digest(self) -> Bytes32:
        """The digest from nothing: equal states, equal digests, whatever the order."""
        terms = (
            term(name, key, canonical(entities[key]))
            for name, entities in self.families()
            for key in entities
        )
        return digest_of_sum(sum(terms))

    def sum_up(self) -> Sums:
        """The sums with all changes until now: costs what changed since the last call.

        Not for a state whose changes somebody else takes.
        """
        for change in take_changes(self.tables()):
            self.sums.note(change)
        return self.sums


NODE_KEY = b"node"

VALUE_TYPES: dict[bytes, Any] = {
    b"node|": Node,
    b"channel|": Channel,
    b"objective|": Objective,
    b"peer|": Peer,
    b"transaction|": Transaction,
    b"approver|": ChannelId,
    b"ledger|": tuple[ChannelId, ...],
    b"unreceipted|": bool,
    b"refused|": bool,
    b"unanswered|": bool,
    b"unjudged|": bool,
    b"unapproved|": int,
    b"active|": bool,
    b"proven|": bool,
    b"rejection|": Rejection,
    b"turned-away|": bool,
    b"share|": Share,
    b"fee|": int,
    b"rejected-of-ours|": ChannelId,
    b"rejected-of-theirs|": ChannelId,
    b"pruned|": bool,
    b"observed|": bool,
    b"mined|": int,
    b"disputed|": bool,
    b"troubled|": bool,
}
"""By the name of a table: what its values are."""

Reducer = Callable[[NodeState, Any, int], None]
"""Folds one event, recorded at that time (Unix milliseconds), into the state."""
