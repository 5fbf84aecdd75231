"""Endings: when the faults are over every objective ends, or waits for a reason with a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocols.objectives.base import Objective
from protocols.objectives.cranks import waiting_for
from tests.simulation.simulator.checkers.base import Checker

if TYPE_CHECKING:
    from tests.simulation.simulator.node import SimulatedNode


class Endings(Checker):
    """Liveness, in virtual time."""

    name = "everything ends"

    def rested(self) -> None:
        self.require(self.world.is_quiet(), "no rest", self.world.unrest())
        for node in self.world.nodes:
            process = node.process
            self.require(process is not None, "a node is down", node.actor.name)
            for objective in self.world.under_way(node):
                self.require(
                    not node.is_honest,
                    f"{node.actor.name} waits for {self._reason(node, objective)}",
                    objective.objective_type,
                )

    def ended(self) -> None:
        self.rested()

    def _reason(self, node: SimulatedNode, objective: Objective) -> str:
        assert node.process is not None
        context = node.process._context(node.clock_ms())
        return str(waiting_for(node.state, objective, context))
