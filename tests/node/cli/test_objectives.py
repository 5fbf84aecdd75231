"""`tally objectives`."""

import pytest

from node.cli.objectives import COLUMNS

pytestmark = pytest.mark.e2e


def test_objectives_are_listed_filtered_and_shown(tally, tally_json, channel_id, alice_dir) -> None:
    listed = tally_json("objectives", "--status", "completed", "--dir", alice_dir)["objectives"]
    (mine,) = [o for o in listed if o["channel_id"] == channel_id]
    assert mine["objective_type"] == "DirectFund"
    one = tally_json("objectives", mine["objective_id"][:14], "--dir", alice_dir)
    assert one["objective_id"] == mine["objective_id"]
    table = tally("objectives", "--dir", alice_dir).stdout
    assert "DirectFund" in table
    narrow = tally("objectives", "--dir", alice_dir, COLUMNS="80").stdout.splitlines()
    assert max(map(len, narrow)) <= 80
    assert narrow[1].split() == list(COLUMNS)
    shown = tally("objectives", mine["objective_id"], "--dir", alice_dir).stdout
    assert mine["objective_id"] in shown
    assert (
        "No objectives" in tally("objectives", "--status", "unapproved", "--dir", alice_dir).stdout
    )


def test_an_unknown_objective_is_refused_by_name(tally_json, alice_dir) -> None:
    refused = tally_json("objectives", "0x" + "00" * 32, "--dir", alice_dir, exit_code=1)
    assert refused["error"]["name"] == "UNKNOWN_OBJECTIVE"
