"""Queries travel along a path and answers come back; what is silent is named in time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from node.limits import ROUTE_BURST_COUNT, ROUTE_PEER_COUNT_MAX, ROUTE_WAITING_COUNT_MAX
from node.routes import Routes
from protocols.draft import Draft
from protocols.notes import Note, decode_note
from protocols.routes import Hop, RouteAnswer, RouteQuery
from protocols.types import ZERO_ADDRESS, Address, amount_to_bytes
from protocols.virtual_errors import PathRefused
from tests.support.actors import ALICE, BOB, IRENE, IVAN, Actor
from tests.support.builders import DURATION_S
from tests.support.ledger_nodes import ledger_between, node_with

LINE = (ALICE, IVAN, IRENE, BOB)
PATH = tuple(actor.address for actor in LINE)


class Wire:
    """Nodes in a row, each with a ledger to the next; words arrive at once."""

    def __init__(self) -> None:
        self.rooms: dict[Address, Routes] = {}
        self.deaf: set[Address] = set()
        """Connected, and silent."""
        self.gone: set[Address] = set()
        self.said: list[tuple[Address, Address, Note]] = []
        for place, actor in enumerate(LINE):
            speaker = _Speaker(self, actor.address)
            self.rooms[actor.address] = Routes(actor.address, speaker, self._drafts(place))

    def _drafts(self, place: int) -> object:
        actor, channels = LINE[place], []
        if place > 0:
            channels.append(ledger_between(LINE[place - 1], actor, (1_000, 1_000), 1))
        if place + 1 < len(LINE):
            channels.append(ledger_between(actor, LINE[place + 1], (1_000, 1_000), 0))
        return lambda: node_with(actor, *channels)

    def room(self, actor: Actor) -> Routes:
        return self.rooms[actor.address]

    async def quote(self, amount: int = 100, timeout_ms: int = 5_000) -> tuple[Hop, ...]:
        quoted = self.room(ALICE).quote(PATH[1:], ZERO_ADDRESS, amount, DURATION_S, timeout_ms)
        return await quoted


class _Speaker:
    def __init__(self, wire: Wire, me: Address) -> None:
        self._wire = wire
        self._me = me

    def say(self, peer: Address, note: bytes) -> bool:
        if peer in self._wire.gone:
            return False
        word = decode_note(note)
        self._wire.said.append((self._me, peer, word))
        if peer not in self._wire.deaf and peer in self._wire.rooms:
            self._wire.rooms[peer].hear(self._me, word)
        return True


@asynccontextmanager
async def wired() -> AsyncIterator[Wire]:
    wire = Wire()
    async with trio.open_nursery() as nursery:
        for room in wire.rooms.values():
            nursery.start_soon(room.run)
        await wait_all_tasks_blocked()
        yield wire
        nursery.cancel_scope.cancel()


async def test_a_quote_has_every_participant_and_the_fees_of_the_hubs() -> None:
    async with wired() as wire:
        hops = await wire.quote()
    assert [hop.participant for hop in hops] == list(PATH)
    assert all(hop.ok for hop in hops)
    assert [int.from_bytes(hop.fee, "big") for hop in hops] == [0, 10, 10, 0]


async def test_each_hop_asks_under_a_number_of_its_own_and_with_less_time() -> None:
    async with wired() as wire:
        await wire.quote()
    queries = [note for _, _, note in wire.said if isinstance(note, RouteQuery)]
    assert len({query.query_id for query in queries}) == 3
    assert [query.time_left_ms for query in queries] == [4_800, 4_600, 4_400]


async def test_a_hop_that_is_away_is_named_by_its_neighbour() -> None:
    async with wired() as wire:
        wire.gone.add(BOB.address)
        hops = await wire.quote()
    assert [hop.ok for hop in hops] == [True, True, True, False]
    assert (hops[3].error_code, "not connected" in hops[3].reason) == ("HOP_NOT_REACHED", True)


async def test_a_silent_hop_is_named_when_the_time_is_over(autojump_clock: MockClock) -> None:
    async with wired() as wire:
        wire.deaf.add(IRENE.address)
        started_s = trio.current_time()
        hops = await wire.quote(timeout_ms=2_000)
        assert trio.current_time() - started_s <= 2.0
    assert [hop.error_code for hop in hops] == ["", "", "HOP_NOT_REACHED", "NOT_ASKED"]
    assert "time was over" in hops[2].reason


async def test_an_answer_to_nobodys_question_is_nothing() -> None:
    async with wired() as wire:
        wire.room(ALICE).hear(IVAN.address, RouteAnswer(b"x" * 16, ()))
        hops = await wire.quote()
    assert all(hop.ok for hop in hops)


async def test_only_the_neighbour_that_was_asked_can_answer(autojump_clock: MockClock) -> None:
    async with wired() as wire:
        wire.deaf.add(IVAN.address)
        async with trio.open_nursery() as nursery:
            answers: list[tuple[Hop, ...]] = []

            async def ask() -> None:
                answers.append(await wire.quote(timeout_ms=1_000))

            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            ((_, _, asked),) = wire.said
            fake = tuple(Hop(who, True, amount_to_bytes(0)) for who in PATH[1:])
            wire.room(ALICE).hear(IRENE.address, RouteAnswer(asked.query_id, fake))
    assert answers[0][1].error_code == "HOP_NOT_REACHED"


async def test_a_path_that_cannot_be_is_refused_at_once() -> None:
    async with wired() as wire:
        with pytest.raises(PathRefused):
            await wire.room(ALICE).quote((ALICE.address,), ZERO_ADDRESS, 1, DURATION_S, 100)


def query(path: tuple[Address, ...] = PATH) -> RouteQuery:
    return RouteQuery(b"q" * 16, path, ZERO_ADDRESS, amount_to_bytes(1), DURATION_S, 1_000)


async def test_a_query_of_somebody_else_or_on_another_path_is_not_answered() -> None:
    async with wired() as wire:
        wire.room(IVAN).hear(BOB.address, query())
        wire.room(IVAN).hear(ALICE.address, query((ALICE.address, BOB.address)))
        await wait_all_tasks_blocked()
        assert not wire.said


async def test_who_asks_too_often_is_not_heard_until_time_passed(
    autojump_clock: MockClock,
) -> None:
    async with wired() as wire:
        wire.deaf.add(ALICE.address)

        def answered() -> int:
            return sum(
                isinstance(note, RouteAnswer) for who, _, note in wire.said if who == PATH[1]
            )

        for _ in range(int(ROUTE_BURST_COUNT) + 5):
            wire.room(IVAN).hear(ALICE.address, query())
        await wait_all_tasks_blocked()
        assert answered() == ROUTE_BURST_COUNT
        await trio.sleep(1.0)
        wire.room(IVAN).hear(ALICE.address, query())
        await wait_all_tasks_blocked()
        assert answered() == ROUTE_BURST_COUNT + 1


async def test_budgets_of_a_bounded_number_of_peers_are_remembered() -> None:
    async with wired() as wire:
        for number in range(ROUTE_PEER_COUNT_MAX + 5):
            wire.room(IVAN).hear(number.to_bytes(20, "big"), query())
        assert len(wire.room(IVAN)._budgets._buckets) == ROUTE_PEER_COUNT_MAX


async def test_a_bounded_number_of_questions_waits(autojump_clock: MockClock) -> None:
    async with wired() as wire:
        wire.deaf.add(IVAN.address)
        answers: list[tuple[Hop, ...]] = []

        async def ask() -> None:
            answers.append(await wire.quote(timeout_ms=1_000))

        async with trio.open_nursery() as nursery:
            for _ in range(ROUTE_WAITING_COUNT_MAX + 1):
                nursery.start_soon(ask)
    assert sum("too many" in hops[1].reason for hops in answers) == 1


async def test_a_room_that_does_not_run_answers_nobody() -> None:
    wire = Wire()
    wire.room(IVAN).hear(ALICE.address, query())
    assert not wire.said


def test_a_draft_is_what_a_room_judges_by() -> None:
    assert isinstance(node_with(IVAN), Draft)
