"""What a story is made of: records in, steps out.

Amounts are decimal strings in the asset's smallest unit, ids lower-case 0x hex, addresses EIP-55:
a step is shown to callers as it is.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from node.explain.words import amount_words, short_address
from protocols.event import Event
from protocols.types import (
    ZERO_ADDRESS,
    Address,
    Amount32,
    ChannelId,
    amount_from_bytes,
    checksum_address,
)

Actor = Literal["owner", "us", "peer", "chain", "timer"]
"""Who does something: this node's owner, this node, another participant, the chain, or time."""
Origin = Literal["command", "message", "chain", "timer", "node"]
"""What began an input: the owner's command, a peer's message, the chain, time passing, or the
node's own start or stop."""
Kind = Literal["direct", "ledger", "virtual", "app", "unknown"]


class Fact(Struct, frozen=True, gc=False):
    """A record with its event."""

    seq: int
    time_ms: int
    cause_seq: int | None
    event: Event


class Cast(Struct, frozen=True, gc=False):
    """Who takes part in a channel and what it is about, as its first records say."""

    me: Address
    channel_id: ChannelId
    kind: Kind = "unknown"
    participants: tuple[Address, ...] = ()
    asset: Address = ZERO_ADDRESS
    deposits: tuple[int, ...] = ()
    """By participant, smallest unit; empty before the first state."""
    left_ledger: bytes = b""
    right_ledger: bytes = b""
    """The ledgers that carry a virtual channel; empty where there is none."""

    def money(self, amount: Amount32) -> str:
        """An amount of the channel's asset in words."""
        return amount_words(self.asset, amount_from_bytes(amount))

    def person(self, address: Address) -> str:
        """Who that is, within a sentence."""
        if address == self.me:
            return "we"
        return f"{self.role(address)}{short_address(address)}"

    def role(self, address: Address) -> str:
        """What the participant is, with a blank behind it; empty for others."""
        if address not in self.participants or self.kind == "unknown":
            return ""
        place = self.participants.index(address)
        if self.kind == "app":
            return "player " if place in (0, len(self.participants) - 1) else "hub "
        if self.kind == "ledger":
            return ("leader ", "follower ")[min(place, 1)]
        if place == 0:
            return "payer "
        return "payee " if place == len(self.participants) - 1 else "hub "

    @property
    def counterparty(self) -> Address | None:
        """The participant at the other end; for an intermediary, the payee."""
        if not self.participants:
            return None
        return self.participants[0 if self.participants[-1] == self.me else -1]

    @property
    def leads(self) -> bool:
        """True if we are participant 0: the payer, or a ledger's leader."""
        return bool(self.participants) and self.participants[0] == self.me


class Telling(Struct, frozen=True, gc=False):
    """One record in words."""

    what: str
    """A sentence."""
    who: Actor = "us"
    to: Actor | None = None
    """To whom something went; None if it went to nobody."""
    peer: Address | None = None
    """Which participant, where `who` or `to` is one."""
    label: str = ""
    """A few words for an arrow in a picture; empty if there is nothing to draw."""
    is_detail: bool = False
    """Book-keeping that most readers skip."""


class Link(Struct, frozen=True, gc=False):
    """Another record that belongs to a step."""

    seq: int
    what: str
    """How they belong together."""


class RunFigures(Struct, frozen=True, gc=False):
    """What a step adds to a run of payments. Such steps that follow each other are one run, also
    across pages."""

    kind: str
    """payments, or moves in a ledger."""
    payment_count: int
    from_us: str
    to_us: str
    """Amounts in all, smallest unit."""
    receipted_count: int


class Step(Struct, frozen=True, gc=False):
    """One step of a story: a record, or a run of payments."""

    seq: int
    last_seq: int
    """The same, but for a run."""
    record_count: int
    time_ms: int
    last_time_ms: int
    name: str
    """The event's; of a run, its first one's."""
    who: Actor
    to: Actor | None
    peer: str | None
    what: str
    label: str
    is_detail: bool
    amount: str | None
    """Of a payment, or of a run all together."""
    because: int | None
    """The record that this one follows from; null where the step has no cause in the log."""
    began_by: Origin | None
    """What began the step if no record did."""
    links: list[Link]
    run: RunFigures | None = None
    """Of a payment, or of a run: what it comes to."""


def shown_address(address: Address | None) -> str | None:
    """EIP-55, or None."""
    return None if address is None else checksum_address(address)
