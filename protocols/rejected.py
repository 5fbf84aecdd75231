"""Virtual channels that were given up before anything was at stake, until they are pruned.

A proposal costs its sender nothing and we keep what we know of it. Of those that came to nothing
without a guarantee the newest are kept, for owners who look and for words that crossed ours; the
others are pruned from the state by an event, `virtual-channel-pruned`, and of each only its name is
remembered, so that its id is used once (M10). ADR 0044 says why nothing more is needed.
"""

from __future__ import annotations

from itertools import islice

from protocols.channel import PREFUND_TURN, Channel
from protocols.objectives.base import Objective
from protocols.table import KeySet, Table
from protocols.types import Address, ChannelId, ObjectiveId

KEPT_COUNT_MAX = 1_024
"""Rejected virtual channels that are kept of those we opened; as many of those of our peers, so
that no peer pushes ours out."""

PRUNED_COUNT_MAX = 1_024
"""Pruned by one `Tick`, so that no batch grows with what was rejected; the next goes on."""


class RejectedChannels:
    """Those that may be pruned, in the order of their rejection; and those that were."""

    def __init__(self) -> None:
        self.ours: Table[ObjectiveId, ChannelId] = Table()
        self.theirs: Table[ObjectiveId, ChannelId] = Table()
        self.pruned: KeySet[ObjectiveId] = KeySet()
        """The objectives that were to open them."""

    def add(self, objective: Objective, channel: Channel, me: Address) -> None:
        """The opening was rejected; it is kept for ever if anything of ours could be at stake."""
        if may_be_pruned(channel):
            kept = self.ours if objective.initiator == me else self.theirs
            kept[objective.objective_id] = objective.channel_id

    def keep(self, identity: ObjectiveId) -> None:
        """Something follows from the channel after all."""
        self.ours.pop(identity, None)
        self.theirs.pop(identity, None)

    def keep_all(self) -> None:
        """What is known of them may not be all (M27)."""
        self.ours.clear()
        self.theirs.clear()

    def prune(self, identity: ObjectiveId) -> None:
        """Its name alone is remembered."""
        self.keep(identity)
        self.pruned.add(identity)

    def surplus(self) -> list[ChannelId]:
        """The oldest, above what is kept: to be pruned now."""
        found: list[ChannelId] = []
        for kept in (self.ours, self.theirs):
            count = max(0, len(kept) - KEPT_COUNT_MAX)
            found += islice(kept.values(), count)
        return found[:PRUNED_COUNT_MAX]


def may_be_pruned(channel: Channel) -> bool:
    """Whether neither we nor anybody else may need our part in a rejected channel again.

    It had no guarantee of ours: a channel that had one is unwound. We signed the prefund alone. And
    no cut tail may have held more than we know (M27).
    """
    virtual = channel.virtual
    if virtual is None or virtual.unwinding or channel.close_only or channel.unread:
        return False
    return all(turn.turn_num == PREFUND_TURN for turn in channel.turns)
