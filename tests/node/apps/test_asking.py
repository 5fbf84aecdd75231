"""Questions are answered by a process of their own, in time or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.apps.asking import Asker
from node.apps.judge import AppJudge
from protocols.app_errors import AppQueryFailed
from tests.support.tills import CHANNEL, installed_in, run_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    installed, reducer = installed_in(tmp_path)
    judge = AppJudge(installed, lambda channel_id: iter(()))
    assert judge.run(run_of(reducer, 0, 10, 20)) is not None
    judge.close()
    return judge.path(CHANNEL)


async def test_rows_come_back_with_their_columns(file: Path) -> None:
    columns, rows = await Asker().ask(file, "SELECT id, amount FROM said ORDER BY id", 5)
    assert (columns, rows) == (["id", "amount"], [[1, 10], [2, 20]])
    _, ((shown,),) = await Asker().ask(file, "SELECT amount FROM payouts WHERE participant = 0", 5)
    assert int(shown["hex"], 16) == 70


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("DROP TABLE said", "QUERY_REFUSED"),
        ("SELECT nothing", "QUERY_FAILED"),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
            "QUERY_TIMED_OUT",
        ),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9000) "
            "SELECT hex(zeroblob(1000)) FROM n",
            "QUERY_TOO_LARGE",
        ),
    ],
)
async def test_what_cannot_be_answered_is_named(file: Path, sql: str, error: str) -> None:
    with pytest.raises(AppQueryFailed) as caught:
        await Asker().ask(file, sql, 0.5)
    assert caught.value.error == error


async def test_a_view_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AppQueryFailed, match="were removed meanwhile"):
        await Asker().ask(tmp_path / "none.db", "SELECT 1", 1)
