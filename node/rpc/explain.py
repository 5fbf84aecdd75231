"""Explanations: the story of a channel, an objective or a payment, and where it stands now.

The records are read in slices with a pause between them, so that nobody waits for a long story.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count as numbers
from typing import Annotated, Literal

import trio
from msgspec import Meta, Struct

from node.answers import PaymentAnswer
from node.explain.casting import OPENING_COUNT_MAX, cast_of
from node.explain.standing import Failure, Standing, channel_standing, failure_of
from node.explain.steps import Story, acknowledged_link, answered_link
from node.explain.story import Cast, Fact, Kind, Link, Step
from node.explain.words import amount_words, short_bytes
from node.rpc.bounds import (
    LOG_READ_SLICE_COUNT,
    STORY_RECORD_COUNT_MAX,
    STORY_STEP_COUNT_MAX,
)
from node.rpc.errors import InvalidParams
from node.rpc.interface import NodeApi, NodeView
from node.rpc.params import Count, Hash32Text, MomentText, Params, parse_hash32, parse_moment
from node.rpc.queries import node_at
from node.rpc.results import AddressOut, AmountOut, At, Hash32Out
from node.rpc.views import known_channel, objective_view
from protocols import events, ledger_events, payment_events
from protocols.errors import UnknownChannel, UnknownObjective, UnknownPayment
from protocols.objectives.base import LEAVING, ObjectiveType, newest, objective_id
from protocols.objectives.supports import CHALLENGE, CHECKPOINT, CONCLUDE
from protocols.objectives.withdraw import TRANSFER
from protocols.transactions import APPROVE, DEPOSIT, intent_id
from protocols.types import (
    ChannelId,
    ObjectiveId,
    PaymentId,
    amount_from_bytes,
    checksum_address,
    to_hex,
)

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
_OPENINGS = (ObjectiveType.DIRECT_FUND, ObjectiveType.VIRTUAL_FUND)
_Settled = events.ChannelConcluded | events.WithdrawCompleted
_CLOSING_COUNT_MAX = 512
"""Records of a channel behind the first of its closing that are looked through for payouts."""
_Batch = payment_events.BatchIssued | payment_events.BatchReceived


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


class PaymentExplainParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """Which payment's story to tell."""

    payment_id: Hash32Text
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


class Payout(Struct, frozen=True, gc=False):
    """What the chain paid to one party of the payment's channel, seen deep enough to count."""

    seq: int
    recipient: AddressOut
    amount: AmountOut
    transaction_hash: Hash32Out | None


class PaymentStory(Struct, frozen=True, gc=False):
    """What happened to a payment, and what proves it."""

    payment_id: Hash32Out
    channel_id: Hash32Out
    direction: Literal["sent", "received", "refused"]
    """refused: a payment to us that we did not accept."""
    asset: AddressOut
    amount: AmountOut | None
    """Null for one that we refused: only its voucher's total is known."""
    memo: str
    voucher_total: AmountOut
    """Cumulative amount of the voucher that covers it: what the chain would pay the payee."""
    voucher_signature: str | None
    """The payer's, 65 bytes in 0x hex; null for a payment that we refused."""
    receipt_seq: int | None
    """The record of the payee's receipt over it."""
    payouts: list[Payout]
    """Of its channel, once that is closed: one payment alone is never paid out."""
    standing: Standing
    steps: list[Step]
    at: At


_Page = ChannelExplainParams | ObjectiveExplainParams

# --- reading ---


class _Scene:
    """The node at the moment that is asked about, and its log up to then."""

    def __init__(self, node: NodeApi, view: NodeView) -> None:
        self.view = view
        self.state = view.state
        self.end = view.seq + 1
        """Behind the last record."""
        self._node = node
        self._is_past = view is not node

    def blocks_until(self, time_s: int) -> int | None:
        """How many blocks are left until then; None in the past."""
        return None if self._is_past else self._node.blocks_until(time_s)

    def facts(
        self, entities: Sequence[bytes], from_seq: int, limit: int, end: int | None = None
    ) -> Sequence[Fact]:
        """At most `limit` records about any of these ids, before `end` or the moment's."""
        return self._node.facts(entities, from_seq, self.end if end is None else end, limit)

    def payment(self, payment_id: PaymentId) -> PaymentAnswer | None:
        """The payment with what proves it by then."""
        return self._node.payment(payment_id, self.view.seq)


async def _scene(node: NodeApi, at: int | str | None) -> _Scene:
    return _Scene(node, await node_at(node, at))


def _entities(scene: _Scene, channel_id: ChannelId) -> list[bytes]:
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
    scene: _Scene, entities: Sequence[bytes], story: Story, p: _Page, from_seq: int, end: int
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


