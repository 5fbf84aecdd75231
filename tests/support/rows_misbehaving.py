"""Payouts to receivers and of tokens that misbehave, and what a paid channel still does."""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.contract_tables import (
    INTERNAL_C,
    INTERNAL_X,
    A,
    B,
    Case,
    Row,
    Rows,
    next_time,
    token_of,
)
from tests.support.nitro_chain import ALICE, BOB, Nitro
from tests.support.nitro_signing import (
    NATIVE,
    Allocation,
    destination_of,
    encode_outcome,
    guarantee,
    outcome_of,
    simple,
    state,
)
from tests.support.payouts import NO_STATE_HASH, conclude, with_amounts
from tests.support.rows_payouts import TWO, Payouts, with_shares

C, X = INTERNAL_C, INTERNAL_X


def misbehaving(name: str, setting: int | None, paid_anyway: bool) -> Row:
    """One receiver among three; the others are paid whatever it does."""

    def build(nitro: Nitro) -> Case:
        receiver = nitro.rpc.deploy(f"test/{name}")
        channel = nitro.ledger(ALICE, BOB)
        shares = [(A, 3), (destination_of(receiver.address), 5), (B, 2)]
        outcome = with_shares(shares)
        nitro.deposit(channel.channel_id, 10)
        conclude(nitro, channel, outcome)
        at = next_time(nitro, -1)
        call = ("transferAllAssets", channel.channel_id, outcome, NO_STATE_HASH)
        if setting is None:
            nested = nitro.adjudicator.data("deposit", NATIVE, C, 0, 0)
            receiver.send("arm", nitro.adjudicator.address, nested)
        else:
            receiver.send("behave", setting)
        payouts = Payouts(nitro, channel, outcome)
        payouts.pay(0, 10, [3, 5 if paid_anyway else 0, 2])
        payouts.stands(at)
        channels = (channel.channel_id,)
        addresses = (receiver.address,)
        return Case(call, 0, None, payouts.events, payouts.changes, channels, addresses)

    return build


def moody(mood: int) -> Row:
    """A token whose transfer to one of two receivers does not clearly succeed."""

    def build(nitro: Nitro) -> Case:
        asset = token_of(nitro, "MoodyToken")
        channel, outcome = nitro.ledger(ALICE, BOB), with_shares(TWO, asset)
        nitro.deposit(channel.channel_id, 10, asset)
        conclude(nitro, channel, outcome)
        at = next_time(nitro, -1)
        token = nitro.rpc.deploy("test/MoodyToken").at(asset)
        token.send("show", mood, ALICE.address)
        payouts = Payouts(nitro, channel, outcome)
        payouts.pay(0, 10, [0, 4])
        payouts.stands(at)
        call = ("transferAllAssets", channel.channel_id, outcome, NO_STATE_HASH)
        channels = (channel.channel_id,)
        return Case(call, 0, None, payouts.events, payouts.changes, channels, (), (asset,))

    return build


MISBEHAVING: Rows = {
    "a receiver that reverts": misbehaving("RevertingReceiver", 0, False),
    "a receiver that burns all gas": misbehaving("RevertingReceiver", 1, False),
    "a receiver that returns much": misbehaving("RevertingReceiver", 2, False),
    "a contract that takes it": misbehaving("RevertingReceiver", 3, True),
    "a receiver that calls back": misbehaving("ReentrantReceiver", None, True),
    "a token that reverts": moody(1),
    "a token that returns false": moody(2),
    "a token that returns two": moody(3),
    "a token that returns one byte": moody(4),
    "a token that returns much": moody(5),
}


# --- after a payout -----------------------------------------------------------------------------


def again(shown: Sequence[int], reason: str) -> Row:
    """A channel paid out in full, funded again, and transferred from once more."""

    def build(nitro: Nitro) -> Case:
        channel, outcome = nitro.ledger(ALICE, BOB), with_shares(TWO)
        nitro.deposit(channel.channel_id, 10)
        conclude(nitro, channel, outcome)
        arguments = (channel.channel_id, outcome, NO_STATE_HASH)
        nitro.adjudicator.send("transferAllAssets", *arguments)
        nitro.deposit(channel.channel_id, 10)
        presented = with_amounts(outcome, list(shown))
        call = ("transferAllAssets", channel.channel_id, presented, NO_STATE_HASH)
        return Case(call, reason=reason, channels=(channel.channel_id,))

    return build


