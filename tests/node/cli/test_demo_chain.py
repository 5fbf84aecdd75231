"""Transactions as the chain tells them."""

import pytest

from node.cli.demo_chain import kind_of, transactions_of
from node.deployment import fund
from tests.support.daemons import Network


def test_the_adjudicators_functions_are_known_by_their_published_selectors() -> None:
    # deposit(address,bytes32,uint256,uint256) and concludeAndTransferAllAssets of Nitro.
    assert kind_of("0x2fb1d270" + "00" * 128) == "deposit"
    assert kind_of("0x") == "transfer"
    assert kind_of("0xffffffff") == "unknown"


@pytest.mark.e2e
def test_a_transaction_is_listed_with_its_cost(network: Network) -> None:
    from_block = int(network.chain.call("eth_blockNumber"), 16) + 1
    tx_hash = fund(network.chain.deployment, "0x" + "77" * 20, 5)
    receipt = network.chain.call("eth_getTransactionReceipt", tx_hash)
    sender = receipt["from"]
    (found,) = [
        t
        for t in transactions_of(network.chain.url, [sender.upper().replace("X", "x")], from_block)
        if t.tx_hash == tx_hash
    ]
    assert found.kind == "transfer"
    assert found.gas_used == 21_000
    assert found.cost_wei == 21_000 * int(receipt["effectiveGasPrice"], 16)
    assert found.succeeded
    assert transactions_of(network.chain.url, ["0x" + "88" * 20], from_block) == []
