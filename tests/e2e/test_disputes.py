"""A stranger's laptop: the nodes are gone with all they had, and a dispute kit wins alone."""

from __future__ import annotations

import json
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from node.cli.demo_nodes import is_open
from node.cli.demo_report import DemoPlan
from node.cli.demo_virtual import open_ledgers
from node.cli.options import NATIVE
from node.rpc.call import RpcError
from tests.support.daemons import Network, open_channel, wait_until
from tests.support.e2e_rig import until
from tests.support.laptop import Laptop, ended, error_of, export, lose, received, wealth
from tests.support.leaving_daemons import (
    AMOUNT,
    DURATION_S,
    FEE,
    free_in_ledgers,
    paid_ledger,
    pay,
    running_row,
)
from tests.support.old_states import challenge_with_old_state
from tests.support.warm_python import WarmPython, begun_by

pytestmark = pytest.mark.e2e


@pytest.fixture
def laptop(network: Network, tmp_path: Path) -> Laptop:
    found = Laptop(tmp_path / "laptop", network.chain, DURATION_S)
    found.fund()
    return found


def worth(kit: dict[str, Any]) -> int:
    (found,) = kit["worth"]
    return int(found["amount"])


def finish_with(
    laptop: Laptop, kit: Path, address: str, amount: int, challenge_count: int = 1
) -> None:
    """Run the kit to its end: it says that so much came, and so much is in the account."""
    before = wealth(laptop.chain, address)
    document = laptop.finish(laptop.launch(kit), challenge_count)
    assert received(document) == amount
    assert wealth(laptop.chain, address) == before + amount


def test_a_payers_kit_brings_back_her_deposit(
    network: Network, laptop: Laptop, tmp_path: Path
) -> None:
    alice, bob = network.nodes
    channel_id = open_channel(alice, bob)
    deposit = int(network.channel(alice, channel_id)["deposit"])
    paid = pay(alice, channel_id, 3)
    kit = export(alice, channel_id, tmp_path / "kit.json")
    assert worth(kit) == deposit - paid
    lose(alice)
    lose(bob)
    # Nobody was there to redeem: she loses at worst what she paid.
    finish_with(laptop, tmp_path / "kit.json", alice.address, deposit)


def test_a_payers_kit_gets_what_it_is_worth_where_the_payee_is_there_and_redeems(
    network: Network, laptop: Laptop, tmp_path: Path
) -> None:
    alice, bob = network.nodes
    channel_id = open_channel(alice, bob)
    pay(alice, channel_id, 3)
    kit = export(alice, channel_id, tmp_path / "kit.json")
    lose(alice)
    # Hers, and bob's answer.
    finish_with(laptop, tmp_path / "kit.json", alice.address, worth(kit), challenge_count=2)


def test_a_payees_sealed_kit_needs_no_key_and_takes_no_voucher_any_more(
    network: Network, laptop: Laptop, tmp_path: Path
) -> None:
    alice, bob = network.nodes
    channel_id = open_channel(alice, bob)
    paid = pay(alice, channel_id, 3)
    kit = export(bob, channel_id, tmp_path / "kit.json", "--sealed")
    assert (worth(kit), kit["needs_key"]) == (paid, False)
    # By hand: of a payment that is refused she would hear, and close the channel with all she paid.
    voucher = alice.call("voucher_create", channel_id=channel_id, amount="5")
    lose(alice)
    named = {name: voucher[name] for name in ("channel_id", "total", "signature")}
    with pytest.raises(RpcError) as refused:
        bob.call("voucher_receive", **named)
    assert refused.value.name == "CHANNEL_CLOSING"
    lose(bob)
    finish_with(laptop, tmp_path / "kit.json", bob.address, paid)


def test_a_payees_kit_that_is_not_sealed_runs_with_its_key(
    network: Network, laptop: Laptop, tmp_path: Path
) -> None:
    alice, bob = network.nodes
    channel_id = open_channel(alice, bob)
    paid = pay(alice, channel_id, 4)
    path = tmp_path / "kit.json"
    assert export(bob, channel_id, path)["needs_key"]
    password = (bob.directory.parent / "password").read_text().strip()
    keystore = tmp_path / "bob.keystore"
    keystore.write_text((bob.directory / "keystore.json").read_text())
    lose(alice)
    lose(bob)
    assert error_of(laptop, path) == "KIT_NEEDS_KEY"
    before = wealth(network.chain, bob.address)
    child = laptop.launch(path, "--channel-key", str(keystore), TALLY_PASSWORD=password)
    assert received(laptop.finish(child, 1)) == paid
    assert wealth(network.chain, bob.address) == before + paid


