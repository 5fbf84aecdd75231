"""Which ledgers may change, and what a leader may propose in them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands, inputs
from protocols.channel import funding_terms
from protocols.draft import Draft
from protocols.error import ProtocolError
from protocols.ledger import ADD, MOVE, QUEUE_COUNT_MAX, REMOVE, LedgerVars
from protocols.ledger_errors import (
    InvalidGuaranteeAmount,
    InvalidLedgerChange,
    LedgerFundsInsufficient,
    LedgerNotRunning,
    TooManyGuarantees,
    TooManyProposalsWaiting,
)
from protocols.ledgers import choose, free_balance, why_not_running
from protocols.messages import encode_body
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB, IRENE
from tests.support.builders import chain_log, final_request
from tests.support.ledger_rig import (
    LEADER,
    LEDGER,
    START,
    TOTAL,
    Verdicts,
    add,
    countersignature,
    judged_by,
    ledger_at,
    ledger_fixed,
    move,
    move_back,
    open_ledger_command,
    opened_ledger,
    payment_request,
    proposals,
    propose,
    refusal,
    remove,
    result_of,
)
from tests.support.network import CoreNode, Network, Said
from tests.support.playbook import Playbook, names
from tests.support.web import Web

END = inputs.EndOfBatch()


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> Verdicts:
    return judged_by(monkeypatch)


@pytest.fixture
def network(verdicts: Verdicts) -> Network:
    return opened_ledger()


@pytest.fixture
def leader(network: Network) -> CoreNode:
    return network.alice


def test_both_sides_deposit_and_a_ledger_begins_at_turn_one(network: Network) -> None:
    for node in (network.alice, network.bob):
        ledger = ledger_at(node)
        assert (ledger.current, ledger.turn_num, ledger.queue) == (START, 1, ())
        assert funding_terms(node.channel(LEDGER)).deposits == (1_000, 500)
    assert network.chain.held[LEDGER] == TOTAL


def test_an_update_takes_one_proposal_and_one_countersignature(network: Network) -> None:
    change = move(10, "rent")
    (said,) = proposals(change)
    assert propose(network.alice, change) == 2
    assert (
        Playbook(network.alice)
        >> END
        >> Said(BOB, countersignature(2, result_of(change)))
        << "ledger-update-confirmed"
    )
    assert (
        Playbook(network.bob)
        >> Said(ALICE, said)
        << "ledger-update-received"
        >> END
        << "ledger-update-signed, send LedgerCountersignature"
        >> END
    )
    assert ledger_at(network.alice) == ledger_at(network.bob)
    assert ledger_at(network.alice).current == LedgerVars(990, 510)
    assert network.alice.channel(LEDGER).supported_turn == 2


def test_what_the_leader_sends_is_what_the_rig_builds(leader: CoreNode) -> None:
    for change in (add(1), move(5), remove(1)):
        if change.kind == REMOVE:
            ledger = ledger_at(leader)
            leader.feed(Said(BOB, countersignature(ledger.proposed_turn, ledger.proposed)))
        propose(leader, change)
    bodies = [sent.body for sent in leader.outbox[BOB.address][-3:]]
    expected = proposals(add(1), move(5), remove(1))
    assert bodies == [encode_body(body) for body in expected]


# --- what may be proposed ---


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (move(1_001), LedgerFundsInsufficient),
        (move_back(501), LedgerFundsInsufficient),
        (add(amount=1_000, fee=1), LedgerFundsInsufficient),
        (add(amount=1_600, left_amount=1_000), LedgerFundsInsufficient),
        (add(amount=10, left_amount=11), InvalidGuaranteeAmount),
        (replace(add(), right=LEADER), InvalidLedgerChange),
        (replace(add(), kind="double"), InvalidLedgerChange),
    ],
)
def test_a_change_that_the_ledger_does_not_allow_is_not_signed(
    change: Any, refused: type[ProtocolError], leader: CoreNode
) -> None:
    with pytest.raises(refused):
        propose(leader, change)
    assert ledger_at(leader).queue == ()


def test_only_the_leader_proposes(network: Network) -> None:
    with pytest.raises(InvalidLedgerChange):
        propose(network.bob, move_back(1))


def test_nothing_is_proposed_on_what_the_follower_may_still_refuse(leader: CoreNode) -> None:
    propose(leader, add(1, 900))
    with pytest.raises(LedgerFundsInsufficient):
        propose(leader, move(101))
    leader.feed(Said(BOB, countersignature(2, result_of(add(1, 900)))))
    propose(leader, remove(1, 900))
    with pytest.raises(LedgerFundsInsufficient):
        propose(leader, move(101))  # The removal may be refused, and then 900 must go back.
    leader.feed(Said(BOB, countersignature(3, START)))
    propose(leader, move(101))


def test_a_guarantee_has_one_open_change_at_a_time(leader: CoreNode) -> None:
    propose(leader, add(1))
    for change in (add(1), remove(1)):
        with pytest.raises(InvalidLedgerChange):
            propose(leader, change)
    propose(leader, add(2))


def test_a_ledger_holds_as_many_guarantees_as_the_node_allows(leader: CoreNode) -> None:
    for number in range(100):
        propose(leader, add(number + 1, 1))
    with pytest.raises(TooManyGuarantees):
        propose(leader, add(200, 1))
    leader.feed(Said(BOB, refusal(2)))
    propose(leader, add(200, 1))


def test_the_queue_of_a_leader_is_bounded_and_has_room_for_every_inverse(
    leader: CoreNode,
) -> None:
    leader.proves_purity = False
    for _ in range(QUEUE_COUNT_MAX):
        propose(leader, move(1))
    with pytest.raises(TooManyProposalsWaiting):
        propose(leader, move(1))
    for turn_num in range(2, QUEUE_COUNT_MAX + 2):
        leader.feed(Said(BOB, refusal(turn_num)))
    assert ledger_at(leader).proposed == START
    assert ledger_at(leader).proposed_turn == 2 * QUEUE_COUNT_MAX + 1


# --- which ledgers run ---


def reasons(node: CoreNode) -> list[str]:
    channel = node.channel(LEDGER)
    return [why_not_running(node.state, channel, kind) for kind in (ADD, MOVE, REMOVE)]


def test_an_open_ledger_takes_every_change(leader: CoreNode) -> None:
    assert reasons(leader) == ["", "", ""]


def test_a_ledger_takes_nothing_before_it_is_funded() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_ledger_command())
    assert set(reasons(alice)) == {"it is not funded"}
    with pytest.raises(LedgerNotRunning):
        propose(alice, move(1))


def test_a_ledger_that_closes_still_gives_guarantees_back(leader: CoreNode) -> None:
    propose(leader, add(1))
    leader.feed(Said(BOB, final_request(0, channel_id=LEDGER)))
    assert reasons(leader) == ["it is closing", "it is closing", ""]
    for change in (add(2), move(1)):
        with pytest.raises(LedgerNotRunning):
            propose(leader, change)


def test_a_challenged_ledger_still_gives_guarantees_back(leader: CoreNode) -> None:
    leader.feed(chain_log("ChallengeRegistered", 9, confirmed=False, channel_id=LEDGER, number=5))
    assert reasons(leader) == ["it is challenged", "it is challenged", ""]
    leader.feed(chain_log("ChallengeCleared", 10, confirmed=False, channel_id=LEDGER))
    assert reasons(leader) == ["", "", ""]


def test_a_concluded_ledger_takes_nothing(leader: CoreNode) -> None:
    leader.feed(chain_log("Concluded", 9, confirmed=False, channel_id=LEDGER))
    assert set(reasons(leader)) == {"it is concluded on chain"}


def test_after_a_cut_tail_a_ledger_takes_nothing(leader: CoreNode) -> None:
    leader.lose_tail()
    assert set(reasons(leader)) == {"the log lost its end, it may only be closed"}


def test_nothing_runs_once_a_final_state_is_signed(leader: CoreNode) -> None:
    leader.feed(commands.CloseChannel(LEDGER))
    assert set(reasons(leader)) == {"its final state is signed"}


# --- choosing one ---


def draft_of(node: CoreNode) -> Draft:
    return Draft(node.state, node.context())


def test_a_ledger_with_the_asset_and_the_balance_is_chosen(network: Network) -> None:
    alice, bob = draft_of(network.alice), draft_of(network.bob)
    found = choose(alice, BOB.address, ZERO_ADDRESS, 1_000, 500)
    assert found is not None
    assert found.channel_id == LEDGER
    assert choose(alice, BOB.address, ZERO_ADDRESS, 1_001, 0) is None
    assert choose(alice, BOB.address, ZERO_ADDRESS, 1_000, 501) is None
    assert choose(alice, BOB.address, b"\x07" * 20, 1) is None
    assert choose(alice, IRENE.address, ZERO_ADDRESS, 1) is None
    assert choose(bob, ALICE.address, ZERO_ADDRESS, 500, 1_000) is not None
    assert choose(bob, ALICE.address, ZERO_ADDRESS, 501, 0) is None
    assert choose(bob, ALICE.address, ZERO_ADDRESS, 500, 1_001) is None


def test_several_ledgers_with_one_peer_stand_side_by_side(network: Network) -> None:
    second = ledger_fixed(b"next").channel_id()
    network.alice.feed(open_ledger_command(nonce_entropy=b"next", amount=50))
    network.settle()
    alice = draft_of(network.alice)
    assert alice.state.ledgers.get(BOB.address) == (LEDGER, second)
    propose(network.alice, add(1, 1_000))
    found = choose(draft_of(network.alice), BOB.address, ZERO_ADDRESS, 50)
    assert found is not None
    assert found.channel_id == second


def test_a_ledger_that_is_over_is_forgotten_by_the_index_alone(network: Network) -> None:
    network.alice.feed(commands.CloseChannel(LEDGER))
    network.settle()
    for node, peer in ((network.alice, BOB), (network.bob, ALICE)):
        assert node.state.ledgers.get(peer.address) == ()
        assert node.fold().ledgers.get(peer.address) == ()
        assert ledger_at(node).current == START


def test_a_ledger_without_room_for_a_guarantee_is_not_chosen(network: Network) -> None:
    for number in range(100):
        propose(network.alice, add(number + 1, 1))
    assert choose(draft_of(network.alice), BOB.address, ZERO_ADDRESS, 1, 0) is None


def test_the_emptiest_ledger_is_chosen_of_those_we_lead_then_of_the_others() -> None:
    web = Web(1, fees=(0,))
    followed = web.add_ledger(0, b"lead", leads_right=True, each=20_000)
    led = [web.ledgers[0], web.add_ledger(0, b"two."), web.add_ledger(0, b"thre")]
    for number in range(6):
        web.opened(10, number.to_bytes(4, "big"))
    counts = [len(web.payer.ledger(known).current.guarantees) for known in (*led, followed)]
    assert counts == [2, 2, 2, 0]
    poor = [replace(web.payer.channel(known), close_only=True) for known in led[:2]]
    for channel in poor:
        web.payer.state.channels[channel.channel_id] = channel
    found = choose(draft_of(web.payer), web.row[1].actor.address, ZERO_ADDRESS, 10, 0)
    assert found is not None
    assert found.channel_id == led[2]
    beyond = web.payer.ledger(led[2]).current.leader + 1
    found = choose(draft_of(web.payer), web.row[1].actor.address, ZERO_ADDRESS, beyond, 0)
    assert found is not None
    assert found.channel_id == followed
    web.payer.guarantee_count_max = 2
    found = choose(draft_of(web.payer), web.row[1].actor.address, ZERO_ADDRESS, 10, 0)
    assert found is not None
    assert found.channel_id == followed


def test_what_is_free_is_neither_guaranteed_nor_promised(network: Network) -> None:
    alice, bob = network.alice, network.bob
    assert (free_balance(alice.channel(LEDGER)), free_balance(bob.channel(LEDGER))) == (1_000, 500)
    propose(alice, add(1, 300, 200, fee=7))
    assert free_balance(alice.channel(LEDGER)) == 1_000 - 207
    bob.feed(commands.PayLedger(LEDGER, 100, "rent"))
    assert free_balance(bob.channel(LEDGER)) == 400
    alice.feed(Said(BOB, payment_request(100)))
    assert free_balance(alice.channel(LEDGER)) == 1_000 - 207  # What is proposed is not ours yet.


def test_the_index_of_ledgers_is_a_view_of_the_log(network: Network) -> None:
    assert network.alice.fold().ledgers.get(BOB.address) == (LEDGER,)
    assert network.alice.fold().digest() == network.alice.state.digest()


def test_a_move_of_nothing_is_a_change_like_any_other(network: Network) -> None:
    propose(network.alice, move(0))
    network.settle()
    assert ledger_at(network.bob).turn_num == 2
    assert names(network.bob.feed(END)) == []
