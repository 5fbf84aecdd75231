"""The engine: one task, the only writer. It takes what waits, cranks it, writes once, then lets go.

    take a batch -> crank and fold each input -> ONE synced write -> release effects, answers, acks

Nothing leaves before the write returned: the outbox, the callers and the acknowledgements are all
told after it, in log order. If the write fails the error ends the engine, and with it the node.
Between taking a batch and the end of its release there is no await, so nobody sees a state that is
not on disk. Between batches, snapshots are written a slice at a time.

What waits is the engine's own task's to take. But to wake a task costs as much as a short turn, so
what is queued without waiting lies there until whoever queued it calls `prompt`: that takes the
turn at once, in the caller's own task, if little waits, and else wakes the engine's. One turn at a
time either way, and one that fails ends the engine's task.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

import trio

from node.answers import Done, Until
from node.faults import Faults
from node.limits import (
    BACKLOG_INPUT_COUNT_MAX,
    BATCH_INPUT_COUNT_MAX,
    HEAD_INTERVAL_RECORD_COUNT,
    INPUT_QUEUE_COUNT_MAX,
    LEDGER_INPUT_COUNT_MAX,
    LISTED_PAYMENT_COUNT_MAX,
    PROMPT_INPUT_COUNT_MAX,
    SNAPSHOT_INTERVAL_RECORD_COUNT,
    TREE_LAG_COUNT_MIN,
    TREE_TURN_SLICE_COUNT_MAX,
)
from node.outbox import Outbox
from node.requests import Requests
from node.snapshot_keeper import SnapshotKeeper
from node.step import Desk, Queued, Step
from node.store.log import EventLog
from node.waiters import Waiters
from protocols import commands, events, inputs
from protocols.app_judging import AppRun
from protocols.draft import Context
from protocols.head_events import LogHeadSigned
from protocols.log_head import LogHead, sign_head
from protocols.messages import LedgerCountersignature, LedgerProposal, PaymentBatch
from protocols.node_state import NodeState, apply_all
from protocols.peer_heads import owner_of
from protocols.types import Address

_CLOSING_RECORD_COUNT = 2
"""Head and digest."""


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
        judge_app: Callable[[AppRun], tuple[inputs.AppVerdict, ...] | None] = lambda run: None,
        is_expelled: Callable[[int, int], bool] = lambda count, known_count: False,
        snapshot_record_count: int = 0,
        snapshot_interval_count: int = SNAPSHOT_INTERVAL_RECORD_COUNT,
        timer_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`judge_app`: what an application's reducer makes of messages, None while it cannot say;
        `is_expelled`: whether a peer is, whose faults rose to the first count from the second;
        `snapshot_record_count`: of the snapshot that `state` was begun from, 0 for none;
        `snapshot_interval_count`: records between two.
        """
        self.log = event_log
        self.state = state
        self.clock_ms = clock_ms
        """By which records are dated, Unix milliseconds."""
        self._faults = faults
        self.on_head: Callable[[LogHead], None] | None = None
        """Told each head of the log once it is durable."""
        requests, waiters = Requests(event_log, state), Waiters(state)
        self._desk = Desk(
            event_log,
            state,
            outbox,
            requests,
            waiters,
            context,
            acknowledge,
            judge_app,
            is_expelled,
        )
        self.snapshots = SnapshotKeeper(
            event_log, state, snapshot_record_count, timer_s, snapshot_interval_count
        )
        self._last_ms = _last_time_ms(event_log)
        self._queue: deque[Queued] = deque()
        self._admission = trio.StrictFIFOLock()
        self._room = trio.Event()
        self._awake = trio.Event()
        self._in_turn = False
        self._failure: BaseException | None = None

    # --- handing in ---

    async def __call__(self, item: inputs.Input, /) -> None:
        """Queue an input; waits while the queue is full."""
        await trio.lowlevel.checkpoint()
        queued = Queued(item)
        if not self._offer(queued):
            async with self._admission:
                while len(self._queue) >= INPUT_QUEUE_COUNT_MAX:
                    self._room = trio.Event()
                    await self._room.wait()
                self._queue.append(queued)
        self.wake()

    def nowait(self, item: inputs.Input, /) -> bool:
        """Queue an input if there is room. It lies there until `prompt` or `wake`."""
        return self._offer(Queued(item))

    def urge(self, item: inputs.Input) -> None:
        """Queue an input that must not be lost, whatever waits; for what comes once a session."""
        self._queue.append(Queued(item))
        self.wake()

    def command_then(self, command: inputs.Input, until: Until, done: Done) -> bool:
        """Queue a command if there is room. It lies there until `prompt` or `wake`.

        `done` is called once: when `until` says, or when it is refused.
        """
        return self._offer(Queued(command, until, done))

    def _offer(self, queued: Queued) -> bool:
        if len(self._queue) >= INPUT_QUEUE_COUNT_MAX or self._admission.locked():
            self.wake()
            return False
        self._queue.append(queued)
        return True

    def drop_messages(self, peer: Address) -> None:
        """Forget what the peer said and nobody took yet: it is not acknowledged either."""
        kept = [queued for queued in self._queue if not _is_said_by(peer, queued.item)]
        self._queue.clear()
        self._queue.extend(kept)
        self._room.set()

    # --- the loop ---

    async def run(self) -> None:
        """Take batches for ever. Ends only by cancellation or by a turn that failed."""
        while self._failure is None:
            if not self._queue and self.log.tree.lag_count < TREE_LAG_COUNT_MIN:
                self._awake = trio.Event()
                with trio.move_on_after(self.snapshots.wait_s()):
                    await self._awake.wait()
            else:
                await trio.lowlevel.checkpoint()
            self._take_turn()
            self._tend_snapshots()
            await self._grow_tree()
        raise self._failure

    async def _grow_tree(self) -> None:
        """What is recorded stands in the tree soon after, in slices nobody waits for."""
        for _ in range(TREE_TURN_SLICE_COUNT_MAX):
            if self.log.tree.lag_count < TREE_LAG_COUNT_MIN or self._failure is not None:
                return
            self.log.grow_tree()
            self.log.save_tree()
            await trio.lowlevel.checkpoint()

    def _tend_snapshots(self) -> None:
        """A slice of work, if there is one and its time has come."""
        if self._failure is None and self.snapshots.wait_s() == 0:
            digest = self.snapshots.work()
            if digest is not None:
                self.record(digest)

    def prompt(self) -> None:
        """Take the turn now, if little waits: what many handed in is better written together.

        Never raises: a turn that fails ends `run`.
        """
        if len(self._queue) <= PROMPT_INPUT_COUNT_MAX and not self._in_turn:
            self._take_turn()
        else:
            self.wake()

    def wake(self) -> None:
        """What is queued is taken by the engine's own task, when whoever runs now waits."""
        if self._queue:
            self._awake.set()

    def _take_turn(self) -> None:
        """One batch of what waits. Nothing if one has failed."""
        if self._failure is not None or not self._queue:
            return
        taken = self._take()
        self._in_turn = True
        try:
            self.step(taken)
        except BaseException as error:  # noqa: BLE001  `run` raises it: the node ends there
            self._failure = error
            self._awake.set()
        finally:
            self._in_turn = False
        if self.log.tree.lag_count >= TREE_LAG_COUNT_MIN:
            self._awake.set()

    def _take(self) -> list[Queued]:
        taken: list[Queued] = []
        queue, listed_count = self._queue, 0
        backlog_count = min(len(queue) // 4, BACKLOG_INPUT_COUNT_MAX)
        is_of_ledger = bool(queue) and _is_ledger_update(queue[0].item)
        usual_count = LEDGER_INPUT_COUNT_MAX if is_of_ledger else BATCH_INPUT_COUNT_MAX
        count_max = max(usual_count, backlog_count)
        while queue and len(taken) < count_max and listed_count < LISTED_PAYMENT_COUNT_MAX:
            taken.append(queue.popleft())
            listed_count += _listed_count(taken[-1].item)
        self._room.set()
        return taken

    def step(self, taken: list[Queued]) -> None:
        """One batch, from inputs to release; synchronous on purpose."""
        step = Step(self._desk, self._now_ms())
        head = None
        if self._head_lag_count() >= HEAD_INTERVAL_RECORD_COUNT and self._tree_is_near():
            head = self._record_head(step)
        step.take_all(taken)
        self._write(step)
        step.release()
        self._tell_head(head)
        if self.snapshots.after_batch():
            self._awake.set()

    def stop(self) -> None:
        """Finish what is queued and close the log's books: a head over all, and a digest as last.

        Raises what made a turn fail if `run` did not live to do so.
        """
        if self._failure is not None:
            raise self._failure
        rest = list(self._queue)
        self._queue.clear()
        step = Step(self._desk, self._now_ms())
        step.take_all(rest)
        self._write(step)
        step.release()
        step = Step(self._desk, self._now_ms())
        # A log that got nothing but its closing records since the last head needs no other.
        if self._head_lag_count() > _CLOSING_RECORD_COUNT and self._tree_is_near():
            self._record_head(step)
        self._write(step)
        step.release()
        self.record(self.snapshots.close())

    def record(self, event: events.Event) -> None:
        """Record a fact of the node itself (its creation, a cut tail), alone and durable."""
        step = Step(self._desk, self._now_ms())
        step.record(event, None)
        self._write(step)
        step.release()

    def sign_head(self) -> LogHead:
        """A head over every record there is, durable when this returns; for who asks between turns.

        The tree should be near (`EventLog.grow_tree`). Raises what makes the node stop.
        """
        if self._failure is not None:
            raise self._failure
        assert not self._in_turn, "a turn may sign its own"
        try:
            while self.log.grow_tree():
                pass
            step = Step(self._desk, self._now_ms())
            head = self._record_head(step)
            self._write(step)
        except BaseException as error:
            self._failure = error
            self._awake.set()
            raise
        step.release()
        self._tell_head(head)
        return head

    def _head_lag_count(self) -> int:
        """Records since the last head, with that of the head itself."""
        head = self.state.node.head
        return self.log.next_seq - (0 if head is None else head.length)

    def _tree_is_near(self) -> bool:
        """Take in the few records that the tree may lack; False if they are not few."""
        for _ in range(TREE_TURN_SLICE_COUNT_MAX):
            if not self.log.grow_tree():
                return True
        return self.log.tree.lag_count == 0

    def _record_head(self, step: Step) -> LogHead:
        """Sign the log as it is before this batch; the record of it is the batch's first."""
        length = self.log.next_seq
        assert step.batch.next_seq == length, "a head is over all records before its own"
        context = self._desk.context(step.now_ms)
        owner = owner_of(self.state.node, context.me)
        head = sign_head(owner, length, self.log.tree.root(length), context.signer)
        step.record(LogHeadSigned(head.length, head.root, head.signature), None)
        return head

    def _tell_head(self, head: LogHead | None) -> None:
        if head is not None and self.on_head is not None:
            self.on_head(head)

    def _write(self, step: Step) -> None:
        if step.batch.is_empty:
            return
        self._faults.hit("before-write")
        self.log.commit(step.batch)
        self._faults.hit("after-sync")

    def _now_ms(self) -> int:
        """Recorded times never fall, whatever the clock does."""
        self._last_ms = max(self._last_ms, self.clock_ms())
        return self._last_ms


def _is_said_by(peer: Address, item: inputs.Input) -> bool:
    return isinstance(item, inputs.PeerMessage) and item.peer == peer


def _is_ledger_update(item: inputs.Input) -> bool:
    if isinstance(item, inputs.PeerMessage):
        return isinstance(item.body, LedgerProposal | LedgerCountersignature)
    return isinstance(item, commands.PayLedger)


def _listed_count(item: inputs.Input) -> int:
    """How many payments the input lists: a list weighs as much as they do."""
    if isinstance(item, commands.SendBatch):
        return len(item.amounts)
    if isinstance(item, inputs.PeerMessage) and isinstance(item.body, PaymentBatch):
        return len(item.body.payments)
    return 0


def _last_time_ms(event_log: EventLog) -> int:
    """When the log's last record was written, Unix milliseconds; 0 for an empty log."""
    return max(
        (record.time_ms for record in event_log.read(max(0, event_log.next_seq - 1))), default=0
    )


def replay(event_log: EventLog, state: NodeState, from_seq: int = 0) -> Iterator[int]:
    """Fold the log from that record on into `state`; yields now and then how far it is.

    Raises LogDamaged.
    """
    next_seq = from_seq
    for dated in event_log.dated_blocks(from_seq):
        apply_all(state, dated)
        next_seq += len(dated)
        yield next_seq
