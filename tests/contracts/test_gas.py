"""What each path costs on chain, held against the table in docs/contracts.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from protocols.exit_plan import GAS, GUARANTEE_GAS
from tests.support.nitro_chain import ALICE, BOB, HUB, Nitro, deployed_nitro
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
from tests.support.reference_contracts import reference_artifact

pytestmark = pytest.mark.e2e

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "contracts.md"
APP_ROW = re.compile(r"^\| (app: challenge .+?) \| ([\d,]+) \|$", re.MULTILINE)
ROW = re.compile(
    r"^\| (.+?) \| ([\d,]+) \| ([\d,]+) \| ([+-][\d.]+ %) \| ([M\d, ]*?) ?\|$", re.MULTILINE
)
TOLERANCE = 0.01

EXCESS_MAX = 0.03
"""How far above Nitro's a path may be, of Nitro's, besides what its mends cost."""
DELETED_AT_ONCE_GAS, DELETED_LATER_GAS = 19_900, 4_800
"""Refunds that Nitro's get for deleting a status word that M2 keeps."""
PAYOUT_LOG_GAS = 375 + 2 * 375 + 8 * 288
"""The log that M4 adds for a payout to two: two topics and nine words."""
PROVED_LOG_GAS = 375 + 2 * 375 + 8 * 2_400
"""The log that M20 adds for a redemption between two, with its postfund: two topics, 75 words."""


def mend_gas(path: str, mend: str) -> int:
    """What a mend costs on a path that pays."""
    if mend == "M4":
        return PAYOUT_LOG_GAS
    if mend == "M20":
        return PROVED_LOG_GAS
    assert mend == "M2"
    return DELETED_AT_ONCE_GAS if path.startswith("conclude") else DELETED_LATER_GAS


FORECAST_EXCESS_MAX = 0.15
"""How far above the measured gas a forecast may be; never below it."""
EXITS = PAGE.parent / "exits.md"
EXIT_ROW = re.compile(r"^\| (.+?) \| ([\d,]+) \|$", re.MULTILINE)

A, B, H = ALICE.destination, BOB.destination, HUB.destination


@dataclass(frozen=True)
class Figures:
    """One line of the table."""

    ours: int
    theirs: int
    percent: str
    mends: tuple[str, ...]


def documented() -> dict[str, Figures]:
    """The table, by path."""
    return {
        path: Figures(
            int(ours.replace(",", "")),
            int(theirs.replace(",", "")),
            percent,
            tuple(each for each in mends.split(", ") if each),
        )
        for path, ours, theirs, percent, mends in ROW.findall(PAGE.read_text())
    }


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
    direct = nitro.payment_channel(ALICE, BOB)
    direct_redemption = state(moved, 2, voucher_data(direct.channel_id, 3, ALICE))
    proof, redeemed = direct.signed(postfund), direct.signed(direct_redemption, [BOB])
    checkpoint = nitro.adjudicator.send("checkpoint", direct.fixed_part, [proof], redeemed)
    nitro.rpc.pass_time(ledger.challenge_duration_s + 1)
    target = (state_hash(virtual.channel_id, redemption), moved)
    reclaimed = nitro.adjudicator.send("reclaim", nitro.reclaim_arguments(ledger, last, 2, target))
    return {
        "challenge with one guarantee": ledger_gas,
        "challenge with a voucher": virtual_gas,
        "checkpoint with a voucher": checkpoint.gas_used,
        "reclaim": reclaimed.gas_used,
    }


def measured(nitro: Nitro) -> dict[str, int]:
    """{path: gas} on one deployment."""
    # Receivers exist already, with coins and tokens: a first payout costs 25,000 more.
    for person in (ALICE, BOB, HUB):
        nitro.rpc.ask("anvil_setBalance", person.address, hex(10**18))
        nitro.token.send("mint", person.address, 5)
    return {
        **measure_deposits_and_cooperation(nitro),
        **measure_a_direct_channel(nitro),
        **measure_a_virtual_channel(nitro),
    }


def off(found: dict[str, int], table: dict[str, int]) -> dict[str, tuple[int, int]]:
    """The paths whose figures are not those of the table."""
    assert found.keys() == table.keys()
    pairs = {path: (found[path], table[path]) for path in table}
    return {path: each for path, each in pairs.items() if abs(each[0] / each[1] - 1) > TOLERANCE}


@pytest.fixture(scope="module")
def theirs() -> Iterator[Nitro]:
    with deployed_nitro(reference_artifact) as nitro:
        yield nitro


def test_the_documented_gas_is_what_the_chain_charges(nitro: Nitro) -> None:
    table = {path: each.ours for path, each in documented().items()}
    assert off(measured(nitro), table) == {}


def test_what_is_documented_of_nitros_contracts_is_what_they_charge(theirs: Nitro) -> None:
    table = {path: each.theirs for path, each in documented().items()}
    assert off(measured(theirs), table) == {}


@pytest.mark.parametrize("path", documented())
def test_no_path_costs_more_than_its_mends_explain(path: str) -> None:
    figures = documented()[path]
    percent = 100 * (figures.ours / figures.theirs - 1)
    assert figures.percent == f"{percent:+.1f} %"
    assert (percent > 100 * EXCESS_MAX) == (figures.mends != ())
    explained = sum(mend_gas(path, mend) for mend in figures.mends)
    assert figures.ours <= figures.theirs * (1 + EXCESS_MAX) + explained


def exits_measured() -> dict[str, tuple[int, int | None]]:
    """By the row of docs/exits.md: what was measured, and what the plan of an exit says."""
    ours = {path: each.ours for path, each in documented().items()}
    challenge, guaranteed = ours["challenge"], ours["challenge with one guarantee"]
    return {
        "challenge": (challenge, GAS["challenge"]),
        "each guarantee in a challenged ledger": (guaranteed - challenge, GUARANTEE_GAS),
        "challenge with a redemption": (ours["challenge with a voucher"], GAS["redemption"]),
        "challenge with an application's state, at most": (
            max(int(gas.replace(",", "")) for _, gas in APP_ROW.findall(PAGE.read_text())),
            GAS["application"],
        ),
        "answer (checkpoint)": (ours["checkpoint that clears it"], GAS["checkpoint"]),
        "conclude, and pay everybody": (
            max(ours[f"conclude and transfer all, {asset}"] for asset in ("native", "token")),
            GAS["conclude"],
        ),
        "reclaim, each guarantee": (ours["reclaim"], GAS["reclaim"]),
        "transfer": (ours["transfer all after a challenge"], GAS["transfer"]),
    }


def test_what_an_exit_is_said_to_cost_is_a_little_above_what_was_measured() -> None:
    told = {row: int(gas.replace(",", "")) for row, gas in EXIT_ROW.findall(EXITS.read_text())}
    expected = exits_measured()
    assert told.keys() == expected.keys()
    assert len(GAS) == 7
    for row, (gas, planned) in expected.items():
        assert gas <= told[row] <= gas * (1 + FORECAST_EXCESS_MAX), row
        assert planned == told[row], row
