"""`tally ledger`, and the channels that run over ledgers."""

from pathlib import Path

import pytest

from node.cli.demo_nodes import is_at_rest, wait_until
from node.cli.ledger import COLUMNS
from node.cli.local_node import LocalNode
from node.cli.output import short

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def ledgers(tally_json, path: list[LocalNode]) -> tuple[str, str]:
    """alice leads one with the hub, the hub one with bob, 1,000,000 wei of each leader's."""
    alice, hub, bob = path
    return (
        tally_json("ledger", "open", hub.address, "1000000", "-c", alice.directory)["channel_id"],
        tally_json("ledger", "open", bob.address, "1000000", "-c", hub.directory)["channel_id"],
    )


def balance(node: LocalNode, ledger: str) -> int:
    return int(node.call("channel_get", channel_id=ledger)["ledger"]["balance"])


def test_a_ledger_is_open_with_both_deposits_when_the_command_returns(
    tally, tally_json, path: list[LocalNode]
) -> None:
    alice, _, bob = path
    order = ["ledger", "open", bob.address, "3 gwei", "--theirs", "2 gwei"]
    opened = tally_json(*order, "--request-id", "once", "-c", alice.directory)
    assert opened["opened"] is True
    view = alice.call("channel_get", channel_id=opened["channel_id"])
    assert (view["kind"], view["role"], view["status"]) == ("ledger", "leader", "open")
    assert view["ledger"]["balance"] == "3000000000"
    assert view["ledger"]["counterparty_balance"] == "2000000000"
    again = tally(*order, "--request-id", "once", "-c", alice.directory)
    assert opened["channel_id"] in again.stdout
    assert "is open, with 3 gwei of ours and 2 gwei of theirs" in again.stdout
    closed = tally("close", opened["channel_id"], "-c", alice.directory)
    assert "is closed and paid out" in closed.stdout


def test_ledgers_are_listed_with_what_is_whose(
    tally, tally_json, path: list[LocalNode], ledgers: tuple[str, str]
) -> None:
    alice, hub, bob = path
    listed = tally_json("ledger", "list", "-c", hub.directory)["channels"]
    assert [view["channel_id"] for view in listed] == list(ledgers)
    assert [view["role"] for view in listed] == ["follower", "leader"]
    (one,) = tally_json("ledger", "list", bob.address, "-c", hub.directory)["channels"]
    assert one["channel_id"] == ledgers[1]
    table = tally("ledger", "list", "-c", hub.directory, COLUMNS="80").stdout.splitlines()
    assert max(map(len, table)) <= 80
    assert table[1].split() == list(COLUMNS)
    assert short(ledgers[0]) in table[3]
    nothing = tally("ledger", "list", "0x" + "11" * 20, "-c", alice.directory)
    assert "No ledgers" in nothing.stdout


def test_either_party_of_a_ledger_pays_the_other(
    tally, tally_json, path: list[LocalNode], ledgers: tuple[str, str]
) -> None:
    alice, hub, _ = path
    before = balance(hub, ledgers[0])
    order = ["ledger", "pay", ledgers[0], "50", "--request-id", "rent", "-c", alice.directory]
    first = tally_json(*order)
    assert first["request_id"] == "rent"
    assert tally_json(*order) == first
    wait_until("the hub has it", lambda: balance(hub, ledgers[0]) == before + 50)
    back = tally("ledger", "pay", ledgers[0][:12], "20", "-c", hub.directory)
    assert "Paid 20 wei; it counts when the peer has signed" in back.stdout
    wait_until("alice has it", lambda: balance(hub, ledgers[0]) == before + 30)
    too_much = tally_json("ledger", "pay", ledgers[0], "1eth", "-c", alice.directory, exit_code=1)
    assert too_much["error"]["name"] == "LEDGER_FUNDS_INSUFFICIENT"


