"""What each path costs on chain, held against the table in docs/contracts.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.nitro_chain import ALICE, BOB, HUB, Nitro
from tests.support.nitro_signing import (
    NATIVE,
    Channel,
    Outcome,
    VariablePart,
    guarantee,
    outcome_of,
    simple,
    state,
    state_hash,
    voucher_data,
)

pytestmark = pytest.mark.e2e

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "contracts.md"
ROW = re.compile(r"^\| (.+?) \| ([\d,]+) \| ([\d,]+) \| ([+-][\d.]+ %) \|$", re.MULTILINE)
TOLERANCE = 0.01

A, B, H = ALICE.destination, BOB.destination, HUB.destination


def documented() -> dict[str, int]:
    """{path: our gas} of the table."""
    rows = ROW.findall(PAGE.read_text())
    return {path: int(ours.replace(",", "")) for path, ours, _, _ in rows}


def halves(asset: str = NATIVE) -> Outcome:
    return outcome_of(simple(A, 5), simple(B, 5), asset=asset)


def challenge_gas(
    nitro: Nitro, channel: Channel, last: VariablePart, postfund: VariablePart | None = None
) -> int:
    """A challenge by all; with a postfund as proof, by the last participant alone."""
    who = channel.actors[-1 if postfund else 0]
    proof = [channel.signed(postfund)] if postfund else []
    signed = channel.signed(last, [who] if postfund else None)
    wish = channel.challenger_signature(last, who)
    arguments = (channel.fixed_part, proof, signed, wish)
    return nitro.adjudicator.send("challenge", *arguments).gas_used


def measure_deposits_and_cooperation(nitro: Nitro) -> dict[str, int]:
    adjudicator, token = nitro.adjudicator, nitro.token.address
    native = nitro.ledger(ALICE, BOB, nonce=1)
    tokens = nitro.ledger(ALICE, BOB, nonce=2)
    alone = nitro.ledger(ALICE, BOB, nonce=3)
    final = state(halves(), 4, is_final=True)
    token_final = state(halves(token), 4, is_final=True)
    # In the order of the chain: later rows need what earlier ones left.
    return {
        "deploy NitroAdjudicator": adjudicator.deployed_gas,
        "deploy ConsensusApp": nitro.consensus_app.deployed_gas,
        "deploy VirtualPaymentApp": nitro.payment_app.deployed_gas,
        "deposit, native, first": adjudicator.send(
            "deposit", NATIVE, native.channel_id, 0, 5, value=5
        ).gas_used,
        "deposit, native, second": adjudicator.send(
            "deposit", NATIVE, native.channel_id, 5, 5, value=5
        ).gas_used,
        "deposit, token, first": adjudicator.send(
            "deposit", token, tokens.channel_id, 0, 5
        ).gas_used,
        "deposit, token, second": adjudicator.send(
            "deposit", token, tokens.channel_id, 5, 5
        ).gas_used,
        "conclude": adjudicator.send("conclude", alone.fixed_part, alone.signed(final)).gas_used,
        "conclude and transfer all, native": adjudicator.send(
            "concludeAndTransferAllAssets", native.fixed_part, native.signed(final)
        ).gas_used,
        "conclude and transfer all, token": adjudicator.send(
            "concludeAndTransferAllAssets", tokens.fixed_part, tokens.signed(token_final)
        ).gas_used,
    }


def measure_a_direct_channel(nitro: Nitro) -> dict[str, int]:
    channel = nitro.ledger(ALICE, BOB, nonce=4)
    nitro.deposit(channel.channel_id, 10)
    turns = [state(halves(), turn_num) for turn_num in range(4)]
    first = challenge_gas(nitro, channel, turns[1])
    checkpoint = nitro.adjudicator.send(
        "checkpoint", channel.fixed_part, [], channel.signed(turns[2])
    )
    challenge_gas(nitro, channel, turns[3])
    nitro.rpc.pass_time(channel.challenge_duration_s + 1)
    message_hash = state_hash(channel.channel_id, turns[3])
    paid = nitro.adjudicator.send("transferAllAssets", channel.channel_id, halves(), message_hash)
    return {
        "challenge": first,
        "checkpoint that clears it": checkpoint.gas_used,
        "transfer all after a challenge": paid.gas_used,
    }


def measure_a_virtual_channel(nitro: Nitro) -> dict[str, int]:
    virtual = nitro.payment_channel(ALICE, HUB, BOB)
    ledger = nitro.ledger(ALICE, HUB)
    nitro.deposit(ledger.channel_id, 20)
    backing = guarantee(virtual.channel_id, 10, A, H)
    last = state(outcome_of(simple(A, 5), simple(H, 5), backing), 2)
    postfund = state(outcome_of(simple(A, 10), simple(B, 0)), 1)
    moved = outcome_of(simple(A, 7), simple(B, 3))
    redemption = state(moved, 2, voucher_data(virtual.channel_id, 3, ALICE))
    ledger_gas = challenge_gas(nitro, ledger, last)
    virtual_gas = challenge_gas(nitro, virtual, redemption, postfund)
    nitro.rpc.pass_time(ledger.challenge_duration_s + 1)
    target = (state_hash(virtual.channel_id, redemption), moved)
    reclaimed = nitro.adjudicator.send("reclaim", nitro.reclaim_arguments(ledger, last, 2, target))
    return {
        "challenge with one guarantee": ledger_gas,
        "challenge with a voucher": virtual_gas,
        "reclaim": reclaimed.gas_used,
    }


@pytest.fixture
def people_with_money(nitro: Nitro) -> None:
    """Receivers exist already, with coins and tokens: a first payout costs 25,000 more."""
    for person in (ALICE, BOB, HUB):
        nitro.rpc.ask("anvil_setBalance", person.address, hex(10**18))
        nitro.token.send("mint", person.address, 5)


@pytest.mark.usefixtures("people_with_money")
def test_the_documented_gas_is_what_the_chain_charges(nitro: Nitro) -> None:
    measured = {
        **measure_deposits_and_cooperation(nitro),
        **measure_a_direct_channel(nitro),
        **measure_a_virtual_channel(nitro),
    }
    table = documented()
    assert table.keys() == measured.keys()
    off = {
        path: (measured[path], table[path])
        for path in table
        if abs(measured[path] - table[path]) > TOLERANCE * table[path]
    }
    assert off == {}
