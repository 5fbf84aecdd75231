"""Adversaries, with real daemons on a real chain: who is honest ends with what M22 says.

Both figures are worked out in every story: `exit_value` of what the honest node's log held when the
story began, and how much richer its account is at the end, gas left out of both. All stories, these
among them, are told in tests/simulation/test_adversary_stories.py; what test_exits and
test_disputes tell is not told again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from node.cli.demo_nodes import is_open, names_on_path, running_path
from node.cli.demo_progress import demo_progress
from node.devnet import Devnet
from node.store.log import EventLog
from protocols.channel import REDEMPTION_TURN
from protocols.events import ChainLogObserved, ChallengeCleared
from protocols.types import from_hex
from tests.support.cheating_daemons import Scales, agreed_now, channel_of, redeem, register, turn_of
from tests.support.daemons import LocalNode, Network, open_channel
from tests.support.e2e_rig import channel_is, until
from tests.support.leaving_daemons import DURATION_S, go_on, is_answered, leave, paid_ledger, pay
from tests.support.lying_endpoints import endpoints
from tests.support.old_states import challenge_with_old_state, pass_time
from tests.support.warm_python import WarmPython, begun_by

pytestmark = pytest.mark.e2e


# --- the two figures ---


# --- what the dishonest do ---


def saw_cleared(node: LocalNode, channel_id: str) -> bool:
    """Whether the node knows of the answer too: before that it refuses to be paid (M11)."""
    cleared = [event for event in events_of(node) if isinstance(event, ChallengeCleared)]
    return any(event.channel_id == from_hex(channel_id) for event in cleared)


def saw_redeemed(node: LocalNode, channel_id: str) -> bool:
    """Whether the node saw a redemption of the channel on chain."""
    logs = [event for event in events_of(node) if isinstance(event, ChainLogObserved)]
    return any(
        (log.channel_id, log.log_name, log.turn_num)
        == (from_hex(channel_id), "ChallengeRegistered", REDEMPTION_TURN)
        for log in logs
    )


def waits_for(node: LocalNode, channel_id: str, condition: str) -> bool:
    """Whether an objective of the channel waits for that."""
    listed = node.call("objective_list")["objectives"]
    return any(o["channel_id"] == channel_id and o["waiting_for"] == condition for o in listed)


def is_out(node: LocalNode, channel_id: str) -> bool:
    return channel_is(node, channel_id, "closed")


# --- somebody vanishes ---


def test_the_peer_is_killed_while_its_deposit_is_awaited(network: Network) -> None:
    alice, bob = network.nodes
    network.chain.call("evm_setAutomine", False)
    terms = {"amount": "5000", "counterparty_amount": "3000"}
    ledger_id = alice.call("ledger_open", counterparty=bob.address, **terms)["channel_id"]
    until("she waits for her deposit", partial(waits_for, alice, ledger_id, "my-deposit"))
    until("it is sent", partial(has_sent, network.chain, alice))
    bob.kill()
    network.chain.call("evm_mine")
    until("his is missing", partial(waits_for, alice, ledger_id, "complete-funding"))
    network.chain.call("evm_setAutomine", True)
    scales = Scales(network.chain, alice)
    assert scales.worth == 5_000
    leave(network, alice, ledger_id)
    scales.holds()


def has_sent(chain: Devnet, node: LocalNode) -> bool:
    """Whether a transaction of the node waits for a block."""
    pending = chain.call("eth_getTransactionCount", node.address, "pending")
    return bool(pending != chain.call("eth_getTransactionCount", node.address, "latest"))


def test_the_peer_is_killed_while_its_final_signature_is_awaited(network: Network) -> None:
    alice, bob = network.nodes
    channel_id = open_channel(alice, bob)
    pay(alice, channel_id, 3)
    bob.kill()
    alice.call("channel_close", channel_id=channel_id)
    until("he is awaited", partial(waits_for, alice, channel_id, "supported-final-state"))
    scales = Scales(network.chain, alice)
    leave(network, alice, channel_id)
    scales.holds()


# --- old states ---


def test_the_payer_registers_the_prefund_while_the_payee_is_down(network: Network) -> None:
    alice, bob = network.nodes
    channel_id = open_channel(alice, bob)
    paid = pay(alice, channel_id, 3)
    scales = Scales(network.chain, bob)
    assert scales.worth == paid
    bob.kill()
    register(network.chain, alice, turn_of(alice, channel_id, 0))
    alice.kill()
    # He is back when a minute is left.
    pass_time(network.chain, DURATION_S - 60)
    bob.start()
    until("he redeems", partial(has_turn, bob, channel_id, 2))
    pass_time(network.chain, DURATION_S + 1)
    until("he is paid", partial(is_out, bob, channel_id))
    scales.holds()


def has_turn(node: LocalNode, channel_id: str, turn_num: int) -> bool:
    """Whether the node saw a challenge with that turn confirmed."""
    known = channel_of(node, channel_id).adjudicated
    return known is not None and known.turn_num == turn_num


def test_gas_costs_fifty_times_as_much_while_we_answer(network: Network) -> None:
    chain, (alice, bob) = network.chain, network.nodes
    ledger_id = paid_ledger(network)
    scales = Scales(chain, bob)
    assert scales.worth == 3_700
    base_fee_wei = int(chain.call("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
    challenge_and_hold(chain, alice, ledger_id)
    until("his answer is sent", partial(has_sent, chain, bob))
    dear = hex(50 * max(base_fee_wei, 10**9))

    def is_mined() -> bool:
        chain.call("anvil_setNextBlockBaseFeePerGas", dear)
        chain.call("evm_mine")
        return mined_count(chain) > 0

    chain.call("anvil_setNextBlockBaseFeePerGas", dear)
    chain.call("evm_mine")
    assert mined_count(chain) == 0, "what he bid first does not do any more"
    until("he bids more, and is heard", is_mined)
    chain.call("evm_setAutomine", True)
    until("it is answered", partial(is_answered, bob, ledger_id))
    assert any(event.NAME == "transaction-replaced" for event in events_of(bob))
    alice.kill()
    leave(network, bob, ledger_id)
    scales.holds()


def mined_count(chain: Devnet) -> int:
    """Transactions in the newest block."""
    return len(chain.call("eth_getBlockByNumber", "latest", False)["transactions"])


def challenge_and_hold(chain: Devnet, cheat: LocalNode, ledger_id: str) -> None:
    """The cheat's challenge is mined, and nothing after it for now."""
    chain.call("evm_setAutomine", False)
    register(chain, cheat, turn_of(cheat, ledger_id, 1))
    chain.call("evm_mine")


