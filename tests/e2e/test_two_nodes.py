"""Two real daemons on a real chain: open, pay, close, and everything that may go away meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from node.cli.demo_chain import transactions_of
from node.cli.demo_run import make_nodes
from node.deployment import balance_wei
from node.rpc.call import RpcError, RpcUnreachable
from protocols.events import ChainLogObserved
from protocols.types import amount_from_bytes, from_hex
from tests.support.daemons import LocalNode, Network, open_channel, running_network
from tests.support.e2e_rig import (
    STEP_TIMEOUT_S,
    Purse,
    RestartableChain,
    amount_of,
    at_rest,
    audit_notes,
    channel_is,
    connected,
    ended_cleanly,
    issued,
    log_lines,
    paid,
    pay,
    received,
    records,
    until,
)
from tests.support.warm_python import WarmPython, begun_by

pytestmark = pytest.mark.e2e

PAYMENT_COUNT = 100


@pytest.fixture(scope="module")
def network(python: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with begun_by(python, running_network(tmp_path_factory.mktemp("two-nodes"))) as running:
        yield running


def pay_all(node: LocalNode, channel_id: str, numbers: range) -> dict[int, dict[str, Any]]:
    """The node pays; every answer comes with the payee's receipt."""
    answers: dict[int, dict[str, Any]] = {}

    async def work() -> None:
        with trio.fail_after(STEP_TIMEOUT_S):
            while len(answers) < len(numbers):
                await pay(node, channel_id, numbers, answers)
                await trio.sleep(0.02)

    trio.run(work)
    assert all(answer["receipted"] for answer in answers.values())
    return answers


def close(closer: LocalNode, other: LocalNode, channel_id: str) -> None:
    closer.call("channel_close", channel_id=channel_id)
    for node in (closer, other):
        until(f"{node.name} sees the money paid out", partial(at_rest, node, channel_id))


def concluded_with(node: LocalNode, channel_id: str) -> list[int]:
    """What the chain told of the conclusion, as the node recorded it: each share, smallest unit."""
    (seen,) = [
        event
        for event in records(node)
        if isinstance(event, ChainLogObserved)
        and (event.log_name, event.channel_id) == ("Concluded", from_hex(channel_id))
    ]
    return [amount_from_bytes(amount) for amount in seen.amounts]


def test_a_hundred_payments_end_on_chain_to_the_wei(network: Network) -> None:
    purse = Purse(network)
    channel_id = open_channel(network.alice, network.bob)
    answers = pay_all(network.alice, channel_id, range(PAYMENT_COUNT))
    assert max(int(answer["total"]) for answer in answers.values()) == paid(PAYMENT_COUNT)
    close(network.alice, network.bob, channel_id)
    assert purse.moved() == (-paid(PAYMENT_COUNT), paid(PAYMENT_COUNT))
    assert [t.kind for t in purse.transactions] == ["deposit", "concludeAndTransferAllAssets"]
    assert concluded_with(network.bob, channel_id)[1] == paid(PAYMENT_COUNT)


def test_the_payee_may_close(network: Network) -> None:
    purse = Purse(network)
    channel_id = open_channel(network.alice, network.bob)
    pay_all(network.alice, channel_id, range(10))
    close(network.bob, network.alice, channel_id)
    assert purse.moved() == (-paid(10), paid(10))


def test_both_may_close_at_once(network: Network) -> None:
    purse = Purse(network)
    channel_id = open_channel(network.alice, network.bob)
    pay_all(network.alice, channel_id, range(3))
    network.bob.call("channel_close", channel_id=channel_id)
    close(network.alice, network.bob, channel_id)
    assert purse.moved() == (-paid(3), paid(3))
    assert len(purse.logs("Concluded", channel_id)) == 1


def test_a_channel_in_which_nothing_was_paid_gives_everything_back(network: Network) -> None:
    purse = Purse(network)
    channel_id = open_channel(network.alice, network.bob)
    close(network.alice, network.bob, channel_id)
    assert purse.moved() == (0, 0)


def test_two_channels_carry_money_both_ways(network: Network) -> None:
    purse = Purse(network)
    there = open_channel(network.alice, network.bob)
    back = open_channel(network.bob, network.alice)
    pay_all(network.alice, there, range(12))
    pay_all(network.bob, back, range(5))
    with pytest.raises(RpcError) as refused:
        network.bob.call("payment_send", channel_id=there, amount="1")
    assert refused.value.name == "NOT_THE_PAYER"
    close(network.alice, network.bob, there)
    close(network.alice, network.bob, back)
    assert purse.moved() == (paid(5) - paid(12), paid(12) - paid(5))


