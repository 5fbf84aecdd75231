"""Leaving alone: what a finalised channel stands with, and that the chain paid by nothing else.

The outcome is folded here once more, in the audit's own words: from the challenge or the conclusion
that was confirmed, less what was paid, with what was given back (M4).
"""

from collections.abc import Iterator
from typing import get_args

from msgspec.structs import replace

from node.audit.channel_facts import ChannelFacts
from node.audit.checks import Check, Fault, Ground
from node.audit.entry import Entry
from node.audit.facts import Facts
from node.audit.standing import find_guarantee
from protocols import events, exit_events
from protocols.abi import decode_outcome, encode_outcome
from protocols.errors import ProtocolError
from protocols.outcome import Outcome, SingleAssetExit, destination_of, total
from protocols.types import amount_from_bytes

_SETTLING_EVENTS = (
    events.ChainLogObserved
    | events.ChallengeRegistered
    | exit_events.ChallengeExpired
    | exit_events.OutcomePaid
    | exit_events.OutcomeReclaimed
)


class SettlementCheck(Check):
    """Time ran out before it was up, more was paid than stood there: nothing of that is honest."""

    name = "settlements"
    judges = get_args(_SETTLING_EVENTS)

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def check(self, entry: Entry) -> Iterator[str]:
        """What is wrong with this record, given all before it."""
        event = entry.event
        if not isinstance(event, _SETTLING_EVENTS):
            return
        channel = self._facts.channels.get(event.channel_id)
        if channel is None:
            yield f"{entry.name} names a channel that was never created"
            return
        match event:
            case events.ChainLogObserved():
                yield from _observed(channel, event)
            case events.ChallengeRegistered():
                yield from _challenged(channel, event)
            case exit_events.ChallengeExpired():
                yield from _expired(channel, event)
            case exit_events.OutcomePaid():
                yield from _paid(channel, event)
            case exit_events.OutcomeReclaimed():
                yield from _reclaimed(channel, event)

    def finish(self, ground: Ground | None = None) -> Iterator[Fault]:
        """Channels that were left: nothing of ours stands in them that the holdings cover."""
        if self._facts.node is None:
            return
        mine = destination_of(self._facts.me)
        for channel in self._facts.channels.values():
            if "Withdraw" not in channel.completed or channel.standing is None:
                continue
            held = sum(channel.held.values())
            for share in channel.standing:
                affordable = min(share.amount, held)
                held -= affordable
                if share.destination == mine and affordable:
                    name = f"channel 0x{channel.channel_id.hex()}"
                    yield Fault(f"{name} is left, and {affordable} of ours still stand in it")


def _observed(channel: ChannelFacts, event: events.ChainLogObserved) -> Iterator[str]:
    if event.log_name == "ChallengeRegistered" and event.state_hash in channel.states:
        state = channel.states[event.state_hash]
        if event.outcome != encode_outcome(state.outcome) or event.turn_num != state.turn_num:
            yield "the challenge carries another outcome or turn than the state of its hash"
    if event.log_name == "Concluded" and event.amounts:
        amounts = [amount_from_bytes(amount) for amount in event.amounts]
        if not _makes(channel, amounts, event.outcome):
            yield "the outcome of the conclusion is not what the chain told of it"
    elif event.log_name == "Concluded" and event.outcome:
        finals = [s for s in channel.states.values() if s.is_final]
        if event.outcome not in [encode_outcome(final.outcome) for final in finals]:
            yield "the outcome of the conclusion is no final state's of this log"


def _makes(channel: ChannelFacts, amounts: list[int], encoded: bytes) -> bool:
    """Whether the outcome is the one that the channel began with, divided by these amounts."""
    openings = [state.outcome for state in channel.states.values() if state.turn_num == 0]
    try:
        outcome = decode_outcome(encoded)
    except ProtocolError:
        return False
    found = [share.amount for exit_ in outcome for share in exit_.allocations]
    return found == amounts and any(_undivided(outcome) == _undivided(one) for one in openings)


def _undivided(outcome: Outcome) -> list[tuple[int, SingleAssetExit]]:
    """Each asset's sum, and everything else of its shares."""
    found = []
    for exit_ in outcome:
        shares = tuple(replace(share, amount=0) for share in exit_.allocations)
        found.append((total(exit_), replace(exit_, allocations=shares)))
    return found


def _challenged(channel: ChannelFacts, event: events.ChallengeRegistered) -> Iterator[str]:
    seen = [o for o in channel.observed if o[2] == "ChallengeRegistered"]
    if event.tx_hash is not None and event.tx_hash not in [tx_hash for _, tx_hash, _ in seen]:
        yield "the challenge was confirmed and never observed"


def _expired(channel: ChannelFacts, event: exit_events.ChallengeExpired) -> Iterator[str]:
    if channel.challenge_ends is None:
        yield "no challenge of the channel is confirmed"
    elif channel.challenge_ends != event.finalizes_at:
        yield f"the challenge ends at {channel.challenge_ends}, not at {event.finalizes_at}"
    if event.block_time_s < event.finalizes_at:
        yield f"the block is of second {event.block_time_s}: the time was not up"


def _paid(channel: ChannelFacts, event: exit_events.OutcomePaid) -> Iterator[str]:
    if not channel.is_final:
        yield "paid out before the channel was final"
    if len(event.indices) != len(event.amounts):
        yield "not as many amounts as shares"
    if channel.standing is None:
        return
    for index, amount in zip(event.indices, map(amount_from_bytes, event.amounts), strict=False):
        if index >= len(channel.standing):
            yield f"there is no share {index} in the outcome"
        elif amount > channel.standing[index].amount:
            yield f"share {index} stood at {channel.standing[index].amount}, {amount} was paid"


def _reclaimed(channel: ChannelFacts, event: exit_events.OutcomeReclaimed) -> Iterator[str]:
    if not channel.is_final:
        yield "a guarantee was given back before the ledger was final"
    if channel.standing is None:
        return
    guarantee = find_guarantee(channel.standing, event.target)
    if guarantee is None:
        yield f"the outcome guarantees nothing for 0x{event.target.hex()}"
    elif amount_from_bytes(event.right_share) > guarantee.amount:
        yield f"right got more than the guarantee of {guarantee.amount}"
