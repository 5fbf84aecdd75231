"""What the owner is told of snapshots: the newest one's age, how many there are, what they cost."""

from __future__ import annotations

from node.limits import SNAPSHOT_INTERVAL_RECORD_COUNT
from node.snapshot_status import past_snapshot_status, snapshot_status
from tests.node.test_snapshot_keeper import Kept


def status(kept: Kept, after_ms: int = 0) -> dict[str, object]:
    now_ms = kept.log.log.time_at(kept.log.log.next_seq - 1) + after_ms
    return snapshot_status(kept.keeper, kept.log.log, now_ms)


def test_before_the_first_snapshot_there_is_none_and_nothing_was_spent() -> None:
    found = status(Kept())
    assert found == {
        "seq": None,
        "state": "none",
        "age_records": None,
        "age_s": None,
        "kept_count": 0,
        "time_share": 0.0,
        "interval_records": SNAPSHOT_INTERVAL_RECORD_COUNT,
    }


def test_the_newest_whole_one_is_told_with_its_age_while_the_next_is_written() -> None:
    kept = Kept()
    kept.record(SNAPSHOT_INTERVAL_RECORD_COUNT)
    of_count = kept.log.log.next_seq
    assert status(kept)["state"] == "being written"
    kept.until_done()
    found = status(kept, after_ms=90_500)
    assert (found["seq"], found["state"], found["kept_count"]) == (of_count - 1, "complete", 1)
    assert (found["age_records"], found["age_s"]) == (0, 90)
    kept.record(SNAPSHOT_INTERVAL_RECORD_COUNT)
    found = status(kept)
    assert (found["seq"], found["state"]) == (of_count - 1, "being written")
    assert found["age_records"] == SNAPSHOT_INTERVAL_RECORD_COUNT


def test_an_age_is_never_negative() -> None:
    kept = Kept()
    kept.record(SNAPSHOT_INTERVAL_RECORD_COUNT)
    kept.until_done()
    assert status(kept, after_ms=-5_000)["age_s"] == 0


def test_the_share_of_the_time_counts_every_slice() -> None:
    kept = Kept()
    for _ in range(2):
        kept.record(SNAPSHOT_INTERVAL_RECORD_COUNT)
        kept.step_s = 0.01
        while kept.keeper.is_working:
            kept.keeper.work()
        kept.step_s = 0.0
        kept.now_s += 3600
    spent_s = kept.now_s - 100.0 - 7200
    share = status(kept)["time_share"]
    assert isinstance(share, float)
    assert 0 < share <= spent_s / (kept.now_s - 100.0) + 1e-6


def test_snapshots_that_cannot_be_read_are_not_counted() -> None:
    kept = Kept()
    kept.kv.is_damaged = True
    assert status(kept)["kept_count"] is None


def test_the_past_has_the_same_fields_and_knows_none() -> None:
    found = past_snapshot_status()
    assert found.keys() == status(Kept()).keys()
    assert set(found.values()) == {None}
