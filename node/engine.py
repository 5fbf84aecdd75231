"""The engine: one task, the only writer. It takes what waits, cranks it, writes once, then lets go.

    take a batch -> crank and fold each input -> ONE synced write -> release effects, answers, acks

Nothing leaves before the write returned: the outbox, the callers and the acknowledgements are all
told after it, in log order. If the write fails the error ends the engine, and with it the node.
Between taking a batch and the end of its release there is no await, so nobody sees a state that is
not on disk.

A batch that waits is the engine's own task's to take. Whoever hands in little may ask for the turn
to be taken at once, in its own task: that spares a lone payment the waking of another task. One
turn at a time either way, and one that fails ends the engine's task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Literal

import msgspec
import structlog
import trio

from node.answers import Answer
from node.faults import Faults
from node.limits import (
    BATCH_INPUT_COUNT_MAX,
    DIGEST_INTERVAL_RECORD_COUNT,
    INPUT_QUEUE_COUNT_MAX,
    LISTED_PAYMENT_COUNT_MAX,
    PROMPT_INPUT_COUNT_MAX,
)
from node.outbox import Outbox
from node.payment_answers import answer_of
from node.requests import Requests, Telling
from node.store.batch import Batch
from node.store.log import EventLog
from protocols import events, inputs
from protocols.crank import crank
from protocols.draft import Context
from protocols.effects import Effect, outbox_key
from protocols.errors import ProtocolError
from protocols.ledger_events import LedgerUpdateProposed, LedgerUpdateSigned
from protocols.messages import PaymentBatch
from protocols.node_state import RUNS, Digest, NodeState, apply, apply_all, apply_run
from protocols.payment_runs import receive_run, received_together, send_run, sent_together
from protocols.types import Address

log = structlog.get_logger()

Done = Callable[[Answer | ProtocolError], None]
"""Told once what became of a command, after it is durable."""

Until = Literal["durable", "receipt"]

SIGNING = (events.StateSigned, LedgerUpdateProposed, LedgerUpdateSigned)
"""Events that hold our signature on a state: one state a turn (M6)."""

SETTLING = (
    events.PeerAcknowledged,
    events.TransactionMined,
    events.TransactionFailed,
    events.HoldingsRead,
)
"""Events that clear effects from the outbox."""


RUN_COUNT_MIN = 16
"""Events of one input from which on it pays to look for runs among them."""


class Queued(msgspec.Struct, frozen=True, gc=False):
    """One input on its way to the engine, and whom to answer."""

    item: inputs.Input
    until: Until = "durable"
    done: Done | None = None


class Engine:
    """Owns the state and the log; everybody else hands in inputs and reads."""

    def __init__(
        self,
        event_log: EventLog,
        state: NodeState,
        outbox: Outbox,
        *,
        context: Callable[[int], Context],
        acknowledge: Callable[[Address], None],
        clock_ms: Callable[[], int],
        faults: Faults,
    ) -> None:
        self.log = event_log
        self.state = state
        self._outbox = outbox
        self._context = context
        self._acknowledge = acknowledge
        self._clock_ms = clock_ms
        self._faults = faults
        self._requests = Requests(event_log, state)
        self._digest = Digest()
        self._digested_seq = event_log.next_seq
        self._last_ms = _last_time_ms(event_log)
        self._urgent: list[Queued] = []
        self._awake = trio.Event()
        self._in_turn = False
        self._failure: BaseException | None = None
        self._send, self._receive = trio.open_memory_channel[Queued](INPUT_QUEUE_COUNT_MAX)

    # --- handing in ---

    async def __call__(self, item: inputs.Input, /) -> None:
        """Queue an input; waits while the queue is full."""
        await self._send.send(Queued(item))
        self._awake.set()

    def nowait(self, item: inputs.Input, /) -> bool:
        """Queue an input if there is room."""
        return self._offer(Queued(item))

    def urge(self, item: inputs.Input) -> None:
        """Queue an input that must not be lost, whatever waits; for what comes once a session."""
        if not self.nowait(item):
            self._urgent.append(Queued(item))
            self._awake.set()

    def command_then(self, command: inputs.Input, until: Until, done: Done) -> bool:
        """Queue a command; `done` is called once, when it is durable (or receipted) or refused."""
        return self._offer(Queued(command, until, done))

    def _offer(self, queued: Queued) -> bool:
        try:
            self._send.send_nowait(queued)
        except trio.WouldBlock:
            return False
        self._awake.set()
        return True

    # --- the loop ---

    async def run(self) -> None:
        """Take batches for ever. Ends only by cancellation or by a turn that failed."""
        while True:
            await self._awake.wait()
            self._take_turn()
            if self._failure is not None:
                raise self._failure

    def prompt(self) -> None:
        """Take the turn now, if little waits: what many handed in is better written together.

        Never raises: a turn that fails ends `run`.
        """
        if self._receive.statistics().current_buffer_used <= PROMPT_INPUT_COUNT_MAX:
            self._take_turn()

    def _take_turn(self) -> None:
        """One batch of what waits. Nothing if there is a turn under way, or if one has failed."""
        if self._in_turn or self._failure is not None:
            return
        taken = self._take()
        if not taken:
            return
        self._in_turn = True
        try:
            self.step(taken)
        except BaseException as error:  # noqa: BLE001  `run` raises it: the node ends there
            self._failure = error
            self._awake.set()
        finally:
            self._in_turn = False

    def _take(self) -> list[Queued]:
        taken = [*self._urgent]
        self._urgent.clear()
        listed_count = 0
        while len(taken) < BATCH_INPUT_COUNT_MAX and listed_count < LISTED_PAYMENT_COUNT_MAX:
            try:
                queued = self._receive.receive_nowait()
                taken.append(queued)
                listed_count += _listed_count(queued.item)
            except trio.WouldBlock:
                if self._awake.is_set():
                    self._awake = trio.Event()
                break
        return taken

    def step(self, taken: list[Queued]) -> None:
        """One batch, from inputs to release; synchronous on purpose."""
        step = _Step(self, self._now_ms())
        step.take_all(taken)
        if step.batch.next_seq - self._digested_seq >= DIGEST_INTERVAL_RECORD_COUNT:
            step.record_digest(clean_stop=False)
        self._write(step)
        step.release()

    def stop(self) -> None:
        """Finish what is queued and close the log's books: the last record is a digest.

        Raises what made a turn fail if `run` did not live to do so.
        """
        if self._failure is not None:
            raise self._failure
        rest = [*self._urgent]
        while True:
            try:
                rest.append(self._receive.receive_nowait())
            except trio.WouldBlock:
                break
        step = _Step(self, self._now_ms())
        step.take_all(rest)
        step.record_digest(clean_stop=True)
        self._write(step)
        step.release()

    def record(self, event: events.Event) -> None:
        """Record a fact of the node itself (its creation, a cut tail), alone and durable."""
        step = _Step(self, self._now_ms())
        step.record(event, None)
        self._write(step)
        step.release()

    def _write(self, step: _Step) -> None:
        if step.batch.is_empty:
            return
        self._faults.hit("before-write")
        self.log.commit(step.batch)
        self._faults.hit("after-sync")

    def _now_ms(self) -> int:
        """Recorded times never fall, whatever the clock does."""
        self._last_ms = max(self._last_ms, self._clock_ms())
        return self._last_ms


def _listed_count(item: inputs.Input) -> int:
    """How many payments the input lists: a list weighs as much as they do."""
    if isinstance(item, inputs.SendBatch):
        return len(item.amounts)
    if isinstance(item, inputs.PeerMessage) and isinstance(item.body, PaymentBatch):
        return len(item.body.payments)
    return 0


_END_OF_BATCH = Queued(inputs.EndOfBatch())


class _Step:
    """One batch under construction: what to write, and what to do once it is written."""

    def __init__(self, engine: Engine, now_ms: int) -> None:
        self.engine = engine
        self.now_ms = now_ms
        self.batch: Batch = engine.log.begin(now_ms)
        self._context = engine._context(now_ms)
        self._effects: list[Effect] = []
        self._settled: list[events.Event] = []
        self._heard: set[Address] = set()
        self._answers: list[tuple[Done, Answer | ProtocolError]] = []

    def take_all(self, taken: list[Queued]) -> None:
        """Crank the inputs in order, payments that come in company together, then their end."""
        place, items = 0, [queued.item for queued in taken]
        while place < len(taken):
            count = self._take_payments(taken, items, place)
            if count == 0:
                self.take(taken[place])
                count = 1
            place += count
        self.take(_END_OF_BATCH)

    def _take_payments(self, taken: list[Queued], items: list[inputs.Input], place: int) -> int:
        """Take the run of payments that begins there; how many it took, maybe none."""
        state = self.engine.state
        if len(received := received_together(items, place)) > 1:
            self._heard.add(received[0].peer)
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

    def _put_effects(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            self.batch.put_effect(outbox_key(effect), effect)
        self._effects.extend(effects)

    def take(self, queued: Queued) -> None:
        """Crank one input and fold what it leads to; a refused command gets its error."""
        item = queued.item
        if isinstance(item, inputs.PeerMessage):
            self._heard.add(item.peer)
        if queued.done is not None:
            self._command(queued, queued.done)
            return
        self._crank(item)

    def _crank(self, item: inputs.Input) -> tuple[int, tuple[events.Event, ...]]:
        result = crank(self.engine.state, item, self._context)
        first_seq = self.batch.next_seq
        if len(result.events) < RUN_COUNT_MIN:
            for event in result.events:
                self.record(event, self._cause(first_seq))
        else:
            self._record_runs(result.events, first_seq)
        self._put_effects(result.effects)
        return first_seq, result.events

    def _record_runs(self, recorded: tuple[events.Event, ...], first_seq: int) -> None:
        """Append and fold many events; those that come by the hundred as a whole."""
        for kind, group in groupby(recorded, type):
            run = list(group)
            if kind in RUNS:
                self.batch.append_run(run, self._cause(first_seq), first_seq)
                apply_run(self.engine.state, run)
                continue
            for event in run:
                self.record(event, self._cause(first_seq))

    def _cause(self, first_seq: int) -> int | None:
        """The record that the next one follows from: the first of its input's."""
        return first_seq if self.batch.next_seq > first_seq else None

    def record(self, event: events.Event, cause_seq: int | None) -> None:
        """Append and fold one event; note what it settles and whom it answers."""
        state = self.engine.state
        seq = self.batch.append(event, cause_seq)
        if isinstance(event, SIGNING):
            self.batch.sign_turn(event.channel_id, event.turn_num, event.state_hash)
        elif isinstance(event, events.ObjectiveCreated):
            self.engine._requests.created(event.objective_id, seq)
        elif isinstance(event, Telling):
            self._answers.extend(self.engine._requests.on_event(event))
        if isinstance(event, SETTLING):
            for key in self.engine._outbox.settled_keys(event):
                self.batch.clear_effect(key)
            self._settled.append(event)
        apply(state, event, self.now_ms)

    def _command(self, queued: Queued, done: Done) -> None:
        requests = self.engine._requests
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
        """Answer when the batch is written, or when the receipt is if the caller waits for it."""
        waits = queued.until == "receipt" and answer.payment_id and not answer.receipted
        if waits and self.engine._requests.wait_for_receipt(answer, done):
            return
        self._answers.append((done, answer))

    def record_digest(self, *, clean_stop: bool) -> None:
        """The digest of the state as it stands after everything in this batch."""
        engine = self.engine
        digest = engine._digest.update(engine.state)
        count = engine._digest.entity_count
        self.record(events.StateDigestRecorded(digest, count, clean_stop), None)
        engine._digested_seq = self.batch.next_seq

    def release(self) -> None:
        """The write returned: let everything go, in log order."""
        engine = self.engine
        engine._requests.end_batch()
        for event in self._settled:
            engine._outbox.settle(event)
        # First, so that the acknowledgement rides on a message that leaves with it.
        for peer in self._heard:
            engine._acknowledge(peer)
        engine._outbox.release(self._effects)
        for done, answer in self._answers:
            done(answer)


def _last_time_ms(event_log: EventLog) -> int:
    """When the log's last record was written, Unix milliseconds; 0 for an empty log."""
    return max(
        (record.time_ms for record in event_log.read(max(0, event_log.next_seq - 1))), default=0
    )


def replay(event_log: EventLog, state: NodeState) -> Iterator[int]:
    """Fold the whole log into `state`; yields now and then how far it is. Raises LogDamaged."""
    next_seq = 0
    for pairs in event_log.event_blocks():
        apply_all(state, [(event, record.time_ms) for record, event in pairs])
        next_seq += len(pairs)
        yield next_seq
