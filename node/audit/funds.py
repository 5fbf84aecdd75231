"""Money: what is deposited, promised and paid out adds up, in every record and at the end."""

from collections.abc import Iterator
from typing import get_args

from node.audit.channel_facts import ChannelFacts
from node.audit.checks import Check, Fault, Ground
from node.audit.entry import Entry
from node.audit.facts import Facts
from protocols import events
from protocols.errors import ProtocolError
from protocols.outcome import Outcome, address_of_destination, is_external, total
from protocols.state import state_from_encoding
from protocols.types import ZERO_ADDRESS, amount_from_bytes

_FUNDS_EVENTS = (
    events.StateStored
    | events.DepositDetected
    | events.AllocationUpdated
    | events.ChannelConcluded
    | events.WithdrawCompleted
)


class FundsCheck(Check):
    """Conservation off chain without exception; on chain it falls by exactly what was paid."""

    name = "funds"
    judges = get_args(_FUNDS_EVENTS)

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def check(self, entry: Entry) -> Iterator[str]:
        """What is wrong with this record, given all before it."""
        event = entry.event
        if not isinstance(event, _FUNDS_EVENTS):
            return
        channel = self._facts.channels.get(event.channel_id)
        if channel is None:
            yield f"{entry.name} names a channel that was never created"
            return
        match event:
            case events.StateStored():
                yield from _conserved(channel, event)
            case events.DepositDetected():
                yield from _deposited(channel, event)
            case events.AllocationUpdated():
                held = channel.held.get(event.asset, 0)
                if amount_from_bytes(event.new_amount) > held:
                    yield f"a payout raised the holdings of {held}"
            case events.ChannelConcluded():
                yield from _concluded(channel, event)
            case events.WithdrawCompleted():
                yield from _withdrawn(channel, event)

    def finish(self, ground: Ground | None = None) -> Iterator[Fault]:
        """Channels that were closed: everybody was paid what the final state says."""
        for channel in self._facts.channels.values():
            if "DirectDefund" not in channel.completed or channel.is_expired:
                continue
            name = f"channel 0x{channel.channel_id.hex()}"
            final = channel.supported_final()
            owed = {} if final is None else owed_to(final.outcome)
            was_paid = {key: paid for key, paid in channel.withdrawn.items() if paid}
            if was_paid != owed and "Withdraw" not in channel.completed:
                yield Fault(f"{name} is closed, but what was paid out is not its final outcome")
            for asset in sorted(channel.held):
                held, deposited = channel.held[asset], channel.deposited.get(asset, 0)
                paid = sum(n for (what, _), n in channel.withdrawn.items() if what == asset)
                if held + paid != deposited:
                    of_token = f" of 0x{asset.hex()}" if asset != ZERO_ADDRESS else ""
                    message = (
                        f"{name}: {deposited} deposited, {held} held, {paid} paid out{of_token}"
                    )
                    yield Fault(message)


def owed_to(outcome: Outcome) -> dict[tuple[bytes, bytes], int]:
    """What an outcome pays to addresses, by asset and address; nothing for who gets nothing."""
    owed: dict[tuple[bytes, bytes], int] = {}
    for exit_ in outcome:
        for allocation in exit_.allocations:
            if is_external(allocation.destination) and allocation.amount:
                key = exit_.asset, address_of_destination(allocation.destination)
                owed[key] = owed.get(key, 0) + allocation.amount
    return owed


def _sums(outcome: Outcome) -> list[tuple[bytes, int]]:
    return [(exit_.asset, total(exit_)) for exit_ in outcome]


def _conserved(channel: ChannelFacts, event: events.StateStored) -> Iterator[str]:
    try:
        state = state_from_encoding(channel.fixed, event.encoded_state)
    except ProtocolError:
        return  # Another family says so.
    prefund = channel.prefund()
    if prefund is not None and _sums(state.outcome) != _sums(prefund.outcome):
        yield f"turn {state.turn_num} does not pay out the sum of the prefund"
    if {who for _, who in owed_to(state.outcome)} - set(channel.participants):
        yield f"turn {state.turn_num} pays somebody who is no participant"


def _deposited(channel: ChannelFacts, event: events.DepositDetected) -> Iterator[str]:
    amount, held = amount_from_bytes(event.amount_deposited), amount_from_bytes(event.now_held)
    before = channel.held.get(event.asset, 0)
    if held != before + amount:
        yield f"{before} held and {amount} deposited do not make {held}"


def _concluded(channel: ChannelFacts, event: events.ChannelConcluded) -> Iterator[str]:
    final = channel.supported_final()
    if event.finalized_at_turn is None:
        return  # Concluded by a state this log does not hold: the chain's word alone.
    if final is None or final.turn_num != event.finalized_at_turn:
        yield f"no final state of turn {event.finalized_at_turn} is signed by all"


def _withdrawn(channel: ChannelFacts, event: events.WithdrawCompleted) -> Iterator[str]:
    if not channel.is_final:
        yield "paid out before the channel was final"
    key, amount = (event.asset, event.recipient), amount_from_bytes(event.amount)
    if amount > channel.owed_now.get(key, 0):
        yield (
            f"0x{event.recipient.hex()} was paid {amount}, the outcome says "
            f"{channel.owed_now.get(key, 0)}"
        )
    final = channel.supported_final()
    if not channel.is_concluded or final is None:
        return
    owed = owed_to(final.outcome).get(key, 0)
    paid = channel.withdrawn.get(key, 0) + amount
    if paid > owed:
        yield f"0x{event.recipient.hex()} was paid {paid}, the final state owes {owed}"
