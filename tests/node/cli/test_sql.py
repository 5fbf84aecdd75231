"""`tally sql`: tables for people, one document for programs, one error for what went wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.recorded_nodes import World, demo


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return demo(tmp_path_factory.mktemp("sql"))


def test_the_answer_is_a_table_with_amounts_in_decimal(tally, world: World) -> None:
    result = tally("sql", "SELECT kind, status, paid FROM channels", "--dir", world.alice.path)
    assert result.exit_code == 0, result.output
    assert "direct" in result.stdout
    assert "186" in result.stdout
    empty = tally("sql", "SELECT * FROM fees", "--dir", world.alice.path)
    assert empty.stdout == "No rows.\n"


def test_json_has_columns_and_rows(tally_json, world: World) -> None:
    query = (
        "SELECT direction, count(*) AS n, amount_text(amount_sum(amount)) AS sum, "
        "min(channel_id) AS id, NULL AS missing FROM payments GROUP BY direction"
    )
    found = tally_json("sql", query, "--dir", world.bob.path)
    assert found["seq"] == world.bob.log.next_seq - 1
    assert found["columns"] == ["direction", "n", "sum", "id", "missing"]
    ((direction, count, total, channel_id, nothing),) = found["rows"]
    assert (direction, count, total, nothing) == ("in", 12, "186", None)
    assert len(channel_id) == 66
    ((counterparty,),) = tally_json(
        "sql", "SELECT counterparty FROM channels", "--dir", world.bob.path
    )["rows"]
    assert counterparty != counterparty.lower(), "addresses have their checksum"


def test_as_of_a_record(tally_json, world: World) -> None:
    count = "SELECT count(*) FROM channels"
    assert tally_json("sql", count, "--dir", world.bob.path, "--at", "0")["rows"] == [[0]]
    assert tally_json("sql", count, "--dir", world.bob.path)["rows"] == [[1]]


@pytest.mark.parametrize(
    ("query", "options", "name"),
    [
        ("DELETE FROM payments", (), "QUERY_REFUSED"),
        ("SELECT nothing", (), "QUERY_FAILED"),
        ("SELECT 1", ("--at", "99999"), "QUERY_FAILED"),
        (
            "WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a) SELECT sum(x) FROM a",
            ("--timeout", "0.2"),
            "QUERY_TIMED_OUT",
        ),
        ("SELECT zeroblob(1000000000)", (), "QUERY_TOO_LARGE"),
    ],
)
def test_what_goes_wrong_has_a_name(
    tally, world: World, query: str, options: tuple[str, ...], name: str
) -> None:
    result = tally("sql", query, "--dir", world.alice.path, "--json", *options)
    assert result.exit_code == 1
    assert f'"name": "{name}"' in result.stdout


def test_a_directory_without_a_log_says_so(tally, tmp_path: Path) -> None:
    result = tally("sql", "SELECT 1", "--dir", tmp_path)
    assert result.exit_code == 1
    assert "no log" in result.output.lower() or "there is no" in result.output.lower()
    assert list(tmp_path.iterdir()) == []
