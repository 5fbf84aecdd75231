"""DirectFund of ledgers: both may deposit, policy is asked as for any channel, and order holds."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands
from protocols.abi import encode_deposit_call
from protocols.channel import ChannelStatus, status
from protocols.draft import FOLLOWER as FOLLOWER_ROLE
from protocols.draft import Proposal
from protocols.error import ProtocolError
from protocols.errors import (
    ChallengeDurationTooShort,
    InvalidWidth,
    OutcomeNotSupported,
    ParticipantsRefused,
)
from protocols.events import MessageDropped
from protocols.ledger import LedgerVars, ledger_state
from protocols.objectives.base import ObjectiveStatus, ObjectiveType, WaitingFor, objective_id
from protocols.outcome import Allocation, SingleAssetExit
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB
from tests.support.builders import (
    DURATION_S,
    PAYMENT_APP,
    deposited,
    payment,
    proposal,
    signed,
)
from tests.support.ledger_rig import (
    FOLLOWER,
    LEADER,
    LEDGER,
    LEDGER_FIXED,
    START,
    ledger_at,
    ledger_fixed,
    open_ledger_command,
    opened_ledger,
)
from tests.support.network import CoreNode, Network, Said
from tests.support.playbook import Playbook

CREATED = "objective-created, objective-params-recorded, channel-created, state-stored"
FUND = objective_id(ObjectiveType.DIRECT_FUND, LEDGER)


def opening(turn_num: int = 0, vars_: LedgerVars = START) -> Any:
    return ledger_state(LEDGER_FIXED, ZERO_ADDRESS, vars_, turn_num)


def reason_of(node: CoreNode) -> str:
    event = node.log[-1][1]
    assert isinstance(event, MessageDropped), event
    return event.reason


def test_the_leader_deposits_first_and_the_follower_behind_it() -> None:
    alice, bob = CoreNode(ALICE), CoreNode(BOB)
    alice.feed(open_ledger_command())
    alice.feed(Said(BOB, signed(opening(), BOB)))
    (order,) = alice.submissions
    assert order.data == encode_deposit_call(ZERO_ADDRESS, LEDGER, 0, 1_000)
    bob.feed(Said(ALICE, proposal(opening())))
    assert bob.submissions == []
    bob.feed(deposited(1_000, channel_id=LEDGER))
    (order,) = bob.submissions
    assert order.data == encode_deposit_call(ZERO_ADDRESS, LEDGER, 1_000, 500)
    alice.feed(deposited(1_000, channel_id=LEDGER))
    assert not alice.channel(LEDGER).signed_by_me(1)
    for node, other in ((alice, BOB), (bob, ALICE)):
        node.feed(deposited(1_500, 2, channel_id=LEDGER))
        assert node.channel(LEDGER).signed_by_me(1)
        node.feed(Said(other, signed(opening(1), other)))
        assert ledger_at(node).current == START


def test_policy_hears_that_it_would_follow_and_what_both_deposit() -> None:
    bob = CoreNode(BOB, verdict="ask")
    asked = bob.feed(Said(ALICE, proposal(opening())))
    kind = ObjectiveType.DIRECT_FUND
    expected = Proposal(ALICE.address, kind, ZERO_ADDRESS, 500, 1_000, DURATION_S, FOLLOWER_ROLE)
    assert set(bob.proposals) == {expected}
    assert asked.waiting_for in (WaitingFor.NOTHING, WaitingFor.APPROVAL)
    assert bob.objective(kind, LEDGER).status == ObjectiveStatus.UNAPPROVED
    bob.feed(commands.ApproveObjective(FUND))
    assert bob.channel(LEDGER).signed_by_me(0)


def test_a_denied_ledger_is_refused_to_the_leader() -> None:
    network = Network(verdict="deny")
    network.alice.feed(open_ledger_command())
    network.settle()
    for node in (network.alice, network.bob):
        assert status(node.channel(LEDGER)) == ChannelStatus.REJECTED
        assert node.state.ledgers.get(ALICE.address) is None


@pytest.mark.parametrize(("mine", "theirs"), [(1_000, 0), (0, 500), (2**200, 2**200)])
def test_either_side_may_deposit_alone(mine: int, theirs: int) -> None:
    network = opened_ledger(amount=mine, counterparty_amount=theirs)
    (channel_id,) = network.alice.state.channels
    for node in (network.alice, network.bob):
        assert ledger_at(node, channel_id).current == LedgerVars(mine, theirs)
    network.bob.feed(commands.CloseChannel(channel_id))
    network.settle()
    assert network.chain.paid == {
        who: amount for who, amount in ((ALICE.address, mine), (BOB.address, theirs)) if amount
    }


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"amount": 0, "counterparty_amount": 0}, OutcomeNotSupported),
        ({"counterparty": ALICE.address}, ParticipantsRefused),
        ({"counterparty": ZERO_ADDRESS}, ParticipantsRefused),
        ({"challenge_duration": 60}, ChallengeDurationTooShort),
        ({"amount": -1}, InvalidWidth),
        ({"counterparty_amount": 2**256}, InvalidWidth),
    ],
)
def test_a_ledger_that_breaks_a_rule_is_not_opened(
    changes: dict[str, Any], refused: type[ProtocolError]
) -> None:
    alice = CoreNode(ALICE)
    with pytest.raises(refused):
        alice.feed(open_ledger_command(**changes))
    assert len(alice.state.channels) == 0


def _changed(**changes: Any) -> Any:
    (exit_,) = opening().outcome
    return replace(opening(), outcome=(replace(exit_, **changes),))


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (opening(vars_=LedgerVars(0, 0)), "OUTCOME_NOT_SUPPORTED"),
        (_changed(allocations=(Allocation(LEADER, 5),)), "OUTCOME_NOT_SUPPORTED"),
        (
            _changed(allocations=(Allocation(FOLLOWER, 5), Allocation(LEADER, 5))),
            "OUTCOME_NOT_SUPPORTED",
        ),
        (
            _changed(allocations=(Allocation(LEADER, 5), Allocation(FOLLOWER, 5, 2, b""))),
            "OUTCOME_NOT_SUPPORTED",
        ),
        (_changed(asset=b"\x07" * 20), "ASSET_NOT_SUPPORTED"),
        (replace(opening(), app_data=b"x"), "STATE_REFUSED"),
        (replace(opening(), turn_num=2), "STATE_REFUSED"),
        (
            replace(opening(), fixed=replace(LEDGER_FIXED, app_definition=b"\x01" * 20)),
            "APP_NOT_SUPPORTED",
        ),
        (
            replace(opening(), fixed=replace(LEDGER_FIXED, app_definition=PAYMENT_APP)),
            "PAYEE_MUST_OPEN_WITH_ZERO",
        ),
        (
            replace(opening(), outcome=(SingleAssetExit(ZERO_ADDRESS, ()),)),
            "OUTCOME_NOT_SUPPORTED",
        ),
    ],
)
def test_a_proposed_ledger_that_breaks_a_rule_is_dropped(state: Any, name: str) -> None:
    bob = CoreNode(BOB)
    bob.feed(Said(ALICE, proposal(state)))
    assert reason_of(bob).startswith(name)
    assert len(bob.state.channels) == 0


def test_a_follower_that_signed_the_prefund_is_held_to_it() -> None:
    bob = CoreNode(BOB)
    bob.feed(Said(ALICE, proposal(opening())))
    with pytest.raises(ProtocolError):
        bob.feed(commands.RejectObjective(FUND))


def test_a_voucher_pays_nothing_in_a_ledger() -> None:
    network = opened_ledger()
    with pytest.raises(ProtocolError):
        network.alice.feed(commands.SendPayment(LEDGER, 5, bytes(32)))
    network.bob.feed(Said(ALICE, payment(5, 5, channel_id=LEDGER)))
    assert ledger_at(network.bob).current == START
    assert network.bob.channel(LEDGER).vouchers.total == 0


def test_the_playbook_of_a_leader() -> None:
    alice = CoreNode(ALICE)
    assert (
        Playbook(alice)
        >> open_ledger_command()
        << f"{CREATED}, objective-approved, state-signed, message-sent, objective-cranked"
        << "send ChannelProposal, wait complete-prefund"
        >> Said(BOB, signed(opening(), BOB))
        << "message-received, state-received, state-supported-updated"
        << "transaction-requested, objective-cranked, submit deposit, wait my-deposit"
        >> deposited(1_500, channel_id=LEDGER)
        << "chain-log-observed, deposit-detected, state-stored, state-signed, message-sent"
        << "objective-cranked"
        << "send SignedState, wait complete-postfund"
        >> Said(BOB, signed(opening(1), BOB))
        << "message-received, state-received, state-supported-updated"
        << "objective-completed, objective-cranked"
    )


def test_ledgers_of_one_pair_have_ids_of_their_own() -> None:
    ids = {ledger_fixed(entropy).channel_id() for entropy in (b"aaaa", b"bbbb")}
    network = Network(depth=0)
    for entropy in (b"aaaa", b"bbbb"):
        network.alice.feed(open_ledger_command(nonce_entropy=entropy))
    network.settle()
    for node, peer in ((network.alice, BOB), (network.bob, ALICE)):
        assert set(node.state.ledgers.get(peer.address) or ()) == ids
