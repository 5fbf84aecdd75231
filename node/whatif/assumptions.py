"""What may be assumed: each one thing that happens, in the order given."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from protocols.types import Address, ChannelId, ObjectiveId


class Assumption(Struct, frozen=True, gc=False):
    """Base of all."""


class Wait(Assumption, frozen=True, gc=False):
    """Time passes."""

    duration_s: int


class Silence(Assumption, frozen=True, gc=False):
    """A peer says nothing and takes nothing while time passes; then it is back."""

    peer: Address
    duration_s: int


class ChainSilence(Assumption, frozen=True, gc=False):
    """No endpoint of the chain answers while time passes: nothing is mined or seen."""

    duration_s: int


class NoDeposit(Assumption, frozen=True, gc=False):
    """What the other party is to deposit into a channel never comes; time passes."""

    channel_id: ChannelId
    duration_s: int


class Payment(Assumption, frozen=True, gc=False):
    """A payment in a channel: ours if we pay in it, else the payer's voucher to us; in a ledger
    ours."""

    channel_id: ChannelId
    amount: int


class Open(Assumption, frozen=True, gc=False):
    """We open a channel or a ledger."""

    counterparty: Address
    amount: int
    asset: Address
    is_ledger: bool = False
    counterparty_amount: int = 0
    """What the other party puts into a ledger."""
    via: tuple[Address, ...] = ()
    """Over ledgers: the intermediaries in path order."""
    over_ledgers: bool = False
    fees: tuple[int, ...] = ()
    challenge_duration_s: int = 86_400


class Close(Assumption, frozen=True, gc=False):
    """We close a channel."""

    channel_id: ChannelId


class Decide(Assumption, frozen=True, gc=False):
    """We approve or reject what a peer proposed."""

    objective_id: ObjectiveId
    approves: bool


class Restart(Assumption, frozen=True, gc=False):
    """The node starts again: every session begins anew, what was not settled leaves again."""


class MessagesLost(Assumption, frozen=True, gc=False):
    """The session with a peer breaks before it took what it had not acknowledged."""

    peer: Address


class MessageLost(Assumption, frozen=True, gc=False):
    """From here on, one message to a peer is lost: the session breaks with it, and what was sent
    from there on leaves again when the assumption that it belongs to is over."""

    peer: Address
    number: int
    """Which one: 1 is the next that leaves."""


class Deposited(Assumption, frozen=True, gc=False):
    """Somebody deposits into a channel."""

    channel_id: ChannelId
    amount: int


class Concluded(Assumption, frozen=True, gc=False):
    """Somebody concludes a channel with its final state, and all is paid out."""

    channel_id: ChannelId


class Challenged(Assumption, frozen=True, gc=False):
    """The other party challenges a channel with its state of a turn."""

    channel_id: ChannelId
    turn_num: int = 0
    """0 is the prefund, the oldest that all signed."""


class ChallengeExpires(Assumption, frozen=True, gc=False):
    """Nobody answers the challenge that runs until its time has passed."""

    channel_id: ChannelId


class Exit(Assumption, frozen=True, gc=False):
    """We leave a channel alone."""

    channel_id: ChannelId


class LieKind(StrEnum):
    """What the endpoint in use says falsely."""

    INVENTS_CHALLENGE = "invents_challenge"
    INVENTS_DEPOSIT = "invents_deposit"
    HIDES_CHALLENGE = "hides_challenge"


class EndpointLies(Assumption, frozen=True, gc=False):
    """The endpoint in use lies about a channel, in blocks that are true; at least as much time
    passes as they need to count. What it makes up it goes on telling."""

    lie: LieKind
    channel_id: ChannelId
    turn_num: int = 0
    """Of the state that the challenge is with, made up or hidden."""
    amount: int = 0
    """What it says that the other party deposited, who does not."""
    duration_s: int = 0
    """How long it hides all logs of the channel."""

    @property
    def hides(self) -> bool:
        """Whether it keeps what happens to itself; else it tells what does not."""
        return self.lie == LieKind.HIDES_CHALLENGE


class GasPrice(Assumption, frozen=True, gc=False):
    """From here on the chain asks that much for a unit of gas."""

    price_wei: int


class Reorg(Assumption, frozen=True, gc=False):
    """The newest blocks that the node saw anything in are replaced by others."""

    block_count: int
