"""Leaving alone, with real daemons on a real chain: the peer is gone, and every wei comes home."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from node.audit.audit import AuditPlan, audit
from node.cli.demo_nodes import is_open
from node.cli.demo_report import DemoPlan
from node.cli.demo_virtual import open_ledgers
from node.cli.options import NATIVE
from node.devnet import Devnet
from tests.support.daemons import LocalNode, Network, open_channel
from tests.support.e2e_rig import Purse, audit_notes, channel_is, until
from tests.support.leaving_daemons import (
    AMOUNT,
    FEE,
    free_in_ledgers,
    go_on,
    is_answered,
    kinds,
    leave,
    paid_ledger,
    pay,
    running_row,
    wealth,
)
from tests.support.old_states import challenge_with_old_state
from tests.support.warm_python import WarmPython, begun_by

pytestmark = pytest.mark.e2e


def told_by_chain(chain: Devnet, node: LocalNode) -> list[str]:
    """What the chain says of a node's log that the log does not."""
    report = audit(node.log_path, plan=AuditPlan(rpc_urls=(chain.url,)))
    return [finding.message for finding in report.findings] + list(report.assumed)


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


# --- stale challenges ---


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
