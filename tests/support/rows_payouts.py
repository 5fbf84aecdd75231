"""Payouts of some shares, of all, and with the conclusion; honest receivers and others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.contract_tables import (
    INTERNAL_C,
    INTERNAL_X,
    A,
    B,
    Case,
    Change,
    Key,
    Row,
    Rows,
    balance_of,
    held_for,
    next_time,
    status_of,
    token_of,
)
from tests.support.nitro_chain import ALICE, BOB, DURATION_S, Nitro
from tests.support.nitro_signing import (
    NATIVE,
    Allocation,
    Channel,
    Outcome,
    destination_of,
    encode_outcome,
    fingerprint,
    guarantee,
    outcome_of,
    simple,
    state,
    state_hash,
)
from tests.support.payouts import NO_STATE_HASH, conclude, standing, with_amounts
from tests.support.rows_force_move import concluded

Share = tuple[bytes, int]


def payout_key(nitro: Nitro, destination: bytes, asset: str) -> Key:
    """Where a payout shows: in an account or in another channel's holdings."""
    if destination[:12] == bytes(12):
        return balance_of("0x" + destination[12:].hex(), asset)
    return held_for(destination, asset)


def told(
    channel: Channel, asset_index: int, held: int, paid: Sequence[int]
) -> list[tuple[str, dict[str, Any]]]:
    """The events of one asset's payouts."""
    total = sum(paid)
    updated = {
        "channelId": channel.channel_id,
        "assetIndex": asset_index,
        "initialHoldings": held,
        "finalHoldings": held - total,
    }
    if total == 0:
        return [("AllocationUpdated", updated)]
    what = {
        "channelId": channel.channel_id,
        "assetIndex": asset_index,
        "indices": tuple(index for index, amount in enumerate(paid) if amount),
        "amounts": tuple(amount for amount in paid if amount),
    }
    return [("AllocationUpdated", updated), ("OutcomePaid", what)]


@dataclass
class Payouts:
    """What payouts of a channel change, collected asset by asset."""

    nitro: Nitro
    channel: Channel
    outcome: Outcome
    message_hash: bytes = NO_STATE_HASH

    def __post_init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.changes: dict[Key, Change] = {}

    def _add(self, key: Key, amount: int) -> None:
        before = self.changes.get(key, 0)
        assert isinstance(before, int)
        if amount:
            self.changes[key] = before + amount

    def pay(self, asset_index: int, held: int, paid: Sequence[int]) -> None:
        """One asset's allocations are paid so much each."""
        asset, _, allocations = self.outcome[asset_index]
        self.events += told(self.channel, asset_index, held, paid)
        for (destination, *_), amount in zip(allocations, paid, strict=True):
            self._add(payout_key(self.nitro, destination, asset), amount)
            if destination[:12] == bytes(12):
                self._add(balance_of(self.nitro.adjudicator.address, asset), -amount)
        self._add(held_for(self.channel, asset), -sum(paid))
        rest = [share[1] - amount for share, amount in zip(allocations, paid, strict=True)]
        self.outcome = with_amounts(self.outcome, rest, asset_index)

    def stands(self, finalizes_at: int, turn_num: int = 0) -> None:
        """The status word is that of what is left."""
        fingerprint = standing(self.message_hash, self.outcome)
        self.changes[status_of(self.channel)] = (turn_num, finalizes_at, fingerprint)


def with_shares(shares: Sequence[Share], asset: str = NATIVE) -> Outcome:
    return outcome_of(*[simple(destination, amount) for destination, amount in shares], asset=asset)


def transfer(
    held: int,
    shares: Sequence[Share | Allocation],
    indices: Sequence[int],
    paid: Sequence[int] | None = None,
    reason: str | None = None,
    *,
    kind: str = "native",
    finalised: bool = True,
    shown: Sequence[Share] | None = None,
    asset_index: int = 0,
) -> Row:
    """A transfer out of a concluded channel that holds `held`."""

    def build(nitro: Nitro) -> Case:
        channel, asset = nitro.ledger(ALICE, BOB), token_of(nitro, kind)
        full = [share if len(share) == 4 else simple(*share) for share in shares]
        outcome = outcome_of(*full, asset=asset)
        if held:
            nitro.deposit(channel.channel_id, held, asset)
        if finalised:
            conclude(nitro, channel, outcome)
        at = next_time(nitro, -1)
        presented = outcome if shown is None else with_shares(shown, asset)
        arguments = (channel.channel_id, encode_outcome(presented), NO_STATE_HASH, list(indices))
        call = ("transfer", asset_index, *arguments)
        if paid is None:
            return Case(call, reason=reason, channels=(channel.channel_id,))
        payouts = Payouts(nitro, channel, outcome)
        payouts.pay(0, held, paid)
        if sum(paid):
            payouts.stands(at)
        channels, tokens = (channel.channel_id,), () if asset == NATIVE else (asset,)
        return Case(call, 0, None, payouts.events, payouts.changes, channels, (), tokens)

    return build


