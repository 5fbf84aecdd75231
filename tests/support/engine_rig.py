"""An engine on a log in memory, between doors that write down what passes them.

Everything about it is real but the disk, the peers and the chain. One journal holds, in order,
each synced write and everything the engine let go, so that a test can say what came first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from node.answers import Answer, Until
from node.engine import Engine, replay
from node.faults import Faults
from node.outbox import Outbox
from node.store.kv import KeyValueError, WriteBatch
from node.store.log import EventLog
from node.store.memory import MemoryKeyValue
from node.store.snapshot_loading import load_snapshot
from node.store.snapshot_writing import remove_newer
from protocols import commands, events, inputs
from protocols.draft import Context, Decision
from protocols.effects import BroadcastTransaction, ReadHoldings, SubmitTransaction
from protocols.errors import ProtocolError
from protocols.ledger import ledger_state
from protocols.messages import Body, Receipt, decode_body, encode_body
from protocols.node_state import NodeState, apply
from protocols.receipts import root_of
from protocols.types import ZERO_ADDRESS, Address, Bytes32, amount_to_bytes
from protocols.voucher import receipt_hash
from tests.support.actors import ALICE, BOB, Actor
from tests.support.builders import (
    ADJUDICATOR,
    CHAIN_ID,
    CHANNEL,
    CONSENSUS_APP,
    PAYMENT_APP,
    deposited,
    open_command,
    proposal,
    signed,
    state,
)
from tests.support.ledger_rig import LEDGER, LEDGER_FIXED, START, open_ledger_command

START_MS = 1_704_067_200_000
NOWHERE = Path("not-on-disk")


@dataclass
class Journal:
    """What happened, in order: (what, detail) pairs."""

    entries: list[tuple[str, Any]] = field(default_factory=list)

    def note(self, what: str, detail: Any = None) -> None:
        self.entries.append((what, detail))

    def of(self, what: str) -> list[Any]:
        """The details of every entry of that kind."""
        return [detail for kind, detail in self.entries if kind == what]

    @property
    def order(self) -> list[str]:
        """The kinds, in order."""
        return [kind for kind, _ in self.entries]

    def clear(self) -> None:
        self.entries.clear()


class JournalledKeyValue(MemoryKeyValue):
    """The store in memory; notes each write, and fails when told to."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self.journal = journal
        self.fails = False

    def write(self, batch: WriteBatch) -> None:
        self.journal.note("write asked")
        if self.fails:
            raise KeyValueError("no space left on device")
        super().write(batch)
        self.journal.note("write")


@dataclass
class PeerDoor:
    """Writes down what would go to peers."""

    journal: Journal
    inbox: dict[Address, list[tuple[int, bytes]]] = field(default_factory=dict)

    def send(self, peer: Address, messages: Sequence[tuple[int, bytes]]) -> None:
        self.journal.note("send", (peer, [number for number, _ in messages]))
        self.inbox.setdefault(peer, []).extend(messages)

    def acknowledge(self, peer: Address) -> None:
        self.journal.note("acknowledge", peer)

    def bodies(self, peer: Address) -> list[Body]:
        """What that peer was sent so far, decoded."""
        return [decode_body(body) for _, body in self.inbox.get(peer, [])]


@dataclass
class ChainDoor:
    """Writes down what would go to the chain."""

    journal: Journal

    def request(self, effect: SubmitTransaction) -> None:
        self.journal.note("request", effect)

    def broadcast(self, effect: BroadcastTransaction) -> None:
        self.journal.note("broadcast", effect)

    def settle(self, intent_id: Bytes32) -> None:
        self.journal.note("settle", intent_id)

    def read(self, effect: ReadHoldings) -> None:
        self.journal.note("read", effect)


