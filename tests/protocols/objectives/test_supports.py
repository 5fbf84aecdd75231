"""The newest state we can put on chain, with the signatures the contracts want (M9)."""

from __future__ import annotations

from msgspec.structs import replace

from protocols import commands
from protocols.abi import encode_outcome
from protocols.adjudication import Adjudicated
from protocols.crypto import recover_address
from protocols.draft import Draft
from protocols.entities import Node
from protocols.objectives.supports import newest_support, newest_turn, redeems, shortfall
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL, open_command, state
from tests.support.ledger_rig import LEDGER, opened_ledger
from tests.support.network import CoreNode, opened, pay


def node_of(core: CoreNode) -> Node:
    return core.state.node


def test_a_proposal_alone_can_not_be_shown() -> None:
    alice = CoreNode(ALICE)
    alice.feed(open_command())
    assert newest_turn(node_of(alice), alice.channel()) == -1
    assert newest_support(Draft(alice.state, alice.context()), alice.channel()) is None


def test_the_payer_shows_the_postfund_and_the_payee_what_it_was_paid() -> None:
    network = opened()
    assert newest_turn(node_of(network.bob), network.bob.channel()) == 1
    pay(network, 30, 1)
    network.settle()
    assert newest_turn(node_of(network.alice), network.alice.channel()) == 1
    assert not redeems(node_of(network.alice), network.alice.channel())
    bob = network.bob
    draft = Draft(bob.state, bob.context())
    found = newest_support(draft, bob.channel())
    assert found is not None
    redemption = found.candidate.state
    assert redemption.turn_num == 2
    assert [a.amount for a in redemption.outcome[0].allocations] == [10**18 - 30, 30]
    assert found.candidate.signatures[0] == b""
    assert found.proof[0].is_signed_by_all
    assert draft.state.channels[CHANNEL].signed_by_me(2)


def test_a_ledger_shows_what_was_agreed_last_with_the_v_that_recovers() -> None:
    network = opened_ledger()
    network.alice.feed(commands.PayLedger(LEDGER, 200, "r1"))
    network.settle()
    bob = network.bob
    channel = bob.channel(LEDGER)
    assert channel.ledger is not None
    # A peer may send either v: what goes to the chain recovers its signer all the same (M9).
    theirs, ours = channel.ledger.signatures
    flipped = theirs[:64] + bytes((55 - theirs[64],))
    spoilt = replace(channel, ledger=replace(channel.ledger, signatures=(flipped, ours)))
    found = newest_support(Draft(bob.state, bob.context()), spoilt)
    assert found is not None
    assert found.candidate.state.turn_num == 2
    people = [recover_address(found.state_hash, s) for s in found.candidate.signatures]
    assert people == [ALICE.address, BOB.address]


def test_what_a_state_on_chain_costs_us_is_told_as_far_as_it_is_known() -> None:
    network = opened()
    pay(network, 30, 1)
    network.settle()
    bob = network.bob.channel()
    outcome = encode_outcome(state(1).outcome)
    stands, node = Adjudicated(1, 9, bytes(32), outcome, outcome), node_of(network.bob)
    assert shortfall(node, bob, stands) == 30
    assert shortfall(node, bob, Adjudicated(1, 9)) == 0
    assert shortfall(node_of(network.alice), network.alice.channel(), stands) == 0
