"""Two nodes over the pure crank, a chain made of rules, and wires that lose, repeat and reorder.

Nothing here is the shell: no disk, no socket, no time but what a test sets. `CoreNode` does to the
core what the engine does: crank, fold, keep effects until an event clears them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from protocols import commands, inputs, messages
from protocols.channel import Channel
from protocols.crank import awaits_end_of_batch, crank
from protocols.delivery import Peer
from protocols.draft import (
    CHALLENGE_DURATION_S_MAX,
    Context,
    CrankResult,
    Decision,
    Proposal,
)
from protocols.effects import BroadcastTransaction, ReadHoldings, SendMessage, SubmitTransaction
from protocols.events import Event, LogTailCut, NodeCreated
from protocols.node_state import NodeState, apply
from protocols.objectives.base import Objective, ObjectiveType, objective_id
from protocols.types import Address, ChannelId
from tests.support.actors import ALICE, BOB, Actor
from tests.support.builders import (
    ADJUDICATOR,
    CHAIN_ID,
    CHANNEL,
    CONSENSUS_APP,
    PAYMENT_APP,
    open_command,
)
from tests.support.model_chain import ModelChain
from tests.support.purity import Purity

START_MS = 1_704_067_200_000

ROUND_COUNT_MAX = 1_000
"""Rounds of messages and blocks after which two nodes that are not at rest never will be."""

HISTORY_COUNT = 4
"""Answers a node can lose with a tail: as many are remembered."""

CHAIN_INPUTS = (
    inputs.ChainLog,
    inputs.ChainHead,
    inputs.ChannelRead,
    inputs.ChainReorg,
    inputs.TransactionSigned,
    inputs.TransactionReceipt,
)
"""What a follower hands in again to a node whose log lost it."""


@dataclass(frozen=True)
class Said:
    """The next numbered message of a peer, whatever its number is."""

    by: Actor
    body: messages.Body | None
    fault: str = ""


Item = inputs.Input | Said


@dataclass(frozen=True)
class Before:
    """A node as it was before it answered `item`."""

    item: inputs.Input
    record_count: int
    outbox: dict[Address, list[SendMessage]]


class CoreNode:
    """The pure core of one node with what the engine would keep around it."""

    def __init__(self, actor: Actor, *, verdict: str = "allow") -> None:
        self.actor = actor
        self.state = NodeState()
        self.log: list[tuple[int, Event]] = []
        self.causes: list[int | None] = []
        """Of each record, as an engine would name it."""
        self.outbox: dict[Address, list[SendMessage]] = {}
        """Messages without an acknowledgement, in order."""
        self.submissions: list[SubmitTransaction] = []
        self.broadcasts: list[BroadcastTransaction] = []
        self.readings: list[ReadHoldings] = []
        self.proposals: list[Proposal] = []
        """What policy was asked."""
        self.decision = Decision(verdict, "" if verdict == "allow" else "house rules")
        self.now_ms = START_MS
        self.chain_view_age_s: int | None = 0
        self.challenge_duration_s_min = 3_600
        self.challenge_duration_s_max = CHALLENGE_DURATION_S_MAX
        self.shares_vouchers = True
        self.assets: frozenset[Address] = frozenset()
        """Tokens this node accepts."""
        self.proves_purity = True
        """Crank every input twice and look for a trace of it in the state: costs time."""
        self._purity = Purity()
        self.lost: list[Event] = []
        """Events of cut tails: what the world may have seen and the node forgot."""
        self._history: deque[Before] = deque(maxlen=HISTORY_COUNT)
        genesis = NodeCreated(1, CHAIN_ID, ADJUDICATOR, PAYMENT_APP, CONSENSUS_APP, actor.address)
        self.record(genesis)

    def context(self) -> Context:
        """What a crank is told now."""
        return Context(
            self.now_ms,
            self.actor.signer,
            self.actor.address,
            self.challenge_duration_s_min,
            self._decide,
            self.chain_view_age_s,
            challenge_duration_s_max=self.challenge_duration_s_max,
            assets=self.assets,
            shares_vouchers=self.shares_vouchers,
        )

    def _decide(self, proposal: Proposal) -> Decision:
        self.proposals.append(proposal)
        return self.decision

    def record(self, event: Event, cause_seq: int | None = None) -> None:
        """One more fact, folded."""
        apply(self.state, event, self.now_ms)
        self.log.append((self.now_ms, event))
        self.causes.append(cause_seq)

    def crank(self, item: Item) -> CrankResult:
        """The answer alone; proves on the way that the crank is pure."""
        resolved = self.resolve(item)
        if not self.proves_purity:
            return crank(self.state, resolved, self.context())
        self._purity.note(self.state)
        try:
            return crank(self.state, resolved, self.context())
        finally:
            assert self._purity.is_kept(self.state), "the crank changed the state it was given"

    def feed(self, item: Item) -> CrankResult:
        """Crank, fold the events, keep the effects."""
        result = self.crank(item)
        if isinstance(item, inputs.EndOfBatch) and not awaits_end_of_batch(self.state):
            # The engine leaves this crank out, so nothing may come of it.
            assert result == CrankResult((), ()), "an end that nobody awaited led to something"
        if self.proves_purity:
            assert self.crank(item) == result, "the same input has two answers"
        if result.events:
            outbox = {peer: list(waiting) for peer, waiting in self.outbox.items()}
            self._history.append(Before(self.resolve(item), len(self.log), outbox))
        self.take(result)
        return result

    def take(self, result: CrankResult) -> None:
        """Fold the events of an answer and keep its effects."""
        first_seq, origins, origin = len(self.log), dict(result.parts), 0
        for place, event in enumerate(result.events):
            origin = origins.get(place, origin)
            self.record(event, None if origin == place else first_seq + origin)
        for effect in result.effects:
            match effect:
                case SendMessage():
                    self.outbox.setdefault(effect.peer, []).append(effect)
                case SubmitTransaction():
                    self.submissions.append(effect)
                case BroadcastTransaction():
                    self.broadcasts.append(effect)
                case ReadHoldings():
                    self.readings.append(effect)
        self._clear_acknowledged()

    def _clear_acknowledged(self) -> None:
        for peer, waiting in self.outbox.items():
            acknowledged = self.peer(peer).acknowledged
            self.outbox[peer] = [sent for sent in waiting if sent.sequence > acknowledged]

    def resolve(self, item: Item) -> inputs.Input:
        """A `Said` with its sequence number, everything else as it is."""
        if not isinstance(item, Said):
            return item
        peer = item.by.address
        size_bytes = 0 if item.body is None else len(messages.encode_body(item.body))
        sequence = self.peer(peer).received + 1
        return inputs.PeerMessage(peer, sequence, item.body, size_bytes, item.fault)

    def peer(self, address: Address) -> Peer:
        return self.state.peer(address)

    def channel(self, channel_id: ChannelId = CHANNEL) -> Channel:
        return self.state.channels[channel_id]

    def objective(self, kind: ObjectiveType, channel_id: ChannelId = CHANNEL) -> Objective:
        return self.state.objectives[objective_id(kind, channel_id)]

    def fold(self) -> NodeState:
        """A replay: the events alone, folded from nothing."""
        replayed = NodeState()
        for time_ms, event in self.log:
            apply(replayed, event, time_ms)
        return replayed

    def events_of(self, name: str) -> list[Any]:
        """Everything recorded under that name."""
        return [event for _, event in self.log if name == event.NAME]

    def lose_tail(self) -> None:
        """Start again with a cut tail that held nothing: M27 is in force."""
        self._history.clear()
        self.record(LogTailCut(len(self.log), 10, "000001.log"))

    def cut_tail(self, answer_count: int = 1) -> list[inputs.Input]:
        """Start again without the newest answers, which had left already; the inputs they answered.

        Fewer are lost when fewer were given since the last cut.
        """
        forgotten: list[inputs.Input] = []
        for _ in range(min(answer_count, len(self._history))):
            before = self._history.pop()
            forgotten.insert(0, before.item)
            self.lost += [event for _, event in self.log[before.record_count :]]
            del self.log[before.record_count :]
            del self.causes[before.record_count :]
            self.outbox = before.outbox
        self.state = self.fold()
        self.lose_tail()
        return forgotten


class Network:
    """ALICE and BOB, their wires and their chain."""

    def __init__(self, *, verdict: str = "allow", depth: int = 2) -> None:
        self.alice = CoreNode(ALICE)
        self.bob = CoreNode(BOB, verdict=verdict)
        self.nodes = {ALICE.address: self.alice, BOB.address: self.bob}
        self.chain = ModelChain(self.nodes, depth)
        self.reconnect()

    def reconnect(self) -> None:
        """A new session: each side is told how much of its messages the other has on disk."""
        received = {who: self.other(node).peer(who).received for who, node in self.nodes.items()}
        for who, node in self.nodes.items():
            node.feed(inputs.PeerConnected(self.other(node).actor.address, received[who]))

    def cut_tail(self, node: CoreNode, answer_count: int = 1) -> None:
        """The node loses the end of its log and starts again; the chain is read again from there.

        The session is down until `reconnect`.
        """
        forgotten = node.cut_tail(answer_count)
        feed = self.chain.feeds[node.actor.address]
        feed[:0] = [item for item in forgotten if isinstance(item, CHAIN_INPUTS)]

    def other(self, node: CoreNode) -> CoreNode:
        return self.bob if node is self.alice else self.alice

    def deliver(self, sender: CoreNode, index: int = 0) -> None:
        """One waiting message reaches the peer; it stays in the outbox until acknowledged."""
        receiver = self.other(sender)
        sent = sender.outbox[receiver.actor.address][index]
        body = messages.decode_body(sent.body)
        size_bytes = len(sent.body)
        who = sender.actor.address
        receiver.feed(inputs.PeerMessage(who, sent.sequence, body, size_bytes))

    def acknowledge(self, receiver: CoreNode) -> None:
        """The receiver tells what it has on disk."""
        sender = self.other(receiver)
        received = receiver.peer(sender.actor.address).received
        sender.feed(inputs.PeerAck(receiver.actor.address, received))

    def waiting(self, sender: CoreNode) -> int:
        """How many messages of the sender wait for an acknowledgement."""
        return len(sender.outbox.get(self.other(sender).actor.address, []))

    def work_on_chain(self, node: CoreNode) -> bool:
        """Hand the node's orders to the chain; False if there were none."""
        busy = bool(node.submissions or node.broadcasts or node.readings)
        orders, node.submissions = node.submissions, []
        for order in orders:
            self.chain.sign(node.actor.address, order)
        sent, node.broadcasts = node.broadcasts, []
        for signed in sent:
            self.chain.broadcast(signed)
        asked, node.readings = node.readings, []
        for question in asked:
            self.chain.read(node.actor.address, question)
        return busy

    def hear_of_chain(self, node: CoreNode) -> bool:
        """The node takes in the next chain fact; False if there is none."""
        feed = self.chain.feeds[node.actor.address]
        if feed:
            node.feed(feed.pop(0))
            return True
        return False

    def settle(self) -> None:
        """Everything is delivered, mined and confirmed, until nothing is left to do."""
        for _ in range(ROUND_COUNT_MAX):
            busy = False
            for node in self.nodes.values():
                while waiting := self.waiting(node):
                    self.deliver(node)
                    self.acknowledge(self.other(node))
                    assert self.waiting(node) != waiting, "the conversation is stuck"
                    busy = True
                busy |= self.work_on_chain(node)
                while self.hear_of_chain(node):
                    busy = True
                busy |= bool(node.feed(inputs.EndOfBatch()).events)
            if self.chain.is_busy:
                self.chain.mine()
                busy = True
            if not busy:
                return
        raise AssertionError("they never come to rest")

    def tick(self) -> None:
        """Time is looked at by both."""
        for node in self.nodes.values():
            node.feed(inputs.Tick())

    def wait(self, duration_ms: int) -> None:
        """Time passes for both."""
        for node in self.nodes.values():
            node.now_ms += duration_ms


def opened(*, depth: int = 0) -> Network:
    """A network whose channel `CHANNEL` of ALICE to BOB is open with `DEPOSIT`."""
    network = Network(depth=depth)
    network.alice.feed(open_command())
    network.settle()
    return network


def pay(network: Network, amount: int, number: int) -> None:
    """ALICE's owner pays; nothing is delivered yet."""
    identity = number.to_bytes(32, "big")
    network.alice.feed(commands.SendPayment(CHANNEL, amount, identity))
