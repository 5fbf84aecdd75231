"""The chain's part in a simulation: what becomes of our orders, and what others do on the chain."""

from __future__ import annotations

from node.whatif import assumptions as assume
from node.whatif.chain import (
    AssumedChain,
    awaits_conclusion_by_other,
    deposit_of,
    is_head_due,
    missing_deposit,
    orders_under_way,
)
from node.whatif.course import Course, Going
from node.whatif.disputes import redeems_now, shown_by_other
from node.whatif.limits import BLOCK_TIME_S
from protocols import inputs
from protocols.channel import REDEMPTION_TURN, funding_terms
from protocols.effects import SubmitTransaction
from protocols.transactions import APPROVE, DEPOSIT
from protocols.types import Address, ChannelId


class ChainRoom:
    """Mines and confirms what it is asked for, unless it is assumed to be silent or too dear."""

    def __init__(self, course: Course) -> None:
        self.is_silent = False
        self.no_deposit: set[ChannelId] = set()
        """Channels in which the other party never deposits."""
        self.paid_in: dict[Address, int] = {}
        """By asset: what our wallet would deposit."""
        self._course = course
        self._chain = AssumedChain(course.before)
        for channel_id in course.watched:
            for order in orders_under_way(course.state, channel_id):
                course.orders.wait(order, channel_id)

    def happens(self, assumption: assume.Deposited | assume.Concluded | assume.Challenged) -> Going:
        """Somebody's call is mined, and confirmed. Raises UnknownChannel or ChallengeImpossible."""
        channel = self._course.channel(assumption.channel_id)
        self._chain.next_block(self._course.state, assumption.channel_id)
        now_s = self._course.now_s
        if isinstance(assumption, assume.Deposited):
            facts = self._chain.deposited(channel, assumption.amount)
        elif isinstance(assumption, assume.Concluded):
            facts = self._chain.concluded(channel, None, now_s)
        else:
            candidate = shown_by_other(self._course.state, channel, assumption.turn_num)
            facts = self._chain.challenged(channel, candidate, now_s, channel.counterparty)
        for fact in facts:
            yield from self._course.feed(fact)
        if not isinstance(assumption, assume.Deposited):
            yield from self._confirm_all()

    def fork(self, block_count: int) -> Going:
        """What was seen in these blocks is taken back, and what was mined in them waits again."""
        course = self._course
        course.touched.update(dict.fromkeys(course.state.unconfirmed.channels))
        # Of what counted the chain is asked: its calls need not be mined anew.
        mined = set(course.state.unconfirmed.mined)
        yield from course.feed(self._chain.fork(course.state, block_count))
        for channel_id in course.concerned():
            if channel_id in course.state.channels:
                for order in orders_under_way(course.state, channel_id):
                    if order.intent_id in mined:
                        course.orders.wait(order, channel_id)

    def confirm(self, channel_id: ChannelId) -> Going:
        """A block of now, above all that is known of the channel: all up to it is confirmed."""
        self._chain.next_block(self._course.state, channel_id)
        yield from self._confirm_all()

    def answers(self) -> Going:
        """Questions are answered, orders mined, and the other parties do what is theirs to do."""
        course, now_s = self._course, self._course.now_s
        while course.questions:
            yield from course.feed(self._chain.reading(course.state, course.questions.pop()))
        if is_head_due(course.state, now_s):
            yield from self.confirm(b"")
        yield from self._hold_back() if course.orders.is_held_back else self._mine(now_s)
        for channel_id in course.concerned():
            channel = course.state.channels.get(channel_id)
            if channel is None or not channel.turns:
                continue
            if not course.sessions.is_there(channel.counterparty):
                continue
            missing = 0 if channel_id in self.no_deposit else missing_deposit(channel)
            if missing:
                yield from self.happens(assume.Deposited(channel_id, missing))
            elif redeems_now(course.state, channel, now_s):
                yield from self.happens(assume.Challenged(channel_id, REDEMPTION_TURN))
            elif awaits_conclusion_by_other(channel):
                self._chain.next_block(course.state, channel_id)
                for fact in self._chain.concluded(channel, None, now_s):
                    yield from course.feed(fact)

    def _confirm_all(self) -> Going:
        """All that was seen is confirmed, in a block of now."""
        course = self._course
        for fact in list(self._chain.confirmed(course.state)):
            self._chain.next_block(course.state, fact.channel_id)
            yield from course.feed(fact)
        yield from course.feed(self._chain.head(course.now_s))

    def _hold_back(self) -> Going:
        """Nothing of ours is mined; what has a deadline is noticed, once."""
        course, orders = self._course, self._course.orders
        price, ceiling = orders.gas_price_wei or 0, orders.fee_ceiling_wei or 0
        for order, _ in orders.waiting():
            blocks_left = max(0, order.deadline_s - course.now_s) // BLOCK_TIME_S
            place = (self._chain.block_num, blocks_left)
            yield from course.feed(
                inputs.TransactionHeldBack(order.intent_id, price, ceiling, *place)
            )

    def _mine(self, now_s: int) -> Going:
        """All that we ordered is in a block of now, and confirmed."""
        course = self._course
        for order, channel_id in course.orders.waiting():
            self._count_deposit(order, channel_id)
            course.orders.mined(order)
            if order.kind not in (APPROVE, DEPOSIT) and course.state.unconfirmed.channels:
                yield from self._confirm_all()
            for fact in self._chain.mined(course.state, order, channel_id, now_s):
                yield from course.feed(fact)

    def _count_deposit(self, order: SubmitTransaction, channel_id: ChannelId) -> None:
        amount = deposit_of(order)
        if amount:
            asset = funding_terms(self._course.state.channels[channel_id]).asset
            self.paid_in[asset] = self.paid_in.get(asset, 0) + amount