def test_a_channel_over_a_hub_costs_what_the_path_quotes_within_the_limit(
    tally, tally_json, path: list[LocalNode], ledgers: tuple[str, str]
) -> None:
    alice, hub, bob = path
    earned, received = balance(hub, ledgers[0]), balance(bob, ledgers[1])
    order = ["open", bob.address, "1000", "--via", hub.address, "-c", alice.directory]
    refused = tally_json(*order, exit_code=1)
    assert refused["error"]["name"] == "FEE_TOO_HIGH"
    assert refused["error"]["values"] == {"fee": "7", "limit": "0"}
    named = [*order, "--fee-max", "7", "--request-id", "over the hub"]
    opened = tally_json(*named)
    assert tally_json(*named)["channel_id"] == opened["channel_id"]
    channel_id = opened["channel_id"]
    view = tally_json("channels", channel_id, "-c", alice.directory)
    assert (view["kind"], view["role"], view["status"]) == ("virtual", "payer", "open")
    assert view["virtual"]["path"] == [alice.address, hub.address, bob.address]
    assert view["virtual"]["fees"] == ["7"]
    carried = tally_json("channels", ledgers[1], "-c", hub.directory)["ledger"]
    assert carried["guarantees"] == [
        {"channel_id": channel_id, "amount": "1000", "left": hub.address, "right": bob.address}
    ]
    assert "receipted" in tally("pay", channel_id, "30", "--receipt", "-c", alice.directory).stdout
    virtual = tally_json("channels", "--kind", "virtual", "-c", hub.directory)["channels"]
    # Another test may have had one with the hub as payee.
    assert [view["role"] for view in virtual if view["channel_id"] == channel_id] == ["hub"]
    closed = tally("close", channel_id, "-c", bob.directory)
    assert "is closed and settled" in closed.stdout
    wait_until("the hub has settled it", lambda: is_at_rest(hub, channel_id))
    assert balance(hub, ledgers[0]) == earned + 30 + 7
    assert balance(bob, ledgers[1]) == received + 30


def test_a_channel_over_our_own_ledger_with_the_payee_costs_nothing(
    tally, tally_json, path: list[LocalNode], ledgers: tuple[str, str]
) -> None:
    alice, hub, _ = path
    order = ["open", hub.address, "500", "--over-ledger", "-c", alice.directory]
    opened = tally_json(*order)
    view = alice.call("channel_get", channel_id=opened["channel_id"])
    assert view["virtual"]["path"] == [alice.address, hub.address]
    assert view["virtual"]["left_ledger"] is None
    assert view["virtual"]["right_ledger"] == ledgers[0]
    assert tally("close", opened["channel_id"], "-c", alice.directory).exit_code == 0


def test_a_path_that_cannot_be_is_refused_with_its_hop(
    tally, tally_json, path: list[LocalNode], ledgers: tuple[str, str], tmp_path: Path
) -> None:
    alice, hub, bob = path
    twice = ["open", bob.address, "5", "--via", hub.address, "--via", hub.address]
    refused = tally_json(*twice, "-c", alice.directory, exit_code=1)
    assert refused["error"]["name"] == "PATH_REFUSED"
    assert refused["error"]["values"]["hop"] == "2"
    too_much = ["open", bob.address, "1eth", "--via", hub.address, "-c", alice.directory]
    refused = tally_json(*too_much, exit_code=1)
    assert refused["error"]["name"] == "PATH_REFUSED"
    assert "HOP_WITHOUT_FUNDS" in refused["error"]["message"]
    stranger = ["open", "0x" + "11" * 20, "5", "--via", hub.address]
    refused = tally_json(*stranger, "-c", alice.directory, exit_code=1)
    assert refused["error"]["name"] == "PATH_REFUSED"


@pytest.mark.parametrize("option", ["--via", "--fee-max", "--asset"])
def test_an_option_that_is_no_address_or_amount_is_bad_usage(
    tally, path: list[LocalNode], option: str
) -> None:
    alice, _, bob = path
    assert tally("open", bob.address, "5", option, "no", "-c", alice.directory).exit_code == 2
