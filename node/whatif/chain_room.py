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
from node.whatif.endpoints import Endpoints
from node.whatif.limits import BLOCK_TIME_S
from node.whatif.truth import Truth
from protocols import inputs
from protocols.channel import REDEMPTION_TURN, funding_terms
from protocols.effects import SubmitTransaction
from protocols.entities import NodeState
from protocols.transactions import APPROVE, DEPOSIT
from protocols.types import Address, ChannelId


class ChainRoom:
    """Mines and confirms what it is asked for, unless it is assumed to be silent or too dear."""

    def __init__(self, course: Course) -> None:
        self.is_silent = False
        self.is_undecided = False
        """Whether endpoints disagree on what counts: nothing new does, and nothing else happens."""
        self.hidden: set[ChannelId] = set()
        """Channels of which the node is told nothing."""
        self.truth = Truth()
        self.endpoints = Endpoints()
        self.no_deposit: set[ChannelId] = set()
        """Channels in which the other party never deposits."""
        self.paid_in: dict[Address, int] = {}
        """By asset: what our wallet would deposit."""
        self._course = course
        self.chain = AssumedChain(course.before)
        for channel_id in course.watched:
            for order in orders_under_way(course.state, channel_id):
                course.orders.wait(order, channel_id)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is mined."""
        return self.is_silent or self.is_undecided

    def true_state(self) -> NodeState:
        """The state with all channels as they are on chain, whatever an endpoint tells."""
        return self.truth.state(self._course.state, self._course.now_s)

    def happens(self, assumption: assume.Deposited | assume.Concluded | assume.Challenged) -> Going:
        """Somebody's call is mined, and confirmed. Raises UnknownChannel or ChallengeImpossible."""
        now_s = self._course.now_s
        channel = self.truth.of(self._course.channel(assumption.channel_id), now_s)
        self.chain.next_block(self._course.state, assumption.channel_id)
        if isinstance(assumption, assume.Deposited):
            facts = self.chain.deposited(channel, assumption.amount)
        elif isinstance(assumption, assume.Concluded):
            facts = self.chain.concluded(channel, None, now_s)
        else:
            candidate = shown_by_other(self._course.state, channel, assumption.turn_num)
            facts = self.chain.challenged(channel, candidate, now_s, channel.counterparty)
        for fact in facts:
            yield from self.tell(fact)
        if not isinstance(assumption, assume.Deposited):
            yield from self.confirm_all()

    def tell(self, fact: inputs.Input) -> Going:
        """The node is told what is true, as far as the endpoint in use does not hide it."""
        if isinstance(fact, inputs.ChainLog):
            if not fact.confirmed:
                self.truth.take(fact)
            if fact.channel_id in self.hidden or (fact.confirmed and self.is_undecided):
                return
        yield from self._course.feed(fact)

    def fork(self, block_count: int) -> Going:
        """What was seen in these blocks is taken back, and what was mined in them waits again."""
        course = self._course
        course.touched.update(dict.fromkeys(course.state.unconfirmed.channels))
        # Of what counted the chain is asked: its calls need not be mined anew.
        mined = set(course.state.unconfirmed.mined)
        yield from course.feed(self.chain.fork(course.state, block_count))
        for channel_id in course.concerned():
            if channel_id in course.state.channels:
                for order in orders_under_way(course.state, channel_id):
                    if order.intent_id in mined:
                        course.orders.wait(order, channel_id)

    def confirm(self, channel_id: ChannelId) -> Going:
        """A block of now, above all that is known of the channel: all up to it is confirmed."""
        self.chain.next_block(self._course.state, channel_id)
        yield from self.confirm_all()

    def answers(self) -> Going:
        """Questions are answered, orders mined, and the other parties do what is theirs to do."""
        course, now_s = self._course, self._course.now_s
        while course.questions:
            asked = course.questions.pop()
            yield from course.feed(self.chain.reading(course.state, self.true_state(), asked))
        if is_head_due(course.state, now_s):
            yield from self.confirm(b"")
        yield from self._hold_back() if course.orders.is_held_back else self._mine(now_s)
        for channel_id in course.concerned():
            known = course.state.channels.get(channel_id)
            if known is None or not known.turns:
                continue
            channel = self.truth.of(known, now_s)
            if not course.sessions.is_there(channel.counterparty):
                continue
            missing = 0 if channel_id in self.no_deposit else missing_deposit(channel)
            if missing:
                yield from self.happens(assume.Deposited(channel_id, missing))
            elif redeems_now(course.state, channel, now_s):
                yield from self.happens(assume.Challenged(channel_id, REDEMPTION_TURN))
            elif awaits_conclusion_by_other(channel):
                self.chain.next_block(course.state, channel_id)
                for fact in self.chain.concluded(channel, None, now_s):
                    yield from self.tell(fact)

    def confirm_all(self) -> Going:
        """All that was seen is confirmed, in a block of now, unless endpoints disagree."""
        course = self._course
        if self.is_undecided:
            return
        for fact in list(self.chain.confirmed(course.state)):
            self.chain.next_block(course.state, fact.channel_id)
            yield from course.feed(fact)
        yield from course.feed(self.chain.head(course.now_s))

    def _hold_back(self) -> Going:
        """Nothing of ours is mined; what has a deadline is noticed, once."""
        course, orders = self._course, self._course.orders
        price, ceiling = orders.gas_price_wei or 0, orders.fee_ceiling_wei or 0
        for order, _ in orders.waiting():
            blocks_left = max(0, order.deadline_s - course.now_s) // BLOCK_TIME_S
            place = (self.chain.block_num, blocks_left)
            yield from course.feed(
                inputs.TransactionHeldBack(order.intent_id, price, ceiling, *place)
            )

    def _mine(self, now_s: int) -> Going:
        """All that we ordered is in a block of now, and confirmed."""
        course = self._course
        for order, channel_id in course.orders.waiting():
            course.orders.mined(course.state, order)
            if order.kind not in (APPROVE, DEPOSIT) and course.state.unconfirmed.channels:
                yield from self.confirm_all()
            for fact in self.chain.mined(self.true_state(), order, channel_id, now_s):
                if isinstance(fact, inputs.TransactionReceipt) and fact.succeeded:
                    self._count_deposit(order, channel_id)
                yield from self.tell(fact)

    def _count_deposit(self, order: SubmitTransaction, channel_id: ChannelId) -> None:
        amount = deposit_of(order)
        if amount:
            asset = funding_terms(self._course.state.channels[channel_id]).asset
            self.paid_in[asset] = self.paid_in.get(asset, 0) + amount
