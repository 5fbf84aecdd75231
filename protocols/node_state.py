"""NodeState and its reducer: the fold of all events is all that this node believes.

The values inside are frozen; the maps that hold them belong to whoever folds (ADR 0025). `apply`
replaces the values one event touches and nothing else; it never signs, sends, asks the time or
fails on an event that was recorded. Replay is `apply` alone, or `apply_all`, which equals it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from protocols import events, ledger_events, payment_events, virtual_events
from protocols.agenda import Agenda
from protocols.carried import Carried
from protocols.channel import POSTFUND_TURN, Channel
from protocols.channel_reducers import (
    CHANNEL_REDUCERS,
    removal_refused,
    restricted,
    retracted,
    settled,
    with_listed,
    with_payments,
)
from protocols.channel_reducers import created as channel_created
from protocols.channel_reducers import relearnt as channel_relearnt
from protocols.delivery import (
    Peer,
    with_acknowledged,
    with_fault,
    with_received,
    with_refusal,
    with_repeat,
    with_sent,
    with_sent_message,
    without_pending,
)
from protocols.ledger import REMOVE
from protocols.ledger_reducers import ledger_of, with_ledger
from protocols.objectives.base import OBJECTIVE_REDUCERS, Objective, ObjectiveType, objective_id
from protocols.objectives.base import created as objective_created
from protocols.transactions import APPROVE, Transaction, TransactionStatus, is_mined_from
from protocols.types import Address, Bytes32, ChannelId, ObjectiveId, from_hex

Key = TypeVar("Key")
Value = TypeVar("Value")


class EntityMap(Protocol[Key, Value]):
    """What the reducer needs of a map: a dict is one, a crank's overlay another."""

    def get(self, key: Key, /) -> Value | None:
        """The value under the key; None if there is none."""

    def __getitem__(self, key: Key, /) -> Value: ...
    def __setitem__(self, key: Key, value: Value, /) -> None: ...
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
        """Ledgers that we follow with proposals we neither signed nor refused: likewise."""
        self.unapproved: dict[ObjectiveId, int] = {}
        """Objectives that wait for the owner's word and since when, oldest first: likewise."""
        self.agenda = Agenda()
        """What is under way: likewise, a view of `objectives`."""
        self.carried = Carried()
        """What virtual channels weigh on us, summed by peer and by ledger: likewise."""

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

    def entities(self) -> Iterator[tuple[bytes, Any]]:
        """Every entity with its key; the order says nothing."""
        maps: tuple[EntityMap[bytes, Any], ...] = (
            self.nodes,
            self.channels,
            self.objectives,
            self.peers,
            self.transactions,
        )
        for prefix, entities in zip(_PREFIXES, maps, strict=True):
            for key in entities:
                yield prefix + key, entities[key]

    def digest(self) -> Bytes32:
        """The digest of everything held: equal states, equal digests, whatever the order."""
        return Digest().update(self)


NODE_KEY = b"node"
_PREFIXES = (b"node|", b"channel|", b"objective|", b"peer|", b"transaction|")
_ENCODER = msgspec.json.Encoder()


def canonical(entity: Any) -> bytes:
    """The entity's canonical bytes: JSON arrays, bytes as base64, integers of any size."""
    return _ENCODER.encode(entity)


class Digest:
    """sum over entities of sha256(key || 0x00 || canonical bytes), modulo 2**256 (ADR 0025).

    Keeps each entity's term, so that a further digest costs what changed since.
    """

    def __init__(self) -> None:
        self._terms: dict[bytes, tuple[Any, int]] = {}
        self._sum = 0

    def update(self, state: NodeState) -> Bytes32:
        """The digest of `state` now: 32 bytes."""
        for key, entity in state.entities():
            known = self._terms.get(key)
            if known is not None and known[0] is entity:
                continue
            term = int.from_bytes(hashlib.sha256(key + b"\x00" + canonical(entity)).digest(), "big")
            self._sum += term - (known[1] if known else 0)
            self._terms[key] = (entity, term)
        return (self._sum % 2**256).to_bytes(32, "big")

    @property
    def entity_count(self) -> int:
        """Entities that the digest covers."""
        return len(self._terms)


Reducer = Callable[[NodeState, Any, int], None]


