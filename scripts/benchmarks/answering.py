"""How soon a stale challenge is answered: the real daemon, many channels, a block a second.

The log is made without a peer, with true signatures: a payee of many channels, each with a voucher.
All of them are challenged with the state of before the payment, a few in every block, and the
daemon redeems in each. Times are those of its own records: when it took the challenge in, and when
the answer was on disk and let out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from node.cli.demo_nodes import make_nodes
from node.cli.local_node import LocalNode
from node.deployment import chain_call
from node.devnet import Devnet
from node.keys import unlock
from node.store.log import EventLog
from protocols import events
from protocols.crypto import Signer
from protocols.exit_calls import challenge_call
from protocols.node_state import NodeState, apply_all
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.objectives.supports import CHALLENGE
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.signed_state import SignedState
from protocols.state import FixedPart, State, challenge_message
from protocols.transactions import intent_id
from protocols.types import ZERO_ADDRESS, ChannelId, amount_to_bytes, to_hex
from protocols.voucher import sign_voucher
from scripts.benchmarks.many_channels import write

_DEPOSIT, _DURATION_S = 10**18, 86_400
_GAS = 400_000
_PAYER = Signer(b"\x5a" * 32)
_WAIT_S_MAX = 120.0


@dataclass(frozen=True)
class AnsweringPlan:
    """How many channels are challenged, and how many of them in one block."""

    channels: int = 50
    per_block: int = 5
    block_time_s: int = 1


@dataclass(frozen=True)
class Answered:
    """From the challenge seen to the answer let out, seconds; and to its block, blocks."""

    p50_s: float
    p99_s: float
    p50_blocks: float
    p99_blocks: float


def measure_answers(workspace: Path, plan: AnsweringPlan) -> Answered:
    """What it takes to answer so many at once."""
    with Devnet() as chain:
        (node,) = make_nodes(workspace, chain.deployment, ("bob",))
        try:
            node.start()  # Its first record says whose log it is.
            node.stop()
            channels = _fill(node, (workspace / "password").read_text().strip(), plan.channels)
            node.start()
            chain_call(chain.url, "evm_setIntervalMining", plan.block_time_s)
            sender = chain_call(chain.url, "eth_accounts")[0]
            adjudicator = chain.deployment.addresses["adjudicator"]
            for number, postfund in enumerate(channels.values(), start=1):
                wish = _PAYER(challenge_message(postfund.state.state_hash()))
                data = to_hex(challenge_call(postfund, (), wish))
                order = {"from": sender, "to": adjudicator, "data": data, "gas": hex(_GAS)}
                chain_call(chain.url, "eth_sendTransaction", order)
                if number % plan.per_block == 0:
                    time.sleep(plan.block_time_s)
            return _wait_for_answers(node, list(channels))
        finally:
            node.end()


def _wait_for_answers(node: LocalNode, channels: list[ChannelId]) -> Answered:
    give_up_at = time.monotonic() + _WAIT_S_MAX
    while True:
        seconds, blocks = _answers(node, channels)
        if len(blocks) == len(channels):
            return Answered(
                _percentile(seconds, 50), _percentile(seconds, 99),
                _percentile(blocks, 50), _percentile(blocks, 99),
            )  # fmt: skip
        assert time.monotonic() < give_up_at, f"{len(blocks)} of {len(channels)} are answered"
        time.sleep(1.0)


def _answers(node: LocalNode, channels: list[ChannelId]) -> tuple[list[float], list[float]]:
    """Seconds to each answer that was let out, and blocks to each that was mined."""
    by_intent = {intent_id(CHALLENGE, channel_id, 0): channel_id for channel_id in channels}
    seen: dict[ChannelId, tuple[int, int]] = {}
    seconds: list[float] = []
    blocks: list[float] = []
    log = EventLog.open(node.log_path, read_only=True)
    try:
        for record, event in log.read_events():
            match event:
                case events.ChainLogObserved(log_name="ChallengeRegistered"):
                    seen.setdefault(event.channel_id, (record.time_ms, event.block_num))
                case events.TransactionSubmitted() if event.intent_id in by_intent:
                    began_ms, _ = seen[by_intent[event.intent_id]]
                    seconds.append((record.time_ms - began_ms) / 1_000)
                case events.TransactionMined() if event.intent_id in by_intent:
                    assert event.succeeded, "the answer reverted"
                    blocks.append(event.block_num - seen[by_intent[event.intent_id]][1])
    finally:
        log.close()
    return seconds, blocks


def _percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


# --- the log ---


def _fill(node: LocalNode, password: str, count: int) -> dict[ChannelId, SignedState]:
    """Open channels with a voucher each, recorded; the postfund of each."""
    me = Signer(unlock(node.directory / "keystore.json", password))
    log, state = EventLog.open(node.log_path), NodeState()
    try:
        apply_all(state, ((event, record.time_ms) for record, event in log.read_events()))
        channels: dict[ChannelId, SignedState] = {}
        for number in range(count):
            participants = (_PAYER.address, me.address)
            fixed = FixedPart(participants, number, state.node.virtual_payment_app, _DURATION_S)
            write(log, state, _history(fixed, me, channels))
    finally:
        log.close()
    return channels


def _history(
    fixed: FixedPart, me: Signer, channels: dict[ChannelId, SignedState]
) -> Iterator[events.Event]:
    channel_id = fixed.channel_id()
    kind = ObjectiveType.DIRECT_FUND
    identity = objective_id(kind, channel_id)
    yield events.ChannelCreated(
        channel_id, fixed.participants, fixed.channel_nonce, fixed.app_definition, _DURATION_S
    )
    yield events.ObjectiveCreated(identity, kind, channel_id, fixed.participants)
    yield events.ObjectiveApproved(identity, me.address)
    shares = tuple(
        Allocation(destination_of(who), amount)
        for who, amount in zip(fixed.participants, (_DEPOSIT, 0), strict=True)
    )
    held = amount_to_bytes(_DEPOSIT)
    yield events.DepositDetected(channel_id, 1, 0, ZERO_ADDRESS, held, held)
    for turn_num in (0, 1):
        state = State(fixed, b"", (SingleAssetExit(ZERO_ADDRESS, shares),), turn_num, False)
        name = state.state_hash()
        theirs, ours = _PAYER(name), me(name)
        yield events.StateStored(channel_id, name, state.encode())
        yield events.StateReceived(channel_id, turn_num, name, _PAYER.address, theirs, False)
        yield events.StateSigned(channel_id, turn_num, name, me.address, ours, False)
        before = turn_num - 1 if turn_num else None
        yield events.StateSupportedUpdated(channel_id, turn_num, name, 2, before)
        channels[channel_id] = SignedState(state, (theirs, ours))
    yield events.ObjectiveCompleted(identity, True)
    paid, payment_id = amount_to_bytes(5), channel_id
    signature = sign_voucher(channel_id, 5, _PAYER)
    yield events.VoucherReceived(channel_id, payment_id, paid, paid, signature)
    yield events.ReceiptIssued(channel_id, paid, 1, payment_id, me(payment_id))
