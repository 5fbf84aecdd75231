"""A node's directory: complete, private, and never written over."""

import dataclasses
import stat
import tomllib
from pathlib import Path

import pytest

from node import keys
from node.cli.failures import CommandFailed
from node.cli.node_dir import NodeDirPlan, config_text, make_node_dir
from node.config import ConfigError, load
from node.deployment import TEST_TOKEN, Deployment
from node.keys import SCRYPT_N_WEAK, KeystoreError
from node.rpc.token import read_token
from protocols.crypto import Signer
from protocols.types import checksum_address

SECRET = b"\x07" * 32
PEER = b"\x22" * 20
DEPLOYMENT = Deployment(
    chain_id=31337,
    rpc_url="ws://127.0.0.1:8545",
    addresses={
        "adjudicator": checksum_address(b"\xad" * 20),
        "virtual_payment_app": checksum_address(b"\xab" * 20),
        "consensus_app": checksum_address(b"\xac" * 20),
    },
    confirmation_count=0,
)


@pytest.fixture
def plan(tmp_path: Path) -> NodeDirPlan:
    return NodeDirPlan(
        directory=tmp_path / "alice",
        name="alice",
        p2p_listen=("127.0.0.1", 7401),
        rpc_listen=("::1", 0),
        policy="allow",
        peers={PEER: ("bob.example", 7402)},
        deployment=DEPLOYMENT,
        scrypt_n=SCRYPT_N_WEAK,
    )


def test_the_configuration_says_what_was_planned(plan: NodeDirPlan) -> None:
    address = make_node_dir(plan, "password", SECRET)
    config = load(plan.directory, environment={})
    assert address == Signer(SECRET).address
    assert config.node.name == "alice"
    assert config.p2p.listen == ("127.0.0.1", 7401)
    assert config.p2p.peers == {PEER: ("bob.example", 7402)}
    assert config.rpc.listen == ("::1", 0)
    assert config.policy.default == "allow"
    assert config.chain.confirmation_count == 0
    assert config.chain.adjudicator == b"\xad" * 20
    assert config.test.fault_points is False
    assert keys.unlock(config.node.keystore, "password") == SECRET
    assert read_token(config.token_path)


def test_contracts_that_applications_run_on_are_taken_from_the_deployment(
    plan: NodeDirPlan,
) -> None:
    apps = {"message_log_app": b"\xa9" * 20, "rock_paper_scissors_app": b"\xaa" * 20}
    addresses = DEPLOYMENT.addresses | {name: checksum_address(app) for name, app in apps.items()}
    deployment = dataclasses.replace(DEPLOYMENT, addresses=addresses)
    make_node_dir(dataclasses.replace(plan, deployment=deployment), "password", SECRET)
    chain = load(plan.directory, environment={}).chain
    assert (chain.message_log_app, chain.judged_apps) == (b"\xa9" * 20, (b"\xaa" * 20,))


def test_only_the_owner_can_read_key_and_token_and_enter_the_data(plan: NodeDirPlan) -> None:
    make_node_dir(plan, "password")
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in plan.directory.iterdir()}
    assert modes["keystore.json"] == modes["rpc.token"] == 0o600
    assert modes["data"] == 0o700


def test_a_strong_key_is_the_default() -> None:
    (field,) = [f for f in dataclasses.fields(NodeDirPlan) if f.name == "scrypt_n"]
    assert field.default == 262_144


@pytest.mark.parametrize("name", ["keystore.json", "rpc.token", "config.toml", "data"])
def test_nothing_is_written_over(plan: NodeDirPlan, name: str) -> None:
    plan.directory.mkdir()
    (plan.directory / name).write_text("mine")
    with pytest.raises(CommandFailed, match="nothing is overwritten"):
        make_node_dir(plan, "password")
    assert {p.name: p.read_text() for p in plan.directory.iterdir()} == {name: "mine"}


def test_what_was_begun_and_failed_is_taken_away_again(plan: NodeDirPlan) -> None:
    broken = dataclasses.replace(DEPLOYMENT, rpc_url="ftp://nowhere")
    with pytest.raises(ConfigError):
        make_node_dir(dataclasses.replace(plan, deployment=broken), "password")
    assert not plan.directory.exists()
    plan.directory.mkdir()
    with pytest.raises(KeystoreError):
        make_node_dir(plan, "password", bytes(32))
    assert list(plan.directory.iterdir()) == []


def test_a_place_that_cannot_be_a_directory_is_refused(plan: NodeDirPlan) -> None:
    plan.directory.write_text("a file")
    with pytest.raises(CommandFailed, match="not a directory"):
        make_node_dir(plan, "password")
    with pytest.raises(CommandFailed, match="cannot be made"):
        make_node_dir(dataclasses.replace(plan, directory=plan.directory / "x"), "password")


def test_without_a_deployment_the_chain_is_left_to_fill_in(plan: NodeDirPlan) -> None:
    make_node_dir(dataclasses.replace(plan, deployment=None), "password")
    text = (plan.directory / "config.toml").read_text()
    assert "# adjudicator" in text
    with pytest.raises(ConfigError, match=r"chain\.urls"):
        load(plan.directory, environment={})


def test_strange_names_survive_the_file(plan: NodeDirPlan) -> None:
    strange = dataclasses.replace(plan, peers={PEER: ('h"\\é', 1)}, fault_points=True)
    document = tomllib.loads(config_text(strange))
    assert document["p2p"]["peers"] == {checksum_address(PEER): 'h"\\é:1'}
    assert document["test"] == {"fault_points": True}


def test_a_chain_with_a_test_token_makes_it_acceptable(plan: NodeDirPlan) -> None:
    assert tomllib.loads(config_text(plan))["policy"]["assets"] == []
    token = checksum_address(b"\x70" * 20)
    deployment = dataclasses.replace(
        DEPLOYMENT, addresses={**DEPLOYMENT.addresses, TEST_TOKEN: token}
    )
    make_node_dir(dataclasses.replace(plan, deployment=deployment), "password")
    assert load(plan.directory, environment={}).policy.assets == (b"\x70" * 20,)


def test_a_hub_takes_the_same_fee_for_the_coin_and_for_each_token(plan: NodeDirPlan) -> None:
    token = b"\x70" * 20
    addresses = {**DEPLOYMENT.addresses, TEST_TOKEN: checksum_address(token)}
    deployment = dataclasses.replace(DEPLOYMENT, addresses=addresses)
    make_node_dir(dataclasses.replace(plan, deployment=deployment, hub_fee=7), "password", SECRET)
    hub = load(plan.directory, environment={}).hub
    assert (hub.enabled, hub.fee_base) == (True, 7)
    assert hub.tokens[token].fee_base == 7


def test_a_node_is_no_hub_unless_it_is_said(plan: NodeDirPlan) -> None:
    make_node_dir(plan, "password", SECRET)
    assert load(plan.directory, environment={}).hub.enabled is False
