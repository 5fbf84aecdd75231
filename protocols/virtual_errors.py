"""Why a node takes no part in a virtual channel, and which hop is in the way."""

from dataclasses import dataclass

from protocols.error import ProtocolError


class VirtualRefused(ProtocolError):
    """A virtual channel that we may not open, carry or sign."""


@dataclass(eq=False)
class PathRefused(VirtualRefused):
    """M14: a path leads through distinct participants who have ledgers with each other."""

    code = 1601
    next_step = "choose another path"
    template = "hop {hop} ({participant}) refused: {reason}"
    hop: int
    """The participant's place in the path; the payer is 0."""
    participant: bytes
    reason: str


@dataclass(eq=False)
class HopWithoutLedger(VirtualRefused):
    """Neighbours on a path need a ledger in the channel's asset."""

    code = 1602
    next_step = "open a ledger with that peer, or choose another path"
    template = "hop {hop} ({participant}): no open ledger in asset {asset}"
    hop: int
    participant: bytes
    asset: bytes


@dataclass(eq=False)
class HopWithoutFunds(VirtualRefused):
    """A ledger on the path must have the amount and the fees free, and room for a guarantee."""

    code = 1603
    next_step = "use a smaller amount or another path"
    template = "hop {hop} ({participant}): {wanted} is needed, {available} is free"
    hop: int
    participant: bytes
    wanted: int
    available: int


@dataclass(eq=False)
class FeeTooLow(VirtualRefused):
    """M14: an intermediary carries a channel for what it quotes."""

    code = 1604
    next_step = "ask for a quote and offer that"
    template = "a fee of {offered} is offered, {wanted} is wanted"
    offered: int
    wanted: int


@dataclass(eq=False)
class FeeTooHigh(VirtualRefused):
    """The owner's limit on what all intermediaries take together."""

    code = 1605
    next_step = "raise the limit or choose another path"
    template = "the path costs {fee}, at most {limit} was allowed"
    fee: int
    limit: int


@dataclass(eq=False)
class ExposureTooHigh(VirtualRefused):
    """The node bounds what one peer may have it guarantee."""

    code = 1606
    next_step = "wait until channels close, or use another path"
    template = "guarantees with {peer} would come to {wanted}, the most is {limit}"
    peer: bytes
    wanted: int
    limit: int


@dataclass(eq=False)
class GuaranteeMissing(VirtualRefused):
    """C31, M14: nobody signs a postfund before its own guarantees are countersigned."""

    code = 1607
    template = "channel {channel_id}: our guarantees are not agreed"
    channel_id: bytes


@dataclass(eq=False)
class RemovalNotAllowed(VirtualRefused):
    """M16: a guarantee is removed by a final state of all, or when it never carried anything."""

    code = 1608
    template = "the guarantee for {channel_id} stays: {reason}"
    channel_id: bytes
    reason: str


@dataclass(eq=False)
class HopNotReached(VirtualRefused):
    """An intermediary on the path did not answer."""

    code = 1609
    retry_safe = True
    next_step = "try again later or choose another path"
    template = "hop {hop} ({participant}) did not answer: {reason}"
    hop: int
    participant: bytes
    reason: str


@dataclass(eq=False)
class NotAHub(VirtualRefused):
    """A node carries channels between others only if its owner said so."""

    code = 1610
    next_step = "choose another path, or set hub.enabled on that node"
    template = "{participant} carries no channels between others"
    participant: bytes


@dataclass(eq=False)
class CapacityExceeded(VirtualRefused):
    """The owner bounds what the node carries between others."""

    code = 1611
    next_step = "wait until channels close, or use another path"
    template = "channels in asset {asset} would come to {wanted}, the node carries {limit}"
    asset: bytes
    wanted: int
    limit: int


@dataclass(eq=False)
class OnlyEndsClose(VirtualRefused):
    """An intermediary leaves closing to the payer and the payee."""

    code = 1612
    next_step = "have an end of the channel close it; the guarantees are given back then"
    template = "channel {channel_id} leads through this node: its ends close it"
    channel_id: bytes
