"""What the chain may take back is found without looking at what it will not."""

from __future__ import annotations

from protocols import events, inputs
from protocols.chain_reducers import mined_from
from protocols.node_state import NodeState, apply
from protocols.transactions import is_mined_from
from tests.support.builders import CHANNEL, block_hash
from tests.support.network import CoreNode, opened


def by_looking_at_all(state: NodeState) -> tuple[set[bytes], set[bytes]]:
    processed = state.node.processed_block_num
    channels = {key for key in state.channels if state.channels[key].observed}
    mined = {
        key for key in state.transactions if is_mined_from(state.transactions[key], processed + 1)
    }
    return channels, mined


def by_the_view(state: NodeState) -> tuple[set[bytes], set[bytes]]:
    return set(state.unconfirmed.channels), set(state.unconfirmed.mined)


def test_the_view_follows_every_step_of_an_opening() -> None:
    network = opened()
    seen = set()
    for node in network.nodes.values():
        state = NodeState()
        for time_ms, event in node.log:
            apply(state, event, time_ms)
            assert by_the_view(state) == by_looking_at_all(state), event.NAME
            seen.add(tuple(map(len, by_the_view(state))))
    assert {(0, 0), (1, 0)} <= seen


def intent_of(node: CoreNode) -> bytes:
    (intent,) = node.state.transactions
    return intent


def mined(node: CoreNode, block_num: int) -> None:
    place = block_num, block_hash(block_num)
    node.record(events.TransactionMined(intent_of(node), bytes(32), *place, 1, bytes(32), True))


def test_a_transaction_is_in_it_until_its_block_is_processed() -> None:
    alice = opened().alice
    processed = alice.state.node.processed_block_num
    mined(alice, processed + 5)
    assert set(alice.state.unconfirmed.mined) == {intent_of(alice)}
    alice.feed(inputs.ChainHead(processed + 4, block_hash(processed + 4)))
    assert set(alice.state.unconfirmed.mined) == {intent_of(alice)}
    alice.feed(inputs.ChainHead(processed + 5, block_hash(processed + 5)))
    assert set(alice.state.unconfirmed.mined) == set()
    assert by_the_view(alice.state) == by_looking_at_all(alice.state)


def test_a_fork_takes_back_what_the_view_names_and_below_it_everything_is_looked_at() -> None:
    alice = opened().alice
    processed = alice.state.node.processed_block_num
    mined(alice, processed + 5)
    assert mined_from(alice.state, processed + 6) == []
    assert mined_from(alice.state, processed + 1) == [intent_of(alice)]
    alice.feed(inputs.ChainHead(processed + 7, block_hash(processed + 7)))
    assert mined_from(alice.state, processed + 8) == []
    assert mined_from(alice.state, processed + 5) == [intent_of(alice)]
    alice.feed(inputs.ChainReorg(processed + 5, block_hash(1), block_hash(2)))
    assert alice.state.transactions[intent_of(alice)].block_num == -1
    assert by_the_view(alice.state) == by_looking_at_all(alice.state)


def test_an_observed_log_that_a_fork_took_back_leaves_the_view() -> None:
    alice = opened().alice
    block_num = alice.state.node.processed_block_num + 3
    place = block_num, block_hash(block_num), bytes(32), 0, 0
    alice.record(events.ChainLogObserved(CHANNEL, "Deposited", *place, bytes(20), bytes(32)))
    assert alice.state.unconfirmed.channels == {CHANNEL}
    alice.feed(inputs.ChainReorg(block_num, block_hash(1), block_hash(2)))
    assert alice.state.unconfirmed.channels == set()
    assert by_the_view(alice.state) == by_looking_at_all(alice.state)
