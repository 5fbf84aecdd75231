"""`tally status`."""

import pytest

from node.cli.status import say_alarm
from tests.support.daemons import wait_until

pytestmark = pytest.mark.e2e


def test_the_status_says_who_and_where(tally, tally_json, network, alice_dir) -> None:
    def is_at_rest() -> bool:
        """Bob may have been away in the test before."""
        (peer,) = network.alice.call("node_status")["peers"]
        return bool(peer["connected"]) and peer["sent"] == peer["acknowledged"]

    wait_until("bob is there and has everything", is_at_rest)
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


def test_an_alarm_is_told_with_its_deadline_and_what_to_do(capsys) -> None:
    alarm = {
        "name": "transaction-held-back", "channel_id": "0x0c", "what": "too dear",
        "deadline": "2024-01-01 00:00:00 UTC", "blocks_left": 3, "next_step": "raise it",
    }  # fmt: skip
    say_alarm(alarm)
    said = capsys.readouterr().out
    assert "transaction-held-back of channel 0x0c until 2024-01-01 00:00:00 UTC, 3 blocks" in said
    assert "Next: raise it." in said
    say_alarm({**alarm, "channel_id": None, "deadline": None, "blocks_left": None})
    assert "ALARM transaction-held-back: too dear." in capsys.readouterr().out


def test_a_node_that_is_not_running_is_one_error(tally, tally_json, tmp_path) -> None:
    refused = tally_json("status", "--dir", tmp_path, exit_code=1)
    assert refused["error"]["name"] == "CONFIG_ERROR"
    result = tally("status", "--dir", tmp_path)
    assert result.stdout == ""
    assert "tally init" in result.stderr
