"""The leader's side: what countersignatures and refusals make of its queue (M8)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands, messages
from protocols.commands import ExitChannel
from protocols.crypto import SECP256K1_ORDER
from protocols.events import MessageDropped
from protocols.inputs import ChainLog
from protocols.ledger import LedgerVars, inverse, ledger_state
from protocols.ledger_errors import LedgerFundsInsufficient
from protocols.ledger_queue import is_own_change, secured
from protocols.ledgers import free_balance
from protocols.types import ZERO_ADDRESS
from protocols.virtual_errors import FeeTooLow
from tests.support.actors import ALICE, BOB
from tests.support.builders import chain_log
from tests.support.ledger_rig import (
    LEDGER,
    LEDGER_FIXED,
    START,
    Verdicts,
    add,
    countersignature,
    judged_by,
    ledger_at,
    move,
    move_back,
    opened_ledger,
    payment_request,
    propose,
    refusal,
    remove,
    result_of,
    target,
)
from tests.support.network import CoreNode, Network, Said
from tests.support.playbook import Playbook, names


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> Verdicts:
    return judged_by(monkeypatch)


@pytest.fixture
def network(verdicts: Verdicts) -> Network:
    return opened_ledger()


@pytest.fixture
def leader(network: Network) -> CoreNode:
    return network.alice


def reason_of(node: CoreNode) -> str:
    event = node.log[-1][1]
    assert isinstance(event, MessageDropped), event
    return event.reason


def propose_all(node: CoreNode, *changes: Any) -> None:
    for change in changes:
        propose(node, change)


# --- countersignatures ---


def test_one_countersignature_confirms_everything_before_it(leader: CoreNode) -> None:
    changes = (add(1), move(5), add(2), move(6))
    propose_all(leader, *changes)
    leader.feed(Said(BOB, countersignature(4, result_of(*changes[:3]))))
    ledger = ledger_at(leader)
    assert (ledger.turn_num, ledger.current) == (4, result_of(*changes[:3]))
    assert [waiting.turn_num for waiting in ledger.queue] == [5]
    leader.feed(Said(BOB, countersignature(5, result_of(*changes))))
    assert ledger_at(leader).current == ledger_at(leader).proposed == result_of(*changes)


def test_a_repeated_countersignature_changes_nothing(leader: CoreNode) -> None:
    propose_all(leader, move(5), move(6))
    agreed = countersignature(2, result_of(move(5)))
    assert (
        Playbook(leader)
        >> Said(BOB, agreed)
        << "ledger-update-confirmed"
        >> Said(BOB, agreed)
        << "message-received, message-repeated"
    )
    assert ledger_at(leader).turn_num == 2
    assert leader.peer(BOB.address).fault_count == 0


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (countersignature(4, START), "PROPOSAL_QUEUE_EXHAUSTED"),
        (countersignature(2**40, START), "PROPOSAL_QUEUE_EXHAUSTED"),
        (countersignature(2, START), "COUNTERSIGNATURE_WRONG"),
        (countersignature(3, result_of(move(5))), "COUNTERSIGNATURE_WRONG"),
        (countersignature(2, result_of(move(5)), by=ALICE), "COUNTERSIGNATURE_WRONG"),
        (messages.LedgerCountersignature(LEDGER, 2, bytes(65)), "COUNTERSIGNATURE_WRONG"),
        (refusal(4), "PROPOSAL_QUEUE_EXHAUSTED"),
    ],
)
def test_an_answer_that_fits_no_proposal_is_dropped_by_name(
    body: Any, name: str, leader: CoreNode
) -> None:
    propose_all(leader, move(5), move(6))
    before = ledger_at(leader)
    assert names(leader.feed(Said(BOB, body))) == ["message-dropped"]
    assert reason_of(leader).startswith(name)
    assert ledger_at(leader) == before


def test_a_signature_whose_v_was_flipped_still_counts(leader: CoreNode) -> None:
    propose(leader, move(5))
    agreed = countersignature(2, result_of(move(5)))
    flipped = agreed.signature[:64] + bytes([55 - agreed.signature[64]])
    leader.feed(Said(BOB, messages.LedgerCountersignature(LEDGER, 2, flipped)))
    assert ledger_at(leader).turn_num == 2


def test_the_follower_is_not_heard_where_it_leads_nothing(network: Network) -> None:
    propose(network.alice, move(5))
    for body in (countersignature(2, result_of(move(5))), refusal(2), payment_request(5)):
        network.bob.feed(Said(ALICE, body))
        assert reason_of(network.bob).startswith("UNEXPECTED_MESSAGE")


# --- refusals ---


@pytest.mark.parametrize(
    ("before", "refused"),
    [
        ((), add(1, 100, 60, fee=3)),
        ((add(1, 100, 60, fee=3),), remove(1, 100, 10)),
        ((), move(7)),
    ],
    ids=["add", "remove", "move"],
)
def test_every_kind_of_change_is_undone_behind_what_was_proposed_later(
    before: tuple[Any, ...], refused: Any, leader: CoreNode, verdicts: Verdicts
) -> None:
    for change in before:
        propose(leader, change)
        leader.feed(Said(BOB, countersignature(2, result_of(*before))))
    start = result_of(*before)
    turn_num = propose(leader, refused)
    propose_all(leader, add(8), move(9))
    assert (
        Playbook(leader)
        >> Said(BOB, refusal(turn_num))
        << "ledger-refusal-received, ledger-update-proposed, send LedgerProposal"
    )
    ledger = ledger_at(leader)
    assert ledger.queue[-1].change == inverse(refused)
    assert ledger.queue[0].refusal == "FEE_TOO_LOW"
    assert ledger.proposed == result_of(add(8), move(9), start=start)
    end = ledger.proposed_turn
    leader.feed(Said(BOB, countersignature(end, ledger.proposed)))
    assert ledger_at(leader).current == ledger.proposed
    assert ledger_at(leader).queue == ()
    told = [] if refused.target == bytes(32) else [(refused.target, FeeTooLow.name())]
    assert verdicts.refused == told


def test_a_repeated_refusal_is_undone_once(leader: CoreNode) -> None:
    propose(leader, add(1))
    leader.feed(Said(BOB, refusal(2)))
    before = ledger_at(leader)
    assert names(leader.feed(Said(BOB, refusal(2)))) == ["message-received", "message-repeated"]
    assert ledger_at(leader) == before


def test_a_refusal_of_what_was_agreed_long_ago_changes_nothing(leader: CoreNode) -> None:
    propose(leader, move(5))
    leader.feed(Said(BOB, countersignature(2, result_of(move(5)))))
    assert names(leader.feed(Said(BOB, refusal(2)))) == ["message-received", "message-repeated"]
    assert ledger_at(leader).queue == ()


def test_an_inverse_is_never_refused(leader: CoreNode, verdicts: Verdicts) -> None:
    propose(leader, add(1))
    leader.feed(Said(BOB, refusal(2)))
    leader.feed(Said(BOB, refusal(3)))
    assert reason_of(leader).startswith("PROPOSAL_QUEUE_EXHAUSTED")
    assert ledger_at(leader).proposed_turn == 3
    assert verdicts.refused == [(target(1), "FEE_TOO_LOW")]


def test_a_refused_turn_is_signed_neither_alone_nor_in_a_prefix(leader: CoreNode) -> None:
    propose_all(leader, add(1), move(5))
    leader.feed(Said(BOB, refusal(2)))
    for turn_num, changes in ((2, (add(1),)), (3, (add(1), move(5)))):
        leader.feed(Said(BOB, countersignature(turn_num, result_of(*changes))))
        assert reason_of(leader).startswith("PROPOSAL_QUEUE_EXHAUSTED")
    undone = result_of(move(5))
    assert names(leader.feed(Said(BOB, countersignature(4, undone)))) == ["ledger-update-confirmed"]
    assert ledger_at(leader).current == undone


def test_two_refusals_are_undone_in_their_order(leader: CoreNode) -> None:
    propose_all(leader, add(1), add(2), move(5))
    leader.feed(Said(BOB, refusal(3)))
    leader.feed(Said(BOB, refusal(2)))
    ledger = ledger_at(leader)
    assert [p.change for p in ledger.queue[3:]] == [inverse(add(2)), inverse(add(1))]
    leader.feed(Said(BOB, countersignature(5, result_of(add(1), move(5)))))
    assert reason_of(leader).startswith("PROPOSAL_QUEUE_EXHAUSTED")
    leader.feed(Said(BOB, countersignature(6, result_of(move(5)))))
    assert ledger_at(leader).turn_num == 6


def test_what_was_refused_may_be_proposed_anew_once_it_is_undone(leader: CoreNode) -> None:
    propose(leader, add(1))
    leader.feed(Said(BOB, refusal(2)))
    leader.feed(Said(BOB, countersignature(3, START)))
    propose(leader, add(1))
    assert ledger_at(leader).proposed == result_of(add(1))


def test_a_countersignature_lets_a_wish_of_the_follower_go_ahead(leader: CoreNode) -> None:
    propose(leader, add(1, 500, 0))
    assert names(leader.feed(Said(BOB, payment_request(40)))) == ["ledger-payment-requested"]
    leader.feed(Said(BOB, refusal(2)))
    assert (
        Playbook(leader)
        >> Said(BOB, countersignature(3, START))
        << "ledger-update-confirmed, ledger-update-proposed, send LedgerProposal"
    )
    assert ledger_at(leader).queue[0].change == move_back(40, "rent")


# --- what the chain shows ---


def checkpoint_signed(*signatures: bytes, turn_num: int = 2, result: LedgerVars) -> ChainLog:
    """A checkpoint of the ledger with the state that leads to `result`."""
    state_hash = ledger_state(LEDGER_FIXED, ZERO_ADDRESS, result, turn_num).state_hash()
    return chain_log(
        "CheckpointSigned",
        50,
        confirmed=False,
        channel_id=LEDGER,
        turn_num=turn_num,
        candidate_state_hash=state_hash,
        signatures=signatures,
    )


def bobs(turn_num: int, result: LedgerVars) -> bytes:
    return countersignature(turn_num, result).signature


def test_a_countersignature_on_chain_agrees_as_a_message_would(leader: CoreNode) -> None:
    propose_all(leader, move(5), move(6), move(7))
    agreed = result_of(move(5), move(6))
    junk, stranger = bytes(65), countersignature(3, agreed, by=ALICE).signature
    log = checkpoint_signed(junk, stranger, bobs(3, agreed), turn_num=3, result=agreed)
    assert names(leader.feed(log)) == ["ledger-countersignature-seen"]
    ledger = ledger_at(leader)
    assert (ledger.turn_num, ledger.current, ledger.signatures[1]) == (3, agreed, bobs(3, agreed))
    assert [waiting.turn_num for waiting in ledger.queue] == [4]
    # Seen again at depth, and told by the follower at last: nothing new.
    assert names(leader.feed(replace(log, confirmed=True))) == []
    said = Said(BOB, countersignature(3, agreed))
    assert names(leader.feed(said)) == ["message-received", "message-repeated"]
    assert ledger_at(leader) == ledger
    assert ledger_at(leader) == leader.fold().channels[LEDGER].ledger


def test_the_higher_s_of_the_same_signature_counts_too(leader: CoreNode) -> None:
    # ecrecover takes both, so a follower could hide behind the one that nobody signs with.
    propose(leader, move(5))
    given = bobs(2, result_of(move(5)))
    s = SECP256K1_ORDER - int.from_bytes(given[32:64], "big")
    other = given[:32] + s.to_bytes(32, "big") + bytes((55 - given[64],))
    leader.feed(checkpoint_signed(other, result=result_of(move(5))))
    assert ledger_at(leader).signatures[1] == given


@pytest.mark.parametrize(
    ("signatures", "turn_num", "result"),
    [
        ((), 2, result_of(move(5))),
        ((bytes(65), b"", bytes(64)), 2, result_of(move(5))),
        ((countersignature(2, result_of(move(5)), by=ALICE).signature,), 2, result_of(move(5))),
        ((bobs(2, result_of(move(6))),), 2, result_of(move(6))),
        ((bobs(3, result_of(move(5))),), 3, result_of(move(5))),
        ((bobs(1, START),), 1, START),
        ((bobs(2**48 - 1, START),), 2**48 - 1, START),
    ],
)
def test_a_checkpoint_that_shows_nothing_new_leads_to_nothing(
    signatures: tuple[bytes, ...], turn_num: int, result: LedgerVars, leader: CoreNode
) -> None:
    propose(leader, move(5))
    before = ledger_at(leader)
    log = checkpoint_signed(*signatures, turn_num=turn_num, result=result)
    assert names(leader.feed(log)) == []
    assert ledger_at(leader) == before
    assert names(leader.feed(replace(log, channel_id=bytes(32)))) == []


def test_a_follower_learns_nothing_from_a_checkpoint(network: Network) -> None:
    propose(network.alice, move(5))
    log = checkpoint_signed(bobs(2, result_of(move(5))), result=result_of(move(5)))
    assert names(network.bob.feed(log)) == []


def test_what_was_refused_and_is_signed_on_chain_is_agreed_and_its_inverse_a_change_of_its_own(
    leader: CoreNode,
) -> None:
    propose(leader, move(5))
    leader.feed(Said(BOB, refusal(2)))
    assert [waiting.change for waiting in ledger_at(leader).queue] == [move(5), inverse(move(5))]
    leader.feed(checkpoint_signed(bobs(2, result_of(move(5))), result=result_of(move(5))))
    ledger = ledger_at(leader)
    assert (ledger.turn_num, ledger.current) == (2, result_of(move(5)))
    (undoing,) = ledger.queue
    assert is_own_change(ledger, undoing)
    assert secured(ledger).follower == result_of(move(5)).follower - 5
    leader.feed(Said(BOB, countersignature(3, START)))
    assert (ledger_at(leader).turn_num, ledger_at(leader).current) == (3, START)
    assert ledger_at(leader) == leader.fold().channels[LEDGER].ledger


def test_a_payment_that_was_refused_and_is_signed_on_chain_is_not_said_to_be_refused(
    leader: CoreNode,
) -> None:
    for name in ("rent", "gas"):
        leader.feed(commands.PayLedger(LEDGER, 5, name))
        leader.feed(Said(BOB, refusal(ledger_at(leader).proposed_turn)))
    refused = [payment.request_id for payment in ledger_at(leader).refused_payments]
    assert refused == ["rent", "gas"]
    # Turn 2 pays the rent, 3 undoes that, 4 pays the gas.
    paid = result_of(move(5))
    leader.feed(checkpoint_signed(bobs(4, paid), turn_num=4, result=paid))
    assert ledger_at(leader).current == paid
    assert [payment.request_id for payment in ledger_at(leader).refused_payments] == ["rent"]
    assert ledger_at(leader) == leader.fold().channels[LEDGER].ledger


def test_nothing_is_free_where_later_proposals_leaned_on_what_undid_a_refused_one(
    leader: CoreNode,
) -> None:
    propose(leader, move(START.leader))
    leader.feed(Said(BOB, refusal(2)))
    propose(leader, move(START.leader))
    taken = result_of(move(START.leader))
    leader.feed(checkpoint_signed(bobs(2, taken), result=taken))
    assert secured(ledger_at(leader)).leader == 0
    assert free_balance(leader.state.channels[LEDGER]) == 0
    with pytest.raises(LedgerFundsInsufficient):
        propose(leader, move(1))


def test_a_wish_is_met_once_the_chain_shows_an_agreement_but_not_by_who_leaves(
    leader: CoreNode,
) -> None:
    propose_all(leader, move(5))
    log = checkpoint_signed(bobs(2, result_of(move(5))), result=result_of(move(5)))
    leader.feed(ExitChannel(LEDGER))
    assert "ledger-countersignature-seen" in names(leader.feed(log))
    # The exit goes on with what both signed now.
    assert leader.state.channels[LEDGER].supported_turn == 2
    assert leader.submissions[-1].kind == "challenge"
