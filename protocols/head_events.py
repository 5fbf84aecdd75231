"""Events of signed heads: ours, and those that peers show of their logs."""

from __future__ import annotations

from protocols.event import Event
from protocols.types import Address, Bytes32, Signature


class LogHeadSigned(Event, frozen=True, array_like=True, gc=False):
    """We signed the log as it was before this record: `length` is this record's number."""

    NAME = "log-head-signed"
    length: int
    """Records below the root: all before this one."""
    root: Bytes32
    """Of the Merkle mountain range over them."""
    signature: Signature


class LogHeadReceived(Event, frozen=True, array_like=True, gc=False):
    """A peer showed a head of its log that is longer than the one we held."""

    NAME = "log-head-received"
    peer: Address
    length: int
    root: Bytes32
    signature: Signature


class LogHeadDisputed(Event, frozen=True, array_like=True, gc=False):
    """A peer showed a head that contradicts the one we hold. Both are signed by it: evidence."""

    NAME = "log-head-disputed"
    peer: Address
    kind: str
    """forked: as long, with another root. shortened: not as long, so that records were lost."""
    held_length: int
    held_root: Bytes32
    held_signature: Signature
    shown_length: int
    shown_root: Bytes32
    shown_signature: Signature
