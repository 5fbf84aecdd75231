"""`tally books`: balances, every posting as CSV or JSON, from one moment to another."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import pytest

from node.store.kv import LOG
from node.store.record import seq_key
from node.store.rocks import RocksKeyValue
from protocols import events
from tests.support.actors import BOB
from tests.support.recorded_nodes import World, demo


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = demo(tmp_path_factory.mktemp("books"))
    world.alice.record(events.ChainBlockProcessed(200, b"\x07" * 32))
    world.alice.record(events.PeerAcknowledged(BOB.address, 1))
    return world


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_balances_are_a_table_for_people(tally, world: World) -> None:
    result = tally("books", world.bob.path)
    assert result.exit_code == 0, result.output
    assert "income:payments" in result.stdout
    assert "-186 wei" in result.stdout
    assert "every asset sums to zero" in result.stdout


def test_csv_sums_to_zero_at_every_record(tally, world: World) -> None:
    for node in world.nodes.values():
        result = tally("books", node.path, "--csv")
        assert result.exit_code == 0, result.output
        sums: Counter[str] = Counter()
        for row in rows(result.stdout):
            sums[row["seq"]] += int(row["amount"])
        assert sums
        assert not any(sums.values())


def test_json_is_one_document_with_entries_and_balances(tally_json, world: World) -> None:
    found = tally_json("books", world.alice.path)
    assert found["records"] == world.alice.log.next_seq
    balances = {row["account"]: int(row["balance"]) for row in found["balances"]}
    assert sum(balances.values()) == 0
    assert balances["expense:payments"] == 186
    kinds = Counter(entry["kind"] for entry in found["entries"])
    assert kinds["payment"] == 12
    ours = tally_json("books", world.alice.path, "--ours")
    accounts = {p["account"] for entry in ours["entries"] for p in entry["postings"]}
    assert not any(name.startswith("peer:") for name in accounts)


def test_a_range_chooses_entries_and_the_balances_are_as_of_its_end(
    tally_json, world: World
) -> None:
    whole = tally_json("books", world.alice.path)
    payments = [entry for entry in whole["entries"] if entry["kind"] == "payment"]
    first, last = payments[3]["seq"], payments[5]["seq"]
    part = tally_json("books", world.alice.path, "--from", first, "--to", last)
    assert part["entries"] == [e for e in whole["entries"] if first <= e["seq"] <= last]
    assert part["records"] == last + 1
    spent = {row["account"]: row["balance"] for row in part["balances"]}["expense:payments"]
    assert int(spent) == sum(range(10, 16))
    assert tally_json("books", world.alice.path, "--at", last)["balances"] == part["balances"]


def test_a_moment_may_be_a_time_or_a_block(tally_json, world: World) -> None:
    entries = tally_json("books", world.alice.path)["entries"]
    last = [entry for entry in entries if entry["kind"] == "payment"][-1]
    until = tally_json("books", world.alice.path, "--to", f"{last['time_ms']}ms")
    assert all(entry["time_ms"] <= last["time_ms"] for entry in until["entries"])
    since = tally_json("books", world.alice.path, "--from", f"{last['time_ms']}ms")
    assert since["entries"][0]["time_ms"] >= last["time_ms"]
    upto = tally_json("books", world.alice.path, "--to", "block:150")
    assert upto["records"] == world.alice.log.next_seq - 1
    assert upto["entries"] == entries
    assert tally_json("books", world.alice.path, "--from", "block:150")["entries"] == []


def test_one_channels_entries_are_told_from_the_others(tally_json, world: World) -> None:
    (channel_id,) = world.alice.state.channels
    own = tally_json("books", world.alice.path, "--channel", "0x" + channel_id.hex())
    assert own["entries"] == tally_json("books", world.alice.path)["entries"]
    other = tally_json("books", world.alice.path, "--channel", "0x" + "0f" * 32)
    assert other["entries"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--csv", "--json"),
        ("--channel", "0x12"),
        ("--channel", "zz"),
        ("--from", "yesterday"),
        ("--to", "-1"),
    ],
)
def test_what_makes_no_sense_is_bad_usage(tally, world: World, arguments: tuple[str, ...]) -> None:
    assert tally("books", world.alice.path, *arguments).exit_code == 2


def test_there_are_no_books_without_a_log(tally_json, tmp_path: Path) -> None:
    refused = tally_json("books", tmp_path / "none", exit_code=1)
    assert "no log" in refused["error"]["message"]


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A log with one byte of its fortieth record changed, in what the log itself stores."""
    node = demo(tmp_path).alice
    node.log.close()
    store = RocksKeyValue(node.path)
    value = bytearray(store.get(LOG, seq_key(40)) or b"")
    value[-1] ^= 1
    batch = store.new_batch()
    batch.put(seq_key(40), bytes(value), store.handle(LOG))
    store.write(batch)
    store.close()
    return node.path


def test_the_books_of_a_damaged_log_end_before_the_damage(tally, tally_json, damaged: Path) -> None:
    books = tally_json("books", damaged, exit_code=3)
    (finding,) = books["findings"]
    assert finding["seq"] == 40
    assert books["records"] <= 40
    assert books["entries"]
    assert {entry["seq"] < 40 for entry in books["entries"]} == {True}
    as_csv = tally("books", damaged, "--csv")
    assert {int(row["seq"]) < 40 for row in rows(as_csv.stdout)} == {True}
    for result in (as_csv, tally("books", damaged)):
        assert result.exit_code == 3
        assert "finding: " in result.stderr
        assert "40" in result.stderr


def test_a_log_that_does_not_open_has_no_books_and_says_why(
    tally, tally_json, damaged: Path
) -> None:
    (damaged / "CURRENT").write_bytes(b"nothing")
    books = tally_json("books", damaged, exit_code=3)
    assert [finding["check"] for finding in books["findings"]] == ["files"]
    assert (books["entries"], books["balances"], books["records"]) == ([], [], 0)
    assert "CURRENT" in tally("books", damaged).stderr
