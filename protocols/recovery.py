"""Where each channel is on its way back after a loss of records (M27): for the owner, and pure.

Everything follows from the state: who was met since the loss, what was shown, what was agreed.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from protocols.channel import Channel, ChannelStatus, status
from protocols.entities import NodeState
from protocols.ledger import Ledger
from protocols.ledger_resuming import why_not_resumed
from protocols.objectives.closing import shown_by
from protocols.types import Address, ChannelId
from protocols.virtual_paths import links_of


class Recovery(StrEnum):
    """How far it is."""

    WAITING = "waiting"
    """A peer has to come, or to answer."""
    RESUMED = "resumed"
    """A ledger that goes on."""
    CLOSE_ONLY = "close_only"
    """Nothing more is to come: it can be closed."""
    DISAGREES = "disagrees"
    """The peer shows what does not fit our log, or says something else than we hold: nothing is
    signed but the end."""


class ChannelRecovery(Struct, frozen=True, gc=False):
    """One channel on its way back."""

    channel_id: ChannelId
    peers: tuple[Address, ...]
    """Whose word is needed."""
    recovery: Recovery
    reason: str
    turn_num: int
    """The newest state that both signed, of a ledger; else the newest supported one."""
    voucher_total: int
    """The largest voucher known, ours or shown, smallest unit."""


def recoveries(state: NodeState) -> Iterator[ChannelRecovery]:
    """Every channel that a loss concerns and that is not over, in the order they were made."""
    if state.node.tail_cut_count == 0 and not any(_paused(state)):
        return
    for channel_id in state.channels:
        channel = state.channels[channel_id]
        found = _recovery(state, channel)
        if found is not None:
            peers = _peers(channel)
            turn_num, total = _known(channel)
            yield ChannelRecovery(channel_id, peers, *found, turn_num, total)


def is_recovering(state: NodeState) -> bool:
    """Whether any channel waits for somebody."""
    return any(found.recovery == Recovery.WAITING for found in recoveries(state))


def _paused(state: NodeState) -> Iterator[bool]:
    for peer in state.ledgers:
        for channel_id in state.ledgers.get(peer) or ():
            ledger = state.channels[channel_id].ledger
            yield ledger is not None and (ledger.resumption is not None or ledger.resumed_turn > 0)


def _peers(channel: Channel) -> tuple[Address, ...]:
    return (channel.counterparty,) if channel.virtual is None else tuple(links_of(channel))


def _known(channel: Channel) -> tuple[int, int]:
    ledger = channel.ledger
    turn_num = channel.supported_turn if ledger is None else ledger.turn_num
    shown = shown_by(channel, channel.counterparty)
    return turn_num, max(channel.vouchers.total, 0 if shown is None else shown.total)


def _recovery(state: NodeState, channel: Channel) -> tuple[Recovery, str] | None:
    if status(channel) in (ChannelStatus.CLOSED, ChannelStatus.REJECTED):
        return None
    ledger = channel.ledger
    if not channel.close_only:
        if ledger is None:
            return None
        if ledger.resumption is not None:
            return Recovery.WAITING, "the other party lost records, and asked to go on"
        if ledger.resumed_turn:
            return Recovery.RESUMED, f"since turn {ledger.resumed_turn}"
        return None
    count = state.node.tail_cut_count
    if any(state.peer(peer).resumed_cut < count for peer in _peers(channel)):
        return Recovery.WAITING, "a peer has not been met since"
    if ledger is None:
        if not channel.is_end:
            return (
                Recovery.CLOSE_ONLY,
                "its ends close it: we sign what we had signed",
            )
        return Recovery.CLOSE_ONLY, "close it: the payee's largest voucher counts"
    return _of_ledger(channel, ledger)


def _of_ledger(channel: Channel, ledger: Ledger) -> tuple[Recovery, str]:
    reason, said = why_not_resumed(channel), ledger.resumption
    if reason:
        return Recovery.CLOSE_ONLY, reason
    if said is not None and said.is_head_lost:
        return Recovery.DISAGREES, "the other party holds a head that our log lost: close it"
    if said is None or said.heard_turn < 0:
        return Recovery.WAITING, "the other party has not answered"
    if (said.heard_turn, said.heard_hash) != (ledger.turn_num, ledger.state_hash):
        return Recovery.DISAGREES, f"the other party says turn {said.heard_turn}"
    return Recovery.WAITING, "the move that makes it go on is on its way"
