"""A hub never loses: it acts on its right only with its left in hand, and ends with its fees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocols.channel import Channel, funding_terms, is_finalised, supported_final
from protocols.virtual_paths import is_agreed, is_proposed, stands, virtual_of
from tests.simulation.simulator.checkers.base import Checker, Step

if TYPE_CHECKING:
    from tests.simulation.simulator.node import SimulatedNode


class Hubs(Checker):
    """Between whatever neighbours, honest or not."""

    name = "hub never loses"

    def stepped(self, step: Step) -> None:
        node = step.node
        if not node.is_honest or node.cut_count:
            return
        carried = {c.channel_id for c in step.channels if c.virtual is not None and not c.is_end}
        for channel in step.channels:
            if channel.ledger is not None:
                carried |= {guarantee.target for guarantee in channel.ledger.current.guarantees}
                carried |= {proposal.change.target for proposal in channel.ledger.queue}
        for channel_id in sorted(carried):
            channel = node.state.channels.get(channel_id)
            if channel is not None and channel.virtual is not None and not channel.is_end:
                self._is_covered(node, channel)

    def _is_covered(self, node: SimulatedNode, channel: Channel) -> None:
        virtual, state = virtual_of(channel), node.state
        right = virtual.right_ledger
        leads = bool(right) and right in state.channels and state.channels[right].my_index == 0
        exposed = stands(state, right, channel.channel_id) or (
            leads and is_proposed(state, right, channel.channel_id)
        )
        if exposed:
            covered = is_agreed(state, virtual.left_ledger, channel.channel_id)
            self.require(
                covered or supported_final(channel) is not None or is_finalised(channel),
                "the right is guaranteed and the left is not",
                node.actor.name,
                channel.channel_id,
            )

    def rested(self) -> None:
        for node in self.world.nodes if self.world.departures is None else ():
            # A neighbour that forgot has no record of what it was paid.
            if node.is_honest and not any(other.cut_count for other in self.world.nodes):
                self._has_its_fees(node)

    def ended(self) -> None:
        self.rested()

    def _has_its_fees(self, node: SimulatedNode) -> None:
        """Over ledgers without a guarantee: what it put in, payments by its owner, and fees."""
        channels = [node.state.channels[key] for key in node.state.channels]
        virtual = [channel for channel in channels if channel.virtual is not None]
        ledgers = [(c, c.ledger) for c in channels if c.ledger is not None]
        is_quiet = not any(ledger.queue or ledger.current.guarantees for _, ledger in ledgers)
        if not virtual or any(channel.is_end for channel in virtual) or not is_quiet:
            return
        expected = sum(
            channel.virtual.fees[channel.my_index - 1]
            for channel in virtual
            if channel.virtual is not None and supported_final(channel) is not None
        )
        gained = 0
        for channel, ledger in ledgers:
            mine = (ledger.current.leader, ledger.current.follower)[channel.my_index]
            gained += mine - funding_terms(channel).deposits[channel.my_index]
            gained -= self.world.moved_to(node, channel)
        self.require(gained == expected, f"{node.actor.name} gained", gained, expected)
