"""Supported states agree: what two honest parties hold to be signed by both is one thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocols.channel import Channel, supported_final
from protocols.types import Address, ChannelId
from tests.simulation.simulator.checkers.base import Checker, Step

if TYPE_CHECKING:
    from tests.simulation.simulator.world import World


class Agreement(Checker):
    """One state a turn on all sides, and no way back from what was agreed."""

    name = "supported states agree"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._reached: dict[tuple[Address, ChannelId], tuple[int, int]] = {}

    def stepped(self, step: Step) -> None:
        if not step.node.is_honest:
            return
        for channel in step.channels:
            for turn in channel.turns:
                if turn.turn_num == channel.supported_turn:
                    self.require(all(turn.signatures), "supported and not signed by all")
            if not step.node.forgot_count:
                self._never_falls(step.node.address, channel)
            for address in channel.fixed.participants:
                other = self.world.by_address.get(address)
                if other is None or other is step.node or not other.is_honest:
                    continue
                known = other.state.channels.get(channel.channel_id)
                if known is not None:
                    self._agree(channel, known)

    def _never_falls(self, address: Address, channel: Channel) -> None:
        turn = channel.ledger.turn_num if channel.ledger is not None else -1
        before = self._reached.get((address, channel.channel_id), (-1, -1))
        now = (channel.supported_turn, turn)
        fell = now[0] < before[0] or now[1] < before[1]
        self.require(not fell, "a supported turn fell", channel.channel_id, before, now)
        self._reached[address, channel.channel_id] = now

    def _agree(self, one: Channel, two: Channel) -> None:
        hashes = {turn.turn_num: turn.state_hash for turn in two.turns if all(turn.signatures)}
        for turn in one.turns:
            if all(turn.signatures):
                same = hashes.get(turn.turn_num, turn.state_hash) == turn.state_hash
                self.require(
                    same, "two supported states of one turn", one.channel_id, turn.turn_num
                )
        finals = {f.state_hash for c in (one, two) if (f := supported_final(c)) is not None}
        self.require(len(finals) <= 1, "two supported final states", one.channel_id)
        mine, theirs = one.ledger, two.ledger
        if mine is not None and theirs is not None and mine.turn_num == theirs.turn_num:
            same = (mine.state_hash, mine.current) == (theirs.state_hash, theirs.current)
            self.require(
                same, "two agreed states of one ledger turn", one.channel_id, mine.turn_num
            )
