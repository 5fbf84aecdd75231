"""What the ends of an application channel say to each other: offers, answers, confirmations.

What needs the reducer is only kept here; `app_judging` goes on with it at the end of the batch.
"""

from __future__ import annotations

from protocols import app_events, messages
from protocols.app_channel import (
    ALTERNATE,
    App,
    is_at_rest,
    orders,
    state_at,
)
from protocols.app_errors import NotYourTurn, TimestampOff, TooManyMessagesWaiting
from protocols.app_reducers import app_of, my_end
from protocols.app_rules import require_app, require_clock_set, require_running, require_size
from protocols.channel import POSTFUND_TURN, Channel, is_supported, known_signer, signed_final
from protocols.commands import SendAppMessage
from protocols.draft import Draft
from protocols.errors import UnexpectedMessage, UnknownChannel, WrongSigner
from protocols.state import State, hash_of_encoding

QUEUE_COUNT_MAX = 4_096
"""Messages of ours in one channel that wait for the other end: 16 MiB of the largest."""
RESTAMP_COUNT_MAX = 3
"""How often messages are offered again with a new timestamp, after the other end's clock, or a
message before them, was against the last one."""

MESSAGES = (
    messages.AppOffer,
    messages.AppAnswer,
    messages.AppConfirmation,
    messages.AppHalt,
)
"""What is its own recorded fact; `AppStanding` is said while a channel closes."""
Message = messages.AppOffer | messages.AppAnswer | messages.AppConfirmation | messages.AppHalt


def state_of(channel: Channel, *, is_tip: bool = False) -> State:
    """The newest running state that both ends signed, or the newest that we know."""
    app = app_of(channel)
    funding = channel.state(channel.turns[0]).outcome[0]
    return state_at(app, channel.fixed, funding, app.tip if is_tip else app.supported)


# --- the author ---


def send_message(draft: Draft, command: SendAppMessage) -> None:
    """The owner wants something said: it waits for the end of the batch.

    Raises an AppRefused, a PaymentRefused (M11) or UnknownChannel; nothing is kept then.
    """
    channel = draft.state.channels.get(command.channel_id)
    if channel is None:
        raise UnknownChannel(command.channel_id)
    app = require_app(channel)
    require_running(draft, channel)
    require_clock_set(draft, app)
    require_size(app, command.payload)
    if len(app.queue) >= QUEUE_COUNT_MAX:
        raise TooManyMessagesWaiting(channel.channel_id, len(app.queue))
    count = app.tip.count
    if app.turn_rule == ALTERNATE and (app.queue or count % 2 != my_end(channel)):
        raise NotYourTurn(channel.channel_id, count)
    draft.emit(
        app_events.AppMessageQueued(
            channel.channel_id, command.message_id, command.payload, command.request_id
        )
    )


def refuse_queued(draft: Draft, channel: Channel, count: int, failure: str) -> None:
    """The first messages of our queue will not be said."""
    for queued in app_of(channel).queue[:count]:
        draft.emit(
            app_events.AppMessageRefused(
                channel.channel_id, channel.me, 0, failure, queued.message_id
            )
        )


# --- what is heard ---


def receive(draft: Draft, channel: Channel, body: Message) -> None:
    """Take in one message of the other end; nothing is recorded of one that a halt made void.

    Raises ProtocolError for one that breaks the talk.
    """
    require_app(channel)
    if not is_supported(channel, POSTFUND_TURN):
        raise UnexpectedMessage(type(body).__name__, "the channel is not open")
    app = app_of(channel)
    is_halted = bool(app.halted)
    match body:
        case messages.AppAnswer() if app.is_judged and not app.offered_count:
            return  # It crossed the move on chain.
        case messages.AppConfirmation():
            _receive_confirmation(draft, channel, body)
        case messages.AppHalt() if not body.error_code:
            raise UnexpectedMessage("halt", "it does not say why")
        case _ if is_halted:
            return  # It crossed the halt. No other word of the talk counts any more.
        case messages.AppOffer():
            _receive_offer(draft, channel, body)
        case messages.AppAnswer():
            _receive_answer(draft, channel, body)
        case messages.AppHalt():
            draft.emit(app_events.AppHaltReceived(channel.channel_id, body.error_code, body.reason))


