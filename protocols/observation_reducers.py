"""How a channel changes by what the chain told of it: observed, confirmed, read, taken back.

What is observed is kept apart until it counts; like all reducers they trust what was recorded.
`OBSERVATION_REDUCERS` is the door.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from protocols import events, exit_events
from protocols.adjudication import Adjudicated, after_log, status_after
from protocols.channel import ChainStatus, Channel, Holding, ObservedLog
from protocols.halt_events import ChannelHalted, ChannelHaltLifted
from protocols.halt_reducers import halted, lifted, word_read
from protocols.types import Address, amount_from_bytes


def observed_log(event: events.ChainLogObserved) -> ObservedLog:
    """The log as it is kept until it counts."""
    return ObservedLog(
        event.log_name,
        event.block_num,
        event.block_hash,
        event.tx_hash,
        event.log_index,
        event.asset,
        amount_from_bytes(event.amount),
        event.number,
        event.turn_num,
        event.state_hash,
        event.outcome,
        event.indices,
        tuple(map(amount_from_bytes, event.amounts)),
        event.target,
    )


def _observed(channel: Channel, event: events.ChainLogObserved) -> Channel:
    return replace(channel, observed=(*channel.observed, observed_log(event)))


def _refuted(channel: Channel, event: events.ChainLogRefuted) -> Channel:
    place = (event.block_num, event.block_hash, event.log_index)
    left = tuple(
        log for log in channel.observed if (log.block_num, log.block_hash, log.log_index) != place
    )
    return replace(channel, observed=left)


def confirm(
    channel: Channel,
    log_name: str,
    block_num: int,
    tx_hash: bytes | None,
    log_index: int | None = None,
) -> Channel:
    """The first observed log of that name and transaction is confirmed: it leaves `observed`.

    A transaction of somebody else's making may hold many of one name: `log_index` says which.
    """
    for index, log in enumerate(channel.observed):
        if (log.log_name, log.block_num, log.tx_hash) == (log_name, block_num, tx_hash) and (
            log_index is None or log.log_index == log_index
        ):
            rest = channel.observed[:index] + channel.observed[index + 1 :]
            up_to = max(channel.confirmed_up_to, (log.block_num, log.log_index))
            known = channel.adjudicated or Adjudicated()
            kept = after_log(known, log)
            return replace(
                channel,
                observed=rest,
                confirmed_up_to=up_to,
                chain_status=status_after(channel.chain_status, log_name),
                adjudicated=channel.adjudicated if kept is known else kept,
            )
    return channel


def _held(channel: Channel, asset: Address, amount: int) -> Channel:
    others = (holding for holding in channel.holdings if holding.asset != asset)
    return replace(channel, holdings=(*others, Holding(asset, amount)))


def _deposited(channel: Channel, event: events.DepositDetected) -> Channel:
    channel = confirm(channel, "Deposited", event.block_num, event.tx_hash)
    return _held(channel, event.asset, amount_from_bytes(event.now_held))


def _allocation_updated(channel: Channel, event: events.AllocationUpdated) -> Channel:
    channel = confirm(channel, "AllocationUpdated", event.block_num, event.tx_hash)
    return _held(channel, event.asset, amount_from_bytes(event.new_amount))


def _challenged(channel: Channel, event: events.ChallengeRegistered) -> Channel:
    return confirm(channel, "ChallengeRegistered", event.block_num, event.tx_hash)


def _cleared(channel: Channel, event: events.ChallengeCleared) -> Channel:
    channel = confirm(channel, "ChallengeCleared", event.block_num, event.tx_hash)
    return confirm(channel, "Checkpointed", event.block_num, event.tx_hash)


def _concluded(channel: Channel, event: events.ChannelConcluded) -> Channel:
    channel = confirm(channel, "Concluded", event.block_num, event.tx_hash)
    return replace(channel, chain_status=ChainStatus.CONCLUDED)


def _withdrawn(channel: Channel, event: events.WithdrawCompleted) -> Channel:
    paid = (event.recipient, amount_from_bytes(event.amount))
    return replace(channel, withdrawn=(*channel.withdrawn, paid))


def _outcome_paid(channel: Channel, event: exit_events.OutcomePaid) -> Channel:
    where = (event.block_num, event.tx_hash, event.log_index)
    return confirm(channel, "OutcomePaid", *where)


def _outcome_reclaimed(channel: Channel, event: exit_events.OutcomeReclaimed) -> Channel:
    where = (event.block_num, event.tx_hash, event.log_index)
    return confirm(channel, "OutcomeReclaimed", *where)


def _expired(channel: Channel, event: exit_events.ChallengeExpired) -> Channel:
    return replace(channel, chain_status=ChainStatus.EXPIRED)


def _unanswerable(channel: Channel, event: exit_events.ChallengeUnanswerable) -> Channel:
    return replace(channel, unanswerable_until=event.finalizes_at)


def left(channel: Channel) -> Channel:
    """All that this node can get of a finalised channel was paid out to it."""
    known = channel.adjudicated or Adjudicated()
    return replace(channel, adjudicated=replace(known, is_left=True))


def _read(channel: Channel, event: events.HoldingsRead) -> Channel:
    """The figure covers every log of that block and below; what is above comes as a log."""
    above = tuple(log for log in channel.observed if log.block_num > event.block_num)
    status, known = word_read(channel, event.finalizes_at)
    # After a fork: what is not final (any more) was not paid out either.
    is_paid = channel.halt is None or event.finalizes_at != 0
    channel = replace(
        channel,
        observed=above,
        confirmed_up_to=max(channel.confirmed_up_to, (event.block_num + 1, -1)),
        chain_status=status,
        adjudicated=known,
        withdrawn=channel.withdrawn if is_paid else (),
        unread=False,
    )
    return _held(channel, event.asset, amount_from_bytes(event.held))


def retracted(channel: Channel, fork_block_num: int) -> Channel:
    """A reorg: what was observed from that block on did not happen."""
    kept = tuple(log for log in channel.observed if log.block_num < fork_block_num)
    return channel if len(kept) == len(channel.observed) else replace(channel, observed=kept)


OBSERVATION_REDUCERS: dict[type[events.Event], Callable[[Channel, Any], Channel]] = {
    events.ChainLogObserved: _observed,
    events.ChainLogRefuted: _refuted,
    events.DepositDetected: _deposited,
    events.AllocationUpdated: _allocation_updated,
    events.ChallengeRegistered: _challenged,
    events.ChallengeCleared: _cleared,
    events.ChannelConcluded: _concluded,
    events.WithdrawCompleted: _withdrawn,
    exit_events.OutcomePaid: _outcome_paid,
    exit_events.OutcomeReclaimed: _outcome_reclaimed,
    exit_events.ChallengeExpired: _expired,
    exit_events.ChallengeUnanswerable: _unanswerable,
    ChannelHalted: halted,
    ChannelHaltLifted: lifted,
    events.HoldingsRead: _read,
}
"""Events of one channel that exists."""

OF_CHAIN = (
    events.ChainLogObserved,
    events.ChainLogRefuted,
    events.DepositDetected,
    events.AllocationUpdated,
    events.ChallengeRegistered,
    events.ChallengeCleared,
    events.ChannelConcluded,
    events.WithdrawCompleted,
    events.HoldingsRead,
    exit_events.OutcomePaid,
    exit_events.OutcomeReclaimed,
    exit_events.ChallengeExpired,
    ChannelHalted,
    ChannelHaltLifted,
)
"""Those of them by which what was observed and is not confirmed may change."""
