"""`tally channels`."""

import pytest

from node.cli import output
from node.cli.channels import COLUMNS
from node.cli.demo_report import DEPOSIT_WEI
from tests.support.daemons import Network, open_channel

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def network(own_network: Network) -> Network:
    """Other commands leave channels of any state in the network that they share."""
    return own_network


@pytest.fixture(scope="module")
def channel_id(network: Network) -> str:
    return open_channel(network.alice, network.bob)


def test_channels_are_listed_and_filtered(tally, tally_json, channel_id, alice_dir) -> None:
    listed = tally_json("channels", "--dir", alice_dir)["channels"]
    assert channel_id in [view["channel_id"] for view in listed]
    opened = tally_json("channels", "--status", "open", "--dir", alice_dir)["channels"]
    assert channel_id in [view["channel_id"] for view in opened]
    assert tally_json("channels", "--status", "challenged", "--dir", alice_dir)["channels"] == []
    table = tally("channels", "--dir", alice_dir).stdout
    assert output.short(channel_id) in table
    narrow = tally("channels", "--dir", alice_dir, COLUMNS="80").stdout.splitlines()
    assert max(map(len, narrow)) <= 80
    # One line for each channel, under a title, a header and a rule: nothing was broken.
    assert len(narrow) == len(listed) + 3
    assert narrow[1].split() == list(COLUMNS)
    assert "No channels" in tally("channels", "--status", "challenged", "--dir", alice_dir).stdout


def test_one_channel_is_shown_from_both_sides(
    tally, tally_json, network, channel_id, alice_dir, bob_dir
) -> None:
    mine = tally_json("channels", channel_id[:14], "--dir", alice_dir)
    theirs = tally_json("channels", channel_id, "--dir", bob_dir)
    assert (mine["role"], theirs["role"]) == ("payer", "payee")
    assert mine["counterparty"] == network.bob.address
    assert mine["deposit"] == theirs["deposit"] == str(DEPOSIT_WEI)
    shown = tally("channels", output.short(channel_id), "--dir", alice_dir).stdout
    assert channel_id in shown
    # The deposit, and what the adjudicator holds.
    assert shown.count(" 1 ETH\n") >= 3


def test_an_unknown_status_is_the_nodes_own_error(tally_json, alice_dir) -> None:
    refused = tally_json("channels", "--status", "nonsense", "--dir", alice_dir, exit_code=1)
    assert refused["error"]["name"] == "INVALID_PARAMS"


def test_channels_are_shown_as_they_were(tally, tally_json, channel_id, alice_dir) -> None:
    assert tally_json("channels", "--at", 0, "--dir", alice_dir)["channels"] == []
    records = tally_json("events", "--channel", channel_id, "--dir", alice_dir)["records"]
    first = next(r["seq"] for r in records if r["name"] == "state-signed")
    then = tally_json("channels", channel_id[:14], "--at", first, "--dir", alice_dir)
    assert (then["status"], then["at"]) == ("proposed", {"seq": first})
    shown = tally("channels", "--at", first, "--dir", alice_dir).stdout
    assert f"Channels as of record {first}" in shown
    assert "proposed" in shown
    refused = tally_json("channels", "--at", 10**9, "--dir", alice_dir, exit_code=1)
    assert refused["error"]["name"] == "MOMENT_AHEAD"
    refused = tally_json("channels", "--at", "noon", "--dir", alice_dir, exit_code=1)
    assert refused["error"]["values"]["parameter"] == "at"


@pytest.mark.usefixtures("channel_id")
@pytest.mark.parametrize(
    "command", [("status",), ("hub",), ("objectives",), ("events",), ("ledger", "list")]
)
def test_whatever_is_read_is_read_as_of_a_moment(command, tally, tally_json, alice_dir) -> None:
    then = tally_json(*command, "--at", "1", "--dir", alice_dir)
    assert then != tally_json(*command, "--dir", alice_dir)
    assert then.get("at", {"seq": 1}) == {"seq": 1}
    assert tally(*command, "--at", "1", "--dir", alice_dir).exit_code == 0
