"""`tally diff`."""

import pytest

from node.cli import output

pytestmark = pytest.mark.e2e


def test_what_a_channel_went_through_is_told(tally, tally_json, channel_id, alice_dir) -> None:
    before = tally_json("status", "--dir", alice_dir)["at"]["seq"]
    tally("pay", channel_id, "3gwei", "--dir", alice_dir)
    found = tally_json("diff", before, "--channel", channel_id[:14], "--dir", alice_dir)
    assert (found["from"]["seq"], found["next_after"]) == (before, None)
    (changed,) = found["channels"]
    assert int(changed["before"]["ours"]) - int(changed["after"]["ours"]) == 3 * 10**9
    table = tally("diff", before, "--dir", alice_dir, COLUMNS="80").stdout
    assert max(map(len, table.splitlines())) <= 80
    assert f"From record {before}, 20" in table
    (row,) = [line for line in table.splitlines() if line.startswith(output.short(channel_id))]
    assert "-3 gwei" in row
    assert "open, 1 payment" in row
    assert "voucher-issued" in table
    assert "in channels" in table


def test_from_the_beginning_a_channel_is_new(tally, channel_id, alice_dir) -> None:
    table = tally("diff", "0", "--dir", alice_dir).stdout
    (row,) = [line for line in table.splitlines() if line.startswith(output.short(channel_id))]
    assert "new > open" in row
    assert "DirectFund" in table
    assert "completed" in table


@pytest.mark.usefixtures("channel_id")
def test_nothing_in_between_is_said_so(tally, alice_dir) -> None:
    table = tally("diff", "1", "1", "--dir", alice_dir).stdout
    assert "No channel changed." in table
    assert "No records in between." in table


@pytest.mark.usefixtures("channel_id")
def test_moments_that_do_not_fit_are_the_nodes_own_error(tally_json, alice_dir) -> None:
    refused = tally_json("diff", "2", "1", "--dir", alice_dir, exit_code=1)
    assert refused["error"]["values"]["parameter"] == "to"
    refused = tally_json("diff", "noon", "--dir", alice_dir, exit_code=1)
    assert refused["error"]["values"]["parameter"] == "from"
    unknown = "0x" + "00" * 32
    refused = tally_json("diff", "0", "--after", unknown, "--dir", alice_dir, exit_code=1)
    assert refused["error"]["name"] == "UNKNOWN_CHANNEL"
