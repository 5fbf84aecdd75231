"""A start: what it demands of configuration and log, what it records first, where it reads on."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import structlog

from node.config import Config
from node.limits import RESTORED_TURN_OFFSET_MAX, challenge_duration_s_min
from node.store import backup
from node.store.log import EventLog
from node.store.record import FORMAT_VERSION
from protocols import events
from protocols.app_definitions import JUDGED, MESSAGE_LOG, rule_of
from protocols.app_events import AppDefinitionRecorded
from protocols.node_state import NodeState
from protocols.types import Address, to_hex

log = structlog.get_logger()


class StartRefused(Exception):
    """The node cannot start safely; the message says why and what to do."""


def require_safe(config: Config) -> None:
    """Raise StartRefused for a configuration with which money could be lost."""
    minimum = challenge_duration_s_min(config.chain.confirmation_count)
    if config.policy.challenge_duration_s_min < minimum:
        raise StartRefused(
            f"policy.challenge_duration_s_min = {config.policy.challenge_duration_s_min} is "
            f"too short for {config.chain.confirmation_count} confirmations: a challenge could "
            f"not be answered in time. Set it to {minimum} or more"
        )
    if config.policy.challenge_duration_s_max < config.policy.challenge_duration_s_min:
        raise StartRefused(
            f"policy.challenge_duration_s_max = {config.policy.challenge_duration_s_max} is below "
            f"policy.challenge_duration_s_min = {config.policy.challenge_duration_s_min}: no "
            f"channel could be opened. Set it to {config.policy.challenge_duration_s_min} or more"
        )
    if config.chain.quorum > len(config.chain.urls):
        raise StartRefused(
            f"chain.quorum = {config.chain.quorum} is more than the {len(config.chain.urls)} "
            "endpoints of chain.urls. Lower it, or add endpoints"
        )


def begin_log(
    event_log: EventLog,
    state: NodeState,
    config: Config,
    address: Address,
    record: Callable[[events.Event], None],
) -> None:
    """Record 0 of a new log; of an old one what happened to it since, once it is this node's.

    Raises StartRefused for a log of another deployment or another key.
    """
    chain = config.chain
    if event_log.next_seq == 0:
        record(
            events.NodeCreated(
                FORMAT_VERSION,
                chain.chain_id,
                chain.adjudicator,
                chain.virtual_payment_app,
                chain.consensus_app,
                address,
            )
        )
        _record_definitions(state, config, record)
        return
    node = state.node
    pinned = {
        "chain_id": (node.chain_id, chain.chain_id),
        "adjudicator": (to_hex(node.adjudicator), to_hex(chain.adjudicator)),
        "virtual_payment_app": (
            to_hex(node.virtual_payment_app),
            to_hex(chain.virtual_payment_app),
        ),
        "consensus_app": (to_hex(node.consensus_app), to_hex(chain.consensus_app)),
        "node key": (to_hex(node.address), to_hex(address)),
    }
    for what, (logged, configured) in pinned.items():
        if logged != configured:
            raise StartRefused(
                f"the log in {config.node.data_dir} is about {what} {logged}, the "
                f"configuration says {configured}. Use the log's own, or another data_dir"
            )
    _record_restore(config.node.data_dir, record)
    cut = event_log.tail_cut
    if cut is not None:
        log.error("log tail cut", file=cut.file_name, size_bytes=cut.size_bytes)
        record(events.LogTailCut(event_log.next_seq, cut.size_bytes, cut.file_name))
    _record_definitions(state, config, record)


def _record_definitions(
    state: NodeState, config: Config, record: Callable[[events.Event], None]
) -> None:
    """What applications may run on: whatever is configured and not in the log yet.

    Raises StartRefused for a contract that the log knows under another rule.
    """
    chain = config.chain
    configured = [(app, JUDGED) for app in chain.judged_apps]
    if chain.message_log_app is not None:
        configured.insert(0, (chain.message_log_app, MESSAGE_LOG))
    for app, rule in configured:
        known = rule_of(state.node, app)
        if known is None:
            record(AppDefinitionRecorded(app, rule))
        elif known != rule:
            raise StartRefused(
                f"the log in {config.node.data_dir} knows {to_hex(app)} as a {known} app, the "
                f"configuration as a {rule} one. Use the log's own, or another data_dir"
            )


def _record_restore(data_dir: Path, record: Callable[[events.Event], None]) -> None:
    """If the log is a backup that no record tells of yet: M27, before anything leaves."""
    manifest = backup.read_manifest(data_dir)
    if manifest is None:
        return
    log.error("log restored from a backup", records=manifest.records, made_ms=manifest.time_ms)
    chain_hash = bytes.fromhex(manifest.chain_hash[2:])
    offset = secrets.randbelow(RESTORED_TURN_OFFSET_MAX)
    record(events.NodeRestored(manifest.records, chain_hash, manifest.time_ms, offset))
    backup.forget_manifest(data_dir)


def chain_cursor(state: NodeState) -> tuple[int | None, dict[int, bytes], int]:
    """Where to read on, the blocks above it that we acted on, so that a fork there is noticed,
    and the first nonce above those that were used there."""
    node = state.node
    blocks: dict[int, bytes] = {}
    if node.processed_block_hash:
        blocks[node.processed_block_num] = node.processed_block_hash
    unconfirmed = state.unconfirmed
    for channel_id in unconfirmed.channels:
        for log_ in state.channels[channel_id].observed:
            blocks[log_.block_num] = log_.block_hash
    nonce_min = 0
    for intent_id in unconfirmed.mined:
        mined = state.transactions[intent_id]
        blocks[mined.block_num] = mined.block_hash
        nonce_min = max(nonce_min, mined.nonce + 1)
    # Before the first block counts, too, some may have been acted upon.
    is_new = node.processed_block_num < 0
    return None if is_new else node.processed_block_num, blocks, nonce_min
