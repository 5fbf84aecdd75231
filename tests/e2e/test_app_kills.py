"""Nodes that kill themselves while messages of an application are judged: both ends agree after.

Between the reducer's run and the write of its verdict the view is ahead of the log, and behind it
where its own file lost the end. Every call is repeated under its request id until it is answered.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.support.app_daemons import STAKE, open_till, payouts, said, say
from tests.support.daemons import running_network
from tests.support.e2e_rig import (
    NOT_STOPPED_CLEANLY,
    Purse,
    Survivors,
    at_rest,
    audit_notes,
    until,
)

pytestmark = pytest.mark.e2e

MESSAGE_COUNT = 16
ANSWER_S = 2.0
"""After which a message is said again: whoever fell meanwhile has been started by then."""
FAULTS = [
    ("alice", "before-write:12"),
    ("alice", "after-sync:13"),
    ("alice", "before-send:6"),
    ("bob", "before-write:7"),
    ("bob", "before-write:12"),
    ("bob", "after-sync:8"),
    ("bob", "after-send:6"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("who", "fault"), FAULTS)
def test_both_ends_agree_after_a_kill(who: str, fault: str, tmp_path: Path) -> None:
    with running_network(tmp_path, fault_points=True) as network:
        purse = Purse(network)
        channel_id = open_till(network)
        survivors = Survivors(network)
        victim = network.alice if who == "alice" else network.bob
        survivors.arm(victim, fault)
        for number in range(MESSAGE_COUNT):
            speaker = network.nodes[number % 2]
            # Who speaks may wait for the other's word, and the other may be the one who fell.
            call = partial(
                say,
                speaker,
                channel_id,
                1 + number % 2,
                request_id=f"said-{number}",
                timeout_s=ANSWER_S,
            )
            survivors.until(f"message {number} is decided", call)
        assert survivors.crash_count == 1
        for node in network.nodes:
            until(
                "all is there", lambda node=node: said(node, channel_id)["count"] == MESSAGE_COUNT
            )
        told = [said(node, channel_id) for node in network.nodes]
        for name in ("count", "root", "digest"):
            assert told[0][name] == told[1][name]
        moved = MESSAGE_COUNT // 2
        assert payouts(network.alice, channel_id) == payouts(network.bob, channel_id)
        assert payouts(network.bob, channel_id) == [STAKE + moved, STAKE - moved]
        network.alice.call("channel_close", channel_id=channel_id)
        for node in network.nodes:
            until("the money is paid out", partial(at_rest, node, channel_id))
        assert purse.moved() == (moved, -moved)
        for node in network.nodes:
            assert node.stop() == 0
            assert [n for n in audit_notes(node) if not n.startswith(NOT_STOPPED_CLEANLY)] == []
