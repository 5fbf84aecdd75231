"""One process's way to a chain that forks, through endpoints that may lie.

The blocks it saw are in the node's own window, which says what is observed, what counts and what a
fork takes back; how it is read is the follower's of the chain room, without its waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from msgspec import Struct

from node.chain.fees import Moment
from node.chain.quorum import Outvoted
from node.chain.window import REMEMBERED_BELOW_CURSOR_COUNT, ConfirmationWindow
from node.chain.wire import Header
from protocols import inputs
from protocols.effects import BroadcastTransaction, ReadHoldings, SubmitTransaction
from protocols.types import Address, Bytes32, ChannelId
from tests.simulation.simulator.chain import LATE_SHARE, REPEATED_SHARE, ChainRoom
from tests.simulation.simulator.endpoints import Endpoint, Endpoints
from tests.simulation.simulator.forking import BLOCK_S, ForkingChain
from tests.simulation.simulator.sender import Sender

REPORT_S = 10.0
"""Seconds between reports of a risen cursor when no log gives reason to."""


class Cursor(Struct, frozen=True):
    """What the log remembers of the chain, as the daemon gathers it."""

    block_num: int
    blocks: Mapping[int, Bytes32]
    nonce_min: int


class ForkingRoom(ChainRoom):
    """Reads, confirms, takes back, and sends."""

    def __init__(
        self,
        chain: ForkingChain,
        me: Address,
        cursor: Cursor,
        *,
        hand_in: Callable[[inputs.Input], None],
        random: Random,
        endpoints: Endpoints,
        clock_s: Callable[[], float],
        is_known: Callable[[ChannelId], bool],
    ) -> None:
        super().__init__(chain, me, cursor.block_num, hand_in=hand_in, random=random)
        self._forking = chain
        self._endpoints = endpoints
        self._clock_s = clock_s
        self._is_known = is_known
        self._remembered = dict(cursor.blocks)
        self._first_num = max(0, cursor.block_num)
        self._window: ConfirmationWindow | None = None
        self._due: list[inputs.Input] = []
        self._reported_num = self._first_num
        self._reported_s = clock_s()
        self.sender = Sender(chain, me, cursor.nonce_min, hand_in=self._due.append, clock_s=clock_s)
        self.seen_num = 0
        """The newest block it has read."""

    def request(self, effect: SubmitTransaction) -> None:
        self.sender.inbox.request(effect)

    def broadcast(self, effect: BroadcastTransaction) -> None:
        self.sender.inbox.broadcast(effect)

    def settle(self, intent_id: Bytes32) -> None:
        self.sender.inbox.settle(intent_id)

    @property
    def is_idle(self) -> bool:
        window, chain = self._window, self._forking
        is_level = (
            window is not None
            and window.head.hash == chain.header(len(chain.blocks)).hash
            and window.cursor.number >= chain.confirmed_num
        )
        return is_level and not self._questions and self.sender.is_idle

    def look(self, *, is_punctual: bool) -> None:
        if self.is_down or (not is_punctual and self._random.random() < LATE_SHARE):
            return
        self._endpoints.look()
        used = self._endpoints.used
        window = self._window = self._window or self._begin()
        try:
            self._advance(window, used)
            if not self._confirm(window, used):
                self._endpoints.changed_its_word()
                self._take_back(window)
                self._advance(window, used)
                self._confirm(window, used)
            self._answer_questions(window)
        except Outvoted:
            self._take_back(window)
        self._report(window)
        head = window.head
        moment = Moment(head.number, max(head.timestamp_s, 1), float(BLOCK_S))
        is_heard = not self._endpoints.used.swallows
        self.sender.look(moment, self._forking.depth, is_heard=is_heard)
        due, self._due[:] = list(self._due), []
        for item in due:
            self._hand_in(item)
            if not is_punctual and self._random.random() < REPEATED_SHARE:
                self._hand_in(item)
        self.seen_num = head.number

    # --- as the follower of the chain room does it ---

    def _begin(self) -> ConfirmationWindow:
        base = self._forking.header(min(self._first_num, len(self._forking.blocks)))
        remembered = self._remembered.pop(base.number, base.hash)
        if remembered != base.hash:
            base = self._base_below(Header(base.number, remembered, bytes(32)))
        self._reported_num = base.number
        waits = self._forking.depth > 0 or self._endpoints.quorum > 1
        return ConfirmationWindow(self._forking.depth, base, waits=waits)

    def _base_below(self, replaced: Header) -> Header:
        first_num = max(1, replaced.number - REMEMBERED_BELOW_CURSOR_COUNT)
        self._remembered.clear()
        first = self._forking.header(first_num)
        self._due.append(inputs.ChainReorg(first_num, replaced.hash, first.hash))
        return self._forking.header(first_num - 1)

    def _advance(self, window: ConfirmationWindow, used: Endpoint) -> None:
        number = window.head.number
        while number and self._forking.header(number) != window.at(number):
            number -= 1
        if number < window.lowest.number:
            window.restart_at(self._base_below(window.lowest))
            number = window.head.number
        ancestor = window.at(number)
        assert ancestor is not None
        if ancestor != window.head and used.head_num > number:
            fork = window.rewind(ancestor)
            if fork.below_cursor:
                self._reported_num = window.cursor.number
            new = self._forking.header(number + 1)
            old = fork.first_replaced
            self._due.append(inputs.ChainReorg(old.number, old.hash, new.hash))
        if ancestor != window.head:
            return
        for place in range(number + 1, used.head_num + 1):
            block = self._forking.header(place)
            self._compare(block)
            self._deliver(window.append(block, used.logs(place)))

    def _compare(self, block: Header) -> None:
        remembered = self._remembered.pop(block.number, None)
        if remembered is not None and remembered != block.hash:
            self._remembered = {n: h for n, h in self._remembered.items() if n < block.number}
            self._due.append(inputs.ChainReorg(block.number, remembered, block.hash))

    def _confirm(self, window: ConfirmationWindow, used: Endpoint) -> bool:
        ripe, cursor = window.ripe, window.cursor
        if ripe == cursor or used.head_num < ripe.number:
            return True

        def ask(endpoint: Endpoint) -> object:
            numbers = range(cursor.number + 1, ripe.number + 1)
            return tuple(log for number in numbers for log in endpoint.logs(number))

        what = f"blocks {cursor.number + 1} to {ripe.number}"
        ours = window.logs_above_cursor(ripe)
        if ask(used) != ours:
            return False
        if self._endpoints.agree(what, ripe.number, ours, ask):
            self._deliver(window.confirm())
        return True

    def _deliver(self, due: list[inputs.ChainLog]) -> None:
        ours = [item for item in due if self._is_known(item.channel_id)]
        self._due += ours
        if any(item.confirmed for item in ours):
            self._reported_s = -REPORT_S

    def _take_back(self, window: ConfirmationWindow) -> None:
        first = window.at(window.cursor.number + 1)
        if first is not None:
            window.restart_at(window.cursor)
            self._due.append(inputs.ChainReorg(first.number, first.hash, first.hash))

    def _report(self, window: ConfirmationWindow) -> None:
        cursor, now_s = window.cursor, self._clock_s()
        if cursor.number > self._reported_num and now_s - self._reported_s >= REPORT_S:
            self._reported_num, self._reported_s = cursor.number, now_s
            self._due.append(inputs.ChainHead(cursor.number, cursor.hash, cursor.timestamp_s))

    def _answer_questions(self, window: ConfirmationWindow) -> None:
        cursor, head = window.cursor, window.head
        questions, self._questions = self._questions, []
        for question in questions:
            self._reported_s = -REPORT_S
            self._report(window)
            held = self._forking.held_at(question.channel_id, cursor.number)
            ends_at = self._forking.ends_at(question.channel_id, head.number)
            place = (held, cursor.number, cursor.hash, ends_at)
            self._due.append(inputs.ChannelRead(question.channel_id, question.asset, *place))

    def read(self, effect: ReadHoldings) -> None:
        if effect not in self._questions:
            self._questions.append(effect)
