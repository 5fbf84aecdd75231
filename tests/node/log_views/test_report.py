"""What the keeper's process says to the daemon: a line of JSON, short where nothing happened."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from node.log_views.report import Report
from node.sinks.status import SinkStatus


def test_a_report_comes_back_as_it_went_and_says_nothing_that_is_as_always() -> None:
    level = Report(7)
    assert msgspec.json.encode(level) == b'{"seq":7}'
    full = Report(7, "stamp-mismatch", "view-broken", "why", SinkStatus())
    for report in (level, full):
        assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_a_daemon_that_judges_nothing_loads_neither_webassembly_nor_sql() -> None:
    program = "import sys, node.daemon; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not set(done.stdout.split()) & {"wasmtime", "apsw", "psycopg", "web3"}
