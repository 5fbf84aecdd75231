"""The leader's side of a ledger: what the follower's answers make of the queue."""

from __future__ import annotations

from protocols import ledger_resuming, messages
from protocols.channel import Channel, known_signer
from protocols.draft import Draft
from protocols.ledger import MOVE, inverse
from protocols.ledger_errors import CountersignatureWrong, ProposalQueueExhausted
from protocols.ledger_events import LedgerRefusalReceived, LedgerUpdateConfirmed
from protocols.ledger_payments import propose_asked
from protocols.ledger_queue import is_own_change, is_settled
from protocols.ledger_reducers import ledger_of
from protocols.ledgers import concerned, has_final, require_role, sign_and_send
from protocols.objectives import guarantees
from protocols.types import ChannelId


def receive_countersignature(
    draft: Draft, channel: Channel, body: messages.LedgerCountersignature
) -> list[ChannelId]:
    """The follower agreed to that turn and all before it: the channels it concerns.

    Raises ProposalQueueExhausted or CountersignatureWrong.
    """
    ledger, turn_num = require_role(channel, leads=True), body.turn_num
    if turn_num <= ledger.turn_num:
        return []
    if ledger.resumption is not None and turn_num == ledger.resumption.jump_turn:
        ledger_resuming.receive_countersignature(draft, channel, body)
        return []
    if turn_num > ledger.proposed_turn or not is_settled(ledger, turn_num):
        raise ProposalQueueExhausted(turn_num)
    candidate = ledger.queue[turn_num - ledger.turn_num - 1]
    follower = known_signer(channel, 1)
    if follower is None or not follower.verify(candidate.state_hash, body.signature):
        raise CountersignatureWrong(turn_num)
    draft.emit(
        LedgerUpdateConfirmed(channel.channel_id, turn_num, candidate.state_hash, body.signature)
    )
    propose_asked(draft, channel.channel_id)
    ledger_resuming.advance(draft, channel.channel_id)
    return concerned(channel, ledger, turn_num)


def receive_refusal(draft: Draft, channel: Channel, body: messages.LedgerRefusal) -> None:
    """The follower will never sign that turn: undo it behind the queue (M8).

    Raises ProposalQueueExhausted for a turn that may not be refused.
    """
    ledger, turn_num = require_role(channel, leads=True), body.turn_num
    if turn_num <= ledger.turn_num:
        return
    if turn_num > ledger.proposed_turn:
        raise ProposalQueueExhausted(turn_num)
    proposal = ledger.queue[turn_num - ledger.turn_num - 1]
    if proposal.refusal:
        return
    if not is_own_change(ledger, proposal):
        # Who refused a change never refuses its inverse.
        raise ProposalQueueExhausted(turn_num)
    draft.emit(LedgerRefusalReceived(channel.channel_id, turn_num, body.error_code, body.reason))
    channel = draft.state.channels[channel.channel_id]
    if not channel.close_only and not has_final(channel):
        sign_and_send(draft, channel, ledger_of(channel), inverse(proposal.change))
    if proposal.change.kind != MOVE:
        guarantees.refused(draft, channel, proposal, body.error_code, body.reason)
