"""The course of a simulation: a copy of the state, a clock of its own, and the step it is at.

Inputs pass the same crank and the same fold as the node's own. What follows is a generator that
stops between two cranks, so that whoever drives it can let others go first.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from msgspec.structs import replace

from node.whatif.copying import still, working_copy
from node.whatif.errors import TooLarge
from node.whatif.limits import EVENT_COUNT_MAX, WATCHED_COUNT_MAX
from node.whatif.orders import Orders
from node.whatif.placeholders import keyless
from node.whatif.report import Recorded, Step
from node.whatif.sessions import Sessions
from protocols import inputs
from protocols.channel import Channel
from protocols.crank import awaits_end_of_batch, crank
from protocols.draft import Context, CrankResult, Draft
from protocols.effects import Effect, ReadHoldings, SendMessage, SubmitTransaction
from protocols.entities import NodeState
from protocols.errors import UnknownChannel
from protocols.node_state import apply
from protocols.types import ChannelId

Going = Iterator[None]
"""Stops between two cranks."""


class Course:
    """What has happened so far, and the only way for anything to happen."""

    def __init__(self, state: NodeState, context: Context) -> None:
        """Copy the state; the context is stripped of its key."""
        self.before = still(state)
        self.state = working_copy(self.before)
        self.touched: dict[ChannelId, None] = {}
        """Channels that anything was recorded of, or that were named."""
        self.watched = self._under_way()
        """Channels that others may owe an answer in."""
        self.context = keyless(context)
        """Of the beginning, but for the chain's silence: `rules` has the time."""
        self.now_ms = context.now_ms
        self.event_count = 0
        self.step = Step(self.now_ms)
        self.sessions = Sessions()
        self.orders = Orders()
        self.questions: list[ReadHoldings] = []
        """What the chain was asked and has not answered."""

    @property
    def now_s(self) -> int:
        """The chain's time: by the same clock."""
        return self.now_ms // 1_000

    def concerned(self) -> dict[ChannelId, None]:
        """Channels to look at, those watched first."""
        return {**self.watched, **self.touched}

    def channel(self, channel_id: ChannelId) -> Channel:
        """A channel that is named. Raises UnknownChannel."""
        channel = self.state.channels.get(channel_id)
        if channel is None:
            raise UnknownChannel(channel_id)
        self.touched[channel_id] = None
        return channel

    def rules(self) -> Context:
        """What a crank is told now."""
        return replace(self.context, now_ms=self.now_ms)

    def draft(self) -> Draft:
        """For what a peer says: `take` its result."""
        return Draft(self.state, self.rules())

    def feed(self, item: inputs.Input) -> Going:
        """One input, then what waits for the end of its batch. Raises a refusal."""
        yield from self.take(crank(self.state, item, self.rules()), 0)

    def take(self, result: CrankResult, assumed_count: int) -> Going:
        """Fold the events, the first of them assumed; then what waits for the end of the batch."""
        self._fold(result, assumed_count)
        yield
        if awaits_end_of_batch(self.state):
            self._fold(crank(self.state, inputs.EndOfBatch(), self.rules()), 0)
            yield

    def count(self) -> None:
        """One more of what is bounded. Raises TooLarge."""
        self.event_count += 1
        if self.event_count > EVENT_COUNT_MAX:
            raise TooLarge(f"{self.event_count} events", str(EVENT_COUNT_MAX))

    def _under_way(self) -> dict[ChannelId, None]:
        """The channels of what the node is about: some, if there are very many."""
        found: dict[ChannelId, None] = {}
        for identity in islice(self.before.agenda.active, WATCHED_COUNT_MAX):
            found[self.before.objectives[identity].channel_id] = None
        return found

    def _fold(self, result: CrankResult, assumed_count: int) -> None:
        for place, event in enumerate(result.events):
            self.count()
            apply(self.state, event, self.now_ms)
            self.step.recorded.append(Recorded(self.now_ms, event, place < assumed_count))
            self._touch(event)
        for effect in result.effects:
            self._hand_over(effect)

    def _hand_over(self, effect: Effect) -> None:
        if isinstance(effect, SendMessage):
            self.step.sent.append(self.sessions.send(effect))
        elif isinstance(effect, SubmitTransaction):
            self.step.submitted.append(self.orders.request(self.state, effect))
        elif isinstance(effect, ReadHoldings):
            self.questions.append(effect)

    def _touch(self, event: object) -> None:
        channel_id = getattr(event, "channel_id", None)
        if channel_id is None:
            objective = self.state.objectives.get(getattr(event, "objective_id", b""))
            channel_id = None if objective is None else objective.channel_id
        if channel_id is not None:
            self.touched[channel_id] = None
