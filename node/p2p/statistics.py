"""Figures of the peer room, as frozen snapshots for status pages and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass

from protocols.types import Address


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """One live session."""

    peer: Address
    dialled: bool
    """Whether we dialled; else the peer did."""
    age_s: float
    sent_message_count: int
    received_message_count: int
    sent_size_bytes: int
    """On the wire, records included."""
    received_size_bytes: int
    queued_message_count: int
    """Waiting to be written."""
    queued_size_bytes: int
    acked_sequence: int
    """What the peer says it holds on disk."""
    round_trip_s: float | None
    """Of the last ping; None before the first answer."""


@dataclass(frozen=True, slots=True)
class PeerStatistics:
    """The whole room."""

    sessions: tuple[SessionStatistics, ...]
    half_open_count: int
    """Inbound connections that have not finished their hello."""
    counts: Mapping[str, int]
    """What happened since the start, by name: `accepted`, `dialled`, `connected`, and each
    code of `node.p2p.errors` that ended a connection."""
