"""Ledger updates that come in company: what `crank` makes of one after the other, for less time.

Most updates of a busy node are moves of balances in many ledgers with one peer. A run takes what
is plainly in order, each in a ledger of its own, so that nothing in it leans on what it leads to:
its facts need no folding before the engine's own. It ends before the first that is not, which is
`crank`'s alone, and so is what it leads to: guarantees, refusals, wishes of a follower, and all
that is said twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

from protocols import messages
from protocols.channel import Channel, known_signer
from protocols.commands import PayLedger, command_hash
from protocols.draft import Context, CrankResult
from protocols.effects import Effect, SendMessage
from protocols.errors import ProtocolError
from protocols.event import Event
from protocols.events import RequestRecorded
from protocols.inputs import Input, PeerMessage
from protocols.ledger import MOVE, NO_TARGET, QUEUE_COUNT_MAX, Change, Ledger, parties
from protocols.ledger_events import LedgerUpdateConfirmed, LedgerUpdateSigned
from protocols.ledger_following import received_update
from protocols.ledger_payments import require_payable
from protocols.ledger_reducers import ledger_of
from protocols.ledgers import signed_update, why_not_running
from protocols.node_state import NodeState
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.types import Address, ChannelId, ObjectiveId

Update = TypeVar("Update", messages.LedgerProposal, messages.LedgerCountersignature)
"""What a ledger's party says by the hundred."""

EVENTS_PER_PAYMENT = 2
"""The proposal, and the request that it answers."""

OPENING_COUNT_MAX = 512
"""Ledgers whose opening objective's name is remembered: 150 KB."""


# --- which inputs go together ---


def ordered_together(items: Sequence[Input], start: int = 0) -> list[PayLedger]:
    """The inputs from `start` on that order payments, each in another ledger, by another name."""
    run: list[PayLedger] = []
    ledgers: set[ChannelId] = set()
    names: set[str] = set()
    for place in range(start, len(items)):
        item = items[place]
        if not isinstance(item, PayLedger):
            break
        if item.channel_id in ledgers or item.request_id in names:
            break
        ledgers.add(item.channel_id)
        names.add(item.request_id)
        run.append(item)
    return run


def told_together(items: Sequence[Input], start: int = 0) -> list[PeerMessage]:
    """The inputs from `start` on that are proposals, or countersignatures, of one peer, as
    numbered, each in another ledger."""
    run: list[PeerMessage] = []
    ledgers: set[ChannelId] = set()
    for place in range(start, len(items)):
        item = items[place]
        if not isinstance(item, PeerMessage):
            break
        body = item.body
        if not isinstance(body, messages.LedgerProposal | messages.LedgerCountersignature):
            break
        if body.channel_id in ledgers or (run and not _follows(item, run[-1])):
            break
        ledgers.add(body.channel_id)
        run.append(item)
    return run


def _follows(item: PeerMessage, before: PeerMessage) -> bool:
    return (
        item.sequence == before.sequence + 1
        and item.peer == before.peer
        and type(item.body) is type(before.body)
    )


def update_run(state: NodeState, run: Sequence[PeerMessage]) -> CrankResult:
    """What a party takes of `told_together`, from the first on: one event each."""
    if isinstance(run[0].body, messages.LedgerProposal):
        return receive_run(state, run)
    return confirm_run(state, run)


# --- the leader's side ---


def pay_run(state: NodeState, run: Sequence[PayLedger], context: Context) -> CrankResult:
    """What may be paid of `ordered_together` in ledgers that we lead, from the first on: two events
    and one message each."""
    facts: list[Event] = []
    effects: list[Effect] = []
    sent: dict[Address, int] = {}
    consensus_app = state.node.consensus_app
    for command in run:
        channel = state.channels.get(command.channel_id)
        if channel is None or channel.my_index != 0:
            break
        if channel.fixed.app_definition != consensus_app:
            break
        leader, follower = parties(channel.fixed)
        change = Change(
            MOVE, NO_TARGET, command.amount, leader, follower, request_id=command.request_id
        )
        try:
            ledger = require_payable(state, channel, command)
            if len(ledger.queue) >= QUEUE_COUNT_MAX:
                break
            body, fact = signed_update(channel, ledger, change, context.signer)
        except ProtocolError:
            break
        request = command.request_id, command_hash(command)
        facts.append(fact)
        facts.append(RequestRecorded(_opening_of(command.channel_id), *request))
        effects.append(_next_message(state, sent, channel.counterparty, body))
    return CrankResult(tuple(facts), tuple(effects))