C, X = INTERNAL_C, INTERNAL_X
BACKED = guarantee(C, 10, A, B)
NOTHING_BACKED = guarantee(C, 0, A, B)
NO_GUARANTEE = "cannot transfer a guarantee"

TRANSFERS: Rows = {
    "0, not finalised": transfer(
        1, [(A, 1)], [0], reason="Channel not finalized.", finalised=False
    ),
    "1, exactly held": transfer(1, [(A, 1)], [0], [1]),
    "2, more held than owed": transfer(2, [(A, 1)], [0], [1]),
    "3, less held than owed": transfer(1, [(A, 2)], [0], [1]),
    "4, exactly held, into a channel": transfer(1, [(C, 1)], [0], [1]),
    "5, more held than owed, into a channel": transfer(2, [(C, 1)], [0], [1]),
    "6, less held than owed, into a channel": transfer(1, [(C, 2)], [0], [1]),
    "7, the first of two": transfer(2, [(A, 1), (B, 1)], [0], [1, 0]),
    "8, the first of two, held for one": transfer(1, [(A, 1), (B, 1)], [0], [1, 0]),
    "9, the second of two": transfer(3, [(A, 2), (B, 2)], [1], [0, 1]),
    "10, the second of two channels, nothing left for it": transfer(
        1, [(C, 1), (X, 1)], [1], [0, 0]
    ),
    "11, the first of two channels": transfer(1, [(C, 1), (X, 1)], [0], [1, 0]),
    "12, the second of two channels": transfer(3, [(C, 2), (X, 2)], [1], [0, 1]),
    "13, both channels": transfer(3, [(C, 2), (X, 2)], [0, 1], [2, 1]),
    "14, an address and two channels": transfer(5, [(A, 1), (C, 2), (X, 2)], [0, 1, 2], [1, 2, 2]),
    "15, indices that fall": transfer(3, [(A, 2), (B, 2)], [1, 0], reason="Indices must be sorted"),
    "16, another outcome": transfer(
        3, [(A, 2)], [0], reason="incorrect fingerprint", shown=[(A, 3)]
    ),
    "17, a guarantee": transfer(30, [BACKED], [0], reason=NO_GUARANTEE),
    "no index, which means all": transfer(5, [(A, 1), (C, 2), (X, 2)], [], [1, 2, 2]),
    "nothing held": transfer(0, [(A, 1), (B, 2)], [], [0, 0]),
    "an index twice": transfer(3, [(A, 2), (B, 2)], [0, 0], reason="Indices must be sorted"),
    "a guarantee by the second index": transfer(
        30, [(A, 5), BACKED, (B, 5)], [0, 1], reason=NO_GUARANTEE
    ),
    "a guarantee by its index alone": transfer(
        30, [(A, 5), (B, 5), BACKED], [2], reason=NO_GUARANTEE
    ),
    "a guarantee named by no index": transfer(
        30, [(A, 5), BACKED, (B, 5)], [], reason=NO_GUARANTEE
    ),
    "shares around a guarantee": transfer(16, [(A, 5), BACKED, (B, 5)], [0, 2], [5, 0, 1]),
    "all but a guarantee of nothing": transfer(5, [(A, 5), NOTHING_BACKED], [0], [5, 0]),
    "one address in two shares": transfer(5, [(A, 2), (A, 2)], [0, 1], [2, 2]),
    "an index beyond the end": transfer(3, [(A, 2)], [1], reason="Index out of range"),
    "an asset beyond the end": transfer(
        3, [(A, 2)], [0], reason="Index out of range", asset_index=1
    ),
    "a token": transfer(3, [(A, 2), (B, 2)], [], [2, 1], kind="token"),
    "a token into a channel": transfer(3, [(A, 2), (C, 2)], [1], [0, 1], kind="token"),
    "a token that returns nothing": transfer(3, [(A, 2)], [], [2], kind="NoReturnToken"),
}