def late_money(nitro: Nitro) -> Case:
    channel, outcome = nitro.ledger(ALICE, BOB), with_shares(TWO)
    nitro.deposit(channel.channel_id, 7)
    conclude(nitro, channel, outcome)
    at = next_time(nitro, -1)
    nitro.adjudicator.send("transferAllAssets", channel.channel_id, outcome, NO_STATE_HASH)
    nitro.deposit(channel.channel_id, 9)
    payouts = Payouts(nitro, channel, with_amounts(outcome, [0, 3]))
    call = ("transferAllAssets", channel.channel_id, payouts.outcome, NO_STATE_HASH)
    payouts.pay(0, 9, [0, 3])
    payouts.stands(at)
    return Case(call, 0, None, payouts.events, payouts.changes, (channel.channel_id,))


def challenged_anew(nitro: Nitro) -> Case:
    channel, outcome = nitro.ledger(ALICE, BOB), with_shares(TWO)
    nitro.deposit(channel.channel_id, 10)
    conclude(nitro, channel, outcome)
    nitro.adjudicator.send("transferAllAssets", channel.channel_id, outcome, NO_STATE_HASH)
    old = channel.signed(state(with_shares([(A, 10)]), 2))
    wish = channel.challenger_signature(old[0], ALICE)
    call = ("challenge", channel.fixed_part, [], old, wish)
    return Case(call, reason="Channel finalized.", channels=(channel.channel_id,))


def listed_twice(nitro: Nitro) -> Case:
    channel = nitro.ledger(ALICE, BOB)
    outcome = with_shares([(A, 8)]) + with_shares([(B, 8)])
    nitro.deposit(channel.channel_id, 10)
    nitro.deposit(X, 50)
    conclude(nitro, channel, outcome)
    at = next_time(nitro, -1)
    payouts = Payouts(nitro, channel, outcome)
    call = ("transferAllAssets", channel.channel_id, outcome, NO_STATE_HASH)
    payouts.pay(0, 10, [8])
    payouts.pay(1, 2, [2])
    payouts.stands(at)
    return Case(call, 0, None, payouts.events, payouts.changes, (channel.channel_id,))


def one_asset_of_two(*others: Allocation) -> Row:
    """All of one asset is transferred; another asset of the outcome has these shares."""

    def build(nitro: Nitro) -> Case:
        channel = nitro.ledger(ALICE, BOB)
        outcome = with_shares([(A, 5)]) + outcome_of(*others, asset=nitro.token.address)
        nitro.deposit(channel.channel_id, 5)
        conclude(nitro, channel, outcome)
        at = next_time(nitro, -1)
        encoded = encode_outcome(outcome)
        call = ("transfer", 0, channel.channel_id, encoded, NO_STATE_HASH, [])
        payouts = Payouts(nitro, channel, outcome)
        payouts.pay(0, 5, [5])
        payouts.stands(at)
        return Case(call, 0, None, payouts.events, payouts.changes, (channel.channel_id,))

    return build


LATER: Rows = {
    "an asset, another is owed": one_asset_of_two(simple(A, 0), simple(B, 1)),
    "an asset, another was empty": one_asset_of_two(simple(A, 0), simple(B, 0)),
    "an asset, another backs a channel": one_asset_of_two(guarantee(C, 9, A, B)),
    "an asset, another backs a channel with nothing": one_asset_of_two(guarantee(C, 0, A, B)),
    "the outcome that was paid": again([6, 4], "incorrect fingerprint"),
    "the outcome that is left": again([0, 0], "incorrect fingerprint"),
    "money that comes late": late_money,
    "a challenge of a channel paid out": challenged_anew,
    "an asset listed twice": listed_twice,
}
