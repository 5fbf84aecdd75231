"""Random calls on the adjudicator and on its model, side by side, from one seed.

Alice and Bob have a direct channel; Alice, a hub and Bob two ledgers that back a payment channel.
Calls come in any order, most of them as an honest or a meddling party would make them, some with
a wrong turn, signature, index or outcome. After each the chain is compared with the model.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.support.adjudicator_model import Model, Refused, folded
from tests.support.contract_calls import Receipt, RevertedError
from tests.support.contract_tables import packed
from tests.support.evm import EvmRpc
from tests.support.nitro_chain import ALICE, BOB, DURATION_S, HUB, MALLORY, Nitro
from tests.support.nitro_signing import (
    GUARANTEE,
    NATIVE,
    Channel,
    Outcome,
    destination_of,
    encode_outcome,
    guarantee,
    outcome_of,
    simple,
    state,
    state_hash,
    voucher_data,
)

A, B, H = ALICE.destination, BOB.destination, HUB.destination
OTHER_CHANNEL = b"\xee" * 32
BACKED = 10
STRANGER_WISH = "Challenger is not a participant"


class Sequence:
    """One seed's channels, model and calls."""

    def __init__(self, nitro: Nitro, seed: int) -> None:
        assert isinstance(nitro.rpc, EvmRpc)
        self.nitro, self.rpc, self.random = nitro, nitro.rpc, random.Random(seed)
        self.refuser = destination_of(nitro.rpc.deploy("test/RevertingReceiver").address)
        self.assets = (NATIVE, nitro.token.address)
        self.asset = self.random.choice(self.assets)
        self.direct = nitro.ledger(ALICE, BOB)
        self.left, self.right = nitro.ledger(ALICE, HUB), nitro.ledger(HUB, BOB)
        self.virtual = nitro.payment_channel(ALICE, HUB, BOB)
        self.ledgers = (self.direct, self.left, self.right)
        self.channels = {each.channel_id: each for each in (*self.ledgers, self.virtual)}
        self.model = Model(frozenset([self.refuser]), NATIVE)
        self.outcomes = {
            self.direct.channel_id: [self._direct_outcome() for _ in range(3)],
            self.left.channel_id: [self._ledger_outcome(A, H) for _ in range(2)],
            self.right.channel_id: [self._ledger_outcome(H, B) for _ in range(2)],
            self.virtual.channel_id: [self._payment(paid) for paid in (0, 3, BACKED)],
        }
        self.people = {each: "0x" + each[12:].hex() for each in (A, B, H, self.refuser)}
        self.before = {key: self._balance(*key) for key in self._accounts()}
        self.told: Counter[str] = Counter()

    def _accounts(self) -> list[tuple[str, bytes]]:
        return [(asset, who) for asset in self.assets for who in self.people]

    def _balance(self, asset: str, who: bytes) -> int:
        address = self.people[who]
        if asset == NATIVE:
            return self.rpc.balance(address)
        balance: int = self.nitro.token.call("balanceOf", address)
        return balance

    # --- what is agreed -------------------------------------------------------------------------

    def _direct_outcome(self) -> Outcome:
        people = [A, B, self.refuser, OTHER_CHANNEL, self.virtual.channel_id]
        assets = self.random.sample(self.assets, self.random.choice((1, 1, 2)))
        return [
            exit_
            for asset in assets
            for exit_ in outcome_of(
                *(
                    simple(self.random.choice(people), self.random.randint(0, 9))
                    for _ in range(self.random.randint(1, 3))
                ),
                asset=asset,
            )
        ]

    def _ledger_outcome(self, near: bytes, far: bytes) -> Outcome:
        backing = guarantee(self.virtual.channel_id, BACKED, near, far)
        shares = [simple(near, self.random.randint(0, 9)), simple(far, self.random.randint(0, 9))]
        place = self.random.choice((0, 2, 2, 2))
        shares[place:place] = [backing]
        return outcome_of(*shares, asset=self.asset)

    def _payment(self, paid: int) -> Outcome:
        return outcome_of(simple(A, BACKED - paid), simple(B, paid), asset=self.asset)

    # --- calls ----------------------------------------------------------------------------------

    def any_channel(self) -> Channel:
        return self.random.choice(list(self.channels.values()))

    def final_channel(self) -> Channel:
        """One that is finalised if there is any, as a rule."""
        final = [
            channel
            for channel_id, channel in self.channels.items()
            if 0 < self.model.channels[channel_id].finalizes_at <= self.rpc.now_s
        ]
        return self.random.choice(final) if final and not self.chance(8) else self.any_channel()

    def end(self) -> None:
        """Challenge whatever is not challenged, and wait: then everything can be paid."""
        for channel in self.channels.values():
            if self.model.channels[channel.channel_id].finalizes_at == 0 and not self.chance(6):
                self.challenge(channel)
        self.rpc.pass_time(DURATION_S)

    def chance(self, one_in: int) -> bool:
        return self.random.randrange(one_in) == 0

    def deposit(self) -> None:
        asset, channel_id = self.random.choice(self.assets), self.any_channel().channel_id
        if self.chance(2):
            asset = self.asset
        expected = self.model.holdings[asset, channel_id] + self.chance(8)
        destination = A if self.chance(20) else channel_id
        amount = self.random.randint(0, 12)
        self.model_and_chain(
            lambda: self.model.deposit(asset, destination, expected, amount),
            ("deposit", asset, destination, expected, amount),
            value=amount if asset == NATIVE else 0,
        )

    def _candidate(self, channel: Channel) -> tuple[Any, list[Any], str | None]:
        """(signed state, proof, why the app refuses it)."""
        outcome = self.random.choice(self.outcomes[channel.channel_id])
        if channel is not self.virtual:
            candidate = state(outcome, self.random.randint(0, 6))
            if self.chance(8):
                return channel.signed(candidate, [channel.actors[0]]), [], "!unanimous"
            return channel.signed(candidate), [], None
        postfund = channel.signed(state(self._payment(0), 1))
        if self.chance(3):
            return postfund, [], None
        paid = outcome[0][2][1][1]
        data = voucher_data(channel.channel_id, paid, MALLORY if self.chance(8) else ALICE)
        redemption = channel.signed(state(outcome, 2, data), [BOB])
        forged = data != voucher_data(channel.channel_id, paid, ALICE)
        return redemption, [postfund], "invalid signature for voucher" if forged else None

    def challenge(self, channel: Channel | None = None) -> None:
        channel = channel or self.any_channel()
        candidate, proof, complaint = self._candidate(channel)
        challenger = MALLORY if self.chance(10) else channel.actors[-1]
        if complaint is None and challenger is MALLORY:
            complaint = STRANGER_WISH
        outcome, _, turn_num, _ = candidate[0]
        message_hash = state_hash(channel.channel_id, candidate[0])
        wish = channel.challenger_signature(candidate[0], challenger)
        self.model_and_chain(
            lambda: self.model.challenge(
                channel.channel_id, turn_num, message_hash, outcome, DURATION_S, complaint
            ),
            ("challenge", channel.fixed_part, proof, candidate, wish),
        )

    def checkpoint(self) -> None:
        channel = self.any_channel()
        candidate, proof, complaint = self._candidate(channel)
        self.model_and_chain(
            lambda: self.model.checkpoint(channel.channel_id, candidate[0][2], complaint),
            ("checkpoint", channel.fixed_part, proof, candidate),
        )

    def conclude(self) -> None:
        channel, pays = self.any_channel(), self.chance(2)
        outcome = self.random.choice(self.outcomes[channel.channel_id])
        final, signed = not self.chance(8), not self.chance(8)
        last = state(outcome, 9, b"", final)
        candidate = channel.signed(last, None if signed else channel.actors[1:])
        name = "concludeAndTransferAllAssets" if pays else "conclude"
        change = self.model.conclude_and_pay if pays else self.model.conclude
        self.model_and_chain(
            lambda: change(channel.channel_id, outcome, final=final, signed=signed),
            (name, channel.fixed_part, candidate),
        )

    def _shown(self, channel: Channel, judged: bool = False) -> tuple[bytes, Outcome]:
        """(state hash, outcome) that a caller presents: as a rule the right ones."""
        standing = self.model.channels[channel.channel_id]
        outcome = standing.outcome or self.random.choice(self.outcomes[channel.channel_id])
        if judged and standing.judged is not None:
            outcome = standing.judged
        if self.chance(8):
            outcome = self.random.choice(self.outcomes[channel.channel_id])
        return bytes(32) if self.chance(12) else standing.state_hash, outcome

    def transfer(self) -> None:
        channel = self.final_channel()
        message_hash, outcome = self._shown(channel)
        number = self.random.randint(0, len(outcome) - (not self.chance(8)))
        count = len(outcome[number][2]) if number < len(outcome) else 1
        indices = sorted(self.random.sample(range(count), self.random.randint(0, count)))
        if self.chance(12):
            indices = [*indices, self.random.choice((0, count))]
        self.model_and_chain(
            lambda: self.model.transfer(number, channel.channel_id, outcome, message_hash, indices),
            (
                "transfer",
                number,
                channel.channel_id,
                encode_outcome(outcome),
                message_hash,
                indices,
            ),
        )

    def transfer_all(self) -> None:
        channel = self.final_channel()
        message_hash, outcome = self._shown(channel)
        self.model_and_chain(
            lambda: self.model.transfer_all(channel.channel_id, outcome, message_hash),
            ("transferAllAssets", channel.channel_id, outcome, message_hash),
        )

    def reclaim(self) -> None:
        ledger = self.random.choice((self.left, self.right))
        source_hash, source = self._shown(ledger)
        target_hash, target = self._shown(self.virtual, judged=not self.chance(6))
        kinds = [share[2] for share in source[0][2]]
        index = kinds.index(GUARANTEE) if GUARANTEE in kinds else 0
        if self.chance(10):
            index = self.random.randint(0, len(kinds))
        numbers = (int(self.chance(20)), int(self.chance(20)))
        arguments = (
            *(ledger.channel_id, source_hash, encode_outcome(source), numbers[0], index),
            *(target_hash, encode_outcome(target), numbers[1]),
        )
        self.model_and_chain(
            lambda: self.model.reclaim(
                (ledger.channel_id, source_hash, source, numbers[0]),
                index,
                (target_hash, target, numbers[1]),
            ),
            ("reclaim", arguments),
        )

    def wait(self) -> None:
        self.rpc.pass_time(self.random.choice((1, DURATION_S // 2, DURATION_S, DURATION_S)))

    def step(self) -> None:
        """One call, or some time."""
        calls = (
            *(self.deposit, self.deposit, self.challenge, self.checkpoint, self.conclude),
            *(self.transfer, self.transfer, self.transfer_all, self.reclaim, self.reclaim),
            *(self.end, self.wait),
        )
        self.random.choice(calls)()

    # --- the comparison -------------------------------------------------------------------------

    def model_and_chain(
        self, change: Callable[[], None], call: tuple[Any, ...], value: int = 0
    ) -> None:
        """Both do it, or both refuse for the same reason; and then both stand alike."""
        self.model.now_s = self.rpc.now_s + 1
        outcomes = {each: self.model.channels[each].outcome for each in self.channels}
        expected = None
        try:
            change()
        except Refused as refusal:
            expected = str(refusal)
        found, receipt = None, None
        try:
            receipt = self.nitro.adjudicator.send(*call, value=value)
        except RevertedError as error:
            found = error.reason
        assert found == expected, (call, found, expected)
        self.told[f"{call[0]}: {expected or 'done'}"] += 1
        if receipt is not None:
            self._compare_events(outcomes, receipt)
        self._compare()

    def _compare_events(self, outcomes: dict[bytes, Outcome | None], receipt: Receipt) -> None:
        """What our events tell of payouts makes the outcome of before that of after (M4)."""
        paid = receipt.named("OutcomePaid")
        for event in paid:
            outcome = outcomes[event["channelId"]]
            if outcome is None or receipt.named("Concluded"):
                continue
            standing = self.model.channels[event["channelId"]].outcome
            assert standing is not None
            assert encode_outcome(folded(outcome, paid)) == encode_outcome(standing)

    def _compare(self) -> None:
        model, call = self.model, self.nitro.adjudicator.call
        for channel_id in self.channels:
            standing = model.channels[channel_id]
            word = (standing.turn_num_record, standing.finalizes_at, standing.print_160)
            assert call("statusOf", channel_id) == packed(word)
        for asset in self.assets:
            held = {each: model.holdings[asset, each] for each in (*self.channels, OTHER_CHANNEL)}
            assert {each: self.nitro.holdings(each, asset) for each in held} == held
            if asset == NATIVE:
                total = self.rpc.balance(self.nitro.adjudicator.address)
            else:
                total = self.nitro.token.call("balanceOf", self.nitro.adjudicator.address)
            assert total == sum(held.values())
        for key in self._accounts():
            assert self._balance(*key) == self.before[key] + model.paid[key]