def events_of(node: LocalNode) -> list[Any]:
    """The node's log."""
    log = EventLog.open(node.log_path, read_only=True)
    try:
        return [event for _, event in log.read_events()]
    finally:
        log.close()


# --- a path of three ---

AMOUNT, FEE = 10_000, 7


class Path3:
    """alice, a hub and bob, two ledgers, and a virtual channel with payments in it."""

    def __init__(self, chain: Devnet, nodes: list[LocalNode]) -> None:
        self.chain, self.nodes = chain, nodes
        self.alice, self.hub, self.bob = nodes
        self.ledgers = [
            left.call(
                "ledger_open", counterparty=right.address, amount="50000", counterparty_amount="900"
            )["channel_id"]
            for left, right in ((self.alice, self.hub), (self.hub, self.bob))
        ]
        for ledger_id, pair in zip(self.ledgers, (nodes[:2], nodes[1:]), strict=True):
            for node in pair:
                until(f"{node.name} has its ledger", partial(is_open, node, ledger_id))
        self.early = [agreed_now(self.hub, ledger_id) for ledger_id in self.ledgers]
        """States of the ledgers from before the channel."""
        terms = {
            "path": [self.hub.address, self.bob.address],
            "amount": str(AMOUNT),
            "fee_max": str(FEE),
        }
        self.channel_id = str(self.alice.call("channel_open", **terms)["channel_id"])
        for node in nodes:
            until(f"{node.name} has it open", partial(is_open, node, self.channel_id))
        self.paid = pay(self.alice, self.channel_id, 4)


@pytest.fixture
def path(python: WarmPython, tmp_path: Path) -> Iterator[Path3]:
    with (
        demo_progress(quiet=True) as progress,
        begun_by(python, running_path(tmp_path, progress, names_on_path(1), hub_fee=FEE)) as (
            chain,
            nodes,
        ),
    ):
        yield Path3(chain, nodes)


def test_a_ledger_is_challenged_under_a_live_virtual_channel(path: Path3) -> None:
    """The payer and then the payee go back to before the channel; the hub answers, it goes on."""
    alice, hub, bob = path.nodes
    scales = Scales(path.chain, hub)
    for ledger_id, cheat, early in zip(path.ledgers, (alice, bob), path.early, strict=True):
        register(path.chain, cheat, early)
        until("the hub answers", partial(is_answered, hub, ledger_id))
        until("the cheat saw it", partial(saw_cleared, cheat, ledger_id))
    pay(alice, path.channel_id, 1)
    assert channel_is(hub, path.channel_id, "open")
    for cheat in (alice, bob):
        cheat.kill()
    for ledger_id in path.ledgers:
        hub.call("channel_exit", channel_id=ledger_id)
    go_on_all(path.chain, hub, path.ledgers)
    scales.holds()


def go_on_all(chain: Devnet, node: LocalNode, ledger_ids: list[str]) -> None:
    """The node acts alone until it is out of all of these."""
    for ledger_id in ledger_ids:
        go_on(chain, node, ledger_id)


