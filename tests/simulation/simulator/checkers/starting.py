"""Starts: damage is met before anything is signed, and a cut tail is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.store.errors import LogDamaged, StoreError
from node.store.kv import LOG, SNAPSHOTS
from node.store.record import CHAIN_SIZE_BYTES, decode_record, seq_key
from protocols.events import LogTailCut
from tests.simulation.simulator.checkers.base import Checker
from tests.simulation.simulator.disk import is_read_at_start

if TYPE_CHECKING:
    from tests.simulation.simulator.node import SimulatedNode


class Starting(Checker):
    """What a disk lost or changed never passes for what was written (M28)."""

    name = "starts"

    def started(self, node: SimulatedNode, *, was_cut: bool) -> None:
        assert node.process is not None
        if was_cut:
            told = any(
                isinstance(self._event(node, seq), LogTailCut)
                for seq in range(max(0, node.shadow.next_seq - 2), node.shadow.next_seq)
            )
            self.require(told, "a cut tail was not recorded", node.actor.name)
        else:
            self.check_count += 1
        for family, key in node.disk.damage:
            read = is_read_at_start((family, key), node.process.read_from_seq)
            self.require(not read, "damage was read and not noticed", node.actor.name, family, key)

    def _event(self, node: SimulatedNode, seq: int) -> object:
        value = node.disk.right_value(LOG, seq_key(seq))
        return value and decode_record(value[CHAIN_SIZE_BYTES:]).event()

    def refused_to_start(self, node: SimulatedNode, error: StoreError) -> None:
        # Damage to a snapshot never keeps a node from starting.
        damage = [place for place in node.disk.damage if place[0] != SNAPSHOTS]
        self.require(damage, "a sound log was refused", node.actor.name, str(error))
        self.require(isinstance(error, LogDamaged), "damage by another name", repr(error))
        assert isinstance(error, LogDamaged)
        seqs = [int.from_bytes(key, "big") for family, key in damage if family == LOG]
        # What the store itself notices it names by file, if it has files.
        if seqs and not node.disk.is_noticed:
            first, last = error.first_seq, error.last_seq
            named = first is not None and any(
                first - 1 <= seq and (last is None or seq <= last + 1) for seq in seqs
            )
            self.require(named, "another record was named than the damaged one", first, *seqs)
