"""The world of one run: nodes, wires, chain, owners and what goes wrong, all from one plan.

Everything happens in one thread and in virtual time; the engines take their turns synchronously,
as they do in a daemon. After each turn, and whenever anything leaves a node, the checkers look.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from node.answers import Answer
from node.store.errors import StoreError
from node.store.kv import SNAPSHOTS
from protocols.app_channel import JUDGED
from protocols.app_standing import agrees_to_end
from protocols.channel import Channel, ChannelStatus, status
from protocols.effects import BroadcastTransaction, ReadHoldings, SubmitTransaction
from protocols.error import ProtocolError
from protocols.objectives.base import LEAVING as LEAVING_KINDS
from protocols.objectives.base import Objective, WaitingFor
from protocols.objectives.cranks import waiting_for
from protocols.outcome import destination_of
from protocols.types import Address, ChannelId, amount_from_bytes
from tests.simulation.simulator.chain import Chain
from tests.simulation.simulator.checkers.all import CHECKERS
from tests.simulation.simulator.checkers.base import Checker, News, Step
from tests.simulation.simulator.checkers.fold import FAMILIES
from tests.simulation.simulator.checkers.money import is_move
from tests.simulation.simulator.departures import Departures
from tests.simulation.simulator.disk import Place
from tests.simulation.simulator.forking import ForkingChain
from tests.simulation.simulator.liar import Liar
from tests.simulation.simulator.network import CALM, Network
from tests.simulation.simulator.node import SimulatedNode
from tests.simulation.simulator.owner import Order, Owners
from tests.simulation.simulator.plan import DIRECT, LEDGER, STORY_MS, VIRTUAL, Fault, Plan
from tests.simulation.simulator.plan import Step as Wish
from tests.simulation.simulator.schedule import Schedule
from tests.simulation.simulator.snapshots import frequent_snapshots, newest_versions
from tests.support.timed_web import PEOPLE

CHAIN_DEPTH = 1
BLOCK_MS = 2_000
LEAVING_BLOCK_MS = 1_000
"""Where the plan is about leaving."""
LOOK_MS = 1_000
TICK_MS = 5_000
UNTIL_THE_CHAIN = (
    WaitingFor.SUPPORTED_FINAL_STATE,
    WaitingFor.RENUNCIATION,
    WaitingFor.LARGEST_VOUCHER,
    WaitingFor.GUARANTEE_REMOVAL,
)
"""What a virtual channel may wait for when somebody on its path forgot."""
REST_MS = 2_400_000
"""Virtual time in which everything must come to rest: forty minutes, more than any time-out."""


class World:
    """One run. `run` returns or raises Violation."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.random = Random(plan.seed * 2 + 1)
        self.schedule = Schedule()
        self.met: Counter[str] = Counter()
        """What happened, and how often."""
        people = PEOPLE[: plan.people_count]
        followers = [actor.address for actor in people]
        self.chain = Chain(followers, CHAIN_DEPTH)
        if plan.leaving is not None:
            self.chain = ForkingChain(followers, plan.leaving.depth)
        self.network = Network(self.schedule, self.random, plan.weather, self.note)
        self.nodes = [
            SimulatedNode(self, actor, is_honest=place != plan.hostile)
            for place, actor in enumerate(people)
        ]
        self.by_address = {node.address: node for node in self.nodes}
        liar = people[plan.hostile]
        self.liar = Liar(self.random, liar.signer, self.note)
        self.checkers: list[Checker] = [kind(self) for kind in CHECKERS]
        self._hooks = {
            name: [getattr(c, name) for c in self.checkers if name in type(c).__dict__]
            for name in vars(Checker)
            if not name.startswith("_")
        }
        self.late: dict[Address, bool] = {}
        """Who could not answer a challenge in time, because it was down or saw nothing of the
        chain; and whether it lost something by that."""
        self._known: dict[tuple[Address, str], dict[Any, Any]] = {}
        """By node and family: the entities as they were at the last step."""
        self._moves: dict[tuple[Address, ChannelId], list[tuple[int, bool, int]]] = {}
        self._trace = hashlib.sha256()
        self.is_calm = False
        self.is_ending = False
        """Whether every owner wants every channel closed."""
        self.is_closing = False
        """Whether the virtual channels were closed already."""
        self.owners = Owners(self)
        self.departures: Departures | None = None
        """Where the plan is about leaving."""
        if isinstance(self.chain, ForkingChain):
            self.departures = Departures(self, self.chain)

    @property
    def trace(self) -> str:
        """Names everything that happened: every record of every node, in order, with its time."""
        return self._trace.hexdigest()

    def note(self, what: str) -> None:
        """Something that is counted happened."""
        self.met[what] += 1

    # --- the run ---

    def run(self) -> None:
        """The story with its faults, then rest, then every channel is closed, then rest again."""
        with frequent_snapshots():
            self._run()

    def _run(self) -> None:
        for node in self.nodes:
            node.start()
        for fault in self.plan.faults:
            self._plan_fault(fault)
        self.network.live()
        self.schedule.after(BLOCK_MS, self._mine)
        self.schedule.after(LOOK_MS, self._look)
        self.schedule.after(TICK_MS, self._tick)
        self.schedule.run_until(STORY_MS)
        self._calm_down()
        self._rest()
        self._ask("rested")
        self.is_ending = True
        for kinds in ((VIRTUAL,), (DIRECT, LEDGER)):
            self._close_all(kinds)
            self._rest()
            self.is_closing = True
        if self.departures is not None:
            self.departures.leave_all((VIRTUAL, DIRECT, LEDGER), together=False)
            self._rest()
        for node in self.nodes:
            node.stop()
        self._rest()
        self._ask("ended")

    def _rest(self) -> None:
        self.schedule.run_until(self.schedule.now_ms + REST_MS, self.is_quiet)

    def _calm_down(self) -> None:
        """Everything that is broken is mended."""
        self.is_calm = True
        self.liar.has_stopped = True
        self.network.weather = CALM
        self.network.mend()
        for node in self.nodes:
            node.disk.faults.clear()
            node.disk.unlogged_faults.clear()
            node.disk.mend()
            node.views.is_sound = True
            node.faults.plan.clear()
            node.endpoint_lost_count = 0
            if node.process is not None:
                node.process.room.is_down = False
        if self.departures is not None:
            self.departures.calm()

    def is_quiet(self) -> bool:
        """Nothing is on its way, nobody orders, and whoever waits waits for a liar."""
        return self.is_calm and not self.unrest()

    def unrest(self) -> str:
        """The first thing that is still to happen; empty if there is none."""
        if self.network.in_flight_count:
            return "messages on their way"
        if not self.owners.are_idle(patient=not self.has_failed_people):
            return "owners order"
        if self.chain.is_busy:
            return "the chain is busy"
        for node in self.nodes:
            process = node.process
            if node.is_gone:
                continue
            if process is None:
                return f"{node.actor.name} is down"
            if not node.is_honest:
                continue
            if process.turn_is_planned or not process.room.is_idle:
                return f"{node.actor.name} is busy"
            if any(self._will_judge(node, channel_id) for channel_id in process.state.unjudged):
                return f"{node.actor.name} judges messages"
            if self.under_way(node):
                return f"{node.actor.name} has objectives under way"
            for other in self.nodes:
                is_there = other.is_honest and not other.is_gone
                if is_there and process.waits_for(other.address):
                    return f"{node.actor.name} waits for {other.actor.name}"
        return ""

    def _will_judge(self, node: SimulatedNode, channel_id: ChannelId) -> bool:
        """Whether nothing keeps the node from it but a moment: it may wait for a word that somebody
        has forgotten."""
        people = map(
            self.by_address.__getitem__, node.state.channels[channel_id].fixed.participants
        )
        return all(one.is_honest and not (one.is_gone or one.cut_count) for one in people)

    @property
    def has_failed_people(self) -> bool:
        """Whether somebody lies, is gone, or was made to forget."""
        return any(n.cut_count or n.is_gone or not n.is_honest for n in self.nodes)

    def is_excused(self, node: SimulatedNode, objective: Objective) -> bool:
        """Whether it may wait for ever.

        For somebody who lies, or whose disk lost what had been acknowledged: what only that one
        said nobody can say again, and what waits for it is counted by name. For a virtual channel
        on whose path a log lost its end: such a hub signs no final state, such a payee renounces
        no postfund, for it may have signed another (M27); the way out is the chain. And a ledger
        waits for the channels it guarantees.
        """
        channel = node.state.channels[objective.channel_id]
        if self.departures is not None:
            if self.departures.is_excused(node, objective, channel):
                return True
            if objective.objective_type in LEAVING_KINDS and not node.cut_count:
                return False
        if self._waits_for_a_word(channel):
            return True
        guarantees = () if channel.ledger is None else channel.ledger.proposed.guarantees
        targets = [node.state.channels.get(guarantee.target) for guarantee in guarantees]
        carried = [target for target in targets if target is not None]
        if guarantees and not self.is_closing:
            return True
        people = [*objective.participants, *(who for t in carried for who in t.fixed.participants)]
        if any(not self.by_address[who].is_honest for who in people):
            return True
        if any(self.by_address[who].forgot_count for who in people):
            return True
        on_paths = [*(people if channel.virtual is not None or carried else ())]
        if not any(self.by_address[who].cut_count for who in on_paths):
            return False
        return bool(carried) or self.reason(node, objective) in UNTIL_THE_CHAIN

    def _waits_for_a_word(self, channel: Channel) -> bool:
        """Whether a game cannot end before an owner wants it who was not asked yet (M25)."""
        if self.is_ending or channel.app is None or not channel.app.is_judged:
            return False
        ends = (channel.fixed.participants[0], channel.fixed.participants[-1])
        known = [self.by_address[who].state.channels.get(channel.channel_id) for who in ends]
        return any(one is not None and not agrees_to_end(one) for one in known)

    def reason(self, node: SimulatedNode, objective: Objective) -> str:
        """What the objective waits for, by name."""
        assert node.process is not None
        context = node.process._context(node.clock_ms())
        return waiting_for(node.state, objective, context)

    def under_way(self, node: SimulatedNode) -> list[Objective]:
        """Objectives that are to end."""
        found = [node.state.objectives[identity] for identity in node.state.agenda.active]
        return [objective for objective in found if not self.is_excused(node, objective)]

    # --- the clockwork ---

    def _mine(self) -> None:
        if self.departures is not None:
            self.departures.mine()
            self._ask("mined")
            self.schedule.after(LEAVING_BLOCK_MS, self._mine)
            return
        if self.chain.is_busy:
            self.chain.mine()
        self.schedule.after(BLOCK_MS, self._mine)

    def _look(self) -> None:
        for node in self.nodes:
            node.look_at_chain(is_punctual=self.is_calm)
        self.schedule.after(LOOK_MS, self._look)

    def _tick(self) -> None:
        for node in self.nodes:
            node.tick()
        self.schedule.after(TICK_MS, self._tick)

    # --- faults ---

    def _plan_fault(self, fault: Fault) -> None:
        node = self.nodes[fault.who]
        if fault.kind == "point":
            node.faults.plan.add((fault.name, fault.count))
        elif fault.kind == "write":
            node.disk.faults[fault.count] = fault.name
        elif fault.kind == "unlogged":
            node.disk.unlogged_faults[fault.count] = fault.name
        else:
            self.schedule.after(fault.at_ms, partial(self._happen, fault, node))

    def _happen(self, fault: Fault, node: SimulatedNode) -> None:
        pair = frozenset((node.address, self.nodes[fault.other].address))
        self.note(fault.kind)
        match fault.kind:
            case "kill":
                node.kill()
            case "stop":
                node.stop()
            case "cut":
                node.forget_newest()
            case "hang-up":
                self.network.hang_up(pair)
            case "part":
                self.network.part(pair)
                self.schedule.after(fault.lasts_ms, partial(self.network.join_again, pair))
            case "endpoint":
                self._lose_endpoint(node, fault.lasts_ms)
            case "vanish" | "fork" | "spike" | "lie":
                assert self.departures is not None
                self.departures.happen(fault, node)
            case "flip":
                self._flip(node, node.disk.places())
            case "spoil":
                self._flip(node, newest_versions(node.disk))

    def _lose_endpoint(self, node: SimulatedNode, lasts_ms: int) -> None:
        self._set_endpoint(node, 1)
        self.schedule.after(lasts_ms, partial(self._set_endpoint, node, -1))

    def _set_endpoint(self, node: SimulatedNode, change: int) -> None:
        if not self.is_calm:
            node.endpoint_lost_count += change
            if node.process is not None:
                node.process.room.is_down = node.endpoint_lost_count > 0

    def _flip(self, node: SimulatedNode, places: list[Place]) -> None:
        """One bit on the disk; whoever is running may not read it, so it starts again."""
        if not self.is_calm and places and not node.disk.is_damaged:
            place = self.random.choice(places)
            is_noticed = self.random.random() < 0.5
            node.disk.flip(place, self.random.randrange(1 << 16), is_noticed=is_noticed)
            # What a running node holds of a snapshot it has summed: damage is for the next start.
            if self.random.random() < 0.7 or place[0] == SNAPSHOTS:
                node.kill()

    # --- closing ---

    def _close_all(self, kinds: tuple[str, ...]) -> None:
        """Whoever has a channel of these kinds open closes it."""
        if self.departures is not None:
            self.departures.leave_all(kinds, together=True)
            return
        for wish in self.plan.steps:
            channel_id = self.owners.channels.get(wish.name)
            if wish.kind != "open" or wish.channel not in kinds or channel_id is None:
                continue
            ends = [wish.path[0], wish.path[-1]]
            closers = [place for place in ends if self._may_close(self.nodes[place], channel_id)]
            if wish.app != JUDGED and closers:
                closers = [self.random.choice(closers)]
            # Where a contract judges the moves, the end wants the word of both.
            for who in closers:
                self.owners.add(Wish(self.schedule.now_ms, "close", wish.name, who))

    def _may_close(self, node: SimulatedNode, channel_id: ChannelId) -> bool:
        channel = node.state.channels.get(channel_id)
        over = (ChannelStatus.CLOSED, ChannelStatus.REJECTED)
        return node.is_honest and channel is not None and status(channel) not in over

    # --- what the checkers are told ---

    def _ask(self, hook: str, *arguments: Any, **named: Any) -> None:
        for ask in self._hooks[hook]:
            ask(*arguments, **named)

    def message_leaves(
        self, node: SimulatedNode, peer: Address, sequence: int, body: bytes
    ) -> None:
        self._ask("message_leaves", node, peer, sequence, body)

    def acknowledgement_leaves(self, node: SimulatedNode, peer: Address, received: int) -> None:
        self._ask("acknowledgement_leaves", node, peer, received)

    def effect_leaves(
        self,
        node: SimulatedNode,
        effect: SubmitTransaction | BroadcastTransaction | ReadHoldings,
    ) -> None:
        self._ask("effect_leaves", node, effect)

    def answer_leaves(self, node: SimulatedNode, order: Order, answer: Answer) -> None:
        self.note("order answered")
        self._ask("answer_leaves", node, order, answer)

    def refusal_leaves(self, node: SimulatedNode, order: Order, error: ProtocolError) -> None:
        self.note("order refused")
        self._ask("refusal_leaves", node, order, error)

    def refused_to_start(self, node: SimulatedNode, error: StoreError) -> None:
        self.note("start refused")
        self._ask("refused_to_start", node, error)

    def forgot(self, node: SimulatedNode) -> None:
        self._ask("forgot", node)

    def started(self, node: SimulatedNode, *, was_cut: bool) -> None:
        self.note("start")
        if was_cut:
            self.note("tail cut")
        for family in FAMILIES:
            self._known.pop((node.address, family), None)
        self._stepped(node, node.shadow.take_news())
        self._ask("started", node, was_cut=was_cut)

    def stepped(self, node: SimulatedNode, news: News) -> None:
        self.note("turn")
        self._stepped(node, news)

    def _stepped(self, node: SimulatedNode, news: News) -> None:
        if not news:
            return
        step = Step(node, news)
        for family in FAMILIES:
            self._note_changes(step, family)
        if self.departures is not None:
            self.departures.remember(node, step.channels)
        for record, event in news:
            if is_move(event):
                self._note_move(node, event)
            self._trace.update(node.address + record.seq.to_bytes(8, "big"))
        self._trace.update(node.process.log.chain_hash if node.process else b"")
        self._ask("stepped", step)

    def _note_changes(self, step: Step, family: str) -> None:
        held = getattr(step.node.state, family)
        known = self._known.setdefault((step.node.address, family), {})
        for key in held:
            entity = held[key]
            if known.get(key) is not entity:
                known[key] = entity
                step.changed.append((family, key, entity))
                if family == "channels":
                    step.channels.append(entity)
        for key in [key for key in known if key not in held]:
            del known[key]
            step.changed.append((family, key, None))

    # --- payments in ledgers, as their followers recorded them ---

    def _note_move(self, node: SimulatedNode, event: Any) -> None:
        channel = node.state.channels[event.channel_id]
        left_is_leader = event.left == destination_of(channel.fixed.participants[0])
        moves = self._moves.setdefault((node.address, event.channel_id), [])
        moves.append((event.turn_num, left_is_leader, amount_from_bytes(event.amount)))

    def agreed_moves(
        self, follower: SimulatedNode, channel_id: ChannelId
    ) -> list[tuple[bool, int]]:
        """Whether the leader gave, and how much, for every payment both signed for."""
        channel = follower.state.channels[channel_id]
        agreed = channel.ledger.turn_num if channel.ledger is not None else 0
        moves = self._moves.get((follower.address, channel_id), [])
        return [(gives, amount) for turn, gives, amount in moves if turn <= agreed]

    def moved_to(self, node: SimulatedNode, channel: Channel) -> int:
        """What agreed payments in the ledger brought the node; negative if they cost it."""
        follower = self.by_address[channel.fixed.participants[1]]
        found = 0
        for leader_gives, amount in self.agreed_moves(follower, channel.channel_id):
            found += amount if leader_gives == (channel.my_index == 1) else -amount
        return found


def simulate(plan: Plan, at_end: Callable[[World], None] = lambda world: None) -> World:
    """Run the plan; the world as it was left. Raises Violation."""
    world = World(plan)
    world.run()
    at_end(world)
    return world
