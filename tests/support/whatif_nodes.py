"""Nodes to assume things on: with rules that reach no key, as a daemon's are."""

from __future__ import annotations

from msgspec.structs import replace

from node.policy import policy_from
from node.whatif.assumptions import Assumption
from node.whatif.report import Step
from node.whatif.simulation import Simulation
from node.whatif.worth import Worth, worth_of
from protocols.draft import Context
from protocols.steps import finished
from tests.support.builders import open_command
from tests.support.network import CoreNode, Network, opened, pay


def rules_of(node: CoreNode) -> Context:
    """What a crank of the node is told; a test's own rules hold on to its key."""
    return replace(
        node.context(),
        decide=policy_from("allow"),
        fee_for=lambda asset, amount: 0,
        exposure_max=lambda asset: None,
    )


def simulation_of(node: CoreNode, *, others_answer: bool = True) -> Simulation:
    return Simulation(node.state, rules_of(node), others_answer=others_answer)


def run(simulation: Simulation, *assumed: Assumption) -> list[Step]:
    """All steps, whole."""
    return [step for step in simulation.steps(list(assumed)) if step is not None]


def simulated(node: CoreNode, *assumed: Assumption, others_answer: bool = True) -> list[Step]:
    """What would follow, proved to leave no trace in the node."""
    before, count = node.state.digest(), len(node.log)
    views = _views(node)
    steps = run(simulation_of(node, others_answer=others_answer), *assumed)
    assert node.state.digest() == before, "a simulation changed the node's state"
    assert (_views(node), len(node.log)) == (views, count)
    return steps


def _views(node: CoreNode) -> list[object]:
    state = node.state
    return [
        set(state.unreceipted),
        set(state.refused),
        set(state.unanswered),
        dict(state.unapproved),
        dict(state.agenda.active),
        dict(state.carried.shares),
        dict(state.carried.exposure),
        set(state.rejected.pruned),
        {key: state.ledgers[key] for key in state.ledgers},
    ]


def names(step: Step, *, assumed: bool | None = None) -> list[str]:
    """Of the events, in order; only the assumed, or only the node's own, if wanted."""
    return [
        recorded.event.NAME
        for recorded in step.recorded
        if assumed is None or recorded.is_assumed == assumed
    ]


def worth(simulation: Simulation) -> Worth:
    """What leaving is worth, without stops."""
    return finished(worth_of(simulation))


def paid_network(amount: int = 30) -> Network:
    """A channel in which alice paid once; money counts two blocks deep."""
    network = opened(depth=2)
    pay(network, amount, 1)
    network.settle()
    return network


def half_open() -> Network:
    """Both signed the prefund; Alice's deposit is ordered, and not mined."""
    network = Network()
    network.alice.feed(open_command())
    network.deliver(network.alice)
    network.acknowledge(network.bob)
    network.deliver(network.bob)
    return network