def _on_channel(state: NodeState, event: Any, time_ms: int) -> None:
    channel = state.channels[event.channel_id]
    state.channels[event.channel_id] = CHANNEL_REDUCERS[type(event)](channel, event)


def _supported(state: NodeState, event: events.StateSupportedUpdated, time_ms: int) -> None:
    _on_channel(state, event, time_ms)
    channel = state.channels[event.channel_id]
    if channel.fixed.app_definition != state.node.consensus_app:
        return
    peer = channel.counterparty
    others = (known for known in state.ledgers.get(peer) or () if known != event.channel_id)
    if event.supported_turn == POSTFUND_TURN:
        state.channels[event.channel_id] = with_ledger(channel)
        state.ledgers[peer] = (*others, event.channel_id)
    elif event.supported_turn > POSTFUND_TURN:
        state.ledgers[peer] = tuple(others)
        state.unanswered.discard(event.channel_id)


def _on_objective(state: NodeState, event: Any, time_ms: int) -> None:
    objective = OBJECTIVE_REDUCERS[type(event)](state.objectives[event.objective_id], event)
    state.objectives[event.objective_id] = objective
    state.agenda.update(objective, state.node.address)


def _node_created(state: NodeState, event: events.NodeCreated, time_ms: int) -> None:
    state.nodes[NODE_KEY] = Node(
        event.chain_id,
        event.adjudicator,
        event.virtual_payment_app,
        event.consensus_app,
        event.node_address,
    )


def _channel_created(state: NodeState, event: events.ChannelCreated, time_ms: int) -> None:
    channel = channel_created(event, state.node.address)
    state.channels[event.channel_id] = (
        channel_relearnt(channel) if state.node.tail_cut_count else channel
    )


def _objective_created(state: NodeState, event: events.ObjectiveCreated, time_ms: int) -> None:
    state.objectives[event.objective_id] = objective_created(event, time_ms)
    state.unapproved[event.objective_id] = time_ms


def _objective_approved(state: NodeState, event: events.ObjectiveApproved, time_ms: int) -> None:
    _on_objective(state, event, time_ms)
    state.unapproved.pop(event.objective_id, None)
    _carry(state, state.objectives[event.objective_id])


def _virtual_recorded(
    state: NodeState, event: virtual_events.VirtualChannelRecorded, time_ms: int
) -> None:
    _on_channel(state, event, time_ms)
    for objective in state.objectives_of(event.channel_id):
        if objective.is_active:
            _carry(state, objective)


def _carry(state: NodeState, objective: Objective) -> None:
    if objective.objective_type == ObjectiveType.VIRTUAL_FUND:
        state.carried.take(state.channels[objective.channel_id])


def _objective_rejected(state: NodeState, event: events.ObjectiveRejected, time_ms: int) -> None:
    _on_objective(state, event, time_ms)
    state.unapproved.pop(event.objective_id, None)
    objective = state.objectives[event.objective_id]
    if objective.objective_type in (ObjectiveType.DIRECT_FUND, ObjectiveType.VIRTUAL_FUND):
        channel = state.channels[objective.channel_id]
        state.channels[objective.channel_id] = replace(channel, rejected=True)
        state.carried.release(objective.channel_id)


def _objective_completed(state: NodeState, event: events.ObjectiveCompleted, time_ms: int) -> None:
    _on_objective(state, event, time_ms)
    state.unapproved.pop(event.objective_id, None)
    objective = state.objectives[event.objective_id]
    if objective.objective_type == ObjectiveType.VIRTUAL_FUND and event.success:
        state.carried.opened(state.channels[objective.channel_id])
    elif objective.objective_type in (ObjectiveType.VIRTUAL_FUND, ObjectiveType.VIRTUAL_DEFUND):
        state.carried.release(objective.channel_id)
    if objective.objective_type == ObjectiveType.VIRTUAL_DEFUND:
        channel = state.channels[objective.channel_id]
        state.channels[channel.channel_id] = settled(channel)


def _nothing(state: NodeState, event: events.Event, time_ms: int) -> None:
    """Recorded for the reader of the log; no entity changes."""


# --- delivery: which facts are one more message sent, one more received ---


def _set_peer(state: NodeState, peer: Peer) -> None:
    state.peers[peer.address] = peer


