"""The audit beside what the signatures in a log allow: a payee's log, read and judged whole.

Every record of it has a signature, so the limit is how many of them all cores can look at. The log
is made here, with signatures that verify; making it is not timed.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from node.audit import audit
from scripts.benchmarks.sound_logs import payees_log, states_log
from scripts.benchmarks.store import replay_log_per_s

MILLION = 1_000_000


def audit_figures(path: Path, record_count: int) -> dict[str, float]:
    """Records a second, and the seconds for a million of them at that rate."""
    payees_log(path, record_count)
    started = time.perf_counter()
    report = audit(path)
    seconds = time.perf_counter() - started
    assert report.findings == [], "an honest log is sound"
    shutil.rmtree(path)
    per_s = report.records / seconds
    return {"audit_per_s": per_s, "audit_million_s": MILLION / per_s}


def replay_of_states_per_s(path: Path, record_count: int) -> float:
    """Replayed records a second of a log whose records hold or name whole states."""
    states_log(path, record_count)
    found = replay_log_per_s(path)
    shutil.rmtree(path)
    return found
