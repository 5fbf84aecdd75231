"""`tally open`."""

import re

import pytest

from node.deployment import TEST_TOKEN, chain_call, token_balance

pytestmark = pytest.mark.e2e


def test_a_channel_is_open_on_chain_when_the_command_returns(
    tally_json, network, alice_dir
) -> None:
    before = network.balances()[0]
    opened = tally_json("open", network.bob.address, "0.25 eth", "--dir", alice_dir)
    assert opened["opened"] is True
    view = network.channel(network.alice, opened["channel_id"])
    assert view["status"] == "open"
    assert view["deposit"] == str(25 * 10**16)
    assert before - network.balances()[0] > 25 * 10**16
    held = chain_call(
        network.chain.url,
        "eth_getBalance",
        network.chain.deployment.addresses["adjudicator"],
        "latest",
    )
    assert int(held, 16) >= 25 * 10**16


def test_a_repeated_request_opens_one_channel(tally, tally_json, network, alice_dir) -> None:
    arguments = ["open", network.bob.address, "1000", "--request-id", "open-once", "--dir"]
    first = tally_json(*arguments, alice_dir)
    again = tally_json(*arguments, alice_dir, "--no-wait")
    assert again["channel_id"] == first["channel_id"]
    assert again["opened"] is False
    assert "was proposed" in tally(*arguments, alice_dir, "--no-wait").stdout


def test_a_person_is_told_the_channel(tally, network, alice_dir) -> None:
    result = tally("open", network.bob.address, "3gwei", "--dir", alice_dir)
    assert result.exit_code == 0
    assert "is open, with 3 gwei to pay" in result.stdout


@pytest.mark.parametrize("peer", ["notanaddress", "0x12", "0x" + "zz" * 20])
def test_a_peer_that_is_no_address_is_named_with_its_form(tally, alice_dir, peer: str) -> None:
    refused = tally("open", peer, "1", "--dir", alice_dir)
    assert refused.exit_code == 2
    assert "'PEER'" in refused.stderr
    assert "40 hex digits" in " ".join(refused.stderr.replace("│", "").split())


@pytest.mark.parametrize("amount", ["-1", "1.5", "1 finney", "1e18"])
def test_an_amount_that_is_none_is_bad_usage(tally, network, alice_dir, amount: str) -> None:
    assert tally("open", network.bob.address, "--dir", alice_dir, "--", amount).exit_code == 2


def test_a_stranger_and_a_short_challenge_are_refused_by_name(
    tally_json, network, alice_dir
) -> None:
    stranger = "0x" + "11" * 20
    refused = tally_json("open", stranger, "1", "--dir", alice_dir, exit_code=1)
    assert refused["error"]["name"] == "UNKNOWN_PEER"
    short = ["--challenge-duration-s", "60", "--dir", alice_dir]
    refused = tally_json("open", network.bob.address, "1", *short, exit_code=1)
    assert refused["error"]["name"] == "CHALLENGE_DURATION_TOO_SHORT"
    assert refused["error"]["next_step"]


def test_whoever_gives_up_waiting_is_told_how_to_repeat_without_a_second_channel(
    tally, tally_json, network, alice_dir
) -> None:
    network.bob.stop()
    try:
        patience = ["--timeout-s", "0.2", "--dir", alice_dir]
        gave_up = tally_json("open", network.bob.address, "7 gwei", *patience, exit_code=1)
        assert gave_up["error"]["name"] == "STILL_WAITING"
        assert gave_up["error"]["retry_safe"] is False
        values = gave_up["error"]["values"]
        assert f"--request-id {values['request_id']}" in gave_up["error"]["next_step"]
        told = tally("open", network.bob.address, "7 gwei", *patience)
        (said,) = set(re.findall(r"--request-id (tally-[0-9a-f]+)", told.stderr))
    finally:
        network.bob.start()
    opened = {}
    for name in (values["request_id"], said):
        repeated = ["--request-id", name, "--dir", alice_dir]
        again = tally_json("open", network.bob.address, "7 gwei", *repeated)
        assert again["opened"] is True
        opened[name] = again["channel_id"]
    assert opened[values["request_id"]] == values["channel_id"] != opened[said]


def test_a_channel_of_a_token_is_opened_paid_in_and_shown_in_its_units(
    tally, tally_json, network, alice_dir
) -> None:
    token = network.chain.deployment.addresses[TEST_TOKEN]
    before = token_balance(network.chain.url, token, network.alice.address)
    opened = tally_json("open", network.bob.address, "5000", "--asset", token, "--dir", alice_dir)
    assert token_balance(network.chain.url, token, network.alice.address) == before - 5_000
    channel_id = opened["channel_id"]
    paid = tally("pay", channel_id, "30", "--receipt", "--dir", alice_dir)
    assert "Paid 30 units, receipted by the payee; 30 units in this channel" in paid.stdout
    shown = tally("channels", channel_id, "--dir", alice_dir).stdout
    assert token in shown
    assert "4970 units" in shown
    for command in (["open", network.bob.address, "1eth", "--asset", token], ["pay", channel_id]):
        refused = tally(*command, *(["1eth"] if command[0] == "pay" else []), "--dir", alice_dir)
        assert refused.exit_code == 2
        assert "smallest units" in " ".join(refused.stderr.replace("│", "").split())


def test_a_token_that_nobody_accepts_and_one_that_is_none_are_refused(
    tally, tally_json, network, alice_dir
) -> None:
    strange = ["--asset", "0x" + "11" * 20, "--dir", alice_dir]
    refused = tally_json("open", network.bob.address, "1", *strange, exit_code=1)
    assert refused["error"]["name"] == "ASSET_NOT_SUPPORTED"
    result = tally("open", network.bob.address, "1", "--asset", "TALLY", "--dir", alice_dir)
    assert result.exit_code == 2
    assert "assets under" in " ".join(result.stderr.replace("│", "").split())
