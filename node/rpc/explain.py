"""Explanations: the story of a channel or an objective, and where it stands now.

The records are read in slices with a pause between them, so that nobody waits for a long story.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count as numbers
from typing import Annotated

import trio
from msgspec import Meta, Struct

from node.explain.casting import OPENING_COUNT_MAX
from node.explain.standing import Failure, Standing, channel_standing, failure_of
from node.explain.steps import Story, acknowledged_link, answered_link
from node.explain.story import Cast, Fact, Kind, Link, Step
from node.rpc.bounds import LOG_READ_SLICE_COUNT, STORY_RECORD_COUNT_MAX, STORY_STEP_COUNT_MAX
from node.rpc.errors import InvalidParams
from node.rpc.interface import NodeApi
from node.rpc.params import Count, Hash32Text, MomentText, Params, parse_hash32, parse_moment
from node.rpc.results import AddressOut, AmountOut, At, Hash32Out
from node.rpc.scene import Scene, scene_at
from node.rpc.views import known_channel, objective_view
from protocols import events, ledger_events
from protocols.errors import UnknownChannel, UnknownObjective
from protocols.objectives.base import LEAVING, ObjectiveType, newest, objective_id
from protocols.objectives.supports import CHALLENGE, CHECKPOINT, CONCLUDE
from protocols.objectives.withdraw import TRANSFER
from protocols.transactions import APPROVE, DEPOSIT, intent_id
from protocols.types import ChannelId, ObjectiveId, checksum_address, to_hex

_CALL_KINDS = (APPROVE, DEPOSIT, CONCLUDE, CHALLENGE, CHECKPOINT, TRANSFER)
_ANSWER_COUNT_MAX = 512
"""Records of a ledger looked through for the answer to a proposal: a queue and its refusals."""
StepLimit = Annotated[int, Meta(ge=1, le=STORY_STEP_COUNT_MAX)]

_Update = ledger_events.LedgerUpdateProposed | ledger_events.LedgerUpdateReceived
_Judged = (
    ledger_events.LedgerUpdateSigned
    | ledger_events.LedgerUpdateConfirmed
    | ledger_events.LedgerCountersignatureSeen
    | ledger_events.LedgerUpdateRefused
    | ledger_events.LedgerRefusalReceived
)


class ChannelExplainParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which channel's story to tell, and from where on."""

    channel_id: Hash32Text
    from_seq: Count = 0
    """The first record of the page: `next_seq` of the page before."""
    limit: StepLimit = 200
    """How many steps at most, about."""
    at: MomentText | None = None
    """The moment to tell it as of; now unless given."""
    from_at: MomentText | None = None
    """The moment to begin at, instead of from_seq."""


class ObjectiveExplainParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which objective's story to tell, and from where on."""

    objective_id: Hash32Text
    from_seq: Count = 0
    """The first record of the page: `next_seq` of the page before."""
    limit: StepLimit = 200
    """How many steps at most, about."""
    at: MomentText | None = None
    """The moment to tell it as of; now unless given."""


class ChannelStory(Struct, frozen=True, gc=False):
    """What happened to a channel, or to one objective of it, and why."""

    channel_id: Hash32Out | None
    """Null for a proposal that was refused before there was a channel."""
    objective_id: Hash32Out | None
    """Of an objective's story."""
    kind: Kind
    """Unknown if the records that are left do not say."""
    participants: list[AddressOut]
    our_address: AddressOut
    asset: AddressOut
    deposits: list[AmountOut]
    """By participant: what each puts in when it opens."""
    standing: Standing
    steps: list[Step]
    """In the order of the records; payments that follow each other are one step."""
    next_seq: int | None
    """Where the next page begins; null at the end."""
    at: At


_Page = ChannelExplainParams | ObjectiveExplainParams

# --- reading ---


