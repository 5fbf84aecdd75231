"""The eight ways in which an earlier funding protocol went wrong, each with a test for it."""

from __future__ import annotations

import pytest

from protocols import commands, inputs, messages
from protocols.abi import DEPOSIT_SELECTOR
from protocols.channel import ChannelStatus, is_supported, status
from protocols.crank import crank
from protocols.crypto import recover_address
from protocols.errors import ProtocolError
from protocols.objectives.base import ObjectiveStatus, ObjectiveType, WaitingFor, objective_id
from tests.support.actors import ALICE, BOB, IRENE, IVAN
from tests.support.builders import (
    ADJUDICATOR,
    CHANNEL,
    DEPOSIT,
    chain_log,
    deposited,
    fixed_part,
    open_command,
    proposal,
    signed,
    state,
)
from tests.support.network import CoreNode, Network, Said

FUND = objective_id(ObjectiveType.DIRECT_FUND, CHANNEL)


def test_bug_1_the_postfund_is_turn_1_whatever_the_number_of_participants() -> None:
    """Once: turn 3 was hard-coded while the turn was 2n - 1, so three parties never finished."""
    network = Network()
    network.alice.feed(open_command())
    network.settle()
    for node in network.nodes.values():
        turns = [turn.turn_num for turn in node.channel().turns]
        assert turns == [0, 1]
        assert node.objective(ObjectiveType.DIRECT_FUND).status == ObjectiveStatus.COMPLETED
    three = fixed_part(participants=(ALICE.address, IVAN.address, BOB.address))
    bob = CoreNode(BOB)
    bob.feed(Said(ALICE, proposal(state(0, fixed=three))))
    # More parties than this objective can fund are refused, not left waiting for ever.
    assert not bob.state.channels


def test_bug_2_a_received_state_is_checked_for_signer_content_and_turn() -> None:
    """Once: neither signature, nor content, nor turn of a received state was looked at."""
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    forged = signed(state(0), IRENE)
    garbled = messages.SignedState(CHANNEL, signed(state(0), BOB).encoded_state, bytes(65))
    richer = signed(state(0, 5), BOB)
    later = signed(state(2), BOB)
    for body in (forged, garbled, richer, later):
        result = alice.feed(Said(BOB, body))
        assert [event.NAME for event in result.events] == ["message-dropped"]
    assert not is_supported(alice.channel(), 0)
    alice.feed(Said(BOB, signed(state(0), BOB)))
    assert is_supported(alice.channel(), 0)


def test_bug_3_a_deposit_is_made_although_the_peers_prefund_came_before_the_approval() -> None:
    """Once: only a received state led to the deposit, so a late approval blocked for ever."""
    bob = CoreNode(BOB, verdict="ask")
    bob.feed(Said(ALICE, proposal()))
    bob.feed(deposited())
    result = bob.feed(commands.ApproveObjective(FUND))
    assert result.waiting_for == WaitingFor.COMPLETE_POSTFUND
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    alice.feed(Said(BOB, signed(state(0), BOB)))
    assert [order.kind for order in alice.submissions] == ["deposit"]


def test_bug_4_no_repeated_fact_makes_a_second_deposit() -> None:
    """Once: every repeated deposit event of an earlier depositor sent our deposit again."""
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    alice.feed(Said(BOB, signed(state(0), BOB)))
    for _ in range(3):
        alice.feed(deposited(1, confirmed=False))
        alice.feed(deposited(1))
        alice.feed(inputs.Tick())
        alice.feed(Said(BOB, signed(state(0), BOB)))
    assert len(alice.submissions) == 1


@pytest.mark.parametrize(
    "log",
    [
        deposited(DEPOSIT - 1),
        deposited(DEPOSIT, asset=b"\x70" * 20),
        deposited(DEPOSIT, confirmed=False),
        chain_log("Checkpointed", 1, amount=DEPOSIT),
    ],
    ids=["too little", "another asset", "not confirmed", "no deposit"],
)
def test_bug_5_only_the_right_amount_of_the_right_asset_funds(log: inputs.ChainLog) -> None:
    """Once: any deposit, whatever its amount and asset, counted."""
    bob = CoreNode(BOB)
    bob.feed(Said(ALICE, proposal()))
    bob.feed(log)
    assert not bob.channel().signed_by_me(1)
    bob.feed(deposited(DEPOSIT, 2))
    assert bob.channel().signed_by_me(1)


def test_bug_6_a_crank_changes_nothing_and_answers_the_same_twice() -> None:
    """Once: the crank mutated its objective although it was documented as pure."""
    alice = CoreNode(ALICE)
    before = alice.state.digest()
    first = crank(alice.state, open_command(), alice.context())
    second = crank(alice.state, open_command(), alice.context())
    assert first == second
    assert first.events
    assert alice.state.digest() == before
    assert not alice.state.channels


def test_bug_7_the_signature_is_real_and_the_deposit_calls_the_adjudicator() -> None:
    """Once: a constant was the signature, and the deposit went to the asset with made-up data."""
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    (recorded,) = alice.events_of("state-signed")
    assert recover_address(state(0).state_hash(), recorded.signature) == ALICE.address
    alice.feed(Said(BOB, signed(state(0), BOB)))
    (order,) = alice.submissions
    assert order.to == ADJUDICATOR
    assert order.data.startswith(DEPOSIT_SELECTOR)
    assert int.from_bytes(order.data[-32:], "big") == DEPOSIT


def test_bug_8_nothing_is_signed_or_deposited_while_unapproved_or_rejected() -> None:
    """Once: messages were processed while the objective was unapproved or rejected."""
    bob = CoreNode(BOB, verdict="ask")
    bob.feed(Said(ALICE, proposal()))
    bob.feed(Said(ALICE, signed(state(0), ALICE)))
    bob.feed(Said(ALICE, signed(state(1), ALICE)))
    bob.feed(deposited())
    bob.feed(inputs.Tick())
    assert bob.events_of("state-signed") == []
    bob.feed(commands.RejectObjective(FUND))
    bob.feed(Said(ALICE, signed(state(1), ALICE)))
    assert bob.events_of("state-signed") == []
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    alice.feed(Said(BOB, messages.ObjectiveRejection(FUND, "POLICY_DENIED", "no")))
    alice.feed(Said(BOB, signed(state(0), BOB)))
    alice.feed(deposited(0, 3))
    assert alice.submissions == []
    assert status(alice.channel()) == ChannelStatus.REJECTED
    with pytest.raises(ProtocolError):
        alice.feed(commands.CloseChannel(CHANNEL))
