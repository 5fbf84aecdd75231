"""The simulation: what is assumed happens to a copy of the state, and all others answer.

Steps are generators that stop between two cranks, so that whoever drives one can let others go
first; the node goes on meanwhile, and nothing of that is seen here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from msgspec.structs import replace

from node.whatif import assumptions as assume
from node.whatif import peers
from node.whatif.chain import is_head_due
from node.whatif.chain_room import ChainRoom
from node.whatif.course import Course, Going
from node.whatif.endpoints import judged
from node.whatif.errors import NotPossible, TooLarge
from node.whatif.lies import Lies
from node.whatif.limits import ROUND_COUNT_MAX, TICK_COUNT_MAX
from node.whatif.report import Awaited, Step
from protocols import commands, inputs
from protocols.channel import challenge_end
from protocols.crypto import keccak256
from protocols.draft import Context
from protocols.entities import NodeState
from protocols.error import ProtocolError
from protocols.exit_errors import ChallengeImpossible
from protocols.objectives.base import ObjectiveStatus
from protocols.objectives.cranks import crank_channel, waiting_for
from protocols.types import Address, ChannelId


class Simulation:
    """What would happen, from one moment on."""

    def __init__(self, state: NodeState, context: Context, *, others_answer: bool) -> None:
        """Copy the state; the context is stripped of its key.

        `others_answer`: peers answer and the chain mines, unless it is assumed otherwise; else
        nothing happens but what is assumed.
        """
        self.course = Course(state, context)
        self.chain = ChainRoom(self.course)
        self._lies = Lies(self.course, self.chain)
        self._others_answer = others_answer
        self._number = 0

    def steps(self, assumed: list[assume.Assumption]) -> Iterator[Step | None]:
        """Each assumption's step when it is over, and None now and then before.

        Raises TooLarge, or NotPossible.
        """
        for assumption in assumed:
            step = self.course.step = Step(self.course.now_ms)
            try:
                for _ in self._happens(assumption):
                    yield None
                step.awaited = self._awaited()
            except ProtocolError as refusal:
                step.refusal = refusal
                step.awaited = self._awaited()
            except TooLarge:
                raise
            except Exception as error:
                # A bug of the node's would stop it. This is none: it was only assumed.
                raise NotPossible(f"{type(error).__name__}: {error}") from error
            step.time_ms = self.course.now_ms
            yield step

    # --- assumptions ---

    def _happens(self, assumption: assume.Assumption) -> Going:
        sessions = self.course.sessions
        match assumption:
            case assume.Wait():
                yield from self._pass(assumption.duration_s)
            case assume.Silence():
                sessions.silent.add(assumption.peer)
                yield from self._pass(assumption.duration_s)
                sessions.silent.discard(assumption.peer)
            case assume.ChainSilence():
                self.chain.is_silent = True
                yield from self._pass(assumption.duration_s)
                self.chain.is_silent = False
                self.course.context = replace(self.course.context, chain_view_age_s=0)
            case assume.NoDeposit():
                self.chain.no_deposit.add(self.course.channel(assumption.channel_id).channel_id)
                yield from self._pass(assumption.duration_s)
            case assume.Restart():
                self._again(list(self.course.before.peers) + sessions.unacknowledged())
                yield from self._lies.read_again()
                yield from self.course.feed(inputs.Tick())
            case assume.MessagesLost():
                self._again([assumption.peer])
            case assume.MessageLost():
                sessions.losing[assumption.peer] = assumption.number
            case assume.Payment():
                yield from self._payment(assumption)
            case assume.Open():
                yield from self.course.feed(self._opening(assumption))
            case assume.Close():
                yield from self.course.feed(commands.CloseChannel(assumption.channel_id))
            case assume.Exit():
                yield from self.course.feed(commands.ExitChannel(assumption.channel_id))
            case assume.Reorg():
                yield from self.chain.fork(assumption.block_count)
            case assume.GasPrice():
                self.course.orders.gas_price_wei = assumption.price_wei
                self._again([])
            case assume.EndpointLies():
                yield from self._lie(assumption)
            case assume.ChallengeExpires():
                yield from self._expiry(assumption.channel_id)
            case assume.Decide():
                kind = (
                    commands.ApproveObjective if assumption.approves else commands.RejectObjective
                )
                yield from self.course.feed(kind(assumption.objective_id))
            case assume.Deposited() | assume.Concluded() | assume.Challenged():
                yield from self.chain.happens(assumption)
            case _:
                raise AssertionError(f"nothing is known of {type(assumption).__name__}")
        yield from self._settle()
        yield from self._reconnect()

    def _payment(self, assumption: assume.Payment) -> Going:
        channel = self.course.channel(assumption.channel_id)
        name = keccak256(b"assumed payment|" + self._next().to_bytes(8, "big"))
        amount, node = assumption.amount, self.course.state.node
        if channel.fixed.app_definition == node.consensus_app:
            order = commands.PayLedger(channel.channel_id, amount, name.hex(), id_is_drawn=True)
            yield from self.course.feed(order)
        elif channel.my_index and channel.is_end:
            draft = self.course.draft()
            peers.pay_us(draft, channel, amount, name)
            yield from self.course.take(draft.result(), len(draft.events))
        else:
            yield from self.course.feed(commands.SendPayment(channel.channel_id, amount, name))

    def _opening(self, assumption: assume.Open) -> inputs.Input:
        entropy = keccak256(b"assumed channel|" + self._next().to_bytes(8, "big"))[:4]
        terms = (assumption.challenge_duration_s, entropy)
        who, asset, amount = assumption.counterparty, assumption.asset, assumption.amount
        if assumption.is_ledger:
            return commands.OpenLedger(who, asset, amount, assumption.counterparty_amount, *terms)
        if assumption.via or assumption.over_ledgers:
            path = (*assumption.via, who)
            return commands.OpenVirtual(path, asset, amount, assumption.fees, *terms)
        return commands.OpenChannel(who, asset, amount, 0, *terms)

    def _expiry(self, channel_id: ChannelId) -> Going:
        """Everybody else is silent until the challenge's time has passed."""
        channel = self.course.channel(channel_id)
        true = self.chain.truth.of(channel, self.course.now_s)
        ends_at = challenge_end(true) or challenge_end(channel)
        if not ends_at:
            raise ChallengeImpossible(channel_id, "no challenge of it runs")
        self.course.sessions.all_silent = True
        yield from self._pass(max(0, ends_at - self.course.now_s))
        self.course.sessions.all_silent = False
        yield from self.chain.confirm(channel_id)

    def _lie(self, assumption: assume.EndpointLies) -> Going:
        """It is told, time passes until its block counts, and as long as it is assumed to last."""
        endpoints, lies, channel_id = self.chain.endpoints, self._lies, assumption.channel_id
        verdict = endpoints.verdict(assumption.duration_s if assumption.hides else math.inf)
        yield from lies.tell(assumption)
        self.course.step.lie = judged(endpoints, verdict, hides=assumption.hides)
        yield from self._pass(endpoints.counting_s)
        yield from lies.judge(channel_id, verdict)
        if assumption.hides:
            yield from self._pass(max(0, assumption.duration_s - endpoints.counting_s))
            yield from lies.come_out(channel_id)

    def _again(self, waiting: list[Address]) -> None:
        """A session begins anew: what the peer has not acknowledged leaves again."""
        for address in dict.fromkeys(waiting):
            for sent in self.course.sessions.again(self.course.state.peer(address)):
                self.course.count()
                self.course.step.sent.append(sent)
        self.course.step.submitted += self.course.orders.again(self.course.state)

    def _reconnect(self) -> Going:
        """Sessions that broke begin anew: all from the lost message on leaves again."""
        for peer, sequence in self.course.sessions.mended():
            if self._others_answer and sequence - 1 > self.course.state.peer(peer).acknowledged:
                yield from self.course.feed(inputs.PeerAck(peer, sequence - 1))
            self._again([peer])
            yield from self._settle()

    def _next(self) -> int:
        self._number += 1
        return self._number

    # --- time ---

    def _pass(self, duration_s: int) -> Going:
        """Time passes, looked at often enough: everybody answers in between."""
        course = self.course
        end_ms = course.now_ms + duration_s * 1_000
        pace_ms = max(1_000, -(-duration_s * 1_000 // TICK_COUNT_MAX))
        yield from self._settle()
        while course.now_ms < end_ms:
            passed_ms = min(pace_ms, end_ms - course.now_ms)
            course.now_ms += passed_ms
            if self.chain.is_silent:
                age_s = (course.context.chain_view_age_s or 0) + passed_ms // 1_000
                course.context = replace(course.context, chain_view_age_s=age_s)
            count = course.event_count
            yield from course.feed(inputs.Tick())
            if course.event_count > count or is_head_due(course.state, course.now_s):
                yield from self._settle()

    def _awaited(self) -> list[Awaited]:
        """What the channels concerned wait for now."""
        found = []
        for channel_id in self.course.concerned():
            for objective in self.course.state.objectives_of(channel_id):
                if objective.is_active or objective.status == ObjectiveStatus.UNAPPROVED:
                    awaited = waiting_for(self.course.state, objective, self.course.rules())
                    kind = objective.objective_type
                    found.append(Awaited(objective.objective_id, kind, channel_id, awaited))
        return found

    # --- everybody else ---

    def _settle(self) -> Going:
        """Everybody answers, until nothing is left to answer."""
        if not self._others_answer:
            return
        for _ in range(ROUND_COUNT_MAX):
            count = self.course.event_count
            for channel_id in self.course.concerned():
                yield from self._peers_answer(channel_id)
            if not self.chain.is_quiet:
                yield from self.chain.answers()
            if self.course.event_count == count:
                break
        else:
            raise TooLarge(f"{ROUND_COUNT_MAX} rounds of answers", str(ROUND_COUNT_MAX))
        for peer in self.course.sessions.acknowledged():
            yield from self.course.feed(inputs.PeerAck(peer, self.course.state.peer(peer).sent))

    def _peers_answer(self, channel_id: ChannelId) -> Going:
        draft = self.course.draft()
        concerned = peers.answer(draft, channel_id, self.course.sessions.is_there)
        if not concerned:
            return
        assumed_count = len(draft.events)
        for found in dict.fromkeys(concerned):
            if draft.state.channels.get(found) is not None:
                crank_channel(draft, found)
        yield from self.course.take(draft.result(), assumed_count)
