"""What leaving an app channel costs on chain, and that it always fits a transaction."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from contracts.loader import load_artifact
from tests.support.app_states import (
    MESSAGE_SIZE_MAX,
    Claim,
    before,
    candidate,
    next_root,
    roots_of,
)
from tests.support.games import LOST, Game
from tests.support.nitro_chain import ALICE, BOB, HUB, Nitro
from tests.support.nitro_signing import NATIVE, Channel
from tests.support.rows_message_log import MESSAGES, linked_claim, log_claim

pytestmark = pytest.mark.e2e

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "contracts.md"
ROW = re.compile(r"^\| (app: .+?) \| ([\d,]+) \|$", re.MULTILINE)
SIZE_ROW = re.compile(r"^\| `(\w+)` \| .+? \| ([\d,]+) \|$", re.MULTILINE)
TOLERANCE = 0.01
CALL_SIZE_BYTES_MAX = 16 * 1_024
"""What ADR 0080 promises of the largest challenge."""
LARGEST = b"\xff" * MESSAGE_SIZE_MAX


def figures(pattern: re.Pattern[str]) -> dict[str, int]:
    return {name: int(told.replace(",", "")) for name, told in pattern.findall(PAGE.read_text())}


def largest(claim: Claim) -> Claim:
    """The same with messages as large as they may be, that of the state before too."""
    if claim.before is None:
        return candidate(message=LARGEST)(claim)
    root = next_root(roots_of(MESSAGES)[1], LARGEST)
    spoilt = before(message=LARGEST, root=root)(claim)
    return candidate(message=LARGEST, root=next_root(root, LARGEST))(spoilt)


def challenge_gas(nitro: Nitro, claim: Claim) -> int:
    """A challenge of the last participant's; nothing of it stays."""
    snapshot = nitro.rpc.ask("evm_snapshot")
    wish = claim.channel.challenger_signature(claim.signed[0], BOB)
    call = ("challenge", claim.channel.fixed_part, claim.proof, claim.signed, wish)
    gas = nitro.adjudicator.send(*call).gas_used
    assert nitro.rpc.ask("evm_revert", snapshot)
    return gas


def checkpoint_gas(nitro: Nitro, claim: Claim) -> int:
    """A checkpoint that clears a challenge with the postfund."""
    snapshot = nitro.rpc.ask("evm_snapshot")
    nitro.challenge(claim.channel, claim.proof[0])
    call = ("checkpoint", claim.channel.fixed_part, claim.proof, claim.signed)
    gas = nitro.adjudicator.send(*call).gas_used
    assert nitro.rpc.ask("evm_revert", snapshot)
    return gas


def log_channel(nitro: Nitro, *people: object) -> Channel:
    return Channel(people or (ALICE, BOB), nitro.message_log_app.address)  # type: ignore[arg-type]


def measured(nitro: Nitro) -> dict[str, int]:
    """{path: gas}"""
    log = log_claim(log_channel(nitro), NATIVE)
    through_a_hub = log_claim(log_channel(nitro, ALICE, HUB, BOB), NATIVE)
    game = Game(Channel((ALICE, BOB), nitro.game_app.address), [LOST])
    return {
        "app: deploy MessageLogApp": nitro.message_log_app.deployed_gas,
        "app: deploy RockPaperScissorsApp": nitro.game_app.deployed_gas,
        "app: challenge with a message": challenge_gas(nitro, log),
        "app: challenge with a message, through a hub": challenge_gas(nitro, through_a_hub),
        "app: challenge with the largest message": challenge_gas(nitro, largest(log)),
        "app: checkpoint with a message": checkpoint_gas(nitro, log),
        "app: challenge with a commitment": challenge_gas(nitro, game.claim(2)),
        "app: challenge with a last reveal": challenge_gas(nitro, game.claim(4)),
        "app: checkpoint with a last reveal": checkpoint_gas(nitro, game.claim(4)),
    }


def test_the_documented_gas_is_what_the_chain_charges(nitro: Nitro) -> None:
    found, told = measured(nitro), figures(ROW)
    assert found.keys() == told.keys()
    off = {path: (found[path], told[path]) for path in told}
    assert {
        path: both for path, both in off.items() if abs(both[0] / both[1] - 1) > TOLERANCE
    } == {}


def test_the_documented_sizes_are_those_of_the_artifacts() -> None:
    told = figures(SIZE_ROW)
    assert told == {name: len(load_artifact(name).deployed_bytecode) for name in told}
    assert len(told) == 6


def test_the_largest_challenge_fits_a_transaction(nitro: Nitro) -> None:
    claim = largest(linked_claim(log_channel(nitro, ALICE, HUB, BOB), NATIVE))
    assert claim.before is not None
    wish = claim.channel.challenger_signature(claim.signed[0], BOB)
    call = ("challenge", claim.channel.fixed_part, [*claim.proof], claim.signed, wish)
    data = nitro.adjudicator.data(*call)
    assert 2 * MESSAGE_SIZE_MAX < len(data) < CALL_SIZE_BYTES_MAX
    assert nitro.adjudicator.send(*call).gas_used < 500_000