@lru_cache(maxsize=OPENING_COUNT_MAX)
def _opening_of(channel_id: ChannelId) -> ObjectiveId:
    return objective_id(ObjectiveType.DIRECT_FUND, channel_id)


def confirm_run(state: NodeState, run: Sequence[PeerMessage]) -> CrankResult:
    """What the leader takes of `told_together`, from the first on, where the follower agreed to
    moves alone and waits for nothing: one event each."""
    facts: list[Event] = []
    for body, channel, ledger in _ledgers_of(
        state, run, messages.LedgerCountersignature, my_index=0
    ):
        turn_num = body.turn_num
        count = turn_num - ledger.turn_num
        if not 0 < count <= len(ledger.queue) or ledger.asked or channel.final_requests:
            break
        agreed = ledger.queue[:count]
        if any(proposal.refusal or proposal.change.kind != MOVE for proposal in agreed):
            break
        state_hash = agreed[-1].state_hash
        follower = known_signer(channel, 1)
        if follower is None or not follower.verify(state_hash, body.signature):
            break
        facts.append(
            LedgerUpdateConfirmed(channel.channel_id, turn_num, state_hash, body.signature)
        )
    return CrankResult(tuple(facts), ())


# --- the follower's side ---


def receive_run(state: NodeState, run: Sequence[PeerMessage]) -> CrankResult:
    """What the follower keeps of `told_together`, from the first on, where nothing refused waits
    to be undone: one event each."""
    facts: list[Event] = []
    for body, channel, ledger in _ledgers_of(state, run, messages.LedgerProposal, my_index=1):
        if body.turn_num != ledger.proposed_turn + 1 or ledger.standing.awaited:
            break
        try:
            facts.append(received_update(channel, ledger, body))
        except ProtocolError:
            break
    return CrankResult(tuple(facts), ())


def answer_run(state: NodeState, context: Context) -> CrankResult:
    """The countersignatures at the end of a batch, one a ledger that we follow, up to the first
    in which more waits than moves in our favour that nobody doubts."""
    facts: list[Event] = []
    effects: list[Effect] = []
    sent: dict[Address, int] = {}
    for channel_id in sorted(state.unanswered):
        channel = state.channels[channel_id]
        if not _is_plainly_right(state, channel):
            break
        last = ledger_of(channel).queue[-1]
        signature = context.signer(last.state_hash)
        body = messages.LedgerCountersignature(channel_id, last.turn_num, signature)
        facts.append(LedgerUpdateSigned(channel_id, last.turn_num, last.state_hash, signature))
        effects.append(_next_message(state, sent, channel.counterparty, body))
    return CrankResult(tuple(facts), tuple(effects))


def _is_plainly_right(state: NodeState, channel: Channel) -> bool:
    """Whether all that the leader proposed are moves to us (M15) in a ledger that runs."""
    ledger = channel.ledger
    if ledger is None or not ledger.queue or channel.final_requests:
        return False
    if why_not_running(state, channel, MOVE):
        return False
    leader, _ = parties(channel.fixed)
    return all(
        proposal.change.kind == MOVE and proposal.change.left == leader and not proposal.refusal
        for proposal in ledger.queue
    )


# --- both sides ---


def _next_message(
    state: NodeState, sent: dict[Address, int], peer: Address, body: messages.Body
) -> SendMessage:
    """The message under the number behind what was `sent` to the peer, which counts it."""
    sequence = (sent[peer] if peer in sent else state.peer(peer).sent) + 1
    sent[peer] = sequence
    return SendMessage(peer, sequence, messages.encode_body(body))


def _ledgers_of(
    state: NodeState, run: Sequence[PeerMessage], kind: type[Update], *, my_index: int
) -> list[tuple[Update, Channel, Ledger]]:
    """What each message of the run is about, up to the first that is not for us in our role."""
    peer: Address = run[0].peer
    found: list[tuple[Update, Channel, Ledger]] = []
    if run[0].sequence != state.peer(peer).received + 1:
        return found
    consensus_app = state.node.consensus_app
    for item in run:
        body = item.body
        if not isinstance(body, kind):
            break
        channel = state.channels.get(body.channel_id)
        if channel is None or channel.counterparty != peer or channel.my_index != my_index:
            break
        if channel.ledger is None or channel.fixed.app_definition != consensus_app:
            break
        found.append((body, channel, channel.ledger))
    return found
