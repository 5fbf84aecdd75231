"""One owner of a log's directory at a time."""

import os
from pathlib import Path

import pytest

from node.store.errors import LogInUse
from node.store.lock import take_lock


def test_a_directory_has_one_owner_until_it_lets_go(tmp_path: Path) -> None:
    lock = take_lock(tmp_path / "data")
    with pytest.raises(LogInUse):
        take_lock(tmp_path / "data")
    os.close(lock)
    os.close(take_lock(tmp_path / "data"))


def test_a_new_directory_is_its_owners_alone(tmp_path: Path) -> None:
    os.close(take_lock(tmp_path / "one" / "data"))
    assert (tmp_path / "one" / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "one" / "data" / "OWNER").stat().st_mode & 0o777 == 0o600
