"""The page about the log is current, and the program on it reads a log as it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from node.store.kv import FAMILIES, LOG
from node.store.log import EventLog
from node.store.record import seq_key
from node.store.rocks import RocksKeyValue
from protocols.event_codec import EVENTS
from protocols.events import NodeCreated
from scripts import log_format
from tests.support.event_samples import sample
from tests.support.logs import GENESIS, TIME_MS

WRITTEN = log_format.PAGE.read_text(encoding="utf-8")
PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^### (.+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed log with every event once."""
    path = tmp_path_factory.mktemp("log") / "data"
    writer = EventLog.open(path)
    batch = writer.begin(TIME_MS)
    for event_class in EVENTS.values():
        if event_class is not NodeCreated:
            if batch.next_seq == 0:
                batch.append(GENESIS)
            batch.append(sample(event_class))
    writer.commit(batch)
    writer.close()
    return path


def read(path: Path) -> subprocess.CompletedProcess[str]:
    """The page's program, as a reader would run it: with none of our packages at hand."""
    (program,) = PROGRAM.findall(WRITTEN)
    return subprocess.run(
        [sys.executable, "-I", "-c", program, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_list_of_events_is_what_the_code_says() -> None:
    assert log_format.page(WRITTEN) == WRITTEN
    assert HEADING.findall(WRITTEN) == list(EVENTS)


def test_a_page_that_is_not_current_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "log-format.md"
    old.write_text(WRITTEN.replace("### node-created", "### node-made"), encoding="utf-8")
    monkeypatch.setattr(log_format, "PAGE", old)
    monkeypatch.setattr(log_format, "ROOT", tmp_path)
    assert log_format.main(["--check"]) == 1
    assert "log-format.md is not current" in capsys.readouterr().out
    assert log_format.main([]) == 0
    assert log_format.main(["--check"]) == 0
    assert old.read_text(encoding="utf-8") == WRITTEN


def test_a_type_without_words_is_an_error() -> None:
    assert log_format.type_in_words("tuple[Address, ...]") == "array of 20 bytes"
    assert log_format.type_in_words("Bytes32 | None") == "32 bytes or nil"
    with pytest.raises(KeyError):
        log_format.type_in_words("float")


def test_every_column_family_is_described() -> None:
    for family in FAMILIES:
        assert f"| `{family}` |" in WRITTEN


def test_the_program_reads_every_event(log: Path) -> None:
    done = read(log)
    assert done.returncode == 0, done.stderr
    lines = [line.split(" ") for line in done.stdout.splitlines() if line[:1].isdigit()]
    names = [name for name in EVENTS if name != NodeCreated.NAME]
    assert [line[2] for line in lines] == [NodeCreated.NAME, *names]
    assert [int(line[0]) for line in lines] == list(range(len(EVENTS)))
    assert {line[1] for line in lines} == {str(TIME_MS)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seq", "change", "said"),
    [
        (5, lambda value: value[:-1] + bytes([value[-1] ^ 1]), "record 5 is not what was written"),
        (5, lambda value: bytes([value[0] ^ 1]) + value[1:], "record 5 is not what was written"),
        (7, None, "record 7 is missing"),
    ],
    ids=["a changed record", "a changed hash", "a missing record"],
)
def test_the_program_notices_what_was_done_to_a_log(
    tmp_path: Path, seq: int, change: object, said: str
) -> None:
    writer = EventLog.open(tmp_path / "data")
    batch = writer.begin(TIME_MS)
    batch.append(GENESIS)
    for _ in range(9):
        batch.append(sample(EVENTS["peer-acknowledged"]))
    writer.commit(batch)
    writer.close()

    store = RocksKeyValue(tmp_path / "data")
    edit = store.new_batch()
    if callable(change):
        stored = store.get(LOG, seq_key(seq))
        assert stored is not None
        edit.put(seq_key(seq), change(stored), store.handle(LOG))
    else:
        edit.delete(seq_key(seq), store.handle(LOG))
    store.write(edit)
    del edit
    store.close()

    done = read(tmp_path / "data")
    assert done.returncode == 1
    assert said in done.stderr
