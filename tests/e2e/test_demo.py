"""`tally demo` as a newcomer runs it: a process, its document, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from node.processes import Child, our_environment, our_python
from node.store.log import EventLog
from protocols.events import ChannelCreated

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parent.parent.parent
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "demo-schema.json").read_text())
PAYMENT_COUNT = 50
NAMES = ("alice", "hub", "bob")
HUB_FEE_WEI = 10**12
DURATION_S_MAX = 240


def environment(scratch: Path) -> dict[str, str]:
    return our_environment(TMPDIR=str(scratch))


def run_demo(scratch: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        our_python("node", "demo", *arguments),
        capture_output=True,
        text=True,
        env=environment(scratch),
        timeout=DURATION_S_MAX,
        check=False,
    )


def processes_of(scratch: Path) -> list[str]:
    """Command lines of what still runs with our scratch directory in its environment."""
    mark = f"TMPDIR={scratch}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            ours = mark in (entry / "environ").read_bytes().split(b"\0")
            running = "\nState:\tZ" not in (entry / "status").read_text()
        except OSError:
            continue
        if ours and running:
            found.append((entry / "cmdline").read_text())
    return found


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """One run with --json, and the directories it kept."""
    scratch = tmp_path_factory.mktemp("demo")
    size = ["--payments", str(PAYMENT_COUNT), "--channels", "3"]
    done = run_demo(scratch, *size, "--json", "--keep", str(scratch / "k"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert processes_of(scratch) == []
    assert [path.name for path in scratch.iterdir()] == ["k"]
    return json.loads(done.stdout), scratch / "k"


def test_the_document_fits_its_schema(kept: tuple[dict[str, Any], Path]) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(kept[0], SCHEMA, jsonschema.Draft202012Validator)


def test_the_schema_refuses_a_document_with_an_amount_that_is_a_number(
    kept: tuple[dict[str, Any], Path],
) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**kept[0], "paid_wei": 5}, SCHEMA)


def test_every_figure_is_right_when_computed_anew(kept: tuple[dict[str, Any], Path]) -> None:
    document, _ = kept
    directly = sum(10**9 + index for index in range(PAYMENT_COUNT + 200))
    in_each = sum(10**9 + index for index in range(PAYMENT_COUNT))
    assert document["payments"] == PAYMENT_COUNT
    assert document["latency_payments"] == 200
    assert document["paid_wei"] == str(directly)
    for run in (document, document["virtual"]):
        rate = run["payments"] / run["seconds"]
        assert run["payments_per_second"] == pytest.approx(rate, rel=0.01)
    assert document["latency_ms"]["p50"] <= document["latency_ms"]["p99"]
    virtual = document["virtual"]
    assert (virtual["hops"], virtual["channels"]) == (1, 3)
    assert virtual["payments"] == 3 * PAYMENT_COUNT
    assert virtual["paid_wei"] == str(3 * in_each)
    assert virtual["fees_wei"] == str(3 * HUB_FEE_WEI)
    paid = directly + 3 * in_each
    gains = [-paid - 3 * HUB_FEE_WEI, 3 * HUB_FEE_WEI, paid]
    for name, gain in zip(NAMES, gains, strict=True):
        account = {key: int(value) for key, value in document["outcome"][name].items()}
        assert account["before_wei"] == 1_000 * 10**18
        assert account["after_wei"] == account["before_wei"] + gain - account["gas_wei"]
        assert account["expected_wei"] == account["after_wei"]
    assert (document["findings"], document["problems"], document["ok"]) == (0, [], True)


def test_only_the_channel_and_the_ledgers_took_transactions(
    kept: tuple[dict[str, Any], Path],
) -> None:
    transactions = kept[0]["chain_transactions"]
    kinds = [transaction["kind"] for transaction in transactions]
    assert kinds[:2] == ["deposit", "concludeAndTransferAllAssets"]
    # Two ledgers: a deposit and a conclusion each; a follower may conclude as well.
    assert kinds[2:4] == ["deposit"] * 2
    assert set(kinds[4:]) == {"concludeAndTransferAllAssets"}
    assert len(kinds[4:]) >= 2
    assert kept[0]["virtual"]["chain_transactions"] == 0


def test_the_kept_logs_can_be_audited_again(kept: tuple[dict[str, Any], Path]) -> None:
    document, directory = kept
    for name, audit in zip(NAMES, document["audits"], strict=True):
        done = subprocess.run(
            our_python("node", "audit", str(directory / name), "--json"),
            capture_output=True,
            text=True,
            env=our_environment(),
            check=False,
        )
        assert done.returncode == 0, done.stdout
        report = json.loads(done.stdout)
        assert report["records"] == audit["records"]
        if not name.startswith("hub"):
            # Each payment is a record of its own at both ends, besides receipts and states.
            assert audit["records"] > 4 * PAYMENT_COUNT + 200


def test_with_a_token_the_ether_pays_for_gas_alone(tmp_path: Path) -> None:
    arguments = ["--payments", "5", "--channels", "1", "--hops", "1", "--token", "--json"]
    done = run_demo(tmp_path, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA, jsonschema.Draft202012Validator)
    for account in document["outcome"].values():
        spent = int(account["before_wei"]) - int(account["after_wei"])
        assert spent == int(account["gas_wei"])
    hub = document["outcome"]["hub"]["token"]
    assert int(hub["after"]) - int(hub["before"]) == HUB_FEE_WEI
    kinds = [transaction["kind"] for transaction in document["chain_transactions"]]
    assert kinds.count("approve") == kinds.count("deposit") == 3


def test_the_kept_secrets_are_nowhere_but_in_their_files(
    kept: tuple[dict[str, Any], Path],
) -> None:
    password = (kept[1] / "password").read_bytes().strip()
    holders = [p for p in kept[1].rglob("*") if p.is_file() and password in p.read_bytes()]
    assert [p.name for p in holders] == ["password"]


def test_a_person_sees_the_same_in_words_and_nothing_is_left(tmp_path: Path) -> None:
    done = run_demo(tmp_path, "--payments", "5", "--nodes-logs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every figure is exactly right." in done.stdout
    assert "Offline audit" in done.stdout
    assert "--- log of alice ---" in done.stderr
    assert '"event": "stopped"' in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path, number: int) -> None:
    command = our_python("node", "demo", "--payments", "100000")
    stderr_path = tmp_path.with_name(tmp_path.name + ".stderr")
    child = Child(command, stderr_path=stderr_path, environment=environment(tmp_path))
    try:
        give_up_at = time.monotonic() + DURATION_S_MAX
        while not list(tmp_path.glob("*/alice/rpc.json")) and time.monotonic() < give_up_at:
            time.sleep(0.02)
        while len(processes_of(tmp_path)) < 4 and time.monotonic() < give_up_at:
            time.sleep(0.02)
        assert len(processes_of(tmp_path)) >= 4
        os.kill(child.process_id, number)
        assert child.wait(30) != 0
    finally:
        child.stop()
    give_up_at = time.monotonic() + 60
    while processes_of(tmp_path) and time.monotonic() < give_up_at:
        time.sleep(0.05)
    assert processes_of(tmp_path) == []
    if number != signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []


def has_channel(rpc_file: Path) -> bool:
    log = EventLog.open(rpc_file.parent / "data", read_only=True)
    try:
        return any(isinstance(event, ChannelCreated) for _, event in log.read_events())
    finally:
        log.close()


def test_a_daemon_that_dies_fails_the_demo_with_its_last_words(tmp_path: Path) -> None:
    command = our_python("node", "demo", "--payments", "100000", "--json")
    stderr_path = tmp_path.with_name(tmp_path.name + ".stderr")
    child = Child(command, stderr_path=stderr_path, environment=environment(tmp_path))
    try:
        give_up_at = time.monotonic() + DURATION_S_MAX
        # Once she has a channel all nodes were ready: before that she would be one that did not
        # start.
        while not (alice := [*filter(has_channel, tmp_path.glob("*/alice/rpc.json"))]):
            assert time.monotonic() < give_up_at
            time.sleep(0.02)
        os.kill(json.loads(alice[0].read_text())["pid"], signal.SIGKILL)
        document = json.loads(child.stdout.read())
        assert child.wait(DURATION_S_MAX) == 1
    finally:
        child.stop()
    assert document["error"]["name"] in {"NODE_UNREACHABLE", "NODE_NOT_RUNNING"}
    assert "--- log of alice ---" in child.stderr_tail(100)
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
