"""`tally close`."""

import pytest

from node.cli.demo_report import DEPOSIT_WEI
from tests.support.daemons import open_channel, wait_until
from tests.support.e2e_rig import Purse

pytestmark = pytest.mark.e2e


def test_both_sides_are_paid_out_when_the_command_returns(tally_json, network, alice_dir) -> None:
    channel_id = open_channel(network.alice, network.bob)
    tally_json("pay", channel_id, "1gwei", "--receipt", "--dir", alice_dir)
    purse = Purse(network)
    closed = tally_json("close", channel_id, "--dir", alice_dir)
    assert closed["closed"] is True
    assert network.channel(network.alice, channel_id)["status"] == "closed"
    assert purse.moved() == (DEPOSIT_WEI - 10**9, 10**9)


def test_a_person_may_go_on_at_once(tally, network, bob_dir) -> None:
    channel_id = open_channel(network.alice, network.bob)
    result = tally("close", channel_id[:12], "--no-wait", "--dir", bob_dir)
    assert result.exit_code == 0
    assert "is closing" in result.stdout.replace("\n", " ")
    wait_until(
        "it is closed",
        lambda: network.channel(network.bob, channel_id)["status"] == "closed",
    )


def test_a_person_who_waits_is_told_that_it_is_over(tally, network, alice_dir) -> None:
    channel_id = open_channel(network.alice, network.bob)
    result = tally("close", channel_id, "--dir", alice_dir)
    assert result.exit_code == 0
    assert "is closed and paid out" in result.stdout


def test_an_unknown_channel_is_refused_by_name(tally_json, alice_dir) -> None:
    refused = tally_json("close", "0x" + "00" * 32, "--dir", alice_dir, exit_code=1)
    assert refused["error"]["name"] == "UNKNOWN_CHANNEL"