def _fold_channel(state: NodeState, event: Any) -> Peer:
    """Fold the event into its channel; the conversation it belongs to."""
    channels = state.channels
    channel = channels[event.channel_id]
    channels[event.channel_id] = CHANNEL_REDUCERS[type(event)](channel, event)
    counterparty = channel.counterparty
    return state.peers.get(counterparty) or Peer(counterparty)


def _sent_in_channel(state: NodeState, event: Any, time_ms: int) -> None:
    peer = _fold_channel(state, event)
    state.peers[peer.address] = with_sent(peer)


def _received_in_channel(state: NodeState, event: Any, time_ms: int) -> None:
    peer = _fold_channel(state, event)
    state.peers[peer.address] = with_received(peer)


def _vouchers_issued(state: NodeState, run: Sequence[events.VoucherIssued]) -> None:
    channel = state.channels[run[0].channel_id]
    state.channels[channel.channel_id] = with_payments(channel, run)
    _set_peer(state, with_sent(state.peer(channel.counterparty), len(run)))


def _vouchers_received(state: NodeState, run: Sequence[events.VoucherReceived]) -> None:
    channel = state.channels[run[0].channel_id]
    state.channels[channel.channel_id] = with_payments(channel, run)
    _set_peer(state, with_received(state.peer(channel.counterparty), len(run)))
    state.unreceipted.add(channel.channel_id)


def _vouchers_created(state: NodeState, run: Sequence[payment_events.VoucherCreated]) -> None:
    channel = state.channels[run[0].channel_id]
    state.channels[channel.channel_id] = with_payments(channel, run)


def _payments_listed(state: NodeState, run: Sequence[payment_events.PaymentListed]) -> None:
    channel = state.channels[run[0].channel_id]
    state.channels[channel.channel_id] = with_listed(channel, run)


def _payments_received(state: NodeState, event: Any, time_ms: int) -> None:
    _received_in_channel(state, event, time_ms)
    state.unreceipted.add(event.channel_id)


def _receipt_issued(state: NodeState, event: events.ReceiptIssued, time_ms: int) -> None:
    _sent_in_channel(state, event, time_ms)
    state.unreceipted.discard(event.channel_id)


def _receipt_received(state: NodeState, event: events.ReceiptReceived, time_ms: int) -> None:
    _received_in_channel(state, event, time_ms)
    if state.channels[event.channel_id].vouchers.refused_at < 0:
        state.refused.discard(event.channel_id)


def _voucher_resent(state: NodeState, event: events.VoucherResent, time_ms: int) -> None:
    _sent_in_channel(state, event, time_ms)
    channel = state.channels[event.channel_id]
    vouchers = replace(channel.vouchers, resent_ms=time_ms)
    state.channels[event.channel_id] = replace(channel, vouchers=vouchers)
    state.refused.discard(event.channel_id)


def _update_answered(state: NodeState, channel_id: ChannelId) -> None:
    ledger = ledger_of(state.channels[channel_id])
    if all(proposal.refusal for proposal in ledger.queue):
        state.unanswered.discard(channel_id)


def _update_received(state: NodeState, event: Any, time_ms: int) -> None:
    _received_in_channel(state, event, time_ms)
    state.unanswered.add(event.channel_id)


def _update_judged(state: NodeState, event: Any, time_ms: int) -> None:
    _sent_in_channel(state, event, time_ms)
    _update_answered(state, event.channel_id)


def _update_refused(
    state: NodeState, event: ledger_events.LedgerRefusalReceived, time_ms: int
) -> None:
    _received_in_channel(state, event, time_ms)
    queue = ledger_of(state.channels[event.channel_id]).queue
    change = next(p.change for p in queue if p.turn_num == event.turn_num)
    target = state.channels.get(change.target)
    if change.kind == REMOVE and target is not None:
        state.channels[change.target] = removal_refused(target)


def _ledger_restored(state: NodeState, event: Any, time_ms: int) -> None:
    _on_channel(state, event, time_ms)
    state.unanswered.discard(event.channel_id)


def _voucher_refused(state: NodeState, event: events.VoucherRefused, time_ms: int) -> None:
    _set_peer(state, with_refusal(with_sent(with_received(state.peer(event.peer)))))


def _refusal_received(state: NodeState, event: events.VoucherRefusalReceived, time_ms: int) -> None:
    _received_in_channel(state, event, time_ms)
    _set_peer(state, with_refusal(state.peer(event.peer)))
    if state.channels[event.channel_id].vouchers.refused_at >= 0:
        state.refused.add(event.channel_id)


