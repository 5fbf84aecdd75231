"""Sentences for application channels: what was said, what the reducer made of it, who signed."""

from __future__ import annotations

from node.explain.channel_sentences import Sentence
from node.explain.story import Actor, Cast, Telling
from node.explain.words import amount_words, counted, harmless, quoted, short_bytes
from protocols import app_events
from protocols.event import Event
from protocols.types import Address, amount_from_bytes


def _who(address: Address, cast: Cast) -> tuple[str, Actor]:
    is_ours = address == cast.me
    return ("us" if is_ours else cast.person(address)), ("us" if is_ours else "peer")


def _say(
    cast: Cast,
    what: str,
    label: str,
    who: Actor = "us",
    to: Actor | None = None,
    *,
    is_detail: bool = False,
) -> Telling:
    peer = cast.counterparty if "peer" in (who, to) else None
    return Telling(what, who, to, peer, label, is_detail)


def _recorded(event: app_events.AppChannelRecorded, cast: Cast) -> Telling:
    order = "take turns" if event.turn_rule == "alternate" else "say what they like, in our order"
    if event.turn_rule != "alternate" and cast.participants and cast.participants[0] != cast.me:
        order = "say what they like, in the first participant's order"
    return _say(
        cast,
        f"It is an application's: reducer {short_bytes(event.reducer_id)} judges each message, and "
        f"the two ends {order}.",
        "application",
    )


def _queued(event: app_events.AppMessageQueued, cast: Cast) -> Telling:
    return Telling(
        f"Our owner wants a message of {counted(len(event.payload), 'byte')} said: "
        f"{short_bytes(event.local_id)}.",
        "owner",
        "us",
        label="message",
    )


def _offered(event: app_events.AppMessagesOffered, cast: Cast) -> Telling:
    what = f"We offered {counted(event.message_count, 'message')} after {event.base_count}."
    return _say(cast, what, "offer", "us", "peer")


def _asked(event: app_events.AppOfferReceived, cast: Cast) -> Telling:
    offered = counted(len(event.payloads), "message")
    what = f"The other end offered {offered} after {event.base_count}."
    return _say(cast, what, "offer", "peer", "us")


def _applied(event: app_events.AppMessageApplied, cast: Cast) -> Telling:
    name, actor = _who(event.sender, cast)
    what = (
        f"Message {event.count}, from {name}, was taken in: {counted(len(event.message), 'byte')}."
    )
    return _say(cast, what, f"message {event.count}", actor)


def _refused(event: app_events.AppMessageRefused, cast: Cast) -> Telling:
    name, actor = _who(event.sender, cast)
    why = f"code {event.code}" if event.code else harmless(event.failure)
    what = f"A message from {name} was refused and left no trace: {why}."
    return _say(cast, what, "refused", actor)


def _signed(event: app_events.AppStateSigned, cast: Cast) -> Telling:
    amounts = [amount_words(cast.asset, amount_from_bytes(amount)) for amount in event.amounts]
    what = f"We signed turn {event.turn_num}, which gives {' and '.join(amounts)} to the two ends."
    return _say(cast, what, f"turn {event.turn_num}")


def _answered(event: app_events.AppOfferAnswered, cast: Cast) -> Telling:
    if event.error_code:
        what = f"We refused the offer as a whole: {harmless(event.error_code)}."
    else:
        what = f"We told the other end what became of {counted(event.decided_count, 'message')}."
    return _say(cast, what, "answer", "us", "peer", is_detail=not event.error_code)


def _answer(event: app_events.AppAnswerReceived, cast: Cast) -> Telling:
    if event.error_code:
        what = f"The other end refused our offer as a whole: {harmless(event.error_code)}."
    else:
        refused = counted(len(event.refused_places), "refusal")
        decided = counted(event.decided_count, "message")
        what = f"The other end judged {decided}, with {refused}."
    return _say(cast, what, "answer", "peer", "us")


def _judged(event: app_events.AppAnswerJudged, cast: Cast) -> Telling:
    what = f"Our reducer came to the same about {counted(event.decided_count, 'message')}."
    return _say(cast, what, "", is_detail=True)


def _confirmed(event: app_events.AppStateConfirmed, cast: Cast) -> Telling:
    what = f"Both ends signed turn {event.turn_num}; we told the other end."
    return _say(cast, what, f"turn {event.turn_num}", "us", "peer")


def _confirmation(event: app_events.AppConfirmationReceived, cast: Cast) -> Telling:
    what = f"The other end signed turn {event.turn_num} too."
    return _say(cast, what, f"turn {event.turn_num}", "peer", "us")


def _halted(event: app_events.AppChannelHalted, cast: Cast) -> Telling:
    return _say(
        cast,
        f"We halted the channel after {counted(event.count, 'message')} that both agree on "
        f"({harmless(event.error_code)}): we came to {quoted(event.ours)}, the other end to "
        f"{quoted(event.theirs)}. Nothing but its end is signed any more.",
        "halt",
        "us",
        "peer",
    )


def _halt(event: app_events.AppHaltReceived, cast: Cast) -> Telling:
    return _say(
        cast,
        f"The other end halted the channel ({harmless(event.error_code)}): {quoted(event.reason)}. "
        "Nothing but its end is signed any more.",
        "halt",
        "peer",
        "us",
    )


def _standing(event: app_events.AppStandingTaken, cast: Cast) -> Telling:
    return _say(
        cast,
        "The other end showed a newer state that both signed: the channel ends by that.",
        "shown",
        "peer",
        "us",
    )


def _claimed(event: app_events.AppMoveClaimed, cast: Cast) -> Telling:
    what = f"Move {event.count} is ours, and we make it without the other end's answer."
    return _say(cast, what, "")


def _move_shown(event: app_events.AppMoveShown, cast: Cast) -> Telling:
    what = f"The other end made move {event.count} on chain; our reducer is to take it in."
    return _say(cast, what, f"move {event.count}", "chain", "us")


def _move_taken(event: app_events.AppMoveTaken, cast: Cast) -> Telling:
    what = f"The move of turn {event.turn_num} on chain is the channel's next."
    return _say(cast, what, "", is_detail=True)


def _signature_shown(event: app_events.AppSignatureShown, cast: Cast) -> Telling:
    what = f"The chain shows the other end's signature under turn {event.turn_num}."
    return _say(cast, what, f"turn {event.turn_num}", "chain", "us")


APP_SENTENCES: dict[type[Event], Sentence] = {
    app_events.AppChannelRecorded: _recorded,
    app_events.AppMessageQueued: _queued,
    app_events.AppMessagesOffered: _offered,
    app_events.AppOfferReceived: _asked,
    app_events.AppMessageApplied: _applied,
    app_events.AppMessageRefused: _refused,
    app_events.AppStateSigned: _signed,
    app_events.AppOfferAnswered: _answered,
    app_events.AppAnswerReceived: _answer,
    app_events.AppAnswerJudged: _judged,
    app_events.AppStateConfirmed: _confirmed,
    app_events.AppConfirmationReceived: _confirmation,
    app_events.AppChannelHalted: _halted,
    app_events.AppHaltReceived: _halt,
    app_events.AppStandingTaken: _standing,
    app_events.AppMoveClaimed: _claimed,
    app_events.AppMoveShown: _move_shown,
    app_events.AppMoveTaken: _move_taken,
    app_events.AppSignatureShown: _signature_shown,
}
"""By event of an application channel."""
