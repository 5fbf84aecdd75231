"""Bugs, planted into a node for the time of a run: what the checkers are there to catch.

Each replaces something of the node or of its core with a version that is wrong in one way, and
names the checker in whose domain that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from node.engine import Engine
from node.outbox import Outbox
from node.step import Step
from node.store.log import EventLog
from protocols import events

Change = tuple[Any, str, Any]
"""Whose attribute, its name, and what it is for the time being."""


class PlantedBug:
    """One bug."""

    def __init__(self, caught_by: str, changes: Callable[[], list[Change]]) -> None:
        self.caught_by = caught_by
        """The checker that has to see it."""
        self._changes = changes

    @contextmanager
    def plant(self) -> Iterator[None]:
        """The node has it until the end of the block."""
        with ExitStack() as stack:
            for owner, name, value in self._changes():
                stack.callback(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, value)
            yield


def _acknowledged_before_sync() -> list[Change]:
    """The write is done behind the step's back, one step later."""
    commit = EventLog.commit
    late: list[Any] = []

    def later(log: EventLog, batch: Any) -> None:
        if log.next_seq == 0:
            commit(log, batch)
            return
        store = log._store
        write = store.write

        def keep(native: Any) -> None:
            late.append(native)
            while len(late) > 1:
                write(late.pop(0))

        store.write = keep  # type: ignore[method-assign]
        try:
            commit(log, batch)
        finally:
            del store.write

    return [(EventLog, "commit", later)]


def _effect_before_event() -> list[Change]:
    """What is to leave leaves before it is written."""
    write = Engine._write

    def early(engine: Engine, step: Step) -> None:
        step._desk.outbox.release(step._effects)
        step._effects = []
        write(engine, step)

    return [(Engine, "_write", early)]


def _outbox_forgotten() -> list[Change]:
    """A start does not take up what was not settled."""
    return [(Outbox, "load", lambda outbox, effects: None)]


def _fold_differs() -> list[Change]:
    """Memory holds a time that the log does not."""
    record = Step.record

    def other_time(step: Step, event: events.Event, cause_seq: int | None) -> None:
        step.now_ms += isinstance(event, events.ObjectiveCreated)
        record(step, event, cause_seq)

    return [(Step, "record", other_time)]


PLANTED = {
    "acknowledged before sync": PlantedBug("acknowledged means durable", _acknowledged_before_sync),
    "effect before event": PlantedBug("acknowledged means durable", _effect_before_event),
    "outbox forgotten at a start": PlantedBug("outbox", _outbox_forgotten),
    "fold differs from memory": PlantedBug("fold equals memory", _fold_differs),
}
"""By name."""
