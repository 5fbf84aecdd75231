"""A loss of records in words: who holds what of whose log, and how a ledger goes on."""

from __future__ import annotations

import pytest

from node.explain.loss_sentences import LOSS_SENTENCES
from node.explain.sentences import tell
from node.explain.story import Cast
from protocols.resumption_events import (
    HeldHeadCompared,
    LedgerResumed,
    LedgerResumptionHeard,
    LedgerResumptionTold,
)
from tests.support.actors import ALICE, BOB

LEDGER = b"\x01" * 32
CAST = Cast(ALICE.address, LEDGER, "ledger", (ALICE.address, BOB.address))
HEAD = (1_000, b"\x01" * 32, b"\x02" * 65)


@pytest.mark.parametrize(
    ("agrees", "explained", "words"),
    [
        (True, True, "our log contains it."),
        (False, True, "our log lost it, as we know."),
        (False, False, "records were lost, and channels can only be closed."),
    ],
)
def test_a_head_that_a_peer_holds_is_judged(agrees: bool, explained: bool, words: str) -> None:
    telling = tell(HeldHeadCompared(BOB.address, *HEAD, agrees, explained), CAST)
    assert telling.what.endswith(words)
    assert telling.is_detail == agrees


def test_who_asks_is_told_apart_from_who_answers() -> None:
    asked = tell(LedgerResumptionTold(LEDGER, 7, bytes(32), False), CAST)
    answered = tell(LedgerResumptionTold(LEDGER, 7, bytes(32), True), CAST)
    assert "we asked to go on" in asked.what
    assert "we answered" in answered.what


def test_what_the_other_side_saw_is_said() -> None:
    heard = tell(LedgerResumptionHeard(LEDGER, 7, bytes(32), True, False), CAST)
    assert "holds a head that our log does not contain" in heard.what


def test_that_it_goes_on_is_an_arrow() -> None:
    told = tell(LedgerResumed(LEDGER, 2**20, bytes(32), bytes(65), bytes(65)), CAST)
    assert told.label == "goes on"
    assert LedgerResumed in LOSS_SENTENCES
