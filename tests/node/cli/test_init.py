"""`tally init`: from an empty place to a funded node, or a clear refusal."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from node import keys
from node.config import load
from node.deployment import FUNDING_WEI, balance_wei
from node.devnet import Devnet
from protocols.crypto import Signer
from protocols.types import checksum_address

PASSWORD = "correct horse"
SECRET = b"\x09" * 32
PEER = checksum_address(b"\x22" * 20)


@pytest.fixture(scope="module")
def chain() -> Iterator[Devnet]:
    with Devnet() as running:
        yield running


@pytest.fixture
def deployment(tmp_path: Path, chain: Devnet) -> Path:
    path = tmp_path / "deployment.json"
    path.write_text(json.dumps(chain.deployment.document()))
    return path


@pytest.mark.e2e
def test_a_newcomer_gets_a_node_with_money(tally_json, tmp_path, deployment, chain) -> None:
    home = tmp_path / "alice"
    made = tally_json("init", home, "--deployment", deployment, TALLY_PASSWORD=PASSWORD)
    assert made["directory"] == str(home)
    assert made["funded_wei"] == str(FUNDING_WEI)
    assert balance_wei(chain.url, made["address"]) == FUNDING_WEI
    config = load(home, environment={})
    assert config.node.name == "alice"
    assert config.policy.default == "ask"
    assert config.chain.urls == (chain.url,)
    secret = keys.unlock(config.node.keystore, PASSWORD)
    assert checksum_address(Signer(secret).address) == made["address"]
    assert json.loads(config.node.keystore.read_text())["crypto"]["kdfparams"]["n"] == 2**18


@pytest.mark.e2e
def test_options_reach_the_configuration(tally, tmp_path, deployment) -> None:
    hex_key = tmp_path / "key"
    hex_key.write_text("0x" + SECRET.hex() + "\n")
    arguments = ["--deployment", deployment, "--name", "carol", "--allow-all", "--import-key"]
    arguments += [hex_key, "--p2p-listen", "127.0.0.1:7411", "--rpc-listen", "127.0.0.1:7412"]
    arguments += ["--peer", f"{PEER}=127.0.0.1:7401"]
    result = tally("init", tmp_path / "node", *arguments, TALLY_PASSWORD=PASSWORD)
    assert result.exit_code == 0, result.output
    assert checksum_address(Signer(SECRET).address) in result.stdout
    assert "1000 ETH" in result.stdout
    assert PASSWORD not in result.output
    config = load(tmp_path / "node", environment={})
    assert config.node.name == "carol"
    assert config.policy.default == "allow"
    assert config.p2p.listen == ("127.0.0.1", 7411)
    assert config.rpc.listen == ("127.0.0.1", 7412)
    assert config.p2p.peers == {b"\x22" * 20: ("127.0.0.1", 7401)}
    assert keys.unlock(config.node.keystore, PASSWORD) == SECRET


@pytest.mark.e2e
def test_a_chain_that_is_gone_gives_no_money_but_a_node(tally_json, tmp_path, deployment) -> None:
    document = json.loads(deployment.read_text())
    deployment.write_text(json.dumps({**document, "rpc_url": "ws://127.0.0.1:1"}))
    made = tally_json(
        "init", tmp_path / "node", "--deployment", deployment, TALLY_PASSWORD=PASSWORD
    )
    assert made["funded_wei"] == "0"
    assert "does not answer" in made["funding"]


@pytest.mark.slow
def test_an_imported_keystore_opens_with_the_same_password(tally_json, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    keys.create(old, PASSWORD, secret=SECRET, scrypt_n=keys.SCRYPT_N_WEAK)
    made = tally_json("init", tmp_path / "n", "--import-key", old, TALLY_PASSWORD=PASSWORD)
    assert made["address"] == checksum_address(Signer(SECRET).address)
    assert made["funding"] == "Send it some ether for deposits and gas."
    refused = tally_json(
        "init", tmp_path / "m", "--import-key", old, TALLY_PASSWORD="wrong", exit_code=1
    )
    assert refused["error"]["name"] == "KEYSTORE_ERROR"
    assert not (tmp_path / "m").exists()


@pytest.mark.slow
def test_without_a_deployment_the_next_step_is_said(tally, tmp_path: Path) -> None:
    result = tally("init", tmp_path / "my node!", TALLY_PASSWORD=PASSWORD)
    assert result.exit_code == 0
    assert "Fill in [chain]" in result.stdout
    assert 'name = "mynode"' in (tmp_path / "my node!" / "config.toml").read_text()


def test_an_existing_node_is_left_alone(tally_json, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("mine")
    refused = tally_json("init", tmp_path, TALLY_PASSWORD=PASSWORD, exit_code=1)
    assert refused["error"]["name"] == "ALREADY_THERE"
    assert [p.name for p in tmp_path.iterdir()] == ["config.toml"]


def test_no_password_is_refused_before_anything_is_made(tally_json, tmp_path: Path) -> None:
    refused = tally_json("init", tmp_path / "n", exit_code=1)
    assert "TALLY_PASSWORD_FILE" in refused["error"]["next_step"]
    assert not (tmp_path / "n").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--peer", "bob"],
        ["--peer", f"{PEER}=a:0"],
        ["--p2p-listen", "7401"],
        ["--rpc-listen", "a:b"],
        ["--rpc-listen", "0.0.0.0:7402"],
        ["--policy", "maybe"],
        ["--name", "a b"],
    ],
)
def test_bad_options_are_bad_usage_and_make_nothing(tally, tmp_path, arguments) -> None:
    result = tally("init", tmp_path / "n", *arguments, TALLY_PASSWORD=PASSWORD)
    assert result.exit_code == 2
    assert arguments[0] in result.stderr
    assert not (tmp_path / "n").exists()


def test_files_that_are_not_what_they_should_be_are_refused(tally_json, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"\xff\x00")
    for option in ("--import-key", "--deployment"):
        refused = tally_json(
            "init", tmp_path / "n", option, wrong, TALLY_PASSWORD=PASSWORD, exit_code=1
        )
        assert str(wrong) in refused["error"]["message"]
    assert not (tmp_path / "n").exists()
