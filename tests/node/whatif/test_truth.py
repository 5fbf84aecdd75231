"""What stands on chain while the node is told something else."""

from __future__ import annotations

from msgspec.structs import replace

from node.whatif.chain import AssumedChain
from node.whatif.truth import Truth
from protocols import inputs
from protocols.channel import ChainStatus, Channel, Holding, confirmed_holdings
from protocols.types import ZERO_ADDRESS
from tests.support.builders import CHANNEL, DEPOSIT
from tests.support.network import CoreNode
from tests.support.whatif_nodes import paid_network

NOW_S = 1_000
LATER_S = 10**10


def lied_about(node: CoreNode) -> tuple[Truth, Channel]:
    truth, channel = Truth(), node.channel()
    truth.begin(channel)
    return truth, channel


def challenge_of(node: CoreNode) -> inputs.ChainLog:
    channel = node.channel()
    prefund = channel.state(channel.turns[0])
    chain = AssumedChain(node.state)
    seen = next(iter(chain.challenged(channel, prefund, NOW_S, channel.counterparty)))
    assert isinstance(seen, inputs.ChainLog)
    return seen


def test_while_nobody_lies_the_node_knows_what_is_true() -> None:
    state = paid_network().bob.state
    channel = state.channels[CHANNEL]
    assert Truth().state(state, NOW_S) is state
    assert Truth().of(channel, NOW_S) is channel


def test_what_the_node_is_told_falsely_changes_nothing() -> None:
    truth, channel = lied_about(paid_network().bob)
    told = replace(
        channel,
        holdings=(Holding(ZERO_ADDRESS, 5 * DEPOSIT),),
        chain_status=ChainStatus.CONCLUDED,
    )
    true = truth.of(told, NOW_S)
    assert confirmed_holdings(true, ZERO_ADDRESS) == DEPOSIT
    assert true.chain_status == ChainStatus.OPEN
    # What was signed meanwhile is the node's to know.
    assert true.vouchers == told.vouchers


def test_what_is_in_a_block_counts_and_runs_out() -> None:
    bob = paid_network().bob
    truth, channel = lied_about(bob)
    log = challenge_of(bob)
    truth.take(log)
    challenged = truth.of(channel, NOW_S)
    assert (challenged.chain_status, challenged.observed) == (ChainStatus.CHALLENGED, ())
    assert challenged.adjudicated is not None
    assert challenged.adjudicated.finalizes_at == log.number
    assert truth.of(channel, LATER_S).chain_status == ChainStatus.EXPIRED


def test_the_state_is_the_nodes_but_for_that() -> None:
    bob = paid_network().bob
    truth, channel = lied_about(bob)
    truth.take(challenge_of(bob))
    before = bob.state.digest()
    true = truth.state(bob.state, NOW_S)
    assert true.channels[CHANNEL].chain_status == ChainStatus.CHALLENGED
    assert true.node == bob.state.node
    assert (bob.state.digest(), bob.channel()) == (before, channel)
    # Of a channel that nobody lied about nothing is kept.
    other = Truth()
    other.take(challenge_of(bob))
    assert other.state(bob.state, NOW_S) is bob.state


def test_lying_again_forgets_nothing_that_is_true() -> None:
    bob = paid_network().bob
    truth, channel = lied_about(bob)
    truth.take(challenge_of(bob))
    truth.begin(channel)
    assert truth.of(channel, NOW_S).chain_status == ChainStatus.CHALLENGED
