"""Views: a channel, an objective and a record as a caller reads them."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from node.rpc.results import AppView
from node.rpc.views import channel_view, objective_view, record_view
from protocols import event_codec, events
from protocols.channel import Virtual
from protocols.commands import OpenChannel, OpenLedger, PayLedger, SendAppMessage, SendPayment
from protocols.ledger import Guarantee, LedgerVars, RefusedPayment
from protocols.outcome import destination_of
from protocols.transactions import intent_id
from protocols.types import ZERO_ADDRESS, checksum_address, to_hex
from tests.support.actors import ALICE, BOB, IVAN
from tests.support.rpc_node import (
    DEPOSIT,
    RecordingNode,
    open_app,
    open_ledger,
    open_payment_channel,
)


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
        "kind": "direct",
        "status": "open",
        "role": "payer",
        "counterparty": checksum_address(BOB.address),
        "participants": [checksum_address(ALICE.address), checksum_address(BOB.address)],
        "asset": checksum_address(ZERO_ADDRESS),
        "deposit": str(DEPOSIT),
        "our_deposit": str(DEPOSIT),
        "paid": "42",
        "receipted": "0",
        "remaining": str(DEPOSIT - 42),
        "ledger": None,
        "virtual": None,
        "app": None,
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


def test_a_ledger_shows_both_balances_and_what_is_on_its_way() -> None:
    node = RecordingNode()
    channel_id = open_ledger(node)
    node.take(PayLedger(channel_id, 30, "rent"))
    channel = node.state.channels[channel_id]
    shown = channel_view(node, channel, in_full=True)
    assert (shown.kind, shown.role, shown.status, shown.turn_num) == ("ledger", "leader", "open", 1)
    assert (shown.deposit, shown.paid, shown.remaining) == ("1500", "0", "970")
    assert shown.our_deposit == "1000"
    assert shown.virtual is None
    mine, bobs = checksum_address(ALICE.address), checksum_address(BOB.address)
    move = {
        "turn_num": 2,
        "kind": "move",
        "channel_id": None,
        "amount": "30",
        "left": mine,
        "right": bobs,
        "left_amount": "0",
        "fee": "0",
        "refusal": "",
    }
    assert msgspec.to_builtins(shown.ledger) == {
        "turn_num": 1,
        "balance": "1000",
        "counterparty_balance": "500",
        "guaranteed": "0",
        "guarantee_count": 0,
        "update_count": 1,
        "guarantees": [],
        "updates": [move],
        "refused_payments": [],
    }
    listed = channel_view(node, channel).ledger
    assert listed is not None
    assert (listed.guarantees, listed.updates, listed.update_count) == (None, None, 1)


@pytest.mark.parametrize(("my_index", "names"), [(0, ["tea"]), (1, ["rent"])])
def test_who_paid_sees_what_was_refused_of_it_by_name(my_index: int, names: list[str]) -> None:
    node = RecordingNode()
    channel = node.state.channels[open_ledger(node)]
    assert channel.ledger is not None
    refused = (
        RefusedPayment("rent", 40, False, "LEDGER_NOT_RUNNING"),
        RefusedPayment("tea", 40, True, "LEDGER_NOT_RUNNING"),
    )
    ledger = replace(channel.ledger, refused_payments=refused)
    shown = channel_view(
        node, replace(channel, ledger=ledger, my_index=my_index), in_full=True
    ).ledger
    assert shown is not None
    assert shown.refused_payments is not None
    assert [payment.request_id for payment in shown.refused_payments] == names
    (first,) = shown.refused_payments
    assert (first.amount, first.error_code) == ("40", "LEDGER_NOT_RUNNING")


def test_a_follower_sees_its_own_balance_and_its_guarantees() -> None:
    node = RecordingNode()
    channel = node.state.channels[open_ledger(node)]
    assert channel.ledger is not None
    mine, bobs = destination_of(ALICE.address), destination_of(BOB.address)
    guarantees = tuple(Guarantee(bytes([n]) * 32, n, mine, bobs) for n in (1, 2))
    held = LedgerVars(997, 500, guarantees)
    ledger = msgspec.structs.replace(channel.ledger, current=held, proposed=held)
    channel = msgspec.structs.replace(channel, ledger=ledger, my_index=1)
    shown = channel_view(node, channel, in_full=True)
    assert (shown.role, shown.remaining, shown.our_deposit) == ("follower", "500", "500")
    assert shown.ledger is not None
    assert (shown.ledger.balance, shown.ledger.counterparty_balance) == ("500", "997")
    assert (shown.ledger.guaranteed, shown.ledger.guarantee_count) == ("3", 2)
    assert msgspec.to_builtins(shown.ledger.guarantees) == [
        {
            "channel_id": to_hex(bytes([n]) * 32),
            "amount": str(n),
            "left": checksum_address(ALICE.address),
            "right": checksum_address(BOB.address),
        }
        for n in (1, 2)
    ]


def test_a_ledger_that_is_not_open_yet_shows_no_balances() -> None:
    node = RecordingNode()
    node.take(OpenLedger(BOB.address, ZERO_ADDRESS, 5, 6, 86_400, b"\x00\x00\x00\x01"))
    (channel,) = (node.state.channels[key] for key in node.state.channels)
    shown = channel_view(node, channel, in_full=True)
    assert (shown.kind, shown.ledger, shown.deposit, shown.remaining) == ("ledger", None, "11", "0")


@pytest.mark.parametrize(("place", "role"), [(0, "payer"), (1, "hub"), (2, "payee")])
def test_a_virtual_channel_shows_its_path_and_what_carries_it(place: int, role: str) -> None:
    node = RecordingNode()
    channel = node.state.channels[open_payment_channel(node)]
    participants = (ALICE.address, IVAN.address, BOB.address)
    left, right = (b"" if place == end else bytes([end + 1]) * 32 for end in (0, 2))
    channel = msgspec.structs.replace(
        channel,
        fixed=msgspec.structs.replace(channel.fixed, participants=participants),
        my_index=place,
        virtual=Virtual(left, right, (3,), error_code="HOP_WITHOUT_FUNDS"),
    )
    shown = channel_view(node, channel)
    assert (shown.kind, shown.role, shown.ledger) == ("virtual", role, None)
    assert shown.our_deposit == (str(DEPOSIT) if place == 0 else "0")
    assert msgspec.to_builtins(shown.virtual) == {
        "path": [checksum_address(who) for who in participants],
        "fees": ["3"],
        "left_ledger": to_hex(left) if left else None,
        "right_ledger": to_hex(right) if right else None,
        "failure": "HOP_WITHOUT_FUNDS",
    }


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
    assert shown.event_id == to_hex(event_codec.event_id("node-created", entry.payload))
    assert shown.chain_hash == to_hex(entry.chain_hash)
    assert shown.payload["node_address"] == to_hex(ALICE.address)
    assert shown.cause_seq is None


def test_an_applications_channel_shows_what_it_has_come_to() -> None:
    node = RecordingNode()
    channel_id = open_app(node)
    view = channel_view(node, node.state.channels[channel_id])
    assert (view.kind, view.role, view.turn_num, view.remaining) == ("app", "player", 1, "1000")
    assert view.app == AppView("0x" + "5e" * 32, "leader", 0, ["1000", "1000"], 0, "")
    node.take(SendAppMessage(channel_id, b"\x01", bytes(32)))
    waiting = channel_view(node, node.state.channels[channel_id]).app
    assert waiting is not None
    assert waiting.waiting_count == 1
