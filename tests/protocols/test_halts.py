"""A fork below the confirmation depth: what rests on it waits until the chain shows it again."""

from __future__ import annotations

import pytest

from protocols import commands, inputs
from protocols.effects import ReadHoldings
from protocols.payment_errors import ChannelHalted
from protocols.types import ZERO_ADDRESS
from tests.support.builders import CHANNEL, DEPOSIT, block_hash, chain_log, deposited
from tests.support.network import CoreNode, Network, opened
from tests.support.playbook import names

PAYMENT = commands.SendPayment(CHANNEL, 10, b"\x01" * 32)
FORK = inputs.ChainReorg(1, block_hash(1), block_hash(1, fork=1))


def settled() -> CoreNode:
    """ALICE with an open channel whose deposit is in block 1, and a cursor above it."""
    network = opened()
    network.alice.feed(inputs.ChainHead(5, block_hash(5)))
    return network.alice


def read(held: int, block_num: int = 0, finalizes_at: int = 0) -> inputs.ChannelRead:
    where = (block_num, block_hash(block_num))
    return inputs.ChannelRead(CHANNEL, ZERO_ADDRESS, held, *where, finalizes_at)


def test_what_counted_and_was_replaced_halts_its_channel_and_the_chain_is_asked() -> None:
    alice = settled()
    assert names(alice.feed(FORK))[:2] == ["chain-reorged", "channel-halted"]
    assert alice.readings == [ReadHoldings(CHANNEL, ZERO_ADDRESS)]
    assert alice.state.node.processed_block_num == 0
    with pytest.raises(ChannelHalted, match="replaced blocks from 1 on"):
        alice.feed(PAYMENT)


def test_the_channel_goes_on_when_as_much_is_confirmed_again() -> None:
    alice = settled()
    alice.feed(FORK)
    assert "channel-halt-lifted" not in names(alice.feed(read(0)))
    again = deposited(confirmed=True, block_num=3, block_hash=block_hash(3, fork=1))
    assert "channel-halt-lifted" in names(alice.feed(again))
    assert alice.channel().halt is None
    alice.feed(PAYMENT)
    assert alice.channel().vouchers.total == 10


def test_the_chains_word_alone_may_lift_it() -> None:
    alice = settled()
    alice.feed(FORK)
    assert names(alice.feed(read(DEPOSIT)))[:2] == ["holdings-read", "channel-halt-lifted"]


def test_a_channel_that_is_not_funded_any_more_stays_halted() -> None:
    alice = settled()
    alice.feed(FORK)
    alice.feed(read(DEPOSIT - 1))
    assert alice.channel().halt is not None
    assert alice.channel().holdings[0].confirmed == DEPOSIT - 1


def test_a_channel_that_was_challenged_meanwhile_stays_halted() -> None:
    alice = settled()
    alice.feed(FORK)
    alice.feed(read(DEPOSIT, finalizes_at=1_800_000_000))
    assert alice.channel().halt is not None


def test_a_fork_that_replaced_nothing_of_the_channel_leaves_it_alone() -> None:
    alice = settled()
    above = inputs.ChainReorg(3, block_hash(3), block_hash(3, fork=1))
    assert names(alice.feed(above)) == ["chain-reorged"]
    assert alice.state.node.processed_block_num == 2


def test_a_second_fork_before_the_answer_asks_no_second_time_and_keeps_the_first_figures() -> None:
    alice = settled()
    alice.feed(FORK)
    alice.feed(inputs.ChainHead(4, block_hash(4, fork=1)))
    second = inputs.ChainReorg(1, block_hash(1, fork=1), block_hash(1, fork=2))
    assert names(alice.feed(second)) == ["chain-reorged"]
    alice.feed(read(7, 2))
    alice.feed(inputs.ChainHead(4, block_hash(4, fork=2)))
    third = inputs.ChainReorg(2, block_hash(2, fork=2), block_hash(2, fork=3))
    assert "channel-halted" in names(alice.feed(third))
    halt = alice.channel().halt
    assert halt is not None
    assert (halt.held, halt.fork_block_num) == (DEPOSIT, 2)


def test_a_shallow_fork_halts_nothing() -> None:
    network = Network(depth=4)
    alice = network.alice
    alice.feed(chain_log("Deposited", 9))
    fork = inputs.ChainReorg(9, block_hash(9), block_hash(9, fork=1))
    assert names(alice.feed(fork)) == ["chain-reorged"]
