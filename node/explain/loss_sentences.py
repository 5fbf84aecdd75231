"""What a loss of records leads to, in words: heads that peers hold, and ledgers that go on."""

from __future__ import annotations

from node.explain.channel_sentences import Sentence
from node.explain.story import Cast, Telling
from node.explain.words import counted, short_bytes
from protocols import resumption_events
from protocols.event import Event


def _compared(event: resumption_events.HeldHeadCompared, cast: Cast) -> Telling:
    if event.agrees:
        verdict = "our log contains it"
    elif event.explained:
        verdict = "our log lost it, as we know"
    else:
        verdict = "our log does not contain it: records were lost, and channels can only be closed"
    return Telling(
        f"{cast.person(event.peer)} holds a head of our log over "
        f"{counted(event.length, 'record')}, root {short_bytes(event.root)}: {verdict}.",
        "peer",
        "us",
        event.peer,
        "holds our head",
        is_detail=event.agrees,
    )


def _told(event: resumption_events.LedgerResumptionTold, cast: Cast) -> Telling:
    kind = "answered" if event.is_answer else "asked to go on"
    return Telling(
        f"After a loss of records we {kind}: what both signed last is turn {event.turn_num}.",
        "us",
        "peer",
        cast.counterparty,
        f"knows turn {event.turn_num}",
    )


def _heard(event: resumption_events.LedgerResumptionHeard, cast: Cast) -> Telling:
    other = "The other side" if cast.counterparty is None else cast.person(cast.counterparty)
    doubt = "" if event.agrees else ", and holds a head that our log does not contain"
    return Telling(
        f"{other} said that what both signed last is turn {event.turn_num}{doubt}.",
        "peer",
        "us",
        cast.counterparty,
        f"knows turn {event.turn_num}",
    )


def _jumped(event: resumption_events.LedgerJumpSigned, cast: Cast) -> Telling:
    return Telling(
        f"We signed a move of 0 at turn {event.turn_num}, above all that was forgotten.",
        "us",
        "peer",
        cast.counterparty,
        f"jumps to turn {event.turn_num}",
    )


def _resumed(event: resumption_events.LedgerResumed, cast: Cast) -> Telling:
    return Telling(
        f"Both signed turn {event.turn_num}: the ledger goes on.",
        "peer",
        "us",
        cast.counterparty,
        "goes on",
    )


LOSS_SENTENCES: dict[type[Event], Sentence] = {
    resumption_events.HeldHeadCompared: _compared,
    resumption_events.LedgerResumptionTold: _told,
    resumption_events.LedgerResumptionHeard: _heard,
    resumption_events.LedgerJumpSigned: _jumped,
    resumption_events.LedgerResumed: _resumed,
}
"""By event: what it says of a loss."""
