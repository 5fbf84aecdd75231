"""What PostgreSQL holds is read back and compared; how far it is behind is told beside a sink."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from node.sinks.check import check, lag
from node.sinks.errors import SinkError, SinkFailure
from node.sinks.sink import Sink, SinkSettings
from tests.support.view_files import ViewFile

Ask = Callable[..., list[Any]]


def test_a_schema_without_a_view_is_named(view: ViewFile, settings: SinkSettings) -> None:
    for run in (check, lag):
        with pytest.raises(SinkError) as caught:
            run(settings.conninfo, settings.namespace, settings.view)
        assert caught.value.failure is SinkFailure.NOT_COPIED


def test_lag_is_counted_from_the_stamp(view: ViewFile, sink: Sink, settings: SinkSettings) -> None:
    view.put((1, "\0", b"", 1), (2, "b", b"", 2))
    sink.step()
    found = lag(settings.conninfo, settings.namespace, settings.view)
    assert (found.seq, found.view_seq, found.lag_records, found.lag_s) == (0, 0, 0, 0.0)
    assert (found.row_count, found.unheld_count, found.copied_seq) == (2, 1, 0)
    view.put((3, "c", b"", 3))
    view.message(seq=9)
    time.sleep(0.02)
    found = lag(settings.conninfo, settings.namespace, settings.view)
    assert (found.seq, found.view_seq, found.lag_records) == (0, 9, 9)
    assert found.lag_s >= 0.02
    sink.step()
    found = lag(settings.conninfo, settings.namespace, settings.view)
    assert (found.seq, found.lag_records, found.lag_s, found.copied_seq) == (9, 0, 0.0, 0)


def test_a_view_that_went_on_is_compared_as_it_was(
    view: ViewFile, sink: Sink, settings: SinkSettings
) -> None:
    view.put((1, "a", b"", 1))
    sink.step()
    digest = view.digest()
    view.put((1, "b", b"", 1))
    found = check(settings.conninfo, settings.namespace, settings.view)
    assert (found.is_equal, found.seq, found.digest) == (True, 0, digest)


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE items SET name = 'x' WHERE id = 1",
        "DELETE FROM items WHERE id = 1",
        "INSERT INTO items VALUES (7, 'a', '', 1)",
        "DELETE FROM tally_unheld",
        "UPDATE tally_stamp SET row_count = 9",
    ],
)
def test_a_change_by_somebody_else_is_found(
    view: ViewFile, sink: Sink, settings: SinkSettings, ask: Ask, tamper: str
) -> None:
    view.put((1, "a", b"", 1), (2, "\0", b"", 1))
    sink.step()
    assert check(settings.conninfo, settings.namespace, settings.view).is_equal
    ask(tamper)
    assert not check(settings.conninfo, settings.namespace, settings.view).is_equal
    assert not check(settings.conninfo, settings.namespace, None).is_equal


def test_another_view_is_not_equal(
    view: ViewFile, sink: Sink, settings: SinkSettings, tmp_path: Any
) -> None:
    view.put((1, "a", b"", 1))
    sink.step()
    other = ViewFile(tmp_path / "other.db")
    assert not check(settings.conninfo, settings.namespace, other.path).is_equal
    other.put((1, "b", b"", 1))
    assert not check(settings.conninfo, settings.namespace, other.path).is_equal
    other.close()
