"""`tally exit` and `tally challenge`."""

import pytest

from tests.support.daemons import open_channel, wait_until

pytestmark = pytest.mark.e2e


def test_a_channel_is_left_and_its_steps_are_shown(tally, tally_json, network, alice_dir) -> None:
    channel_id = open_channel(network.alice, network.bob)
    result = tally("exit", channel_id[:12], "--dir", alice_dir)
    assert result.exit_code == 0
    assert "tally explain" in result.stdout.replace("\n", " ")
    wait_until(
        "it is challenged",
        lambda: network.channel(network.alice, channel_id)["status"] == "challenged",
    )
    listed = tally_json("objectives", "--dir", alice_dir)["objectives"]
    mine = {o["objective_type"] for o in listed if o["channel_id"] == channel_id}
    assert {"Exit", "Challenge"} <= mine


def test_a_challenge_is_one_command(tally_json, network, bob_dir) -> None:
    channel_id = open_channel(network.alice, network.bob)
    answer = tally_json("challenge", channel_id, "--dir", bob_dir)
    assert answer["channel_id"] == channel_id
    again = tally_json("challenge", channel_id, "--dir", bob_dir)
    assert again["objective_id"] == answer["objective_id"]


def test_an_unknown_channel_is_refused_by_name(tally_json, alice_dir) -> None:
    for command in ("exit", "challenge"):
        refused = tally_json(command, "0x" + "00" * 32, "--dir", alice_dir, exit_code=1)
        assert refused["error"]["name"] == "UNKNOWN_CHANNEL"
