"""Settings that are tables: the rules of the policy, and a hub's terms for tokens.

A parser takes what TOML gave, or as text the same in TOML's inline form, and raises ValueError
that says which entry is wrong and why. Tables hold few keys, and an unknown one is refused.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from node.config_values import Parser, address, choice, integer
from node.policy import Rule
from protocols.draft import FOLLOWER, HUB, PAYEE, PLAYER
from protocols.errors import ProtocolError
from protocols.hub import PARTS
from protocols.objectives.base import ObjectiveType
from protocols.types import UINT48_MAX, UINT256_MAX, Address, checksum_address, parse_address

RULE_COUNT_MAX = 1_000
"""Rules are tried one after the other for each proposal."""

NO_LIMIT = "none"
"""How a limit says that there is none."""

_DIGITS = re.compile(r"[0-9]{1,78}", re.ASCII)


@dataclass(frozen=True)
class TokenTerms:
    """What a hub takes for one token, and how much of it. Amounts in the token's smallest unit."""

    fee_base: int = 0
    fee_ppm: int = 0
    fee_minimum: int = 0
    capacity: int | None = None
    exposure_max: int | None = None


def amount(raw: object, text: bool) -> int:
    """A whole number of smallest units, or one in a string: TOML's own numbers end at 2^63."""
    if isinstance(raw, str) and _DIGITS.fullmatch(raw):
        raw = int(raw)
    if type(raw) is not int or not 0 <= raw <= UINT256_MAX:
        raise ValueError('must be a whole number of smallest units, such as "1000000000000000000"')
    return raw


def limit(raw: object, text: bool) -> int | None:
    """An amount, or "none"."""
    return None if raw == NO_LIMIT else amount(raw, text)


def asset(raw: object, text: bool) -> Address:
    """A token's address; the zero address is the chain's own currency."""
    try:
        return parse_address(raw if isinstance(raw, str) else "")
    except ProtocolError as error:
        raise ValueError(str(error)) from error


def code_hash(raw: object, text: bool) -> bytes:
    """sha256 of a reducer's code, 64 hex digits."""
    written = raw.lower().removeprefix("0x") if isinstance(raw, str) else ""
    if len(written) != 64 or not set(written) <= set("0123456789abcdef"):
        raise ValueError("must be 64 hex digits, as tally app reducers shows them")
    return bytes.fromhex(written)


_RULE_KEYS: Mapping[str, Parser] = {
    "verdict": choice("ask", "allow", "deny"),
    "peer": address,
    "objective": choice(ObjectiveType.DIRECT_FUND, ObjectiveType.VIRTUAL_FUND),
    "role": choice(PAYEE, FOLLOWER, HUB, PLAYER),
    "reducer": code_hash,
    "asset": asset,
    "amount_max": amount,
    "challenge_duration_s_min": integer(0, UINT48_MAX),
    "challenge_duration_s_max": integer(0, UINT48_MAX),
}

_TOKEN_KEYS: Mapping[str, Parser] = {
    "fee_base": amount,
    "fee_ppm": integer(0, PARTS),
    "fee_minimum": amount,
    "capacity": limit,
    "exposure_max": limit,
}


def rules(raw: object, text: bool) -> tuple[Rule, ...]:
    """The policy's rules, in the order in which they are tried."""
    items = _inline(raw) if text else raw
    if not isinstance(items, list):
        raise ValueError("must be a list of tables: write each rule as [[policy.rules]]")
    if len(items) > RULE_COUNT_MAX:
        raise ValueError(f"at most {RULE_COUNT_MAX} rules are tried")
    found: list[Rule] = []
    for number, item in enumerate(items, start=1):
        where = f"rule {number}"
        if found and found[-1] == Rule(found[-1].verdict):
            raise ValueError(f"{where} is never tried: the rule before it matches everything")
        values = _table(item, _RULE_KEYS, where)
        if "verdict" not in values:
            raise ValueError(f"{where} has no verdict: allow, ask or deny")
        rule = Rule(**values)
        _require_sense(rule, where)
        found.append(rule)
    return tuple(found)


def _require_sense(rule: Rule, where: str) -> None:
    """Refuse a rule that could never match, or that compares amounts of different assets."""
    if rule.amount_max is not None and rule.asset is None:
        raise ValueError(f"{where} has an amount_max and no asset: amounts are in an asset's unit")
    least, most = rule.challenge_duration_s_min, rule.challenge_duration_s_max
    if least is not None and most is not None and least > most:
        raise ValueError(f"{where} matches nothing: its shortest duration is above its longest")
    if rule.reducer is not None and rule.role not in (None, PLAYER):
        raise ValueError(f"{where} matches nothing: only a {PLAYER} runs a reducer")
    is_virtual = rule.objective == ObjectiveType.VIRTUAL_FUND
    if (is_virtual and rule.role in (FOLLOWER, PLAYER)) or (
        rule.objective == ObjectiveType.DIRECT_FUND and rule.role == HUB
    ):
        raise ValueError(f"{where} matches nothing: nobody is {rule.role} in a {rule.objective}")


def tokens(raw: object, text: bool) -> Mapping[Address, TokenTerms]:
    """A hub's terms by token address."""
    table = _inline(raw) if text else raw
    if not isinstance(table, Mapping):
        raise ValueError('must be a table of "0xTOKEN" = { fee_base = "1", ... }')
    found: dict[Address, TokenTerms] = {}
    for name, terms in table.items():
        token = address(name, text)
        if token in found:
            raise ValueError(f"names the token {checksum_address(token)} twice")
        found[token] = TokenTerms(**_table(terms, _TOKEN_KEYS, checksum_address(token)))
    return MappingProxyType(found)


def _inline(raw: object) -> object:
    """What TOML makes of a value written on one line."""
    try:
        document = tomllib.loads(f"value = {raw}")
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is no TOML value: {error}") from error
    if document.keys() != {"value"}:
        raise ValueError("must be one TOML value")
    return document["value"]


def _table(raw: object, keys: Mapping[str, Parser], where: str) -> dict[str, Any]:
    """The table's entries, parsed; every key must be one of `keys`."""
    if not isinstance(raw, Mapping):
        raise ValueError(f"{where} must be a table")
    found: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in keys:
            raise ValueError(f"{where} has no key {key}; known are {', '.join(keys)}")
        try:
            found[key] = keys[key](value, False)
        except ValueError as error:
            raise ValueError(f"{where}: {key} {error}") from error
    return found
