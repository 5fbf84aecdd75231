"""Histories of nodes that left alone, to be audited."""

from __future__ import annotations

from functools import lru_cache

from protocols import commands
from protocols.objectives.base import ObjectiveType
from tests.support.audit_cases import History, as_audited
from tests.support.builders import CHANNEL
from tests.support.conclusions import concluded_with_refused
from tests.support.exit_rig import challenge_with_turn, is_completed, leave, step, until
from tests.support.exit_web import ExitWeb
from tests.support.ledger_rig import LEDGER, opened_ledger
from tests.support.network import opened, pay


@lru_cache
def _payee() -> History:
    network = opened(depth=2)
    pay(network, 30, 1)
    network.settle()
    leave(network, network.bob, CHANNEL)
    return list(as_audited([event for _, event in network.bob.log]))


@lru_cache
def _sealed() -> History:
    network = opened(depth=2)
    pay(network, 30, 1)
    network.settle()
    network.bob.feed(commands.ExportDisputeKit(CHANNEL))
    network.bob.feed(commands.ExportDisputeKit(CHANNEL, sealed=True))
    return list(as_audited([event for _, event in network.bob.log]))


@lru_cache
def _exported_ledger() -> History:
    network = opened_ledger()
    network.alice.feed(commands.PayLedger(LEDGER, 200, "r1"))
    network.settle()
    network.alice.feed(commands.ExportDisputeKit(LEDGER))
    return list(as_audited([event for _, event in network.alice.log]))


@lru_cache
def _exported_path() -> History:
    web = ExitWeb(1)
    channel_id = web.opened(300)
    hub = web.row[1]
    hub.feed(commands.ExportDisputeKit(channel_id))
    return list(as_audited([event for _, event in hub.log]))


def sealing_payee() -> History:
    """BOB exported a kit of a channel that pays him, and then a sealed one."""
    return _sealed()


def exporting_leader() -> History:
    """ALICE exported a kit of the ledger that she leads, after a payment in it."""
    return _exported_ledger()


def exporting_hub() -> History:
    """A hub exported a kit of a channel that it carries, with both of its ledgers."""
    return _exported_path()


@lru_cache
def _payer() -> History:
    network = opened(depth=2)
    pay(network, 30, 1)
    network.settle()
    leave(network, network.alice, CHANNEL)
    return list(as_audited([event for _, event in network.alice.log]))


@lru_cache
def _told() -> History:
    network, alice = concluded_with_refused()
    until(network, alice, lambda: is_completed(alice, ObjectiveType.WITHDRAW, CHANNEL))
    return list(as_audited([event for _, event in alice.log]))


@lru_cache
def _ledger() -> History:
    network = opened_ledger()
    network.alice.feed(commands.PayLedger(LEDGER, 200, "r1"))
    network.settle()
    challenge_with_turn(network, network.bob, LEDGER, 1)
    for _ in range(4):
        step(network, network.bob)
    leave(network, network.bob, LEDGER)
    return list(as_audited([event for _, event in network.bob.log]))


@lru_cache
def _resumed(place: int) -> History:
    network = opened_ledger()
    alice = network.alice
    alice.feed(commands.ChallengeChannel(LEDGER))
    until(network, alice, lambda: alice.channel(LEDGER).chain_status == "challenged")
    network.reconnect()
    for _ in range(4):
        step(network, alice, network.bob)
        network.settle()
    node = (alice, network.bob)[place]
    assert node.channel(LEDGER).chain_status == "open"
    return list(as_audited([event for _, event in node.log]))


def resumed_leader() -> History:
    """She challenged her ledger, and it went on."""
    return list(_resumed(0))


def resumed_follower() -> History:
    """It was challenged, came back, and cleared that."""
    return list(_resumed(1))


def leaving_payee() -> History:
    """It redeemed a voucher of 30, alone."""
    return list(_payee())


def leaving_payer() -> History:
    """She paid 30, nobody redeemed it, and she took everything back."""
    return list(_payer())


def told_payer() -> History:
    """She forgot a payment, and the payee concluded with the final state that it had refused."""
    return list(_told())


def leaving_follower() -> History:
    """It answered a stale challenge of its ledger, and left the ledger later."""
    return list(_ledger())
