"""Why a channel cannot be challenged or left now."""

from dataclasses import dataclass

from protocols.error import ProtocolError


class LeavingRefused(ProtocolError):
    """A wish to leave that would lead to nothing."""


@dataclass(eq=False)
class NothingToLeave(LeavingRefused):
    """Nothing of ours is in it that the chain could pay out."""

    code = 1801
    next_step = "look at it with tally explain CHANNEL"
    template = "channel {channel_id} cannot be left on chain: {reason}"
    channel_id: bytes
    reason: str


@dataclass(eq=False)
class ChannelIsFinal(LeavingRefused):
    """A challenge of it has expired or it was concluded: no state counts any more."""

    code = 1802
    next_step = "get paid what is yours with tally exit CHANNEL"
    template = "channel {channel_id} is final on chain: it cannot be challenged any more"
    channel_id: bytes
