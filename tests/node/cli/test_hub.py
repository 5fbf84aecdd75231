"""`tally hub`."""

import pytest

pytestmark = pytest.mark.e2e


def test_a_node_that_is_no_hub_says_so(tally, tally_json, alice_dir) -> None:
    found = tally_json("hub", "--dir", alice_dir)
    assert found["enabled"] is False
    assert found["channel_count"] == 0
    assert [row["carried"] for row in found["assets"]] == ["0"]
    shown = tally("hub", "--dir", alice_dir, COLUMNS="80").stdout
    assert "enabled" in shown
    assert "No guarantees with any peer." in shown
    assert all(len(line) <= 80 for line in shown.splitlines())
