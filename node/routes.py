"""Route queries: asked for the owner, answered and passed on for peers. Nothing of it is recorded.

A query is a word on a session, not a numbered message, so it may be lost: who waits gives up when
the query's time is over and names the hop that did not answer. What a peer may have us do is
bounded: queries a second, and queries that wait at once.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from typing import Protocol

import trio

from node.limits import (
    ROUTE_BURST_COUNT,
    ROUTE_PEER_COUNT_MAX,
    ROUTE_RATE_PER_S,
    ROUTE_WAITING_COUNT_MAX,
)
from node.p2p.rate import PeerBudgets
from protocols import routes
from protocols.draft import Draft
from protocols.notes import encode_note
from protocols.routes import AppTerms, Hop, RouteAnswer, RouteQuery
from protocols.types import Address, Amount, amount_to_bytes
from protocols.virtual_errors import PathRefused


class Speaker(Protocol):
    """Who carries unnumbered words to peers."""

    def say(self, peer: Address, note: bytes) -> bool:
        """Queue a word; False if the peer will not hear it."""


class _Waiting:
    """A question on its way, and what came back."""

    def __init__(self) -> None:
        self.heard = trio.Event()
        self.hops: tuple[Hop, ...] = ()


class Routes:
    """The questions this node asks about paths, and its answers. `run` it once."""

    def __init__(self, me: Address, speaker: Speaker, draft: Callable[[], Draft]) -> None:
        """`draft` gives what the node believes now, to judge by; it is thrown away after."""
        self._me = me
        self._speaker = speaker
        self._draft = draft
        self._waiting: dict[tuple[Address, bytes], _Waiting] = {}
        self._budgets = PeerBudgets(ROUTE_RATE_PER_S, ROUTE_BURST_COUNT, ROUTE_PEER_COUNT_MAX)
        self._nursery: trio.Nursery | None = None

    async def run(self) -> None:
        """Pass queries on until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                await trio.sleep(math.inf)
            finally:
                self._nursery = None

    async def quote(
        self,
        path: tuple[Address, ...],
        asset: Address,
        amount: Amount,
        challenge_duration: int,
        timeout_ms: int,
        app: AppTerms | None = None,
    ) -> tuple[Hop, ...]:
        """What every participant says of a channel of ours; `path` is who comes after us, `app`
        what an application's is like.

        Takes at most `timeout_ms`. Raises PathRefused.
        """
        whole = (self._me, *path)
        query = RouteQuery(
            bytes(16), whole, asset, amount_to_bytes(amount), challenge_duration, timeout_ms, app
        )
        return await self._ask(query, routes.require_path(whole, self._me, None))

    def hear(self, peer: Address, note: RouteQuery | RouteAnswer) -> None:
        """A peer's word: an answer that somebody waits for, or a query."""
        if isinstance(note, RouteAnswer):
            waiting = self._waiting.get((peer, note.query_id))
            if waiting is not None:
                waiting.hops = note.hops
                waiting.heard.set()
            return
        if self._nursery is None or not self._budgets.allow(peer, trio.current_time()):
            return
        try:
            place = routes.require_path(note.path, self._me, peer)
        except PathRefused:
            return
        self._nursery.start_soon(self._serve, peer, note, place)

    async def _serve(self, asker: Address, query: RouteQuery, place: int) -> None:
        hops = await self._ask(query, place)
        self._speaker.say(asker, encode_note(RouteAnswer(query.query_id, hops)))

    async def _ask(self, query: RouteQuery, place: int) -> tuple[Hop, ...]:
        """Our hop and all to the right of it."""
        if routes.is_stuck(self._draft(), query, place):
            return routes.answer(self._draft(), query, place, ())
        right = await self._ask_right(query, place)
        return routes.answer(self._draft(), query, place, right)

    async def _ask_right(self, query: RouteQuery, place: int) -> tuple[Hop, ...]:
        if len(self._waiting) >= ROUTE_WAITING_COUNT_MAX:
            return routes.not_reached(query, place, "too many queries wait for answers")
        peer, query_id = query.path[place + 1], secrets.token_bytes(16)
        waiting = self._waiting[peer, query_id] = _Waiting()
        try:
            if not self._speaker.say(peer, encode_note(routes.passed_on(query, query_id))):
                return routes.not_reached(query, place, "it is not connected")
            with trio.move_on_after(query.time_left_ms / 1_000):
                await waiting.heard.wait()
        finally:
            del self._waiting[peer, query_id]
        if not waiting.heard.is_set():
            return routes.not_reached(query, place, "the time was over")
        return routes.from_answer(query, place, waiting.hops)
