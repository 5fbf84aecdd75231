"""Leaving alone, with real daemons on a real chain: the peer is gone, and every wei comes home."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from node.audit.audit import AuditPlan, audit
from node.cli.demo_chain import transactions_of
from node.cli.demo_nodes import is_open, names_on_path, running_path
from node.cli.demo_progress import demo_progress
from node.cli.demo_report import DemoPlan
from node.cli.demo_virtual import open_ledgers
from node.cli.options import NATIVE
from node.deployment import balance_wei
from node.devnet import Devnet
from tests.support.daemons import LocalNode, Network, open_channel, running_network
from tests.support.e2e_rig import Purse, amount_of, audit_notes, channel_is, until
from tests.support.old_states import challenge_with_old_state, pass_time
from tests.support.warm_python import WarmPython, begun_by

pytestmark = pytest.mark.e2e

DURATION_S = 86_400
"""As channels are opened by default."""


@pytest.fixture
def network(python: WarmPython, tmp_path: Path) -> Iterator[Network]:
    with begun_by(python, running_network(tmp_path)) as running:
        yield running


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


def told_by_chain(chain: Devnet, node: LocalNode) -> list[str]:
    """What the chain says of a node's log that the log does not."""
    report = audit(node.log_path, plan=AuditPlan(rpc_urls=(chain.url,)))
    return [finding.message for finding in report.findings] + list(report.assumed)


def is_left(node: LocalNode, channel_id: str) -> bool:
    return kinds(node, channel_id).get("Exit") == "completed"


def leave(network: Network, node: LocalNode, channel_id: str) -> None:
    """The exit in one call; time passes; everything of ours is out."""
    node.call("channel_exit", channel_id=channel_id)
    until("the challenge stands", partial(channel_is, node, channel_id, "challenged"))
    pass_time(network.chain, DURATION_S + 1)
    until("everything is paid out", partial(is_left, node, channel_id))
    assert channel_is(node, channel_id, "closed")


def test_the_payee_of_a_payer_who_vanished_redeems_her_largest_voucher(network: Network) -> None:
    purse = Purse(network)
    channel_id = open_channel(network.alice, network.bob)
    paid = pay(network.alice, channel_id, 3)
    network.alice.kill()
    leave(network, network.bob, channel_id)
    assert purse.moved()[1] == paid
    assert network.bob.stop() == 0
    assert audit_notes(network.bob) == []


def test_the_payer_of_a_payee_who_vanished_gets_back_what_she_did_not_pay(network: Network) -> None:
    channel_id = open_channel(network.alice, network.bob)
    pay(network.alice, channel_id, 3)
    deposit = int(network.channel(network.alice, channel_id)["deposit"])
    network.bob.kill()
    purse = Purse(network)
    leave(network, network.alice, channel_id)
    # A payee who never came to redeem gets nothing: at worst she loses what she paid.
    assert purse.moved()[0] == deposit
    assert network.alice.stop() == 0
    assert audit_notes(network.alice) == []


@pytest.mark.parametrize("leader_vanishes", [True, False])
def test_a_ledger_is_left_alone_with_what_was_agreed_last(
    network: Network, leader_vanishes: bool
) -> None:
    alice, bob = network.nodes
    opened = alice.call(
        "ledger_open", counterparty=bob.address, amount="5000", counterparty_amount="3000"
    )
    ledger_id = opened["channel_id"]
    for node in network.nodes:
        until(f"{node.name} has it open", partial(channel_is, node, ledger_id, "open"))
    alice.call("ledger_pay", channel_id=ledger_id, amount="700", until="agreed")
    gone, stays = (alice, bob) if leader_vanishes else (bob, alice)
    gone.kill()
    purse = Purse(network)
    leave(network, stays, ledger_id)
    assert purse.moved()[network.nodes.index(stays)] == (3_700 if leader_vanishes else 4_300)
    assert stays.stop() == 0
    assert audit_notes(stays) == []
    # Who comes back later finds what is theirs, and is paid it.
    gone.start()
    until("it noticed", lambda: kinds(gone, ledger_id).get("Withdraw") == "completed")
    assert purse.moved()[network.nodes.index(gone)] == (4_300 if leader_vanishes else 3_700)
    assert gone.stop() == 0
    assert audit_notes(gone) == []


# --- virtual channels ---

AMOUNT, FEE = 10_000, 7


