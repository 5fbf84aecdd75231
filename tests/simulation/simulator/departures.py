"""What a plan about leaving alone does with the world.

Who vanishes and steals, what the chain and its endpoints do, and how everybody who is left gets out
in the end.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from protocols.app_channel import JUDGED
from protocols.channel import Channel, ChannelStatus, status
from protocols.objectives.base import LEAVING, Objective
from protocols.objectives.supports import newest_turn
from protocols.types import Address, ChannelId
from tests.simulation.simulator.endpoints import Manner
from tests.simulation.simulator.follower import ForkingRoom
from tests.simulation.simulator.forking import BASE_FEE_WEI, BLOCK_S, ForkingChain
from tests.simulation.simulator.plan import Fault, Step
from tests.simulation.simulator.thief import Thief

if TYPE_CHECKING:
    from tests.simulation.simulator.node import SimulatedNode
    from tests.simulation.simulator.world import World

PATIENCE_BLOCK_COUNT = 16
"""Blocks in which nothing happens, after which the time of running challenges is passed over: more
than an answer takes."""


class Departures:
    """One run's."""

    def __init__(self, world: World, chain: ForkingChain) -> None:
        self._world = world
        self._chain = chain
        plan = world.plan
        self._next_jump_num = 0
        self._spikes: list[Fault] = []
        """Prices that rise as soon as something urgent is on its way."""
        self.passed_over_ms = 0
        """Time that nobody lived through: the nodes' clocks show it all the same."""
        self.thieves: dict[Address, Thief] = {}
        for who in {fault.who for fault in plan.faults if fault.kind == "vanish"}:
            actor = world.nodes[who].actor
            self.thieves[actor.address] = Thief(actor, chain, world.note)
        for step in plan.steps:
            if step.kind == "steal":
                world.schedule.after(step.at_ms, partial(self._steal, step))

    # --- what happens ---

    def happen(self, fault: Fault, node: SimulatedNode) -> None:
        """One of the faults that only such plans have."""
        world, chain = self._world, self._chain
        match fault.kind:
            case "vanish":
                node.vanish()
            case "fork":
                if not world.is_calm:
                    chain.fork(fault.count, keeps=fault.name == "kept")
                    if fault.count > chain.depth:
                        world.note("deep fork")
            case "spike":
                self._spikes.append(fault)
                if fault.name != "answer":
                    self._raise_prices()
            case "lie":
                assert node.endpoints is not None
                endpoint = node.endpoints.all[fault.count]
                endpoint.targets = tuple(sorted(world.owners.channels.values()))
                if not world.is_calm:
                    endpoint.turn(Manner(fault.name))
                    world.note(f"endpoint {fault.name}")
                world.schedule.after(fault.lasts_ms, partial(endpoint.turn, Manner.HONEST))

    def _raise_prices(self) -> None:
        if self._world.is_calm:
            return
        fault = self._spikes.pop()
        self._world.note("spike")
        self._chain.base_fee_wei = BASE_FEE_WEI * fault.count
        self._world.schedule.after(fault.lasts_ms, self._calm_prices)

    def _calm_prices(self) -> None:
        self._chain.base_fee_wei = BASE_FEE_WEI

    def _steal(self, step: Step) -> None:
        channel_id = self._world.owners.channels.get(step.name)
        thief = self.thieves.get(self._world.nodes[step.who].address)
        if channel_id is not None and thief is not None:
            thief.steal(channel_id, step.amounts[0])

    def remember(self, node: SimulatedNode, channels: list[Channel]) -> None:
        """Who will steal keeps what there was."""
        thief = self.thieves.get(node.address)
        if thief is not None:
            for channel in channels:
                thief.remember(node.state.node, channel)

    def calm(self) -> None:
        """The chain is kind from now on."""
        self._calm_prices()
        for node in self._world.nodes:
            assert node.endpoints is not None
            node.endpoints.mend()

    def mine(self) -> None:
        """One more block; where all wait for a challenge to end, its time is over."""
        chain = self._chain
        if self._spikes and any(bid.deadline_s for bid in chain.waiting.values()):
            self._raise_prices()
        is_still = not (chain.pool or chain.waiting or self._is_sending())
        is_awaited = self._world.is_calm and is_still and chain.deadline_s
        is_quiet = chain.quiet_count >= PATIENCE_BLOCK_COUNT
        if is_awaited and is_quiet and len(chain.blocks) >= self._next_jump_num:
            self._next_jump_num = len(chain.blocks) + PATIENCE_BLOCK_COUNT
            self._jump(chain.deadline_s - chain.time_s - BLOCK_S)
        chain.mine()

    def _is_sending(self) -> bool:
        """Whether somebody who is up has ordered a transaction that no block holds yet."""
        rooms = (node.process.room for node in self._world.nodes if node.process is not None)
        return any(not room.sender.is_idle for room in rooms if isinstance(room, ForkingRoom))

    def _jump(self, left_s: int) -> None:
        """So much time is passed over for everybody; in two steps, because some wait for half."""
        leaving = self._world.plan.leaving
        assert leaving is not None
        if left_s > leaving.duration_s // 2:
            left_s -= leaving.duration_s // 2 - 1
        else:
            self._world.note("challenge ran out")
        self._chain.pass_time(left_s)
        self.passed_over_ms += 1_000 * left_s

    # --- getting out ---

    def is_excused(self, node: SimulatedNode, objective: Objective, channel: Channel) -> bool:
        """Whether it may wait for who is gone. Leaving alone needs nobody, but a hostage."""
        if objective.objective_type in LEAVING:
            return self.is_hostage(node, channel)
        guarantees = () if channel.ledger is None else channel.ledger.proposed.guarantees
        people = {*objective.participants, *channel.fixed.participants}
        for other in self._world.nodes:
            for guarantee in guarantees:
                target = other.state.channels.get(guarantee.target)
                if target is not None:
                    people |= {*target.fixed.participants}
        return any(self._world.by_address[who].is_gone for who in people)

    def is_hostage(self, node: SimulatedNode, channel: Channel) -> bool:
        """Whether the node lost what it signed, and the adjudicator's record stands above all it
        holds: it can challenge with nothing. Who lost no record has all that it needs from there,
        but a move that its reducer, which differs, does not take in: what nobody of it judged it
        does not register.
        """
        differing, app = self._world.plan.differing, channel.app
        is_it = differing is not None and self._world.nodes[differing.who] is node
        if not channel.close_only and not (is_it and app is not None and app.is_judged):
            return False
        kept = self._chain.disputes.kept.get(channel.channel_id)
        if kept is None or self._chain.disputes.is_final(channel.channel_id, self._chain.time_s):
            return False
        return kept.turn_num > newest_turn(node.state.node, channel)

    def leave_all(self, kinds: tuple[str, ...], *, together: bool) -> None:
        """Every channel of these kinds is closed, or left by everybody who is there if not all
        are, or if nothing is done `together` any more."""
        world = self._world
        for wish in [step for step in world.plan.steps if step.kind == "open"]:
            channel_id = world.owners.channels.get(wish.name)
            if wish.channel not in kinds or channel_id is None:
                continue
            present = [who for who in wish.path if not world.nodes[who].is_gone]
            if together and len(present) == len(wish.path):
                ends = [wish.path[0], wish.path[-1]]
                closers = [who for who in ends if self._is_in(who, channel_id)]
                if wish.app != JUDGED and closers:
                    closers = [world.random.choice(closers)]
                for who in closers:
                    self._order("close", wish, who)
                continue
            for who in present:
                if self._is_in(who, channel_id):
                    self._order("exit", wish, who)

    def _order(self, kind: str, wish: Step, who: int) -> None:
        self._world.owners.add(Step(self._world.schedule.now_ms, kind, wish.name, who))

    def _is_in(self, who: int, channel_id: ChannelId) -> bool:
        node = self._world.nodes[who]
        channel = node.state.channels.get(channel_id)
        over = (ChannelStatus.CLOSED, ChannelStatus.REJECTED)
        return node.is_honest and channel is not None and status(channel) not in over
