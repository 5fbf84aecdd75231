"""Running a dispute kit: the same cranks and the same chain room as a node's, and nothing else.

    the kit's state -> what the chain did since -> exit every funded channel -> all of ours paid out

There is no log: whatever was done is found on the chain, read from the kit's block on, so that
whoever runs the kit may be killed and start again, with another gas key if need be. Peers do not
exist here, and no update of a ledger is ever signed: all that is signed is signed in the kit, or
is the redemption of its largest voucher.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from enum import StrEnum

import trio
from msgspec import Struct
from msgspec.structs import replace

from node.chain.errors import EndpointDown, RpcError
from node.chain.service import FEE_CEILING_WEI, ChainService
from node.chain.wire import MalformedAnswer
from node.dispute_words import word_on, word_on_need, word_on_step
from protocols import commands, events, inputs
from protocols.channel import (
    Channel,
    funding_terms,
    is_finalised,
    is_withdrawn,
    observed_adjudicated,
)
from protocols.checkpoints import CHECKPOINT_LOGS
from protocols.crank import crank
from protocols.crypto import Signer
from protocols.dispute_reading import Case
from protocols.draft import Context, Decision, Proposal
from protocols.effects import BroadcastTransaction, Effect, ReadHoldings, SubmitTransaction
from protocols.error import ProtocolError
from protocols.exit_errors import (
    GasNotFunded,
    KitNeedsKey,
    KitOutdated,
    KitRefused,
    NothingToLeave,
)
from protocols.exit_plan import ExitPlan, PlannedStep, plan_exit
from protocols.node_state import apply
from protocols.objectives.base import Objective, ObjectiveType, WaitingFor, newest
from protocols.objectives.cranks import waiting_for
from protocols.objectives.supports import newest_turn
from protocols.transactions import is_pending
from protocols.types import Address, Amount, Bytes32, ChannelId, Signature

LOOK_INTERVAL_S = 0.5
"""Seconds between two looks at what is to be done."""
UNMINED_WAIT_S = 60.0
"""Seconds that transactions of an earlier run, still unmined, are waited for: five of Ethereum's
blocks. What they do need not be paid for twice."""
READING_INTERVAL_S = 10.0
"""Seconds between two words on how far an old kit's chain is read."""
ASK_PAUSE_S = 2.0
"""Seconds until an endpoint that gave no answer is asked again."""


class Stage(StrEnum):
    """How far a run came."""

    PLANNED = "planned"
    """Nothing was done: it was to be shown only."""
    WAITING = "waiting"
    """All that is due now is done; the rest is due when the challenges' time is up."""
    DONE = "done"


class Sent(Struct, frozen=True, gc=False):
    """A transaction of this run."""

    kind: str
    channel_id: ChannelId
    status: str
    tx_hash: bytes


class Outcome(Struct, frozen=True, gc=False):
    """What a run came to."""

    stage: Stage
    plan: ExitPlan
    """As it was when the run began."""
    blocks: list[int | None]
    """Of each of its steps, how many blocks away it was then, at the pace of the chain's last
    ones; None if that cannot be said."""
    final_s: int
    """When the last challenge that runs ends, chain seconds; 0 if none runs."""
    received: dict[Address, Amount]
    """By asset, what the chain paid to the account since the kit was made, by whomever's call."""
    transactions: list[Sent]


class Task(Struct, frozen=True):
    """What a run is to do, and with what."""

    urls: Sequence[str]
    secret: bytes
    """Of the key that pays for transactions."""
    signer: Callable[[Bytes32], Signature]
    """Signs as the kit's account (`Case.signer`)."""
    say: Callable[[str], None]
    """Told what happens, a line each."""
    dry_run: bool = False
    waits: bool = True
    """Whether to see to the end, or to stop when nothing is due now."""
    confirmation_count: int | None = None
    """In place of the kit's."""
    fee_ceiling_wei: int = FEE_CEILING_WEI
    """Wei per gas that are bid at most."""
    has_key: bool = False
    """Whether `signer` signs anything, and not only what the kit holds signed."""


