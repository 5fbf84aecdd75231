"""What `node_status` says of snapshots: how old the newest is, how many there are, their cost."""

from __future__ import annotations

from node.snapshot_keeper import SnapshotKeeper
from node.store.log import EventLog

COMPLETE, BEING_WRITTEN, NONE = "complete", "being written", "none"


def snapshot_status(keeper: SnapshotKeeper, log: EventLog, now_ms: int) -> dict[str, object]:
    """JSON values. `seq` is the last record in the newest whole snapshot, which `state` calls
    "complete", or "being written" while a newer one is on its way; without any they are null and
    "none". `time_share` is of the time since the start, 0 to 1.
    """
    count = keeper.newest_record_count
    whole = COMPLETE if count else NONE
    # Clocks are set back now and then; nothing is older than nothing.
    age_s = max(0, now_ms - log.time_at(count - 1)) // 1000 if count else None
    return {
        "seq": count - 1 if count else None,
        "state": BEING_WRITTEN if keeper.is_writing else whole,
        "age_records": log.next_seq - count if count else None,
        "age_s": age_s,
        "kept_count": keeper.kept_count(),
        "time_share": round(keeper.time_share(), 6),
        "interval_records": keeper.interval_count,
    }


def past_snapshot_status() -> dict[str, object]:
    """The same of a past moment, of which nothing is known: what is kept is kept now."""
    names = ("seq", "state", "age_records", "age_s", "kept_count", "time_share", "interval_records")
    return dict.fromkeys(names)
