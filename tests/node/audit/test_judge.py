"""By blocks or by records, with workers or without: the same findings of the same logs."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from node.audit import judge as judge_module
from node.audit.audit import AuditPlan, audit
from node.audit.checks import Check, Fault, Ground
from node.audit.entry import Entry
from node.audit.reader import LogReader
from node.store.rocks import RocksKeyValue
from protocols.event_codec import EVENTS
from protocols.events import Event
from protocols.node_state import NodeState, apply_all
from scripts.benchmarks import sound_logs
from tests.support.audit_cases import History, alice, bob
from tests.support.audit_webs import hub, leader, payee, payer, write
from tests.support.event_samples import sample
from tests.support.network import START_MS
from tests.support.soak import times

HISTORIES = {
    "alice": alice(),
    "bob": bob(),
    "payer": payer(),
    "payee": payee(),
    "hub": hub(),
    "leader": leader(),
    "many": sound_logs.history(60),
    "many of ours": sound_logs.history(60, of_payer=True),
}
SAMPLES = [sample(kind) for kind in EVENTS.values()]

BY_RECORDS = AuditPlan(worker_count=0, by_blocks=False)
BY_BLOCKS = AuditPlan(worker_count=0)


def damaged(history: History, data: st.DataObject) -> History:
    """A record left out, doubled, exchanged, put in, or with another value in a field."""
    place = data.draw(st.integers(1, len(history) - 1))
    kind = data.draw(st.sampled_from(["out", "twice", "swap", "in", "field", "field", "field"]))
    before, event, after = history[:place], history[place], history[place + 1 :]
    match kind:
        case "out":
            return [*before, *after]
        case "twice":
            return [*before, event, event, *after]
        case "swap":
            return [*before, *after[:1], event, *after[1:]]
        case "in":
            return [*before, data.draw(st.sampled_from(SAMPLES)), event, *after]
    field = data.draw(st.sampled_from(event.__struct_fields__)) if event.__struct_fields__ else ""
    return [*before, _altered(event, field), *after] if field else history


def _altered(event: Event, field: str) -> Event:
    value: Any = getattr(event, field)
    match value:
        case bool():
            value = not value
        case int():
            value += 1
        case bytes() if value:
            value = value[:-1] + bytes([value[-1] ^ 1])
        case str():
            value += "x"
        case _:
            return event
    return replace(event, **{field: value})


@pytest.mark.slow
@settings(max_examples=times(10))
@given(st.sampled_from(sorted(HISTORIES)), st.data())
def test_a_damaged_log_has_the_same_findings_by_blocks(name: str, data: st.DataObject) -> None:
    history = HISTORIES[name]
    for _ in range(data.draw(st.integers(0, 3))):
        history = damaged(history, data)
    folder = Path(tempfile.mkdtemp())
    try:
        write(history, folder)
        if data.draw(st.booleans()):
            file = max(folder.iterdir(), key=lambda one: one.stat().st_size)
            content = bytearray(file.read_bytes())
            # The store's own bytes, so the file's size too, are not the same each time.
            content[data.draw(st.integers(0, 2**32)) % len(content)] ^= 1
            file.write_bytes(content)
        assert audit(folder, plan=BY_BLOCKS) == audit(folder, plan=BY_RECORDS)
    finally:
        shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(HISTORIES))
def test_workers_find_what_one_process_finds(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = HISTORIES[name]
    for place in range(3, len(history), 4):
        if "signature" in history[place].__struct_fields__:
            event = _altered(history[place], "signature")
            history = [*history[:place], event, *history[place + 1 :]]
    write(history, tmp_path)
    expected = audit(tmp_path, plan=BY_RECORDS)
    monkeypatch.setattr("node.audit.verdicts.BATCH_SIGNATURE_COUNT", 2)
    monkeypatch.setattr("node.audit.verdicts.POOL_SIGNATURE_COUNT_MIN", 2)
    assert audit(tmp_path, plan=AuditPlan(worker_count=2)) == expected
    assert expected.findings


class Planted(Check):
    """A family that looks at everything."""

    name = "planted"

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.digests: dict[int, bytes] = {}

    def take(self, entries: Sequence[Entry]) -> Iterable[tuple[int, str]]:
        self.seqs += [entry.seq for entry in entries]
        return [(entry.seq, "taken") for entry in entries if entry.seq == 7]

    def stops(self, reader: LogReader) -> Iterable[int]:
        return (0, 5, 20, 10_000)

    def look(self, seq: int, state: NodeState) -> Iterable[str]:
        self.digests[seq] = state.digest() if seq else b""
        return ["looked"]

    def finish(self, ground: Ground) -> Iterator[Fault]:
        yield Fault(f"{ground.record_count} records", seq=ground.record_count - 1)


@pytest.mark.parametrize("plan", [BY_BLOCKS, BY_RECORDS])
def test_a_family_sees_every_record_and_the_fold_where_it_wants(
    plan: AuditPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = bob()
    write(history, tmp_path)
    planted, families = Planted(), judge_module.families
    monkeypatch.setattr(judge_module, "families", lambda *args: (*families(*args), planted))
    report = audit(tmp_path, plan=plan)
    store = RocksKeyValue.open_beside(tmp_path)
    count = sum(1 for _ in store.iterate("log"))
    store.close()
    assert planted.seqs == list(range(count))
    said = [(f.seq, f.message) for f in report.findings if f.check == "planted"]
    expected = [(0, "looked"), (5, "looked"), (7, "taken"), (20, "looked")]
    assert said == [*expected, (count - 1, f"{count} records")]
    for seq in (5, 20):
        state = NodeState()
        apply_all(state, [(event, START_MS) for event in history[:seq]])
        assert planted.digests[seq] == state.digest()
