"""`tally run`: what keeps a node from starting, and how it stops."""

import json
import subprocess
from pathlib import Path

import pytest

from node.cli.local_node import LocalNode
from node.cli.node_dir import NodeDirPlan, make_node_dir
from node.deployment import Deployment
from node.keys import SCRYPT_N_WEAK
from node.processes import free_port, our_environment, our_python
from tests.node.cli.test_node_dir import DEPLOYMENT
from tests.support.daemons import Network

PASSWORD = "correct horse"


def make_home(home: Path, deployment: Deployment) -> Path:
    plan = NodeDirPlan(
        directory=home,
        name="node",
        p2p_listen=("127.0.0.1", free_port()),
        rpc_listen=("127.0.0.1", 0),
        deployment=deployment,
        scrypt_n=SCRYPT_N_WEAK,
    )
    make_node_dir(plan, PASSWORD)
    return home


def run(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        our_python("node", "run", "-c", str(home), *arguments),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=our_environment(**{"TALLY_PASSWORD": PASSWORD, **environment}),
        timeout=60,
        check=False,
    )


def test_a_missing_configuration_says_how_to_make_one(tally, tmp_path: Path) -> None:
    result = tally("run", "-c", tmp_path, TALLY_PASSWORD=PASSWORD)
    assert result.exit_code == 1
    assert "tally init" in result.stderr


@pytest.mark.slow
def test_a_wrong_password_is_said_and_not_shown(tally, tmp_path: Path) -> None:
    home = make_home(tmp_path / "n", DEPLOYMENT)
    result = tally("run", "-c", home, TALLY_PASSWORD="wrong-one")
    assert result.exit_code == 1
    assert "the password does not open" in result.stderr
    assert "wrong-one" not in result.output


def test_a_missing_key_is_said_before_a_password_is_asked_for(tally, tmp_path: Path) -> None:
    home = make_home(tmp_path / "n", DEPLOYMENT)
    (home / "keystore.json").unlink()
    result = tally("run", "-c", home)
    assert result.exit_code == 1
    assert "keystore" in result.stderr


def test_settings_of_the_command_line_are_checked_too(tally, tmp_path: Path) -> None:
    home = make_home(tmp_path / "n", DEPLOYMENT)
    result = tally("run", "-c", home, "--set", "chain.chain_id=mainnet")
    assert result.exit_code == 1
    assert "chain.chain_id = 'mainnet' (flag)" in result.stderr


@pytest.mark.slow
def test_a_policy_that_could_not_answer_a_challenge_is_refused(tmp_path: Path) -> None:
    home = make_home(tmp_path / "n", DEPLOYMENT)
    done = run(home, "--set", "policy.challenge_duration_s_min=1")
    assert done.returncode == 1
    assert "error: policy.challenge_duration_s_min" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.e2e
def test_a_log_that_is_in_use_is_left_alone(network: Network) -> None:
    done = run(
        network.alice.directory,
        TALLY_PASSWORD=(network.alice.directory.parent / "password").read_text().strip(),
        TALLY_P2P_LISTEN="127.0.0.1:0",
    )
    assert done.returncode == 1
    assert "is open in another process" in done.stderr
    assert network.alice.call("node_status")["name"] == "alice"


@pytest.mark.e2e
def test_a_node_says_where_it_listens_and_stops_cleanly(network: Network, tmp_path: Path) -> None:
    home = make_home(tmp_path / "carol", network.chain.deployment)
    password_file = tmp_path / "password"
    password_file.write_text(PASSWORD)
    carol = LocalNode(home, password_file)
    carol.start()
    try:
        listening = json.loads((home / "rpc.json").read_text())
        assert carol.call("node_status")["address"] == carol.address
        assert carol.endpoint.port == int(listening["rpc"].rpartition(":")[2])
        assert listening["pid"] == carol.child.process_id
        environment = Path(f"/proc/{carol.child.process_id}/environ").read_bytes()
        assert PASSWORD.encode() not in environment
    finally:
        assert carol.stop() == 0
    assert not (home / "rpc.json").exists()
    assert PASSWORD not in carol.stderr_tail(1000)
    first, last = (json.loads(carol.stderr_tail(1000).splitlines()[i]) for i in (0, -1))
    assert {"event", "level", "timestamp"} <= first.keys()
    assert last["event"] == "stopped"
