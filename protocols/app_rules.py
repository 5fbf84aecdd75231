"""What must hold before a message is said or taken: the channel runs, the clock and the turn fit.

All of it is checked before anybody signs, so that a run which was signed can only be refused by the
reducer (M24).
"""

from __future__ import annotations

from protocols.app_channel import ALTERNATE, LEADER, App, message_of, mover
from protocols.app_data import MESSAGE_SIZE_BYTES_MAX, TIMESTAMP_MS_MAX, TIMESTAMP_MS_MIN
from protocols.app_errors import (
    AppChannelStopped,
    AppMessageOversized,
    AppOfferRefused,
    NotAnAppChannel,
    NotYourTurn,
    TimestampOff,
    TurnRuleUnknown,
)
from protocols.app_reducers import my_end
from protocols.channel import ChainStatus, Channel, observed_chain_status, supported_final
from protocols.draft import Draft
from protocols.error import ProtocolError
from protocols.funding import require_safe
from protocols.payment_errors import ChannelClosing

CLOCK_MARGIN_MS = 60_000
"""C33: how far a timestamp may be from the receiver's clock."""


def require_app(channel: Channel) -> App:
    """The application's side of the channel, of which we are an end; NotAnAppChannel else."""
    if channel.app is None or not channel.is_end:
        raise NotAnAppChannel(channel.channel_id)
    return channel.app


def require_turn_rule(turn_rule: str, *, is_judged: bool) -> None:
    """Raise TurnRuleUnknown for a rule that the channel cannot have."""
    if turn_rule != ALTERNATE and (is_judged or turn_rule != LEADER):
        raise TurnRuleUnknown(turn_rule)


def require_running(draft: Draft, channel: Channel) -> None:
    """Messages may be said and signed now. Raises AppChannelStopped or a PaymentRefused (M11)."""
    app = require_app(channel)
    if app.halted and not app.is_judged:
        raise AppChannelStopped(channel.channel_id, app.halted)
    if _plays_on(channel):
        return
    require_safe(draft, channel)
    if app.is_judged:
        # That the other end wishes for the end of a game does not take our move from us.
        is_closing = app.wished_count == app.supported.count
    else:
        is_closing = bool(channel.final_requests) or any(turn.is_final for turn in channel.turns)
    if is_closing:
        raise ChannelClosing(channel.channel_id)


def _plays_on(channel: Channel) -> bool:
    """A challenge does not end a game that the chain judges: the moves that follow answer it."""
    app = require_app(channel)
    is_challenged = observed_chain_status(channel) == ChainStatus.CHALLENGED
    is_over = channel.close_only or supported_final(channel) is not None
    return app.is_judged and is_challenged and not is_over


def require_clock_set(draft: Draft, app: App) -> None:
    """Raise TimestampOff while our own clock is before any timestamp there is: what were offered
    then could not be said, whatever the other end answers."""
    now_ms = draft.context.now_ms
    if not app.is_judged and now_ms < TIMESTAMP_MS_MIN:
        raise TimestampOff(now_ms, TIMESTAMP_MS_MIN, TIMESTAMP_MS_MAX)


def require_size(app: App, payload: bytes) -> None:
    """Raise AppMessageOversized for a message that could not be enforced."""
    size = len(message_of(app, 0, TIMESTAMP_MS_MIN, payload))
    if not payload or size > MESSAGE_SIZE_BYTES_MAX:
        raise AppMessageOversized(size, MESSAGE_SIZE_BYTES_MAX)


def must_wait(draft: Draft, channel: Channel) -> bool:
    """Whether only our own view of the chain keeps us from answering: a moment helps, and a
    refusal would cost the other end its messages."""
    try:
        require_running(draft, channel)
    except ProtocolError as refusal:
        return refusal.retry_safe
    return False


def offer_refusal(draft: Draft, channel: Channel) -> ProtocolError | None:
    """Why what the other end offers is refused as a whole; None if the reducer is to judge it."""
    app = require_app(channel)
    assert app.asked is not None, "somebody asked"
    try:
        require_running(draft, channel)
        _require_clock(draft, app)
        _require_turn(app, channel)
    except ProtocolError as refusal:
        return refusal
    return None


def _require_clock(draft: Draft, app: App) -> None:
    assert app.asked is not None, "the caller looked"
    if app.is_judged:
        return
    now_ms, stamp_ms = draft.context.now_ms, app.asked.timestamp_ms
    earliest_ms = max(now_ms - CLOCK_MARGIN_MS, app.tip.timestamp_ms, TIMESTAMP_MS_MIN)
    latest_ms = min(now_ms + CLOCK_MARGIN_MS, TIMESTAMP_MS_MAX)
    if not earliest_ms <= stamp_ms <= latest_ms:
        raise TimestampOff(stamp_ms, earliest_ms, latest_ms)


def _require_turn(app: App, channel: Channel) -> None:
    asked, count, mine = app.asked, app.tip.count, my_end(channel)
    assert asked is not None, "the caller looked"
    is_turn = mover(app, count) != mine and len(asked.payloads) == 1
    if app.turn_rule == ALTERNATE and not is_turn:
        raise NotYourTurn(channel.channel_id, count)
    if asked.base_count != count:
        raise AppOfferRefused(f"it follows {asked.base_count} messages, there are {count}")
