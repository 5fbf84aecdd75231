"""How an application channel changes: one small pure function an event.

They trust the event: it was checked before it was recorded (`app_talk`, `app_judging`), and the
audit checks it again. `APP_REDUCERS` is the door.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from protocols import app_events
from protocols.app_channel import (
    LEADER,
    Answer,
    App,
    AppPoint,
    Asked,
    ListedRefusal,
    QueuedMessage,
    after,
    opening,
)
from protocols.app_data import decode_app_data
from protocols.channel import Channel, funding_terms
from protocols.event import Event
from protocols.state import state_from_encoding
from protocols.types import amount_from_bytes

AppReducer = Callable[[App, Channel, Any], App]


def app_of(channel: Channel) -> App:
    """What the channel has as an application's, which it is."""
    assert channel.app is not None, "the events of applications are about their channels"
    return channel.app


def my_end(channel: Channel) -> int:
    """0 for the first participant, 1 for the last."""
    return 0 if channel.my_index == 0 else 1


def _recorded(channel: Channel, event: app_events.AppChannelRecorded) -> Channel:
    amounts = funding_terms(channel).deposits
    app = opening(event.reducer_id, event.turn_rule, event.definition_rule, amounts)
    return replace(channel, app=app)


def _queued(app: App, channel: Channel, event: app_events.AppMessageQueued) -> App:
    return replace(app, queue=(*app.queue, QueuedMessage(event.local_id, event.payload)))


def _offered(app: App, channel: Channel, event: app_events.AppMessagesOffered) -> App:
    is_leader = my_end(channel) == 0
    return replace(
        app,
        offered_count=event.message_count,
        offered_ms=event.stamp_ms,
        crossed=app.crossed and is_leader,
    )


def _asked(app: App, channel: Channel, event: app_events.AppOfferReceived) -> App:
    if not event.payloads:
        return replace(app, crossed=False)
    asked = Asked(event.base_count, event.stamp_ms, event.digest, event.payloads, event.digests)
    is_follower = my_end(channel) == 1
    return replace(app, asked=asked, crossed=app.crossed and is_follower)


def _applied(app: App, channel: Channel, event: app_events.AppMessageApplied) -> App:
    app = replace(app, tip=after(app.tip, event.message, event.stamp_ms))
    if app.turn_rule == LEADER and event.sender == channel.fixed.participants[0]:
        # What the follower offered across it follows other messages: it is void at both ends.
        if event.sender == channel.me and app.asked is not None:
            app = replace(app, asked=None, crossed=True)
        elif event.sender != channel.me and app.offered_count:
            app = replace(app, offered_count=0, crossed=True)
    return _decided(app, channel, event)


def _decided(
    app: App, channel: Channel, event: app_events.AppMessageApplied | app_events.AppMessageRefused
) -> App:
    """One more message of ours is off the queue; the other end's are forgotten when answered."""
    if event.sender != channel.me:
        return replace(app, shown=b"")
    offered_count = max(0, app.offered_count - 1)
    queue = app.queue[1:]
    if app.queue and app.queue[0].message_id != event.local_id:
        # Of messages that are not offered yet our reducer may refuse any.
        queue = tuple(queued for queued in app.queue if queued.message_id != event.local_id)
    return replace(app, queue=queue, offered_count=offered_count, restamp_count=0, claimed=False)


def _signed(app: App, channel: Channel, event: app_events.AppStateSigned) -> App:
    return _reached(app, event, my_end(channel))


def _taken(app: App, channel: Channel, event: app_events.AppMoveTaken) -> App:
    return _reached(app, event, 1 - my_end(channel))


def _reached(app: App, event: app_events.AppStateSigned | app_events.AppMoveTaken, end: int) -> App:
    """That end signed what the messages lead to."""
    amounts = tuple(amount_from_bytes(amount) for amount in event.amounts)
    signatures = (event.signature, b"") if end == 0 else (b"", event.signature)
    tip = replace(app.tip, amounts=amounts, digest=event.digest, signatures=signatures)
    app = replace(app, tip=tip, claimed=False, shown=b"")
    # The mover's signature is enough where a contract judges the moves.
    return _supported(app, tip) if app.is_settled else app


def _answered(app: App, channel: Channel, event: app_events.AppOfferAnswered) -> App:
    return replace(app, asked=None)


