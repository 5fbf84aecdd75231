"""The same log and code give the same tables, to the byte, in every process that derives them."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from node.log_views.keeper import NodeView
from node.processes import our_environment, our_python
from node.store.log import EventLog
from tests.support import audit_exits, audit_webs
from tests.support.audit_cases import History
from tests.support.soak import times

REPLAY_COUNT = times(10)
PYTHON = our_python("node")[:2]

DERIVE = """
import sys
from pathlib import Path
from node.log_views.keeper import NodeView
from node.store.log import EventLog
log = EventLog.open(Path(sys.argv[1]), read_only=True)
with NodeView(":memory:", keeps_changes=sys.argv[2] == "1") as kept:
    for end in range(1, log.next_seq, int(sys.argv[3])):
        kept.catch_up(log, end)
    kept.catch_up(log)
    print(kept.view.computed_digest().hex(), kept.view.digest.hex())
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One log of several lives: the reducer believes what is recorded, whoever it is about."""
    made = tmp_path_factory.mktemp("replays") / "data"
    history: History = [*audit_webs.hub()]
    with closing(EventLog.open(made)) as log:
        batch = log.begin(1_704_067_200_000)
        for event in [*history, *audit_exits.leaving_follower()[1:], *audit_webs.payer()[1:]]:
            batch.append(event)
        log.commit(batch)
    return made


@pytest.mark.slow
def test_fresh_processes_derive_one_digest(path: Path) -> None:
    with (
        closing(EventLog.open(path, read_only=True)) as log,
        NodeView(":memory:") as kept,
    ):
        kept.catch_up(log)
        expected = kept.view.digest.hex()
    found = set()
    for number in range(REPLAY_COUNT):
        # Each its own seed of Python's hashes, its own messages, with changes kept and without.
        step, keeps_changes = 1 + number * 7 % 50, str(number % 2)
        command = [*PYTHON, "-c", DERIVE, str(path), keeps_changes, str(step)]
        done = subprocess.run(
            command,
            env=our_environment(PYTHONHASHSEED=str(number)),
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        found |= set(done.stdout.split())
    assert found == {expected}
