"""`tally simulate`: assumptions in words, and what they would lead to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from node.cli import simulate
from tests.support.daemons import Network

PEER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
SOME = "0x" + "0f" * 32
NOWHERE = Path("/nowhere")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wait 90s", {"kind": "wait", "duration_s": 90}),
        (f"silence {PEER} 2h", {"kind": "silence", "peer": PEER, "duration_s": 7_200}),
        ("chain-silence 5m", {"kind": "chain_silence", "duration_s": 300}),
        (
            f"no-deposit {SOME} 1d",
            {"kind": "no_deposit", "channel_id": SOME, "duration_s": 86_400},
        ),
        (
            f"open {PEER} 1 eth",
            {"kind": "open_channel", "peer": PEER, "amount": "1000000000000000000"},
        ),
        (
            f"open-ledger {PEER} 3gwei",
            {"kind": "open_ledger", "peer": PEER, "amount": "3000000000"},
        ),
        (f"close {SOME}", {"kind": "close", "channel_id": SOME}),
        (f"approve {SOME}", {"kind": "approve", "objective_id": SOME}),
        (f"reject {SOME}", {"kind": "reject", "objective_id": SOME}),
        ("restart", {"kind": "restart"}),
        (f"lost {PEER}", {"kind": "messages_lost", "peer": PEER}),
        (f"lost {PEER} 3", {"kind": "message_lost", "peer": PEER, "number": 3}),
        (f"concluded {SOME}", {"kind": "concluded", "channel_id": SOME}),
        (f"challenged {SOME}", {"kind": "challenged", "channel_id": SOME}),
        (f"challenged {SOME} 1", {"kind": "challenged", "channel_id": SOME, "turn_num": 1}),
        (f"challenge-expires {SOME}", {"kind": "challenge_expires", "channel_id": SOME}),
        (f"exit {SOME}", {"kind": "exit", "channel_id": SOME}),
        ("reorg 3", {"kind": "reorg", "number": 3}),
        (
            f"lies invents-challenge {SOME}",
            {"kind": "endpoint_lies", "lie": "invents_challenge", "channel_id": SOME},
        ),
        (
            f"lies hides-challenge {SOME} 2h",
            {
                "kind": "endpoint_lies",
                "lie": "hides_challenge",
                "channel_id": SOME,
                "duration_s": 7_200,
            },
        ),
        ("gas-price 50gwei", {"kind": "gas_price", "amount": "50000000000"}),
    ],
)
def test_words_become_what_the_node_is_told(text: str, expected: dict[str, Any]) -> None:
    assert simulate.parse_assumption(text, NOWHERE) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "earthquake",
        "wait",
        "wait 2h 3h",
        "wait 2",
        "wait -2h",
        "wait 2.5h",
        "silence 2h",
        f"lost {PEER} third",
        f"lost {PEER} 1 2",
        f"challenged {SOME} first",
        f"challenged {SOME} -1",
        "silence nobody 2h",
        f"open {PEER}",
        f"open {PEER} much",
        "close 0x12",
        "restart now",
        "gas-price high",
        "reorg deep",
        f"lies {SOME}",
        f"lies often {SOME}",
        f"lies invents-challenge {SOME} 2h",
        f"lies invents-deposit {SOME}",
        f"lies hides-challenge {SOME}",
        f"lies hides-challenge {SOME} 2h 3h",
    ],
)
def test_other_words_are_bad_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        simulate.parse_assumption(text, NOWHERE)


def test_every_form_is_told_to_who_asks_for_help() -> None:
    told = {form.split()[0] for form in simulate.FORMS.split("; ")}
    assert told == set(simulate._FORMS)
    assert all(word in (simulate.simulate.__doc__ or "") for word in told)


@pytest.mark.e2e
def test_a_payment_and_a_close_are_shown_and_not_done(
    tally, tally_json, network: Network, channel_id: str
) -> None:
    directory = network.alice.directory
    before = tally_json("channels", channel_id, "--dir", directory)
    assumed = (f"pay {channel_id[:12]} 7", f"silence {before['counterparty']} 2h")
    found = tally_json("simulate", *assumed, f"close {channel_id}", "--dir", directory)
    paid, _, closed = found["steps"]
    assert "voucher-issued" in [event["name"] for event in paid["events"]]
    assert [order["function"] for order in closed["transactions"]] == [
        "concludeAndTransferAllAssets"
    ]
    total = found["worst_case"]["totals"][0]
    assert int(total["before"]) - int(total["after"]) == 7
    result = tally("simulate", *assumed, "--dir", directory)
    assert result.exit_code == 0, result.output
    for words in ("voucher-issued", "sends: Payment", "Worth at worst", "all of ours"):
        assert words in result.stdout
    after = tally_json("channels", channel_id, "--dir", directory)
    assert (after["paid"], after["status"]) == (before["paid"], before["status"])


@pytest.mark.e2e
def test_a_refusal_is_said_in_words(tally, network: Network, channel_id: str) -> None:
    directory = network.alice.directory
    result = tally("simulate", f"pay {channel_id} 1000000 eth", "--dir", directory)
    assert result.exit_code == 0, result.output
    assert "refused, AMOUNT_ABOVE_DEPOSIT" in result.stdout


@pytest.mark.e2e
def test_a_lie_and_the_gas_of_what_follows_are_said(
    tally, tally_json, network: Network, channel_id: str
) -> None:
    directory = network.alice.directory
    before = tally_json("channels", channel_id, "--dir", directory)
    assumed = ("gas-price 30gwei", f"lies invents-deposit {channel_id} 5gwei", f"exit {channel_id}")
    found = tally_json("simulate", *assumed, "--dir", directory)
    _, lied, _ = found["steps"]
    # The network's nodes ask one endpoint alone.
    assert (lied["lie"]["verdict"], lied["lie"]["alarm"]) == ("believed", None)
    assert "deposit-detected" in [event["name"] for event in lied["events"]]
    spent = found["worst_case"]["gas_spent"]
    assert int(spent["cost"]) == spent["gas"] * 30 * 10**9 > 0
    result = tally("simulate", *assumed, "--dir", directory)
    assert result.exit_code == 0, result.output
    for words in ("believed. Nobody else is asked", "Gas of these", "Gas to leave"):
        assert words in result.stdout
    after = tally_json("channels", channel_id, "--dir", directory)
    assert (after["holdings"], after["status"]) == (before["holdings"], before["status"])


def test_what_touches_no_channel_tells_no_price_of_leaving(
    capsys: pytest.CaptureFixture[str],
) -> None:
    nothing = {"transaction_count": 0, "gas": 0, "cost": None, "unmeasured_count": 0}
    worst = {"channels": [], "totals": [], "gas_spent": nothing, "gas_to_leave": nothing}
    simulate._say_worth(worst)
    told = capsys.readouterr().out.splitlines()
    assert told == ["No channel is touched by it.", "Gas of these transactions: none."]
