"""Whose the money is and where: nothing is lost or doubled on the way through a channel's life."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from node.balances import Balance, balance_of, shares_of
from protocols.node_state import NodeState, apply
from protocols.types import ZERO_ADDRESS
from tests.support import audit_cases, audit_webs
from tests.support.app_disputes import game
from tests.support.app_rig import STAKES
from tests.support.audit_cases import History
from tests.support.audit_exits import leaving_payee, leaving_payer
from tests.support.audit_webs import AMOUNT, FEE
from tests.support.builders import DEPOSIT

PAID = 10 + 5 + 1 + 2 + 3 + 4
"""By the payer of `audit_webs.busy_web`."""


def balances(history: History) -> Iterator[tuple[str, Balance]]:
    """What is ours after each record, of all channels together."""
    state = NodeState()
    for event in history:
        apply(state, event, 0)
        found = Balance()
        for channel_id in state.channels:
            channel = state.channels[channel_id]
            if channel.turns:
                found = found.plus(balance_of(state, channel)[1])
        yield event.NAME, found


def ends(history: History) -> Balance:
    *_, (_, last) = balances(history)
    return last


def totals(history: History) -> list[int]:
    """What is ours in all, withdrawn or not, each time it changes."""
    found = [balance.total + balance.withdrawn for _, balance in balances(history)]
    return [new for old, new in zip([-1, *found], found, strict=False) if new != old]


def test_what_is_ours_changes_by_deposits_payments_and_fees_alone() -> None:
    deposits = [0, 10_000]
    paid = [10_000 - AMOUNT - FEE + AMOUNT - sum(steps) for steps in ([], [10], [10, 5])]
    assert totals(audit_webs.payer())[: len(deposits) + len(paid)] == deposits + paid
    assert ends(audit_webs.payer()) == Balance(ledgers=10_000 - FEE - PAID)
    assert totals(audit_webs.hub()) == [0, 10_000, 20_000, 20_000 + FEE]
    assert ends(audit_webs.payee()) == Balance(ledgers=10_000 + PAID)
    assert totals(audit_webs.payee())[-1] == 10_000 + PAID


def test_a_hub_is_never_short_of_its_own_whatever_comes_to_nothing() -> None:
    for history in (audit_webs.unwound_hub(), audit_webs.denied_hub(), audit_webs.open_hub()):
        assert all(total >= 20_000 for total in totals(history)[2:])
    assert ends(audit_webs.unwound_hub()) == Balance(ledgers=20_000)
    # While the channel is open all of it counts as the hub's on its right: it saw no voucher.
    assert ends(audit_webs.open_hub()) == Balance(ledgers=19_000 + FEE, guaranteed=1_000)


def test_a_ledgers_money_is_on_chain_before_and_after_and_withdrawn_at_the_end() -> None:
    places = []
    for _, balance in balances(audit_webs.closing_leader()):
        (place,) = [
            name
            for name in ("on_chain", "channels", "ledgers", "guaranteed", "withdrawn")
            if getattr(balance, name)
        ] or ["nowhere"]
        if place not in places[-1:]:
            places.append(place)
    assert places == ["nowhere", "on_chain", "ledgers", "on_chain", "withdrawn"]
    assert totals(audit_webs.closing_leader()) == [0, 1_000, 990, 995]
    assert totals(audit_webs.closing_follower()) == [0, 500, 510, 505]


@pytest.mark.parametrize(
    ("payer", "payee"), [(audit_cases.alice, audit_cases.bob)], ids=["alice and bob"]
)
def test_a_direct_channels_money_is_the_two_ends(
    payer: Callable[[], History], payee: Callable[[], History]
) -> None:
    *_, alice = balances(payer())
    *_, bob = balances(payee())
    deposit = max(balance.on_chain for _, balance in balances(payer()))
    assert deposit > 0
    assert alice[1].withdrawn + bob[1].withdrawn == deposit
    assert (alice[1].total, bob[1].total) == (0, 0)
    rising = totals(payee())
    assert rising == sorted(rising)
    falling = totals(payer())[1:]
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] + rising[-1] == deposit


@pytest.mark.parametrize(
    "history",
    [audit_cases.alice, audit_cases.bob, audit_webs.payer, audit_webs.hub, audit_webs.payee],
)
def test_the_shares_of_a_channel_are_all_of_it(history: Callable[[], History]) -> None:
    state, seen = NodeState(), 0
    for event in history():
        apply(state, event, 0)
        for channel_id in state.channels:
            channel = state.channels[channel_id]
            if channel.turns:
                shares = shares_of(channel)
                asset, balance = balance_of(state, channel)
                assert asset == ZERO_ADDRESS
                assert min(shares.ours, shares.theirs, shares.guaranteed) >= 0
                assert min(balance.on_chain, balance.ledgers, balance.guaranteed) >= 0
                deposits = {1_000, 20_000, 10**18} | {shares.ours + shares.theirs}
                assert shares.ours + shares.theirs + shares.guaranteed in deposits
                seen += 1
    assert seen > 50


def test_what_a_player_won_is_its_own_before_anything_is_paid_out() -> None:
    network = game(1)
    for node, ours in ((network.alice, STAKES[0] - 10), (network.bob, STAKES[1] + 10)):
        state = NodeState()
        for _, event in node.log:
            apply(state, event, 0)
        (channel,) = (state.channels[channel_id] for channel_id in state.channels)
        assert shares_of(channel).ours == ours
        assert balance_of(state, channel)[1] == Balance(channels=ours)


def test_what_expired_on_chain_is_ours_there_until_it_is_withdrawn() -> None:
    history = leaving_payee()
    shown = [balance for name, balance in balances(history) if name == "challenge-expired"]
    assert shown == [Balance(on_chain=30)]
    assert ends(history) == Balance(withdrawn=30)
    # The payer booked what she paid as gone; nobody redeemed it, so it came back.
    paid_back = [balance.on_chain for name, balance in balances(leaving_payer())][-1]
    assert paid_back == 0
    assert ends(leaving_payer()).withdrawn == DEPOSIT
