"""No equivocation: one state a turn, over every disk that ever was, also what was lost of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.step import SIGNING
from node.store.batch import turn_key
from node.store.kv import SIGNED_TURNS
from protocols.types import Address, ChannelId, StateHash
from tests.simulation.simulator.checkers.base import Checker, Step

if TYPE_CHECKING:
    from tests.simulation.simulator.world import World


class Signing(Checker):
    """Two hashes signed for one turn of a channel lose money (M6)."""

    name = "no equivocation"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._signed: dict[tuple[Address, ChannelId, int], StateHash] = {}

    def stepped(self, step: Step) -> None:
        for _, event in step.news:
            if not isinstance(event, SIGNING):
                continue
            key = (step.node.address, event.channel_id, event.turn_num)
            first = self._signed.setdefault(key, event.state_hash)
            self.require(
                first == event.state_hash,
                "two states of one turn were signed",
                step.node.actor.name,
                event.channel_id,
                event.turn_num,
            )
            key_on_disk = turn_key(event.channel_id, event.turn_num)
            kept = step.node.disk.right_value(SIGNED_TURNS, key_on_disk)
            self.require(kept == event.state_hash, "the disk does not guard a signed turn")
