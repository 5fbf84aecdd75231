"""`tally dispute`: the file that leaves, and what keeps one from being run."""

import json
import stat

import pytest

from tests.support.anvil import start_anvil
from tests.support.daemons import open_channel

pytestmark = pytest.mark.e2e

KEY = "4" * 64


def paid_channel(tally_json, network) -> str:
    """A channel in which alice paid bob 1,000 wei."""
    channel_id = open_channel(network.alice, network.bob)
    tally_json("pay", channel_id, "1000", "--receipt", "--dir", network.alice.directory)
    return channel_id


@pytest.fixture(scope="module")
def kit(tally_json, network, tmp_path_factory):
    """Of a channel in which alice paid; its file."""
    channel_id = paid_channel(tally_json, network)
    path = tmp_path_factory.mktemp("kit") / "kit.json"
    said = tally_json("dispute", "export", channel_id, "-o", path, "--dir", network.alice.directory)
    assert said["channels"] == [channel_id]
    assert not said["needs_key"]
    return path


def test_the_file_is_its_owners_and_is_not_written_over(tally, tally_json, kit, alice_dir) -> None:
    assert stat.S_IMODE(kit.stat().st_mode) == 0o600
    channel_id = json.loads(kit.read_text())["channel_id"]
    before = kit.read_bytes()
    command = ("dispute", "export", channel_id, "-o", kit, "--dir", alice_dir)
    refused = tally_json(*command, exit_code=1)
    assert refused["error"]["name"] == "OS_ERROR"
    assert kit.read_bytes() == before
    result = tally(*command, "--overwrite")
    assert result.exit_code == 0
    assert "It needs no key of yours" in result.stdout.replace("\n", " ")
    assert kit.read_bytes() != before
    assert [path.name for path in kit.parent.iterdir()] == ["kit.json"]


def test_a_payees_file_says_that_it_needs_a_key(tally, kit, bob_dir, tmp_path) -> None:
    channel_id = json.loads(kit.read_text())["channel_id"]
    path = tmp_path / "bobs.json"
    result = tally("dispute", "export", channel_id, "-o", path, "--dir", bob_dir)
    assert result.exit_code == 0
    assert "--channel-key" in result.stdout
    refused = tally("dispute", "run", path, "--rpc", "http://127.0.0.1:9", "--dry-run")
    assert refused.exit_code == 1
    assert "--channel-key" in refused.stderr


def test_a_seal_is_told_in_the_log_and_sound_to_an_audit(
    tally_json, network, bob_dir, tmp_path
) -> None:
    # One of its own: once sealed, no file of bob's needs a key any more.
    channel_id = paid_channel(tally_json, network)
    command = ("dispute", "export", channel_id, "--sealed", "--dir", bob_dir)
    first = tally_json(*command, "-o", tmp_path / "first.json")
    again = tally_json(*command, "-o", tmp_path / "again.json")
    assert first["needs_key"] is again["needs_key"] is False
    states = [
        json.loads((tmp_path / name).read_text())["channels"][0]["states"]
        for name in ("first.json", "again.json")
    ]
    assert states[0] == states[1]
    found = tally_json("events", "--channel", channel_id, "--dir", bob_dir)["records"]
    sealed = [event for event in found if event["name"] == "dispute-kit-exported"]
    assert [event["payload"]["sealed"] for event in sealed] == [True, True]
    assert tally_json("audit", bob_dir / "data")["findings"] == []


@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_a_plan_is_shown_without_any_key_and_nothing_is_done(tally, network, kit, scheme) -> None:
    url = f"{scheme}://{network.chain.url.partition('://')[2]}"
    result = tally("dispute", "run", kit, "--rpc", url, "--dry-run")
    assert result.exit_code == 0, result.output
    shown = result.stdout.replace("\n", " ")
    assert "challenge" in shown
    assert "Nothing was done" in shown
    channel_id = json.loads(kit.read_text())["channel_id"]
    assert network.channel(network.alice, channel_id)["status"] == "open"


def test_what_is_no_kit_is_refused_by_name(tally_json, kit, tmp_path) -> None:
    path = tmp_path / "damaged.json"
    document = json.loads(kit.read_text())
    path.write_text(json.dumps({**document, "sealed": not document["sealed"]}))
    command = ("dispute", "run", path, "--rpc", "http://127.0.0.1:9", "--dry-run")
    assert tally_json(*command, exit_code=1)["error"]["name"] == "KIT_DAMAGED"
    path.write_text(json.dumps({**document, "version": 2}))
    assert tally_json(*command, exit_code=1)["error"]["name"] == "KIT_TOO_NEW"
    path.unlink()
    assert tally_json(*command, exit_code=1)["error"]["name"] == "OS_ERROR"


def test_keys_are_named_and_never_written_on_the_line(tally_json, network, kit) -> None:
    command = ("dispute", "run", kit, "--rpc", network.chain.url)
    assert tally_json(*command, exit_code=1)["error"]["name"] == "KEY_MISSING"
    refused = tally_json(*command, "--key", KEY, exit_code=1)
    assert refused["error"]["name"] == "KEYSTORE_ERROR"
    poor = tally_json(*command, "--key", "env:GAS_KEY", exit_code=1, GAS_KEY=KEY)
    assert poor["error"]["name"] == "GAS_NOT_FUNDED"


def test_another_chain_and_one_without_the_contracts_are_refused_by_name(tally_json, kit) -> None:
    chain_id = json.loads(kit.read_text())["deployment"]["chain_id"]
    for served, name in ((chain_id + 1, "WRONG_CHAIN"), (chain_id, "NO_CODE_AT_ADDRESS")):
        with start_anvil(chain_id=served) as other:
            command = ("dispute", "run", kit, "--rpc", other.ws_url, "--dry-run")
            assert tally_json(*command, exit_code=1)["error"]["name"] == name
