"""The daemon: what it refuses to start with, how it starts, and how it stops."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import trio

from node import daemon as daemon_module
from node.daemon import Daemon, run_daemon
from node.faults import FAULT_VARIABLE
from node.p2p.errors import PeerExpelled
from node.rpc.client import RpcClient
from node.rpc.token import TokenUnusable
from node.start import StartRefused
from node.store import backup
from node.store.errors import BackupUnusable, LogInUse
from protocols import events, inputs
from protocols.types import checksum_address
from tests.support.actors import ALICE, BOB
from tests.support.builders import (
    CHANNEL,
    open_command,
)
from tests.support.daemon_rig import begin_and_leave, config_in, fed, recorded, running


async def test_fault_points_need_both_switches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FAULT_VARIABLE, "before-write:1")
    with pytest.raises(StartRefused, match="fault_points is not true"):
        Daemon(config_in(tmp_path), ALICE.secret)
    monkeypatch.setenv(FAULT_VARIABLE, "before-write:100")
    begin_and_leave(config_in(tmp_path, fault_points=True))


async def test_a_log_in_use_and_an_open_token_are_refused(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    daemon = Daemon(config, ALICE.secret)
    with pytest.raises(LogInUse):
        Daemon(config, ALICE.secret)
    daemon.log.close()
    config.token_path.chmod(0o644)
    with pytest.raises(TokenUnusable, match="others may read it"):
        Daemon(config, ALICE.secret)


async def test_what_was_not_settled_waits_in_the_outbox_after_a_restart(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    await fed(config, open_command())
    daemon = Daemon(config, ALICE.secret)
    assert daemon.outbox.message_count == 1
    daemon.log.close()


async def test_a_daemon_without_a_chain_announces_itself_serves_and_stops_cleanly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_in(tmp_path)
    async with (
        running(config) as alice,
        await RpcClient.connect(alice.endpoint) as client,
    ):
        status = await client.call("node_status")
        assert status["chain"]["connected"] is False
        assert status["chain"]["view_age_s"] is None
        assert alice.said["address"] == checksum_address(ALICE.address)
        assert config.rpc_file.stat().st_mode & 0o777 == 0o600
        printed = [line for line in capsys.readouterr().out.splitlines() if line[:1] == "{"]
        assert [json.loads(line) for line in printed] == [alice.said]
    assert not config.rpc_file.exists()
    last = recorded(config)[-1]
    assert isinstance(last, events.StateDigestRecorded)
    assert last.clean_stop


async def test_a_flood_in_the_first_batch_of_a_session_is_answered_by_expulsion(
    tmp_path: Path,
) -> None:
    flood = [inputs.PeerMessage(BOB.address, number, None, 9, "junk") for number in range(1, 61)]
    daemon = Daemon(config_in(tmp_path), ALICE.secret)
    daemon._peer_connected(BOB.address, 0)
    async with trio.open_nursery() as nursery:
        for item in flood:
            assert daemon.engine.nowait(item)
        nursery.start_soon(daemon.engine.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    with pytest.raises(PeerExpelled):
        daemon.peers._require_welcome(BOB.address)
    daemon.log.close()


async def test_two_daemons_agree_on_a_channel_and_wait_for_the_chain(tmp_path: Path) -> None:
    bobs = config_in(tmp_path / "bob")
    async with running(bobs, BOB) as bob:
        peers = {BOB.address: bob.p2p}
        config = config_in(tmp_path / "alice", peers=peers)
        async with running(config, ALICE) as alice:
            command = open_command()
            answer = trio.Event()
            assert alice.daemon.api.command_then(command, "durable", lambda _: answer.set())
            alice.daemon.api.wake()
            with trio.fail_after(30):
                await answer.wait()
                while not funding_began(alice.daemon, bob.daemon):
                    await trio.sleep(0.01)
            assert alice.daemon.state.channels[CHANNEL].supported_turn == 0
    for each in (config, bobs):
        last = recorded(each)[-1]
        assert isinstance(last, events.StateDigestRecorded)
        assert last.clean_stop
    assert sum(isinstance(e, events.PeerAcknowledged) for e in recorded(config)) >= 1


def funding_began(*daemons: Daemon) -> bool:
    """Both signed the prefund, and the payer ordered her deposit."""
    found = [daemon.state.channels.get(CHANNEL) for daemon in daemons]
    both = all(channel is not None and channel.supported_turn == 0 for channel in found)
    return both and daemons[0].outbox.transaction_count == 1


async def test_a_failing_room_ends_the_daemon_without_a_clean_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_in(tmp_path)
    daemon = Daemon(config, ALICE.secret)

    def fail(batch: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(daemon.log, "commit", fail)

    async def run_and_open() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(daemon.run)
            await daemon.engine(open_command())

    with trio.fail_after(30), pytest.raises(BaseExceptionGroup) as raised:
        await run_and_open()
    assert raised.group_contains(OSError, match="No space left")
    assert not config.rpc_file.exists()
    assert len(recorded(config)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("section", ["p2p", "rpc"])
async def test_a_port_that_is_taken_is_named(
    section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon_module, "configure_logs", lambda: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = taken.getsockname()
        listen: Any = {f"{section}_listen": address}
        config = config_in(tmp_path, **listen)
        with (
            trio.fail_after(30),
            pytest.raises(StartRefused, match=f"{section}.listen = 127.0.0.1:{address[1]}"),
        ):
            await run_daemon(config, ALICE.secret)
    # It let go of its log.
    begin_and_leave(config)


@pytest.mark.slow
async def test_run_daemon_raises_the_refusal_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon_module, "configure_logs", lambda: None)
    with pytest.raises(StartRefused):
        await run_daemon(config_in(tmp_path, challenge_duration_s_min=1), ALICE.secret)


async def test_an_interrupted_restore_stops_the_start_before_a_new_log_begins(
    tmp_path: Path,
) -> None:
    config = config_in(tmp_path)
    backup.incoming_of(config.node.data_dir).mkdir()
    with pytest.raises(BackupUnusable, match="interrupted"):
        Daemon(config, ALICE.secret)
    assert not config.node.data_dir.exists()
