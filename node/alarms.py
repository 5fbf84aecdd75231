"""Alarms: what threatens money and needs the owner, each with a name, a deadline and what to do.

Those of a channel follow from what is recorded, so they are there again after a restart and in the
past; those of the chain room are of the moment. What is over leaves the list by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from typing import NamedTuple

from node.chain.link import ChainTrouble
from node.moments import BlocksUntil, date_text
from protocols.adjudication import ChainStatus, exit_of
from protocols.app_channel import App
from protocols.channel import (
    Channel,
    challenge_end,
    is_finalised,
    observed_adjudicated,
    observed_chain_status,
    own_guarantees,
    supported_final,
)
from protocols.entities import NodeState
from protocols.objectives.base import ObjectiveType
from protocols.objectives.supports import newest_turn
from protocols.objectives.withdraw import TRANSFER, reclaim_kind
from protocols.transactions import OUTCOME_MISMATCH, Transaction, intent_id, newest_attempt
from protocols.types import ChannelId, to_hex


class Alarm(NamedTuple):
    """One thing that threatens money."""

    name: str
    what: str
    next_step: str
    """What to type or to change."""
    channel_id: bytes | None = None
    deadline_s: int = 0
    """Unix seconds of the chain; 0 for none."""


def alarms_of(state: NodeState) -> Iterator[Alarm]:
    """What the log says is wrong and not over."""
    for identity in sorted(state.unconfirmed.troubled):
        channel = state.channels.get(identity)
        if channel is None:
            yield _held_back(state.transactions[identity])
            continue
        if channel.halt is not None:
            yield _halted(channel)
        if channel.app is not None and channel.app.halted:
            yield _app_halted(channel, channel.app)
    unconfirmed = state.unconfirmed
    for channel_id in sorted({*unconfirmed.disputed, *unconfirmed.channels}):
        channel = state.channels[channel_id]
        if is_unanswerable(channel):
            yield _unanswerable(channel)
        if is_finalised(channel) and _is_mismatched(state, channel):
            yield _mismatched(channel)
    for identity in sorted(state.agenda.active):
        objective = state.objectives[identity]
        if objective.objective_type == ObjectiveType.CHALLENGE:
            channel = state.channels[objective.channel_id]
            if _is_outranked(state, channel):
                yield _outranked(state, channel)


def _is_outranked(state: NodeState, channel: Channel) -> bool:
    """Whether the chain has seen a newer state of an open channel than we could challenge with."""
    is_open = observed_chain_status(channel) == ChainStatus.OPEN
    if not is_open or supported_final(channel) is not None:
        return False
    return observed_adjudicated(channel).turn_num > newest_turn(state.node, channel)


def is_unanswerable(channel: Channel) -> bool:
    """Whether a challenge runs that nothing we hold outranks."""
    ends = challenge_end(channel)
    return bool(ends) and channel.unanswerable_until == ends


def _is_mismatched(state: NodeState, channel: Channel) -> bool:
    """Whether a payout was refused twice in a row for an outcome that does not stand on chain.

    Once may be a stranger's payout that we had not heard of.
    """
    exit_ = exit_of(observed_adjudicated(channel).outcome)
    if exit_ is None:
        return False
    targets = [exit_.allocations[place].destination for place in own_guarantees(channel, exit_)]
    for kind in (TRANSFER, *map(reclaim_kind, targets)):
        find, channel_id = state.transactions.get, channel.channel_id
        number, newest = newest_attempt(find, kind, channel_id)
        before = find(intent_id(kind, channel_id, number - 1)) if number > 0 else None
        found = [known.failure for known in (newest, before) if known is not None]
        if found == [OUTCOME_MISMATCH, OUTCOME_MISMATCH]:
            return True
    return False


def alarms_of_room(state: NodeState, troubles: Iterable[ChainTrouble]) -> Iterator[Alarm]:
    """What the chain room says is wrong; what is about a transaction, with its channel, what is
    about the chain, with the channel whose challenge ends first: it is the first at risk."""
    # All that are about the chain have the same one: to find it, every challenge is looked at.
    most_urgent = cache(partial(_most_urgent, state))
    for trouble in troubles:
        known = None
        if trouble.intent_id is not None:
            known = state.transactions.get(trouble.intent_id)
        place = most_urgent() if known is None else (known.channel_id, known.deadline_s)
        yield Alarm(trouble.name, trouble.what, trouble.next_step, *place)


def alarms_of_apps(failing: Mapping[ChannelId, str]) -> Iterator[Alarm]:
    """Applications whose views do not go on, each with the reason."""
    for channel_id, reason in sorted(failing.items()):
        yield Alarm(
            "app-view-failing",
            f"its messages cannot be judged: {reason}. The channel waits, and is tried again",
            "install its reducer: tally app install REDUCER; or make room on the disk; or close it "
            f"with: tally app close {to_hex(channel_id)}",
            channel_id,
        )


def _most_urgent(state: NodeState) -> tuple[ChannelId | None, int]:
    """The channel whose challenge ends first, and when; (None, 0) if none runs."""
    unconfirmed = state.unconfirmed
    running = [
        (ends, channel_id)
        for channel_id in {*unconfirmed.disputed, *unconfirmed.channels}
        if (ends := challenge_end(state.channels[channel_id]))
    ]
    if not running:
        return None, 0
    ends, channel_id = min(running)
    return channel_id, ends


def alarm_rows(alarms: Iterable[Alarm], blocks_until: BlocksUntil) -> list[dict[str, object]]:
    """As JSON values: the deadline as a date and in blocks."""
    return [
        {
            "name": alarm.name,
            "channel_id": None if alarm.channel_id is None else to_hex(alarm.channel_id),
            "deadline": date_text(alarm.deadline_s) if alarm.deadline_s else None,
            "blocks_left": blocks_until(alarm.deadline_s) if alarm.deadline_s else None,
            "what": alarm.what,
            "next_step": alarm.next_step,
        }
        for alarm in alarms
    ]


def _halted(channel: Channel) -> Alarm:
    assert channel.halt is not None
    name = to_hex(channel.channel_id)
    return Alarm(
        "channel-halted",
        f"the chain replaced its blocks from {channel.halt.fork_block_num} on, and with them what "
        f"counted as confirmed: {channel.halt.held} held, {channel.halt.chain_status}. No payment "
        "is made or taken until it shows as much again",
        f"wait for it; if it does not come back, type: tally close {name}. Raise "
        "chain.confirmation_count if this chain replaces blocks so deep",
        channel.channel_id,
        challenge_end(channel),
    )


def _app_halted(channel: Channel, app: App) -> Alarm:
    name = to_hex(channel.channel_id)
    rest = "moves go on chain alone" if app.is_judged else "nothing but its end is signed any more"
    return Alarm(
        "app-channel-halted",
        f"the two ends did not come to the same after {app.supported.count} messages that both "
        f"signed ({app.halted}): {rest}",
        f"look at what each end came to: tally explain {name}. Close it at what both signed: "
        f"tally app close {name}; if the other end does not answer: tally exit {name}",
        channel.channel_id,
        challenge_end(channel),
    )


def _held_back(transaction: Transaction) -> Alarm:
    return Alarm(
        "transaction-held-back",
        f"the chain asks more for the {transaction.kind} than chain.fee_ceiling_gwei allows",
        "stop the node and type: tally run -c DIR --set chain.fee_ceiling_gwei=N, with an N above "
        "what the chain asks; if the balance limits the bid, send coin to the node's address",
        transaction.channel_id,
        transaction.deadline_s,
    )


def _outranked(state: NodeState, channel: Channel) -> Alarm:
    name, own_turn = to_hex(channel.channel_id), newest_turn(state.node, channel)
    return Alarm(
        "exit-blocked",
        f"the chain has seen turn {observed_adjudicated(channel).turn_num} of it, and the newest "
        f"that this node holds with all signatures is turn {own_turn}: nothing can be registered "
        "by us. Records were lost, and the other party raised the turn on chain by what we signed "
        "in them",
        "if another machine or a newer backup of yours knows that turn, leave from there; else it "
        f"takes the other party: tally close {name}",
        channel.channel_id,
    )


def _mismatched(channel: Channel) -> Alarm:
    return Alarm(
        "outcome-mismatch",
        f"{OUTCOME_MISMATCH}: nothing of it is paid out to us. Records of what the chain did are "
        "missing or wrong, or an endpoint hid some of it",
        "compare the log with the chain through another endpoint: tally audit DIR/data --rpc URL; "
        "if that finds nothing, put that endpoint first in [chain] urls and start again",
        channel.channel_id,
    )


def _unanswerable(channel: Channel) -> Alarm:
    known, name = observed_adjudicated(channel), to_hex(channel.channel_id)
    return Alarm(
        "challenge-unanswerable",
        f"a challenge with turn {known.turn_num} runs, and nothing this node holds outranks it: "
        "records were lost, or it is newer than what we know",
        "if another machine or a newer backup of yours knows a newer state, answer from there "
        f"before the deadline; what is left afterwards is withdrawn by: tally exit {name}",
        channel.channel_id,
        known.finalizes_at,
    )
