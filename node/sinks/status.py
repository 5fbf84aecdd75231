"""How far a sink is, for whoever asks: the thread's owner, another process, a person."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class CopyReason(StrEnum):
    """Why a view was copied whole."""

    FIRST = "first"
    """There was nothing."""
    CODE = "code-changed"
    """Another reducer made the tables."""
    ENGINE = "engine-changed"
    """The same one did, under another version or budget."""
    SCHEMA = "tables-changed"
    """Other tables or indexes."""
    HISTORY = "history-differs"
    """The view never held what PostgreSQL does: another view, or one that lost messages since."""
    ROWS = "rows-differ"
    """Somebody changed the rows in PostgreSQL."""


class SinkState(StrEnum):
    """What a sink is doing."""

    STARTING = "starting"
    COPYING = "copying"
    """The whole view: `copy_reason` says why."""
    BEHIND = "behind"
    """Applying what the view has more."""
    LEVEL = "level"
    """PostgreSQL has all of it."""
    WAITING = "waiting"
    """After a failure, until it tries again."""
    STOPPED = "stopped"


class SinkStatus(msgspec.Struct, frozen=True):
    """How far a sink is. Shared between threads: never changed, only replaced."""

    state: SinkState = SinkState.STARTING
    namespace: str = ""
    seq: int | None = None
    """Of the last message that PostgreSQL has; None until it was asked."""
    view_seq: int | None = None
    """Of the last message in the view, at the last look."""
    lag_s: float = 0.0
    """Since PostgreSQL was last level with the view, or since the start; 0 if it is level."""
    change_count: int = 0
    """Row changes applied since the start."""
    copy_count: int = 0
    """How often the whole view was copied since the start."""
    copy_reason: CopyReason | None = None
    """Of the last copy."""
    failure: str = ""
    """Name of what keeps the sink from going on; empty if nothing does."""
    detail: str = ""
    next_step: str = ""

    @property
    def lag_records(self) -> int | None:
        """How many sequence numbers PostgreSQL is behind the view."""
        if self.seq is None or self.view_seq is None:
            return None
        return max(self.view_seq - self.seq, 0)

    def document(self) -> dict[str, object]:
        """JSON values."""
        return {
            "schema": self.namespace,
            "state": self.state.value,
            "seq": self.seq,
            "view_seq": self.view_seq,
            "lag_records": self.lag_records,
            "lag_s": round(self.lag_s, 3),
            "change_count": self.change_count,
            "copy_count": self.copy_count,
            "copy_reason": self.copy_reason,
            "failure": self.failure,
            "detail": self.detail,
            "next_step": self.next_step,
        }
