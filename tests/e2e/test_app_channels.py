"""Application channels between two real daemons on a real chain, killed and started in between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import pytest

from node.cli.local_node import STDERR_FILE
from node.rpc.call import RpcError
from tests.support.app_daemons import STAKE, TILL, install, open_till, payload, payouts, said, say
from tests.support.daemons import LocalNode, Network, running_network
from tests.support.e2e_rig import Purse, at_rest, audit_notes, connected, until
from tests.support.warm_python import WarmPython, begun_by

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def network(python: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with begun_by(python, running_network(tmp_path_factory.mktemp("apps"))) as running:
        yield running


def agree(network: Network, channel_id: str, count: int) -> None:
    """Both hold so many messages, the same ones, and their views are equal."""
    until("both agree", lambda: said(network.bob, channel_id)["count"] == count)
    assert said(network.alice, channel_id)["messages"] == [
        {**message, "seq": mine["seq"]}
        for message, mine in zip(
            said(network.bob, channel_id)["messages"],
            said(network.alice, channel_id)["messages"],
            strict=True,
        )
    ]
    for name in ("count", "root", "digest"):
        assert said(network.alice, channel_id)[name] == said(network.bob, channel_id)[name]


def close(network: Network, closer: LocalNode, channel_id: str) -> None:
    closer.call("channel_close", channel_id=channel_id)
    for node in network.nodes:
        until(f"{node.name} sees the money paid out", partial(at_rest, node, channel_id))


def restart(network: Network, node: LocalNode) -> None:
    node.kill()
    node.start()
    other = network.bob if node is network.alice else network.alice
    until("they are connected", partial(connected, node, other))


@pytest.mark.parametrize("turn_rule", ["leader", "alternate"])
def test_what_is_said_is_paid_out_to_the_wei(network: Network, turn_rule: str) -> None:
    purse = Purse(network)
    channel_id = open_till(network, turn_rule)
    for number in range(1, 9):
        node = network.nodes[(number - 1) % 2]
        assert say(node, channel_id, number)["count"] == number
    agree(network, channel_id, 8)
    moved = 2 + 4 + 6 + 8 - 1 - 3 - 5 - 7
    assert payouts(network.alice, channel_id) == [STAKE + moved, STAKE - moved]
    close(network, network.bob, channel_id)
    assert purse.moved() == (moved, -moved)


def test_a_refused_message_is_named_and_leaves_nothing(network: Network) -> None:
    channel_id = open_till(network)
    say(network.alice, channel_id, 5)
    before = said(network.alice, channel_id)
    for amount, words in ((STAKE * 2, "code 1"), (0, "trap-unreachable")):
        with pytest.raises(RpcError, match=words):
            say(network.bob, channel_id, amount)
    assert said(network.alice, channel_id) == before
    say(network.bob, channel_id, 1)
    agree(network, channel_id, 2)


def test_a_repeated_request_is_one_message(network: Network) -> None:
    channel_id = open_till(network)
    first = say(network.alice, channel_id, 5, request_id="once")
    assert say(network.alice, channel_id, 5, request_id="once") == first
    with pytest.raises(RpcError, match="once"):
        say(network.alice, channel_id, 6, request_id="once")
    agree(network, channel_id, 1)


def test_killed_nodes_go_on_where_both_agreed(network: Network) -> None:
    purse = Purse(network)
    channel_id = open_till(network)
    for number, node in enumerate((*network.nodes, *network.nodes), start=1):
        say(network.alice, channel_id, number)
        restart(network, node)
        say(network.bob, channel_id, 10 * number)
        agree(network, channel_id, 2 * number)
    moved = 10 * 10 - 10
    assert payouts(network.bob, channel_id) == [STAKE + moved, STAKE - moved]
    close(network, network.alice, channel_id)
    assert purse.moved() == (moved, -moved)


def test_a_view_that_was_lost_is_derived_anew(network: Network) -> None:
    channel_id = open_till(network)
    for amount in (1, 2, 3):
        say(network.alice, channel_id, amount)
    network.bob.kill()
    for file in (network.bob.directory / "data-apps" / "views").iterdir():
        file.unlink()
    network.bob.start()
    say(network.alice, channel_id, 4)
    agree(network, channel_id, 4)
    assert payouts(network.bob, channel_id) == [STAKE - 10, STAKE + 10]


def test_a_view_that_is_not_there_is_derived_for_a_question(network: Network) -> None:
    channel_id = open_till(network)
    for amount in (1, 2, 3):
        say(network.alice, channel_id, amount)
    bob = network.bob
    views = bob.directory / "data-apps" / "views"
    for file in views.iterdir():
        file.unlink()
    assert payouts(bob, channel_id) == [STAKE - 6, STAKE + 6], "beside the daemon"
    bob.kill()
    for file in views.iterdir():
        file.unlink()
    bob.start()
    assert payouts(bob, channel_id) == [STAKE - 6, STAKE + 6], "before anything is judged"
    until("they are connected", partial(connected, bob, network.alice))
    say(network.alice, channel_id, 4)
    agree(network, channel_id, 4)
    assert payouts(bob, channel_id) == [STAKE - 10, STAKE + 10]


def test_without_its_reducer_a_channel_waits_and_the_node_goes_on(network: Network) -> None:
    channel_id = open_till(network)
    say(network.alice, channel_id, 1)
    bob = network.bob
    bob.kill()
    for file in (bob.directory / "data-apps" / "reducers").iterdir():
        file.unlink()
    bob.start()
    until("they are connected", partial(connected, bob, network.alice))
    waits = network.alice.call("app_send", channel_id=channel_id, payload=payload(2))
    assert waits["count"] is None

    def alarmed() -> bool:
        alarms = bob.call("node_status")["alarms"]
        return ("app-view-failing", channel_id) in [(a["name"], a["channel_id"]) for a in alarms]

    until("bob says so", alarmed)
    view = bob.call("channel_get", channel_id=channel_id)
    assert (view["kind"], view["role"], view["app"]["count"]) == ("app", "player", 1)
    install(bob)
    until("it was tried again", lambda: said(bob, channel_id)["count"] == 2)
    agree(network, channel_id, 2)
    assert not alarmed()


def test_the_view_answers_questions_and_takes_no_orders(network: Network) -> None:
    channel_id = open_till(network)
    say(network.alice, channel_id, 7)
    ask = partial(network.alice.call, "app_query", channel_id=channel_id)
    assert ask(sql="SELECT sender, amount FROM said")["rows"] == [[0, 7]]
    for sql, name in (
        ("DELETE FROM said", "QUERY_REFUSED"),
        ("SELECT 1; SELECT 2", "QUERY_FAILED"),
        ("ATTACH 'x.db' AS x", "QUERY_REFUSED"),
    ):
        with pytest.raises(RpcError, match=name):
            ask(sql=sql)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with pytest.raises(RpcError, match="QUERY_TIMED_OUT"):
        ask(sql=endless, timeout_ms=200)


def test_a_reducer_that_one_side_lacks_opens_nothing(network: Network) -> None:
    code = TILL.read_bytes() + b"\x00\x04\x01xab"
    reducer = install(network.alice, code)
    with pytest.raises(RpcError, match="no reducer"):
        open_till(network, reducer="0x" + "77" * 32)
    answer = network.alice.call(
        "app_open", counterparty=network.bob.address, reducer=reducer, amount="5"
    )

    def failure() -> str:
        objective = network.alice.call("objective_get", objective_id=answer["objective_id"])
        return str(objective["reason"])

    until("alice is told why", failure)
    assert "is installed" in failure()
    channel = network.alice.call("channel_get", channel_id=answer["channel_id"])
    assert channel["status"] == "rejected"
    records = network.bob.call("log_read", names=["message-dropped"])["records"]
    assert not any("no reducer" in record["payload"]["reason"] for record in records)


def test_what_a_peer_says_beyond_its_quota_waits_and_is_not_lost(network: Network) -> None:
    channel_id = open_till(network)
    alice, bob = network.nodes
    bob.stop()
    try:
        bob.start(TALLY_POLICY_APP_MESSAGES_PER_MINUTE="60")
        until("they are connected", partial(connected, bob, alice))
        say(alice, channel_id, 1)
        for _ in range(66):
            alice.call("app_send", channel_id=channel_id, payload=payload(1))
        until("the quota is used up", lambda: said(bob, channel_id)["count"] >= 60)
        began_s = time.monotonic()
        assert say(alice, channel_id, 1)["count"] == 68
        assert time.monotonic() - began_s > 1
        agree(network, channel_id, 68)
        assert "wait for its quota" in (bob.directory / STDERR_FILE).read_text()
    finally:
        restart(network, bob)


def test_the_audit_finds_nothing(network: Network) -> None:
    channel_id = open_till(network)
    for number in range(4):
        say(network.nodes[number % 2], channel_id, 1 + number)
    for node in network.nodes:
        node.stop()
        assert audit_notes(node) == []
        node.start()  # It need not be the last test of its worker.
