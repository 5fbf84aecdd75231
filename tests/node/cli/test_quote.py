"""`tally quote`."""

from collections.abc import Iterator
from functools import partial

import pytest

from node.cli.demo_nodes import is_open
from tests.support.daemons import Network, close_channel, wait_until

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


@pytest.fixture
def ledger(tally_json, network, alice_dir) -> Iterator[str]:
    """With bob, 1,000 wei of alice's; gone after the test, for others have none."""
    parameters = (f"counterparty={network.bob.address}", "amount=1000")
    opened = tally_json("call", "ledger_open", *parameters, "--dir", alice_dir)
    channel_id = opened["channel_id"]
    for node in network.nodes:
        wait_until(f"{node.name}'s ledger is open", partial(is_open, node, channel_id))
    yield channel_id
    close_channel(network.alice, network.bob, channel_id)


@pytest.mark.usefixtures("ledger")
def test_a_payee_with_a_ledger_answers_for_itself(tally, tally_json, network, alice_dir) -> None:
    bob = network.bob.address
    quoted = tally_json("quote", bob, "1000", "--dir", alice_dir)
    assert [hop["ok"] for hop in quoted["hops"]] == [True, True]
    assert (quoted["ok"], quoted["total_fee"], quoted["fees"]) == (True, "0", [])
    shown = tally("quote", bob, "1001", "--dir", alice_dir).stdout
    assert "HOP_WITHOUT_FUNDS" in shown
    assert "1001 is needed, 1000 is free" in shown
