"""What a family of checks is.

A family judges the records that it asks for, in order, each before the facts take it for granted;
it may look at all that were taken, and at the fold where it wants to; and it has the last word when
all records were read. It remembers what it needs and changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from node.audit.entry import Entry
from node.audit.facts import Facts
from node.audit.reader import LogReader
from node.verify.claims import Said
from protocols.events import Event
from protocols.node_state import NodeState


@dataclass(frozen=True, slots=True)
class Ground:
    """What the records told: for what is compared when all were read."""

    reader: LogReader
    """The log's other families."""
    facts: Facts
    """The audit's own fold."""
    state: NodeState | None
    """The reducers' fold of all records; None if it could not be finished."""
    record_count: int


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault found when all records were read."""

    message: str
    seq: int | None = None
    """The record, if it is one's."""
    file: str | None = None
    """The file on disk, when it is about bytes."""


class Check:
    """One family. Every part may be left as it is here: then there is nothing to say."""

    name: ClassVar[str] = ""
    """Of its findings."""
    is_of_channels: ClassVar[bool] = True
    """False: it says nothing of one channel, so an audit of one does without it."""
    judges: ClassVar[tuple[type[Event], ...] | None] = ()
    """The records that `check` judges; None for every one."""

    def check(self, entry: Entry) -> Iterable[Said]:
        """What is wrong with this record, given all before it."""
        return ()

    def chained(self, chain_hashes: Sequence[bytes]) -> None:
        """The chain hashes stored with the next records that will be taken."""

    def take(self, entries: Sequence[Entry]) -> Iterable[tuple[int, str]]:
        """Records that were judged, in order and none left out: (record, what is wrong with it)."""
        return ()

    def stops(self, reader: LogReader) -> Iterable[int]:
        """Numbers of records before which it wants to see the fold; asked once, at the start."""
        return ()

    def look(self, seq: int, state: NodeState) -> Iterable[str]:
        """What is wrong with what stands beside the fold of all records before `seq`."""
        return ()

    def finish(self, ground: Ground) -> Iterable[Fault]:
        """What is wrong once all records were read; not asked behind a gap."""
        return ()