def _entities(scene: Scene, channel_id: ChannelId) -> list[bytes]:
    """All that a channel's story is recorded under: itself, its objectives, its transactions."""
    found = [channel_id, *(objective_id(kind, channel_id) for kind in ObjectiveType)]
    for again in LEAVING:
        # A channel that was challenged again has one more of each.
        for number in numbers(1):
            identity = objective_id(again, channel_id, number)
            if not scene.facts((identity,), 0, 1):
                break
            found.append(identity)
    for kind in _CALL_KINDS:
        for attempt in numbers():
            intent = intent_id(kind, channel_id, attempt)
            if not scene.facts((intent,), 0, 1):
                break
            found.append(intent)
    return found


async def _read(
    scene: Scene, entities: Sequence[bytes], story: Story, p: _Page, from_seq: int, end: int
) -> int | None:
    """Tell the story from `from_seq` on; where it goes on if that was not all."""
    next_seq, count = from_seq, 0
    while True:
        facts = scene.facts(entities, next_seq, LOG_READ_SLICE_COUNT, end)
        for fact in facts:
            if not story.has_room(fact, p.limit) or count >= STORY_RECORD_COUNT_MAX:
                return fact.seq
            story.add(fact)
            count += 1
            next_seq = fact.seq + 1
        if len(facts) < LOG_READ_SLICE_COUNT:
            return None
        await trio.lowlevel.checkpoint()


def _earlier(scene: Scene, entities: Sequence[bytes], from_seq: int) -> list[Fact]:
    """Records before the page that later ones may follow from: what became of transactions."""
    intents = entities[1 + len(ObjectiveType) :]
    return list(scene.facts(intents, 0, LOG_READ_SLICE_COUNT, from_seq)) if from_seq else []


def _links(scene: Scene, told: Iterable[Fact]) -> dict[int, list[Link]]:
    """Who took our messages in, and what became of what was proposed in ledgers."""
    found: dict[int, list[Link]] = {}
    for fact in told:
        event = fact.event
        if isinstance(event, events.MessageSent):
            acked = scene.facts((event.message_id,), fact.seq + 1, 1)
            found[fact.seq] = [acknowledged_link(fact, one) for one in acked]
        elif isinstance(event, _Update):
            found[fact.seq] = _judgement(scene, fact, event)
    return found


def _judgement(scene: Scene, fact: Fact, event: _Update) -> list[Link]:
    """The countersignature that agreed to the update, or its refusal."""
    for later in scene.facts((event.channel_id,), fact.seq + 1, _ANSWER_COUNT_MAX):
        judged = later.event
        if not isinstance(judged, _Judged):
            continue
        is_refusal = isinstance(
            judged, ledger_events.LedgerUpdateRefused | ledger_events.LedgerRefusalReceived
        )
        if judged.turn_num == event.turn_num or (
            not is_refusal and judged.turn_num > event.turn_num
        ):
            return [answered_link(fact, later)]
    return []


# --- channels and objectives ---


def _is_named(scene: Scene, field: str, identity: bytes) -> bool:
    """Whether that id is one of this kind: objectives, payments and messages have ids too."""
    found = scene.facts((identity,), 0, OPENING_COUNT_MAX)
    return any(getattr(fact.event, field, None) == identity for fact in found)


async def channel_explain(node: NodeApi, p: ChannelExplainParams) -> ChannelStory:
    """A channel's story; `UnknownChannel` if the log has none."""
    channel_id = parse_hash32("channel_id", p.channel_id)
    if p.from_at is not None and p.from_seq:
        raise InvalidParams("from_at", "give from_seq or from_at, not both")
    scene = await scene_at(node, p.at)
    from_seq = p.from_seq
    if p.from_at is not None:
        from_seq = node.seq_of(parse_moment("from_at", p.from_at))
    if not _is_named(scene, "channel_id", channel_id):
        raise UnknownChannel(channel_id)
    cast = scene.cast(channel_id)
    entities = _entities(scene, channel_id)
    story = Story(cast, _earlier(scene, entities, from_seq))
    next_seq = await _read(scene, entities, story, p, from_seq, scene.end)
    standing = _standing(scene, cast, list(ObjectiveType))
    return _channel_story(scene, cast, None, standing, story, next_seq)


