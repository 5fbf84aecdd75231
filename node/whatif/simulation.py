"""The simulation: a copy of the state, a clock of its own, and what all others are assumed to do.

Inputs pass the same crank and the same fold as the node's own. Steps are generators that stop
between two cranks, so that whoever drives one can let others go first; the node goes on meanwhile,
and nothing of that is seen here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from msgspec.structs import replace

from node.whatif import assumptions as assume
from node.whatif import peers
from node.whatif.chain import (
    AssumedChain,
    awaits_conclusion_by_other,
    deposit_of,
    is_head_due,
    missing_deposit,
    orders_under_way,
)
from node.whatif.copying import still, working_copy
from node.whatif.costs import gas_of
from node.whatif.disputes import redeems_now, shown_by_other
from node.whatif.errors import NotPossible, TooLarge
from node.whatif.limits import (
    BLOCK_TIME_S,
    EVENT_COUNT_MAX,
    ROUND_COUNT_MAX,
    TICK_COUNT_MAX,
    WATCHED_COUNT_MAX,
)
from node.whatif.placeholders import keyless
from node.whatif.report import Awaited, Recorded, Sent, Step, Submitted
from protocols import inputs, messages
from protocols.channel import REDEMPTION_TURN, challenge_end, funding_terms
from protocols.crank import awaits_end_of_batch, crank
from protocols.crypto import keccak256
from protocols.draft import Context, CrankResult, Draft
from protocols.effects import Effect, ReadHoldings, SendMessage, SubmitTransaction
from protocols.entities import NodeState
from protocols.error import ProtocolError
from protocols.errors import UnknownChannel
from protocols.exit_errors import ChallengeImpossible
from protocols.node_state import apply
from protocols.objectives.base import ObjectiveStatus
from protocols.objectives.cranks import crank_channel, waiting_for
from protocols.transactions import APPROVE, DEPOSIT
from protocols.types import Address, Bytes32, ChannelId

Going = Iterator[None]
"""Stops between two cranks."""


class Simulation:
    """What would happen, from one moment on."""

    def __init__(self, state: NodeState, context: Context, *, others_answer: bool) -> None:
        """Copy the state; the context is stripped of its key.

        `others_answer`: peers answer and the chain mines, unless it is assumed otherwise; else
        nothing happens but what is assumed.
        """
        self.before = still(state)
        self.state = working_copy(self.before)
        self.touched: dict[ChannelId, None] = {}
        """Channels that anything was recorded of, or that were named."""
        self._watched = self._under_way()
        """Channels that others may owe an answer in."""
        self.paid_in: dict[Address, int] = {}
        """By asset: what our wallet would deposit."""
        self.fee_ceiling_wei: int | None = None
        """The most that the node may bid for a unit of gas; None if nobody says."""
        self._gas_price_wei: int | None = None
        """What the chain asks for one, as far as that is assumed."""
        self._context = keyless(context)
        self._now_ms = context.now_ms
        self._others_answer = others_answer
        self._chain = AssumedChain(self.before)
        self._silent: set[Address] = set()
        self._all_silent = False
        self._chain_is_silent = False
        self._no_deposit: set[ChannelId] = set()
        self._losing: dict[Address, int] = {}
        """How many messages to a peer are left up to the one that is lost, that one included."""
        self._lost: dict[Address, int] = {}
        """By peer whose session broke: the number of the message that was lost."""
        self._orders: dict[Bytes32, tuple[SubmitTransaction, ChannelId]] = {}
        """What was submitted and is not mined."""
        self._questions: list[ReadHoldings] = []
        """What the chain was asked and has not answered."""
        self._sent: dict[Address, list[Sent]] = {}
        """What was sent here and not acknowledged."""
        for channel_id in self._watched:
            for order in orders_under_way(self.state, channel_id):
                self._orders[order.intent_id] = (order, channel_id)
        self._event_count = 0
        self._number = 0
        self._step = Step(self._now_ms)

    def steps(self, assumed: list[assume.Assumption]) -> Iterator[Step | None]:
        """Each assumption's step when it is over, and None now and then before.

        Raises TooLarge, or NotPossible.
        """
        for assumption in assumed:
            self._step = Step(self._now_ms)
            try:
                for _ in self._happens(assumption):
                    yield None
                self._step.awaited = self._awaited()
            except ProtocolError as refusal:
                self._step.refusal = refusal
                self._step.awaited = self._awaited()
            except TooLarge:
                raise
            except Exception as error:
                # A bug of the node's would stop it. This is none: it was only assumed.
                raise NotPossible(f"{type(error).__name__}: {error}") from error
            self._step.time_ms = self._now_ms
            yield self._step

    def _under_way(self) -> dict[ChannelId, None]:
        """The channels of what the node is about: some, if there are very many."""
        found: dict[ChannelId, None] = {}
        for identity in islice(self.before.agenda.active, WATCHED_COUNT_MAX):
            found[self.before.objectives[identity].channel_id] = None
        return found

    # --- assumptions ---

    def _happens(self, assumption: assume.Assumption) -> Going:
        match assumption:
            case assume.Wait():
                yield from self._pass(assumption.duration_s)
            case assume.Silence():
                self._silent.add(assumption.peer)
                yield from self._pass(assumption.duration_s)
                self._silent.discard(assumption.peer)
            case assume.ChainSilence():
                self._chain_is_silent = True
                yield from self._pass(assumption.duration_s)
                self._chain_is_silent = False
                self._context = replace(self._context, chain_view_age_s=0)
            case assume.NoDeposit():
                self._channel(assumption.channel_id)
                self._no_deposit.add(assumption.channel_id)
                yield from self._pass(assumption.duration_s)
            case assume.Restart():
                self._again(list(self.before.peers) + list(self._sent))
                yield from self._feed(inputs.Tick())
            case assume.MessagesLost():
                self._again([assumption.peer])
            case assume.MessageLost():
                self._losing[assumption.peer] = assumption.number
            case assume.Payment():
                yield from self._payment(assumption)
            case assume.Open():
                yield from self._feed(self._opening(assumption))
            case assume.Close():
                yield from self._feed(inputs.CloseChannel(assumption.channel_id))
            case assume.Exit():
                yield from self._feed(inputs.ExitChannel(assumption.channel_id))
            case assume.Reorg():
                yield from self._fork(assumption.block_count)
            case assume.GasPrice():
                self._gas_price_wei = assumption.price_wei
                self._again([])
            case assume.ChallengeExpires():
                yield from self._expiry(assumption.channel_id)
            case assume.Decide():
                kind = inputs.ApproveObjective if assumption.approves else inputs.RejectObjective
                yield from self._feed(kind(assumption.objective_id))
            case assume.Deposited() | assume.Concluded() | assume.Challenged():
                yield from self._on_chain(assumption)
            case _:
                raise AssertionError(f"nothing is known of {type(assumption).__name__}")
        yield from self._settle()
        if self._lost:
            yield from self._reconnect()

    def _channel(self, channel_id: ChannelId) -> None:
        if self.state.channels.get(channel_id) is None:
            raise UnknownChannel(channel_id)
        self.touched[channel_id] = None

    def _payment(self, assumption: assume.Payment) -> Going:
        self._channel(assumption.channel_id)
        channel = self.state.channels[assumption.channel_id]
        name = keccak256(b"assumed payment|" + self._next().to_bytes(8, "big"))
        amount, node = assumption.amount, self.state.node
        if channel.fixed.app_definition == node.consensus_app:
            order = inputs.PayLedger(channel.channel_id, amount, name.hex(), id_is_drawn=True)
            yield from self._feed(order)
        elif channel.my_index and channel.is_end:
            draft = self._draft()
            peers.pay_us(draft, channel, amount, name)
            self._take(draft.result(), len(draft.events))
            yield from self._end_batch()
        else:
            yield from self._feed(inputs.SendPayment(channel.channel_id, amount, name))

    def _opening(self, assumption: assume.Open) -> inputs.Input:
        entropy = keccak256(b"assumed channel|" + self._next().to_bytes(8, "big"))[:4]
        terms = (assumption.challenge_duration_s, entropy)
        who, asset, amount = assumption.counterparty, assumption.asset, assumption.amount
        if assumption.is_ledger:
            return inputs.OpenLedger(who, asset, amount, assumption.counterparty_amount, *terms)
        if assumption.via or assumption.over_ledgers:
            path = (*assumption.via, who)
            return inputs.OpenVirtual(path, asset, amount, assumption.fees, *terms)
        return inputs.OpenChannel(who, asset, amount, 0, *terms)

    def _on_chain(
        self, assumption: assume.Deposited | assume.Concluded | assume.Challenged
    ) -> Going:
        self._channel(assumption.channel_id)
        channel = self.state.channels[assumption.channel_id]
        self._chain.next_block(self.state, assumption.channel_id)
        now_s = self._now_ms // 1_000
        if isinstance(assumption, assume.Deposited):
            facts = self._chain.deposited(channel, assumption.amount)
        elif isinstance(assumption, assume.Concluded):
            facts = self._chain.concluded(channel, None, now_s)
        else:
            candidate = shown_by_other(self.state, channel, assumption.turn_num)
            facts = self._chain.challenged(channel, candidate, now_s, channel.counterparty)
        for fact in facts:
            yield from self._feed(fact)
        if not isinstance(assumption, assume.Deposited):
            yield from self._confirm_all()

    def _confirm_all(self) -> Going:
        """All that was seen is confirmed, in a block of now."""
        for fact in list(self._chain.confirmed(self.state)):
            self._chain.next_block(self.state, fact.channel_id)
            yield from self._feed(fact)
        yield from self._feed(self._chain.head(self._now_ms // 1_000))

    def _fork(self, block_count: int) -> Going:
        """What was seen in these blocks is taken back, and what was mined in them waits again."""
        self.touched.update(dict.fromkeys(self.state.unconfirmed.channels))
        # Of what counted the chain is asked: its calls need not be mined anew.
        mined = set(self.state.unconfirmed.mined)
        yield from self._feed(self._chain.fork(self.state, block_count))
        for channel_id in {**self._watched, **self.touched}:
            if channel_id in self.state.channels:
                for order in orders_under_way(self.state, channel_id):
                    if order.intent_id in mined:
                        self._orders[order.intent_id] = (order, channel_id)

    def _expiry(self, channel_id: ChannelId) -> Going:
        """Everybody else is silent until the challenge's time has passed."""
        self._channel(channel_id)
        ends_at = challenge_end(self.state.channels[channel_id])
        if not ends_at:
            raise ChallengeImpossible(channel_id, "no challenge of it runs")
        self._all_silent = True
        yield from self._pass(max(0, ends_at - self._now_ms // 1_000))
        self._all_silent = False
        self._chain.next_block(self.state, channel_id)
        yield from self._confirm_all()

    def _again(self, waiting: list[Address]) -> None:
        """A session begins anew: what the peer has not acknowledged leaves again."""
        for address in dict.fromkeys(waiting):
            peer = self.state.peer(address)
            known = {sent.sequence: sent for sent in self._sent.get(address, ())}
            for sequence in range(peer.acknowledged + 1, peer.sent + 1):
                self._count()
                sent = known.get(sequence, Sent(address, sequence, "", 0))
                self._step.sent.append(replace(sent, is_again=True, is_lost=False))
        for order, channel_id in self._orders.values():
            self._step.submitted.append(self._submitted(order, channel_id, is_again=True))

    def _reconnect(self) -> Going:
        """Sessions that broke begin anew: all from the lost message on leaves again."""
        while self._lost:
            peer, sequence = self._lost.popitem()
            if self._others_answer and sequence - 1 > self.state.peer(peer).acknowledged:
                yield from self._feed(inputs.PeerAck(peer, sequence - 1))
            self._again([peer])
            yield from self._settle()

    def _next(self) -> int:
        self._number += 1
        return self._number

    # --- time ---

    def _pass(self, duration_s: int) -> Going:
        """Time passes, looked at often enough: everybody answers in between."""
        end_ms = self._now_ms + duration_s * 1_000
        pace_ms = max(1_000, -(-duration_s * 1_000 // TICK_COUNT_MAX))
        yield from self._settle()
        while self._now_ms < end_ms:
            passed_ms = min(pace_ms, end_ms - self._now_ms)
            self._now_ms += passed_ms
            if self._chain_is_silent:
                age_s = (self._context.chain_view_age_s or 0) + passed_ms // 1_000
                self._context = replace(self._context, chain_view_age_s=age_s)
            count = self._event_count
            yield from self._feed(inputs.Tick())
            if self._event_count > count or is_head_due(self.state, self._now_ms // 1_000):
                yield from self._settle()

    # --- the crank ---

    def _now(self) -> Context:
        return replace(self._context, now_ms=self._now_ms)

    def _draft(self) -> Draft:
        return Draft(self.state, self._now())

    def _feed(self, item: inputs.Input) -> Going:
        """One input, then what waits for the end of its batch. Raises a refusal."""
        self._take(crank(self.state, item, self._now()), 0)
        yield from self._end_batch()

    def _end_batch(self) -> Going:
        yield
        if awaits_end_of_batch(self.state):
            self._take(crank(self.state, inputs.EndOfBatch(), self._now()), 0)
            yield

    def _take(self, result: CrankResult, assumed_count: int) -> None:
        """Fold the events; the first of them may be assumed."""
        for place, event in enumerate(result.events):
            self._count()
            apply(self.state, event, self._now_ms)
            self._step.recorded.append(Recorded(self._now_ms, event, place < assumed_count))
            self._touch(event)
        for effect in result.effects:
            self._keep(effect)

    def _count(self) -> None:
        self._event_count += 1
        if self._event_count > EVENT_COUNT_MAX:
            raise TooLarge(f"{self._event_count} events", str(EVENT_COUNT_MAX))

    def _touch(self, event: object) -> None:
        channel_id = getattr(event, "channel_id", None)
        if channel_id is None:
            objective = self.state.objectives.get(getattr(event, "objective_id", b""))
            channel_id = None if objective is None else objective.channel_id
        if channel_id is not None:
            self.touched[channel_id] = None

    def _keep(self, effect: Effect) -> None:
        if isinstance(effect, SendMessage):
            kind = type(messages.decode_body(effect.body)).__name__
            is_lost = self._is_lost(effect.peer, effect.sequence)
            sent = Sent(effect.peer, effect.sequence, kind, len(effect.body), is_lost=is_lost)
            self._step.sent.append(sent)
            self._sent.setdefault(effect.peer, []).append(sent)
        elif isinstance(effect, SubmitTransaction):
            channel_id = self.state.transactions[effect.intent_id].channel_id
            self._orders[effect.intent_id] = (effect, channel_id)
            self._step.submitted.append(self._submitted(effect, channel_id))
        elif isinstance(effect, ReadHoldings):
            self._questions.append(effect)

    def _submitted(
        self, order: SubmitTransaction, channel_id: ChannelId, *, is_again: bool = False
    ) -> Submitted:
        gas, price = gas_of(self.state.channels[channel_id], order.kind), self._gas_price_wei
        cost_wei = None if gas is None or price is None else gas * price
        return Submitted(order, channel_id, is_again, gas, cost_wei, self._is_held_back())

    def _is_held_back(self) -> bool:
        """Whether the chain asks more than the node may bid."""
        price, ceiling = self._gas_price_wei, self.fee_ceiling_wei
        return price is not None and ceiling is not None and price > ceiling

    def _hold_back(self) -> Going:
        """Nothing of ours is mined; what has a deadline is noticed, once."""
        now_s = self._now_ms // 1_000
        for order, _ in list(self._orders.values()):
            blocks_left = max(0, order.deadline_s - now_s) // BLOCK_TIME_S
            place = (self._chain.block_num, blocks_left)
            price, ceiling = self._gas_price_wei or 0, self.fee_ceiling_wei or 0
            yield from self._feed(
                inputs.TransactionHeldBack(order.intent_id, price, ceiling, *place)
            )

    def _is_lost(self, peer: Address, sequence: int) -> bool:
        """Whether a message that leaves now does not arrive; the session may break with it."""
        if peer in self._losing:
            self._losing[peer] -= 1
            if self._losing[peer] == 0:
                del self._losing[peer]
                self._lost[peer] = sequence
        return peer in self._lost

    def _awaited(self) -> list[Awaited]:
        """What the channels concerned wait for now."""
        found = []
        for channel_id in {**self._watched, **self.touched}:
            for objective in self.state.objectives_of(channel_id):
                if objective.is_active or objective.status == ObjectiveStatus.UNAPPROVED:
                    awaited = waiting_for(self.state, objective, self._now())
                    kind = objective.objective_type
                    found.append(Awaited(objective.objective_id, kind, channel_id, awaited))
        return found

    # --- everybody else ---

    def _is_there(self, peer: Address) -> bool:
        is_silent = self._all_silent or peer in self._silent
        return not is_silent and peer not in self._lost

    def _settle(self) -> Going:
        """Everybody answers, until nothing is left to answer."""
        if not self._others_answer:
            return
        for _ in range(ROUND_COUNT_MAX):
            count = self._event_count
            for channel_id in {**self._watched, **self.touched}:
                yield from self._peers_answer(channel_id)
            if not self._chain_is_silent:
                yield from self._chain_answers()
            if self._event_count == count:
                break
        else:
            raise TooLarge(f"{ROUND_COUNT_MAX} rounds of answers", str(ROUND_COUNT_MAX))
        for peer in list(self._sent):
            if self._is_there(peer):
                del self._sent[peer]
                yield from self._feed(inputs.PeerAck(peer, self.state.peer(peer).sent))

    def _peers_answer(self, channel_id: ChannelId) -> Going:
        draft = self._draft()
        concerned = peers.answer(draft, channel_id, self._is_there)
        if not concerned:
            return
        assumed_count = len(draft.events)
        for found in dict.fromkeys(concerned):
            if draft.state.channels.get(found) is not None:
                crank_channel(draft, found)
        self._take(draft.result(), assumed_count)
        yield from self._end_batch()

    def _count_deposit(self, order: SubmitTransaction, channel_id: ChannelId) -> None:
        amount = deposit_of(order)
        if amount:
            asset = funding_terms(self.state.channels[channel_id]).asset
            self.paid_in[asset] = self.paid_in.get(asset, 0) + amount

    def _mine(self, now_s: int) -> Going:
        """All that we ordered is in a block of now, and confirmed."""
        for order, channel_id in list(self._orders.values()):
            self._count_deposit(order, channel_id)
            del self._orders[order.intent_id]
            if order.kind not in (APPROVE, DEPOSIT) and self.state.unconfirmed.channels:
                yield from self._confirm_all()
            for fact in self._chain.mined(self.state, order, channel_id, now_s):
                yield from self._feed(fact)

    def _chain_answers(self) -> Going:
        now_s = self._now_ms // 1_000
        while self._questions:
            yield from self._feed(self._chain.reading(self.state, self._questions.pop()))
        if is_head_due(self.state, now_s):
            self._chain.next_block(self.state, b"")
            yield from self._confirm_all()
        yield from self._hold_back() if self._is_held_back() else self._mine(now_s)
        for channel_id in {**self._watched, **self.touched}:
            channel = self.state.channels.get(channel_id)
            if channel is None or not channel.turns or not self._is_there(channel.counterparty):
                continue
            missing = 0 if channel_id in self._no_deposit else missing_deposit(channel)
            if missing:
                self._chain.next_block(self.state, channel_id)
                for fact in self._chain.deposited(channel, missing):
                    yield from self._feed(fact)
            elif redeems_now(self.state, channel, now_s):
                yield from self._on_chain(assume.Challenged(channel_id, REDEMPTION_TURN))
            elif awaits_conclusion_by_other(channel):
                self._chain.next_block(self.state, channel_id)
                for fact in self._chain.concluded(channel, None, now_s):
                    yield from self._feed(fact)
