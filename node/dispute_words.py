"""What somebody who runs a dispute kit is told: a line for what happens or is planned."""

from __future__ import annotations

from node.moments import date_text
from protocols import events
from protocols.entities import NodeState
from protocols.event import Event
from protocols.exit_errors import KitNeedsKey
from protocols.exit_plan import PlannedStep
from protocols.types import ChannelId


def word_on(event: Event, state: NodeState) -> str | None:
    """What happened, once it is folded into the state; None for what is not worth a line."""
    match event:
        case events.TransactionSubmitted():
            sent = state.transactions[event.intent_id]
            return f"{_short(sent.channel_id)}: sent {_call(sent.kind)} 0x{event.tx_hash.hex()}"
        case events.TransactionMined(succeeded=False) | events.TransactionFailed():
            failed = state.transactions[event.intent_id]
            return f"{_short(failed.channel_id)}: no {_call(failed.kind)} now: {failed.failure}"
        case events.ChainLogObserved(log_name="ChallengeRegistered"):
            until = date_text(event.number)
            what = f"ChallengeRegistered, turn {event.turn_num} until {until}"
            return f"{_short(event.channel_id)}: {what}"
        case events.ChainLogObserved():
            return f"{_short(event.channel_id)}: {event.log_name}"
        case _:
            return None


def word_on_step(step: PlannedStep, now_s: int) -> str:
    """What is to be done, and when."""
    when = date_text(now_s + step.after_s) if step.after_s else "now"
    return f"{_short(step.channel_id)}: to {step.step} {when}, about {step.gas:,} gas"


def word_on_need(channel_id: ChannelId, needed: KitNeedsKey) -> str:
    """What is left undone in a channel without the account's key."""
    return f"{_short(channel_id)}: {needed}: {needed.next_step}"


def _call(kind: str) -> str:
    return kind.partition(" ")[0]


def _short(channel_id: ChannelId) -> str:
    return f"0x{channel_id.hex()[:8]}"
