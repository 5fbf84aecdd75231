"""What a start demands, what it records first, and where it reads on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node.daemon import Daemon
from node.limits import challenge_duration_s_min
from node.start import StartRefused, chain_cursor
from node.store import backup
from node.store.log import EventLog
from node.terms import terms_from
from protocols import events, inputs
from protocols.app_definitions import JUDGED, MESSAGE_LOG
from protocols.app_events import AppDefinitionRecorded
from protocols.crank import crank
from protocols.errors import ChallengeDurationTooLong
from protocols.messages import encode_body
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
from tests.support.daemon_rig import begin_and_leave, config_in, fed, recorded


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


async def test_what_applications_run_on_is_recorded_when_it_is_configured(tmp_path: Path) -> None:
    begin_and_leave(config_in(tmp_path))
    app, game = b"\xa9" * 20, b"\xaa" * 20
    later = config_in(tmp_path, message_log_app=app, judged_apps=(game,))
    begin_and_leave(later)
    begin_and_leave(later)
    assert recorded(later)[1:] == [
        AppDefinitionRecorded(app, MESSAGE_LOG),
        AppDefinitionRecorded(game, JUDGED),
    ]
    with pytest.raises(StartRefused, match="as a message-log app, the configuration as a judged"):
        begin_and_leave(config_in(tmp_path, judged_apps=(app,)))


async def test_a_new_log_begins_with_what_applications_run_on(tmp_path: Path) -> None:
    config = config_in(tmp_path, message_log_app=b"\xa9" * 20)
    begin_and_leave(config)
    assert recorded(config)[1:] == [AppDefinitionRecorded(b"\xa9" * 20, MESSAGE_LOG)]


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


async def test_bounds_between_which_no_challenge_duration_lies_are_refused(tmp_path: Path) -> None:
    crossed = config_in(tmp_path, challenge_duration_s_min=7_200, challenge_duration_s_max=7_199)
    with pytest.raises(StartRefused, match="Set it to 7200 or more") as refused:
        Daemon(crossed, ALICE.secret)
    assert "policy.challenge_duration_s_max = 7199" in str(refused.value)
    assert "policy.challenge_duration_s_min = 7200" in str(refused.value)
    assert not crossed.node.data_dir.exists()
    begin_and_leave(
        config_in(tmp_path, challenge_duration_s_min=7_200, challenge_duration_s_max=7_200)
    )


async def test_a_channel_from_before_a_lower_maximum_goes_on(tmp_path: Path) -> None:
    await fed(config_in(tmp_path), open_command())
    lower = config_in(tmp_path, challenge_duration_s_max=3_600)
    countersigned = signed(state(0), BOB)
    size_bytes = len(encode_body(countersigned))
    await fed(lower, inputs.PeerMessage(BOB.address, 1, countersigned, size_bytes))
    daemon = Daemon(lower, ALICE.secret)
    daemon.log.close()
    prefund = daemon.state.channels[CHANNEL].turn(0)
    assert prefund is not None
    assert prefund.is_signed_by_all()
    with pytest.raises(ChallengeDurationTooLong):
        crank(daemon.state, open_command(nonce_entropy=b"more"), terms_from(lower, ALICE.signer))


def test_a_quorum_above_the_endpoints_there_are_is_refused(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    config = replace(config, chain=replace(config.chain, quorum=2))
    with pytest.raises(StartRefused, match="chain.quorum = 2 is more than the 1 endpoints"):
        Daemon(config, ALICE.secret)


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
    cursor = chain_cursor(daemon.state)
    daemon.log.close()
    (observed,) = daemon.state.channels[CHANNEL].observed
    assert cursor == (0, {0: block_hash(0), observed.block_num: observed.block_hash}, 0)


async def test_blocks_acted_on_before_any_counts_are_remembered_too(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    await fed(config, open_command(), deposited(confirmed=False))
    daemon = Daemon(config, ALICE.secret)
    cursor = chain_cursor(daemon.state)
    daemon.log.close()
    assert cursor == (None, {1: block_hash(1)}, 0)


async def test_a_new_node_has_no_place_in_the_chain_yet(tmp_path: Path) -> None:
    daemon = Daemon(config_in(tmp_path), ALICE.secret)
    cursor = chain_cursor(daemon.state)
    daemon.log.close()
    assert cursor == (None, {}, 0)


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
