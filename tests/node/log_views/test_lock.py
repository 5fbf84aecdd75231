"""One keeper at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.log_views.lock import ViewsInUse, views_lock


def test_a_second_keeper_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    directory = tmp_path / "views"
    with views_lock(directory), pytest.raises(ViewsInUse), views_lock(directory):
        pass
    with views_lock(directory):
        assert directory.stat().st_mode & 0o077 == 0
