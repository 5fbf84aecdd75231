"""Ledger updates: which ledgers may change, and how a leader proposes.

    leader    propose ------------------------------> receive_proposal          follower
              receive_countersignature <------------- answer_all, once a batch
              receive_refusal, then the inverse ----> receive_proposal
              receive_payment_request <-------------- pay

A proposal is the next state of the ledger, signed. One countersignature agrees to everything
before it. A refused turn is never signed by the follower; what it did is undone by its inverse
behind the queue, which nobody judges (M8). What the leader makes of answers is in
`ledger_answers`, the follower's side in `ledger_following`, and what a guarantee means to the
channel it funds in `objectives.guarantees`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from protocols import messages
from protocols.channel import FINALISED, ChainStatus, Channel, observed_chain_status
from protocols.draft import Draft
from protocols.entities import NodeState
from protocols.errors import UnexpectedMessage
from protocols.funding import chain_view_age_s_max, sees_chain
from protocols.ledger import (
    ADD,
    MOVE,
    QUEUE_COUNT_MAX,
    REMOVE,
    Change,
    Ledger,
    Proposed,
    after,
    deltas,
)
from protocols.ledger_encoding import ledger_state_hash
from protocols.ledger_errors import (
    InvalidLedgerChange,
    LedgerChainUnseen,
    LedgerFundsInsufficient,
    LedgerNotRunning,
    TooManyGuarantees,
    TooManyProposalsWaiting,
)
from protocols.ledger_events import LedgerUpdateProposed, LedgerUpdateReceived
from protocols.ledger_leaving import is_being_left
from protocols.ledger_queue import find_proposed, secured
from protocols.types import (
    Address,
    Bytes32,
    ChannelId,
    Signature,
    StateHash,
    TurnNum,
    amount_to_bytes,
)

Update = TypeVar("Update", LedgerUpdateProposed, LedgerUpdateReceived)


def is_ledger(draft: Draft, channel: Channel) -> bool:
    """True for a channel that runs on the deployment's consensus app."""
    return channel.fixed.app_definition == draft.state.node.consensus_app


def why_not_running(state: NodeState, channel: Channel, kind: str) -> str:
    """Why the ledger takes no change of that kind now; empty if it does.

    A ledger that closes, is challenged or is left still gives guarantees back (M16), until its
    final state is signed: who signed that signs no running state any more (M8).
    """
    if channel.ledger is None:
        return "it is not funded"
    if channel.close_only:
        return "the log lost its end, it may only be closed"
    if channel.ledger.resumption is not None:
        return "the other party lost records, and it does not go on yet"
    if has_final(channel):
        return "its final state is signed"
    if kind != REMOVE and channel.halt is not None:
        return "it is halted: the chain replaced blocks that counted"
    chain = observed_chain_status(channel)
    if chain in FINALISED:
        return f"it is {chain} on chain"
    if kind != REMOVE and chain == ChainStatus.CHALLENGED:
        return "it is challenged"
    if kind != REMOVE and channel.final_requests:
        return "it is closing"
    if kind != REMOVE and is_being_left(state, channel):
        return "it is being left"
    return ""


def has_final(channel: Channel) -> bool:
    """True once a final state of the channel is known, signed by whomever."""
    for turn in channel.turns:  # noqa: SIM110  a generator costs more than two looks
        if turn.is_final:
            return True
    return False


def require_running(state: NodeState, channel: Channel, kind: str) -> Ledger:
    """The ledger, if it takes a change of that kind now; else raises LedgerNotRunning."""
    reason = why_not_running(state, channel, kind)
    ledger = channel.ledger
    if reason or ledger is None:
        raise LedgerNotRunning(channel.channel_id, reason)
    return ledger


def require_seen(draft: Draft, channel: Channel) -> None:
    """Raise LedgerChainUnseen if the ledger may have ended on chain without our knowing."""
    if not sees_chain(draft, channel):
        raise LedgerChainUnseen(channel.channel_id, chain_view_age_s_max(channel))


def require_role(channel: Channel, *, leads: bool) -> Ledger:
    """The ledger, if we have the role that the message is for."""
    if (channel.my_index == 0) != leads:
        raise UnexpectedMessage("ledger message", "it is for the other party of this ledger")
    if channel.ledger is None:
        raise LedgerNotRunning(channel.channel_id, "it is not funded")
    return channel.ledger


def ledgers_with(draft: Draft, peer: Address) -> list[Channel]:
    """The ledgers with that peer that were funded and are not agreed to be over, oldest first."""
    state = draft.state
    return [state.channels[channel_id] for channel_id in state.ledgers.get(peer) or ()]


def free_balance(channel: Channel) -> int:
    """What is ours in the ledger and neither guaranteed nor promised; 0 if it is no ledger."""
    ledger = channel.ledger
    if ledger is None:
        return 0
    rest = secured(ledger)
    if channel.my_index == 0:
        return rest.leader
    proposed = proposed_moves(ledger)
    asked = (asked.amount for asked in ledger.asked if asked.request_id not in proposed)
    return rest.follower - sum(asked)


def proposed_moves(ledger: Ledger) -> set[str]:
    """The request ids of the moves that wait in the queue."""
    return {p.change.request_id for p in ledger.queue if p.change.kind == MOVE}


def peers_balance(channel: Channel) -> int:
    """What is the other party's in the ledger and neither guaranteed nor promised; 0 if it is no
    ledger."""
    ledger = channel.ledger
    if ledger is None:
        return 0
    rest = secured(ledger)
    return rest.follower if channel.my_index == 0 else rest.leader