def test_the_hub_vanishes_with_payments_outstanding(path: Path3) -> None:
    """Payer and payee leave at the same time, each through its own ledger."""
    alice, hub, bob = path.nodes
    hub.kill()
    both = [Scales(path.chain, node) for node in (alice, bob)]
    for scales, ledger_id in zip(both, path.ledgers, strict=True):
        scales.node.call("channel_exit", channel_id=ledger_id)
    # A day passes as soon as the payer waits for it: the payee needs a moment of it.
    until("the payee redeemed", partial(saw_redeemed, bob, path.channel_id))
    for scales, ledger_id in zip(both, path.ledgers, strict=True):
        go_on(path.chain, scales.node, ledger_id)
    assert both[1].worth >= 900 + path.paid
    for scales in both:
        scales.holds()


def test_hub_and_payee_collude_with_an_old_ledger_state(path: Path3) -> None:
    alice, hub, bob = path.nodes
    scales = Scales(path.chain, alice)
    for cheat in (hub, bob):
        cheat.kill()
    redeem(path.chain, bob, path.channel_id)
    register(path.chain, hub, path.early[0])
    until("she answers", partial(is_answered, alice, path.ledgers[0]))
    alice.call("channel_exit", channel_id=path.ledgers[0])
    go_on(path.chain, alice, path.ledgers[0])
    scales.holds()
    # The payee redeemed: she gets what she did not pay, and not a wei more.
    assert scales.received() == scales.worth


# --- endpoints and forks ---


def watch_through(node: LocalNode, urls: list[str], quorum: int) -> None:
    """The node starts again, with these endpoints."""
    node.start(
        TALLY_CHAIN_URLS=",".join(urls),
        TALLY_CHAIN_QUORUM=str(quorum),
        TALLY_CHAIN_CONFIRMATION_COUNT="2",
    )


def test_an_endpoint_of_three_hides_the_challenge(network: Network) -> None:
    chain, (alice, bob) = network.chain, network.nodes
    ledger_id = paid_ledger(network)
    scales = Scales(chain, bob)
    assert bob.stop() == 0
    with endpoints(chain.url, 3) as (liar, second, third):
        watch_through(bob, [one.url for one in (liar, second, third)], 2)
        liar.hides_logs = True
        challenge_with_old_state(network, alice, ledger_id)
        until("he answers by what two tell", partial(mines, chain, is_answered, bob, ledger_id))
        assert liar.hidden_count, "it had something to hide"
        assert any(alarm["name"] == "endpoint-outvoted" for alarm in alarms_of(bob))
        alice.kill()
        leave_with_depth(chain, bob, ledger_id)
        scales.holds()


def test_the_endpoint_in_use_stalls(network: Network) -> None:
    chain, (alice, bob) = network.chain, network.nodes
    ledger_id = paid_ledger(network)
    scales = Scales(chain, bob)
    assert bob.stop() == 0
    with endpoints(chain.url, 1) as (stalling,):
        watch_through(bob, [stalling.url, chain.url], 1)
        stalling.works.clear()
        challenge_with_old_state(network, alice, ledger_id)
        until("he turns to the other one", partial(mines, chain, is_answered, bob, ledger_id))
        alice.kill()
        leave_with_depth(chain, bob, ledger_id)
        scales.holds()


def leave_with_depth(chain: Devnet, node: LocalNode, ledger_id: str) -> None:
    """The exit where facts count two blocks later: somebody has to mine them."""
    node.call("channel_exit", channel_id=ledger_id)
    until("it stands", partial(mines, chain, channel_is, node, ledger_id, "challenged"))
    pass_time(chain, DURATION_S + 1)
    until("all is paid out", partial(mines, chain, is_out, node, ledger_id))


def mines(chain: Devnet, done: Any, *arguments: Any) -> bool:
    """One more block, and whether that is so now."""
    chain.call("evm_mine")
    time.sleep(0.2)
    return bool(done(*arguments))


def alarms_of(node: LocalNode) -> list[dict[str, Any]]:
    """What the node says is wrong."""
    found: list[dict[str, Any]] = node.call("node_status")["alarms"]
    return found


def test_a_fork_drops_our_answer(network: Network) -> None:
    chain, (alice, bob) = network.chain, network.nodes
    ledger_id = paid_ledger(network)
    scales = Scales(chain, bob)
    assert bob.stop() == 0
    watch_through(bob, [chain.url], 1)
    challenge_and_hold(chain, alice, ledger_id)
    until("his answer is sent", partial(has_sent, chain, bob))
    chain.call("evm_mine")
    until("it is mined", partial(waits_for, bob, ledger_id, "challenge-clearance"))
    # The block with his answer is replaced by an empty one.
    chain.call("anvil_reorg", 1, [])
    chain.call("evm_setAutomine", True)
    until("he answers again", partial(mines, chain, is_answered, bob, ledger_id))
    alice.kill()
    leave_with_depth(chain, bob, ledger_id)
    scales.holds()
