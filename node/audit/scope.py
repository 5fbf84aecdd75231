"""A part of an audit: from a record on, or of one channel.

All records are read whatever the part is, their bytes, numbers and chain of hashes checked, and
what they say is taken in: later records stand on them. But what lies outside is taken for granted:
no rule is reported there and no signature looked at. An audit of one channel does without the fold
and everything that is compared with it, for they are of the whole node.
"""

from dataclasses import dataclass, field

from node.audit.entry import Entry
from protocols.events import TransactionRequested
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.types import ChannelId, to_hex


@dataclass(eq=False)
class Scope:
    """Which records are judged."""

    from_seq: int = 0
    channel_id: ChannelId | None = None
    """None: every channel."""
    _objectives: frozenset[bytes] = frozenset()
    _intents: set[bytes] = field(default_factory=set)
    """Transactions that the channel asked for."""

    def __post_init__(self) -> None:
        if self.channel_id is not None:
            ids = (objective_id(kind, self.channel_id) for kind in ObjectiveType)
            self._objectives = frozenset(ids)

    def covers(self, entry: Entry) -> bool:
        """Whether the record is judged; a run is of one channel, so its first one says it."""
        if entry.seq < self.from_seq:
            return False
        return self.channel_id is None or self._concerns(entry, self.channel_id)

    def covers_fold(self, seq: int) -> bool:
        """Whether it is judged how all records before that one fold."""
        return self.channel_id is None and seq >= self.from_seq

    def is_of_interest(self, message: str) -> bool:
        """Whether what was found when all records were read is about the part."""
        return self.channel_id is None or to_hex(self.channel_id) in message

    def assumptions(self) -> list[str]:
        """What was taken for granted, in words."""
        said = []
        if self.from_seq:
            said.append(
                f"records 0 to {self.from_seq - 1}: their bytes and their chain of hashes were "
                "checked; what they say was taken for granted, and no signature in them looked at"
            )
        if self.channel_id is not None:
            said.append(
                f"all but channel {to_hex(self.channel_id)}: bytes and chain of hashes were "
                "checked; what other records say was taken for granted, neither their signatures "
                "nor digests of the state, snapshots, heads and the tree looked at, nor what else "
                "stands beside the records: index, signed turns, outbox"
            )
        return said

    def _concerns(self, entry: Entry, channel_id: ChannelId) -> bool:
        event = entry.event
        if getattr(event, "channel_id", None) == channel_id:
            if isinstance(event, TransactionRequested):
                self._intents.add(event.intent_id)
            return True
        return (
            getattr(event, "target", None) == channel_id
            or getattr(event, "objective_id", None) in self._objectives
            or getattr(event, "intent_id", None) in self._intents
        )
