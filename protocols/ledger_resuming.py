"""After a loss a ledger goes on if both parties agree on everything (M27).

    who lost records     ask -------------------------------->    the other party
                         <-------------- answer, with the head it holds of the asker's log
    leader               a move of 0, 2^20 turns up ---------->   follower
                         <-------------- countersignature: both record that it goes on

They agree if the newest state that both signed is the same, and if the log of whoever lost records
contains the head that the other holds of it. Then nothing was signed that the move does not
outrank, and until the follower signed it nothing else is. The turn of the move follows from the
agreed turn alone, and its state from the agreed state: whoever forgets it and makes it again signs
the same (M6). Without agreement the ledger stays close-only.
"""

from __future__ import annotations

from protocols import log_losses, messages
from protocols.channel import ChainStatus, Channel, known_signer, observed_chain_status
from protocols.crypto import with_low_s
from protocols.draft import Draft
from protocols.errors import UnexpectedMessage
from protocols.inputs import ChainLog
from protocols.ledger import (
    MOVE,
    NO_TARGET,
    RESTORED_TURN_JUMP,
    Change,
    Ledger,
    parties,
)
from protocols.ledger_encoding import ledger_state_hash
from protocols.ledger_errors import (
    CountersignatureWrong,
    LedgerNotRunning,
    LedgerTurnWrong,
    ProposalNotExpected,
    ProposalSignatureWrong,
)
from protocols.ledger_reducers import ledger_of
from protocols.ledgers import has_final
from protocols.resumption_events import (
    LedgerJumpSigned,
    LedgerResumed,
    LedgerResumptionHeard,
    LedgerResumptionTold,
)
from protocols.types import ChannelId, StateHash, TurnNum, amount_to_bytes

RESUMABLE_TURN_MAX = 2**47
"""Above it no ledger goes on: of 2^48 turns enough must be left to close it."""


def why_not_resumed(channel: Channel) -> str:
    """Why the ledger could not go on now, whatever the other party says; empty if it could."""
    if channel.ledger is None:
        return "it is not funded"
    if has_final(channel):
        return "its final state is signed"
    if observed_chain_status(channel) != ChainStatus.OPEN:
        return "the chain decides on it"
    # What it carries is given back by ledger updates first, and a close-only ledger makes none.
    if channel.final_requests and not channel.ledger.current.guarantees:
        return "it is closing"
    if channel.ledger.turn_num >= RESUMABLE_TURN_MAX:
        return "its turns are used up"
    return ""


def ask(draft: Draft, channel_id: ChannelId) -> None:
    """We lost records: tell the other party what we know, to hear what it knows."""
    channel = draft.state.channels[channel_id]
    if channel.close_only and not why_not_resumed(channel):
        _tell(draft, channel, is_answer=False)


def advance(draft: Draft, channel_id: ChannelId) -> None:
    """Say and sign what may be said and signed by now, each once for every agreed state."""
    channel = draft.state.channels[channel_id]
    ledger = channel.ledger
    if ledger is None or ledger.resumption is None or why_not_resumed(channel):
        return
    if channel.close_only and ledger.resumption.told_turn != ledger.turn_num:
        _tell(draft, channel, is_answer=False)
    leads = channel.my_index == 0
    if leads and ledger.queue and not channel.close_only:
        return  # What we proposed is refused and undone first, by a follower that lost records.
    if ledger.resumption.owes_answer:
        _tell(draft, channel, is_answer=True)
    channel = draft.state.channels[channel_id]
    if leads and _agrees(channel) and not _has_jumped(ledger_of(channel)):
        _jump(draft, channel)


def _tell(draft: Draft, channel: Channel, *, is_answer: bool) -> None:
    ledger, channel_id = ledger_of(channel), channel.channel_id
    head = draft.state.peer(channel.counterparty).head
    draft.send_covered(
        channel.counterparty,
        messages.LedgerResumption(channel_id, ledger.turn_num, ledger.state_hash, is_answer, head),
        LedgerResumptionTold(channel_id, ledger.turn_num, ledger.state_hash, is_answer),
    )


def receive(draft: Draft, channel: Channel, body: messages.LedgerResumption) -> None:
    """The other party says what it knows to be agreed last, and what it holds of our log.

    Raises LedgerNotRunning, or InvalidSignature for a head that we never signed.
    """
    if channel.ledger is None:
        raise LedgerNotRunning(channel.channel_id, "it is not funded")
    if body.is_answer and not channel.close_only:
        return  # We lost nothing, so what it answers is of the past.
    agrees = True
    if body.head is not None:
        agrees = log_losses.is_in_our_log(draft, body.head)
        log_losses.compare(draft, channel.counterparty, body.head, agrees=agrees)
    draft.emit(
        LedgerResumptionHeard(
            channel.channel_id, body.turn_num, body.state_hash, body.is_answer, agrees
        )
    )
    advance(draft, channel.channel_id)


