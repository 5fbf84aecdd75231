"""Why a moment in the past cannot be shown."""

from dataclasses import dataclass

from protocols.error import ProtocolError


class MomentRefused(ProtocolError):
    """A moment that is not in this node's log."""


@dataclass(eq=False)
class MomentAhead(MomentRefused):
    """The moment has not come yet: nothing is shown that might still change."""

    code = 1701
    retry_safe = True
    next_step = "ask for an earlier moment, or leave it out for what is known now"
    template = "the log does not reach {moment} yet: its newest record is {last_seq}, of {time}"
    moment: str
    last_seq: int
    time: str
    """When that record was written, UTC."""


@dataclass(eq=False)
class MomentBeforeLog(MomentRefused):
    """The moment lies before the first record: the node did not exist."""

    code = 1702
    next_step = "ask for a later moment"
    template = "{moment} is before the log begins: {begin}"
    moment: str
    begin: str
    """When record 0 was written, UTC, or the first block that the node processed."""