# --- everything at once -------------------------------------------------------------------------

How = str
"""`transfer`: concluded before; `challenge`: finalised by one; `conclude`: in one transaction."""
Assets = Sequence[tuple[str, int, Sequence[Share]]]
"""(kind, held, shares) of each asset."""


def pay_all(
    how: How, assets: Assets, paid: Sequence[Sequence[int]] | None, reason: str | None = None
) -> Row:
    """Everything that is held is paid by priority; `paid` says how much of each share."""

    def build(nitro: Nitro) -> Case:
        channel = nitro.ledger(ALICE, BOB)
        outcome: Outcome = []
        for kind, held, shares in assets:
            asset = token_of(nitro, kind)
            outcome += with_shares(shares, asset)
            if held:
                nitro.deposit(channel.channel_id, held, asset)
        message_hash, turn_num = NO_STATE_HASH, 0
        if how == "challenge":
            last, turn_num = state(outcome, 7), 7
            at = next_time(nitro, DURATION_S)
            message_hash = nitro.finalise(channel, channel.signed(last))
            assert message_hash == state_hash(channel.channel_id, last)
        elif how == "transfer":
            conclude(nitro, channel, outcome)
            at = next_time(nitro, -1)
        else:
            at = next_time(nitro)
        call: tuple[Any, ...] = ("transferAllAssets", channel.channel_id, outcome, message_hash)
        payouts = Payouts(nitro, channel, outcome, message_hash)
        if how == "conclude":
            final = channel.signed(state(outcome, 9, is_final=True))
            call = ("concludeAndTransferAllAssets", channel.fixed_part, final)
            payouts.events = concluded(channel, at, outcome)
        if paid is None:
            return Case(call, reason=reason, channels=(channel.channel_id,))
        for index, ((_, held, _), amounts) in enumerate(zip(assets, paid, strict=True)):
            payouts.pay(index, held, amounts)
        if any(sum(amounts) for amounts in paid):
            payouts.stands(at, turn_num)
        elif how == "conclude":
            payouts.changes[status_of(channel)] = (0, at, fingerprint(NO_STATE_HASH, outcome))
        addresses = tuple(
            "0x" + destination[12:].hex()
            for _, _, shares in assets
            for destination, _ in shares
            if destination[:12] == bytes(12)
        )
        tokens = tuple(asset for asset, _, _ in outcome if asset != NATIVE)
        channels = (channel.channel_id,)
        return Case(call, 0, None, payouts.events, payouts.changes, channels, addresses, tokens)

    return build


def crowd(count: int) -> list[Share]:
    return [(destination_of(f"0x{0xABC000 + index:040x}"), 1 + index) for index in range(count)]


def paid_in_full(shares: Sequence[Share]) -> list[int]:
    return [amount for _, amount in shares]


TWO: list[Share] = [(A, 6), (B, 4)]
EVERYTHING: Rows = {
    f"{how}, {name}": pay_all(how, assets, paid)
    for how in ("transfer", "challenge", "conclude")
    for name, assets, paid in (
        ("native, one payout", [("native", 5, [(A, 5)])], [[5]]),
        ("native, two payouts", [("native", 10, TWO)], [[6, 4]]),
        ("a token, one payout", [("token", 5, [(A, 5)])], [[5]]),
        ("a token, two payouts", [("token", 10, TWO)], [[6, 4]]),
        ("a token into a channel", [("token", 10, [(A, 6), (C, 4)])], [[6, 4]]),
        ("two assets", [("native", 10, TWO), ("token", 7, [(B, 7)])], [[6, 4], [7]]),
        ("two assets, one held", [("native", 10, TWO), ("token", 0, [(B, 7)])], [[6, 4], [0]]),
        ("less held than owed", [("native", 7, TWO)], [[6, 1]]),
        ("nothing held", [("native", 0, TWO)], [[0, 0]]),
        ("ten payouts", [("native", 55, crowd(10))], [paid_in_full(crowd(10))]),
        ("fifty payouts", [("native", 1275, crowd(50))], [paid_in_full(crowd(50))]),
        ("a hundred payouts", [("native", 5050, crowd(100))], [paid_in_full(crowd(100))]),
        ("a token that returns nothing", [("NoReturnToken", 10, TWO)], [[6, 4]]),
    )
}
