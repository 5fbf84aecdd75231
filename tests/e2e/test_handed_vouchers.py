"""Vouchers that owners pass on by hand, and a second ledger of one pair, between real daemons."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from node.cli.demo_nodes import is_at_rest, is_open
from node.rpc.call import RpcError
from tests.support.daemons import Network, open_channel, running_network
from tests.support.e2e_rig import Purse, audit_notes, until
from tests.support.warm_python import WarmPython, begun_by

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def network(python: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """alice and bob; at the very end both logs are sound."""
    with begun_by(python, running_network(tmp_path_factory.mktemp("handed"))) as running:
        yield running
        for node in running.nodes:
            assert node.stop() == 0
            assert audit_notes(node) == []


def open_ledger(network: Network, amount: int) -> str:
    opened = network.alice.call(
        "ledger_open", counterparty=network.bob.address, amount=str(amount), until="completed"
    )
    until("bob has it open", partial(is_open, network.bob, opened["channel_id"]))
    return str(opened["channel_id"])


def close(network: Network, channel_id: str) -> None:
    network.bob.call("channel_close", channel_id=channel_id)
    for node in network.nodes:
        until(f"{node.name} is done with it", partial(is_at_rest, node, channel_id))


def created(network: Network, channel_id: str, amount: int) -> dict[str, Any]:
    """What alice signs, as her owner hands it over."""
    answer = network.alice.call("voucher_create", channel_id=channel_id, amount=str(amount))
    return {name: answer[name] for name in ("channel_id", "total", "signature")}


def taken(network: Network, voucher: dict[str, Any]) -> tuple[int, int]:
    """What bob has with it, and what it added."""
    answer = network.bob.call("voucher_receive", **voucher)
    return int(answer["total"]), int(answer["delta"])


@pytest.mark.parametrize("carried", [False, True], ids=["direct", "over a ledger"])
def test_vouchers_go_from_hand_to_hand_and_count_once(network: Network, carried: bool) -> None:
    purse = Purse(network)
    if carried:
        ledger = open_ledger(network, 10_000)
        opened = network.alice.call(
            "channel_open", path=[network.bob.address], amount="1000", until="completed"
        )
        channel_id = opened["channel_id"]
        until("bob has it open", partial(is_open, network.bob, channel_id))
    else:
        channel_id = open_channel(network.alice, network.bob)
    first, second = (created(network, channel_id, amount) for amount in (5, 7))
    assert (first["total"], second["total"]) == ("5", "12")
    assert taken(network, first) == (5, 5)
    assert taken(network, first) == (5, 0)
    assert taken(network, second) == (12, 7)
    # An older one adds nothing either, and is no excuse for a signature that is not the payer's.
    assert taken(network, first) == (12, 0)
    for node, voucher, name in (
        (network.bob, {**second, "total": "13"}, "VOUCHER_SIGNATURE_WRONG"),
        (network.bob, {**second, "signature": first["signature"]}, "VOUCHER_SIGNATURE_WRONG"),
        (network.bob, {**second, "total": str(10**19)}, "AMOUNT_ABOVE_DEPOSIT"),
        (network.bob, {**second, "channel_id": "0x" + "00" * 32}, "UNKNOWN_CHANNEL"),
        (network.alice, second, "NOT_THE_PAYEE"),
    ):
        with pytest.raises(RpcError) as refused:
            node.call("voucher_receive", **voucher)
        assert refused.value.name == name
    # Payments that are sent go on from what was handed over, and one that never arrives counts.
    answer = network.alice.call("payment_send", channel_id=channel_id, amount="3", until="receipt")
    assert (answer["total"], answer["receipted"]) == ("15", True)
    created(network, channel_id, 4)
    close(network, channel_id)
    views = [node.call("channel_get", channel_id=channel_id) for node in network.nodes]
    assert [view["paid"] for view in views] == ["19", "15"], "bob never saw the last one"
    with pytest.raises(RpcError) as refused:
        created(network, channel_id, 1)
    assert refused.value.name == "CHANNEL_CLOSING"
    if carried:
        close(network, ledger)
    assert purse.moved() == (-19, 19)


def test_a_second_ledger_of_the_pair_stands_beside_the_first(network: Network) -> None:
    terms = {"counterparty": network.bob.address, "amount": "500", "request_id": "second"}
    ledgers = [open_ledger(network, 300)]
    ledgers += [network.alice.call("ledger_open", **terms, until="completed")["channel_id"]]
    # The same wish again is the same ledger.
    assert network.alice.call("ledger_open", **terms)["channel_id"] == ledgers[1]
    until("bob has it open", partial(is_open, network.bob, ledgers[1]))
    for node, balances in zip(network.nodes, (["300", "500"], ["0", "0"]), strict=True):
        views = node.call("ledger_list", status="open")["channels"]
        assert [view["channel_id"] for view in views] == ledgers
        assert [view["ledger"]["balance"] for view in views] == balances
    for ledger in ledgers:
        close(network, ledger)
    assert network.alice.call("ledger_list", status="open")["channels"] == []
