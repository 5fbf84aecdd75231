"""Heads go to peers with whom there is money, both ways and within bounds; losses are made good."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from node.heads import Heads
from node.limits import HEAD_BURST_COUNT, HEAD_TOLD_INTERVAL_S
from protocols import inputs
from protocols.errors import InvalidSignature
from protocols.log_head import LogHead, sign_head
from protocols.notes import HeadHeld, HeadTold, Note, decode_note
from protocols.peer_heads import owner_of
from protocols.types import Address
from tests.support.actors import ALICE, BOB, IRENE, Actor
from tests.support.engine_rig import Rig, opened, pay

ROOT = b"\x01" * 32


class Room:
    """ALICE's heads, between a real engine and peers that write down what they hear."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.said: list[tuple[Address, Note]] = []
        self.there = frozenset({BOB.address, IRENE.address})
        self.taken: list[inputs.Input] = []
        self.expelled: list[Address] = []
        self.heads = Heads(rig.log, rig.state, self, self)
        rig.engine.on_head = self.heads.signed

    def say(self, peer: Address, note: bytes) -> bool:
        self.said.append((peer, decode_note(note)))
        return True

    def connected(self) -> frozenset[Address]:
        return self.there

    def expel(self, peer: Address, duration_s: float) -> None:
        self.expelled.append(peer)

    async def __call__(self, item: inputs.Input, /) -> None:
        self.nowait(item)

    def nowait(self, item: inputs.Input, /) -> bool:
        self.taken.append(item)
        return self.rig.engine.nowait(item)

    def prompt(self) -> None:
        pass

    def head(self, length: int, by: Actor = BOB, root: bytes = ROOT) -> LogHead:
        return sign_head(owner_of(self.rig.state.node, by.address), length, root, by.signer)


@asynccontextmanager
async def running() -> AsyncIterator[Room]:
    room = Room(await opened())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.heads.run)
        await wait_all_tasks_blocked()
        yield room
        nursery.cancel_scope.cancel()


async def test_a_new_head_is_told_to_peers_with_whom_there_is_money() -> None:
    async with running() as room:
        head = room.rig.engine.sign_head()
        await wait_all_tasks_blocked()
        assert room.said == [(BOB.address, HeadTold(head))]


async def test_heads_in_quick_succession_are_told_as_the_newest(autojump_clock: MockClock) -> None:
    async with running() as room:
        first = room.rig.engine.sign_head()
        await wait_all_tasks_blocked()
        for number in range(1, 6):
            await room.rig.answer(pay(1, number))
            newest = room.rig.engine.sign_head()
        await wait_all_tasks_blocked()
        assert [note.head for _, note in room.said] == [first]
        await trio.sleep(HEAD_TOLD_INTERVAL_S * 1.5)
        assert [note.head for _, note in room.said] == [first, newest]


async def test_both_newest_heads_are_told_at_a_connection() -> None:
    async with running() as room:
        room.heads.met(BOB.address)
        assert room.said == []
        ours, theirs = room.rig.engine.sign_head(), room.head(1_000)
        await wait_all_tasks_blocked()
        room.heads.hear(BOB.address, HeadTold(theirs))
        await room.rig.work()
        room.said.clear()
        room.heads.met(BOB.address)
        room.heads.met(IRENE.address)
        assert room.said == [(BOB.address, HeadTold(ours)), (BOB.address, HeadHeld(theirs))]


async def test_after_a_restart_the_recorded_head_is_told() -> None:
    rig = await opened()
    head = rig.engine.sign_head()
    room = Room(rig.restarted())
    room.heads.met(BOB.address)
    assert room.said == [(BOB.address, HeadTold(head))]


async def test_a_head_of_a_peer_is_handed_in_and_kept() -> None:
    async with running() as room:
        room.heads.hear(BOB.address, HeadTold(room.head(1_000)))
        await room.rig.work()
        assert room.rig.state.peer(BOB.address).head == room.head(1_000)


@pytest.mark.parametrize("kind", [HeadTold, HeadHeld])
async def test_a_head_that_its_node_did_not_sign_is_refused(kind: type) -> None:
    async with running() as room:
        with pytest.raises(InvalidSignature):
            room.heads.hear(BOB.address, kind(room.head(1_000, by=IRENE)))
        assert room.taken == []


async def test_strangers_are_not_heard() -> None:
    async with running() as room:
        room.heads.hear(IRENE.address, HeadTold(room.head(1_000, by=IRENE)))
        room.heads.hear(IRENE.address, HeadHeld(room.head(1, by=ALICE)))
        await wait_all_tasks_blocked()
        assert room.taken == []


async def test_a_flood_of_heads_is_not_heard(autojump_clock: MockClock) -> None:
    async with running() as room:
        for length in range(1, 50):
            room.heads.hear(BOB.address, HeadTold(room.head(length)))
        assert len(room.taken) == HEAD_BURST_COUNT
        await trio.sleep(1.0)
        room.heads.hear(BOB.address, HeadTold(room.head(1_000)))
        assert len(room.taken) == HEAD_BURST_COUNT + 1


async def test_a_held_head_is_looked_up_in_our_log() -> None:
    async with running() as room:
        ours = room.rig.engine.sign_head()
        longer = room.head(ours.length + 100, by=ALICE)
        forked = room.head(ours.length, by=ALICE, root=b"\x02" * 32)
        for head in (ours, longer, forked):
            room.heads.hear(BOB.address, HeadHeld(head))
            await wait_all_tasks_blocked()
        assert room.taken == [
            inputs.HeldHead(BOB.address, ours, True),
            inputs.HeldHead(BOB.address, longer, False),
            inputs.HeldHead(BOB.address, forked, False),
        ]


async def test_a_held_head_that_the_tree_lacks_still_is_looked_up() -> None:
    rig = await opened()
    head = rig.engine.sign_head()
    room = Room(rig.restarted())
    assert room.rig.log.tree.lag_count > 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.heads.run)
        await wait_all_tasks_blocked()
        room.heads.hear(BOB.address, HeadHeld(head))
        await wait_all_tasks_blocked()
        assert room.taken == [inputs.HeldHead(BOB.address, head, True)]
        nursery.cancel_scope.cancel()
    # A room that does not run looks nothing up, and says nothing.
    room.heads.hear(BOB.address, HeadHeld(head))
    assert len(room.taken) == 1


async def test_a_head_that_our_log_lost_ends_every_session_once(autojump_clock: MockClock) -> None:
    async with running() as room:
        lost = room.head(room.rig.log.next_seq, ALICE)
        for _ in range(2):
            room.heads.hear(BOB.address, HeadHeld(lost))
            await trio.sleep(1.0)
            await room.rig.work()
            await trio.sleep(10.0)
        assert sorted(room.expelled) == sorted(room.there)
        assert room.rig.state.node.tail_cut_count == 1


async def test_a_log_contains_its_own_heads_and_no_others() -> None:
    async with running() as room:
        head = room.rig.engine.sign_head()
        assert room.rig.log.has_root(head.length, head.root)
        assert not room.rig.log.has_root(head.length, ROOT)
        assert not room.rig.log.has_root(head.length + 100, head.root)
        assert not room.rig.log.has_root(head.length - 1, head.root)
