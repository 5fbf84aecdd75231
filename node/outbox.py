"""The outbox: effects that are on disk and not settled yet, and the order in which they leave.

It sends when told that a batch is durable, and again when a peer connects or the node starts. It
never decides that an effect is done: only an event settles one. Two sides, because they leave by
two doors: messages to peers, transactions to the chain.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol

from node.faults import Faults
from protocols import events
from protocols.effects import (
    BroadcastTransaction,
    Effect,
    ReadHoldings,
    SendMessage,
    SubmitTransaction,
    message_key,
    reading_key,
    transaction_key,
)
from protocols.types import Address, Bytes32, ChannelId


class PeerDoor(Protocol):
    """What the outbox needs of the peer room."""

    def send(self, peer: Address, messages: Sequence[tuple[int, bytes]]) -> None:
        """Queue (sequence, body) for the peer; nothing happens without a session."""

    def acknowledge(self, peer: Address) -> None:
        """What we durably received from the peer rose."""


class ChainDoor(Protocol):
    """What the outbox needs of the chain room."""

    def request(self, effect: SubmitTransaction) -> None:
        """Sign with a nonce we own and hand the bytes back."""

    def broadcast(self, effect: BroadcastTransaction) -> None:
        """Send the bytes until a receipt is known."""

    def settle(self, intent_id: Bytes32) -> None:
        """The intent is over."""

    def read(self, effect: ReadHoldings) -> None:
        """Ask the adjudicator about a channel and hand the answer back."""


class Outbox:
    """Unsettled effects in memory, as they stand in the log's outbox."""

    def __init__(self, peers: PeerDoor, chain: ChainDoor, faults: Faults) -> None:
        self._peers = peers
        self._chain = chain
        self._faults = faults
        self._messages: dict[Address, deque[tuple[int, bytes]]] = {}
        self._transactions: dict[Bytes32, SubmitTransaction | BroadcastTransaction] = {}
        self._readings: dict[ChannelId, ReadHoldings] = {}

    @property
    def message_count(self) -> int:
        """Messages that wait for an acknowledgement."""
        return sum(map(len, self._messages.values()))

    @property
    def transaction_count(self) -> int:
        """Intents that are not settled."""
        return len(self._transactions)

    def load(self, effects: Iterable[Effect]) -> None:
        """Take up what was not settled when the node stopped, in key order; nothing is sent yet."""
        for effect in effects:
            self._keep(effect)

    def _keep(self, effect: Effect) -> None:
        if isinstance(effect, SendMessage):
            waiting = self._messages.setdefault(effect.peer, deque())
            waiting.append((effect.sequence, effect.body))
        elif isinstance(effect, ReadHoldings):
            self._readings[effect.channel_id] = effect
        else:
            self._transactions[effect.intent_id] = effect

    def resume_transactions(self) -> None:
        """The chain room is up: hand it every unsettled intent and question again."""
        for effect in (*self._transactions.values(), *self._readings.values()):
            self._hand_over(effect)

    def resume_messages(self, peer: Address, received: int) -> None:
        """A session with the peer is up; it says it has our messages up to `received`."""
        waiting = self._messages.get(peer, ())
        self._send(peer, [message for message in waiting if message[0] > received])

    def waiting_count(self, peer: Address) -> int:
        """Messages that wait for this peer's acknowledgement."""
        return len(self._messages.get(peer, ()))

    def settled_keys(self, event: events.Event) -> list[bytes]:
        """The keys of what the event settles: of what is here, whatever number a peer names."""
        if isinstance(event, events.PeerAcknowledged):
            keys = []
            for sequence, _ in self._messages.get(event.peer, ()):
                if sequence > event.sequence:
                    break
                keys.append(message_key(event.peer, sequence))
            return keys
        if isinstance(event, events.TransactionMined | events.TransactionFailed):
            return [transaction_key(event.intent_id)]
        if isinstance(event, events.HoldingsRead):
            return [reading_key(event.channel_id)]
        return []

    def settle(self, event: events.Event) -> None:
        """A durable event may settle effects."""
        if isinstance(event, events.PeerAcknowledged):
            waiting = self._messages.get(event.peer)
            while waiting and waiting[0][0] <= event.sequence:
                waiting.popleft()
        elif isinstance(event, events.TransactionMined | events.TransactionFailed):
            self._transactions.pop(event.intent_id, None)
            self._chain.settle(event.intent_id)
        elif isinstance(event, events.HoldingsRead):
            self._readings.pop(event.channel_id, None)

    def release(self, effects: Iterable[Effect]) -> None:
        """The batch that holds these effects is durable: they leave, one send for each peer."""
        by_peer: dict[Address, list[tuple[int, bytes]]] = {}
        for effect in effects:
            self._keep(effect)
            if isinstance(effect, SendMessage):
                by_peer.setdefault(effect.peer, []).append((effect.sequence, effect.body))
            else:
                self._hand_over(effect)
        for peer, messages in by_peer.items():
            self._send(peer, messages)

    def _hand_over(self, effect: SubmitTransaction | BroadcastTransaction | ReadHoldings) -> None:
        if isinstance(effect, SubmitTransaction):
            self._chain.request(effect)
        elif isinstance(effect, ReadHoldings):
            self._chain.read(effect)
        else:
            self._faults.hit("before-send")
            self._chain.broadcast(effect)

    def _send(self, peer: Address, messages: Sequence[tuple[int, bytes]]) -> None:
        if messages:
            self._faults.hit("before-send")
            self._peers.send(peer, messages)
