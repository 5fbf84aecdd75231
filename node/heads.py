"""Heads of logs between peers: ours is told to each with whom we have a channel, theirs is kept.

At each connection both sides say their newest head and which head of the other they hold; a new one
is told when it is durable, at most one a second. All of it are notes, which may be lost: the next
connection says it again. What is heard goes to the engine, which judges and records it.
"""

from __future__ import annotations

from typing import Protocol

import structlog
import trio

from node.limits import (
    HEAD_BURST_COUNT,
    HEAD_PEER_COUNT_MAX,
    HEAD_RATE_PER_S,
    HEAD_TOLD_INTERVAL_S,
    LOSS_LOOK_COUNT,
    LOSS_LOOK_INTERVAL_S,
    LOSS_PAUSE_S,
)
from node.p2p.interface import Submit
from node.p2p.rate import PeerBudgets
from node.store.log import EventLog
from protocols import inputs
from protocols.log_head import LogHead, require_signed
from protocols.node_state import NodeState
from protocols.notes import HeadHeld, HeadTold, encode_note
from protocols.peer_heads import owner_of
from protocols.types import Address, to_hex

logger = structlog.get_logger()


class Speaker(Protocol):
    """Who carries unnumbered words to peers."""

    def say(self, peer: Address, note: bytes) -> bool:
        """Queue a word; False if the peer will not hear it."""

    def connected(self) -> frozenset[Address]:
        """The peers with a live session."""

    def expel(self, peer: Address, duration_s: float) -> None:
        """End the session with `peer` and refuse a new one for `duration_s`."""


class Heads:
    """What this node tells and hears of heads. `run` it once."""

    def __init__(
        self,
        event_log: EventLog,
        state: NodeState,
        speaker: Speaker,
        submit: Submit,
    ) -> None:
        self._log = event_log
        self._state = state
        self._speaker = speaker
        self._submit = submit
        self._newest: LogHead | None = state.node.head if state.nodes else None
        """The newest that is durable: only that is told."""
        self._news = trio.Event()
        self._budgets = PeerBudgets(HEAD_RATE_PER_S, HEAD_BURST_COUNT, HEAD_PEER_COUNT_MAX)
        self._nursery: trio.Nursery | None = None

    async def run(self) -> None:
        """Tell peers of new heads until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                while True:
                    await self._news.wait()
                    self._news = trio.Event()
                    self._tell_all()
                    await trio.sleep(HEAD_TOLD_INTERVAL_S)
            finally:
                self._nursery = None

    def signed(self, head: LogHead) -> None:
        """A head of ours is durable: it is told soon."""
        self._newest = head
        self._news.set()

    def met(self, peer: Address) -> None:
        """A session with the peer begins."""
        if self._concerns(peer):
            self._tell(peer)
            held = self._state.peer(peer).head
            if held is not None:
                self._speaker.say(peer, encode_note(HeadHeld(held)))

    def hear(self, peer: Address, note: HeadTold | HeadHeld) -> None:
        """A peer's word. Raises `InvalidSignature` for a head that its node never signed.

        What comes too often, or while the engine has no room, is left for the next time.
        """
        if not self._concerns(peer) or not self._budgets.allow(peer, trio.current_time()):
            return
        ours = self._state.node
        if isinstance(note, HeadTold):
            require_signed(owner_of(ours, peer), note.head)
            self._submit.nowait(inputs.PeerHead(peer, note.head))
            return
        require_signed(owner_of(ours, ours.address), note.head)
        if self._nursery is not None:
            self._nursery.start_soon(self._weigh, peer, note.head)

    def _concerns(self, peer: Address) -> bool:
        """Whether there ever was money between us: strangers get nothing and can fill nothing."""
        return peer in self._state.agenda.proven

    async def _weigh(self, peer: Address, head: LogHead) -> None:
        """Look whether our log has the head that a peer holds of it, and hand that in."""
        log = self._log
        while log.tree.length < head.length and log.grow_tree():
            await trio.lowlevel.checkpoint()
        in_log = log.has_root(head.length, head.root)
        known_count = self._state.node.tail_cut_count
        await self._submit(inputs.HeldHead(peer, head, in_log))
        if not in_log:
            logger.error(
                "a peer holds a head that our log lost", peer=to_hex(peer), length=head.length
            )
            await self._begin_anew_after(known_count)

    async def _begin_anew_after(self, known_count: int) -> None:
        """If that told of a loss that nobody knew of, no count of messages holds any more: every
        session ends, and the next one tells all that counts again (M27)."""
        for _ in range(LOSS_LOOK_COUNT):
            if self._state.node.tail_cut_count > known_count:
                for peer in self._speaker.connected():
                    self._speaker.expel(peer, LOSS_PAUSE_S)
                return
            await trio.sleep(LOSS_LOOK_INTERVAL_S)

    def _tell_all(self) -> None:
        for peer in self._speaker.connected():
            if self._concerns(peer):
                self._tell(peer)

    def _tell(self, peer: Address) -> None:
        if self._newest is not None:
            self._speaker.say(peer, encode_note(HeadTold(self._newest)))
