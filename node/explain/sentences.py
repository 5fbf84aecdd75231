"""Every event in words: one sentence each, who did it, and to whom it went.

A new event gets its sentence in the table of its room, or here if it is the node's own.
"""

from __future__ import annotations

from node.explain.app_sentences import APP_SENTENCES
from node.explain.chain_sentences import CHAIN_SENTENCES
from node.explain.channel_sentences import CHANNEL_SENTENCES, Sentence
from node.explain.loss_sentences import LOSS_SENTENCES
from node.explain.money_sentences import MONEY_SENTENCES
from node.explain.story import Cast, Telling
from node.explain.words import counted, harmless, moment, short_address, short_bytes
from protocols import app_events, events, head_events
from protocols.event import Event


def _node_created(event: events.NodeCreated, cast: Cast) -> Telling:
    return Telling(
        f"The log of node {short_address(event.node_address)} begins: chain {event.chain_id}, "
        f"adjudicator {short_address(event.adjudicator)}."
    )


def _app_known(event: app_events.AppDefinitionRecorded, cast: Cast) -> Telling:
    return Telling(
        f"Application channels may run on {short_address(event.app_definition)}, "
        f"by the rule {harmless(event.rule)}."
    )


def _digest(event: events.StateDigestRecorded, cast: Cast) -> Telling:
    stop = "The node stopped cleanly; " if event.clean_stop else ""
    what = f"the digest of {counted(event.entity_count, 'entity')} is"
    what = what.replace("entitys", "entities")
    sentence = f"{stop}{what} {short_bytes(event.digest)}."
    return Telling(sentence[0].upper() + sentence[1:], is_detail=not event.clean_stop)


def _cut(event: events.LogTailCut, cast: Cast) -> Telling:
    return Telling(
        f"A crash tore the end of the log: {counted(event.record_count, 'record')} survived, "
        f"{counted(event.cut_size_bytes, 'byte')} of {harmless(event.file_name)} were cut. "
        "Channels that existed can only be closed from here on.",
        label="log cut",
    )


def _acknowledged(event: events.PeerAcknowledged, cast: Cast) -> Telling:
    return Telling(
        f"{cast.person(event.peer)} has our messages up to number {event.sequence} on its disk.",
        "peer",
        "us",
        event.peer,
        is_detail=True,
    )


def _resumed(event: events.DeliveryResumed, cast: Cast) -> Telling:
    return Telling(
        f"The conversation with {cast.person(event.peer)} was taken up again from its side: it "
        f"has {counted(event.sent, 'message')} of ours, we acknowledged {event.received}.",
        "peer",
        "us",
        event.peer,
        "resumes",
    )


def _repeated(event: events.MessageRepeated, cast: Cast) -> Telling:
    return Telling(
        f"{cast.person(event.peer)} told us nothing new ({harmless(event.payload_type)}).",
        "peer",
        "us",
        event.peer,
        is_detail=True,
    )


def _misbehaved(event: events.PeerMisbehaved, cast: Cast) -> Telling:
    times = "" if event.count == 1 else f", {event.count} times"
    return Telling(
        f"{cast.person(event.peer)} broke a rule{times}: {harmless(event.error_code)}, "
        f"{harmless(event.reason)}.",
        "peer",
        "us",
        event.peer,
        "breaks a rule",
    )


def _restored(event: events.NodeRestored, cast: Cast) -> Telling:
    return Telling(
        f"The log is a backup of {moment(event.backup_ms)} UTC with "
        f"{counted(event.record_count, 'record')}: whatever came after it is forgotten.",
        label="restored",
    )


def _head_signed(event: head_events.LogHeadSigned, cast: Cast) -> Telling:
    return Telling(
        f"We signed the log's head over {counted(event.length, 'record')}, root "
        f"{short_bytes(event.root)}.",
        is_detail=True,
    )


def _head_received(event: head_events.LogHeadReceived, cast: Cast) -> Telling:
    return Telling(
        f"{cast.person(event.peer)} showed the head of its log over "
        f"{counted(event.length, 'record')}, root {short_bytes(event.root)}.",
        "peer",
        "us",
        event.peer,
        is_detail=True,
    )


def _head_disputed(event: head_events.LogHeadDisputed, cast: Cast) -> Telling:
    return Telling(
        f"{cast.person(event.peer)} showed a head of its log that contradicts the one we hold "
        f"({harmless(event.kind)}): {counted(event.shown_length, 'record')} against "
        f"{event.held_length:,}.",
        "peer",
        "us",
        event.peer,
        "contradicts itself",
    )


SENTENCES: dict[type[Event], Sentence] = {
    **CHANNEL_SENTENCES,
    **CHAIN_SENTENCES,
    **MONEY_SENTENCES,
    **LOSS_SENTENCES,
    **APP_SENTENCES,
    events.NodeCreated: _node_created,
    app_events.AppDefinitionRecorded: _app_known,
    events.StateDigestRecorded: _digest,
    events.LogTailCut: _cut,
    events.PeerAcknowledged: _acknowledged,
    events.DeliveryResumed: _resumed,
    events.MessageRepeated: _repeated,
    events.NodeRestored: _restored,
    head_events.LogHeadSigned: _head_signed,
    head_events.LogHeadReceived: _head_received,
    head_events.LogHeadDisputed: _head_disputed,
    events.PeerMisbehaved: _misbehaved,
}
"""By event, for all of them."""


def tell(event: Event, cast: Cast) -> Telling:
    """The event in words, as somebody of `cast` recorded it."""
    sentence = SENTENCES.get(type(event))
    if sentence is None:
        return Telling(f"{event.NAME} was recorded; there are no words for it here.")
    telling = sentence(event, cast)
    what = telling.what
    if what[0].islower():
        return Telling(
            what[0].upper() + what[1:],
            telling.who,
            telling.to,
            telling.peer,
            telling.label,
            telling.is_detail,
        )
    return telling
