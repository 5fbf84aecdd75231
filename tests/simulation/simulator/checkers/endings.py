"""Endings: when the faults are over every objective ends, or waits for a reason with a name."""

from __future__ import annotations

from tests.simulation.simulator.checkers.base import Checker


class Endings(Checker):
    """Liveness, in virtual time."""

    name = "everything ends"

    def rested(self) -> None:
        self.require(self.world.is_quiet(), "no rest", self.world.unrest())
        for node in self.world.nodes:
            process = node.process
            if node.is_gone:
                continue
            self.require(process is not None, "a node is down", node.actor.name)
            for objective in self.world.under_way(node):
                self.require(
                    not node.is_honest,
                    f"{node.actor.name} waits for {self.world.reason(node, objective)}",
                    objective.objective_type,
                )

    def ended(self) -> None:
        self.rested()
        for node in self.world.nodes:
            is_there = node.is_honest and not node.is_gone
            for identity in list(node.state.agenda.active) if is_there else ():
                reason = self.world.reason(node, node.state.objectives[identity])
                self.world.note(f"waits in the end for {reason}")