def _has_jumped(ledger: Ledger) -> bool:
    said = ledger.resumption
    if said is None or said.asked_again:
        return False
    return said.jump_turn == ledger.turn_num + RESTORED_TURN_JUMP


def _agrees(channel: Channel) -> bool:
    """Whether each told the other what both know, and nobody's log lacks what the other saw."""
    ledger, said = ledger_of(channel), ledger_of(channel).resumption
    if said is None or said.told_turn != ledger.turn_num:
        return False
    is_same = (said.heard_turn, said.heard_hash) == (ledger.turn_num, ledger.state_hash)
    return is_same and (said.head_agrees or not channel.close_only)


def jump_of(channel: Channel, ledger: Ledger) -> tuple[TurnNum, StateHash]:
    """The move that resumes the ledger: its turn, and the hash of the state it leads to."""
    turn_num = ledger.turn_num + RESTORED_TURN_JUMP
    state_hash = ledger_state_hash(
        channel.channel_id, channel.fixed, ledger.asset, ledger.current, turn_num
    )
    return turn_num, state_hash


def _jump(draft: Draft, channel: Channel) -> None:
    turn_num, state_hash = jump_of(channel, ledger_of(channel))
    signature = draft.context.signer(state_hash)
    leader, follower = parties(channel.fixed)
    nothing = amount_to_bytes(0)
    body = messages.LedgerProposal(
        channel.channel_id,
        turn_num,
        MOVE,
        NO_TARGET,
        nothing,
        leader,
        follower,
        nothing,
        nothing,
        signature,
    )
    fact = LedgerJumpSigned(channel.channel_id, turn_num, state_hash, signature)
    draft.send_covered(channel.counterparty, body, fact)


def receive_jump(draft: Draft, channel: Channel, body: messages.LedgerProposal) -> None:
    """The follower's side: sign the move if both agree, and go on. Raises a LedgerRefused."""
    reason = why_not_resumed(channel)
    if reason:
        raise LedgerNotRunning(channel.channel_id, reason)
    ledger = ledger_of(channel)
    if not _agrees(channel):
        raise LedgerTurnWrong(body.turn_num, ledger.proposed_turn + 1)
    leader, follower = parties(channel.fixed)
    nothing = Change(MOVE, NO_TARGET, 0, leader, follower)
    said = Change(body.kind, body.target, int.from_bytes(body.amount, "big"), body.left, body.right)
    if said != nothing or any(body.left_amount) or any(body.fee) or body.request_id:
        raise ProposalNotExpected("after a loss the first change is a move of 0")
    turn_num, state_hash = jump_of(channel, ledger)
    known_leader = known_signer(channel, 0)
    if known_leader is None or not known_leader.verify(state_hash, body.signature):
        raise ProposalSignatureWrong(turn_num)
    signature = draft.context.signer(state_hash)
    draft.send_covered(
        channel.counterparty,
        messages.LedgerCountersignature(channel.channel_id, turn_num, signature),
        LedgerResumed(channel.channel_id, turn_num, state_hash, body.signature, signature),
    )


def see_countersignature(draft: Draft, channel: Channel, log: ChainLog) -> list[ChannelId]:
    """The chain shows that the follower signed the move, which it may have kept from us."""
    said, follower = ledger_of(channel).resumption, known_signer(channel, 1)
    if said is None or said.jump_hash != log.candidate_state_hash or follower is None:
        return []
    for signature in map(with_low_s, log.signatures):
        if follower.verify(said.jump_hash, signature):
            hashes = said.jump_hash, said.jump_signature
            draft.emit(LedgerResumed(log.channel_id, log.turn_num, *hashes, signature))
            return [log.channel_id]
    return []


def receive_countersignature(
    draft: Draft, channel: Channel, body: messages.LedgerCountersignature
) -> None:
    """The leader's side: the follower signed the move. Raises CountersignatureWrong."""
    said = ledger_of(channel).resumption
    if said is None or said.jump_turn != body.turn_num:
        raise UnexpectedMessage("countersignature", "no such move waits for one")
    follower = known_signer(channel, 1)
    if follower is None or not follower.verify(said.jump_hash, body.signature):
        raise CountersignatureWrong(body.turn_num)
    draft.emit(
        LedgerResumed(
            channel.channel_id, body.turn_num, said.jump_hash, said.jump_signature, body.signature
        )
    )
