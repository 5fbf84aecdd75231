"""`tally quote`."""

import pytest

from tests.support.daemons import Network, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def network(own_network: Network) -> Network:
    """In the network that other commands share there may be ledgers already."""
    return own_network


def test_a_path_without_a_ledger_is_named_by_its_hop(tally, tally_json, network, alice_dir) -> None:
    quoted = tally_json("quote", network.bob.address, "1eth", "--dir", alice_dir)
    assert not quoted["ok"]
    assert [hop["participant"] for hop in quoted["hops"]] == [
        network.alice.address,
        network.bob.address,
    ]
    assert quoted["hops"][0]["error_code"] == "HOP_WITHOUT_LEDGER"
    assert quoted["hops"][1]["error_code"] == "NOT_ASKED"
    shown = tally("quote", network.bob.address, "1eth", "--dir", alice_dir)
    assert "would not carry the channel" in shown.stdout
    assert "HOP_WITHOUT_LEDGER" in shown.stdout


def test_a_path_that_leads_back_is_refused(tally_json, network, alice_dir) -> None:
    bob = network.bob.address
    refused = tally_json("quote", bob, "1eth", "--via", bob, "--dir", alice_dir, exit_code=1)
    assert refused["error"]["name"] == "PATH_REFUSED"


def test_an_intermediary_that_is_no_address_is_bad_usage(tally, network, alice_dir) -> None:
    result = tally("quote", network.bob.address, "1eth", "--via", "bob", "--dir", alice_dir)
    assert result.exit_code == 2


def test_a_payee_with_a_ledger_answers_for_itself(tally, tally_json, network, alice_dir) -> None:
    bob = network.bob.address
    parameters = (f"counterparty={bob}", "amount=1000")
    opened = tally_json("call", "ledger_open", *parameters, "--dir", alice_dir)
    channel_id = opened["channel_id"]
    wait_until(
        "the ledger is open",
        lambda: network.channel(network.alice, channel_id)["status"] == "open",
    )
    quoted = tally_json("quote", bob, "1000", "--dir", alice_dir)
    assert [hop["ok"] for hop in quoted["hops"]] == [True, True]
    assert (quoted["ok"], quoted["total_fee"], quoted["fees"]) == (True, "0", [])
    shown = tally("quote", bob, "1001", "--dir", alice_dir).stdout
    assert "HOP_WITHOUT_FUNDS" in shown
    assert "1001 is needed, 1000 is free" in shown
