"""The node's past: which record a moment is, and what the node believed right after it.

A past state is a fold of the log's beginning, made aside in slices between which everything else
runs: payments go on, and only one fold is under way at a time, whoever asks. It is never written
to again; the last few are kept, since who asks once asks again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import trio

from node.limits import (
    COUNTED_RECORD_COUNT_MAX,
    PAST_STATE_COUNT_MAX,
)
from node.moments import AtBlock, AtRecord, AtTime, Moment, utc_text
from node.slices import in_slices
from node.store.log import EventLog
from node.store.snapshot_loading import loading as load_in_steps
from protocols import events
from protocols.moment_errors import MomentAhead, MomentBeforeLog
from protocols.node_state import NodeState, apply_all

ENTITY_SLICE_COUNT = 32
"""Records read one by one (20 us each) before everything else has a turn."""


class History:
    """The past of one log. The newest record is a moment of it like any other."""

    def __init__(self, log: EventLog, clock_ms: Callable[[], int]) -> None:
        self._log = log
        self._clock_ms = clock_ms
        """Milliseconds since 1970, the clock that records are dated by."""
        self._states: dict[int, NodeState] = {}
        """By their last record, the one asked for last at the end."""
        self._folding = trio.StrictFIFOLock()

    def seq_of(self, moment: Moment) -> int:
        """The last record that belongs to the moment. Raises MomentAhead or MomentBeforeLog."""
        match moment:
            case AtRecord(seq):
                if seq >= self._log.next_seq:
                    raise self._ahead(moment)
                return seq
            case AtTime(time_ms):
                return self._seq_of_time(moment, time_ms)
            case AtBlock(block_num):
                return self._seq_of_block(moment, block_num)

    def _ahead(self, moment: Moment) -> MomentAhead:
        last_seq = self._log.next_seq - 1
        return MomentAhead(str(moment), last_seq, utc_text(self._log.time_at(last_seq)))

    def _seq_of_time(self, moment: Moment, time_ms: int) -> int:
        begin_ms, last_seq = self._log.time_at(0), self._log.next_seq - 1
        if time_ms < begin_ms:
            raise MomentBeforeLog(str(moment), f"record 0 is of {utc_text(begin_ms)}")
        # Of the millisecond that is running, a record may still come.
        if time_ms >= self._clock_ms() and time_ms >= self._log.time_at(last_seq):
            raise self._ahead(moment)
        return _last_where(last_seq, lambda seq: self._log.time_at(seq) <= time_ms)

    def _seq_of_block(self, moment: Moment, block_num: int) -> int:
        seq = self._log.find_block(block_num)
        if seq is None:
            raise self._ahead(moment)
        if seq == self._log.find_block(0):
            ((_, first),) = self._log.read_events(seq, seq + 1)
            assert isinstance(first, events.ChainBlockProcessed), "the index names no other"
            if block_num < first.block_num:
                begin = f"the first block it processed is {first.block_num}"
                raise MomentBeforeLog(str(moment), begin)
        return seq

    async def state_at(self, seq: int) -> NodeState:
        """All that the node believed right after record `seq`, which must be there.

        Read only, and shared by all who ask. Raises `LogDamaged`.
        """
        await trio.lowlevel.checkpoint()
        if seq not in self._states:
            async with self._folding:
                if seq not in self._states:
                    self._keep(seq, await self._fold(seq))
                return self._states[seq]
        state = self._states.pop(seq)
        self._keep(seq, state)
        return state

    def _keep(self, seq: int, state: NodeState) -> None:
        self._states[seq] = state
        while len(self._states) > PAST_STATE_COUNT_MAX:
            del self._states[next(iter(self._states))]

    async def record_counts(
        self, from_seq: int, last_seq: int, entity: bytes | None
    ) -> Counter[str] | None:
        """How many records of each name there are; about one channel or objective if `entity`.

        None if there are more than `COUNTED_RECORD_COUNT_MAX`. Raises `LogDamaged`.
        """
        counts: Counter[str] = Counter()
        if entity is None:
            if last_seq + 1 - from_seq > COUNTED_RECORD_COUNT_MAX:
                return None
            for records in self._log.record_blocks(from_seq, last_seq + 1):
                counts.update(record.name for record in records)
                await trio.lowlevel.checkpoint()
            return counts
        for number, record in enumerate(self._log.read_entity(entity, from_seq), 1):
            if record.seq > last_seq:
                break
            if number > COUNTED_RECORD_COUNT_MAX:
                return None
            counts[record.name] += 1
            if number % ENTITY_SLICE_COUNT == 0:
                await trio.lowlevel.checkpoint()
        return counts

    async def _fold(self, seq: int) -> NodeState:
        loaded = await in_slices(load_in_steps(self._log, seq + 1))
        state = loaded.state
        for dated in self._log.dated_blocks(loaded.record_count, seq + 1):
            apply_all(state, dated)
            await trio.lowlevel.checkpoint()
        return state


def _last_where(last: int, holds: Callable[[int], bool]) -> int:
    """The largest number up to `last` for which `holds`; it does for 0, and for all below that."""
    low, high = 0, last
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low
