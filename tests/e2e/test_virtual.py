"""Virtual channels between real daemons on a real chain: exact, and no transaction meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from node.cli.demo_nodes import is_at_rest, is_open, names_on_path, running_path
from node.cli.demo_progress import demo_progress
from node.cli.demo_report import DemoPlan
from node.cli.demo_virtual import close_ledgers, open_ledgers, sent_count
from node.cli.local_node import LocalNode
from node.cli.options import NATIVE
from node.deployment import TEST_TOKEN, token_balance
from node.devnet import Devnet
from node.rpc.call import RpcError
from tests.support.e2e_rig import STEP_TIMEOUT_S, audit_notes, paid, pay, until
from tests.support.warm_python import WarmPython, begun_by

pytestmark = pytest.mark.e2e

FEE = 7
AMOUNT = 10_000
PAYMENT_COUNT = 20
ROOM = DemoPlan(channel_count=10)
"""What the ledgers are made large enough for: more than these tests open at once."""


@dataclass(frozen=True)
class Row:
    """Nodes from a payer to a payee, with a ledger between neighbours."""

    chain: Devnet
    nodes: list[LocalNode]
    ledgers: list[str]
    asset: str

    @property
    def payer(self) -> LocalNode:
        return self.nodes[0]

    @property
    def payee(self) -> LocalNode:
        return self.nodes[-1]

    def propose(self, **terms: Any) -> str:
        """The payer opens a channel over the whole row."""
        behind = [node.address for node in self.nodes[1:]]
        given = {"path": behind, "amount": str(AMOUNT), "asset": self.asset, **terms}
        return str(self.payer.call("channel_open", **given)["channel_id"])

    def open(self, **terms: Any) -> str:
        """And waits until everybody holds it to be open."""
        fee_max = str(FEE * (len(self.nodes) - 2))
        channel_id = self.propose(**{"fee_max": fee_max, **terms})
        for node in self.nodes:
            until(f"{node.name} has it open", partial(is_open, node, channel_id))
        return channel_id

    def pay(self, channel_id: str, count: int = PAYMENT_COUNT) -> int:
        """Pay so often, each payment receipted; the sum."""

        async def work() -> None:
            with trio.fail_after(STEP_TIMEOUT_S):
                await pay(self.payer, channel_id, range(count), {})

        trio.run(work)
        return paid(count)

    def close(self, channel_id: str, by: LocalNode) -> None:
        """Close it, and wait until everybody has settled."""
        by.call("channel_close", channel_id=channel_id)
        self.wait_until_settled(channel_id)

    def wait_until_settled(self, channel_id: str) -> None:
        for node in self.nodes:
            until(f"{node.name} has settled", partial(is_at_rest, node, channel_id))

    def worth(self) -> list[int]:
        """What each node has in its ledgers, outside guarantees."""
        return [
            sum(
                int(view["ledger"]["balance"])
                for view in node.call("ledger_list", status="open")["channels"]
            )
            for node in self.nodes
        ]

    def guarantee_count(self) -> int:
        """Of all nodes and ledgers."""
        return sum(
            view["ledger"]["guarantee_count"]
            for node in self.nodes
            for view in node.call("ledger_list")["channels"]
        )

    @contextmanager
    def no_transaction(self) -> Iterator[None]:
        """Nobody of the row sends anything to the chain meanwhile."""
        before = sent_count(self.chain.url, self.nodes)
        yield
        assert sent_count(self.chain.url, self.nodes) == before

    @contextmanager
    def gaining(self, *gains: int) -> Iterator[None]:
        """The nodes' worth changes by these amounts, and nothing stays guaranteed."""
        before = self.worth()
        yield
        assert [now - then for now, then in zip(self.worth(), before, strict=True)] == list(gains)
        assert self.guarantee_count() == 0


@contextmanager
def running_row(workspace: Path, hop_count: int, *, is_token: bool = False) -> Iterator[Row]:
    """Everything stops cleanly at the end, and no audit finds or notes anything."""
    names = names_on_path(hop_count)
    with (
        demo_progress(quiet=True) as progress,
        running_path(workspace, progress, names, hub_fee=FEE) as (chain, nodes),
    ):
        asset = chain.deployment.addresses[TEST_TOKEN] if is_token else NATIVE
        yield Row(chain, nodes, open_ledgers(nodes, ROOM, asset), asset)
        for node in nodes:
            assert node.stop() == 0
            assert audit_notes(node) == []