def _nobody_asks(proposal: Proposal) -> Decision:
    return Decision("deny", "a dispute has no peers")


class Dispute:
    """One run of a kit. Its case's state is used up by it."""

    def __init__(self, case: Case, task: Task) -> None:
        self._case = case
        self._task = task
        self._state = case.state
        deployment, made = case.kit.deployment, case.kit.made
        self._context = Context(0, task.signer, case.account, 0, _nobody_asks)
        self._now_ms = made.time_ms
        self._payer = Signer(task.secret).address
        depth = task.confirmation_count
        self._chain = ChainService(
            urls=task.urls,
            chain_id=deployment.chain_id,
            adjudicator=case.state.node.adjudicator,
            secret=task.secret,
            confirmation_count=deployment.confirmation_count if depth is None else depth,
            submit=self._take,
            fee_ceiling_wei=task.fee_ceiling_wei,
            is_known=lambda channel_id: case.state.channels.get(channel_id) is not None,
        )
        self._said: set[str] = set()
        self._keyless: set[ChannelId] = set()
        """Channels of which the chain has a state that could be challenged with, by who has the
        account's key: nobody could sign for it in advance."""
        self._held: list[Effect] | None = []
        """What the past would have us do, until all of it is known; None from then on."""

    async def run(self) -> Outcome:
        """Leave every channel of the kit. Raises GasNotFunded, or at the end KitOutdated,
        KitNeedsKey or NothingToLeave."""
        node = self._state.node
        cursor = node.processed_block_num if node.processed_block_num >= 0 else None
        remembered = {} if cursor is None else {cursor: node.processed_block_hash}
        refusal: ProtocolError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._chain.run, cursor, remembered)
            await self._caught_up()
            plan, stage = self._plan(), Stage.PLANNED
            blocks = [self._blocks_until(step.after_s) for step in plan.steps]
            if not self._task.dry_run:
                for step in plan.steps:
                    self._task.say(word_on_step(step, self._now_ms // 1_000))
                try:
                    await self._require_gas(plan)
                    self._let_go()
                    stage = await self._leave()
                except (KitRefused, NothingToLeave) as error:
                    # Carried out of the nursery by hand: it would come out wrapped in a group.
                    refusal = error
            nursery.cancel_scope.cancel()
        if refusal is not None:
            raise refusal
        return self._outcome(stage, plan, blocks)

    # --- what happens ---

    async def _take(self, item: inputs.Input) -> None:
        await trio.lowlevel.checkpoint()
        self._feed(item)

    def _feed(self, item: inputs.Input) -> None:
        """As an engine's step, with nothing to write: no answer of ours leaves but to the chain."""
        self._now_ms = max(self._now_ms, time.time_ns() // 1_000_000)
        if isinstance(item, inputs.ChainLog) and self._is_beyond_kit(item):
            return
        result = crank(self._state, item, replace(self._context, now_ms=self._now_ms))
        for event in result.events:
            apply(self._state, event, self._now_ms)
            if isinstance(event, events.TransactionMined | events.TransactionFailed):
                self._chain.settle(event.intent_id)
            said = word_on(event, self._state)
            if said is not None:
                self._task.say(said)
        for effect in result.effects:
            self._hand_over(effect)

    def _is_beyond_kit(self, log: inputs.ChainLog) -> bool:
        """Whether the log shows a state of a payment channel that takes the account's key: without
        it the state stays unknown, so that all other channels of the kit go on."""
        channel = self._state.channels.get(log.channel_id)
        if self._task.has_key or log.log_name not in CHECKPOINT_LOGS or channel is None:
            return False
        turn = channel.turn(log.turn_num)
        is_final = turn is not None and turn.is_final
        newest_held = newest_turn(self._state.node, channel)
        if channel.ledger is not None or is_final or log.turn_num <= newest_held:
            return False
        if log.channel_id not in self._keyless:
            self._keyless.add(log.channel_id)
            needed = KitNeedsKey(self._case.account, log.channel_id)
            self._task.say(word_on_need(log.channel_id, needed))
        return True

    def _let_go(self) -> None:
        """From here on transactions leave. One that the past called for and that is of no use any
        more is refused by its simulation."""
        held, self._held = self._held or [], None
        for effect in held:
            self._hand_over(effect)

    def _hand_over(self, effect: Effect) -> None:
        if self._held is not None:
            self._held.append(effect)
            return
        match effect:
            case SubmitTransaction():
                self._chain.request(effect)
            case BroadcastTransaction():
                self._chain.broadcast(effect)
            case ReadHoldings():
                self._chain.read(effect)
            case _:
                pass  # A message: there is nobody to hear it.

    def _blocks_until(self, after_s: int) -> int | None:
        return self._chain.blocks_until(self._now_ms // 1_000 + after_s) if after_s else 0

    def _say_troubles(self) -> None:
        # What to do about them is said of a node's configuration: here what is wrong must do.
        troubles = {found.what for found in self._chain.troubles()}
        for trouble in sorted(troubles - self._said):
            self._task.say(trouble)
        self._said = troubles

    # --- what is to be done ---

    async def _caught_up(self) -> None:
        """All that the chain did since the kit's block is known."""
        say_at = trio.current_time() + READING_INTERVAL_S
        while True:
            await trio.sleep(LOOK_INTERVAL_S / 10)
            self._say_troubles()
            processed = self._chain.statistics().processed_block_num
            if trio.current_time() >= say_at and processed is not None:
                self._task.say(f"reading what the chain did since: at block {processed}")
                say_at = trio.current_time() + READING_INTERVAL_S
            is_seen = self._chain.view_age_s(trio.current_time()) < float("inf")
            if is_seen and processed == self._state.node.processed_block_num:
                return

    def _funded(self) -> list[Channel]:
        return [self._state.channels[channel_id] for channel_id in self._case.funded]

    def _plan(self) -> ExitPlan:
        """The steps of all funded channels; what two of them need is made once."""
        steps: dict[tuple[str, ChannelId], PlannedStep] = {}
        late: list[PlannedStep] = []
        for channel in self._funded():
            if is_withdrawn(channel):
                continue
            for step in plan_exit(self._state, channel, self._now_ms // 1_000).steps:
                if step.step in ("reclaim", "transfer"):
                    late.append(step)
                else:
                    steps.setdefault((step.step, step.channel_id), step)
        return ExitPlan((*steps.values(), *late))

    async def _require_gas(self, plan: ExitPlan) -> None:
        """Raise GasNotFunded unless what is due now can be paid for; say so for the rest."""
        give_up_at = trio.current_time() + UNMINED_WAIT_S
        while True:
            self._say_troubles()
            try:
                funds = await self._chain.funds(self._payer)
            except (EndpointDown, RpcError, MalformedAnswer):
                await trio.sleep(ASK_PAUSE_S)
                continue
            if not funds.unmined_count or trio.current_time() >= give_up_at:
                break
            self._task.say("transactions of the gas key wait to be mined: waiting for them")
            await trio.sleep(ASK_PAUSE_S)
        due = sum(step.gas for step in plan.steps if step.after_s <= 0)
        needed = due * funds.gas_price_wei
        if funds.balance_wei < max(needed, 1 if plan.steps else 0):
            raise GasNotFunded(self._payer, funds.balance_wei, needed)
        total = plan.gas * funds.gas_price_wei
        if funds.balance_wei < total:
            self._task.say(
                f"the gas key has {funds.balance_wei} wei, all steps need about {total}: top it up"
            )

    async def _leave(self) -> Stage:
        """Go on until every wei of ours is in its account, or nothing is due.

        Raises KitOutdated, KitNeedsKey or NothingToLeave for a channel that brings nothing, once
        the others did.
        """
        while True:
            self._feed(inputs.Tick())
            refused = self._begin()
            self._say_troubles()
            running = [channel for channel in self._funded() if not is_withdrawn(channel)]
            stuck = [
                refused.get(channel.channel_id) or self._why_stuck(channel) for channel in running
            ]
            if all(stuck):
                for reason in filter(None, stuck):
                    raise reason
                return Stage.DONE
            going = [channel for channel, over in zip(running, stuck, strict=True) if not over]
            if not self._task.waits and self._is_idle(going):
                return Stage.WAITING
            await trio.sleep(LOOK_INTERVAL_S)

    def _begin(self) -> dict[ChannelId, NothingToLeave]:
        """Leave whatever is not being left yet; what could not be begun, and why."""
        refused = {}
        for channel_id in self._case.funded:
            found = newest(self._state.objectives, ObjectiveType.EXIT, channel_id)
            if found is not None and found.is_active:
                continue
            try:
                self._feed(commands.ExitChannel(channel_id))
            except NothingToLeave as refusal:
                refused[channel_id] = refusal
        return refused

    def _waits(self, kind: ObjectiveType, channel_id: ChannelId) -> WaitingFor | None:
        """What the channel's objective of that kind waits for; None if none is under way."""
        found = newest(self._state.objectives, kind, channel_id)
        return None if found is None or not found.is_active else self._condition(found)

    def _condition(self, objective: Objective) -> WaitingFor:
        context = replace(self._context, now_ms=self._now_ms)
        return waiting_for(self._state, objective, context)

    def _why_stuck(self, channel: Channel) -> ProtocolError | None:
        """Why we can do nothing more about it; None while we can, or time or a fork may."""
        channel_id, reason = channel.channel_id, ""
        if channel.observed:
            return None
        if self._waits(ObjectiveType.CHALLENGE, channel_id) == WaitingFor.KNOWN_OUTCOME:
            if channel_id in self._keyless:
                return KitNeedsKey(self._case.account, channel_id)
            reason = "the chain has a newer state, and it is not challenged"
        if self._waits(ObjectiveType.WITHDRAW, channel_id) == WaitingFor.KNOWN_OUTCOME:
            reason = "it ended with a final state that is not in the kit"
        return KitOutdated(channel_id, reason) if reason else None

    def _is_idle(self, running: Sequence[Channel]) -> bool:
        """Whether nothing is due until challenges run out."""
        transactions = self._state.transactions
        if any(is_pending(transactions[known]) for known in transactions):
            return False
        for identity in self._state.agenda.active:
            objective = self._state.objectives[identity]
            is_challenge = objective.objective_type == ObjectiveType.CHALLENGE
            if is_challenge and self._condition(objective) != WaitingFor.CHALLENGE_EXPIRY:
                return False
        return all(
            self._waits(ObjectiveType.WITHDRAW, channel.channel_id)
            == WaitingFor.TARGET_FINALIZATION
            if is_finalised(channel)
            else self._waits(ObjectiveType.CHALLENGE, channel.channel_id)
            == WaitingFor.CHALLENGE_EXPIRY
            for channel in running
        )

    # --- what came of it ---

    def _outcome(self, stage: Stage, plan: ExitPlan, blocks: list[int | None]) -> Outcome:
        received: dict[Address, Amount] = {}
        for channel in self._funded():
            asset = funding_terms(channel).asset
            paid = sum(amount for who, amount in channel.withdrawn if who == self._case.account)
            received[asset] = received.get(asset, 0) + paid
        channels = self._state.channels
        ends = [
            observed_adjudicated(channels[known]).finalizes_at
            for known in channels
            if not is_finalised(channels[known])
        ]
        known_of = self._state.transactions
        sent = [known_of[known] for known in known_of if known_of[known].tx_hash]
        return Outcome(
            stage,
            plan,
            blocks,
            max(ends, default=0),
            received,
            [Sent(t.kind, t.channel_id, t.status, t.tx_hash) for t in sent],
        )
