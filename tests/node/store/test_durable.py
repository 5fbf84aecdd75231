"""Small files that are replaced whole, and what is waited for."""

from pathlib import Path

import pytest

from node.store.durable import replace_file, sync_directory, sync_file


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "MARKER"
    replace_file(path, b"a long first content")
    replace_file(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "MARKER"
    replace_file(path, b"first")
    (tmp_path / "MARKER.new").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(path, b"second")
    assert path.read_bytes() == b"first"


def test_a_file_is_no_directory_and_what_is_not_there_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "MARKER"
    path.write_bytes(b"x")
    sync_file(path)
    sync_directory(tmp_path)
    with pytest.raises(NotADirectoryError):
        sync_directory(path)
    with pytest.raises(FileNotFoundError):
        sync_file(tmp_path / "other")