def test_a_restart_of_both_between_open_and_close_changes_nothing(network: Network) -> None:
    purse = Purse(network)
    channel_id = open_channel(network.alice, network.bob)
    pay_all(network.alice, channel_id, range(20))
    before = [network.channel(node, channel_id) for node in network.nodes]
    for node in network.nodes:
        assert node.stop() == 0
        assert ended_cleanly(node)
        node.start()
    for node, view in zip(network.nodes, before, strict=True):
        now = network.channel(node, channel_id)
        assert {**now, "at": None} == {**view, "at": None}
    pay_all(network.alice, channel_id, range(20, 30))
    close(network.alice, network.bob, channel_id)
    assert purse.moved() == (-paid(30), paid(30))


def test_payments_to_a_peer_that_is_away_arrive_when_it_is_back(network: Network) -> None:
    purse = Purse(network)
    channel_id = open_channel(network.alice, network.bob)
    assert network.bob.stop() == 0
    for number in range(25):
        answer = network.alice.call(
            "payment_send", channel_id=channel_id, amount=str(amount_of(number)), until="durable"
        )
        assert not answer["receipted"]
    assert network.channel(network.alice, channel_id)["receipted"] == "0"
    network.bob.start()
    until(
        "bob's receipt covers everything",
        lambda: network.channel(network.alice, channel_id)["receipted"] == str(paid(25)),
    )
    close(network.alice, network.bob, channel_id)
    assert purse.moved() == (-paid(25), paid(25))


def test_a_channel_proposed_to_a_peer_that_is_away_opens_when_it_is_back(
    network: Network,
) -> None:
    assert network.bob.stop() == 0
    answer = network.alice.call("channel_open", counterparty=network.bob.address, amount="1000")
    channel_id = answer["channel_id"]
    assert channel_is(network.alice, channel_id, "proposed")
    network.bob.start()
    for node in network.nodes:
        until("it is open", partial(channel_is, node, channel_id, "open"))
    close(network.alice, network.bob, channel_id)


def test_a_stop_in_the_middle_of_payments_is_clean_and_loses_no_answered_one(
    network: Network,
) -> None:
    channel_id = open_channel(network.alice, network.bob)
    count, answers = 3_000, dict[int, dict[str, Any]]()

    async def pay_and_stop() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pay_until_the_end)
            while len(answers) < 300:
                await trio.sleep(0.002)
            assert network.alice.stop() == 0

    async def pay_until_the_end() -> None:
        with pytest.raises(RpcUnreachable):
            await pay(network.alice, channel_id, range(count), answers, lambda number: "durable")

    trio.run(pay_and_stop)
    assert 300 <= len(answers) < count
    assert ended_cleanly(network.alice)
    assert audit_notes(network.alice) == []
    recorded = issued(network.alice)
    for number, answer in answers.items():
        assert recorded[from_hex(answer["payment_id"])] == amount_of(number)
    network.alice.start()
    until("they are connected", partial(connected, network.alice, network.bob))
    until(
        "bob has every one of them",
        lambda: (
            network.channel(network.bob, channel_id)["payment_count"]
            == network.channel(network.alice, channel_id)["payment_count"]
        ),
    )
    close(network.alice, network.bob, channel_id)
    arrived = received(network.bob)
    assert all(from_hex(answer["payment_id"]) in arrived for answer in answers.values())


def test_a_chain_that_goes_away_is_waited_for(tmp_path: Path) -> None:
    chain = RestartableChain(tmp_path / "chain.json")
    nodes: list[LocalNode] = []
    try:
        nodes += make_nodes(tmp_path, chain.deployment)
        alice, bob = nodes
        for node in nodes:
            node.start()
        before = [balance_wei(chain.url, node.address) for node in nodes]
        channel_id = open_channel(alice, bob)
        chain.stop()
        for node in nodes:
            until("the loss is noticed", partial(lost_its_chain, node))
        pay_all(alice, channel_id, range(20))
        assert alice.stop() == 0
        alice.start()
        assert lost_its_chain(alice)
        with pytest.raises(RpcError) as refused:
            alice.call("payment_send", channel_id=channel_id, amount="1")
        assert (refused.value.name, refused.value.retry_safe) == ("CHAIN_NOT_SEEN_YET", True)
        alice.call("channel_close", channel_id=channel_id)
        until(
            "the final state is signed by both",
            lambda: alice.call("channel_get", channel_id=channel_id)["turn_num"] == 3,
        )
        assert channel_is(alice, channel_id, "closing")
        for node in nodes:
            assert any("waiting" in line["event"] for line in log_lines(node))
        chain.start()
        for node in nodes:
            until("the money is paid out", partial(at_rest, node, channel_id))
            assert node.stop() == 0
            assert audit_notes(node) == []
        after = [balance_wei(chain.url, node.address) for node in nodes]
        burnt = sum(t.cost_wei for t in transactions_of(chain.url, [alice.address], 0))
        assert after == [before[0] - paid(20) - burnt, before[1] + paid(20)]
    finally:
        for node in nodes:
            node.end()
        chain.stop()


def lost_its_chain(node: LocalNode) -> bool:
    """Whether the node says that no endpoint answers."""
    return not node.call("node_status")["chain"]["connected"]
