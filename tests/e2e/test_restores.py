"""A real node loses its disk: a backup made while it was paid in brings it, and its money, back."""

from __future__ import annotations

import contextlib
import shutil
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from node.apps.installed import Installed
from node.rpc.call import RpcError
from node.store.errors import RestoreRefused
from node.store.restore import FORCE_WORDS, restore
from tests.support.app_daemons import STAKE, install, open_till, said, say
from tests.support.daemons import LocalNode, Network, open_channel, running_network
from tests.support.e2e_rig import at_rest, audit_notes, connected, until
from tests.support.warm_python import WarmPython, begun_by

pytestmark = pytest.mark.e2e


def pay(network: Network, channel_id: str, count: int) -> None:
    for _ in range(count):
        network.alice.call("payment_send", channel_id=channel_id, amount="1000", until="receipt")


def rows_of(node: LocalNode) -> dict[str, dict[str, Any]]:
    return {row["channel_id"]: row for row in node.call("node_recovery")["channels"]}


def has_resumed(node: LocalNode, ledger_id: str) -> bool:
    return rows_of(node).get(ledger_id, {}).get("recovery") == "resumed"


@pytest.mark.slow
def test_a_payee_restored_from_a_backup_made_while_it_was_paid_gets_all_of_it(
    python: WarmPython, tmp_path: Path
) -> None:
    with begun_by(python, running_network(tmp_path)) as network:
        alice, bob = network.nodes
        channel_id = open_channel(alice, bob)
        opened = alice.call(
            "ledger_open", counterparty=bob.address, amount="5000", until="completed"
        )
        ledger_id = opened["channel_id"]
        until("bob has the ledger", lambda: bob.call("ledger_list")["channels"][0]["ledger"])

        payer = threading.Thread(target=pay, args=(network, channel_id, 30))
        payer.start()
        made = bob.call("node_backup", path=str(tmp_path / "copy"))
        payer.join()
        pay(network, channel_id, 10)
        alice.call("ledger_pay", channel_id=ledger_id, amount="700", request_id="a", until="agreed")
        assert int(network.channel(bob, channel_id)["paid"]) == 40_000

        bob.kill()
        data = bob.directory / "data"
        with pytest.raises(RestoreRefused):
            restore(tmp_path / "copy", data)
        done = restore(tmp_path / "copy", data, force=FORCE_WORDS)
        assert done.manifest.records == made["records"]
        assert done.aside is not None
        bob.start()

        until("they speak again", partial(connected, bob, alice))
        until("bob's ledger goes on", partial(has_resumed, bob, ledger_id))
        until("alice's ledger goes on", partial(has_resumed, alice, ledger_id))
        # A voucher whose acknowledgement alice did not get is sent again; he refuses it now, and
        # she closes the channel by herself.
        found = rows_of(bob).get(channel_id, {"recovery": "close_only"})
        assert found["recovery"] == "close_only"
        assert not bob.call("node_status")["recovering"]
        alice.call("ledger_pay", channel_id=ledger_id, amount="20", request_id="b", until="agreed")
        bob.call("ledger_pay", channel_id=ledger_id, amount="3", request_id="c", until="agreed")

        with contextlib.suppress(RpcError):
            bob.call("channel_close", channel_id=channel_id)
        for node in (alice, bob):
            until(f"{node.name} is paid out", partial(at_rest, node, channel_id))
            shown = network.channel(node, channel_id)
            assert shown["status"] == "closed"
        bob.call("channel_close", channel_id=ledger_id)
        for node in (alice, bob):
            until(f"{node.name}'s ledger is paid out", partial(at_rest, node, ledger_id))
        ledger = network.channel(bob, ledger_id)["ledger"]
        assert (ledger["balance"], ledger["counterparty_balance"]) == ("717", "4283")
        paid_out = [
            entry["payload"]
            for entry in alice.call("log_read", channel_id=channel_id, limit=1_000)["records"]
            if entry["name"] == "withdraw-completed"
        ]
        amounts = {payload["recipient"]: int(payload["amount"]) for payload in paid_out}
        assert amounts[bob.address.lower()] == 40_000
        for node in (alice, bob):
            assert node.stop() == 0
        for node in (alice, bob):
            said = (node.directory / "stderr.log").read_text()
            assert "peer_expelled" not in said, "what both say again is no misbehaviour"
        assert audit_notes(alice) == []
        assert any("backup" in note for note in audit_notes(bob))


@pytest.mark.slow
def test_a_player_restored_onto_an_empty_disk_has_its_reducer_and_gets_its_money(
    python: WarmPython, tmp_path: Path
) -> None:
    with begun_by(python, running_network(tmp_path)) as network:
        alice, bob = network.nodes
        channel_id, till = open_till(network), bytes.fromhex(install(bob)[2:])
        for amount in (5, 6):
            say(alice, channel_id, amount)
        until("both agree", lambda: said(bob, channel_id)["count"] == 2)
        bob.call("node_backup", path=str(tmp_path / "copy"))
        bob.kill()
        for lost in ("data", "data-apps"):
            shutil.rmtree(bob.directory / lost)
        restore(tmp_path / "copy", bob.directory / "data")
        bob.start()
        until("they speak again", partial(connected, bob, alice))
        assert Installed(bob.directory / "data").module(till).code_hash == till
        bob.call("channel_close", channel_id=channel_id)
        for node in (alice, bob):
            until(f"{node.name} is paid out", partial(at_rest, node, channel_id))
            entries = node.call("log_read", channel_id=channel_id, names=["withdraw-completed"])
            paid = {
                entry["payload"]["recipient"]: int(entry["payload"]["amount"])
                for entry in entries["records"]
            }
            assert paid[bob.address.lower()] == STAKE + 11
        assert bob.call("node_status")["alarms"] == []
        for node in (alice, bob):
            assert node.stop() == 0
        assert audit_notes(alice) == []