def _earlier(scene: _Scene, entities: Sequence[bytes], from_seq: int) -> list[Fact]:
    """Records before the page that later ones may follow from: what became of transactions."""
    intents = entities[1 + len(ObjectiveType) :]
    return list(scene.facts(intents, 0, LOG_READ_SLICE_COUNT, from_seq)) if from_seq else []


def _links(scene: _Scene, told: Iterable[Fact]) -> dict[int, list[Link]]:
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


def _judgement(scene: _Scene, fact: Fact, event: _Update) -> list[Link]:
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


def _cast(scene: _Scene, channel_id: ChannelId) -> Cast:
    opening = scene.facts((channel_id,), 0, OPENING_COUNT_MAX)
    return cast_of(scene.state.node, channel_id, opening)


# --- channels and objectives ---


def _is_named(scene: _Scene, field: str, identity: bytes) -> bool:
    """Whether that id is one of this kind: objectives, payments and messages have ids too."""
    found = scene.facts((identity,), 0, OPENING_COUNT_MAX)
    return any(getattr(fact.event, field, None) == identity for fact in found)


async def channel_explain(node: NodeApi, p: ChannelExplainParams) -> ChannelStory:
    """A channel's story; `UnknownChannel` if the log has none."""
    channel_id = parse_hash32("channel_id", p.channel_id)
    if p.from_at is not None and p.from_seq:
        raise InvalidParams("from_at", "give from_seq or from_at, not both")
    scene = await _scene(node, p.at)
    from_seq = p.from_seq
    if p.from_at is not None:
        from_seq = node.seq_of(parse_moment("from_at", p.from_at))
    if not _is_named(scene, "channel_id", channel_id):
        raise UnknownChannel(channel_id)
    cast = _cast(scene, channel_id)
    entities = _entities(scene, channel_id)
    story = Story(cast, _earlier(scene, entities, from_seq))
    next_seq = await _read(scene, entities, story, p, from_seq, scene.end)
    standing = _standing(scene, cast, list(ObjectiveType))
    return _channel_story(scene, cast, None, standing, story, next_seq)


async def objective_explain(node: NodeApi, p: ObjectiveExplainParams) -> ChannelStory:
    """An objective's story, from what began it to its end; `UnknownObjective` if there is none."""
    identity = parse_hash32("objective_id", p.objective_id)
    scene = await _scene(node, p.at)
    if not _is_named(scene, "objective_id", identity):
        raise UnknownObjective(identity)
    own = scene.facts((identity,), 0, LOG_READ_SLICE_COUNT)
    created = next((f.event for f in own if isinstance(f.event, events.ObjectiveCreated)), None)
    if created is None:
        cast = Cast(scene.state.node.address, b"")
        entities: list[bytes] = [identity]
    else:
        cast = _cast(scene, created.channel_id)
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


def _end_of(scene: _Scene, identity: ObjectiveId) -> int:
    """Behind the last record of the objective, if it is at its end; else behind all."""
    objective = scene.state.objectives.get(identity)
    if objective is not None and objective.status in ("approved", "unapproved"):
        return scene.end
    next_seq, last_seq = 0, 0
    while facts := scene.facts((identity,), next_seq, LOG_READ_SLICE_COUNT):
        last_seq = facts[-1].seq
        next_seq = last_seq + 1
    return last_seq + 1


def _standing(scene: _Scene, cast: Cast, kinds: Sequence[ObjectiveType]) -> Standing:
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


def _failures(scene: _Scene, identity: ObjectiveId) -> list[Failure]:
    """By which name the objective was rejected, if it was."""
    found = scene.facts((identity,), 0, LOG_READ_SLICE_COUNT) if identity else ()
    return [
        failure_of(fact.event.error_code or "", fact.event.reason, fact.seq)
        for fact in found
        if isinstance(fact.event, events.ObjectiveRejected)
    ]


