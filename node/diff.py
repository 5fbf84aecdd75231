"""What changed between two states of one node, channel by channel. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from node.balances import Shares, shares_of
from protocols.channel import (
    Channel,
    ChannelStatus,
    confirmed_holdings,
    funding_terms,
    status,
)
from protocols.ledger import Guarantee
from protocols.node_state import NodeState
from protocols.objectives.base import Objective
from protocols.types import ChannelId


class ChannelMoment(Struct, frozen=True, gc=False):
    """One channel at one moment. Amounts in the asset's smallest unit."""

    status: ChannelStatus
    turn_num: int
    """The newest supported state; -1 while there is none."""
    shares: Shares
    paid: int
    """Largest voucher, cumulative."""
    receipted: int
    payment_count: int
    confirmed: int
    """What the adjudicator holds, as far as it counts."""


class ObjectiveChange(Struct, frozen=True, gc=False):
    """One objective that began, moved or ended in between."""

    before: Objective | None
    """None: it began in between."""
    after: Objective | None
    """None: it was pruned with its channel."""

    @property
    def either(self) -> Objective:
        """What does not change of it."""
        found = self.after or self.before
        assert found is not None, "what never was has not changed"
        return found


class ChannelChange(Struct, frozen=True, gc=False):
    """One channel of which anything changed in between."""

    channel: Channel
    """As it stands at the end; or, if it was pruned, as it stood at the beginning."""
    before: ChannelMoment | None
    """None: the channel was made in between."""
    after: ChannelMoment | None
    """None: the channel came to nothing and was pruned."""
    added: tuple[Guarantee, ...]
    """Guarantees of a ledger that came."""
    removed: tuple[Guarantee, ...]
    """Guarantees of a ledger that went."""
    objectives: tuple[ObjectiveChange, ...]


def channel_ids(before: NodeState, after: NodeState) -> Iterator[ChannelId]:
    """Every channel of either state: as they were made, those that were pruned at the end."""
    yield from after.channels
    for channel_id in before.channels:
        if after.channels.get(channel_id) is None:
            yield channel_id


def channel_change(
    before: NodeState, after: NodeState, channel_id: ChannelId
) -> ChannelChange | None:
    """What changed of one channel; None if nothing did, or if neither state shows it."""
    old, new = _shown(before, channel_id), _shown(after, channel_id)
    channel = new or old
    if channel is None:
        return None
    objectives = _objective_changes(before, after, channel_id)
    if old == new and not objectives:
        return None
    was, is_now = _guarantees(old), _guarantees(new)
    return ChannelChange(
        channel,
        None if old is None else _moment(old),
        None if new is None else _moment(new),
        tuple(found for target, found in is_now.items() if was.get(target) != found),
        tuple(found for target, found in was.items() if is_now.get(target) != found),
        objectives,
    )


def _shown(state: NodeState, channel_id: ChannelId) -> Channel | None:
    """A channel counts from its prefund on, which says what it is about."""
    channel = state.channels.get(channel_id)
    return channel if channel is not None and channel.turns else None


def _moment(channel: Channel) -> ChannelMoment:
    vouchers, ledger = channel.vouchers, channel.ledger
    return ChannelMoment(
        status(channel),
        channel.supported_turn if ledger is None else ledger.turn_num,
        shares_of(channel),
        vouchers.total,
        vouchers.receipted_total,
        vouchers.payment_count,
        confirmed_holdings(channel, funding_terms(channel).asset),
    )


def _guarantees(channel: Channel | None) -> dict[ChannelId, Guarantee]:
    if channel is None or channel.ledger is None:
        return {}
    return {guarantee.target: guarantee for guarantee in channel.ledger.current.guarantees}


def _objective_changes(
    before: NodeState, after: NodeState, channel_id: ChannelId
) -> tuple[ObjectiveChange, ...]:
    old = {found.objective_id: found for found in before.objectives_of(channel_id)}
    new = {found.objective_id: found for found in after.objectives_of(channel_id)}
    changes = [ObjectiveChange(old.get(key), new.get(key)) for key in {**old, **new}]
    return tuple(change for change in changes if change.before != change.after)
