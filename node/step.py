"""One step of the engine: a batch of inputs, from what is taken to what is let go.

A step gathers what to write while it cranks and folds; nothing of it leaves before the engine has
written its batch and calls `release`. It has no await, and is used once.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import get_args

import msgspec

from node.answers import Answer, Done, Until
from node.outbox import Outbox
from node.payment_answers import answer_of
from node.requests import Requests
from node.store.batch import Batch
from node.store.log import EventLog
from node.waiters import Telling, Waiters
from protocols import events, inputs
from protocols.app_events import AppStateSigned
from protocols.app_judging import AppRun, plan
from protocols.app_reducers import app_of
from protocols.crank import awaits_end_of_batch, crank
from protocols.draft import Context, CrankResult
from protocols.effects import Effect, outbox_key
from protocols.entities import NodeState
from protocols.errors import ProtocolError
from protocols.ledger_events import LedgerUpdateProposed, LedgerUpdateSigned
from protocols.ledger_runs import (
    EVENTS_PER_PAYMENT,
    answer_run,
    ordered_together,
    pay_run,
    told_together,
    update_run,
)
from protocols.node_state import RUNS, apply, apply_run
from protocols.payment_runs import receive_run, received_together, send_run, sent_together
from protocols.resumption_events import LedgerJumpSigned, LedgerResumed
from protocols.types import Address, ChannelId

SIGNING = (
    events.StateSigned,
    AppStateSigned,
    LedgerUpdateProposed,
    LedgerUpdateSigned,
    LedgerJumpSigned,
    LedgerResumed,
)
"""Events that hold our signature on a state: one state a turn (M6)."""

SETTLING = (
    events.PeerAcknowledged,
    events.TransactionMined,
    events.TransactionFailed,
    events.HoldingsRead,
)
"""Events that clear effects from the outbox."""

NOTED = frozenset((*SIGNING, events.ObjectiveCreated, *get_args(Telling), *SETTLING))
"""Events after which there is more to do than to fold them."""


RUN_COUNT_MIN = 16
"""Events of one input from which on it pays to look for runs among them."""


_RUN_COUNT_MAX = 4
"""Runs of one channel's reducer in a batch: an answer, what the other end offers, what we offer."""


class Queued(msgspec.Struct, frozen=True):
    """One input on its way to the engine, and whom to answer."""

    item: inputs.Input
    until: Until = "durable"
    done: Done | None = None


class Desk(msgspec.Struct, frozen=True):
    """What every step of one engine works with."""

    log: EventLog
    state: NodeState
    outbox: Outbox
    requests: Requests
    waiters: Waiters
    context: Callable[[int], Context]
    """What a crank is told at that time (Unix milliseconds)."""
    acknowledge: Callable[[Address], None]
    """What we durably received from the peer rose."""
    judge_app: Callable[[AppRun], tuple[inputs.AppVerdict, ...] | None]
    """What a channel's reducer makes of a run of messages; None while it cannot be asked."""
    is_expelled: Callable[[int, int], bool]
    """Whether a peer goes that had the second count of faults before a batch and has the first."""


_END_OF_BATCH = Queued(inputs.EndOfBatch())


