"""An application between two daemons over the ledgers of a hub, on a real chain."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from node.cli.demo_nodes import is_at_rest, is_open, names_on_path, running_path
from node.cli.demo_progress import demo_progress
from node.cli.demo_report import DemoPlan
from node.cli.demo_virtual import open_ledgers, sent_count
from node.cli.local_node import LocalNode
from node.cli.options import NATIVE
from node.devnet import Devnet
from node.rpc.call import RpcError
from tests.support.app_daemons import install, payouts, said, say
from tests.support.e2e_rig import audit_notes, until
from tests.support.leaving_daemons import go_on, is_left, wealth
from tests.support.warm_python import WarmPython, begun_by

pytestmark = pytest.mark.e2e

FEE = 7
STAKE = 10_000
ROOM = DemoPlan(channel_count=10)

Row = tuple[Devnet, list[LocalNode]]


@pytest.fixture
def row(python: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Row]:
    """alice, a hub and bob, with ledgers between them."""
    workspace = tmp_path_factory.mktemp("virtual-apps")
    with demo_progress(quiet=True) as progress:
        path = running_path(workspace, progress, names_on_path(1), hub_fee=FEE)
        with begun_by(python, path) as (chain, nodes):
            open_ledgers(nodes, ROOM, NATIVE)
            yield chain, nodes


def worth(nodes: list[LocalNode]) -> list[int]:
    """What each node has in its ledgers, outside guarantees."""
    return [
        sum(
            int(view["ledger"]["balance"])
            for view in node.call("ledger_list", status="open")["channels"]
        )
        for node in nodes
    ]


def open_over_hub(nodes: list[LocalNode], **terms: Any) -> str:
    """The application's channel, once everybody holds it to be open. The hub has no reducer."""
    alice, hub, bob = nodes
    reducer = install(alice)
    assert install(bob) == reducer
    answer = alice.call(
        "app_open",
        **{
            "counterparty": bob.address,
            "path": [hub.address, bob.address],
            "reducer": reducer,
            "amount": str(STAKE),
            "turn_rule": "leader",
            "fee_max": str(FEE),
            **terms,
        },
    )
    channel_id = str(answer["channel_id"])
    for node in nodes:
        until(f"{node.name} has it open", partial(is_open, node, channel_id))
    return channel_id


def test_what_is_said_over_a_hub_moves_money_in_the_ledgers_and_nothing_on_chain(row: Row) -> None:
    chain, nodes = row
    alice, hub, bob = nodes
    before, sent = worth(nodes), sent_count(chain.url, nodes)
    with pytest.raises(RpcError, match="the last end puts nothing in"):
        open_over_hub(nodes, counterparty_amount="1")
    channel_id = open_over_hub(nodes)
    for node, amount in ((alice, 50), (bob, 20), (alice, 9)):
        say(node, channel_id, amount)
    assert payouts(bob, channel_id) == [STAKE - 39, 39]
    roles = [node.call("channel_get", channel_id=channel_id)["role"] for node in nodes]
    assert (roles[0], roles[2]) == ("player", "player")
    assert said(hub, channel_id)["count"] == 0
    bob.call("channel_close", channel_id=channel_id)
    for node in nodes:
        until(f"{node.name} has settled", partial(is_at_rest, node, channel_id))
    gains = [now - then for now, then in zip(worth(nodes), before, strict=True)]
    assert gains == [-39 - FEE, FEE, 39]
    assert sent_count(chain.url, nodes) == sent
    for node in nodes:
        node.stop()
        assert audit_notes(node) == []


def test_bob_leaves_alone_with_what_both_signed_last(row: Row) -> None:
    chain, nodes = row
    alice, hub, bob = nodes
    channel_id = open_over_hub(nodes)
    say(alice, channel_id, 50)
    say(bob, channel_id, 20)
    balance = worth([bob])[0]
    before = wealth(chain, bob)
    alice.stop()
    hub.stop()
    bob.call("channel_exit", channel_id=channel_id)
    go_on(chain, bob, channel_id)
    until("bob is out", partial(is_left, bob, channel_id))
    assert wealth(chain, bob) - before == balance + 30
