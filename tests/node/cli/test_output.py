"""What people read: tables, fields, and never markup out of data."""

import json

import pytest

from node.cli import output


def test_a_json_document_is_all_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"amount": "1", "name": "é"})
    out, err = capsys.readouterr()
    assert json.loads(out) == {"amount": "1", "name": "é"}
    assert err == ""


def test_a_table_shows_every_cell_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table("Title", ("a", "b"), [["[red]x[/red]", 5], ["y", 17]], "nothing")
    out = capsys.readouterr().out
    assert "[red]x[/red]" in out
    assert "17" in out
    assert "nothing" not in out


def test_a_cut_table_has_one_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table("T", ("a", "b"), [[1, "x" * 900], [2, "y" * 900]], "", cut_last=True)
    out = capsys.readouterr().out
    assert out.count("xxx…") == out.count("yyy…") == 1
    assert max(len(line) for line in out.splitlines()) == output.PIPE_WIDTH


def test_a_table_without_rows_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table("Title", ("a",), [], "nothing there")
    assert capsys.readouterr().out == "nothing there\n"


def test_nested_fields_get_dotted_names(capsys: pytest.CaptureFixture[str]) -> None:
    fields = {"a": {"b": 1, "c": {"d": None}}, "e": True, "f": ["x", "y"], "g": [], "h": False}
    assert output.flattened(fields) == [
        ("a.b", "1"),
        ("a.c.d", "none"),
        ("e", "yes"),
        ("f", "x, y"),
        ("g", "none"),
        ("h", "no"),
    ]
    output.print_fields("Title", fields)
    assert "a.c.d" in capsys.readouterr().out


def test_a_short_id_is_one_that_commands_take() -> None:
    assert output.short("0x" + "ab" * 32) == "0xabababab"
