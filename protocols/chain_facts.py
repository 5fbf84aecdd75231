"""Chain facts: how logs, blocks, reorgs and receipts of the chain become events.

A log comes twice. Observed, at depth 0, it is recorded as `chain-log-observed`: defence and
payments act on it. Confirmed, it becomes the catalogue's event of its kind: money counts then.
Logs of channels that are not ours, and logs that were recorded before, lead to nothing.
"""

from __future__ import annotations

from msgspec.structs import replace

from protocols import events, halts
from protocols.adjudication import ChainStatus, ObservedLog, exit_of
from protocols.chain_reducers import mined_from
from protocols.channel import (
    Channel,
    confirmed_holdings,
    funding_terms,
    supported_final,
)
from protocols.conclusions import concluded_with
from protocols.draft import Draft
from protocols.exit_events import ChallengeExpired, OutcomePaid, OutcomeReclaimed
from protocols.inputs import (
    ChainHead,
    ChainLog,
    ChainReorg,
    ChannelRead,
    TransactionReceipt,
    TransactionRefused,
    TransactionSigned,
)
from protocols.observation_reducers import observed_log
from protocols.outcome import address_of_destination, is_external
from protocols.transactions import (
    Transaction,
    TransactionStatus,
    is_pending,
)
from protocols.types import ChannelId, amount_to_bytes

RECORDED_LOGS = frozenset(
    {
        "Deposited",
        "AllocationUpdated",
        "ChallengeRegistered",
        "ChallengeCleared",
        "Checkpointed",
        "Concluded",
        "OutcomePaid",
        "OutcomeReclaimed",
    }
)
"""The adjudicator's logs that change what we believe of a channel."""


PAYING_LOGS = frozenset(("AllocationUpdated", "OutcomePaid", "OutcomeReclaimed"))
"""Those of them that only a final channel has; the first of a payout tells what is held after it.
"""


def receive_log(draft: Draft, log: ChainLog) -> ChannelId | None:
    """Record one log of a channel of ours; the channel to crank, or None."""
    channel = draft.state.channels.get(log.channel_id)
    if channel is None or log.log_name not in RECORDED_LOGS:
        return None
    if (log.block_num, log.log_index) <= channel.confirmed_up_to:
        return None
    seen = _observed(channel, log)
    if seen is not None and log.confirmed and not _agrees(channel, seen, log):
        _emit_refuted(draft, log.channel_id, seen)
        seen = None
    if seen is None:
        draft.emit(as_observed(draft.state.channels[log.channel_id], log))
    if log.confirmed:
        _confirm(draft, draft.state.channels[log.channel_id], log)
        halts.lift(draft, log.channel_id)
    return log.channel_id


def _observed(channel: Channel, log: ChainLog) -> ObservedLog | None:
    for known in channel.observed:
        if (known.block_hash, known.log_index) == (log.block_hash, log.log_index):
            return known
    return None


def _agrees(channel: Channel, seen: ObservedLog, log: ChainLog) -> bool:
    """Whether an endpoint told at depth 0 what now counts: it may lie about a log in a true block.

    What a conclusion left may be our own guess, which is no better now.
    """
    found = observed_log(as_observed(channel, log))
    if log.log_name == "Concluded":
        found = replace(found, outcome=seen.outcome)
    return seen == found


def as_observed(channel: Channel, log: ChainLog) -> events.ChainLogObserved:
    """What is recorded of a log at depth 0; the channel must have its prefund."""
    # AllocationUpdated names the asset by its place in the outcome, Deposited by its address.
    asset = log.asset if log.log_name == "Deposited" else funding_terms(channel).asset
    outcome, amounts = log.candidate_outcome, log.amounts
    if log.log_name == "Concluded":
        conclusion = concluded_with(channel, amounts)
        outcome, amounts = conclusion.outcome, conclusion.amounts
    return events.ChainLogObserved(
        log.channel_id,
        log.log_name,
        log.block_num,
        log.block_hash,
        log.tx_hash,
        log.tx_index,
        log.log_index,
        asset,
        amount_to_bytes(log.amount),
        log.number,
        log.turn_num,
        log.candidate_state_hash,
        outcome,
        log.indices,
        tuple(map(amount_to_bytes, amounts)),
        log.target,
    )


