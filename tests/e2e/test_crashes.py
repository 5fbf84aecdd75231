"""Nodes that kill themselves at the worst moments: the money is right all the same.

A node is armed to die by SIGKILL the k-th time it passes a fault point, somewhere in a run of 100
payments, and started again without. Every call of alice's is repeated, under its request id, until
it is answered.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from node.rpc.call import RpcError
from node.store.tail import wal_files
from protocols.events import LogTailCut
from protocols.types import from_hex
from tests.support import e2e_rig
from tests.support.daemons import LocalNode, open_channel, running_network
from tests.support.e2e_rig import (
    NOT_STOPPED_CLEANLY,
    Purse,
    Survivors,
    amount_of,
    at_rest,
    audit_notes,
    channel_is,
    connected,
    ended_cleanly,
    issued,
    paid,
    received,
    records,
    until,
)

pytestmark = pytest.mark.e2e

PAYMENT_COUNT = 100
DEPOSIT_WEI = 10**18


@dataclass(frozen=True)
class Crash:
    """Who dies at which fault, armed when the phase begins."""

    phase: str
    who: str
    fault: str

    def __str__(self) -> str:
        return f"{self.phase}-{self.who}-{self.fault}"


CRASHES = [
    Crash("opening", "alice", "before-write:2"),
    Crash("opening", "alice", "after-sync:3"),
    Crash("opening", "alice", "before-send:2"),
    Crash("opening", "bob", "after-sync:1"),
    Crash("paying", "alice", "before-write:7"),
    Crash("paying", "alice", "after-send:9"),
    Crash("paying", "bob", "after-sync:5"),
    Crash("paying", "bob", "before-send:4"),
    Crash("closing", "alice", "before-send:2"),
    Crash("closing", "bob", "before-write:2"),
    Crash("closing", "bob", "after-send:1"),
]


def wait_for(number: int) -> str:
    """Every third caller is content with alice's own disk."""
    return "durable" if number % 3 == 0 else "receipt"


@pytest.mark.parametrize("crash", CRASHES, ids=str)
def test_after_a_crash_the_channel_ends_with_the_right_balances(
    crash: Crash, tmp_path: Path
) -> None:
    with running_network(tmp_path, fault_points=True) as network:
        alice, bob = network.nodes
        purse, survivors = Purse(network), Survivors(network)
        survivors.on_crash = is_sound_but_not_stopped_cleanly

        def begin(phase: str) -> None:
            if crash.phase == phase:
                survivors.arm(alice if crash.who == "alice" else bob, crash.fault)

        begin("opening")
        channel_id = survivors.call(
            alice,
            "channel_open",
            counterparty=bob.address,
            amount=str(DEPOSIT_WEI),
            request_id="open",
        )["channel_id"]
        for node in network.nodes:
            survivors.until("it is open", partial(channel_is, node, channel_id, "open"))
        begin("paying")
        acknowledged = survivors.pay(channel_id, PAYMENT_COUNT, wait_for)
        begin("closing")
        survivors.call(alice, "channel_close", channel_id=channel_id, request_id="close")
        for node in network.nodes:
            survivors.until("the money is paid out", partial(at_rest, node, channel_id))
        survivors.until("it crashed", lambda: survivors.crash_count)

        assert survivors.crash_count == 1
        assert [len(node.call("channel_list")["channels"]) for node in network.nodes] == [1, 1]
        assert [node.stop() for node in network.nodes] == [0, 0]
        assert purse.moved() == (-paid(PAYMENT_COUNT), paid(PAYMENT_COUNT))
        (deposit,) = purse.logs("Deposited", channel_id)
        assert int(deposit["data"], 16) == DEPOSIT_WEI
        assert len(purse.logs("Concluded", channel_id)) == 1
        assert [(t.sender, t.kind, t.succeeded) for t in purse.transactions] == [
            (alice.address.lower(), "deposit", True),
            (alice.address.lower(), "concludeAndTransferAllAssets", True),
        ]
        expected = {
            from_hex(answer["payment_id"]): amount_of(number)
            for number, answer in acknowledged.items()
        }
        assert len(expected) == PAYMENT_COUNT
        assert issued(alice) == received(bob) == expected
        for node in network.nodes:
            assert ended_cleanly(node)
            assert all(NOT_STOPPED_CLEANLY in note for note in audit_notes(node))


def is_sound_but_not_stopped_cleanly(node: LocalNode) -> None:
    """What the audit says of the log as the crash left it."""
    (note,) = audit_notes(node)
    assert NOT_STOPPED_CLEANLY in note


@pytest.mark.parametrize("place", [0, 1], ids=["alice", "bob"])
def test_one_that_falls_while_it_connects_is_not_waited_for(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_network(tmp_path, fault_points=True) as network:
        armed, survivors = network.nodes[place], Survivors(network)

        def falls(node: LocalNode, other: LocalNode) -> bool:
            os.kill(armed.child.process_id, signal.SIGKILL)
            armed.child.wait(30)
            return connected(node, other)

        monkeypatch.setattr(e2e_rig, "connected", falls)
        survivors.arm(armed, "after-sync:1000")
        survivors.revive()
        assert survivors.crash_count == 1
        survivors.until("the two are connected", partial(connected, *network.nodes))


@pytest.mark.parametrize(("who", "closer"), [("alice", "alice"), ("bob", "bob")])
def test_a_cut_tail_costs_nobody_money_the_channel_may_only_be_closed(
    who: str, closer: str, tmp_path: Path
) -> None:
    with running_network(tmp_path, fault_points=True) as network:
        alice, bob = network.nodes
        victim: LocalNode = getattr(network, who)
        purse, survivors = Purse(network), Survivors(network)
        channel_id = open_channel(alice, bob)
        survivors.arm(victim, "after-send:10")
        acknowledged = survivors.pay_until_a_crash(channel_id, PAYMENT_COUNT)
        # The newest batch is lost, and what it said had been sent.
        file = wal_files(victim.log_path)[-1]
        file.write_bytes(file.read_bytes()[:-40])
        victim.start()
        assert sum(isinstance(event, LogTailCut) for event in records(victim)) == 1
        assert network.channel(victim, channel_id)["close_only"]
        until("they are connected", lambda: connected(alice, bob))
        getattr(network, closer).call("channel_close", channel_id=channel_id)
        for node in network.nodes:
            until("the money is paid out", partial(at_rest, node, channel_id))
        with pytest.raises(RpcError):
            alice.call("payment_send", channel_id=channel_id, amount="1")
        assert [node.stop() for node in network.nodes] == [0, 0]

        known = issued(alice) | received(bob)
        assert purse.moved() == (-sum(known.values()), sum(known.values()))
        assert 0 < len(acknowledged) < PAYMENT_COUNT
        for number, answer in acknowledged.items():
            assert known[from_hex(answer["payment_id"])] == amount_of(number)
        for node in network.nodes:
            assert all("M27" in note for note in audit_notes(node))