def _message_sent(state: NodeState, event: events.MessageSent, time_ms: int) -> None:
    peer = state.peer(from_hex(event.peer_id))
    _set_peer(state, with_sent_message(peer, event.message_id, time_ms))


def _message_received(state: NodeState, event: events.MessageReceived, time_ms: int) -> None:
    _set_peer(state, with_received(state.peer(from_hex(event.peer_id))))


def _message_acked(state: NodeState, event: events.MessageAcked, time_ms: int) -> None:
    _set_peer(state, without_pending(state.peer(from_hex(event.peer_id)), event.message_id))


def _message_dropped(state: NodeState, event: events.MessageDropped, time_ms: int) -> None:
    _set_peer(state, with_fault(with_received(state.peer(from_hex(event.peer_id)))))


def _peer_acknowledged(state: NodeState, event: events.PeerAcknowledged, time_ms: int) -> None:
    _set_peer(state, with_acknowledged(state.peer(event.peer), event.sequence))


def _delivery_resumed(state: NodeState, event: events.DeliveryResumed, time_ms: int) -> None:
    peer, cut_count = state.peer(event.peer), state.node.tail_cut_count
    if event.received > peer.received:
        _set_peer(state, replace(peer, received=event.received, gap_cut=cut_count))
    else:
        sent = max(peer.sent, event.sent)
        _set_peer(state, replace(peer, sent=sent, resumed_cut=cut_count))


def _message_repeated(state: NodeState, event: events.MessageRepeated, time_ms: int) -> None:
    _set_peer(state, with_repeat(state.peer(event.peer)))


def _peer_misbehaved(state: NodeState, event: events.PeerMisbehaved, time_ms: int) -> None:
    _set_peer(state, with_fault(state.peer(event.peer)))


# --- the chain ---


def _requested(state: NodeState, event: events.TransactionRequested, time_ms: int) -> None:
    transaction = Transaction(event.intent_id, event.kind, event.channel_id)
    state.transactions[event.intent_id] = transaction
    if event.kind == APPROVE:
        state.approvers[event.to] = event.channel_id


def _submitted(state: NodeState, event: events.TransactionSubmitted, time_ms: int) -> None:
    state.transactions[event.intent_id] = replace(
        state.transactions[event.intent_id],
        status=TransactionStatus.SUBMITTED,
        tx_hash=event.tx_hash,
        nonce=event.nonce,
        raw=event.raw,
    )


def _mined(state: NodeState, event: events.TransactionMined, time_ms: int) -> None:
    status = TransactionStatus.MINED if event.succeeded else TransactionStatus.FAILED
    failure = "" if event.succeeded else "reverted"
    old = state.transactions[event.intent_id]
    state.transactions[event.intent_id] = replace(
        old,
        status=status,
        failure=failure,
        block_num=event.block_num,
        block_hash=event.block_hash,
        failed_ms=0 if event.succeeded else time_ms,
    )


def _failed(state: NodeState, event: events.TransactionFailed, time_ms: int) -> None:
    old = state.transactions[event.intent_id]
    status = TransactionStatus.FAILED
    failed = replace(old, status=status, failure=event.reason, failed_ms=time_ms)
    state.transactions[event.intent_id] = failed


def _block_processed(state: NodeState, event: events.ChainBlockProcessed, time_ms: int) -> None:
    state.nodes[NODE_KEY] = replace(
        state.node,
        processed_block_num=event.block_num,
        processed_block_hash=event.block_hash,
    )


def _reorged(state: NodeState, event: events.ChainReorged, time_ms: int) -> None:
    for channel_id in list(state.channels):
        channel = state.channels[channel_id]
        state.channels[channel_id] = retracted(channel, event.fork_block_num)
    for intent_id in list(state.transactions):
        mined = state.transactions[intent_id]
        if is_mined_from(mined, event.fork_block_num):
            status = TransactionStatus.SUBMITTED
            state.transactions[intent_id] = replace(
                mined, status=status, failure="", block_num=-1, block_hash=b"", failed_ms=0
            )


