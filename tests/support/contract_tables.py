"""Rows of the contract tables: one call in one situation, and everything that it changes.

A row is built on a deployment: it brings the chain into its situation and says which call follows
and what must come of it. The same row is built on our contracts and on Nitro's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.contract_calls import RevertedError
from tests.support.evm import EvmRpc, undone
from tests.support.nitro_chain import ALICE, BOB, HUB, MALLORY, Nitro
from tests.support.nitro_signing import NATIVE, Channel, Outcome

Key = tuple[Any, ...]
Change = int | tuple[int, int, int]

OUR_EVENTS = (
    *("OutcomePaid", "OutcomeReclaimed", "OutcomeConcluded"),
    *("CheckpointSigned", "CheckpointProved"),
)
"""Events that Nitro's contracts do not have (ADR 0034, ADR 0068, ADR 0069, ADR 0072)."""

INTERNAL_C = b"\xcc" * 32
INTERNAL_X = b"\xee" * 32
A, B, H, M = (each.destination for each in (ALICE, BOB, HUB, MALLORY))


def status_of(channel: Channel | bytes) -> Key:
    """The key of a status word; its change is the new (turnNumRecord, finalizesAt, fingerprint)."""
    return ("status", channel if isinstance(channel, bytes) else channel.channel_id)


def held_for(channel: Channel | bytes, asset: str = NATIVE) -> Key:
    """The key of what is held for a channel; its change is a difference."""
    return ("held", asset, channel if isinstance(channel, bytes) else channel.channel_id)


def balance_of(address: str, asset: str = NATIVE) -> Key:
    """The key of an account's balance; its change is a difference."""
    return ("balance", asset, address)


def frozen(value: Any) -> Any:
    """The value with tuples for lists, as decoded events have them."""
    if isinstance(value, list | tuple):
        return tuple(frozen(each) for each in value)
    return value


@dataclass(frozen=True)
class Case:
    """A call on a prepared chain, and what must come of it: a reason, or events and changes."""

    call: tuple[Any, ...]
    value: int = 0
    reason: str | None = None
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    changes: dict[Key, Change] = field(default_factory=dict)
    channels: tuple[bytes, ...] = ()
    """Channels that the call may touch, besides those in `changes`."""
    addresses: tuple[str, ...] = ()
    """The same of accounts, besides the people and the contracts of every row."""
    assets: tuple[str, ...] = ()
    """Tokens that only this row has."""


Row = Callable[[Nitro], Case]
Rows = Mapping[str, Row]


@dataclass(frozen=True)
class Done:
    """What came of a case."""

    reason: str | None
    events: list[tuple[str, dict[str, Any]]]
    changes: dict[Key, Change]

    def as_nitro_tells_it(self) -> Done:
        """Without the events that are ours."""
        events = [each for each in self.events if each[0] not in OUR_EVENTS]
        return Done(self.reason, events, self.changes)


def _readings(nitro: Nitro, case: Case) -> dict[Key, Any]:
    channels = {INTERNAL_C, INTERNAL_X, *case.channels}
    channels |= {key[-1] for key in case.changes if key[0] in ("status", "held")}
    people = [each.address for each in (ALICE, BOB, HUB, MALLORY)]
    accounts = {*people, nitro.sender, nitro.adjudicator.address, *case.addresses}
    tokens = {nitro.token.address, *case.assets}
    seen: dict[Key, Any] = {}
    for channel_id in channels:
        seen[status_of(channel_id)] = nitro.adjudicator.call("unpackStatus", channel_id)
        word = nitro.adjudicator.call("statusOf", channel_id)
        assert packed(seen[status_of(channel_id)]) == word
        for asset in (NATIVE, *tokens):
            seen[held_for(channel_id, asset)] = nitro.holdings(channel_id, asset)
    for address in accounts:
        seen[balance_of(address)] = nitro.rpc.balance(address)
        for asset in tokens:
            seen[balance_of(address, asset)] = nitro.token.at(asset).call("balanceOf", address)
    return seen


def packed(status: tuple[int, int, int]) -> bytes:
    """The status word of its three parts."""
    turn_num_record, finalizes_at, fingerprint = status
    return (turn_num_record << 208 | finalizes_at << 160 | fingerprint).to_bytes(32, "big")


def _change(before: Any, after: Any) -> Change:
    if isinstance(after, int):
        return after - int(before)
    turn_num_record, finalizes_at, fingerprint = after
    return (turn_num_record, finalizes_at, fingerprint)


def play(nitro: Nitro, row: Row) -> tuple[Case, Done]:
    """Build the row, make its call and compare the chain before and after; all undone at last."""
    assert isinstance(nitro.rpc, EvmRpc)
    with undone(nitro.rpc):
        case = row(nitro)
        before = _readings(nitro, case)
        reason, events = None, []
        try:
            receipt = nitro.adjudicator.send(*case.call, value=case.value)
            events = [(event.name, event.fields) for event in receipt.events]
        except RevertedError as error:
            reason = error.reason
        after = _readings(nitro, case)
    changes = {key: _change(before[key], after[key]) for key in after if before[key] != after[key]}
    return case, Done(reason, events, changes)


def all_rows(tables: Mapping[str, Rows]) -> Iterator[tuple[str, Row]]:
    """Every row as ("table: name", row)."""
    for table, rows in tables.items():
        for name, row in rows.items():
            yield f"{table}: {name}", row


def token_of(nitro: Nitro, kind: str, supply: int = 1_000) -> str:
    """The asset of a kind: `native`, `token`, or a token of the tests, minted and approved."""
    if kind == "native":
        return NATIVE
    if kind == "token":
        return nitro.token.address
    token = nitro.rpc.deploy(f"test/{kind}")
    token.send("mint", nitro.sender, supply)
    token.send("approve", nitro.adjudicator.address, supply)
    return token.address


def next_time(nitro: Nitro, seconds: int = 0) -> int:
    """The time of the block that the case's call is mined in, and `seconds` later."""
    assert isinstance(nitro.rpc, EvmRpc)
    return nitro.rpc.now_s + 1 + seconds


def amounts_of(outcome: Outcome, asset_index: int = 0) -> list[int]:
    """The amounts of one asset's allocations."""
    return [allocation[1] for allocation in outcome[asset_index][2]]
