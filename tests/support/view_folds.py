"""What the node's views must say of a log: the same as the node's own fold of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

from node.balances import Balance, balance_of, shares_of
from node.log_views.batches import message_of
from node.log_views.keeper import NodeView
from node.store.record import encode_record
from node.views.view import View
from protocols.channel import confirmed_holdings, funding_terms, status
from protocols.event import Event
from protocols.node_state import NodeState, apply
from protocols.types import Address, ChannelId

MINUTE_MS = 60_000
NO_MONEY = (None,) * 5

Told = tuple[dict[ChannelId, tuple[Any, ...]], dict[Address, Balance]]
"""Channels by id, balances by asset."""


def by_state(state: NodeState) -> Told:
    """What the state says."""
    channels: dict[ChannelId, tuple[Any, ...]] = {}
    balances: dict[Address, Balance] = {}
    for channel_id in state.channels:
        channel = state.channels[channel_id]
        money: tuple[Any, ...] = NO_MONEY
        if channel.turns:
            asset, shares = funding_terms(channel).asset, shares_of(channel)
            held = confirmed_holdings(channel, asset)
            money = asset, shares.ours, shares.theirs, shares.guaranteed, held
            ours = balance_of(state, channel)[1]
            balances[asset] = balances.get(asset, Balance()).plus(ours)
        vouchers = channel.vouchers
        parties = (str(status(channel)), channel.counterparty, channel.my_index)
        channels[channel_id] = (*parties, *money, vouchers.total, vouchers.payment_count)
    return channels, _without_nothing(balances)


def by_view(view: View) -> Told:
    """What the tables say."""
    channels, balances = {}, {}
    for row in view.rows("channels"):
        channel_id, _, where, counterparty, place, asset, *amounts, count = row[:12]
        numbers = (_number(amount) for amount in amounts)
        channels[channel_id] = (where, counterparty, place, asset, *numbers, count)
    for asset, _, _, *parts in view.rows("balances"):
        balances[asset] = Balance(*map(_number, parts))  # The newest of each asset comes last.
    return channels, _without_nothing(balances)  # type: ignore[arg-type]


def _number(amount: Any) -> Any:
    return None if amount is None else int.from_bytes(amount, "big")


def _without_nothing(balances: dict[Address, Balance]) -> dict[Address, Balance]:
    return {asset: balance for asset, balance in balances.items() if balance != Balance()}


def dated(history: Iterable[Event]) -> list[tuple[int, Event]]:
    """The events with times, some of them in one minute."""
    return [(MINUTE_MS * place // 7, event) for place, event in enumerate(history)]


def follow(
    history: Sequence[tuple[int, Event]], chance: float, seed: int = 0, *, is_compared: bool = True
) -> bytes:
    """Take the records into a view, with that chance of a message's end behind each, and compare
    the two folds there; the digest in the end."""
    random, state, waiting = Random(seed), NodeState(), []
    with NodeView(":memory:") as kept:
        for seq, (time_ms, event) in enumerate(history):
            apply(state, event, time_ms)
            waiting.append(encode_record(seq, time_ms, None, event))
            if random.random() >= chance and seq != len(history) - 1:
                continue
            verdict = kept.view.apply(seq, message_of(waiting))
            assert verdict.is_applied, (seq, event.NAME, verdict)
            waiting = []
            if is_compared:
                assert by_view(kept.view) == by_state(state), (seq, event.NAME)
        return kept.view.digest
