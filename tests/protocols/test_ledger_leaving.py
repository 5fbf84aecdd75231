"""While our owner leaves a ledger nothing newer is signed in it, on either side."""

from __future__ import annotations

import pytest

from protocols import commands, inputs
from protocols.channel import ChannelStatus, status
from protocols.draft import Draft
from protocols.ledger import ADD, MOVE, REMOVE
from protocols.ledger_errors import LedgerNotRunning
from protocols.ledger_leaving import is_being_left, is_leaving
from protocols.ledgers import choose, why_not_running
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB
from tests.support.builders import chain_log
from tests.support.exit_web import ExitWeb
from tests.support.ledger_rig import (
    FOLLOWER_AMOUNT,
    LEADER_AMOUNT,
    LEDGER,
    START,
    add,
    countersignature,
    judged_by,
    ledger_at,
    move,
    move_back,
    opened_ledger,
    payment_request,
    proposals,
    propose,
    refusal,
)
from tests.support.network import CoreNode, Network, Said
from tests.support.playbook import names

END = inputs.EndOfBatch()
LEAVE = commands.ExitChannel(LEDGER)


def reasons(node: CoreNode, channel_id: bytes = LEDGER) -> list[str]:
    channel = node.channel(channel_id)
    return [why_not_running(node.state, channel, kind) for kind in (ADD, MOVE, REMOVE)]


@pytest.fixture
def network() -> Network:
    return opened_ledger()


def test_a_ledger_that_is_left_takes_nothing_and_gives_guarantees_back(network: Network) -> None:
    alice = network.alice
    assert reasons(alice) == ["", "", ""]
    alice.feed(LEAVE)
    assert reasons(alice) == ["it is being left", "it is being left", ""]
    draft = Draft(alice.state, alice.context())
    assert choose(draft, BOB.address, ZERO_ADDRESS, 1, 0) is None
    with pytest.raises(LedgerNotRunning, match="it is being left"):
        alice.feed(commands.PayLedger(LEDGER, 5, "rent"))
    assert reasons(network.bob) == ["", "", ""]


def test_who_leaves_refuses_the_followers_wish_by_name(network: Network) -> None:
    alice = network.alice
    alice.feed(LEAVE)
    answer = alice.feed(Said(BOB, payment_request(40)))
    assert "ledger-payment-refused" in names(answer)
    (refused,) = alice.events_of("ledger-payment-refused")
    assert (refused.error_code, refused.request_id) == ("LEDGER_NOT_RUNNING", "rent")
    assert ledger_at(alice).queue == ()


def test_after_the_other_party_cleared_our_challenge_nothing_new_is_signed_either(
    network: Network,
) -> None:
    """The ledger is open on chain then, and it is being left all the same."""
    alice = network.alice
    alice.feed(commands.PayLedger(LEDGER, 5, "before"))
    alice.feed(LEAVE)
    alice.feed(chain_log("ChallengeRegistered", 9, confirmed=False, channel_id=LEDGER, number=5))
    alice.feed(chain_log("ChallengeCleared", 10, confirmed=False, channel_id=LEDGER, number=2))
    for number in range(5):
        alice.feed(Said(BOB, payment_request(1, f"wish {number}")))
        alice.feed(END)
    assert [proposal.turn_num for proposal in ledger_at(alice).queue] == [2]


def test_a_follower_that_leaves_signs_no_payment_to_it(network: Network) -> None:
    bob = network.bob
    bob.feed(LEAVE)
    for said in proposals(move(5)):
        bob.feed(Said(ALICE, said))
    bob.feed(END)
    assert bob.events_of("ledger-update-signed") == []
    (refused,) = bob.events_of("ledger-update-refused")
    assert (refused.turn_num, refused.error_code) == (2, "LEDGER_NOT_RUNNING")
    with pytest.raises(LedgerNotRunning):
        bob.feed(commands.PayLedger(LEDGER, 5, "rent"))


def test_who_stays_after_all_answers_what_was_wished_before(network: Network) -> None:
    alice, bob = network.alice, network.bob
    bob.feed(commands.PayLedger(LEDGER, 40, "early"))
    alice.feed(LEAVE)
    alice.submissions.clear()
    network.deliver(bob)
    network.acknowledge(alice)
    alice.feed(commands.ResumeChannel(LEDGER))
    assert reasons(alice) == ["", "", ""]
    network.settle()
    assert [e.request_id for e in alice.events_of("ledger-payment-refused")] == ["early"]
    bob.feed(commands.PayLedger(LEDGER, 40, "again"))
    network.settle()
    assert ledger_at(bob).current.follower == FOLLOWER_AMOUNT - 40


def test_a_wish_that_waited_when_we_left_is_answered_when_we_stay(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_by(monkeypatch)
    alice = network.alice
    propose(alice, add(1, 500, 0))
    assert names(alice.feed(Said(BOB, payment_request(40)))) == ["ledger-payment-requested"]
    alice.feed(LEAVE)
    alice.feed(Said(BOB, refusal(2)))
    alice.feed(Said(BOB, countersignature(3, START)))
    assert ledger_at(alice).queue == ()
    alice.feed(commands.ResumeChannel(LEDGER))
    assert ledger_at(alice).queue[0].change == move_back(40, "rent")


def test_a_ledger_that_is_left_is_still_closed_together(network: Network) -> None:
    alice = network.alice
    alice.feed(LEAVE)
    network.bob.feed(commands.CloseChannel(LEDGER))
    network.settle()
    assert status(alice.channel(LEDGER)) == ChannelStatus.CLOSED
    assert network.chain.paid[ALICE.address] == LEADER_AMOUNT


def test_the_exit_of_a_channel_leaves_its_ledgers_running_until_they_are_challenged() -> None:
    web = ExitWeb(1, right_leads=frozenset({0}))
    channel_id = web.opened(10)
    hub, ledger_id = web.row[1], web.ledgers[0]
    hub.feed(commands.ExitChannel(channel_id))
    ledger = hub.channel(ledger_id)
    assert is_leaving(hub.state, ledger)
    assert not is_being_left(hub.state, ledger)
    hub.feed(commands.ChallengeChannel(ledger_id))
    assert is_being_left(hub.state, hub.channel(ledger_id))
    assert reasons(hub, ledger_id) == ["it is being left", "it is being left", ""]


def test_a_challenge_alone_is_no_wish_to_leave(network: Network) -> None:
    network.alice.feed(commands.ChallengeChannel(LEDGER))
    assert not is_being_left(network.alice.state, network.alice.channel(LEDGER))
    assert reasons(network.alice) == ["", "", ""]
