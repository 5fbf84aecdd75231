"""Offering: what our own reducer takes in of our queue is told to the other end, unsigned.

Our reducer runs first, so that each message is offered with what our view came to after it, and the
other end knows before it signs whether the two come to the same (M24, ADR 0097). What our reducer
refuses, nobody else ever hears of.
"""

from __future__ import annotations

from protocols import app_events, messages
from protocols.app_channel import ALTERNATE, RUN_MESSAGE_COUNT_MAX, App, orders
from protocols.app_reducers import app_of, my_end
from protocols.app_rules import require_clock_set, require_running
from protocols.app_talk import refuse_queued
from protocols.channel import Channel
from protocols.draft import Draft
from protocols.error import ProtocolError
from protocols.inputs import AppJudged


def payloads_to_offer(app: App) -> tuple[bytes, ...]:
    """Of our queue, what goes together: in an alternating talk one message is a turn."""
    count_max = 1 if app.turn_rule == ALTERNATE else RUN_MESSAGE_COUNT_MAX
    return tuple(message.payload for message in app.queue[:count_max])


def stamp_of_offer(draft: Draft, app: App) -> int:
    """The timestamp of messages that we offer now, Unix milliseconds; a judged move has none."""
    return 0 if app.is_judged else max(draft.context.now_ms, app.tip.timestamp_ms)


def may_speak(draft: Draft, channel: Channel) -> bool:
    """Whether the channel runs, as far as we can see, and it is on us: else nothing is offered."""
    try:
        require_running(draft, channel)
        app = app_of(channel)
        require_clock_set(draft, app)
    except ProtocolError:
        return False
    return not (app.crossed and orders(app, my_end(channel)))


def offer(draft: Draft, channel: Channel, item: AppJudged) -> None:
    """Tell the other end of what our reducer took in; what it did not is refused here.

    Where the channel does not run any more, everything is refused; where only our view of the
    chain is late, it waits.
    """
    try:
        require_running(draft, channel)
    except ProtocolError as refusal:
        if not refusal.retry_safe:
            refuse_queued(draft, channel, len(app_of(channel).queue), refusal.name())
        return
    if not item.verdicts:
        return
    judged = list(zip(app_of(channel).queue, item.verdicts, strict=False))
    for queued, verdict in judged:
        if not verdict.is_applied:
            refused = (channel.me, verdict.code, verdict.failure, queued.message_id)
            draft.emit(app_events.AppMessageRefused(channel.channel_id, *refused))
    offered = [(queued.payload, v.digest) for queued, v in judged if v.is_applied]
    app = app_of(channel)
    if not offered and not app.crossed:
        return
    tip, payloads = app.tip, tuple(payload for payload, _ in offered)
    digests = tuple(digest for _, digest in offered)
    fact = app_events.AppMessagesOffered(channel.channel_id, tip.count, item.stamp_ms, len(offered))
    body = messages.AppOffer(
        channel.channel_id, tip.count, item.stamp_ms, tip.digest, payloads, digests
    )
    draft.send_covered(channel.counterparty, body, fact)
