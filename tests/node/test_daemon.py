"""The daemon: what it refuses to start with, how it starts, and how it stops."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from node import daemon as daemon_module
from node.config import Config
from node.daemon import Daemon, StartRefused, run_daemon
from node.faults import FAULT_VARIABLE
from node.limits import challenge_duration_s_min
from node.p2p.errors import PeerExpelled
from node.rpc.client import RpcClient
from node.rpc.token import TokenUnusable
from node.store import backup
from node.store.errors import BackupUnusable, LogInUse
from node.store.log import EventLog
from protocols import events, inputs
from protocols.messages import encode_body
from protocols.types import checksum_address
from tests.support.actors import ALICE, BOB
from tests.support.builders import (
    ADJUDICATOR,
    CHAIN_ID,
    CHANNEL,
    CONSENSUS_APP,
    PAYMENT_APP,
    block_hash,
    deposited,
    open_command,
    signed,
    state,
)
from tests.support.daemon_rig import config_in, running


def recorded(config: Config) -> list[events.Event]:
    """Everything in a stopped daemon's log."""
    log = EventLog.open(config.node.data_dir, read_only=True)
    try:
        return [event for _, event in log.read_events()]
    finally:
        log.close()


def begin_and_leave(config: Config) -> None:
    Daemon(config, ALICE.secret).log.close()


async def test_record_0_of_a_new_log_says_what_it_is_about(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    begin_and_leave(config)
    assert recorded(config) == [
        events.NodeCreated(1, CHAIN_ID, ADJUDICATOR, PAYMENT_APP, CONSENSUS_APP, ALICE.address)
    ]
    begin_and_leave(config)
    assert len(recorded(config)) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("chain_id 31337", {"chain_id": 1}),
        ("adjudicator 0xadad", {"adjudicator": b"\x11" * 20}),
        ("virtual_payment_app 0xabab", {"virtual_payment_app": b"\x11" * 20}),
        ("consensus_app 0xacac", {"consensus_app": b"\x11" * 20}),
    ],
    ids=["chain", "adjudicator", "payment app", "consensus app"],
)
async def test_a_log_of_another_deployment_is_refused_by_name(
    what: str, change: dict[str, Any], tmp_path: Path
) -> None:
    config = config_in(tmp_path)
    begin_and_leave(config)
    with pytest.raises(StartRefused, match=f"is about {what}"):
        Daemon(config_in(tmp_path, **change), ALICE.secret)
    begin_and_leave(config)
    assert len(recorded(config)) == 1


async def test_a_log_of_another_key_is_refused(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    begin_and_leave(config)
    with pytest.raises(StartRefused, match="is about node key 0x"):
        Daemon(config, BOB.secret)
    begin_and_leave(config)


async def test_a_challenge_duration_that_cannot_be_defended_is_refused(tmp_path: Path) -> None:
    minimum = challenge_duration_s_min(12)
    short = config_in(tmp_path, confirmation_count=12, challenge_duration_s_min=minimum - 1)
    with pytest.raises(StartRefused, match=f"Set it to {minimum} or more"):
        Daemon(short, ALICE.secret)
    assert not short.node.data_dir.exists()
    begin_and_leave(config_in(tmp_path, confirmation_count=12, challenge_duration_s_min=minimum))


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


async def fed(config: Config, *items: inputs.Input) -> None:
    """A daemon takes these in, and then the power fails."""
    daemon = Daemon(config, ALICE.secret)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(daemon.engine.run)
        for item in items:
            await daemon.engine(item)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    daemon.log.close()


async def test_after_a_restart_the_follower_is_told_which_blocks_we_acted_on(
    tmp_path: Path,
) -> None:
    config = config_in(tmp_path)
    countersigned = signed(state(0), BOB)
    size_bytes = len(encode_body(countersigned))
    await fed(
        config,
        open_command(),
        inputs.PeerMessage(BOB.address, 1, countersigned, size_bytes),
        inputs.ChainHead(0, block_hash(0)),
        deposited(confirmed=False),
    )
    daemon = Daemon(config, ALICE.secret)
    cursor = daemon._chain_cursor()
    daemon.log.close()
    (observed,) = daemon.state.channels[CHANNEL].observed
    assert cursor == (0, {0: block_hash(0), observed.block_num: observed.block_hash}, 0)


async def test_blocks_acted_on_before_any_counts_are_remembered_too(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    await fed(config, open_command(), deposited(confirmed=False))
    daemon = Daemon(config, ALICE.secret)
    cursor = daemon._chain_cursor()
    daemon.log.close()
    assert cursor == (None, {1: block_hash(1)}, 0)


def test_a_quorum_above_the_endpoints_there_are_is_refused(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    config = replace(config, chain=replace(config.chain, quorum=2))
    with pytest.raises(StartRefused, match="chain.quorum = 2 is more than the 1 endpoints"):
        Daemon(config, ALICE.secret)


async def test_a_new_node_has_no_place_in_the_chain_yet(tmp_path: Path) -> None:
    daemon = Daemon(config_in(tmp_path), ALICE.secret)
    cursor = daemon._chain_cursor()
    daemon.log.close()
    assert cursor == (None, {}, 0)


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


async def test_a_log_that_came_out_of_a_backup_says_so_before_anything_else(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    await fed(config, open_command())
    log = EventLog.open(config.node.data_dir)
    manifest = backup.manifest_of(log, 1_700_000_000_000)
    log.close()
    backup.write_manifest(config.node.data_dir, manifest)
    count = len(recorded(config))
    daemon = Daemon(config, ALICE.secret)
    assert daemon.state.channels[CHANNEL].close_only
    assert daemon.state.node.tail_cut_count == 1
    daemon.log.close()
    begin_and_leave(config)
    (restored,) = recorded(config)[count:]
    assert isinstance(restored, events.NodeRestored)
    assert restored.record_count == manifest.records
    assert "0x" + restored.chain_hash.hex() == manifest.chain_hash
    assert restored.backup_ms == manifest.time_ms


@pytest.mark.slow
async def test_two_restores_of_one_backup_go_on_at_two_final_turns(tmp_path: Path) -> None:
    turns = set()
    for name in ("one", "two"):
        config = config_in(tmp_path / name)
        await fed(config, open_command())
        log = EventLog.open(config.node.data_dir)
        backup.write_manifest(config.node.data_dir, backup.manifest_of(log, 1))
        log.close()
        daemon = Daemon(config, ALICE.secret)
        turns.add(daemon.state.channels[CHANNEL].final_turn_min)
        daemon.log.close()
    assert len(turns) == 2
    assert min(turns) > 18


async def test_an_interrupted_restore_stops_the_start_before_a_new_log_begins(
    tmp_path: Path,
) -> None:
    config = config_in(tmp_path)
    backup.incoming_of(config.node.data_dir).mkdir()
    with pytest.raises(BackupUnusable, match="interrupted"):
        Daemon(config, ALICE.secret)
    assert not config.node.data_dir.exists()
