"""The leader's side of a ledger: what the follower's answers make of the queue."""

from __future__ import annotations

from protocols import ledger_resuming, messages
from protocols.channel import Channel, known_signer
from protocols.crypto import with_low_s
from protocols.draft import Draft
from protocols.inputs import ChainLog
from protocols.ledger import MOVE, inverse
from protocols.ledger_errors import CountersignatureWrong, ProposalQueueExhausted
from protocols.ledger_events import (
    LedgerCountersignatureSeen,
    LedgerRefusalReceived,
    LedgerUpdateConfirmed,
)
from protocols.ledger_leaving import is_leaving
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


def see_countersignature(draft: Draft, channel: Channel, log: ChainLog) -> list[ChannelId]:
    """The chain shows that the follower signed a proposal of ours, which it may have kept from us,
    or refused: it is agreed. The channels it concerns; none if nothing new is shown."""
    if channel.ledger is None or channel.my_index != 0:
        return []
    ledger = channel.ledger
    said = ledger.resumption
    if said is not None and said.jump_turn == log.turn_num:
        return ledger_resuming.see_countersignature(draft, channel, log)
    index = log.turn_num - ledger.turn_num - 1
    if not 0 <= index < len(ledger.queue):
        return []
    state_hash = ledger.queue[index].state_hash
    follower = known_signer(channel, 1)
    if state_hash != log.candidate_state_hash or follower is None:
        return []
    given = map(with_low_s, log.signatures)
    signature = next((one for one in given if follower.verify(state_hash, one)), None)
    if signature is None:
        return []
    where = (log.block_num, log.tx_hash)
    draft.emit(
        LedgerCountersignatureSeen(log.channel_id, log.turn_num, state_hash, signature, *where)
    )
    if not is_leaving(draft.state, channel):
        propose_asked(draft, log.channel_id)
    ledger_resuming.advance(draft, log.channel_id)
    others = concerned(channel, ledger, log.turn_num)
    return [log.channel_id, *(other for other in others if other != log.channel_id)]


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
