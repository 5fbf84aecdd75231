"""Lists of payments in files: what counts as a line, and what is said of a file that has none."""

from pathlib import Path

import pytest
import typer

from node.cli.batch_file import Line, read_batch


def test_each_line_is_an_amount_and_a_memo(tmp_path: Path) -> None:
    file = tmp_path / "wages.txt"
    file.write_text(
        "# November\n3gwei  coffee with milk \n\n  7\n0.5eth Zürich\n", encoding="utf-8"
    )
    assert read_batch(file) == [
        Line(2, "3gwei", "coffee with milk"),
        Line(4, "7", ""),
        Line(5, "0.5eth", "Zürich"),
    ]


@pytest.mark.parametrize("content", [b"", b"# nothing\n\n", b"\xff\xfe1"])
def test_a_file_without_payments_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "wages.txt"
    file.write_bytes(content)
    with pytest.raises(typer.BadParameter):
        read_batch(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="cannot be read"):
        read_batch(tmp_path / "wages.txt")