class Rig:
    """One actor's engine."""

    def __init__(self, actor: Actor = ALICE, *, kv: JournalledKeyValue | None = None) -> None:
        self.actor = actor
        self.journal = Journal() if kv is None else kv.journal
        self.kv = kv or JournalledKeyValue(self.journal)
        self.now_ms = START_MS
        self.timer_s = 0.0
        """What slices of work are measured by."""
        self.decision = Decision("allow")
        """Policy's answer to every proposal."""
        self.is_expelled: Callable[[int, int], bool] = lambda count, known_count: False
        """Whether a peer goes, by its faults now and before the batch."""
        self.log = EventLog.open(NOWHERE, kv=self.kv)
        loaded = load_snapshot(self.log, self.log.next_seq)
        remove_newer(self.log, loaded)
        self.state = loaded.state
        for _ in replay(self.log, self.state, loaded.record_count):
            pass
        self.peers = PeerDoor(self.journal)
        self.chain = ChainDoor(self.journal)
        faults = Faults()
        self.outbox = Outbox(self.peers, self.chain, faults)
        self.engine = Engine(
            self.log,
            self.state,
            self.outbox,
            context=self.context,
            acknowledge=self.peers.acknowledge,
            clock_ms=lambda: self.now_ms,
            faults=faults,
            is_expelled=lambda count, known_count: self.is_expelled(count, known_count),
            snapshot_record_count=loaded.record_count,
            timer_s=lambda: self.timer_s,
        )
        if self.log.next_seq == 0:
            app, consensus = PAYMENT_APP, CONSENSUS_APP
            self.engine.record(
                events.NodeCreated(1, CHAIN_ID, ADJUDICATOR, app, consensus, actor.address)
            )
        self.outbox.load(effect for _, effect in self.log.outbox())
        self._said: dict[Address, int] = {}

    def context(self, now_ms: int) -> Context:
        signer, me = self.actor.signer, self.actor.address
        return Context(now_ms, signer, me, 3_600, lambda proposal: self.decision)

    def restarted(self) -> Rig:
        """The node after a crash: what was written, and nothing else."""
        self.kv.close()
        self.kv.reopen()
        self.journal.clear()
        return Rig(self.actor, kv=self.kv)

    # --- what comes in ---

    def queue(self, *items: inputs.Input) -> None:
        """Inputs that nobody waits for."""
        for item in items:
            assert self.engine.nowait(item), "the queue is full"

    def ask(self, command: inputs.Input, until: Until = "durable") -> list[Answer | ProtocolError]:
        """Queue a command; the list gets its answer."""
        answers: list[Answer | ProtocolError] = []
        assert self.engine.command_then(command, until, partial(self._told, answers))
        return answers

    def _told(self, answers: list[Answer | ProtocolError], answer: Answer | ProtocolError) -> None:
        self.journal.note("answer", answer)
        answers.append(answer)

    def said(self, by: Actor, body: Body | None) -> inputs.PeerMessage:
        """The peer's next numbered message."""
        who = by.address
        number = max(self._said.get(who, 0), self.state.peer(who).received) + 1
        self._said[who] = number
        size_bytes = 0 if body is None else len(encode_body(body))
        fault = "gibberish" if body is None else ""
        return inputs.PeerMessage(who, number, body, size_bytes, fault)

    async def work(self) -> None:
        """Let the engine run until nothing is queued."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.engine.run)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

    async def take(self, *items: inputs.Input) -> None:
        """Queue them together and let the engine run."""
        self.queue(*items)
        await self.work()

    async def answer(self, command: inputs.Input, until: Until = "durable") -> Answer:
        """Carry out one command alone; its answer, or its refusal raised."""
        answers = self.ask(command, until)
        await self.work()
        (answer,) = answers
        if isinstance(answer, ProtocolError):
            raise answer
        return answer

    # --- what a test looks at ---

    def events_of(self, kind: type[events.Event]) -> list[Any]:
        """Recorded events of a kind, in order."""
        return [event for _, event in self.log.read_events() if isinstance(event, kind)]

    def folded(self) -> NodeState:
        """A replay of the log, from nothing."""
        replayed = NodeState()
        for record, event in self.log.read_events():
            apply(replayed, event, record.time_ms)
        return replayed

    def stored_effects(self) -> list[Any]:
        """The outbox as it is on disk."""
        return [effect for _, effect in self.log.outbox()]


async def opened(actor: Actor = ALICE) -> Rig:
    """The channel `CHANNEL` is open for ALICE (its payer) or BOB; the journal is empty."""
    rig = Rig(actor)
    if actor is ALICE:
        await rig.answer(open_command())
        await rig.take(rig.said(BOB, signed(state(0), BOB)))
    else:
        await rig.take(rig.said(ALICE, proposal()))
    await rig.take(deposited(confirmed=False), deposited())
    await rig.take(rig.said(BOB if actor is ALICE else ALICE, signed(state(1), _other(actor))))
    rig.journal.clear()
    rig.peers.inbox.clear()
    return rig


def _other(actor: Actor) -> Actor:
    return BOB if actor is ALICE else ALICE


def pay(amount: int, number: int, request_id: str = "", memo: str = "") -> commands.SendPayment:
    """ALICE's owner pays; the payment's id is the number."""
    return commands.SendPayment(CHANNEL, amount, amount_to_bytes(number), memo, request_id)


def receipt(rig: Rig, count: int) -> Receipt:
    """BOB signs for the oldest `count` payments that wait in ALICE's rig."""
    covered = rig.state.channels[CHANNEL].vouchers.pending[:count]
    total, root = covered[-1].total, root_of(covered)
    signature = BOB.signer(receipt_hash(CHANNEL, total, root))
    return Receipt(CHANNEL, amount_to_bytes(total), len(covered), root, signature)


async def opened_ledger(actor: Actor) -> Rig:
    """The ledger that ALICE leads, open for the actor."""
    rig, other = Rig(actor), _other(actor)
    prefund, postfund = (ledger_state(LEDGER_FIXED, ZERO_ADDRESS, START, turn) for turn in (0, 1))
    if actor is ALICE:
        await rig.take(open_ledger_command(), rig.said(BOB, signed(prefund, BOB)))
    else:
        await rig.take(rig.said(ALICE, proposal(prefund)))
    await rig.take(deposited(1_500, channel_id=LEDGER), rig.said(other, signed(postfund, other)))
    return rig
