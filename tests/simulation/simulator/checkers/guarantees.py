"""Ledgers: what is agreed in them is signed by both, and every guarantee is the right one."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from protocols.channel import Channel, known_signer
from protocols.ledger import Ledger, after, ledger_state
from protocols.objectives.virtual_states import is_complete
from protocols.outcome import destination_of
from protocols.types import Address, ChannelId
from tests.simulation.simulator.checkers.base import Checker, Step

if TYPE_CHECKING:
    from protocols.node_state import NodeState
    from tests.simulation.simulator.world import World


class Guarantees(Checker):
    """By the channel they fund: its amount, its two neighbours, its whole prefund."""

    name = "ledgers and guarantees"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._seen: dict[tuple[Address, ChannelId], int] = {}

    def stepped(self, step: Step) -> None:
        if not step.node.is_honest:
            return
        for channel in step.channels:
            ledger = channel.ledger
            if ledger is not None:
                self._queue(channel, ledger)
                self._guaranteed(step.node.state, channel, ledger)
                key = (step.node.address, channel.channel_id)
                if self._seen.get(key) != ledger.turn_num:
                    self._seen[key] = ledger.turn_num
                    self._signed_by_both(channel, ledger)

    def _queue(self, channel: Channel, ledger: Ledger) -> None:
        vars_, turn_num = ledger.current, ledger.turn_num
        for proposal in ledger.queue:
            turn_num += 1
            self.require(proposal.turn_num == turn_num, "a gap in a queue", channel.channel_id)
            vars_ = after(vars_, proposal.change, channel.fixed)
        self.require(vars_ == ledger.proposed, "proposed is not what the queue makes of it")

    def _guaranteed(self, state: NodeState, channel: Channel, ledger: Ledger) -> None:
        found = ledger.current.guarantees
        targets = [guarantee.target for guarantee in found]
        self.require(all(a < b for a, b in pairwise(targets)), "guarantees out of order")
        parties = {destination_of(who) for who in channel.fixed.participants}
        for guarantee in found:
            target = state.channels.get(guarantee.target)
            self.require(target is not None, "a guarantee for nothing", guarantee.target)
            if target is None or not target.turns:
                continue
            amount = self._amount_of(target)
            self.require(
                guarantee.amount == amount, "a guarantee's amount", guarantee.amount, amount
            )
            two = {guarantee.left, guarantee.right}
            self.require(two == parties, "a guarantee for somebody else", guarantee.target)
            path = [destination_of(who) for who in target.fixed.participants]
            place = path.index(guarantee.left)
            self.require(path[place + 1] == guarantee.right, "left and right exchanged")
            self.require(is_complete(target), "guaranteed before the prefund", guarantee.target)

    def _amount_of(self, target: Channel) -> int:
        """From the signed prefund itself."""
        (exit_,) = target.state(target.turns[0]).outcome
        return sum(allocation.amount for allocation in exit_.allocations)

    def _signed_by_both(self, channel: Channel, ledger: Ledger) -> None:
        state = ledger_state(channel.fixed, ledger.asset, ledger.current, ledger.turn_num)
        self.require(state.state_hash() == ledger.state_hash, "agreed on another state")
        for index, signature in enumerate(ledger.signatures):
            signer = known_signer(channel, index)
            assert signer is not None
            signed = signer.verify(ledger.state_hash, signature)
            self.require(signed, "agreed without a signature", channel.channel_id, index)