def _confirm(draft: Draft, channel: Channel, log: ChainLog) -> None:
    known = channel.adjudicated
    is_paying = log.log_name in PAYING_LOGS
    if is_paying and known is not None and channel.chain_status == ChainStatus.CHALLENGED:
        # Only a final channel pays: who reads many blocks at once meets that before the time.
        ends_at = known.finalizes_at
        draft.emit(ChallengeExpired(log.channel_id, ends_at, log.block_num, ends_at))
    match log.log_name:
        case "Deposited":
            draft.emit(_deposit(channel, log))
        case "AllocationUpdated":
            asset, held = funding_terms(channel).asset, amount_to_bytes(log.amount)
            draft.emit(events.AllocationUpdated(*_place(log), asset, held, log.tx_hash))
        case "ChallengeRegistered":
            draft.emit(
                events.ChallengeRegistered(
                    *_place(log),
                    log.turn_num,
                    log.number,
                    log.challenger,
                    log.candidate_is_final,
                    log.candidate_state_hash or None,
                    log.tx_hash,
                )
            )
        case "ChallengeCleared" | "Checkpointed":
            draft.emit(events.ChallengeCleared(*_place(log), log.number, log.tx_hash))
        case "Concluded":
            final = supported_final(channel)
            turn_num = None if final is None else final.turn_num
            draft.emit(events.ChannelConcluded(*_place(log), turn_num, log.tx_hash))
        case "OutcomePaid":
            draft.emit(
                OutcomePaid(
                    *_place(log),
                    log.log_index,
                    log.asset_index,
                    log.indices,
                    tuple(map(amount_to_bytes, log.amounts)),
                    log.tx_hash,
                )
            )
            _withdrawals(draft, channel, log)
        case "OutcomeReclaimed":
            draft.emit(
                OutcomeReclaimed(
                    *_place(log),
                    log.log_index,
                    log.asset_index,
                    log.target,
                    amount_to_bytes(log.amount),
                    log.tx_hash,
                )
            )


def _place(log: ChainLog) -> tuple[ChannelId, int, int]:
    return log.channel_id, log.block_num, log.tx_index


def _deposit(channel: Channel, log: ChainLog) -> events.DepositDetected:
    before = confirmed_holdings(channel, log.asset)
    return events.DepositDetected(
        *_place(log),
        log.asset,
        amount_to_bytes(max(0, log.amount - before)),
        amount_to_bytes(log.amount),
        log.tx_hash,
    )


def _withdrawals(draft: Draft, channel: Channel, log: ChainLog) -> None:
    """M4: who was paid follows from the outcome that stood before, places and all."""
    exit_ = None if channel.adjudicated is None else exit_of(channel.adjudicated.outcome)
    if exit_ is None or log.asset_index != 0:
        return
    for index, amount in zip(log.indices, log.amounts, strict=True):
        if index >= len(exit_.allocations):
            continue
        destination = exit_.allocations[index].destination
        if amount == 0 or not is_external(destination):
            continue
        draft.emit(
            events.WithdrawCompleted(
                *_place(log),
                address_of_destination(destination),
                exit_.asset,
                amount_to_bytes(amount),
                log.tx_hash,
            )
        )


def receive_reading(draft: Draft, reading: ChannelRead) -> ChannelId | None:
    """The chain's own word on a channel that a cut tail made us forget; the channel to crank.

    Whatever logs of it passed meanwhile is in the figure, so none has to be kept for a channel that
    may never be told again, and a stranger's deposits into made-up channels cost us nothing.
    """
    channel = draft.state.channels.get(reading.channel_id)
    if channel is None or not channel.unread:
        return None
    draft.emit(
        events.HoldingsRead(
            reading.channel_id,
            reading.asset,
            amount_to_bytes(reading.held),
            reading.block_num,
            reading.block_hash,
            reading.finalizes_at,
        )
    )
    halts.lift(draft, reading.channel_id)
    return reading.channel_id


