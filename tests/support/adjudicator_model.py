"""The adjudicator in Python: what each call does, or for which reason it does nothing.

Written from the money rules and the interface, without a look at the contracts' arithmetic, so
that the two can be held against each other. A channel is known by its outcome here; fingerprints
are computed when they are compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.nitro_signing import (
    GUARANTEE,
    Outcome,
    fingerprint,
    keccak,
)

NO_HASH = bytes(32)
NO_STATE = int.from_bytes(keccak(bytes(64))[12:], "big")

FINALIZED = "Channel finalized."
NOT_FINALIZED = "Channel not finalized."
NOT_INCREASED = "turnNumRecord not increased."
WRONG_PRINT = "incorrect fingerprint"
OUT_OF_RANGE = "Index out of range"
NO_GUARANTEE = "cannot transfer a guarantee"


class Refused(Exception):
    """The call reverts for this reason."""


@dataclass
class Standing:
    """One channel: its word, and the outcome that it pays by while it is challenged or final."""

    turn_num_record: int = 0
    finalizes_at: int = 0
    state_hash: bytes = NO_HASH
    outcome: Outcome | None = None
    judged: Outcome | None = None
    """The outcome with which it finalised, once a payout changed it."""
    print_160: int = 0

    def stand(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.print_160 = fingerprint(self.state_hash, outcome)


@dataclass
class Model:
    """Everything the adjudicator knows, and what it paid to whom."""

    refusing: frozenset[bytes]
    """Destinations whose native payouts fail."""
    native: str
    now_s: int = 0
    holdings: defaultdict[tuple[str, bytes], int] = field(default_factory=lambda: defaultdict(int))
    paid: defaultdict[tuple[str, bytes], int] = field(default_factory=lambda: defaultdict(int))
    channels: defaultdict[bytes, Standing] = field(default_factory=lambda: defaultdict(Standing))

    # --- money in -------------------------------------------------------------------------------

    def deposit(self, asset: str, channel_id: bytes, expected: int, amount: int) -> None:
        if is_external(channel_id):
            raise Refused("Deposit to external destination")
        if self.holdings[asset, channel_id] != expected:
            raise Refused("held != expectedHeld")
        self.holdings[asset, channel_id] += amount

    # --- states ---------------------------------------------------------------------------------

    def is_final(self, channel: Standing) -> bool:
        return 0 < channel.finalizes_at <= self.now_s

    def _require_open(self, channel: Standing) -> None:
        if self.is_final(channel):
            raise Refused(FINALIZED)

    def challenge(
        self,
        channel_id: bytes,
        turn_num: int,
        state_hash: bytes,
        outcome: Outcome,
        lasts_s: int,
        complaint: str | None,
    ) -> None:
        """`complaint` is why the app or the challenger's signature will not do."""
        channel = self.channels[channel_id]
        self._require_open(channel)
        if channel.finalizes_at and turn_num <= channel.turn_num_record:
            raise Refused(NOT_INCREASED)
        if turn_num < channel.turn_num_record:
            raise Refused("turnNumRecord decreased.")
        if complaint is not None:
            raise Refused(complaint)
        channel.turn_num_record, channel.finalizes_at = turn_num, self.now_s + lasts_s
        channel.state_hash = state_hash
        channel.stand(outcome)

    def checkpoint(self, channel_id: bytes, turn_num: int, complaint: str | None) -> None:
        channel = self.channels[channel_id]
        self._require_open(channel)
        if turn_num <= channel.turn_num_record:
            raise Refused(NOT_INCREASED)
        if complaint is not None:
            raise Refused(complaint)
        channel.turn_num_record, channel.finalizes_at = turn_num, 0
        channel.outcome, channel.print_160 = None, NO_STATE

    def conclude(self, channel_id: bytes, outcome: Outcome, *, final: bool, signed: bool) -> None:
        channel = self.channels[channel_id]
        self._require_open(channel)
        if not final:
            raise Refused("State must be final")
        if not signed:
            raise Refused("!unanimous")
        channel.turn_num_record, channel.finalizes_at = 0, self.now_s
        channel.state_hash = NO_HASH
        channel.stand(outcome)

    # --- money out ------------------------------------------------------------------------------

    def _claimed(self, channel_id: bytes, state_hash: bytes, outcome: Outcome) -> Standing:
        channel = self.channels[channel_id]
        if not self.is_final(channel):
            raise Refused(NOT_FINALIZED)
        if channel.print_160 != fingerprint(state_hash, outcome):
            raise Refused(WRONG_PRINT)
        return channel

    def transfer(
        self,
        asset_index: int,
        channel_id: bytes,
        outcome: Outcome,
        state_hash: bytes,
        indices: Sequence[int],
    ) -> None:
        if list(indices) != sorted(set(indices)):
            raise Refused("Indices must be sorted")
        self._claimed(channel_id, state_hash, outcome)
        if asset_index >= len(outcome):
            raise Refused(OUT_OF_RANGE)
        self._pay_out(channel_id, outcome, [asset_index], indices)

    def transfer_all(self, channel_id: bytes, outcome: Outcome, state_hash: bytes) -> None:
        self._claimed(channel_id, state_hash, outcome)
        self._pay_out(channel_id, outcome, range(len(outcome)), [])

    def conclude_and_pay(
        self, channel_id: bytes, outcome: Outcome, *, final: bool, signed: bool
    ) -> None:
        before = replace(self.channels[channel_id])
        try:
            self.conclude(channel_id, outcome, final=final, signed=signed)
            self._pay_out(channel_id, outcome, range(len(outcome)), [])
        except Refused:
            self.channels[channel_id] = before
            raise

    def _pay_out(
        self,
        channel_id: bytes,
        outcome: Outcome,
        assets: Sequence[int],
        indices: Sequence[int],
    ) -> None:
        channel = self.channels[channel_id]
        for number in assets:
            named = indices or range(len(outcome[number][2]))
            if any(index >= len(outcome[number][2]) for index in named):
                # Guarantees are met on the way to the end.
                raise Refused(
                    NO_GUARANTEE if _names_guarantee(outcome[number], named) else OUT_OF_RANGE
                )
            if _names_guarantee(outcome[number], named):
                raise Refused(NO_GUARANTEE)
        # What can be paid is settled before the first call; a channel's own gain comes too late.
        bills = []
        for number in assets:
            asset, _, shares = outcome[number]
            named = indices or range(len(shares))
            bill = affordable(self.holdings[asset, channel_id], shares, named)
            self.holdings[asset, channel_id] -= sum(bill)
            bills.append((number, bill))
        left, anything = [list(exit_[2]) for exit_ in outcome], False
        for number, bill in bills:
            asset = outcome[number][0]
            for index, amount in enumerate(bill):
                destination, owed, kind, metadata = left[number][index]
                if amount == 0:
                    continue
                if not is_external(destination):
                    self.holdings[asset, destination] += amount
                elif asset == self.native and destination in self.refusing:
                    self.holdings[asset, channel_id] += amount
                    continue
                else:
                    self.paid[asset, destination] += amount
                left[number][index] = (destination, owed - amount, kind, metadata)
                anything = True
        if not anything:
            return
        if channel.judged is None:
            channel.judged = outcome
        channel.stand([(e[0], e[1], rest) for e, rest in zip(outcome, left, strict=True)])
        if not any(share[1] or share[2] == GUARANTEE for rest in left for share in rest):
            channel.print_160 = 0

    def reclaim(
        self,
        source: tuple[bytes, bytes, Outcome, int],
        index: int,
        target: tuple[bytes, Outcome, int],
    ) -> None:
        """(channel, state hash, outcome, asset index) and the same of the target, unnamed."""
        channel_id, state_hash, outcome, asset_index = source
        channel = self._claimed(channel_id, state_hash, outcome)
        if asset_index >= len(outcome):
            raise Refused(OUT_OF_RANGE)
        asset, metadata, shares = outcome[asset_index]
        if index >= len(shares):
            raise Refused("could not find target")
        target_id, amount, kind, parties = shares[index]
        if kind != GUARANTEE:
            raise Refused("not a guarantee allocation")
        right = self._right_share(target_id, target, asset)
        if right > amount:
            raise Refused("totalReclaimed!=guarantee.amount")
        rest = [share for number, share in enumerate(shares) if number != index]
        for name, party, gain in (
            ("left", parties[:32], amount - right),
            ("right", parties[32:], right),
        ):
            places = [number for number, share in enumerate(rest) if share[0] == party]
            if not places:
                raise Refused(f"could not find {name}")
            destination, has, kind, data = rest[places[0]]
            rest[places[0]] = (destination, has + gain, kind, data)
        changed = list(outcome)
        changed[asset_index] = (asset, metadata, rest)
        channel.stand(changed)

    def _right_share(self, target_id: bytes, target: tuple[bytes, Outcome, int], asset: str) -> int:
        """What the target's second allocation had when it finalised."""
        state_hash, outcome, asset_index = target
        channel = self.channels[target_id]
        if not self.is_final(channel):
            raise Refused(NOT_FINALIZED)
        judged = channel.judged if channel.judged is not None else channel.outcome
        assert judged is not None
        finalised = fingerprint(channel.state_hash, judged)
        if fingerprint(state_hash, outcome) != finalised:
            raise Refused(WRONG_PRINT)
        if asset_index >= len(outcome):
            raise Refused(OUT_OF_RANGE)
        if outcome[asset_index][0] != asset:
            raise Refused("targetAsset != guaranteeAsset")
        shares = outcome[asset_index][2]
        return shares[1][1] if len(shares) > 1 else 0


def is_external(destination: bytes) -> bool:
    """An address padded on the left; anything else is a channel."""
    return destination[:12] == bytes(12)


def affordable(held: int, shares: Sequence[Any], named: Sequence[int]) -> list[int]:
    """What each share gets: earlier ones first, and only those that are named."""
    bill = []
    for index, share in enumerate(shares):
        amount = min(share[1], held)
        held -= amount
        bill.append(amount if index in named else 0)
    return bill


def _names_guarantee(exit_: Any, named: Sequence[int]) -> bool:
    shares = exit_[2]
    return any(index < len(shares) and shares[index][2] == GUARANTEE for index in named)


def folded(outcome: Outcome, paid: Sequence[dict[str, Any]]) -> Outcome:
    """The outcome after our events of payouts, as a node folds them (M4)."""
    for event in paid:
        number = event["assetIndex"]
        asset, metadata, shares = outcome[number]
        rest = list(shares)
        for index, amount in zip(event["indices"], event["amounts"], strict=True):
            destination, owed, kind, data = rest[index]
            rest[index] = (destination, owed - amount, kind, data)
        outcome = [*outcome[:number], (asset, metadata, rest), *outcome[number + 1 :]]
    return outcome
