"""Logs that the tests of the store begin with."""

from pathlib import Path

import pytest

from node.store.log import EventLog
from node.store.memory import MemoryKeyValue
from tests.support.logs import Reopen, make_log


@pytest.fixture(params=["memory", "rocks"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[EventLog, Reopen]:
    """An empty log and how to close and open it again."""
    if request.param == "rocks":

        def reopen_directory(log: EventLog) -> EventLog:
            log.close()
            return EventLog.open(tmp_path / "log")

        return EventLog.open(tmp_path / "log"), reopen_directory
    store = MemoryKeyValue()

    def reopen_memory(log: EventLog) -> EventLog:
        log.close()
        store.reopen()
        return EventLog.open(tmp_path, kv=store)

    return EventLog.open(tmp_path, kv=store), reopen_memory


@pytest.fixture
def store() -> MemoryKeyValue:
    filled = MemoryKeyValue()
    make_log(None, 30, kv=filled)
    return filled
