"""What a simulation answers: step by step, what each assumption would lead to."""

from __future__ import annotations

from msgspec import Struct, field

from node.whatif.endpoints import Lie
from protocols.effects import SubmitTransaction
from protocols.error import ProtocolError
from protocols.event import Event
from protocols.types import Address, ChannelId, ObjectiveId


class Recorded(Struct, frozen=True, gc=False):
    """An event that would be recorded."""

    time_ms: int
    event: Event
    is_assumed: bool
    """Said by a peer, whose word is assumed; else it is what the node makes of it all."""


class Sent(Struct, frozen=True, gc=False):
    """A message that would leave."""

    peer: Address
    sequence: int
    kind: str
    size_bytes: int
    is_again: bool = False
    """It was on its way before, and leaves again."""
    is_lost: bool = False
    """It does not arrive; nor does what leaves behind it, before the session begins anew."""


class Submitted(Struct, frozen=True, gc=False):
    """A transaction that would be submitted."""

    order: SubmitTransaction
    channel_id: ChannelId
    is_again: bool = False
    gas: int | None = None
    """About what it takes; None where nobody measured it."""
    cost_wei: int | None = None
    """That times the price that is assumed; None if none is."""
    is_held_back: bool = False
    """The chain asks more than the owner lets the node bid: it is not mined."""


class Awaited(Struct, frozen=True, gc=False):
    """An objective that is not at its end, and the first condition that is not met."""

    objective_id: ObjectiveId
    objective_type: str
    channel_id: ChannelId
    waiting_for: str


class Step(Struct, gc=False):
    """All that follows from one assumption."""

    time_ms: int
    """When it ends, by the simulation's own clock, Unix milliseconds."""
    refusal: ProtocolError | None = None
    """Why the node would refuse it; nothing follows then."""
    lie: Lie | None = None
    """What the node makes of it, if an endpoint lies."""
    recorded: list[Recorded] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    submitted: list[Submitted] = field(default_factory=list)
    awaited: list[Awaited] = field(default_factory=list)
