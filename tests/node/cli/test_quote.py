"""`tally quote`."""

import pytest

pytestmark = pytest.mark.e2e


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
