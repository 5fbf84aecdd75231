"""An application between two daemons over the ledgers of a hub, on a real chain."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from node.cli.demo_nodes import is_at_rest, is_open, names_on_path, running_path
from node.cli.demo_progress import demo_progress
from node.cli.demo_report import DemoPlan
from node.cli.demo_virtual import open_ledgers, sent_count
from node.cli.local_node import LocalNode
from node.cli.options import NATIVE
from node.devnet import Devnet
from tests.support.app_daemons import install, payouts, said, say
from tests.support.daemons import Network
from tests.support.e2e_rig import audit_notes, until
from tests.support.games import ROCK, SCISSORS, commitment
from tests.support.leaving_daemons import go_on, is_left, wealth
from tests.support.playing import Table
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


@pytest.fixture
def shared_row(python: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Row]:
    """The same, with money of both sides in each ledger."""
    workspace = tmp_path_factory.mktemp("virtual-stakes")
    with demo_progress(quiet=True) as progress:
        path = running_path(workspace, progress, names_on_path(1), hub_fee=FEE)
        with begun_by(python, path) as (chain, nodes):
            for left, right in pairwise(nodes):
                terms = {"amount": str(4 * STAKE), "counterparty_amount": str(3 * STAKE)}
                terms |= {"until": "completed", "counterparty": right.address}
                opened = left.call("ledger_open", **terms)
                until("both have it", partial(is_open, right, opened["channel_id"]))
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
    # Nobody who is gone is waited for.
    assert bob.stop() == 0
    bob.start(TALLY_POLICY_EXIT_PATIENCE_S="1")
    bob.call("channel_exit", channel_id=channel_id)
    go_on(chain, bob, channel_id)
    until("bob is out", partial(is_left, bob, channel_id))
    assert wealth(chain, bob) - before == balance + 30


# --- a game with stakes of both ends ---

SALTS = (b"\xa7" * 32, b"\xb7" * 32)


def open_game(row: Row) -> Table:
    """Rock-paper-scissors over the hub, for a stake of each; its own contract judges the moves."""
    chain, (alice, hub, bob) = row
    return Table(
        Network(chain, alice, bob),
        "rock_paper_scissors",
        (STAKE, STAKE),
        app=chain.deployment.addresses["rock_paper_scissors_app"],
        path=[hub.address, bob.address],
        fee_max=str(FEE),
    )


def play(table: Table, parts: int) -> None:
    """So many moves of a round that alice wins, in order: two commitments, two reveals."""
    channel_id, shown = bytes.fromhex(table.channel_id[2:]), b""
    moves = (ROCK, SCISSORS)
    for count in range(parts):
        player = count % 2
        if count < 2:
            shown += commitment(channel_id, player, moves[player], SALTS[player])
        else:
            shown += bytes([moves[player]]) + SALTS[player]
        assert table.say(player, shown) == 0


def test_a_game_for_two_stakes_over_a_hub_is_played_to_its_end(shared_row: Row) -> None:
    chain, nodes = shared_row
    alice, hub, bob = nodes
    before, sent = worth(nodes), sent_count(chain.url, nodes)
    table = open_game(shared_row)
    until("the hub has it open", partial(is_open, hub, table.channel_id))
    put_in = [then - now for now, then in zip(worth(nodes), before, strict=True)]
    assert put_in == [STAKE + FEE, 2 * STAKE - FEE, STAKE]
    view = hub.call("channel_get", channel_id=table.channel_id)
    assert (view["deposit"], view["our_deposit"], view["role"]) == (str(2 * STAKE), "0", "hub")
    deposits = [node.call("channel_get", channel_id=table.channel_id) for node in (alice, bob)]
    assert [view["our_deposit"] for view in deposits] == [str(STAKE)] * 2
    play(table, 4)
    assert table.agree()["count"] == 4
    assert payouts(bob, table.channel_id) == [2 * STAKE, 0]
    for node in (alice, bob):
        node.call("channel_close", channel_id=table.channel_id)
    for node in nodes:
        until(f"{node.name} has settled", partial(is_at_rest, node, table.channel_id))
    gains = [now - then for now, then in zip(worth(nodes), before, strict=True)]
    assert gains == [STAKE - FEE, FEE, -STAKE]
    assert sent_count(chain.url, nodes) == sent
    for node in nodes:
        node.stop()
        assert audit_notes(node) == []


def test_the_winner_leaves_alone_with_both_stakes_when_the_loser_vanishes(shared_row: Row) -> None:
    chain, nodes = shared_row
    alice, hub, bob = nodes
    table = open_game(shared_row)
    play(table, 3)
    # bob sees that he lost, and is never heard of again; nor is the hub.
    bob.kill()
    hub.kill()
    # Nobody who is gone is waited for.
    assert alice.stop() == 0
    alice.start(TALLY_POLICY_EXIT_PATIENCE_S="1")
    balance, before = worth([alice])[0], wealth(chain, alice)
    alice.call("channel_exit", channel_id=table.channel_id)
    go_on(chain, alice, table.channel_id)
    until("alice is out", partial(is_left, alice, table.channel_id))
    assert wealth(chain, alice) - before == balance + 2 * STAKE
    alice.stop()
    assert audit_notes(alice) == []
