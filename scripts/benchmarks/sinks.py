"""Row changes a second from a view's file into PostgreSQL, beside a bare COPY of the same rows.

The server is a real one on a unix socket, from the package that the tests use; what it is given is
not forced to disk, by the sink and by the bare COPY alike.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from node.sinks.check import check
from node.sinks.driver import connect
from node.sinks.sink import Sink, SinkSettings
from node.sinks.worker import SinkThread
from scripts.benchmarks.machine import without_gc
from tests.support.postgres_server import PostgresServer, postgres_server
from tests.support.view_files import ViewFile

INSERTED_PER_MESSAGE = 5
"""And as many rows of before are updated."""
COPY_COUNT = 3
"""Bare copies the limit is the median of, before and after each."""

Row = tuple[int, str, bytes, int]


@dataclass(frozen=True)
class SinkPlan:
    """How much is applied."""

    change_count: int = 200_000
    live_message_count: int = 200


def measure_sinks(workspace: Path, plan: SinkPlan) -> tuple[dict[str, float], dict[str, float]]:
    """Figures and details: catching up, and how soon a message is there."""
    with postgres_server() as postgres:
        view = ViewFile(workspace / "view.db")
        settings = SinkSettings(view.path, postgres.conninfo, "bench")
        sink = Sink(settings)
        # The tables, empty: what comes now is applied, not copied.
        sink.step()
        rows = _write(view, plan.change_count)
        before_s = _copy_s(postgres, rows)
        with without_gc():
            began = time.perf_counter()
            while sink.step() is not None:
                pass
            took_s = time.perf_counter() - began
        after_s = _copy_s(postgres, rows)
        sink.close()
        found = check(settings.conninfo, settings.namespace, settings.view)
        assert found.is_equal, "what was measured arrived"
        assert found.seq == view.seq
        per_s = plan.change_count / took_s
        bare_per_s = 2 * plan.change_count / (before_s + after_s)
        latencies = sorted(_live_ms(view, settings, plan.live_message_count))
        view.close()
    figures = {"sink_changes_per_s": per_s, "sink_share": per_s / bare_per_s}
    return figures, {
        "bare_copy_rows_per_s": bare_per_s,
        "sink_lag_p50_ms": latencies[len(latencies) // 2],
    }


def _write(view: ViewFile, change_count: int) -> list[Row]:
    """Messages that insert rows and update others; the rows as they were written, in order."""
    chooser = random.Random(1)
    written: list[Row] = []
    key = 0
    while len(written) < change_count:
        keys = list(range(key, key + INSERTED_PER_MESSAGE))
        key += INSERTED_PER_MESSAGE
        keys += [chooser.randrange(key) for _ in range(INSERTED_PER_MESSAGE)]
        rows = [_row(one, chooser) for one in keys]
        view.put(*rows)
        written += rows
    view.write_sum()
    return written


def _row(key: int, chooser: random.Random) -> Row:
    return (key, f"a text of some forty characters, {key:08}", chooser.randbytes(32), key * 3)


def _copy_s(postgres: PostgresServer, rows: list[Row]) -> float:
    """Seconds of the fastest way in: one COPY into a table that was made for it."""
    found = []
    with connect(postgres.conninfo) as connection:
        for _ in range(COPY_COUNT):
            connection.execute("DROP TABLE IF EXISTS public.bare")
            connection.execute("CREATE TABLE public.bare (a int8, b text, c bytea, d int8)")
            began = time.perf_counter()
            with (
                connection.cursor() as cursor,
                cursor.copy("COPY public.bare FROM STDIN (FORMAT binary)") as copy,
            ):
                copy.set_types(["int8", "text", "bytea", "int8"])
                for row in rows:
                    copy.write_row(row)
            found.append(time.perf_counter() - began)
    return sorted(found)[COPY_COUNT // 2]


def _live_ms(view: ViewFile, settings: SinkSettings, count: int) -> Iterator[float]:
    """From a message in the view until PostgreSQL has it, one at a time, by a sink in a thread."""
    thread = SinkThread(settings)
    thread.start()
    try:
        for number in range(count):
            seq = view.put((number, "live", b"", number))
            began = time.perf_counter()
            while thread.status().seq != seq:
                time.sleep(0.001)
            yield (time.perf_counter() - began) * 1e3
    finally:
        thread.stop()