def _answer_received(app: App, channel: Channel, event: app_events.AppAnswerReceived) -> App:
    if event.error_code:
        # Nothing of it was judged: it is offered again, or its refusals follow.
        return replace(app, offered_count=0, restamp_count=app.restamp_count + 1)
    refusals = tuple(
        map(ListedRefusal, event.refused_places, event.refused_codes, event.refused_failures)
    )
    answer = Answer(
        event.base_count,
        event.decided_count,
        refusals,
        event.turn_num,
        event.digest,
        event.signature,
    )
    return replace(app, answer=answer)


def _judged(app: App, channel: Channel, event: app_events.AppAnswerJudged) -> App:
    """What the other end did not decide on is offered again."""
    return replace(app, answer=None, offered_count=0)


def _countersigned(
    app: App,
    channel: Channel,
    event: app_events.AppStateConfirmed
    | app_events.AppConfirmationReceived
    | app_events.AppSignatureShown,
) -> App:
    first, last = app.tip.signatures
    signatures = (first, event.signature) if my_end(channel) == 0 else (event.signature, last)
    tip = replace(app.tip, signatures=signatures)
    return _supported(replace(app, tip=tip), tip)


def _supported(app: App, tip: AppPoint) -> App:
    """The tip can be enforced. Of a judged move the contract is shown the one before as well."""
    before = app.before if app.supported.count == tip.count else app.supported
    is_next = app.is_judged and (before is None or before.count + 1 == tip.count)
    return replace(app, supported=tip, before=before if is_next else None)


def _claimed(app: App, channel: Channel, event: app_events.AppMoveClaimed) -> App:
    return replace(app, claimed=True)


def _shown(app: App, channel: Channel, event: app_events.AppMoveShown) -> App:
    # What the other end offered in its place, and did not sign, is taken back.
    tip = app.tip if app.is_settled else app.supported
    return replace(app, tip=tip, shown=event.message)


def _halted(
    app: App, channel: Channel, event: app_events.AppChannelHalted | app_events.AppHaltReceived
) -> App:
    app = replace(app, halted=event.error_code, offered_count=0, asked=None, answer=None, shown=b"")
    # What the chain judges needs nobody's word: our move waits for it (M25).
    return app if app.is_judged else replace(app, queue=())


def without_ours(app: App) -> App:
    """Nothing of ours is said or claimed any more: what we forgot may have been signed (M27)."""
    return replace(app, queue=(), offered_count=0, answer=None, claimed=False)


def _standing(app: App, channel: Channel, event: app_events.AppStandingTaken) -> App:
    state = state_from_encoding(channel.fixed, event.encoded_state)
    data = decode_app_data(state.app_data)
    amounts = tuple(share.amount for share in state.outcome[0].allocations)
    first, last = event.signatures
    point = AppPoint(data.count, data.root, data.message, 0, amounts, b"", (first, last))
    tip = app.tip
    if (tip.count, tip.root, tip.amounts) == (point.count, point.root, point.amounts):
        tip = replace(tip, signatures=point.signatures)
        return _supported(replace(app, tip=tip), tip)
    return replace(app, tip=point, supported=point, before=None)


_OF_APP: dict[type[Event], AppReducer] = {
    app_events.AppMessageQueued: _queued,
    app_events.AppMessagesOffered: _offered,
    app_events.AppOfferReceived: _asked,
    app_events.AppMessageApplied: _applied,
    app_events.AppMessageRefused: _decided,
    app_events.AppStateSigned: _signed,
    app_events.AppOfferAnswered: _answered,
    app_events.AppAnswerReceived: _answer_received,
    app_events.AppAnswerJudged: _judged,
    app_events.AppStateConfirmed: _countersigned,
    app_events.AppConfirmationReceived: _countersigned,
    app_events.AppChannelHalted: _halted,
    app_events.AppHaltReceived: _halted,
    app_events.AppStandingTaken: _standing,
    app_events.AppMoveClaimed: _claimed,
    app_events.AppMoveShown: _shown,
    app_events.AppMoveTaken: _taken,
    app_events.AppSignatureShown: _countersigned,
}


def _in_channel(reducer: AppReducer) -> Callable[[Channel, Any], Channel]:
    def fold(channel: Channel, event: Any) -> Channel:
        return replace(channel, app=reducer(app_of(channel), channel, event))

    return fold


APP_REDUCERS: dict[type[Event], Callable[[Channel, Any], Channel]] = {
    app_events.AppChannelRecorded: _recorded,
    **{event: _in_channel(reducer) for event, reducer in _OF_APP.items()},
}
"""Events of one application channel."""
