"""Payments in a ledger: the leader moves, the follower asks and is asked nothing else (M15)."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from protocols import commands, inputs, messages
from protocols.error import ProtocolError
from protocols.errors import UnknownChannel
from protocols.events import MessageDropped
from protocols.funding import CHAIN_VIEW_SHARE
from protocols.ledger import QUEUE_COUNT_MAX, LedgerVars, RefusedPayment
from protocols.ledger_errors import (
    InvalidLedgerChange,
    LedgerFundsInsufficient,
    LedgerNotRunning,
    NotALedger,
    TooManyProposalsWaiting,
)
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL, DURATION_S, final_request, open_command
from tests.support.ledger_rig import (
    LEDGER,
    START,
    add,
    judged_by,
    ledger_at,
    move_back,
    opened_ledger,
    payment_request,
    proposals,
    propose,
)
from tests.support.network import CoreNode, Network, Said
from tests.support.playbook import names


@pytest.fixture
def network() -> Network:
    return opened_ledger()


def pay(amount: int, request_id: str = "rent", channel_id: bytes = LEDGER) -> commands.PayLedger:
    return commands.PayLedger(channel_id, amount, request_id)


def wish_refusal(request_id: str) -> messages.LedgerPaymentRefusal:
    return messages.LedgerPaymentRefusal(LEDGER, request_id, "LEDGER_NOT_RUNNING", "it is closing")


def reason_of(node: CoreNode) -> str:
    event = node.log[-1][1]
    assert isinstance(event, MessageDropped), event
    return event.reason


def test_both_parties_pay_each_other(network: Network) -> None:
    network.alice.feed(pay(30))
    network.bob.feed(pay(50, "gas"))
    network.settle()
    for node in (network.alice, network.bob):
        assert ledger_at(node).current == LedgerVars(1_020, 480)
        assert ledger_at(node).asked == ()
        assert ledger_at(node).turn_num == 3
    assert network.bob.events_of("ledger-payment-asked")[0].request_id == "gas"
    assert network.alice.events_of("ledger-payment-requested")[0].request_id == "gas"


def test_a_payment_takes_all_that_is_free(network: Network) -> None:
    network.alice.feed(pay(1_000))
    network.bob.feed(pay(500, "gas"))
    network.settle()
    assert ledger_at(network.bob).current == LedgerVars(500, 1_000)


@pytest.mark.parametrize(
    ("command", "refused"),
    [
        (pay(0), InvalidLedgerChange),
        (pay(-5), InvalidLedgerChange),
        (pay(5, ""), InvalidLedgerChange),
        (pay(5, "x" * 257), InvalidLedgerChange),
        (pay(1_001), LedgerFundsInsufficient),
        (pay(2**300), LedgerFundsInsufficient),
        (pay(5, channel_id=b"\x09" * 32), UnknownChannel),
        (pay(5, channel_id=CHANNEL), NotALedger),
    ],
)
def test_a_payment_that_cannot_be_made_is_refused_and_promises_nothing(
    command: Any, refused: type[ProtocolError], network: Network
) -> None:
    network.alice.feed(open_command())
    network.settle()
    for node in (network.alice, network.bob):
        with pytest.raises(refused):
            node.feed(command)
        assert ledger_at(node).proposed == START


def test_a_wish_is_made_once_under_one_id(network: Network) -> None:
    network.bob.feed(pay(5))
    with pytest.raises(InvalidLedgerChange):
        network.bob.feed(pay(5))
    network.settle()
    assert ledger_at(network.bob).current.follower == 495


def test_wishes_together_ask_for_no_more_than_there_is(network: Network) -> None:
    network.bob.feed(pay(300, "one"))
    with pytest.raises(LedgerFundsInsufficient):
        network.bob.feed(pay(201, "two"))
    network.bob.feed(pay(200, "two"))


def test_the_wishes_that_wait_are_bounded(network: Network) -> None:
    network.bob.proves_purity = False
    for number in range(QUEUE_COUNT_MAX):
        network.bob.feed(pay(1, str(number)))
    with pytest.raises(TooManyProposalsWaiting):
        network.bob.feed(pay(1, "more"))


def test_no_payment_is_made_in_a_ledger_that_closes(network: Network) -> None:
    network.bob.feed(Said(ALICE, final_request(0, channel_id=LEDGER)))
    with pytest.raises(LedgerNotRunning):
        network.bob.feed(pay(5))


# --- what a leader makes of wishes ---


@pytest.mark.parametrize(
    ("amount", "request_id", "name"),
    [
        (0, "rent", "INVALID_LEDGER_CHANGE"),
        (5, "", "INVALID_LEDGER_CHANGE"),
    ],
)
def test_a_wish_that_says_nothing_is_dropped(
    amount: int, request_id: str, name: str, network: Network
) -> None:
    network.alice.feed(Said(BOB, payment_request(amount, request_id)))
    assert reason_of(network.alice).startswith(name)


def test_a_wish_that_waits_is_not_taken_twice(network: Network) -> None:
    alice = network.alice
    assert names(alice.feed(Said(BOB, payment_request(5)))) == [
        "ledger-payment-requested",
        "ledger-update-proposed",
        "send LedgerProposal",
    ]
    alice.feed(Said(BOB, payment_request(5)))
    assert reason_of(alice).startswith("INVALID_LEDGER_CHANGE")


def test_a_wish_above_the_balance_is_dropped_and_holds_up_no_other(network: Network) -> None:
    network.alice.feed(Said(BOB, payment_request(501)))
    assert reason_of(network.alice).startswith("LEDGER_FUNDS_INSUFFICIENT")
    network.alice.feed(Said(BOB, payment_request(500)))
    assert [asked.amount for asked in ledger_at(network.alice).asked] == [500]


def test_wishes_are_met_in_their_order(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    judged_by(monkeypatch)
    alice = network.alice
    propose(alice, add(1, 400, 0))
    alice.feed(Said(BOB, payment_request(200, "large")))
    alice.feed(Said(BOB, payment_request(50, "small")))
    assert len(ledger_at(alice).queue) == 1
    alice.feed(Said(BOB, payment_request(60, "last")))
    assert [asked.request_id for asked in ledger_at(alice).asked] == ["large", "small", "last"]


def test_a_leader_bounds_the_wishes_it_keeps(network: Network) -> None:
    alice = network.alice
    alice.proves_purity = False
    alice.feed(Said(BOB, payment_request(500, "all")))
    for number in range(1, QUEUE_COUNT_MAX):
        alice.feed(Said(BOB, payment_request(1, str(number))))
    alice.feed(Said(BOB, payment_request(1, "more")))
    assert reason_of(alice).startswith("TOO_MANY_PROPOSALS_WAITING")


def test_a_wish_costs_no_more_than_once_through_the_queue(network: Network) -> None:
    alice = network.alice
    alice.proves_purity = False
    for number in range(QUEUE_COUNT_MAX - 1):
        alice.feed(Said(BOB, payment_request(1, str(number))))
    call_count = 0

    def count(*_: Any) -> None:
        nonlocal call_count
        call_count += 1

    sys.setprofile(count)
    alice.feed(Said(BOB, payment_request(1, "last")))
    sys.setprofile(None)
    assert len(ledger_at(alice).queue) == QUEUE_COUNT_MAX
    assert call_count < 40 * QUEUE_COUNT_MAX


def test_a_ledger_has_no_payments_that_the_follower_could_refuse(network: Network) -> None:
    nothing = bytes(32)
    body = messages.PaymentRefusal(LEDGER, nothing, nothing, nothing, "NOBODY_KNOWS", "")
    network.alice.feed(Said(BOB, body))
    assert reason_of(network.alice).startswith("UNKNOWN_CHANNEL")
    assert network.alice.channel(LEDGER).final_requests == ()


def test_a_wish_that_crosses_the_closing_is_refused_by_name(network: Network) -> None:
    alice, bob = network.alice, network.bob
    bob.feed(pay(50, "gas"))
    alice.feed(commands.CloseChannel(LEDGER))
    network.deliver(bob)
    (refused,) = alice.events_of("ledger-payment-refused")
    assert (refused.request_id, refused.error_code) == ("gas", "LEDGER_NOT_RUNNING")
    assert "final state is signed" in refused.reason
    assert ledger_at(alice).asked == ()
    assert not alice.events_of("message-dropped")
    assert alice.peer(BOB.address).refusal_count == 1
    network.settle()
    (heard,) = bob.events_of("ledger-payment-refusal-received")
    assert (heard.request_id, heard.error_code) == ("gas", "LEDGER_NOT_RUNNING")
    expected = [RefusedPayment("gas", 50, False, "LEDGER_NOT_RUNNING")]
    assert list(ledger_at(bob).refused_payments) == expected
    assert ledger_at(bob).asked == ()
    for node in (alice, bob):
        assert ledger_at(node).current == START
        assert node.peer(node.channel(LEDGER).counterparty).fault_count == 0
        assert node.fold().digest() == node.state.digest()


def test_a_wish_is_refused_by_name_after_a_cut_tail(network: Network) -> None:
    network.alice.lose_tail()
    result = network.alice.feed(Said(BOB, payment_request(5)))
    assert names(result) == ["ledger-payment-refused", "send LedgerPaymentRefusal"]


def test_a_wish_that_nobody_could_answer_is_dropped_where_nothing_runs(network: Network) -> None:
    network.alice.lose_tail()
    network.alice.feed(Said(BOB, payment_request(501)))
    assert reason_of(network.alice).startswith("LEDGER_FUNDS_INSUFFICIENT")


def test_a_refused_wish_frees_what_was_set_aside_for_it(network: Network) -> None:
    bob = network.bob
    bob.feed(pay(400, "gas"))
    with pytest.raises(LedgerFundsInsufficient):
        bob.feed(pay(200, "more"))
    bob.feed(Said(ALICE, wish_refusal("gas")))
    bob.feed(pay(200, "more"))
    assert [asked.request_id for asked in ledger_at(bob).asked] == ["more"]


def test_a_refused_wish_is_no_reason_to_take_the_money(network: Network) -> None:
    network.bob.feed(pay(50, "gas"))
    network.deliver(network.bob)
    network.bob.feed(Said(ALICE, wish_refusal("gas")))
    assert network.bob.peer(ALICE.address).sent == network.alice.peer(BOB.address).received
    (moved,) = proposals(move_back(50, "gas"))
    network.bob.feed(Said(ALICE, moved))
    network.bob.feed(inputs.EndOfBatch())
    (refused,) = network.bob.events_of("ledger-update-refused")
    assert refused.error_code == "LEDGER_BALANCE_FALLS"


def test_a_refusal_of_what_was_not_asked_changes_nothing(network: Network) -> None:
    before = ledger_at(network.bob)
    result = network.bob.feed(Said(ALICE, wish_refusal("gas")))
    assert names(result) == ["message-received", "message-repeated"]
    assert ledger_at(network.bob) == before
    network.alice.feed(Said(BOB, wish_refusal("gas")))
    assert reason_of(network.alice).startswith("UNEXPECTED_MESSAGE")


def test_a_leaders_payment_under_the_id_of_a_wish_leaves_the_wish(network: Network) -> None:
    network.bob.feed(pay(50, "same"))
    network.alice.feed(pay(20, "same"))
    network.settle()
    assert ledger_at(network.bob).current == LedgerVars(1_030, 470)


def test_who_asked_and_then_refused_learns_that_it_was_not_made(network: Network) -> None:
    alice, bob = network.alice, network.bob
    bob.feed(pay(50, "rent"))
    network.deliver(bob)
    assert [proposal.change.request_id for proposal in ledger_at(alice).queue] == ["rent"]
    bob.feed(commands.CloseChannel(LEDGER))
    network.deliver(alice)
    bob.feed(inputs.EndOfBatch())
    expected = [RefusedPayment("rent", 50, False, "LEDGER_NOT_RUNNING")]
    assert list(ledger_at(bob).refused_payments) == expected
    assert ledger_at(bob).asked == ()
    network.settle()
    assert list(ledger_at(alice).refused_payments) == expected
    assert bob.channel(LEDGER).supported_turn > 1, "the ledger closes all the same"
    for node in (alice, bob):
        assert node.fold().channels[LEDGER].ledger == ledger_at(node)


def test_a_leader_learns_by_what_name_its_payment_was_refused(network: Network) -> None:
    alice, bob = network.alice, network.bob
    alice.feed(pay(50, "rent"))
    bob.feed(commands.CloseChannel(LEDGER))
    network.settle()
    for node in (alice, bob):
        (refused,) = ledger_at(node).refused_payments
        assert refused == RefusedPayment("rent", 50, True, "LEDGER_NOT_RUNNING")
        assert ledger_at(node).current == START


def test_a_leader_that_does_not_see_the_chain_takes_no_payment(network: Network) -> None:
    limit_s = DURATION_S // CHAIN_VIEW_SHARE
    for number, age_s in enumerate((None, limit_s + 1)):
        network.alice.chain_view_age_s = age_s
        network.bob.feed(pay(50, f"rent {number}"))
        network.settle()
        told = network.bob.events_of("ledger-payment-refusal-received")
        assert [event.error_code for event in told] == ["LEDGER_CHAIN_UNSEEN"] * (number + 1)
    network.alice.chain_view_age_s = limit_s
    network.bob.feed(pay(50))
    network.settle()
    assert ledger_at(network.bob).current == LedgerVars(1_050, 450)


def test_a_follower_takes_a_payment_once_it_sees_the_chain(network: Network) -> None:
    network.bob.chain_view_age_s = None
    network.alice.feed(pay(30))
    network.settle()
    assert ledger_at(network.alice).current == START
    network.bob.chain_view_age_s = 0
    network.settle()
    assert ledger_at(network.alice).current == LedgerVars(970, 530)
