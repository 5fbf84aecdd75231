"""Tokens between two real daemons on a real chain: exact to the smallest unit, whatever they do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

import pytest
import trio

from node.cli.local_node import LocalNode
from node.deployment import TEST_TOKEN, chain_call, token_balance
from protocols.transaction_events import (
    TransactionReplaced,
    TransactionRequested,
    TransactionSubmitted,
)
from protocols.types import checksum_address, from_hex, to_hex
from tests.support.contract_calls import Rpc
from tests.support.daemons import Network, close_channel, open_channel, running_network
from tests.support.e2e_rig import (
    STEP_TIMEOUT_S,
    Purse,
    audit_notes,
    channel_is,
    paid,
    pay,
    records,
    until,
)
from tests.support.warm_python import WarmPython, begun_by

pytestmark = pytest.mark.e2e

PAYMENT_COUNT = 100
DEPOSIT = 1_000_000
FALSE_TO_EVERYTHING = "0x60206000f3"
"""The code of a token that answers every call with a word of zeros and does nothing."""
MISBEHAVING = {
    "takes a fee": "Deposit did not arrive in full",
    "returns false": "Could not transfer token",
}
"""Tokens that must not be held, and what the adjudicator says of them."""


@pytest.fixture(scope="module")
def network(python: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with begun_by(python, running_network(tmp_path_factory.mktemp("tokens"))) as running:
        yield running
        for node in running.nodes:
            assert node.stop() == 0
            assert audit_notes(node) == []


@pytest.fixture
def token(network: Network) -> str:
    return network.chain.deployment.addresses[TEST_TOKEN]


def propose(network: Network, token: str, amount: int = DEPOSIT) -> str:
    answer = network.alice.call(
        "channel_open", counterparty=network.bob.address, amount=str(amount), asset=token
    )
    return str(answer["channel_id"])


def wait_until_open(network: Network, *channels: str) -> None:
    for channel_id in channels:
        for node in network.nodes:
            until("the channel is open", partial(channel_is, node, channel_id, "open"))


def pay_all(node: LocalNode, channel_id: str, count: int) -> None:
    async def work() -> None:
        with trio.fail_after(STEP_TIMEOUT_S):
            await pay(node, channel_id, range(count), {})

    trio.run(work)


def holdings(network: Network, token: str) -> list[int]:
    owners = [node.address for node in network.nodes]
    owners.append(network.chain.deployment.addresses["adjudicator"])
    return [token_balance(network.chain.url, token, owner) for owner in owners]


def test_a_hundred_payments_of_a_token_end_on_chain_to_the_unit(
    network: Network, token: str
) -> None:
    purse, before = Purse(network), holdings(network, token)
    channel_id = propose(network, token)
    wait_until_open(network, channel_id)
    assert holdings(network, token) == [before[0] - DEPOSIT, before[1], before[2] + DEPOSIT]
    pay_all(network.alice, channel_id, PAYMENT_COUNT)
    close_channel(network.alice, network.bob, channel_id)
    moved = paid(PAYMENT_COUNT)
    assert holdings(network, token) == [before[0] - moved, before[1] + moved, before[2]]
    assert purse.moved() == (0, 0), "a token channel moves no ether but gas"
    assert sent_for(network, channel_id, purse) == [
        ("approve", True),
        ("deposit", True),
        ("concludeAndTransferAllAssets", True),
    ]


def sent_for(network: Network, channel_id: str, purse: Purse) -> list[tuple[str, bool]]:
    """Kind and success of each transaction of alice's for the channel, and of all of bob's.

    Deposits of other channels that fail in these tests are tried again, at any time.
    """
    alice, ours = network.alice.address.lower(), signed_for(network, channel_id)
    return [
        (sent.kind, sent.succeeded)
        for sent in purse.transactions
        if sent.sender != alice or sent.tx_hash in ours
    ]


def signed_for(network: Network, channel_id: str) -> list[str]:
    """The hashes of alice's transactions for the channel."""
    found = records(network.alice)
    intents = {
        event.intent_id
        for event in found
        if isinstance(event, TransactionRequested) and event.channel_id == from_hex(channel_id)
    }
    return [
        to_hex(event.tx_hash)
        for event in found
        if isinstance(event, TransactionSubmitted | TransactionReplaced)
        and event.intent_id in intents
    ]


