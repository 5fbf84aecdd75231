"""An application's messages in words: who said what, what became of it, who signed."""

from __future__ import annotations

import pytest

from node.explain.app_sentences import APP_SENTENCES
from node.explain.sentences import tell
from node.explain.story import Cast
from protocols import app_events as facts
from protocols.event import Event
from protocols.types import ZERO_ADDRESS, amount_to_bytes
from tests.support.actors import ALICE, BOB

CHANNEL, NAME = b"\x01" * 32, b"\x02" * 32
ENDS = (ALICE.address, BOB.address)
CAST = Cast(ALICE.address, CHANNEL, "app", ENDS, ZERO_ADDRESS, (10, 5))


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (facts.AppMessageApplied(CHANNEL, 3, ALICE.address, 0, b"abc"), "from us, was taken in"),
        (facts.AppMessageApplied(CHANNEL, 3, BOB.address, 0, b"abc"), "from player 0x"),
        (facts.AppMessageRefused(CHANNEL, BOB.address, 7, ""), "left no trace: code 7."),
        (facts.AppMessageRefused(CHANNEL, BOB.address, 0, "out-of-fuel"), "trace: out-of-fuel."),
        (facts.AppOfferAnswered(CHANNEL, 0, 0, "TIMESTAMP_OFF"), "as a whole: TIMESTAMP_OFF."),
        (facts.AppOfferAnswered(CHANNEL, 0, 2), "what became of 2 messages."),
        (
            facts.AppAnswerReceived(CHANNEL, 0, 2, (1,), (9,), ("",), "", 2, b"", b""),
            "judged 2 messages, with 1 refusal.",
        ),
        (
            facts.AppAnswerReceived(CHANNEL, 0, 0, (), (), (), "NOT_YOUR_TURN", 0, b"", b""),
            "refused our offer as a whole: NOT_YOUR_TURN.",
        ),
        (facts.AppMoveClaimed(CHANNEL, 3), "Move 3 is ours"),
        (facts.AppMoveShown(CHANNEL, 4, b"abc"), "made move 4 on chain"),
        (facts.AppMoveTaken(CHANNEL, 5, bytes(32), bytes(65), (), b""), "The move of turn 5"),
        (facts.AppSignatureShown(CHANNEL, 5, bytes(65)), "signature under turn 5."),
        (facts.AppChannelHalted(CHANNEL, "DIGEST_DIFFERS", 4, "aa", "bb"), "after 4 messages"),
    ],
)
def test_it_says_what_was_said_and_what_became_of_it(event: Event, words: str) -> None:
    assert words in tell(event, CAST).what


def test_a_signed_turn_says_what_both_get() -> None:
    amounts = (amount_to_bytes(7), amount_to_bytes(8))
    signed = facts.AppStateSigned(CHANNEL, 4, bytes(32), bytes(65), amounts, bytes(32))
    assert "gives 7 wei and 8 wei to the two ends" in tell(signed, CAST).what


def test_the_rule_of_turns_is_told_to_who_orders_and_who_does_not() -> None:
    alternate = facts.AppChannelRecorded(CHANNEL, NAME, "alternate", "message-log")
    led = facts.AppChannelRecorded(CHANNEL, NAME, "leader", "message-log")
    theirs = Cast(BOB.address, CHANNEL, "app", ENDS, ZERO_ADDRESS, (10, 5))
    assert "take turns" in tell(alternate, CAST).what
    assert "in our order" in tell(led, CAST).what
    assert "in the first participant's order" in tell(led, theirs).what


def test_what_goes_to_the_other_end_is_an_arrow() -> None:
    told = tell(facts.AppMessagesOffered(CHANNEL, 0, 0, 3), CAST)
    assert (told.who, told.to, told.peer, told.label) == ("us", "peer", BOB.address, "offer")
    assert len(APP_SENTENCES) == 19