class Step:
    """One batch under construction: what to write, and what to do once it is written."""

    def __init__(self, desk: Desk, now_ms: int) -> None:
        self._desk = desk
        self.now_ms = now_ms
        self.batch: Batch = desk.log.begin(now_ms)
        self._context = desk.context(now_ms)
        self._effects: list[Effect] = []
        self._settled: list[events.Event] = []
        self._heard: dict[Address, None] = {}
        """Peers with messages in this batch, in order: a set's hangs on the process."""
        self._fault_counts: dict[Address, int] = {}
        """Their faults before it."""
        self._answers: list[tuple[Done, Answer | ProtocolError]] = []

    def take_all(self, taken: list[Queued]) -> None:
        """Crank the inputs in order, what comes in company together, then their end."""
        place, items = 0, [queued.item for queued in taken]
        while place < len(taken):
            count = self._take_payments(taken, items, place)
            if count == 0:
                count = self._take_updates(taken, items, place)
            if count == 0:
                self.take(taken[place])
                count = 1
            place += count
        state = self._desk.state
        if state.unanswered:
            self._keep_run(answer_run(state, self._context))
        if state.unjudged:
            self._judge_apps()
        if awaits_end_of_batch(state):
            self.take(_END_OF_BATCH)

    def _judge_apps(self) -> None:
        """Have applications' messages judged that this batch brought, and go on with the verdicts.

        A reducer whose machine fails keeps its own channel waiting, and nobody else.
        """
        for channel_id in sorted(self._desk.state.unjudged):
            for _ in range(_RUN_COUNT_MAX):
                if channel_id not in self._desk.state.unjudged or not self._judge_app(channel_id):
                    break

    def _judge_app(self, channel_id: ChannelId) -> bool:
        """One run of the channel's reducer; whether anything came of it."""
        desk = self._desk
        run = plan(desk.state, channel_id, self._context)
        verdicts = () if run is None else desk.judge_app(run)
        if verdicts is None:
            return False
        base_count = app_of(desk.state.channels[channel_id]).tip.count
        stamp_ms = 0 if run is None else run.stamp_ms
        first_seq = self.batch.next_seq
        self.take(Queued(inputs.AppJudged(channel_id, base_count, verdicts, stamp_ms)))
        return self.batch.next_seq > first_seq

    def _take_payments(self, taken: list[Queued], items: list[inputs.Input], place: int) -> int:
        """Take the run of payments that begins there; how many it took, maybe none."""
        state = self._desk.state
        if len(received := received_together(items, place)) > 1:
            self._heard[received[0].peer] = None
            result = receive_run(state, received, self._context)
        elif len(sent := sent_together(items, place)) > 1:
            result = send_run(state, sent, self._context)
        else:
            return 0
        first_seq, count = self.batch.next_seq, len(result.events)
        if count:
            self.batch.append_run(result.events, None, None)
            apply_run(state, result.events)
            self._put_effects(result.effects)
        for offset, event in enumerate(result.events):
            queued = taken[place + offset]
            if queued.done is not None:
                assert isinstance(event, events.VoucherIssued), "what is sent has its own record"
                self._answer(queued, queued.done, answer_of(state, first_seq + offset, event, ()))
        return count

    def _take_updates(self, taken: list[Queued], items: list[inputs.Input], place: int) -> int:
        """Take the run of ledger updates that begins there; how many it took, maybe none."""
        state = self._desk.state
        if ordered := ordered_together(items, place):
            result = pay_run(state, self._desk.requests.new_ones(ordered), self._context)
        elif told := told_together(items, place):
            self._heard[told[0].peer] = None
            return self._keep_run(update_run(state, told))
        else:
            return 0
        first_seq = self.batch.next_seq
        for offset, event in enumerate(result.events):
            is_first = offset % EVENTS_PER_PAYMENT == 0
            self.record(event, None if is_first else self.batch.next_seq - 1)
        self._put_effects(result.effects)
        requests = result.events[1::EVENTS_PER_PAYMENT]
        for number, (queued, request) in enumerate(zip(taken[place:], requests, strict=False)):
            if queued.done is not None:
                seq = first_seq + number * EVENTS_PER_PAYMENT + 1
                answer = self._desk.requests.paid(queued.item, seq, request)
                self._answer(queued, queued.done, answer)
        return len(requests)

    def _keep_run(self, result: CrankResult) -> int:
        """Record facts of one kind, one an input, each of another ledger; how many there are."""
        if result.events:
            self.batch.append_run(result.events, None, None)
        for event in result.events:
            if type(event) in NOTED:
                self._note(event, self.batch.next_seq)
            apply(self._desk.state, event, self.now_ms)
        self._put_effects(result.effects)
        return len(result.events)

    def _put_effects(self, effects: tuple[Effect, ...]) -> None:
        self.batch.put_effects(effects)
        self._effects.extend(effects)

    def take(self, queued: Queued) -> None:
        """Crank one input and fold what it leads to; a refused command gets its error."""
        item = queued.item
        if isinstance(item, inputs.PeerMessage):
            self._heard[item.peer] = None
            if self._is_on_its_way_out(item.peer):
                return
        if queued.done is not None:
            self._command(queued, queued.done)
            return
        self._crank(item)

    def _is_on_its_way_out(self, peer: Address) -> bool:
        """Whether the peer is expelled after this batch: nothing more of it is recorded until then,
        and it says again what was not acknowledged."""
        count = self._desk.state.peer(peer).fault_count
        known_count = self._fault_counts.setdefault(peer, count)
        return self._desk.is_expelled(count, known_count)

    def _crank(self, item: inputs.Input) -> tuple[int, tuple[events.Event, ...]]:
        result = crank(self._desk.state, item, self._context)
        first_seq = self.batch.next_seq
        if result.parts:
            self._record_parts(result)
        elif len(result.events) < RUN_COUNT_MIN:
            for event in result.events:
                self.record(event, self._cause(first_seq))
        else:
            self._record_runs(result.events, first_seq)
        self._put_effects(result.effects)
        return first_seq, result.events

    def _record_parts(self, result: CrankResult) -> None:
        """Append and fold what one input led to in several channels, each with its own cause."""
        first_seq = self.batch.next_seq
        origins = dict(result.parts)
        origin = 0
        for place, event in enumerate(result.events):
            origin = origins.get(place, origin)
            self.record(event, None if origin == place else first_seq + origin)

    def _record_runs(self, recorded: tuple[events.Event, ...], first_seq: int) -> None:
        """Append and fold many events; those that come by the hundred as a whole."""
        for kind, group in groupby(recorded, type):
            run = list(group)
            if kind in RUNS:
                self.batch.append_run(run, self._cause(first_seq), first_seq)
                apply_run(self._desk.state, run)
                continue
            for event in run:
                self.record(event, self._cause(first_seq))

    def _cause(self, first_seq: int) -> int | None:
        """The record that the next one follows from: the first of its input's."""
        return first_seq if self.batch.next_seq > first_seq else None

    def record(self, event: events.Event, cause_seq: int | None) -> None:
        """Append and fold one event; note what it settles and whom it answers."""
        state = self._desk.state
        seq = self.batch.append(event, cause_seq)
        if type(event) in NOTED:
            self._note(event, seq)
        apply(state, event, self.now_ms)

    def _note(self, event: events.Event, seq: int) -> None:
        if isinstance(event, SIGNING):
            self.batch.sign_turn(event.channel_id, event.turn_num, event.state_hash)
        elif isinstance(event, events.ObjectiveCreated):
            self._desk.requests.created(event.objective_id, seq)
        if isinstance(event, Telling):
            self._answers.extend(self._desk.waiters.on_event(event))
        if isinstance(event, SETTLING):
            keys = self._desk.outbox.settled_keys(event)
            self.batch.clear_effects(keys)
            if not isinstance(event, events.PeerAcknowledged):
                # What was ordered in this very batch is over, too: a fork and what follows it.
                self._effects = [e for e in self._effects if outbox_key(e) not in keys]
            self._settled.append(event)

    def _command(self, queued: Queued, done: Done) -> None:
        requests = self._desk.requests
        try:
            known = requests.find(queued.item)
            if known is None:
                first_seq, recorded = self._crank(queued.item)
                known = requests.answer(queued.item, first_seq, recorded)
                requests.remember(queued.item, first_seq, recorded)
        except ProtocolError as refusal:
            self._answers.append((done, refusal))
            return
        self._answer(queued, done, known)

    def _answer(self, queued: Queued, done: Done, answer: Answer) -> None:
        """Answer when the batch is written, or when that is on disk which the caller waits for."""
        now: Answer | ProtocolError | None = answer
        if queued.until != "durable":
            now = self._desk.waiters.settle(queued.until, answer, done)
        if now is not None:
            self._answers.append((done, now))

    def release(self) -> None:
        """The write returned: let everything go, in log order."""
        desk = self._desk
        desk.requests.end_batch()
        for event in self._settled:
            desk.outbox.settle(event)
        # First, so that the acknowledgement rides on a message that leaves with it.
        for peer in self._heard:
            desk.acknowledge(peer)
        desk.outbox.release(self._effects)
        for done, answer in self._answers:
            done(answer)
