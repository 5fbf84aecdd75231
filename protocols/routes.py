"""Routes: whether a path would carry a virtual channel now, and what it would cost, hop by hop.

A query goes from hop to hop along its path, the answer comes back the same way, each hop putting
its own judgement before what its right neighbour said. Both are words between two sessions, not
facts: nothing is promised or set aside by them, so nothing is recorded (ADR 0039). A hop judges by
the rules by which it would take part, and tells others no balances.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec.structs import replace

from protocols import hub, ledgers
from protocols.app_definitions import rule_of
from protocols.app_errors import ReducerNotInstalled
from protocols.channel import Channel
from protocols.draft import HUB, PAYEE, PLAYER, Draft, Proposal
from protocols.error import ProtocolError
from protocols.errors import AppNotSupported, AssetNotSupported
from protocols.ledger import ADD
from protocols.objectives.base import ObjectiveType
from protocols.types import (
    UINT48_MAX,
    UINT256_MAX,
    ZERO_ADDRESS,
    Address,
    Amount,
    Amount32,
    amount_from_bytes,
    amount_to_bytes,
)
from protocols.virtual_errors import (
    HopNotReached,
    HopWithoutFunds,
    HopWithoutLedger,
    NotAHub,
    PathRefused,
)

PARTICIPANT_COUNT_MAX = 32
"""Of a path that is asked about: as many as a virtual channel may have."""
TIME_LEFT_MS_MAX = 30_000
"""How long an asker may have a hop remember its query."""
HOP_TIME_MS = 200
"""What a hop keeps of the time left, for its own answer to arrive before its asker gives up."""
TEXT_LENGTH_MAX = 256
"""Characters of a reason."""

Text = Annotated[str, msgspec.Meta(max_length=TEXT_LENGTH_MAX)]
QueryId = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]


class AppTerms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is asked about is an application's channel."""

    app_definition: Address
    """The contract."""
    reducer_id: Annotated[bytes, msgspec.Meta(max_length=32)]
    """sha256 of the code; empty if the asker does not say."""
    last_amount: Amount32
    """What the last end puts in."""


class RouteQuery(msgspec.Struct, frozen=True, array_like=True, tag="route-query", gc=False):
    """Would this path carry a channel? From the neighbour on the left."""

    query_id: QueryId
    """Drawn by each hop for its own question."""
    path: Annotated[tuple[Address, ...], msgspec.Meta(min_length=2, max_length=32)]
    """All participants, from the payer to the payee."""
    asset: Address
    amount: Amount32
    """What the first end puts in."""
    challenge_duration: Annotated[int, msgspec.Meta(ge=0, le=UINT48_MAX)]
    """Seconds."""
    time_left_ms: Annotated[int, msgspec.Meta(ge=0, le=TIME_LEFT_MS_MAX)]
    app: AppTerms | None = None
    """None for a payment channel."""


