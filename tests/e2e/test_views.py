"""The views of real daemons: kept beside them, asked with SQL, broken, killed, and never missed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from node.cli.demo_run import open_channel, wait_until
from node.cli.local_node import LocalNode
from node.log_views.keeper import remove_view, view_file
from node.processes import our_environment, our_python
from node.sinks.check import check
from tests.support.daemons import Network, running_network
from tests.support.postgres_server import PostgresServer

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with running_network(tmp_path_factory.mktemp("views"), views=True) as made:
        yield made


@pytest.fixture(scope="module")
def channel_id(network: Network) -> str:
    opened: str = open_channel(network.alice, network.bob)
    return opened


def figures(node: LocalNode) -> dict[str, Any]:
    found: dict[str, Any] = node.call("node_status")["views"]
    return found


def until_level(node: LocalNode) -> dict[str, Any]:
    wait_until("the views get there", lambda: figures(node)["lag_records"] == 0)
    return figures(node)


def ask(node: LocalNode, sql: str) -> list[list[Any]]:
    command = our_python("node", "sql", sql, "--dir", str(node.directory), "--json")
    done = subprocess.run(command, env=our_environment(), stdout=subprocess.PIPE, check=True)
    rows: list[list[Any]] = json.loads(done.stdout)["rows"]
    return rows


def pay(network: Network, channel_id: str, amounts: list[int]) -> None:
    for amount in amounts:
        network.alice.call("payment_send", channel_id=channel_id, amount=str(amount))


def keeper_of(node: LocalNode) -> int:
    """The process that keeps its views: the daemon's only child."""
    pid = node.child.process_id
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = {*children, *_of_other_threads(pid)}
    (child,) = found
    return int(child)


def _of_other_threads(pid: int) -> list[str]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [child for task in tasks for child in (task / "children").read_text().split()]


SUM = "SELECT count(*), amount_text(amount_sum(amount)) FROM payments"


def test_payments_are_in_both_nodes_views_soon_after(network: Network, channel_id: str) -> None:
    before = int(ask(network.bob, SUM)[0][0])
    pay(network, channel_id, [10**12 + n for n in range(20)])
    wait_until("the views get there", lambda: ask(network.bob, SUM)[0][0] == before + 20)
    assert until_level(network.alice)["state"] == "following"
    assert ask(network.alice, SUM) == ask(network.bob, SUM)
    ((status, ours),) = ask(network.bob, "SELECT status, ours FROM channels")
    assert (status, ours) == ("open", ask(network.bob, SUM)[0][1])


def test_a_killed_and_a_damaged_view_come_back_while_payments_go_on(
    network: Network, channel_id: str
) -> None:
    bob = network.bob
    until_level(bob)
    count = ask(bob, SUM)[0][0]
    os.kill(keeper_of(bob), signal.SIGKILL)
    wait_until("the views get there", lambda: figures(bob)["failure"] != "")
    remove_view(view_file(bob.log_path))
    view_file(bob.log_path).write_bytes(b"not a database" * 5_000)
    pay(network, channel_id, [1] * 30)
    wait_until("the views get there", lambda: figures(bob)["restart_count"] == 1)
    shown = until_level(bob)
    assert "NotADBError" in shown["rebuilt"]
    assert ask(bob, SUM)[0][0] == count + 30


def test_a_stopped_view_holds_nobody_up(network: Network, channel_id: str) -> None:
    bob = network.bob
    until_level(bob)
    keeper = keeper_of(bob)
    os.kill(keeper, signal.SIGSTOP)
    try:
        pay(network, channel_id, [1] * 50)
        assert figures(bob)["lag_records"] >= 50
    finally:
        os.kill(keeper, signal.SIGCONT)
    assert until_level(bob)["restart_count"] == figures(bob)["restart_count"]


def test_a_stopped_node_takes_its_keeper_along_and_leaves_its_views(
    network: Network, channel_id: str
) -> None:
    bob = network.bob
    keeper, count = keeper_of(bob), ask(bob, SUM)[0][0]
    assert bob.stop() == 0
    assert not Path(f"/proc/{keeper}").exists()
    pay(network, channel_id, [5])
    assert ask(bob, SUM)[0][0] == count
    bob.start(TALLY_VIEWS_ENABLED="true")
    wait_until("the views get there", lambda: ask(bob, SUM)[0][0] == count + 1)


def test_views_are_copied_to_postgresql_while_payments_go_on(
    network: Network, channel_id: str, postgres: PostgresServer
) -> None:
    bob = network.bob
    until_level(bob)
    count = ask(bob, SUM)[0][0]
    assert bob.stop() == 0
    bob.start(
        TALLY_VIEWS_ENABLED="true",
        TALLY_VIEWS_POSTGRES=postgres.conninfo,
        TALLY_VIEWS_POSTGRES_SCHEMA="bob",
    )
    for amount in (1, 2, 3):
        pay(network, channel_id, [amount] * 20)

    def is_level() -> bool:
        views = figures(bob)
        return views["lag_records"] == 0 and (views["sink"] or {}).get("lag_records") == 0

    wait_until("bob is paid", lambda: ask(bob, SUM)[0][0] == count + 60)
    wait_until("PostgreSQL gets there", is_level)
    # Nobody pays any more, so what is level stays so.
    found = check(postgres.conninfo, "bob", view_file(bob.log_path))
    assert found.is_equal
    with psycopg.connect(postgres.conninfo) as reader:
        shown = reader.execute("SELECT count(*) FROM bob.payments").fetchone()
    assert shown == (ask(bob, SUM)[0][0],)