def _channel_story(
    scene: _Scene,
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


# --- payments ---


async def payment_explain(node: NodeApi, p: PaymentExplainParams) -> PaymentStory:
    """A payment's story; `UnknownPayment` if the log has none."""
    payment_id = parse_hash32("payment_id", p.payment_id)
    scene = await _scene(node, p.at)
    own = list(scene.facts((payment_id,), 0, LOG_READ_SLICE_COUNT))
    answer = scene.payment(payment_id)
    if answer is not None:
        return _payment_story(scene, payment_id, answer, own)
    refused = [f for f in own if isinstance(f.event, events.VoucherRefused)]
    if not refused:
        raise UnknownPayment(payment_id)
    return _refused_story(scene, payment_id, refused)


def _payment_story(
    scene: _Scene, payment_id: PaymentId, answer: PaymentAnswer, own: list[Fact]
) -> PaymentStory:
    cast = _cast(scene, answer.channel_id)
    facts = {fact.seq: fact for fact in own}
    if any(isinstance(fact.event, payment_events.PaymentListed) for fact in own):
        batch = _first(scene, answer.channel_id, answer.seq, _Batch)
        facts |= {fact.seq: fact for fact in batch}
    if answer.receipt is not None:
        receipt = scene.facts((answer.channel_id,), answer.receipt.seq, 1)
        facts |= {fact.seq: fact for fact in receipt}
    paid_out = _payouts(scene, answer.channel_id)
    facts |= {fact.seq: fact for fact in paid_out}
    story = Story(cast, tells_each=True)
    for seq in sorted(facts):
        story.add(facts[seq])
    return PaymentStory(
        to_hex(payment_id),
        to_hex(answer.channel_id),
        "sent" if answer.is_ours else "received",
        checksum_address(cast.asset),
        str(answer.amount),
        answer.memo,
        str(answer.total),
        to_hex(answer.signature),
        None if answer.receipt is None else answer.receipt.seq,
        [_payout(fact) for fact in paid_out if isinstance(fact.event, events.WithdrawCompleted)],
        _payment_standing(scene, cast, answer, own),
        story.steps(),
        At(scene.view.seq),
    )


def _payouts(scene: _Scene, channel_id: ChannelId) -> list[Fact]:
    """How the channel was settled on the chain: nothing if it was not, or has no money there."""
    goals = [objective_id(kind, channel_id) for kind in ObjectiveType if kind not in _OPENINGS]
    begun = [fact.seq for goal in goals for fact in scene.facts((goal,), 0, 1)]
    if not begun:
        return []
    # Nothing is paid once a channel is being closed: what follows in it is little.
    closing = scene.facts((channel_id,), min(begun), _CLOSING_COUNT_MAX)
    return [fact for fact in closing if isinstance(fact.event, _Settled)]


def _payout(fact: Fact) -> Payout:
    event = fact.event
    assert isinstance(event, events.WithdrawCompleted)
    return Payout(
        fact.seq,
        checksum_address(event.recipient),
        str(amount_from_bytes(event.amount)),
        None if event.tx_hash is None else to_hex(event.tx_hash),
    )


def _first(scene: _Scene, channel_id: ChannelId, from_seq: int, kind: object) -> list[Fact]:
    """The first record of that kind in the channel: a list's own stands right behind it."""
    facts = scene.facts((channel_id,), from_seq, LOG_READ_SLICE_COUNT)
    return [fact for fact in facts if isinstance(fact.event, kind)][:1]  # type: ignore[arg-type]


def _payment_standing(
    scene: _Scene, cast: Cast, answer: PaymentAnswer, own: Sequence[Fact]
) -> Standing:
    refusals = [f for f in own if isinstance(f.event, events.VoucherRefusalReceived)]
    failures = [
        failure_of(fact.event.error_code, fact.event.reason, fact.seq)
        for fact in refusals
        if isinstance(fact.event, events.VoucherRefusalReceived)
    ]
    total = amount_words(cast.asset, answer.total)
    proof = f"The voucher for {total} covers it: with it the payee can be paid on chain, alone."
    if answer.receipt is not None:
        paid = f"The payee signed for it (record {answer.receipt.seq}). {proof}"
        return Standing("receipted", paid, [], [], _look(answer))
    if not answer.is_ours:
        return Standing("received", f"We accepted it. {proof}", [], [], _look(answer))
    if failures:
        what = f"The payee refused it, so it is sent again, and counts as spent. {proof}"
        return Standing("refused", what, [], failures, _look(answer))
    what = f"It left, or will when the payee is reached; its receipt is awaited. {proof}"
    return Standing("sent", what, [], [], _look(answer))


def _look(answer: PaymentAnswer) -> list[str]:
    return [f"tally explain {short_bytes(answer.channel_id)}"]


def _refused_story(scene: _Scene, payment_id: PaymentId, refused: Sequence[Fact]) -> PaymentStory:
    event = refused[-1].event
    assert isinstance(event, events.VoucherRefused)
    cast = _cast(scene, event.channel_id)
    story = Story(cast, tells_each=True)
    for fact in refused:
        story.add(fact)
    failures = [failure_of(event.error_code, event.reason, refused[-1].seq)]
    what = "We did not accept it and told the payer why; she may send it again."
    return PaymentStory(
        to_hex(payment_id),
        to_hex(event.channel_id),
        "refused",
        checksum_address(cast.asset),
        None,
        "",
        str(int.from_bytes(event.total, "big")),
        None,
        None,
        [],
        Standing("refused", what, [], failures, []),
        story.steps(),
        At(scene.view.seq),
    )
