"""Kits on disk: their owner's alone, whole or not at all, and never written over by mistake."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from node.kit_files import KitFile, read_kit_file
from protocols.dispute_kit import KIT_SIZE_BYTES_MAX
from protocols.exit_errors import KitDamaged


def test_a_kit_is_its_owners_alone_and_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "kit.json"
    place = KitFile(path, overwrite=False)
    place.write(b"kit")
    place.discard()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["kit.json"]
    assert read_kit_file(path) == b"kit"


def test_a_file_that_is_there_stays_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "kit.json"
    path.write_bytes(b"old")
    with pytest.raises(FileExistsError):
        KitFile(path, overwrite=False)
    place = KitFile(path, overwrite=True)
    assert path.read_bytes() == b"old"
    place.write(b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_comes_there_meanwhile_stays_too(tmp_path: Path) -> None:
    path = tmp_path / "kit.json"
    place = KitFile(path, overwrite=False)
    path.write_bytes(b"other")
    with pytest.raises(FileExistsError):
        place.write(b"kit")
    place.discard()
    assert path.read_bytes() == b"other"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_link_to_nowhere_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "kit.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        KitFile(tmp_path / "kit.json", overwrite=False)


def test_a_place_where_nothing_can_be_written_is_refused_before(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        KitFile(tmp_path / "no folder" / "kit.json", overwrite=False)


def test_what_is_no_file_of_a_kit_is_refused(tmp_path: Path) -> None:
    empty, large = tmp_path / "empty", tmp_path / "large"
    empty.touch()
    with pytest.raises(KitDamaged, match="empty"):
        read_kit_file(empty)
    with large.open("wb") as file:
        os.truncate(file.fileno(), KIT_SIZE_BYTES_MAX * 4)
    assert len(read_kit_file(large)) == KIT_SIZE_BYTES_MAX + 1
    with pytest.raises(KitDamaged, match="regular"):
        read_kit_file(Path(os.devnull))