def test_channels_of_one_token_open_side_by_side_and_beside_ether(
    network: Network, token: str
) -> None:
    before = holdings(network, token)
    purse = Purse(network)
    channels = [propose(network, token, amount) for amount in (10, 20, 30)]
    ether = open_channel(network.alice, network.bob)
    wait_until_open(network, *channels)
    for channel_id in (*channels, ether):
        assert all(succeeded for _, succeeded in sent_for(network, channel_id, purse))
    for channel_id in (*channels, ether):
        close_channel(network.alice, network.bob, channel_id)
    assert holdings(network, token) == before


def test_a_restart_between_approval_and_deposit_loses_nothing(network: Network, token: str) -> None:
    before = holdings(network, token)
    network.chain.call("evm_setAutomine", False)
    try:
        channel_id = propose(network, token)
        in_pool = partial(network.chain.call, "eth_getTransactionByHash")
        until(
            "the approval waits for a block",
            lambda: any(map(in_pool, signed_for(network, channel_id))),
        )
        network.alice.kill()
        network.alice.start()
    finally:
        network.chain.call("evm_setAutomine", True)
        network.chain.call("evm_mine")
    wait_until_open(network, channel_id)
    close_channel(network.alice, network.bob, channel_id)
    assert holdings(network, token) == before
    assert len(purse_kinds(network, channel_id)) == 2


def purse_kinds(network: Network, channel_id: str) -> list[str]:
    records = network.alice.call("log_read", channel_id=channel_id, limit=1_000)["records"]
    return [
        record["payload"]["kind"]
        for record in records
        if record["name"] == "transaction-requested" and record["payload"]["kind"] != "conclude"
    ]


def token_that(what: str, network: Network) -> str:
    """A token that does not do as it should; alice has enough of it, if of anything."""
    if what == "returns false":
        address = checksum_address(b"\x7f" * 20)
        network.chain.call("anvil_setCode", address, FALSE_TO_EVERYTHING)
        return address
    port = int(network.chain.url.rpartition(":")[2])
    with contextlib.closing(Rpc(port)) as rpc:
        deployed = rpc.deploy("test/FeeToken")
        deployed.send("mint", network.alice.address, 2 * DEPOSIT)
        return checksum_address(from_hex(deployed.address))


@pytest.mark.parametrize("what", MISBEHAVING)
def test_a_token_that_does_not_arrive_is_never_held_and_the_node_goes_on(
    network: Network, token: str, what: str
) -> None:
    strange = token_that(what, network)
    restart_with(network, token, strange)
    channel_id = propose(network, strange)

    def reason() -> str:
        objectives = network.alice.call("objective_list")["objectives"]
        (found,) = [o["reason"] for o in objectives if o["channel_id"] == channel_id]
        return str(found)

    until("the deposit fails", reason)
    assert reason() == MISBEHAVING[what]
    assert channel_is(network.alice, channel_id, "funding")
    held = network.chain.deployment.addresses["adjudicator"]
    assert token_balance(network.chain.url, strange, held) == 0
    sound = propose(network, token, 5)
    wait_until_open(network, sound)
    close_channel(network.alice, network.bob, sound)


def restart_with(network: Network, *tokens: str) -> None:
    """Both nodes accept these tokens."""
    for node in network.nodes:
        assert node.stop() == 0
        node.start(TALLY_POLICY_ASSETS=",".join(tokens))


def test_a_token_without_code_keeps_a_node_from_starting(network: Network, token: str) -> None:
    assert network.alice.stop() == 0
    network.alice.launch(TALLY_POLICY_ASSETS="0x" + "11" * 20)
    assert network.alice.child.wait(30) == 1
    assert "Correct [policy] assets" in network.alice.stderr_tail(30)
    network.alice.kill()  # it is dead; this closes its pipe
    network.alice.start()
    assert chain_call(network.chain.url, "eth_chainId")
