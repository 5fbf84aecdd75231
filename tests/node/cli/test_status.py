"""`tally status`."""

import pytest

pytestmark = pytest.mark.e2e


def test_the_status_says_who_and_where(tally, tally_json, network, alice_dir) -> None:
    status = tally_json("status", "--dir", alice_dir)
    assert status["address"] == network.alice.address
    assert status["chain_id"] == network.chain.deployment.chain_id
    assert tally_json("status", TALLY_DIR=str(alice_dir))["name"] == "alice"
    table = tally("status", "-c", alice_dir / "config.toml")
    assert network.alice.address in table.stdout
    assert "chain.head_block_num" in table.stdout
    narrow = tally("status", "--dir", alice_dir, COLUMNS="80").stdout
    (peer,) = [line for line in narrow.splitlines() if line.startswith(network.bob.address)]
    assert peer.split()[2:] == ["yes", "0"]
    assert len(peer) <= 80


def test_a_node_that_is_not_running_is_one_error(tally, tally_json, tmp_path) -> None:
    refused = tally_json("status", "--dir", tmp_path, exit_code=1)
    assert refused["error"]["name"] == "CONFIG_ERROR"
    result = tally("status", "--dir", tmp_path)
    assert result.stdout == ""
    assert "tally init" in result.stderr