@pytest.fixture(scope="module")
def row(python: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Row]:
    """alice, hub and bob."""
    with begun_by(python, running_row(tmp_path_factory.mktemp("row"), 1)) as running:
        yield running


@pytest.mark.parametrize("closer", ["payer", "payee"])
def test_either_end_closes_and_everybody_has_what_was_paid(row: Row, closer: str) -> None:
    sum_paid = paid(PAYMENT_COUNT)
    with row.no_transaction(), row.gaining(-sum_paid - FEE, FEE, sum_paid):
        channel_id = row.open()
        assert row.guarantee_count() == 4
        assert row.pay(channel_id) == sum_paid
        row.close(channel_id, getattr(row, closer))
    for node in (row.payer, row.payee):
        view = node.call("channel_get", channel_id=channel_id)
        assert (view["paid"], view["receipted"]) == (str(sum_paid), str(sum_paid))


def test_a_caller_may_wait_for_the_end_of_what_it_asked_for(row: Row) -> None:
    with row.no_transaction(), row.gaining(-FEE, FEE, 0):
        channel_id = row.propose(fees=[str(FEE)], until="completed")
        assert is_open(row.payer, channel_id)
        closed = row.payer.call("channel_close", channel_id=channel_id, until="completed")
        assert closed["completed"]
        assert is_at_rest(row.payer, channel_id)
        row.wait_until_settled(channel_id)
        with pytest.raises(RpcError, match="ended without success") as failed:
            row.propose(fees=[str(FEE - 1)], until="completed")
        assert failed.value.name == "OBJECTIVE_FAILED"


def test_many_channels_share_the_ledgers(row: Row) -> None:
    with row.no_transaction(), row.gaining(-4 * (FEE + paid(5)), 4 * FEE, 4 * paid(5)):
        channels = [row.open(fees=[str(FEE)]) for _ in range(4)]
        assert row.guarantee_count() == 16
        for channel_id in channels:
            row.pay(channel_id, 5)
        for number, channel_id in enumerate(channels):
            (row.payer, row.payee)[number % 2].call("channel_close", channel_id=channel_id)
        for channel_id in channels:
            row.wait_until_settled(channel_id)


def test_a_hub_that_was_killed_meanwhile_has_its_fee_and_nothing_less(row: Row) -> None:
    hub, sum_paid = row.nodes[1], paid(PAYMENT_COUNT)
    with row.no_transaction(), row.gaining(-sum_paid - FEE, FEE, sum_paid):
        channel_id = row.open()
        hub.kill()
        # Payments pass between the ends alone.
        row.pay(channel_id)
        row.payee.call("channel_close", channel_id=channel_id)
        hub.start()
        row.wait_until_settled(channel_id)


def test_a_channel_opens_once_a_hub_that_was_killed_is_back(row: Row) -> None:
    hub = row.nodes[1]
    with row.no_transaction(), row.gaining(-FEE, FEE, 0):
        hub.kill()
        channel_id = row.propose(fees=[str(FEE)])
        assert not is_open(row.payer, channel_id)
        hub.start()
        for node in row.nodes:
            until(f"{node.name} has it open", partial(is_open, node, channel_id))
        row.close(channel_id, row.payer)


def test_two_neighbours_need_no_hub(row: Row) -> None:
    hub = row.nodes[1]
    with row.no_transaction(), row.gaining(-paid(3), paid(3), 0):
        channel_id = row.propose(path=[hub.address])
        for node in (row.payer, hub):
            until(f"{node.name} has it open", partial(is_open, node, channel_id))
        row.pay(channel_id, 3)
        hub.call("channel_close", channel_id=channel_id)
        for node in (row.payer, hub):
            until(f"{node.name} has settled", partial(is_at_rest, node, channel_id))


def test_tokens_over_two_hubs_end_on_chain_to_the_unit(tmp_path: Path) -> None:
    with running_row(tmp_path, 2, is_token=True) as row:
        before = [token_balance(row.chain.url, row.asset, node.address) for node in row.nodes]
        locked = row.worth()
        sum_paid = paid(PAYMENT_COUNT)
        gains = [-sum_paid - 2 * FEE, FEE, FEE, sum_paid]
        with row.no_transaction(), row.gaining(*gains):
            channel_id = row.open()
            row.pay(channel_id)
            row.close(channel_id, row.payee)
        close_ledgers(row.nodes, row.ledgers)
        after = [token_balance(row.chain.url, row.asset, node.address) for node in row.nodes]
        assert after == [sum(parts) for parts in zip(before, locked, gains, strict=True)]
