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


def test_a_plan_is_shown_and_nothing_is_done(tally, tally_json, network, bob_dir) -> None:
    channel_id = open_channel(network.alice, network.bob)
    tally_json("pay", channel_id, "1000", "--receipt", "--dir", network.alice.directory)
    plan = tally_json("exit", channel_id, "--dry-run", "--dir", bob_dir)
    assert [step["step"] for step in plan["steps"]] == ["redemption", "transfer"]
    assert plan["worth"][0]["amount"] == "1000"
    result = tally("exit", channel_id, "--dry-run", "--dir", bob_dir)
    assert result.exit_code == 0
    shown = result.stdout.replace("\n", " ")
    assert f"1. redemption {channel_id[:10]}: now, about" in shown
    assert f"2. transfer {channel_id[:10]}: {plan['steps'][1]['not_before'][:10]}" in shown
    assert "blocks)" in shown
    assert "Nothing was done" in shown
    assert network.channel(network.bob, channel_id)["status"] == "open"


def test_a_ledger_that_was_left_is_resumed(tally, tally_json, network, alice_dir) -> None:
    terms = {"amount": "500", "counterparty_amount": "300"}
    opened = network.alice.call("ledger_open", counterparty=network.bob.address, **terms)
    ledger_id = opened["channel_id"]

    def both_are(status: str) -> bool:
        return all(network.channel(node, ledger_id)["status"] == status for node in network.nodes)

    wait_until("it is open", lambda: both_are("open"))
    refused = tally_json("resume", ledger_id, "--dir", alice_dir, exit_code=1)
    assert refused["error"]["name"] == "NOT_RESUMABLE"
    tally_json("exit", ledger_id, "--dir", alice_dir)
    wait_until("it is challenged", lambda: both_are("challenged"))
    result = tally("resume", ledger_id[:12], "--request-id", "stay", "--dir", alice_dir)
    assert result.exit_code == 0
    assert "is to go on" in result.stdout.replace("\n", " ")
    wait_until("it goes on", lambda: both_are("open"))
    again = tally_json("resume", ledger_id, "--request-id", "stay", "--dir", alice_dir)
    assert again["channel_id"] == ledger_id