def _tail_cut(state: NodeState, event: events.LogTailCut, time_ms: int) -> None:
    count = state.node.tail_cut_count + 1
    state.nodes[NODE_KEY] = replace(state.node, tail_cut_count=count)
    for channel_id in list(state.channels):
        state.channels[channel_id] = restricted(state.channels[channel_id])


_REDUCERS: dict[type[events.Event], Reducer] = {
    **dict.fromkeys(CHANNEL_REDUCERS, _on_channel),
    events.StateSupportedUpdated: _supported,
    ledger_events.LedgerUpdateProposed: _sent_in_channel,
    ledger_events.LedgerUpdateReceived: _update_received,
    ledger_events.LedgerUpdateSigned: _update_judged,
    ledger_events.LedgerUpdateRefused: _update_judged,
    ledger_events.LedgerUpdateConfirmed: _received_in_channel,
    ledger_events.LedgerRefusalReceived: _update_refused,
    ledger_events.LedgerUpdateResent: _sent_in_channel,
    ledger_events.LedgerRestored: _ledger_restored,
    ledger_events.LedgerPaymentAsked: _sent_in_channel,
    ledger_events.LedgerPaymentRequested: _received_in_channel,
    **dict.fromkeys(OBJECTIVE_REDUCERS, _on_objective),
    events.NodeCreated: _node_created,
    events.StateDigestRecorded: _nothing,
    events.RequestRecorded: _nothing,
    events.LogTailCut: _tail_cut,
    events.ChannelCreated: _channel_created,
    events.ObjectiveCreated: _objective_created,
    events.ObjectiveApproved: _objective_approved,
    events.ObjectiveRejected: _objective_rejected,
    events.ObjectiveCompleted: _objective_completed,
    virtual_events.VirtualChannelRecorded: _virtual_recorded,
    events.VoucherIssued: _sent_in_channel,
    events.VoucherReceived: _payments_received,
    payment_events.BatchIssued: _sent_in_channel,
    payment_events.BatchReceived: _payments_received,
    events.VoucherResent: _voucher_resent,
    events.VoucherRefused: _voucher_refused,
    events.VoucherRefusalReceived: _refusal_received,
    events.ReceiptIssued: _receipt_issued,
    events.ReceiptReceived: _receipt_received,
    events.MessageSent: _message_sent,
    events.MessageReceived: _message_received,
    events.MessageAcked: _message_acked,
    events.MessageDropped: _message_dropped,
    events.PeerAcknowledged: _peer_acknowledged,
    events.DeliveryResumed: _delivery_resumed,
    events.PeerMisbehaved: _peer_misbehaved,
    events.MessageRepeated: _message_repeated,
    events.TransactionRequested: _requested,
    events.TransactionSubmitted: _submitted,
    events.TransactionMined: _mined,
    events.TransactionFailed: _failed,
    events.ChainBlockProcessed: _block_processed,
    events.ChainReorged: _reorged,
}


def apply(state: NodeState, event: events.Event, time_ms: int) -> None:
    """Fold one event, recorded at `time_ms`, into the state."""
    _REDUCERS[type(event)](state, event, time_ms)


_RUN_REDUCERS: dict[type[events.Event], Callable[[NodeState, Sequence[Any]], None]] = {
    events.VoucherIssued: _vouchers_issued,
    events.VoucherReceived: _vouchers_received,
    payment_events.VoucherCreated: _vouchers_created,
    payment_events.PaymentListed: _payments_listed,
}
"""Events that follow each other by the thousand: what folds a run of them in one channel."""


RUNS = frozenset(_RUN_REDUCERS)
"""What `apply_run` takes."""


def apply_run(state: NodeState, run: Sequence[Any]) -> None:
    """Fold events of one kind of `RUNS`, of one channel; one at least."""
    _RUN_REDUCERS[type(run[0])](state, run)


def apply_all(state: NodeState, recorded: Iterable[tuple[Any, int]]) -> None:
    """Fold events with their times, in order: what `apply` makes of one after the other, faster."""
    run: list[Any] = []
    for event, time_ms in recorded:
        kind = type(event)
        if run and kind is type(run[0]) and event.channel_id == run[0].channel_id:
            run.append(event)
            continue
        if run:
            apply_run(state, run)
            run = []
        if kind in RUNS:
            run.append(event)
        else:
            apply(state, event, time_ms)
    if run:
        apply_run(state, run)
