"""What it takes to be on the path of a virtual channel: a fee, and room.

The fee is base + parts per million of the amount, rounded up, and at least the minimum. Room is
bounded by what an owner lets one peer owe or hold up (exposure), by what the node carries between
others (capacity), and by what one transaction can challenge (M17).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from protocols.carried import Carried
from protocols.channel import Channel, funding_terms
from protocols.draft import Draft
from protocols.ledger import GUARANTEE_COUNT_MAX
from protocols.ledger_errors import TooManyGuarantees
from protocols.types import Address, Amount, ChannelId
from protocols.virtual_errors import CapacityExceeded, ExposureTooHigh, FeeTooLow, NotAHub

PARTS = 1_000_000
"""A fee of as many parts is the amount itself."""


class FeeTerms(Struct, frozen=True, gc=False):
    """What an intermediary takes for one asset. Amounts in its smallest unit."""

    base: Amount = 0
    parts_per_million: int = 0
    minimum: Amount = 0


def fee(terms: FeeTerms, amount: Amount) -> Amount:
    """What is taken for guaranteeing `amount`: never below the minimum, fractions rounded up."""
    proportional = -(-amount * terms.parts_per_million // PARTS)
    return max(terms.minimum, terms.base + proportional)


def fee_rule(by_asset: Mapping[Address, FeeTerms]) -> Callable[[Address, Amount], Amount]:
    """The fee of any asset and amount; an asset without terms of its own costs nothing."""
    nothing = FeeTerms()

    def fee_for(asset: Address, amount: Amount) -> Amount:
        return fee(by_asset.get(asset, nothing), amount)

    return fee_for


def require_room(
    draft: Draft,
    path: tuple[Address, ...],
    place: int,
    asset: Address,
    amount: Amount,
    fees: tuple[Amount, ...],
    ledgers: tuple[ChannelId, ...],
    channel_id: ChannelId | None = None,
) -> None:
    """Refuse a virtual channel that is above this node's limits, before anything of it is signed.

    `path` is all participants from the payer to the payee, `place` ours in it, `amount` the
    channel's whole deposit, `fees` those of all intermediaries in path order, `ledgers` those of
    ours that will carry it, as far as known. With `channel_id` what the channel itself weighs
    already is left out. Raises NotAHub, FeeTooLow, CapacityExceeded, ExposureTooHigh or
    TooManyGuarantees.
    """
    own = None if channel_id is None else draft.base.carried.shares.get(channel_id)
    counted = 0 if own is None else own.amount
    if 0 < place < len(path) - 1:
        require_terms(draft, asset, amount, fees[place - 1], counted=counted)
    for peer in (path[place - 1 : place] if place else ()) + path[place + 1 : place + 2]:
        require_exposure(draft, peer, asset, amount, counted=counted)
    for ledger in ledgers:
        if own is None or ledger not in own.ledgers:
            require_guarantee(draft, ledger)


def require_room_for(draft: Draft, channel: Channel) -> None:
    """`require_room` for a virtual channel that is recorded, with what is to carry it."""
    virtual, terms = channel.virtual, funding_terms(channel)
    assert virtual is not None, "only virtual channels need room"
    path, place = channel.fixed.participants, channel.my_index
    ledgers = tuple(ledger for ledger in (virtual.left_ledger, virtual.right_ledger) if ledger)
    asset, amount = terms.asset, terms.total
    require_room(draft, path, place, asset, amount, virtual.fees, ledgers, channel.channel_id)


def require_terms(
    draft: Draft, asset: Address, amount: Amount, offered: Amount, *, counted: Amount = 0
) -> None:
    """As an intermediary: are we one, for that fee, and have we capacity left?

    `counted` is what of the amount our sums hold already.
    """
    context = draft.context
    if not context.is_hub:
        raise NotAHub(context.me)
    wanted = context.fee_for(asset, amount)
    if offered < wanted:
        raise FeeTooLow(offered, wanted)
    capacity = context.capacity(asset)
    total = _carried(draft).amount_as_hub.get(asset, 0) + amount - counted
    if capacity is not None and total > capacity:
        raise CapacityExceeded(asset, total, capacity)


def require_exposure(
    draft: Draft, peer: Address, asset: Address, amount: Amount, *, counted: Amount = 0
) -> None:
    """Would all our guarantees with that peer stay below what the owner allows?"""
    limit = draft.context.exposure_max(asset)
    wanted = _carried(draft).exposure.get((peer, asset), 0) + amount - counted
    if limit is not None and wanted > limit:
        raise ExposureTooHigh(peer, wanted, limit)


def require_guarantee(draft: Draft, ledger_id: ChannelId) -> None:
    """Has that ledger room for one more guarantee (M17)?"""
    limit = guarantee_count_max(draft)
    count = guarantee_count(draft, ledger_id)
    if count >= limit:
        raise TooManyGuarantees(count, limit)


def guarantee_count_max(draft: Draft) -> int:
    """The owner's limit on guarantees in one ledger, which the chain's bounds."""
    return min(draft.context.guarantee_count_max, GUARANTEE_COUNT_MAX)


def guarantee_count(draft: Draft, ledger_id: ChannelId) -> int:
    """Guarantees in a ledger, with those that are set aside for channels on their way."""
    channel = draft.state.channels.get(ledger_id)
    ledger = None if channel is None else channel.ledger
    held = 0 if ledger is None else len(ledger.proposed.guarantees)
    return max(held, _carried(draft).count.get(ledger_id, 0))


def _carried(draft: Draft) -> Carried:
    """As before this crank: one input accepts one channel at most."""
    return draft.base.carried
