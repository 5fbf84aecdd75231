"""Conservation: no money is made, lost or put in twice, over all nodes and the chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocols import events
from protocols.channel import Channel, funding_terms, supported_final
from protocols.ledger import MOVE, balance_total
from protocols.ledger_events import LedgerUpdateReceived
from protocols.outcome import total
from protocols.transactions import DEPOSIT, TransactionStatus
from protocols.types import ChannelId
from tests.simulation.simulator.checkers.base import Checker, Step

if TYPE_CHECKING:
    from tests.simulation.simulator.node import SimulatedNode


class Conservation(Checker):
    """Sums in every state, what the chain holds and paid, and what everybody ends with."""

    name = "conservation"

    def stepped(self, step: Step) -> None:
        for channel in step.channels:
            if not channel.turns:
                continue
            expected = funding_terms(channel).total
            sums = {total(channel.state(turn).outcome[0]) for turn in channel.turns}
            self.require(sums == {expected}, "states of a channel share out unlike sums", *sums)
            ledger = channel.ledger
            if ledger is not None:
                for vars_ in (ledger.current, ledger.proposed):
                    self.require(balance_total(vars_) == expected, "a ledger's sum changed")
                    self.require(min(vars_.leader, vars_.follower) >= 0, "a balance below nothing")
        chain = self.world.chain
        put_in = sum(chain.deposited.values())
        there = sum(chain.held.values()) + sum(chain.paid.values()) + chain.unconfirmed_payouts
        self.require(put_in == there, "the chain holds or paid another sum", put_in, there)

    def ended(self) -> None:
        """Everybody has what was put in, plus what was received, minus what was given."""
        world = self.world
        if world.departures is not None:
            return  # Who leaves alone gets at least what was signed, and may get more.
        if any(node.cut_count or not node.is_honest for node in world.nodes):
            return
        for node in world.nodes:
            put_in = sum(v for (who, _), v in world.chain.deposited.items() if who == node.address)
            paid = world.chain.paid.get(node.address, 0) + self._locked(node)
            expected = put_in + self._received(node)
            self.require(paid == expected, f"{node.actor.name} ends with", paid, expected)

    def _locked(self, node: SimulatedNode) -> int:
        """The node's share of what the chain still holds: its deposits into what never opened."""
        found = 0
        for channel_id in node.state.channels:
            channel = node.state.channels[channel_id]
            if channel.virtual is None and self.world.chain.held.get(channel_id):
                found += self._share(channel)
        return found

    def _share(self, channel: Channel) -> int:
        held = self.world.chain.held[channel.channel_id]
        terms = funding_terms(channel)
        self.require(channel.supported_turn < 1, "an open channel was not closed")
        return held if channel.my_index == 0 else max(0, held - terms.deposits[0])

    def _received(self, node: SimulatedNode) -> int:
        """Payments and fees to the node less those from it, from the logs of all."""
        found = 0
        for channel_id in node.state.channels:
            channel = node.state.channels[channel_id]
            if channel.ledger is not None:
                found += self.world.moved_to(node, channel)
            elif (final := supported_final(channel)) is not None:
                share = channel.state(final).outcome[0].allocations[1].amount
                found += self._of_payments(channel, share - funding_terms(channel).deposits[1])
        return found

    def _of_payments(self, channel: Channel, paid: int) -> int:
        fees = () if channel.virtual is None else channel.virtual.fees
        if channel.my_index == 0:
            return -paid - sum(fees)
        return paid if channel.is_end else fees[channel.my_index - 1]


class Deposits(Checker):
    """A deposit is ordered again only when the one before it failed."""

    name = "one deposit"

    def stepped(self, step: Step) -> None:
        for _, event in step.news:
            if isinstance(event, events.TransactionRequested) and event.kind == DEPOSIT:
                self._one_under_way(step.node, event.channel_id)

    def _one_under_way(self, node: SimulatedNode, channel_id: ChannelId) -> None:
        found = node.shadow.state.transactions
        alive = [
            key
            for key in found
            if found[key].channel_id == channel_id
            and found[key].kind == DEPOSIT
            and found[key].status != TransactionStatus.FAILED
        ]
        self.require(len(alive) <= 1, "two deposits for one channel", channel_id)

    def ended(self) -> None:
        chain = self.world.chain
        for node in self.world.nodes:
            if node.forgot_count or not node.is_honest:
                continue
            for channel_id in node.state.channels:
                channel = node.state.channels[channel_id]
                if channel.virtual is None and channel.turns:
                    held = chain.held.get(channel_id, 0)
                    limit = funding_terms(channel).total
                    self.require(held <= limit, "more was put in than agreed", channel_id)


def is_move(event: object) -> bool:
    """Whether the record is a payment in a ledger that its follower was shown."""
    return isinstance(event, LedgerUpdateReceived) and event.kind == MOVE
