"""What the chain may take back is found without looking at what it will not."""

from __future__ import annotations

from msgspec.structs import replace

from protocols import events, inputs
from protocols.abi import encode_outcome
from protocols.chain_reducers import mined_from
from protocols.channel import is_withdrawn
from protocols.node_state import NodeState, apply
from protocols.transactions import is_mined_from
from tests.support.builders import CHANNEL, DEPOSIT, block_hash, chain_log, state
from tests.support.network import CoreNode, opened


def by_looking_at_all(state: NodeState) -> tuple[set[bytes], set[bytes], set[bytes]]:
    processed = state.node.processed_block_num
    channels = {key for key in state.channels if state.channels[key].observed}
    mined = {
        key for key in state.transactions if is_mined_from(state.transactions[key], processed + 1)
    }
    disputed = {
        key
        for key in state.channels
        if state.channels[key].chain_status != "open" and not is_withdrawn(state.channels[key])
    }
    return channels, mined, disputed


def by_the_view(state: NodeState) -> tuple[set[bytes], set[bytes], set[bytes]]:
    view = state.unconfirmed
    return set(view.channels), set(view.mined), set(view.disputed)


def test_the_view_follows_every_step_of_an_opening() -> None:
    network = opened()
    seen = set()
    for node in network.nodes.values():
        folded = NodeState()
        for time_ms, event in node.log:
            apply(folded, event, time_ms)
            assert by_the_view(folded) == by_looking_at_all(folded), event.NAME
            seen.add(tuple(map(len, by_the_view(folded))))
    assert {(0, 0, 0), (1, 0, 0)} <= seen


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


def test_a_disputed_channel_is_in_it_until_it_is_paid_out() -> None:
    alice = opened().alice
    outcome = encode_outcome(state(1).outcome)
    challenge = chain_log(
        "ChallengeRegistered", 9, number=100, turn_num=1, candidate_outcome=outcome
    )
    steps = [
        (challenge, True),
        (chain_log("ChallengeCleared", 10, number=2), False),
        (replace(challenge, block_num=11), True),
        (inputs.ChainHead(12, block_hash(12), 100), True),
        (chain_log("OutcomePaid", 13, indices=(0,), amounts=(DEPOSIT,)), False),
    ]
    for item, is_disputed in steps:
        alice.feed(item)
        assert (CHANNEL in alice.state.unconfirmed.disputed) == is_disputed
        assert by_the_view(alice.state) == by_looking_at_all(alice.state)
