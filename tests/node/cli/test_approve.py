"""`tally approve` and `tally reject`, on a node whose policy asks."""

from collections.abc import Iterator
from functools import partial

import pytest

from node.cli.demo_nodes import is_open
from tests.support.daemons import Network, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture
def asking(network: Network) -> Iterator[Network]:
    """Bob's policy asks its owner for the time of one test."""
    network.bob.stop()
    network.bob.start(TALLY_POLICY_DEFAULT="ask")
    yield network
    network.bob.stop()
    network.bob.start()


def proposed(tally_json, network: Network) -> dict[str, str]:
    directory = network.alice.directory
    opened: dict[str, str] = tally_json(
        "open", network.bob.address, "1000", "--no-wait", "--dir", directory
    )
    bob = network.bob.directory

    def arrived() -> bool:
        waiting = tally_json("objectives", "--status", "unapproved", "--dir", bob)["objectives"]
        return opened["objective_id"] in [o["objective_id"] for o in waiting]

    wait_until("bob is asked", arrived)
    return opened


def wait_until_open(network: Network, channel_id: str) -> None:
    """At both: nothing of it goes on while the next test reads balances and logs."""
    for node in network.nodes:
        wait_until(f"{node.name}'s channel is open", partial(is_open, node, channel_id))


def test_what_the_owner_approves_goes_on(tally, tally_json, asking: Network) -> None:
    opened = proposed(tally_json, asking)
    bob = asking.bob.directory
    shown = tally_json("objectives", opened["objective_id"], "--dir", bob)
    assert shown["waiting_for"] == "approval"
    terms = tally("objectives", opened["objective_id"], "--dir", bob).stdout
    lines = [line.split() for line in terms.splitlines()]
    assert ["deposit", "1000", "wei"] in lines
    assert ["our_deposit", "0", "wei"] in lines
    assert ["counterparty", asking.alice.address] in lines
    approved = tally_json("approve", opened["objective_id"][:12], "--dir", bob)
    assert approved["objective_id"] == opened["objective_id"]
    wait_until_open(asking, opened["channel_id"])
    refused = tally_json("approve", opened["objective_id"], "--dir", bob, exit_code=1)
    assert refused["error"]["name"] == "OBJECTIVE_NOT_WAITING_FOR_APPROVAL"


def test_what_the_owner_rejects_ends_with_the_reason(tally, tally_json, asking: Network) -> None:
    opened = proposed(tally_json, asking)
    bob = asking.bob.directory
    result = tally("reject", opened["objective_id"], "--reason", "not today", "--dir", bob)
    assert result.exit_code == 0
    assert "Rejected objective" in result.stdout

    def rejected() -> bool:
        view = tally_json("objectives", opened["objective_id"], "--dir", asking.alice.directory)
        return view["status"] == "rejected" and "not today" in view["reason"]

    wait_until("alice is told", rejected)


def test_people_and_programs_get_both_answers(tally, tally_json, asking: Network) -> None:
    bob = asking.bob.directory
    opened = proposed(tally_json, asking)
    approved = tally("approve", opened["objective_id"], "--dir", bob)
    assert "Approved objective" in approved.stdout
    wait_until_open(asking, opened["channel_id"])
    rejected = tally_json("reject", proposed(tally_json, asking)["objective_id"], "--dir", bob)
    assert rejected["seq"] > 0