class Hop(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of one participant of the path."""

    participant: Address
    ok: bool
    fee: Amount32
    """What it would take as an intermediary; 0 where it is not ok, and for the ends."""
    error_code: Text = ""
    reason: Text = ""


class RouteAnswer(msgspec.Struct, frozen=True, array_like=True, tag="route-answer", gc=False):
    """The answering hop and all to its right, in path order."""

    query_id: QueryId
    hops: Annotated[tuple[Hop, ...], msgspec.Meta(max_length=PARTICIPANT_COUNT_MAX)]


def require_path(path: tuple[Address, ...], me: Address, asker: Address | None) -> int:
    """Our place on the path; `asker` is who asks, None if we are the payer. Raises PathRefused."""
    for hop, who in enumerate(path):
        if who == ZERO_ADDRESS:
            raise PathRefused(hop, who, "the zero address cannot sign")
        if who in path[:hop]:
            raise PathRefused(hop, who, "it is on the path twice")
    if not 2 <= len(path) <= PARTICIPANT_COUNT_MAX:
        raise PathRefused(len(path) - 1, me, f"2 to {PARTICIPANT_COUNT_MAX} participants are asked")
    place = path.index(me) if me in path else -1
    left = path[place - 1] if place > 0 else None
    if place < 0 or left != asker:
        raise PathRefused(max(0, place), me, "a hop is asked by its neighbour on the left")
    return place


def is_stuck(draft: Draft, query: RouteQuery, place: int) -> bool:
    """True if asking further to the right is no use: our own hop would refuse whatever comes."""
    return place == len(query.path) - 1 or not _own_hop(draft, query, place, None).ok


def answer(draft: Draft, query: RouteQuery, place: int, right: tuple[Hop, ...]) -> tuple[Hop, ...]:
    """Our hop and all to its right; `right` is what the right neighbour said, if it was asked."""
    own = _own_hop(draft, query, place, right)
    known = (own, *right)
    unasked = (
        Hop(who, False, amount_to_bytes(0), "NOT_ASKED", "a hop before it is in the way")
        for who in query.path[place + len(known) :]
    )
    return (*known, *unasked)


def not_reached(query: RouteQuery, place: int, reason: str) -> tuple[Hop, ...]:
    """What we know of our right neighbour when it did not answer."""
    participant = query.path[place + 1]
    error = HopNotReached(place + 1, participant, reason)
    return (_refused(participant, error, str(error)),)


def from_answer(query: RouteQuery, place: int, hops: tuple[Hop, ...]) -> tuple[Hop, ...]:
    """The right neighbour's answer, if it is about the rest of the path and costs a payable sum."""
    if tuple(hop.participant for hop in hops) != query.path[place + 1 :]:
        return not_reached(query, place, "its answer is about another path")
    if total_fee(hops) > UINT256_MAX:
        return not_reached(query, place, "its fees come to more than there is")
    return hops


def passed_on(query: RouteQuery, query_id: bytes) -> RouteQuery:
    """The query for our right neighbour, under our own id."""
    time_left_ms = max(0, query.time_left_ms - HOP_TIME_MS)
    return replace(query, query_id=query_id, time_left_ms=time_left_ms)


def total_fee(hops: tuple[Hop, ...]) -> Amount:
    """What these hops take together."""
    return sum(amount_from_bytes(hop.fee) for hop in hops)


def _own_hop(draft: Draft, query: RouteQuery, place: int, right: tuple[Hop, ...] | None) -> Hop:
    """Whether we would take part, by the rules of a virtual channel's acceptance; `right` is None
    while those to our right were not asked."""
    me, amount = draft.context.me, _total(query)
    is_hub = 0 < place < len(query.path) - 1
    fee = draft.context.fee_for(query.asset, amount) if is_hub else 0
    try:
        _require_app(draft, query, is_end=not is_hub)
        _require_part(draft, query, place, fee, None if right is None else total_fee(right))
    except ProtocolError as error:
        text = str(error) if place == 0 or isinstance(error, _TOLD) else error.next_step
        return _refused(me, error, text)
    if place == 0:
        return Hop(me, True, amount_to_bytes(0))
    role = HUB if is_hub else (PAYEE if query.app is None else PLAYER)
    kind, left = ObjectiveType.VIRTUAL_FUND, query.path[place - 1]
    duration = query.challenge_duration
    reducer_id = b"" if query.app is None else query.app.reducer_id
    asked = Proposal(left, kind, query.asset, 0, 0, duration, role, amount, fee, reducer_id)
    decision = draft.context.decide(asked)
    if decision.verdict == "deny":
        return Hop(me, False, amount_to_bytes(0), "POLICY_DENIED", decision.reason)
    reason = "its owner will be asked" if decision.verdict == "ask" else ""
    return Hop(me, True, amount_to_bytes(fee), "", reason)


_TOLD = (AppNotSupported, AssetNotSupported, HopWithoutLedger, NotAHub, ReducerNotInstalled)
"""Refusals whose values are no secret; of the others the asker hears what it can do."""


def _total(query: RouteQuery) -> Amount:
    """What each ledger of the path would guarantee."""
    last = 0 if query.app is None else amount_from_bytes(query.app.last_amount)
    return amount_from_bytes(query.amount) + last


def _require_app(draft: Draft, query: RouteQuery, *, is_end: bool) -> None:
    """Raise AppNotSupported or ReducerNotInstalled for an application that we could not open."""
    app = query.app
    if app is None:
        return
    if rule_of(draft.state.node, app.app_definition) is None:
        raise AppNotSupported(app.app_definition)
    if is_end and app.reducer_id and not draft.context.has_reducer(app.reducer_id):
        raise ReducerNotInstalled(app.reducer_id)


def _require_part(
    draft: Draft, query: RouteQuery, place: int, own_fee: int, fees: int | None
) -> None:
    """Raise what our acceptance would raise; `fees` are those of all to our right, None while they
    are not known: what the last end puts in pays a part of them."""
    path, asset, amount = query.path, query.asset, _total(query)
    first = amount_from_bytes(query.amount)
    last = 0 if fees is None else amount - first
    fees = fees or 0
    if asset != ZERO_ADDRESS and asset not in draft.context.assets:
        raise AssetNotSupported(asset)
    if place > 0:
        _require_ledger(draft, path[place - 1], asset, place - 1)
        _require_free(draft, path[place - 1], asset, place, last - fees - own_fee)
    if 0 < place < len(path) - 1:
        hub.require_terms(draft, asset, amount, own_fee)
    neighbours = path[max(0, place - 1) : place] + path[place + 1 : place + 2]
    for peer in neighbours:
        hub.require_exposure(draft, peer, asset, amount)
    if place == len(path) - 1:
        return
    right = path[place + 1]
    _require_ledger(draft, right, asset, place + 1)
    theirs = max(0, last - fees)
    if ledgers.choose(draft, right, asset, first + fees, theirs) is None:
        _require_free(draft, right, asset, place, first + fees)
        known = _open_ledgers(draft, right, asset)
        peers = max(map(ledgers.peers_balance, known))
        if peers >= theirs:
            hub.require_guarantee(draft, known[0].channel_id)
        raise HopWithoutFunds(place + 1, right, theirs, peers)


def _require_free(draft: Draft, peer: Address, asset: Address, hop: int, amount: Amount) -> None:
    """So much is ours and free in one of our ledgers with that peer. Raises HopWithoutFunds."""
    free = max(map(ledgers.free_balance, _open_ledgers(draft, peer, asset)))
    if free < amount:
        raise HopWithoutFunds(hop, draft.context.me, amount, free)


def _require_ledger(draft: Draft, peer: Address, asset: Address, hop: int) -> None:
    if not _open_ledgers(draft, peer, asset):
        raise HopWithoutLedger(hop, peer, asset)


def _open_ledgers(draft: Draft, peer: Address, asset: Address) -> list[Channel]:
    return [
        known
        for known in ledgers.ledgers_with(draft, peer)
        if known.ledger is not None
        and known.ledger.asset == asset
        and not ledgers.why_not_running(draft.state, known, ADD)
    ]


def _refused(participant: Address, error: ProtocolError, reason: str) -> Hop:
    return Hop(participant, False, amount_to_bytes(0), error.name(), reason[:TEXT_LENGTH_MAX])
