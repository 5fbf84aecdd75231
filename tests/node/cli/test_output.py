"""What people read: tables, fields, and never markup out of data."""

import json

import pytest

from node.cli import output


def test_a_json_document_is_all_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"amount": "1", "name": "é"})
    out, err = capsys.readouterr()
    assert json.loads(out) == {"amount": "1", "name": "é"}
    assert err == ""


def test_what_was_done_is_a_line_for_a_person_and_a_document_for_a_program(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.tell({"seq": 3}, "Done [record 3].", as_json=False)
    assert capsys.readouterr().out == "Done [record 3].\n"
    output.tell({"seq": 3}, "Done [record 3].", as_json=True)
    assert json.loads(capsys.readouterr().out) == {"seq": 3}


def test_a_table_shows_every_cell_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table("Title", ("a", "b"), [["[red]x[/red]", 5], ["y", 17]], "nothing")
    out = capsys.readouterr().out
    assert "[red]x[/red]" in out
    assert "17" in out
    assert "nothing" not in out


@pytest.fixture(autouse=True)
def no_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def test_a_cut_table_has_one_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table("T", ("a", "b"), [[1, "x" * 900], [2, "y" * 900]], "", cut_last=True)
    out = capsys.readouterr().out
    assert out.count("xxx…") == out.count("yyy…") == 1
    assert max(len(line) for line in out.splitlines()) == output.PIPE_WIDTH


@pytest.mark.parametrize("cut_last", [True, False])
def test_only_the_last_column_gives_way(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, cut_last: bool
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    rows = [["first cell", "0.999 ETH", "word " * 20], ["x", "1 ETH", "0x" + "ab" * 40]]
    output.print_table("T", ("a", "amount", "rest"), rows, "", right=("amount",), cut_last=cut_last)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert sum("first cell  0.999 ETH  word" in line for line in lines) == 1
    assert sum("x               1 ETH  0xab" in line for line in lines) == 1
    assert (len(lines) == 5) is cut_last


def test_a_table_without_rows_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table("Title", ("a",), [], "nothing there")
    assert capsys.readouterr().out == "nothing there\n"


def test_rows_that_do_not_fit_are_shown_value_by_value(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    columns = ("id", "amount", "status")
    output.print_rows("T", columns, [["0x12", 1_000, None]], "")
    assert "0x12    1000  none" in capsys.readouterr().out
    rows = [["0x" + "ab" * 32, 1_000_000_000, "open"], ["0x" + "cd" * 32, 7, None]]
    output.print_rows("T", columns, rows, "")
    assert capsys.readouterr().out.splitlines() == [
        "T",
        "row 1",
        f"  id      0x{'ab' * 32}",
        "  amount  1000000000",
        "  status  open",
        "row 2",
        f"  id      0x{'cd' * 32}",
        "  amount  7",
        "  status  none",
    ]
    output.print_rows("T", columns, [], "No rows.")
    assert capsys.readouterr().out == "No rows.\n"


def test_nested_fields_get_dotted_names(capsys: pytest.CaptureFixture[str]) -> None:
    fields = {
        "a": {"b": 1, "c": {"d": None}},
        "e": True,
        "f": ["x", "y"],
        "g": [],
        "h": False,
        "i": "",
    }
    assert output.flattened(fields) == [
        ("a.b", "1"),
        ("a.c.d", "none"),
        ("e", "yes"),
        ("f", "x, y"),
        ("g", "none"),
        ("h", "no"),
        ("i", "none"),
    ]
    output.print_fields("Title", fields)
    assert "a.c.d" in capsys.readouterr().out


def test_a_short_id_shows_both_ends_and_a_short_text_is_left_alone() -> None:
    assert output.short("0x1234" + "ab" * 28 + "5678") == "0x1234…5678"
    assert output.short("0x12345678") == "0x12345678"
    assert output.short("") == ""


def test_what_would_steer_a_terminal_is_spelt_out(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table("T", ("a",), [["\x1b[2Jgone\nnext\u202e é"]], "")
    output.print_fields("F", {"reason": "\x1b]0;title\x07", "list": ["\x9b31m"]})
    out = capsys.readouterr().out
    assert r"\x1b[2Jgone\nnext\u202e é" in out
    assert r"\x1b]0;title\x07" in out
    assert r"\x9b31m" in out
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(out)
