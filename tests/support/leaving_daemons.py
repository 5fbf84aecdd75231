"""Real daemons of which one is left alone: what it does, and what it brings home."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from node.cli.demo_chain import transactions_of
from node.cli.demo_nodes import names_on_path, running_path
from node.cli.demo_progress import demo_progress
from node.deployment import balance_wei
from node.devnet import Devnet
from tests.support.daemons import LocalNode, Network
from tests.support.e2e_rig import amount_of, channel_is, until
from tests.support.old_states import pass_time

DURATION_S = 86_400
"""As channels are opened by default."""

AMOUNT, FEE = 10_000, 7


def pay(node: LocalNode, channel_id: str, count: int) -> int:
    """So many payments, each receipted; their sum."""
    for number in range(count):
        node.call(
            "payment_send", channel_id=channel_id, amount=str(amount_of(number)), until="receipt"
        )
    return sum(map(amount_of, range(count)))


def kinds(node: LocalNode, channel_id: str) -> dict[str, str]:
    """The channel's objectives and how they stand."""
    listed = node.call("objective_list")["objectives"]
    return {o["objective_type"]: o["status"] for o in listed if o["channel_id"] == channel_id}


def is_left(node: LocalNode, channel_id: str) -> bool:
    return kinds(node, channel_id).get("Exit") == "completed"


def leave(network: Network, node: LocalNode, channel_id: str) -> None:
    """The exit in one call; time passes; everything of ours is out."""
    node.call("channel_exit", channel_id=channel_id)
    until("the challenge stands", partial(channel_is, node, channel_id, "challenged"))
    pass_time(network.chain, DURATION_S + 1)
    until("everything is paid out", partial(is_left, node, channel_id))
    assert channel_is(node, channel_id, "closed")


def free_in_ledgers(node: LocalNode) -> int:
    """The node's own in its open ledgers, outside guarantees."""
    found = node.call("ledger_list", status="open")["channels"]
    return sum(int(view["ledger"]["balance"]) for view in found)


def wealth(chain: Devnet, node: LocalNode) -> int:
    """Its account's balance as if gas were free, wei."""
    sent = transactions_of(chain.url, [node.address], 0)
    return balance_wei(chain.url, node.address) + sum(t.cost_wei for t in sent)


@contextmanager
def running_row(workspace: Path) -> Iterator[tuple[Devnet, list[LocalNode]]]:
    """alice, two hubs and bob on a chain of their own."""
    with (
        demo_progress(quiet=True) as progress,
        running_path(workspace, progress, names_on_path(2), hub_fee=FEE) as running,
    ):
        yield running


def go_on(chain: Devnet, node: LocalNode, channel_id: str) -> None:
    """The node acts alone; every challenge that stands runs out."""
    waited: set[str] = set()

    def is_done() -> bool:
        listed = node.call("objective_list")["objectives"]
        standing = {
            o["objective_id"]
            for o in listed
            if o["objective_type"] == "Challenge" and o["waiting_for"] == "challenge-expiry"
        }
        if standing - waited and not any(
            o["waiting_for"] == "challenge-registration" for o in listed
        ):
            waited.update(standing)
            pass_time(chain, DURATION_S + 1)
        return is_left(node, channel_id)

    until("everything is paid out", is_done)


def is_answered(node: LocalNode, channel_id: str) -> bool:
    done = kinds(node, channel_id).get("Defend") == "completed"
    return done and channel_is(node, channel_id, "open")


def paid_ledger(network: Network) -> str:
    """A ledger in which alice paid bob 700."""
    alice, bob = network.nodes
    terms = {"amount": "5000", "counterparty_amount": "3000"}
    ledger_id = alice.call("ledger_open", counterparty=bob.address, **terms)["channel_id"]
    for node in network.nodes:
        until(f"{node.name} has it open", partial(channel_is, node, ledger_id, "open"))
    alice.call("ledger_pay", channel_id=ledger_id, amount="700", until="agreed")
    return str(ledger_id)
