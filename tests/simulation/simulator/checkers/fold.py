"""Fold equals memory: what a process believes is what its disk says, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from protocols.node_state import NodeState
from tests.simulation.simulator.checkers.base import Checker, Step

if TYPE_CHECKING:
    from tests.simulation.simulator.node import SimulatedNode

FAMILIES = ("nodes", "channels", "objectives", "peers", "transactions")
VIEWS = ("approvers", "ledgers", "unreceipted", "refused", "unanswered", "unapproved")


class Fold(Checker):
    """Changed entities after each step; everything after a start and at the end."""

    name = "fold equals memory"

    def stepped(self, step: Step) -> None:
        folded = step.node.shadow.state
        for family, key, entity in step.changed:
            same = getattr(folded, family).get(key) == entity
            self.require(same, f"memory and log differ in {family}", step.node.actor.name, key)

    def started(self, node: SimulatedNode, *, was_cut: bool) -> None:
        self._compare(node)

    def ended(self) -> None:
        for node in self.world.nodes:
            self._compare(node)

    def _compare(self, node: SimulatedNode) -> None:
        process = node.process
        if process is None:
            return
        node.shadow.catch_up()
        folded, held = node.shadow.state, process.state
        self.require(folded.digest() == held.digest(), "digests differ", node.actor.name)
        for name in (*FAMILIES, *VIEWS):
            same = _plain(getattr(folded, name)) == _plain(getattr(held, name))
            self.require(same, f"memory and log differ in {name}", node.actor.name)
        self.require(_views(folded) == _views(held), "views differ", node.actor.name)


def _plain(found: Any) -> Any:
    if isinstance(found, set | frozenset):
        return found
    return {key: found[key] for key in found}


def _views(state: NodeState) -> Any:
    return (
        set(state.agenda.active),
        state.carried.exposure,
        dict(state.carried.shares),
        dict(state.carried.fees_earned),
    )
