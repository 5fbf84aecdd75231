"""Rules and token terms: what is taken, and which entry is refused with which reason."""

from __future__ import annotations

import tomllib

import pytest

from node import config_tables as tables
from node.config_tables import TokenTerms
from node.config_values import printable
from node.policy import Rule
from protocols.types import UINT256_MAX, ZERO_ADDRESS, checksum_address
from tests.support.actors import ALICE

TOKEN = checksum_address(b"\x7a" * 20)
PEER = checksum_address(ALICE.address)


@pytest.mark.parametrize("raw", [0, 7, "7", str(UINT256_MAX), 2**63])
def test_an_amount_is_a_number_or_its_digits(raw: object) -> None:
    assert tables.amount(raw, False) == int(str(raw))


@pytest.mark.parametrize("raw", [-1, True, 1.5, "", "-1", "1.0", "0x1", "1_000", 2**256, "9" * 79])
def test_what_is_no_amount_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="smallest units"):
        tables.amount(raw, False)


def test_a_limit_may_be_none() -> None:
    assert tables.limit("none", True) is None
    assert tables.limit("5", True) == 5


RULES = (
    f'[{{ verdict = "allow", peer = "{PEER}", objective = "VirtualFund", role = "hub", '
    f'asset = "{TOKEN}", amount_max = "1000", challenge_duration_s_min = 60, '
    'challenge_duration_s_max = 120 }, { verdict = "deny" }]'
)
PARSED = (
    Rule("allow", ALICE.address, "VirtualFund", "hub", b"\x7a" * 20, 1_000, 60, 120),
    Rule("deny"),
)


def test_rules_are_read_alike_from_toml_and_from_text() -> None:
    assert tables.rules(tomllib.loads(f"value = {RULES}")["value"], False) == PARSED
    assert tables.rules(RULES, True) == PARSED


def test_a_rule_is_shown_with_what_it_says_and_nothing_else() -> None:
    shown = printable(PARSED)
    assert isinstance(shown, list)
    assert shown[0]["asset"] == TOKEN
    assert shown[1] == {"verdict": "deny"}


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ("5", "list of tables"),
        ("[5]", "rule 1 must be a table"),
        ('[{ verdict = "allow", peer = 5 }]', "rule 1: peer must be a string"),
        ('[{ verdict = "maybe" }]', "rule 1: verdict must be one of"),
        ('[{ role = "hub" }]', "rule 1 has no verdict"),
        ('[{ verdict = "deny", amount = 5 }]', "rule 1 has no key amount; known are verdict"),
        ('[{ verdict = "deny", role = "payer" }]', "rule 1: role must be one of"),
        ('[{ verdict = "deny", reducer = "5e5e" }]', "rule 1: reducer must be 64 hex digits"),
        (
            f'[{{ verdict = "deny", role = "hub", reducer = "{"5e" * 32}" }}]',
            "rule 1 matches nothing: only a player runs a reducer",
        ),
        (
            '[{ verdict = "deny", role = "player", objective = "VirtualFund" }]',
            "rule 1 matches nothing: nobody is player in a VirtualFund",
        ),
        ('[{ verdict = "allow", amount_max = 5 }]', "rule 1 has an amount_max and no asset"),
        ('[{ verdict = "allow" }, { verdict = "deny" }]', "rule 2 is never tried"),
        (
            '[{ verdict = "deny", role = "hub" }, { verdict = "allow", '
            "challenge_duration_s_min = 5, challenge_duration_s_max = 4 }]",
            "rule 2 matches nothing: its shortest",
        ),
        (
            '[{ verdict = "deny", role = "hub", objective = "DirectFund" }]',
            "nobody is hub in a DirectFund",
        ),
        (
            '[{ verdict = "deny", role = "follower", objective = "VirtualFund" }]',
            "nobody is follower in a VirtualFund",
        ),
        ("[{]", "no TOML value"),
        ("1\nother = 2", "one TOML value"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_its_number(rules: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        tables.rules(rules, True)


def test_there_are_at_most_a_thousand_rules() -> None:
    with pytest.raises(ValueError, match="at most 1000"):
        tables.rules([{"verdict": "deny", "role": "hub"}] * 1_001, False)


def test_the_zero_address_is_the_chains_own_currency() -> None:
    raw = [{"verdict": "allow", "asset": "0x" + "00" * 20, "amount_max": 5}]
    assert tables.rules(raw, False)[0].asset == ZERO_ADDRESS
    with pytest.raises(ValueError, match="rule 1: asset"):
        tables.rules([{"verdict": "allow", "asset": 0}], False)


def test_terms_of_tokens_are_read_alike_from_toml_and_from_text() -> None:
    text = f'{{ "{TOKEN}" = {{ fee_base = "3", capacity = 10, exposure_max = "none" }} }}'
    expected = {b"\x7a" * 20: TokenTerms(fee_base=3, capacity=10)}
    assert tables.tokens(text, True) == expected
    assert tables.tokens(tomllib.loads(f"value = {text}")["value"], False) == expected
    assert printable(expected) == {
        TOKEN: {"fee_base": 3, "fee_ppm": 0, "fee_minimum": 0, "capacity": 10}
    }


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ([], "must be a table"),
        ({TOKEN: 5}, f"{TOKEN} must be a table"),
        ({TOKEN: {"fee": 5}}, "has no key fee"),
        ({TOKEN: {"fee_ppm": 1_000_001}}, "fee_ppm must be from 0 to 1000000"),
        ({"0x00": {}}, "address"),
        ({"0x" + "00" * 20: {}}, "zero address"),
        ({TOKEN: {}, TOKEN.lower(): {}}, "twice"),
    ],
)
def test_wrong_terms_are_refused_by_the_token(raw: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        tables.tokens(raw, False)


def test_large_amounts_are_shown_as_text() -> None:
    assert printable(TokenTerms(capacity=10**18)) == {
        "fee_base": 0,
        "fee_ppm": 0,
        "fee_minimum": 0,
        "capacity": str(10**18),
    }