def test_a_ledgers_kit_wins_against_a_stale_challenge_though_killed_midway(
    network: Network, laptop: Laptop, tmp_path: Path
) -> None:
    alice, bob = network.nodes
    ledger_id = paid_ledger(network)
    path = tmp_path / "kit.json"
    assert worth(export(bob, ledger_id, path)) == 3_700
    before = wealth(network.chain, bob.address)
    lose(bob)
    # alice goes back to what was before she paid, and is gone too.
    challenge_with_old_state(network, alice, ledger_id)
    lose(alice)
    first = laptop.launch(path)
    wait_until("our state stands", lambda: len(laptop.challenges()) >= 2)
    first.kill()
    # Run again while it waits, when everything is due, and when everything is done.
    code, text = ended(laptop.launch(path, "--no-wait"))
    assert (code, json.loads(text)["stage"]) == (0, "waiting")
    laptop.pass_time()
    assert received(laptop.finish(laptop.launch(path), 0)) == 3_700
    again = laptop.finish(laptop.launch(path), 0)
    assert (received(again), again["transactions"]) == (3_700, [])
    assert wealth(network.chain, bob.address) == before + 3_700


def test_a_run_that_is_killed_at_every_step_pays_once_and_all(
    network: Network, laptop: Laptop, tmp_path: Path
) -> None:
    alice, bob = network.nodes
    channel_id = open_channel(alice, bob)
    paid = pay(alice, channel_id, 3)
    path = tmp_path / "kit.json"
    export(bob, channel_id, path, "--sealed")
    lose(alice)
    lose(bob)
    before = wealth(network.chain, bob.address)
    for word in ("to redemption", "sent challenge", "ChallengeRegistered"):
        killed_at(laptop, path, word)
    laptop.pass_time()
    for word in ("to transfer", "sent transfer"):
        killed_at(laptop, path, word)
    assert received(laptop.finish(laptop.launch(path), 0)) == paid
    assert wealth(network.chain, bob.address) == before + paid


def killed_at(laptop: Laptop, kit: Path, word: str) -> None:
    """A run, until it says so; one that has nothing to say of it ends by itself or waits."""
    child = laptop.launch(kit, "--no-wait")
    until(word, lambda: word in child.stderr_tail(50) or child.exit_code is not None)
    child.kill()


@pytest.mark.parametrize("place", range(4), ids=["payer", "first hub", "second hub", "payee"])
def test_the_kit_of_each_role_of_a_path_brings_its_exit_value(
    python: WarmPython, tmp_path: Path, place: int
) -> None:
    with begun_by(python, running_row(tmp_path)) as (chain, nodes):
        laptop = Laptop(tmp_path / "laptop", chain, DURATION_S)
        laptop.fund()
        open_ledgers(nodes, DemoPlan(channel_count=2), NATIVE)
        path = [node.address for node in nodes[1:]]
        terms = {"path": path, "amount": str(AMOUNT), "fee_max": str(2 * FEE)}
        channel_id = str(nodes[0].call("channel_open", **terms)["channel_id"])
        for node in nodes:
            until(f"{node.name} has it open", partial(is_open, node, channel_id))
        paid = pay(nodes[0], channel_id, 5)
        node, file = nodes[place], tmp_path / "kit.json"
        gains = (AMOUNT - paid, AMOUNT, AMOUNT, paid)[place]
        expected = free_in_ledgers(node) + gains
        kit = export(node, channel_id, file, "--sealed")
        assert worth(kit) == expected
        for other in nodes:
            lose(other)
        # Nobody was there to redeem against the payer: what she paid came back to her.
        expected += paid if place == 0 else 0
        count = len(kit["channels"])
        finish_with(laptop, file, node.address, expected, challenge_count=count)


def test_what_keeps_a_kit_from_being_run_is_said_by_name(network: Network, tmp_path: Path) -> None:
    alice, bob = network.nodes
    channel_id = open_channel(alice, bob)
    path = tmp_path / "kit.json"
    kit = export(alice, channel_id, path)
    poor = Laptop(tmp_path / "poor", network.chain, DURATION_S)
    assert error_of(poor, path) == "GAS_NOT_FUNDED"
    damaged = tmp_path / "damaged.json"
    damaged.write_text(path.read_text().replace(kit["account"], kit["deployment"]["adjudicator"]))
    assert error_of(poor, damaged) == "KIT_DAMAGED"
    plan = json.loads(ended(poor.launch(path, "--dry-run"))[1])
    assert [step["step"] for step in plan["steps"]] == ["challenge", "transfer"]
    assert network.channel(alice, channel_id)["status"] == "open"


def test_an_endpoint_that_is_down_is_waited_for_and_that_is_said(
    network: Network, laptop: Laptop, tmp_path: Path
) -> None:
    alice, _ = network.nodes
    channel_id = open_channel(alice, network.bob)
    export(alice, channel_id, tmp_path / "kit.json")
    child = laptop.launch(tmp_path / "kit.json", url="http://127.0.0.1:9")
    until("it says so", lambda: "no endpoint answers yet" in child.stderr_tail())
    assert child.exit_code is None
    os.kill(child.process_id, signal.SIGINT)
    code, text = ended(child)
    assert (code, json.loads(text)["error"]["name"]) == (1, "STOPPED")
