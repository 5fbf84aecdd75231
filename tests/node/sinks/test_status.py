"""A status says how far a sink is, also in another process."""

from __future__ import annotations

import json

import msgspec

from node.sinks.status import CopyReason, SinkState, SinkStatus

BEHIND = SinkStatus(
    state=SinkState.BEHIND,
    namespace="tally",
    seq=3,
    view_seq=10,
    lag_s=1.23456,
    copy_reason=CopyReason.HISTORY,
)


def test_the_lag_is_known_once_both_sides_are() -> None:
    assert SinkStatus().lag_records is None
    assert SinkStatus(seq=3).lag_records is None
    assert BEHIND.lag_records == 7
    assert SinkStatus(seq=10, view_seq=3).lag_records == 0


def test_it_crosses_between_processes_as_it_is() -> None:
    assert msgspec.json.decode(msgspec.json.encode(BEHIND), type=SinkStatus) == BEHIND


def test_its_document_is_json() -> None:
    found = json.loads(json.dumps(BEHIND.document()))
    assert (found["schema"], found["state"], found["lag_s"]) == ("tally", "behind", 1.235)
    assert (found["lag_records"], found["copy_reason"]) == (7, "history-differs")
    assert set(found) == {*SinkStatus.__struct_fields__, "schema", "lag_records"} - {"namespace"}
