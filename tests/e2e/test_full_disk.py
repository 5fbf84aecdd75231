"""A disk that fills up under a node: what was acknowledged is there afterwards.

The node's directory is a small file system of its own in memory. It fills while alice pays; the
node whose disk it is stops, saying what to do; with more room it goes on from where it was.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from node.cli.local_node import LocalNode
from node.rpc.call import RpcError
from node.rpc.client import RpcClient
from protocols.payment_events import PaymentListed
from protocols.types import from_hex
from tests.support.daemons import Network, open_channel, running_network
from tests.support.e2e_rig import (
    NODE_GONE,
    STEP_TIMEOUT_S,
    Purse,
    at_rest,
    audit_notes,
    connected,
    records,
    until,
)

pytestmark = pytest.mark.e2e

DISK_SIZE_MB = 6
LATER_SIZE_MB = 64
LISTED_COUNT = 300
GONE_AFTER_S = 5.0
"""Without an answer for so long the payer looks whether the payee still lives."""
MEMO = "no room " * 32


@contextmanager
def small_disk(node: LocalNode) -> Iterator[None]:
    """Move the node's log to a disk of its own; only who may mount one can."""
    assert node.stop() == 0
    aside = node.log_path.with_name("aside")
    node.log_path.rename(aside)
    node.log_path.mkdir(mode=0o700)
    options = ["-t", "tmpfs", "-o", f"size={DISK_SIZE_MB}m,mode=700", "tmpfs", str(node.log_path)]
    subprocess.run(["mount", *options], check=True)
    try:
        shutil.copytree(aside, node.log_path, dirs_exist_ok=True)
        node.start()
        yield
    finally:
        node.end()
        subprocess.run(["umount", "--lazy", str(node.log_path)], check=True)


def enlarge(path: Path) -> None:
    """Make room, as an owner would."""
    options = f"remount,size={LATER_SIZE_MB}m"
    subprocess.run(["mount", "-o", options, str(path)], check=True)


async def pay_until_full(
    payer: LocalNode, victim: LocalNode, channel_id: str, answers: list[dict[str, Any]], until_: str
) -> None:
    """Batches of payments with long memos until the victim is gone; keeps every answer."""
    payments = [{"amount": "1", "memo": MEMO}] * LISTED_COUNT
    with trio.fail_after(STEP_TIMEOUT_S):
        async with await RpcClient.connect(payer.endpoint) as client:
            while victim.child.exit_code is None:
                with trio.move_on_after(GONE_AFTER_S):
                    answer = await client.call(
                        "payment_batch",
                        channel_id=channel_id,
                        payments=payments,
                        request_id=f"batch {len(answers)}",
                        until=until_,
                    )
                    answers.append(answer)


def says_what_to_do(node: LocalNode) -> bool:
    """Whether the last words of the process that ended are what its owner needs."""
    words = node.stderr_tail()
    return "No space left on device" in words and "make room" in words


@pytest.mark.parametrize(("who", "until_"), [("alice", "durable"), ("bob", "receipt")])
def test_what_was_acknowledged_survives_a_full_disk(who: str, until_: str, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        again_as_root_of_its_own(f"{who}-{until_}")
        return
    with running_network(tmp_path) as network:
        victim: LocalNode = getattr(network, who)
        with small_disk(victim):
            fills_up(network, victim, until_)


def again_as_root_of_its_own(case: str) -> None:
    """Run one case in namespaces of its own, in which whoever runs the tests may mount."""
    pytest_case = f"{__file__}::test_what_was_acknowledged_survives_a_full_disk[{case}]"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", pytest_case]
    subprocess.run(["unshare", "--map-root-user", "--mount", *command], check=True)


def fills_up(network: Network, victim: LocalNode, until_: str) -> None:
    """Pay until the victim's disk is full, make room, go on, close; judge by the chain and logs."""
    alice, bob = network.nodes
    purse = Purse(network)
    until("they are connected", lambda: connected(alice, bob))
    channel_id = open_channel(alice, bob)
    answers: list[dict[str, Any]] = []
    with contextlib.suppress(*NODE_GONE):
        trio.run(pay_until_full, alice, victim, channel_id, answers, until_)
    until(f"{victim.name} stopped", lambda: victim.child.exit_code is not None)
    assert victim.child.exit_code == 1
    assert says_what_to_do(victim)
    victim.kill()  # it is gone; this closes its pipe
    acknowledged = {identity for answer in answers for identity in ids_of(answer)}
    assert len(acknowledged) >= LISTED_COUNT

    enlarge(victim.log_path)
    victim.start()
    until("they are connected", lambda: connected(alice, bob))
    (view,) = alice.call("channel_list")["channels"]
    assert not view["close_only"]
    until("one more is paid", partial(pays, alice, channel_id))
    alice.call("channel_close", channel_id=channel_id)
    for node in network.nodes:
        until("the money is paid out", partial(at_rest, node, channel_id))
    assert [node.stop() for node in network.nodes] == [0, 0]
    assert acknowledged <= set(listed(alice))
    assert listed(alice) == listed(bob)
    total = len(listed(alice)) + 1
    assert purse.moved() == (-total, total)
    for node in network.nodes:
        assert audit_notes(node) == []


def pays(payer: LocalNode, channel_id: str) -> bool:
    """Pay 1; False while a node that just started has not seen the chain yet."""
    named = {"channel_id": channel_id, "request_id": "one more"}
    try:
        payer.call("payment_send", amount="1", until="receipt", **named)
    except RpcError as refusal:
        if not refusal.retry_safe:
            raise
        return False
    return True


def ids_of(answer: dict[str, Any]) -> list[bytes]:
    return [from_hex(identity) for identity in answer["payment_ids"]]


def listed(node: LocalNode) -> list[bytes]:
    """The payments of batches in the node's log, in order; each stands there once."""
    found = [e.payment_id for e in records(node) if isinstance(e, PaymentListed)]
    assert len(set(found)) == len(found)
    return found
