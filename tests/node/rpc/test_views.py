"""Views: a channel, an objective and a record as a caller reads them."""

from __future__ import annotations

import msgspec
import pytest

from node.rpc.views import channel_view, objective_view, record_view
from protocols import events
from protocols.inputs import OpenChannel, SendPayment
from protocols.transactions import intent_id
from protocols.types import ZERO_ADDRESS, checksum_address, to_hex
from tests.support.actors import ALICE, BOB
from tests.support.rpc_node import DEPOSIT, RecordingNode, open_payment_channel


def test_an_open_channel_shows_its_money() -> None:
    node = RecordingNode()
    channel_id = open_payment_channel(node)
    node.take(SendPayment(channel_id, 30, b"\x01" * 32))
    node.take(SendPayment(channel_id, 12, b"\x02" * 32))
    shown = msgspec.to_builtins(channel_view(node, node.state.channels[channel_id]))
    nonce = node.state.channels[channel_id].fixed.channel_nonce
    (objective_id,) = node.state.objectives
    assert shown == {
        "channel_id": to_hex(channel_id),
        "status": "open",
        "role": "payer",
        "counterparty": checksum_address(BOB.address),
        "participants": [checksum_address(ALICE.address), checksum_address(BOB.address)],
        "asset": checksum_address(ZERO_ADDRESS),
        "deposit": str(DEPOSIT),
        "paid": "42",
        "receipted": "0",
        "remaining": str(DEPOSIT - 42),
        "payment_count": 2,
        "challenge_duration_s": 86_400,
        "turn_num": 1,
        "holdings": {"observed": str(DEPOSIT), "confirmed": str(DEPOSIT)},
        "app_definition": checksum_address(b"\xa9" * 20),
        "channel_nonce": str(nonce),
        "close_only": False,
        "objective_ids": [to_hex(objective_id)],
        "at": {"seq": node.seq},
    }
    assert nonce > 2**53, "a JSON number would lose digits of it"


def test_a_channel_nobody_answered_is_proposed_and_holds_nothing() -> None:
    node = RecordingNode()
    node.take(OpenChannel(BOB.address, ZERO_ADDRESS, 5, 0, 86_400, b"\x00\x00\x00\x01"))
    (channel,) = (node.state.channels[key] for key in node.state.channels)
    shown = channel_view(node, channel)
    assert (shown.status, shown.turn_num) == ("proposed", -1)
    assert (shown.holdings.observed, shown.holdings.confirmed) == ("0", "0")


def test_an_objective_shows_what_it_waits_for() -> None:
    node = RecordingNode()
    command = OpenChannel(BOB.address, ZERO_ADDRESS, 5, 0, 86_400, b"\x00\x00\x00\x01", "r")
    node.take(command)
    (objective,) = (node.state.objectives[key] for key in node.state.objectives)
    shown = objective_view(node, objective)
    assert (shown.objective_type, shown.status) == ("DirectFund", "approved")
    assert shown.waiting_for == "complete-prefund"
    assert shown.request_id == "r"
    assert shown.initiator == checksum_address(ALICE.address)
    assert shown.at.seq == node.seq


def test_a_completed_objective_waits_for_nothing() -> None:
    node = RecordingNode()
    open_payment_channel(node)
    (objective,) = (node.state.objectives[key] for key in node.state.objectives)
    shown = objective_view(node, objective)
    assert (shown.status, shown.waiting_for, shown.success) == ("completed", "nothing", True)


def test_an_objective_without_an_initiator_shows_none() -> None:
    node = RecordingNode()
    created = events.ObjectiveCreated(b"\x01" * 32, "DirectFund", b"\x02" * 32, (BOB.address,))
    node.record_event(created)
    rejected = events.ObjectiveRejected(b"\x01" * 32, "no", "POLICY_DENIED")
    objective = node.state.objectives[b"\x01" * 32]
    assert objective_view(node, objective).initiator is None
    assert rejected.reason not in objective_view(node, objective).reason


@pytest.mark.parametrize("kind", ["approve", "deposit"])
def test_an_objective_shows_why_its_last_transaction_failed(kind: str) -> None:
    node = RecordingNode()
    node.take(OpenChannel(BOB.address, ZERO_ADDRESS, 5, 0, 86_400, b"\x00\x00\x00\x01"))
    (objective,) = (node.state.objectives[key] for key in node.state.objectives)
    assert objective_view(node, objective).reason == ""
    identity = intent_id(kind, objective.channel_id, 0)
    requested = (identity, kind, objective.channel_id, bytes(20), bytes(32), b"")
    node.record_event(events.TransactionRequested(*requested))
    assert objective_view(node, objective).reason == ""
    node.record_event(events.TransactionFailed(identity, "Could not transfer token"))
    assert objective_view(node, objective).reason == "Could not transfer token"


def test_a_record_shows_its_content_id_and_its_link_in_the_chain() -> None:
    node = RecordingNode()
    (entry,) = node.entries
    shown = record_view(entry)
    assert shown.event_id == to_hex(events.event_id("node-created", entry.payload))
    assert shown.chain_hash == to_hex(entry.chain_hash)
    assert shown.payload["node_address"] == to_hex(ALICE.address)
    assert shown.cause_seq is None