def free_in_ledgers(node: LocalNode) -> int:
    """The node's own in its open ledgers, outside guarantees."""
    found = node.call("ledger_list", status="open")["channels"]
    return sum(int(view["ledger"]["balance"]) for view in found)


def wealth(chain: Devnet, node: LocalNode) -> int:
    """Its account's balance as if gas were free, wei."""
    sent = transactions_of(chain.url, [node.address], 0)
    return balance_wei(chain.url, node.address) + sum(t.cost_wei for t in sent)


@pytest.mark.parametrize("place", range(4), ids=["payer", "first hub", "second hub", "payee"])
def test_each_role_of_a_path_leaves_a_virtual_channel_alone(
    python: WarmPython, tmp_path: Path, place: int
) -> None:
    with begun_by(python, running_row(tmp_path)) as (chain, nodes):
        open_ledgers(nodes, DemoPlan(channel_count=2), NATIVE)
        path = [node.address for node in nodes[1:]]
        terms = {"path": path, "amount": str(AMOUNT), "fee_max": str(2 * FEE)}
        channel_id = str(nodes[0].call("channel_open", **terms)["channel_id"])
        for node in nodes:
            until(f"{node.name} has it open", partial(is_open, node, channel_id))
        paid = pay(nodes[0], channel_id, 5)
        node = nodes[place]
        # M22 of this path: a hub has on its left what the others agree on, and gives it on its
        # right; a payer gets her rest at least, a payee what it was paid.
        gains = (AMOUNT - paid, AMOUNT, AMOUNT, paid)[place]
        worth = wealth(chain, node) + free_in_ledgers(node) + gains
        for other in nodes:
            if other is not node:
                other.kill()
        # A restart in between changes nothing; nobody who is gone is waited for.
        assert node.stop() == 0
        node.start(TALLY_POLICY_EXIT_PATIENCE_S="1")
        node.call("channel_exit", channel_id=channel_id)
        go_on(chain, node, channel_id)
        got = wealth(chain, node)
        # Nobody was there to redeem against the payer: what she paid came back to her.
        assert got == worth + (paid if place == 0 else 0)
        assert node.stop() == 0
        assert audit_notes(node) == []
        assert told_by_chain(chain, node) == []


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


# --- stale challenges ---


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


def test_a_stale_challenge_is_answered_while_up_and_right_after_a_restart(
    network: Network,
) -> None:
    alice, bob = network.nodes
    ledger_id = paid_ledger(network)
    # alice goes back to what was before she paid; bob is up.
    challenge_with_old_state(network, alice, ledger_id)
    until("bob answered", partial(is_answered, bob, ledger_id))
    until("alice sees it", partial(channel_is, alice, ledger_id, "open"))
    alice.call("ledger_pay", channel_id=ledger_id, amount="1", until="agreed")
    # The answer raised the record on chain: the old state is worth nothing any more.
    second = paid_ledger(network)
    bob.kill()
    challenge_with_old_state(network, alice, second)
    bob.start()
    until("bob answered, back again", partial(is_answered, bob, second))
    purse = Purse(network)
    alice.kill()
    leave(network, bob, second)
    assert purse.moved()[1] == 3_700
    assert bob.stop() == 0
    assert audit_notes(bob) == []


@pytest.mark.parametrize("leader_vanishes", [True, False])
def test_a_ledger_resumes_when_the_party_that_was_challenged_comes_back(
    network: Network, leader_vanishes: bool
) -> None:
    alice, bob = network.nodes
    ledger_id = paid_ledger(network)
    gone, stays = (alice, bob) if leader_vanishes else (bob, alice)
    gone.kill()
    stays.call("channel_challenge", channel_id=ledger_id)
    until("the challenge stands", partial(channel_is, stays, ledger_id, "challenged"))
    # Its newest state stands there: nothing that anybody holds outranks it.
    gone.start()
    for node in network.nodes:
        until(f"{node.name} has it open", partial(channel_is, node, ledger_id, "open"))
    until("the challenge ended", lambda: kinds(stays, ledger_id)["Challenge"] == "completed")
    until("so did the defence", lambda: kinds(gone, ledger_id).get("Defend") == "completed")
    alice.call("ledger_pay", channel_id=ledger_id, amount="1", until="agreed")
    balances = [
        int(network.channel(node, ledger_id)["ledger"]["balance"]) for node in network.nodes
    ]
    assert balances == [4_299, 3_701]
    for node in network.nodes:
        assert node.stop() == 0
        assert audit_notes(node) == []
        assert told_by_chain(network.chain, node) == []
