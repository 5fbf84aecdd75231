"""Ledgers along a path and channels over them, step by step, on nodes that run."""

from __future__ import annotations

import pytest

from node.cli.demo_nodes import is_open
from node.cli.demo_progress import demo_progress
from node.cli.demo_report import HUB_FEE_WEI, VIRTUAL_WEI, DemoPlan, paid_wei
from node.cli.demo_virtual import close_ledgers, open_ledgers, run_virtual, sent_count
from node.cli.local_node import LocalNode
from node.cli.options import NATIVE
from node.config import load

pytestmark = pytest.mark.e2e


def chain_url(node: LocalNode) -> str:
    (url,) = load(node.directory, environment={}).chain.urls
    return str(url)


def test_a_ledger_has_room_for_every_channel_and_the_fees_to_its_right(
    path: list[LocalNode],
) -> None:
    plan = DemoPlan(1, 1, 3)
    before = sent_count(chain_url(path[0]), path)
    ledgers = open_ledgers(path, plan, NATIVE)
    deposits = [int(path[1].call("channel_get", channel_id=it)["deposit"]) for it in ledgers]
    assert deposits == [3 * (VIRTUAL_WEI + HUB_FEE_WEI), 3 * VIRTUAL_WEI]
    assert sent_count(chain_url(path[0]), path) == before + 2
    for node, ledger in zip(path, ledgers, strict=False):
        assert is_open(node, ledger)
    views = close_ledgers(path, ledgers)
    assert [len(views[node.name]) for node in path] == [1, 2, 1]
    assert {view["status"] for shown in views.values() for view in shown} == {"closed"}


def test_channels_live_and_end_without_a_transaction(path: list[LocalNode]) -> None:
    plan, counted = DemoPlan(4, 1, 2), []

    with demo_progress(quiet=True) as progress:
        progress.count = lambda done, total: counted.append((done, total))  # type: ignore[method-assign]
        run = run_virtual(chain_url(path[0]), path, plan, NATIVE, progress)
    assert run.chain_transaction_count == 0
    assert counted[-1] == (8, 8)
    assert {name: len(views) for name, views in run.views.items()} == {
        "alice": 2,
        "hub": 2,
        "bob": 2,
    }
    for name in ("alice", "bob"):
        for view in run.views[name]:
            assert view["receipted"] == str(paid_wei(4))
            assert view["virtual"]["path"] == [node.address for node in path]