async def objective_explain(node: NodeApi, p: ObjectiveExplainParams) -> ChannelStory:
    """An objective's story, from what began it to its end; `UnknownObjective` if there is none."""
    identity = parse_hash32("objective_id", p.objective_id)
    scene = await scene_at(node, p.at)
    if not _is_named(scene, "objective_id", identity):
        raise UnknownObjective(identity)
    own = scene.facts((identity,), 0, LOG_READ_SLICE_COUNT)
    created = next((f.event for f in own if isinstance(f.event, events.ObjectiveCreated)), None)
    if created is None:
        cast = Cast(scene.state.node.address, b"")
        entities: list[bytes] = [identity]
    else:
        cast = scene.cast(created.channel_id)
        others = {objective_id(kind, created.channel_id) for kind in ObjectiveType} - {identity}
        entities = [
            entity for entity in _entities(scene, created.channel_id) if entity not in others
        ]
    first = own[0]
    from_seq = max(p.from_seq, first.seq if first.cause_seq is None else first.cause_seq)
    story = Story(cast)
    end = _end_of(scene, identity)
    next_seq = await _read(scene, entities, story, p, from_seq, end)
    kinds = [] if created is None else [ObjectiveType(created.objective_type)]
    standing = _standing(scene, cast, kinds)
    return _channel_story(scene, cast, identity, standing, story, next_seq)


def _end_of(scene: Scene, identity: ObjectiveId) -> int:
    """Behind the last record of the objective, if it is at its end; else behind all."""
    objective = scene.state.objectives.get(identity)
    if objective is not None and objective.status in ("approved", "unapproved"):
        return scene.end
    next_seq, last_seq = 0, 0
    while facts := scene.facts((identity,), next_seq, LOG_READ_SLICE_COUNT):
        last_seq = facts[-1].seq
        next_seq = last_seq + 1
    return last_seq + 1


def _standing(scene: Scene, cast: Cast, kinds: Sequence[ObjectiveType]) -> Standing:
    objectives = []
    failures: list[Failure] = []
    for kind in kinds:
        # Of what a channel may need more than once, the newest counts.
        objective = newest(scene.state.objectives, kind, cast.channel_id)
        identity = objective_id(kind, cast.channel_id) if cast.channel_id else b""
        identity = identity if objective is None else objective.objective_id
        failures += _failures(scene, identity)
        if objective is not None:
            objectives.append((objective, scene.view.waiting_for(identity)))
            reason = objective_view(scene.view, objective).reason
            if objective.is_active and reason:
                failures.append(failure_of("", reason, None))
    channel = known_channel(scene.view, cast.channel_id)
    if channel is not None and channel.virtual is not None and channel.virtual.error_code:
        virtual = channel.virtual
        failures.append(failure_of(virtual.error_code, virtual.reason, None))
    return channel_standing(channel, cast, objectives, failures, scene.blocks_until)


def _failures(scene: Scene, identity: ObjectiveId) -> list[Failure]:
    """By which name the objective was rejected, if it was."""
    found = scene.facts((identity,), 0, LOG_READ_SLICE_COUNT) if identity else ()
    return [
        failure_of(fact.event.error_code or "", fact.event.reason, fact.seq)
        for fact in found
        if isinstance(fact.event, events.ObjectiveRejected)
    ]


def _channel_story(
    scene: Scene,
    cast: Cast,
    identity: ObjectiveId | None,
    standing: Standing,
    story: Story,
    next_seq: int | None,
) -> ChannelStory:
    return ChannelStory(
        to_hex(cast.channel_id) if cast.channel_id else None,
        None if identity is None else to_hex(identity),
        cast.kind,
        [checksum_address(participant) for participant in cast.participants],
        checksum_address(cast.me),
        checksum_address(cast.asset),
        [str(deposit) for deposit in cast.deposits],
        standing,
        story.steps(_links(scene, story.facts())),
        next_seq,
        At(scene.view.seq),
    )
