"""`tally recovery`: a sentence where nothing was lost, a row a channel where something was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from node.cli.recovery import _row


def test_a_row_is_short_and_whole() -> None:
    row = {
        "channel_id": "0x" + "ab" * 32,
        "kind": "ledger",
        "peers": ["0x" + "cd" * 20],
        "recovery": "close_only",
        "turn_num": 7,
        "voucher_total": "0",
        "reason": "it is closing",
    }
    assert _row(row)[1:] == ["ledger", "0xcdcd…cdcd", "close-only", 7, "0", "it is closing"]


@pytest.mark.e2e
def test_a_node_that_lost_nothing_says_so(tally: Any, tally_json: Any, alice_dir: Path) -> None:
    found = tally_json("recovery", "-c", alice_dir)
    assert (found["recovering"], found["loss_count"], found["channels"]) == (False, 0, [])
    result = tally("recovery", "-c", alice_dir)
    assert result.exit_code == 0
    assert "No channel is concerned." in result.output
