"""`tally devnet` as a person runs it: a chain, a file, and a clean end."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from node.deployment import chain_call, read_deployment
from node.processes import Child, our_environment, our_python

pytestmark = pytest.mark.e2e

ENDING_S = 60.0
"""How long an end may take on a busy machine: a devnet waits half of it for its chain."""


def start(tmp_path: Path) -> Child:
    command = our_python("node", "devnet", "--out", str(tmp_path / "deployment.json"))
    environment = our_environment(TMPDIR=str(tmp_path))
    return Child(command, stderr_path=tmp_path / "stderr", environment=environment)


def document_of(child: Child) -> dict[str, object]:
    text = ""
    for line in child.stdout:
        text += line
        if line == "}\n":
            break
    document: dict[str, object] = json.loads(text)
    return document


def anvil_of(process_id: int) -> int:
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    assert len(children) == 1
    return int(children[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_and_writes_its_deployment_and_ends_with_its_chain(
    tmp_path: Path, number: int
) -> None:
    child = start(tmp_path)
    try:
        printed = document_of(child)
        deployment = read_deployment(tmp_path / "deployment.json")
        assert printed == deployment.document()
        assert deployment.confirmation_count == 0
        assert set(deployment.addresses) == {
            "adjudicator",
            "virtual_payment_app",
            "consensus_app",
            "test_token",
            "message_log_app",
            "rock_paper_scissors_app",
        }
        assert int(chain_call(deployment.rpc_url, "eth_chainId"), 16) == deployment.chain_id
        anvil = anvil_of(child.process_id)
        os.kill(child.process_id, number)
        assert child.wait(ENDING_S) == 0
    finally:
        child.stop()
    assert not Path(f"/proc/{anvil}").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deployment.json", "stderr"]


def test_a_chain_that_dies_is_reported(tmp_path: Path) -> None:
    child = start(tmp_path)
    try:
        document_of(child)
        os.kill(anvil_of(child.process_id), signal.SIGKILL)
        assert child.wait(ENDING_S) == 1
    finally:
        child.stop()
    assert "anvil ended by itself" in child.stderr_tail()


def test_a_killed_devnet_takes_its_chain_with_it(tmp_path: Path) -> None:
    child = start(tmp_path)
    document_of(child)
    anvil = Path(f"/proc/{anvil_of(child.process_id)}/cmdline")
    child.kill()
    give_up_at = time.monotonic() + ENDING_S
    while anvil.exists() and anvil.read_bytes() and time.monotonic() < give_up_at:
        time.sleep(0.02)
    assert not anvil.exists() or not anvil.read_bytes()


def test_a_deployment_file_that_cannot_be_written_is_refused(tally, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        result = tally("devnet", "--out", tmp_path / "none" / "deployment.json")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
