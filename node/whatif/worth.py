"""What each party would have at worst if it left: before a simulation and behind it (M22).

By channel that the chain knows, each party alone with what that channel and its guarantees bring
it; and for us in all, together, since what an intermediary loses in one ledger it gains in another.
What the chain paid out to a party meanwhile counts as well. Gas is told apart: it is of the chain's
own currency, whatever the channels are of. Where an endpoint lied it goes by what is true on chain.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable

from msgspec import Struct

from node.whatif.costs import Bill, bill_of, leaving_steps
from node.whatif.limits import LINKED_CHANNEL_COUNT_MAX
from node.whatif.simulation import Simulation
from protocols.adjudication import exit_of
from protocols.app_definitions import rule_of
from protocols.channel import Channel, confirmed_holdings, funding_terms, is_finalised
from protocols.entities import NodeState
from protocols.errors import TooManyEndings
from protocols.exit_value import Material, exit_value_steps, material_of
from protocols.ledger import ADD
from protocols.outcome import GUARANTEE, SingleAssetExit, destination_of
from protocols.types import Address, Amount, ChannelId


class PartyWorth(Struct, frozen=True, gc=False):
    """What one party would have at least."""

    party: Address
    before: Amount | None
    """None: there are more ways for it to end than are looked at."""
    after: Amount | None


class ChannelWorth(Struct, frozen=True, gc=False):
    """One channel that holds money on chain, with all that it guarantees."""

    channel_id: ChannelId
    asset: Address
    parties: tuple[PartyWorth, ...]


class TotalWorth(Struct, frozen=True, gc=False):
    """Ours, of all channels concerned and those linked to them by guarantees."""

    asset: Address
    before: Amount | None
    after: Amount | None
    paid_in: Amount
    """What our wallet deposited meanwhile."""


class Worth(Struct, frozen=True, gc=False):
    """By channel, and ours in all."""

    channels: tuple[ChannelWorth, ...]
    totals: tuple[TotalWorth, ...]
    channel_count: int
    """Channels that the totals are of."""
    spent: Bill
    """Of the transactions of ours that were mined or wait."""
    leaving: Bill | None
    """Of leaving all these channels behind it, at the newest price; None if they are too many."""


Worths = dict[Address, Amount] | None


def worth_of(simulation: Simulation) -> Generator[None, None, Worth]:
    """The answer when it is done; stops now and then before."""
    before, after = simulation.course.before, simulation.chain.true_state()
    me = after.node.address
    rows: list[ChannelWorth] = []
    funded = _funded(simulation)
    for channel_id in funded:
        channel = after.channels[channel_id]
        parties: list[PartyWorth] = []
        for party in channel.fixed.participants:
            values = []
            for state in (before, after):
                found = yield from _worth(state, party, _within(state, channel_id))
                values.append(found)
            asset = funding_terms(channel).asset
            parties.append(PartyWorth(party, *(_of(value, asset) for value in values)))
        rows.append(ChannelWorth(channel_id, funding_terms(channel).asset, tuple(parties)))
    linked = _linked((before, after), funded)
    yield
    price_wei = simulation.course.orders.gas_price_wei
    if linked is None:
        worth_before = worth_after = leaving = None
    else:
        steps = yield from leaving_steps(after, linked, simulation.course.now_s)
        leaving = bill_of((step.gas, price_wei) for step in steps)
        worth_before = yield from _worth(before, me, linked)
        worth_after = yield from _worth(after, me, linked)
    assets = sorted({row.asset for row in rows})
    totals = tuple(
        TotalWorth(
            asset,
            _of(worth_before, asset),
            _of(worth_after, asset),
            simulation.chain.paid_in.get(asset, 0),
        )
        for asset in assets
    )
    spent = simulation.course.orders.bill(after)
    return Worth(tuple(rows), totals, 0 if linked is None else len(linked), spent, leaving)


def _of(worth: Worths, asset: Address) -> Amount | None:
    return None if worth is None else worth.get(asset, 0)


def _funded(simulation: Simulation) -> list[ChannelId]:
    """The channels concerned that the chain knows; for virtual ones the ledgers that carry them."""
    found: dict[ChannelId, None] = {}
    for channel_id in simulation.course.touched:
        channel = simulation.course.state.channels.get(channel_id)
        if channel is None or not channel.turns:
            continue
        if channel.virtual is None:
            found[channel_id] = None
            continue
        for ledger_id in (channel.virtual.left_ledger, channel.virtual.right_ledger):
            ledger = simulation.course.state.channels.get(ledger_id) if ledger_id else None
            if ledger is not None and ledger.turns:
                found[ledger_id] = None
    return list(found)


def _targets(channel: Channel) -> Iterable[ChannelId]:
    """What a ledger guarantees, agreed or proposed."""
    ledger = channel.ledger
    if ledger is None:
        return
    for guarantee in ledger.current.guarantees:
        yield guarantee.target
    for proposal in ledger.queue:
        if proposal.change.kind == ADD:
            yield proposal.change.target


def _within(state: NodeState, channel_id: ChannelId) -> list[ChannelId]:
    channel = state.channels.get(channel_id)
    return [] if channel is None else [channel_id, *dict.fromkeys(_targets(channel))]


def _linked(states: Iterable[NodeState], begin: list[ChannelId]) -> list[ChannelId] | None:
    """Those and all that guarantees link them to; None if there are too many."""
    found = dict.fromkeys(begin)
    waiting = list(begin)
    states = tuple(states)
    while waiting:
        channel_id = waiting.pop()
        near: set[ChannelId] = set()
        for state in states:
            channel = state.channels.get(channel_id)
            if channel is not None:
                near.update(_targets(channel))
                if channel.virtual is not None:
                    near |= {channel.virtual.left_ledger, channel.virtual.right_ledger} - {b""}
        for other in sorted(near - found.keys()):
            found[other] = None
            waiting.append(other)
        if len(found) > LINKED_CHANNEL_COUNT_MAX:
            return None
    return list(found)


def _worth(
    state: NodeState, party: Address, channel_ids: Iterable[ChannelId]
) -> Generator[None, None, Worths]:
    """What the party gets at least, by asset, and what it got already."""
    app, materials = state.node.virtual_payment_app, list[Material]()
    paid: dict[Address, Amount] = {}
    for channel_id in channel_ids:
        channel = state.channels.get(channel_id)
        if channel is None or not channel.turns or party not in channel.fixed.participants:
            continue
        asset = funding_terms(channel).asset
        out = sum(amount for recipient, amount in channel.withdrawn if recipient == party)
        standing = _standing(channel)
        if standing is None:
            rule = rule_of(state.node, channel.fixed.app_definition)
            materials.append(material_of(channel, app, rule))
        else:
            out += _payable(standing, party, confirmed_holdings(channel, asset))
        paid[asset] = paid.get(asset, 0) + out
        yield
    try:
        values = yield from exit_value_steps(party, materials)
    except TooManyEndings:
        return None
    return {asset: values.get(asset, 0) + paid.get(asset, 0) for asset in {*values, *paid}}


def _standing(channel: Channel) -> SingleAssetExit | None:
    """What is left to be paid of a channel that is final on chain, whatever was signed.

    None before, and while guarantees wait in it: then what is signed says what it is worth.
    """
    known = channel.adjudicated
    if known is None or channel.virtual is not None or not is_finalised(channel):
        return None
    exit_ = exit_of(known.outcome)
    if exit_ is None or any(share.allocation_type == GUARANTEE for share in exit_.allocations):
        return None
    return exit_


def _payable(exit_: SingleAssetExit, party: Address, held: Amount) -> Amount:
    """The party's shares, as far as the holdings go: earlier ones come first."""
    found, mine = 0, destination_of(party)
    for share in exit_.allocations:
        affordable = min(share.amount, held)
        held -= affordable
        found += affordable if share.destination == mine else 0
    return found