def _receive_offer(draft: Draft, channel: Channel, body: messages.AppOffer) -> None:
    app = app_of(channel)
    if app.asked is not None:
        raise UnexpectedMessage("offer", "the one before it is not answered")
    if not body.payloads and not (app.crossed and orders(app, my_end(channel))):
        raise UnexpectedMessage("offer", "it is empty, and nothing was to be offered again")
    if len(body.digests) != len(body.payloads):
        raise UnexpectedMessage("offer", "it does not say what each message comes to")
    for payload in body.payloads:
        require_size(app, payload)
    draft.emit(
        app_events.AppOfferReceived(
            channel.channel_id,
            body.base_count,
            body.timestamp_ms,
            body.digest,
            body.payloads,
            body.digests,
        )
    )


def _receive_answer(draft: Draft, channel: Channel, body: messages.AppAnswer) -> None:
    app = app_of(channel)
    offered_count, restamp_count = app.offered_count, app.restamp_count
    _require_answer(channel, app, body)
    places, codes, failures = (
        zip(*((r.place, r.code, r.failure) for r in body.refusals), strict=True)
        if body.refusals
        else ((), (), ())
    )
    draft.emit(
        app_events.AppAnswerReceived(
            channel.channel_id,
            body.base_count,
            body.decided_count,
            places,
            codes,
            failures,
            body.error_code,
            body.turn_num,
            body.digest,
            body.signature,
        )
    )
    is_for_good = body.error_code != TimestampOff.name() or restamp_count >= RESTAMP_COUNT_MAX
    if body.error_code and is_for_good and not app.claimed:
        channel = draft.state.channels[channel.channel_id]
        refuse_queued(draft, channel, offered_count, body.error_code)


def _require_answer(channel: Channel, app: App, body: messages.AppAnswer) -> None:
    if not app.offered_count or app.answer is not None:
        raise UnexpectedMessage("answer", "nothing was offered")
    if body.error_code:
        return
    if signed_final(channel, channel.my_index) is not None:
        # Of two states that we signed the other end would choose (M8).
        raise UnexpectedMessage("answer", "the end of the channel is signed")
    if not 1 <= body.decided_count <= app.offered_count or body.base_count != app.tip.count:
        raise UnexpectedMessage("answer", "it does not fit what was offered")
    places = [refusal.place for refusal in body.refusals]
    if places != sorted(set(places)) or (places and places[-1] >= body.decided_count):
        raise UnexpectedMessage("answer", "the places of what it refuses are out of order")


def _receive_confirmation(draft: Draft, channel: Channel, body: messages.AppConfirmation) -> None:
    app = app_of(channel)
    if app.tip.is_supported or body.turn_num != app.tip.turn_num:
        raise UnexpectedMessage("confirmation", "no such state waits for it")
    require_signed(channel, hash_of_encoding(state_of(channel, is_tip=True).encode()), body)
    draft.emit(
        app_events.AppConfirmationReceived(channel.channel_id, body.turn_num, body.signature)
    )


def require_signed(channel: Channel, state_hash: bytes, body: messages.AppConfirmation) -> None:
    """Raise WrongSigner unless the other end signed that state."""
    if not is_theirs(channel, state_hash, body.signature):
        raise WrongSigner(channel.counterparty)


def is_theirs(channel: Channel, state_hash: bytes, signature: bytes) -> bool:
    """Whether the other end signed that state."""
    index = channel.payee_index if channel.my_index == 0 else 0
    signer = known_signer(channel, index)
    return signer is not None and signer.verify(state_hash, signature)


def is_resting(channel: Channel) -> bool:
    """Whether nothing is under way in the channel: what it ends with is settled."""
    return is_at_rest(app_of(channel))