def choose(
    draft: Draft, peer: Address, asset: Address, amount: int, peers_amount: int = 0
) -> Channel | None:
    """The ledger in which we put `amount` into a guarantee, and that peer `peers_amount`.

    It is open, has the asset, room for a guarantee and both balances free. One that we lead comes
    first, since nobody is to be asked for a proposal there; then the one that carries least, since
    every update signs all guarantees. None if there is no such ledger.
    """
    set_aside = draft.base.carried.count
    found: Channel | None = None
    found_place = (1, draft.context.guarantee_count_max)
    for channel in ledgers_with(draft, peer):
        ledger, follows = channel.ledger, int(channel.my_index > 0)
        count = set_aside.get(channel.channel_id, 0)
        # Before all that costs more, for there may be many ledgers; `count` only grows below.
        if (follows, count) >= found_place or ledger is None or ledger.asset != asset:
            continue
        count = max(count, secured(ledger).guarantee_count)
        if (follows, count) >= found_place or count >= draft.context.guarantee_count_max:
            continue
        if why_not_running(draft.state, channel, ADD) or free_balance(channel) < amount:
            continue
        if peers_balance(channel) >= peers_amount:
            found, found_place = channel, (follows, count)
    return found


def propose(draft: Draft, channel: Channel, change: Change) -> TurnNum:
    """Sign the state that one more change leads to, and send it; the turn.

    Raises a LedgerRefused; nothing is signed then.
    """
    ledger = require_running(draft.state, channel, change.kind)
    if channel.my_index != 0:
        raise InvalidLedgerChange("only the leader proposes")
    if change.kind != MOVE:
        require_seen(draft, channel)
    if len(ledger.queue) >= QUEUE_COUNT_MAX:
        raise TooManyProposalsWaiting(len(ledger.queue))
    if change.kind != MOVE and find_proposed(ledger, change.target) is not None:
        raise InvalidLedgerChange("a change of that guarantee waits for an answer")
    _require_secured(draft, channel, ledger, change)
    return sign_and_send(draft, channel, ledger, change)


def _require_secured(draft: Draft, channel: Channel, ledger: Ledger, change: Change) -> None:
    """What is proposed may lean on nothing that the follower could refuse yet."""
    to_leader, to_follower = deltas(change, channel.fixed)
    rest = secured(ledger)
    if rest.leader + min(to_leader, 0) < 0:
        raise LedgerFundsInsufficient(-to_leader, rest.leader)
    if rest.follower + min(to_follower, 0) < 0:
        raise LedgerFundsInsufficient(-to_follower, rest.follower)
    limit = draft.context.guarantee_count_max
    if change.kind == ADD and rest.guarantee_count >= limit:
        raise TooManyGuarantees(rest.guarantee_count, limit)


def sign_and_send(draft: Draft, channel: Channel, ledger: Ledger, change: Change) -> TurnNum:
    """Put a change behind the queue, whatever may be said against it: inverses come this way."""
    body, fact = signed_update(channel, ledger, change, draft.context.signer)
    draft.send_covered(channel.counterparty, body, fact)
    return body.turn_num


def signed_update(
    channel: Channel, ledger: Ledger, change: Change, signer: Callable[[Bytes32], Signature]
) -> tuple[messages.LedgerProposal, LedgerUpdateProposed]:
    """The change behind the queue, signed: what the follower is told, and the fact of it.

    Raises a LedgerRefused if the amounts do not allow it; nothing is signed then.
    """
    channel_id, turn_num = channel.channel_id, ledger.proposed_turn + 1
    vars_ = after(ledger.proposed, change, channel.fixed)
    state_hash = ledger_state_hash(channel_id, channel.fixed, ledger.asset, vars_, turn_num)
    proposal = Proposed(turn_num, change, state_hash, signer(state_hash))
    body = proposal_message(channel_id, proposal)
    return body, update_fact(LedgerUpdateProposed, body, state_hash)


def update_fact(kind: type[Update], body: messages.LedgerProposal, state_hash: StateHash) -> Update:
    """The fact that the leader proposed a change, on either side."""
    return kind(
        body.channel_id,
        body.turn_num,
        state_hash,
        body.signature,
        body.kind,
        body.target,
        body.amount,
        body.left,
        body.right,
        body.left_amount,
        body.fee,
        body.request_id,
    )


def proposal_message(channel_id: ChannelId, proposal: Proposed) -> messages.LedgerProposal:
    """What the follower is told of a proposal."""
    change = proposal.change
    return messages.LedgerProposal(
        channel_id,
        proposal.turn_num,
        change.kind,
        change.target,
        amount_to_bytes(change.amount),
        change.left,
        change.right,
        amount_to_bytes(change.left_amount),
        amount_to_bytes(change.fee),
        proposal.signature,
        change.request_id,
    )


def concerned(channel: Channel, ledger: Ledger, turn_num: TurnNum) -> list[ChannelId]:
    """The channels whose guarantees an agreement touches, and the ledger itself if it closes or is
    challenged: what is agreed may answer that."""
    agreed = ledger.queue[: turn_num - ledger.turn_num]
    found = {p.change.target: None for p in agreed if p.change.kind != MOVE}
    if channel.final_requests or observed_chain_status(channel) == ChainStatus.CHALLENGED:
        found[channel.channel_id] = None
    return list(found)
