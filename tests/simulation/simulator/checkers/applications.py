"""Applications: both ends come to the same or both halt, what is paid out is what was put in, a
refused message leaves no trace, and what a log lost is not talked about any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocols import app_events, events
from protocols.app_channel import MESSAGE_LOG, App, AppPoint, input_of, is_at_rest
from protocols.app_data import parse_log_message
from protocols.app_reducers import app_of
from protocols.app_talk import state_of
from protocols.channel import (
    ChainStatus,
    Channel,
    ChannelStatus,
    funding_terms,
    known_signer,
    observed_chain_status,
    status,
)
from protocols.event import Event
from protocols.outcome import total
from protocols.types import Address, ChannelId, amount_from_bytes
from tests.simulation.simulator.checkers.base import Checker, Step
from tests.simulation.simulator.reducers import Table, opening, taken

if TYPE_CHECKING:
    from tests.simulation.simulator.node import SimulatedNode
    from tests.simulation.simulator.world import World

Key = tuple[Address, ChannelId]


def apps_among(channels: list[Channel]) -> list[tuple[Channel, App]]:
    """Those in which the node is an end of an application."""
    return [(c, c.app) for c in channels if c.app is not None and c.is_end and c.turns]


class Talk(Checker):
    """What two honest ends signed of a count is one thing; after a difference nothing is signed."""

    name = "both ends agree on an application"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._signed: dict[tuple[ChannelId, int], tuple[bytes, tuple[bytes, ...], bytes]] = {}
        """By channel and turn: state, amounts and digest of the view, as whoever was first had."""
        self._supported: dict[tuple[ChannelId, int], AppPoint] = {}
        self._reached: dict[Key, int] = {}
        self._halted: set[Key] = set()
        self._claimed: set[Key] = set()

    def stepped(self, step: Step) -> None:
        node = step.node
        if not node.is_honest:
            return
        for _, event in step.news:
            self._heard(node, event)
        for channel, app in apps_among(step.channels):
            self._supports(node, channel, app)

    def _heard(self, node: SimulatedNode, event: Event) -> None:
        match event:
            case app_events.AppChannelHalted() | app_events.AppHaltReceived():
                self._halted.add((node.address, event.channel_id))
                self.world.note("application halted")
            case app_events.AppMoveClaimed():
                self._claimed.add((node.address, event.channel_id))
                self.world.note("move claimed")
            case app_events.AppMoveTaken():
                self.world.note("move taken from the chain")
            case app_events.AppMessageRefused() if event.code:
                self.world.note("message refused by a reducer")
            case app_events.AppStateSigned():
                self._signs(node, event)

    def _signs(self, node: SimulatedNode, event: app_events.AppStateSigned) -> None:
        self.world.note("application's state signed")
        channel, key = node.state.channels[event.channel_id], (node.address, event.channel_id)
        is_alone = app_of(channel).is_judged and key in self._claimed
        stands = key not in self._halted or is_alone
        self.require(stands, f"{node.actor.name} signs after a difference", event.turn_num)
        if app_of(channel).definition_rule == MESSAGE_LOG:
            ends = [turn.turn_num for turn in channel.turns if turn.is_final]
            mine = [turn for turn in ends if channel.signed_by_me(turn)]
            open_ends = set(mine) - set(channel.refused_turns)
            is_before = all(turn > event.turn_num for turn in open_ends)
            self.require(is_before, f"{node.actor.name} signs past an end", event.turn_num)
        # A claimed move is the mover's alone, whatever the other's view holds.
        digest = b"" if key in self._claimed else event.digest
        found = (event.state_hash, event.amounts, digest)
        first = self._signed.setdefault((event.channel_id, event.turn_num), found)
        same = first[:2] == found[:2] and (not (first[2] and digest) or first[2] == digest)
        self.require(same, "two ends signed unlike states of one count", event.turn_num)

    def _supports(self, node: SimulatedNode, channel: Channel, app: App) -> None:
        point, key = app.supported, (node.address, channel.channel_id)
        if not node.forgot_count:
            before = self._reached.get(key, 0)
            self.require(point.count >= before, "an agreed count fell", before, point.count)
            if before == point.count:
                return
            self._reached[key] = point.count
        if not point.count or not point.is_supported:
            return
        first = self._supported.setdefault((channel.channel_id, point.count), point)
        same = (first.root, first.message, first.amounts) == (
            point.root,
            point.message,
            point.amounts,
        )
        self.require(same, "two agreed states of one count", channel.channel_id, point.count)
        state_hash = state_of(channel).state_hash()
        for index, signature in zip((0, channel.payee_index), point.signatures, strict=True):
            signer = known_signer(channel, index)
            signed = signer is not None and signer.verify(state_hash, signature)
            self.require(signed, "agreed without a signature", channel.channel_id, point.count)

    def rested(self) -> None:
        nodes = [n for n in self.world.nodes if n.is_honest and not n.is_gone and not n.cut_count]
        known: dict[ChannelId, list[Channel]] = {}
        for node in nodes:
            channels = [node.state.channels[key] for key in node.state.channels]
            for channel, _ in apps_among(channels):
                known.setdefault(channel.channel_id, []).append(channel)
        for ends in known.values():
            if len(ends) == 2 and all(map(_talks, ends)):
                self._rests(*ends)

    def _rests(self, one: Channel, two: Channel) -> None:
        mine, theirs = app_of(one), app_of(two)
        halted = bool(mine.halted), bool(theirs.halted)
        self.require(halted[0] == halted[1], "one end halted and the other did not", *halted)
        if mine.halted:
            return
        self.world.note("application at rest")
        for app in (mine, theirs):
            is_still = is_at_rest(app) and not app.queue and app.answer is None
            self.require(is_still, "messages are under way for ever", one.channel_id)
        same = mine.supported == theirs.supported and mine.tip == theirs.tip
        self.require(same, "two ends rest at unlike states", one.channel_id)


def _talks(channel: Channel) -> bool:
    """Whether the channel is open, and nobody ends it."""
    is_ending = channel.final_requests or any(turn.is_final for turn in channel.turns)
    is_open = observed_chain_status(channel) == channel.chain_status == ChainStatus.OPEN
    return status(channel) == ChannelStatus.OPEN and is_open and not is_ending


class Payouts(Checker):
    """Whatever a reducer says, both get what both put in (M23)."""

    name = "payouts sum to the deposits"

    def stepped(self, step: Step) -> None:
        for _, event in step.news:
            if isinstance(event, app_events.AppStateSigned | app_events.AppMoveTaken):
                deposits = funding_terms(step.node.state.channels[event.channel_id]).total
                paid = sum(map(amount_from_bytes, event.amounts))
                self.require(paid == deposits, "amounts of a state", paid, deposits)
        for channel, app in apps_among(step.channels):
            deposits = funding_terms(channel).total
            for point in (app.tip, app.supported):
                self.require(sum(point.amounts) == deposits, "amounts of a point", *point.amounts)
            if app.supported.count:
                paid = total(state_of(channel).outcome[0])
                self.require(paid == deposits, "an outcome pays", paid, deposits)


class Traces(Checker):
    """By a fold of its own over what each node recorded as taken in."""

    name = "who was refused leaves no trace"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._tables: dict[Key, list[Table]] = {}
        self._decided: dict[tuple[Address, bytes], bool] = {}
        """Of a node's own messages: whether it was taken in."""

    def stepped(self, step: Step) -> None:
        node = step.node
        for _, event in step.news if not node.forgot_count else ():
            match event:
                case app_events.AppChannelHalted() if node.is_honest:
                    self._has_reason(node, event)
                case app_events.AppMessageApplied():
                    self._takes(node, event)
                    self._decides(node, event.local_id, is_taken=True)
                case app_events.AppMessageRefused():
                    self._decides(node, event.local_id, is_taken=False)
                case app_events.AppStateSigned() | app_events.AppMoveTaken():
                    self._comes_to(node, event)

    def _decides(self, node: SimulatedNode, local_id: bytes, *, is_taken: bool) -> None:
        if local_id:
            first = self._decided.setdefault((node.address, local_id), is_taken)
            self.require(first == is_taken, "a message was refused and taken in", local_id)

    def _has_reason(self, node: SimulatedNode, event: app_events.AppChannelHalted) -> None:
        """Two views of one reducer differ by nothing but traces of what was refused."""
        channel, differing = node.state.channels[event.channel_id], self.world.plan.differing
        people = channel.fixed.participants
        ends = [self.world.by_address[who] for who in (people[0], people[-1])]
        is_reasonable = any(
            not end.is_honest
            or end.cut_count
            or (differing is not None and self.world.nodes[differing.who] is end)
            for end in ends
        )
        self.require(is_reasonable, "a halt between equal reducers", event.error_code, event.ours)

    def _takes(self, node: SimulatedNode, event: app_events.AppMessageApplied) -> None:
        channel = node.state.channels[event.channel_id]
        app, deposits = app_of(channel), funding_terms(channel).deposits
        key = (node.address, event.channel_id)
        tables = self._tables.setdefault(key, [opening((deposits[0], deposits[1]))])
        del tables[event.count :]
        self.require(len(tables) == event.count, "messages are missing", event.count)
        sender = 0 if event.sender == channel.fixed.participants[0] else 1
        said = event.message if app.is_judged else parse_log_message(event.message).payload
        given = input_of(app, event.channel_id, sender, event.stamp_ms, said)
        code, failure, table = taken(app.reducer_id, tables[-1], given)
        self.require(not (code or failure), "what the reducer refused was taken in", code, failure)
        tables.append(table)

    def _comes_to(
        self, node: SimulatedNode, event: app_events.AppStateSigned | app_events.AppMoveTaken
    ) -> None:
        table = self._tables[node.address, event.channel_id][event.turn_num - 1]
        amounts = tuple(map(amount_from_bytes, event.amounts))
        self.require(table.amounts == amounts, "a trace in the amounts", amounts, table.amounts)
        differing = self.world.plan.differing
        is_it = differing is not None and self.world.nodes[differing.who] is node
        if not is_it and not node.views.is_real:
            self.require(event.digest == table.digest, "a trace in the view", node.actor.name)


class Forgotten(Checker):
    """Of what its log lost a node says nothing any more, in channels that it had (M27)."""

    name = "lost talk is not resumed"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._before: dict[Address, set[ChannelId]] = {}

    def started(self, node: SimulatedNode, *, was_cut: bool) -> None:
        if not was_cut:
            return
        channels = [node.state.channels[key] for key in node.state.channels]
        for channel, app in apps_among(channels):
            self._before.setdefault(node.address, set()).add(channel.channel_id)
            if status(channel) == ChannelStatus.OPEN:
                is_over = channel.close_only and not (app.queue or app.claimed or app.answer)
                self.require(is_over, "a cut log goes on with its talk", channel.channel_id)

    def stepped(self, step: Step) -> None:
        before = self._before.get(step.node.address, ())
        for _, event in step.news if before else ():
            if isinstance(event, app_events.AppStateSigned | app_events.AppMessagesOffered):
                is_new = event.channel_id not in before
                self.require(is_new, f"{step.node.actor.name} talks on after a loss", event.NAME)
            elif isinstance(event, events.StateSigned) and event.channel_id in before:
                self.check_count += 1
