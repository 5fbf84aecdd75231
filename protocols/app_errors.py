"""What is refused of applications' messages (M23, M24)."""

from dataclasses import dataclass

from protocols.error import ProtocolError


class AppRefused(ProtocolError):
    """A message that may not be said, or a channel that may not be opened for it."""


@dataclass(eq=False)
class NotAnAppChannel(AppRefused):
    """Messages are said in application channels only."""

    code = 2001
    next_step = "list application channels with: tally channels"
    template = "channel {channel_id} is no application's"
    channel_id: bytes


@dataclass(eq=False)
class AppMessageOversized(AppRefused):
    """A longer message could not be enforced on chain."""

    code = 2002
    next_step = "say it in several messages"
    template = "a message of {size_bytes} bytes; at most {size_bytes_max} can be enforced"
    size_bytes: int
    size_bytes_max: int


@dataclass(eq=False)
class NotYourTurn(AppRefused):
    """M24: where the ends take turns, one message follows the other's."""

    code = 2003
    retry_safe = True
    next_step = "wait for the other end's message"
    template = "it is the other end's turn in channel {channel_id}, after {count} messages"
    channel_id: bytes
    count: int


@dataclass(eq=False)
class TooManyMessagesWaiting(AppRefused):
    """What waits for the other end is kept in memory."""

    code = 2004
    retry_safe = True
    next_step = "wait until the other end answers"
    template = "{count} messages wait in channel {channel_id} already"
    channel_id: bytes
    count: int


@dataclass(eq=False)
class AppChannelStopped(AppRefused):
    """M24: the two ends did not come to the same, so nothing more is signed."""

    code = 2005
    next_step = "close the channel: tally app close CHANNEL; the state both agreed on counts"
    template = "channel {channel_id} was halted: {reason}"
    channel_id: bytes
    reason: str


@dataclass(eq=False)
class ReducerNotInstalled(AppRefused):
    """A state is signed only after the reducer ran here."""

    code = 2006
    retry_safe = True
    next_step = "install its code: tally app install FILE"
    template = "no reducer {reducer_id} is installed"
    reducer_id: bytes


@dataclass(eq=False)
class TurnRuleUnknown(AppRefused):
    """The rules of turns are alternate and leader; a judged app's ends alternate."""

    code = 2007
    next_step = "use alternate, or leader where the app's contract does not judge moves"
    template = "{turn_rule} is no rule of turns for this app"
    turn_rule: str


@dataclass(eq=False)
class NoMessageLogApp(AppRefused):
    """A message log needs its contract."""

    code = 2008
    next_step = "set chain.message_log_app to the contract's address, and start again"
    template = "this node knows no contract for application channels"


@dataclass(eq=False)
class AppMessageRefusedByReducer(AppRefused):
    """The message was judged, and left no trace."""

    code = 2009
    next_step = "a code is the application's own; docs/views.md has the names of failures"
    template = "the message was refused: {verdict}"
    reason_code: int
    failure: str
    verdict: str
    """The one of the two that says it."""

    @classmethod
    def of(cls, code: int, failure: str) -> "AppMessageRefusedByReducer":
        """As it is recorded: 0 and the failure's name, or the reducer's own code."""
        return cls(code, failure, failure or f"code {code}")


@dataclass(eq=False)
class AppOfferRefused(AppRefused):
    """An offer of messages that the other end may not make now."""

    code = 2010
    template = "{reason}"
    reason: str


@dataclass(eq=False)
class TimestampOff(AppRefused):
    """C33: a timestamp is within a minute of the receiver's clock, and none falls."""

    code = 2011
    retry_safe = True
    next_step = "set both clocks by NTP"
    template = "timestamp {timestamp_ms}, where {earliest_ms} to {latest_ms} would do"
    timestamp_ms: int
    earliest_ms: int
    latest_ms: int


@dataclass(eq=False)
class AppQueryFailed(AppRefused):
    """A question to a view that was not answered."""

    code = 2012
    next_step = "correct the statement; docs/apps.md has what may be asked"
    template = "{error}: {reason}"
    error: str
    """QUERY_FAILED, QUERY_REFUSED, QUERY_TIMED_OUT or QUERY_TOO_LARGE."""
    reason: str


@dataclass(eq=False)
class AppOpeningRefused(AppRefused):
    """The reducer is asked before anything is signed whether it begins with these deposits."""

    code = 2013
    next_step = "open it with deposits that the application takes"
    template = "reducer {reducer_id} does not begin with these deposits: {reason}"
    reducer_id: bytes
    reason: str