def receive_head(draft: Draft, head: ChainHead) -> list[ChannelId]:
    """The cursor moves on: a restart reads from the next block, and challenges may have expired.

    What was observed in these blocks and did not come as confirmed is not in them. The channels
    that are disputed, or of which something was retracted, for whoever acts on them.
    """
    if head.processed_block_num <= draft.state.node.processed_block_num:
        return []
    now_s = head.processed_block_time_s
    draft.emit(
        events.ChainBlockProcessed(head.processed_block_num, head.processed_block_hash, now_s)
    )
    refuted = _refute(draft, head.processed_block_num)
    disputed = sorted({*draft.base.unconfirmed.disputed, *refuted})
    for channel_id in disputed:
        channel = draft.state.channels[channel_id]
        known = channel.adjudicated
        if channel.chain_status != ChainStatus.CHALLENGED or known is None:
            continue
        if channel.unread:
            continue  # The challenge may be in a block that is gone: the chain is asked first.
        # All confirmed logs up to this block came before it: nobody answered.
        if 0 < known.finalizes_at <= now_s:
            draft.begin_anew()
            draft.emit(
                ChallengeExpired(channel_id, known.finalizes_at, head.processed_block_num, now_s)
            )
    return disputed


def _refute(draft: Draft, block_num: int) -> list[ChannelId]:
    """All confirmed logs up to that block came: what else was observed there never was, or was in a
    block that is gone. Whose observed logs are retracted."""
    found = []
    for channel_id in sorted(draft.base.unconfirmed.channels):
        for log in draft.state.channels[channel_id].observed:
            if log.block_num <= block_num:
                draft.begin_anew()
                _emit_refuted(draft, channel_id, log)
                found.append(channel_id)
    return found


def _emit_refuted(draft: Draft, channel_id: ChannelId, log: ObservedLog) -> None:
    place = (log.block_num, log.block_hash, log.tx_hash, log.log_index)
    draft.emit(events.ChainLogRefuted(channel_id, log.log_name, *place))


def receive_reorg(draft: Draft, reorg: ChainReorg) -> None:
    """What was observed in the replaced blocks is retracted, as one event for all channels.

    Our transactions that were mined in them leave again, with the bytes they had. Channels of which
    a fact counted that is in them are halted: that is deeper than the owner thought possible.
    """
    is_deep = reorg.fork_block_num <= draft.state.node.processed_block_num
    transactions = draft.state.transactions
    mined = (transactions[known] for known in mined_from(draft.state, reorg.fork_block_num))
    unmined = [transaction for transaction in mined if transaction.raw]
    draft.emit(
        events.ChainReorged(reorg.fork_block_num, reorg.old_block_hash, reorg.new_block_hash)
    )
    for transaction in unmined:
        draft.broadcast(draft.state.transactions[transaction.intent_id])
    if is_deep:
        halts.after_deep_fork(draft, reorg.fork_block_num)


def receive_signed(draft: Draft, signed: TransactionSigned) -> ChannelId | None:
    """The chain room signed an intent: recorded, it may be broadcast."""
    known = draft.state.transactions.get(signed.intent_id)
    if known is None or known.status != TransactionStatus.REQUESTED:
        return None
    draft.emit(
        events.TransactionSubmitted(
            signed.intent_id, signed.tx_hash, signed.sender, signed.nonce, signed.raw
        )
    )
    draft.broadcast(draft.state.transactions[signed.intent_id])
    return known.channel_id


def receive_receipt(draft: Draft, receipt: TransactionReceipt) -> ChannelId | None:
    """The transaction is in a block: the intent is over."""
    known = _pending(draft, receipt.intent_id)
    if known is None:
        return None
    draft.emit(
        events.TransactionMined(
            receipt.intent_id,
            receipt.tx_hash,
            receipt.block_num,
            receipt.block_hash,
            receipt.gas_used,
            amount_to_bytes(receipt.gas_price),
            receipt.succeeded,
            receipt.failure,
        )
    )
    return known.channel_id


def receive_refused(draft: Draft, refused: TransactionRefused) -> ChannelId | None:
    """The call would revert, or its nonce is taken: the intent is over without effect."""
    known = _pending(draft, refused.intent_id)
    if known is None:
        return None
    draft.emit(events.TransactionFailed(refused.intent_id, refused.reason))
    return known.channel_id


def _pending(draft: Draft, intent_id: bytes) -> Transaction | None:
    known = draft.state.transactions.get(intent_id)
    return known if known is not None and is_pending(known) else None
