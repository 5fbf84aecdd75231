"""Callers that wait until both signed a payment in a ledger, or learn that it is not made."""

from __future__ import annotations

import pytest

from node.answers import Answer
from node.limits import WAITER_COUNT_MAX
from protocols import commands, messages
from protocols.error import ProtocolError
from protocols.ledger import LedgerVars, ledger_state
from protocols.ledger_errors import LedgerPaymentNotMade
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB
from tests.support.builders import chain_log
from tests.support.engine_rig import Rig, opened_ledger
from tests.support.ledger_rig import (
    LEDGER,
    LEDGER_FIXED,
    START,
    countersignature,
    move_back,
    proposals,
    refusal,
)


def pay(name: str, amount: int = 1) -> commands.PayLedger:
    return commands.PayLedger(LEDGER, amount, name)


def asked(rig: Rig, name: str, amount: int = 1) -> list[Answer | ProtocolError]:
    return rig.ask(pay(name, amount), "agreed")


def agreed(answers: list[Answer | ProtocolError]) -> list[bool]:
    return [isinstance(answer, Answer) and answer.agreed for answer in answers]


async def test_a_leader_is_answered_when_the_follower_signed() -> None:
    rig = await opened_ledger(ALICE)
    waiting = [asked(rig, name) for name in ("one", "two", "three")]
    at_once = rig.ask(pay("four"))
    await rig.work()
    assert waiting == [[], [], []]
    assert agreed(at_once) == [False]
    rig.journal.clear()
    await rig.take(rig.said(BOB, countersignature(3, LedgerVars(998, 502))))
    assert [agreed(answers) for answers in waiting] == [[True], [True], []]
    assert rig.journal.order == ["write asked", "write", "acknowledge", "answer", "answer"]
    await rig.take(rig.said(BOB, countersignature(5, LedgerVars(996, 504))))
    assert agreed(waiting[2]) == [True]


async def test_a_payment_that_the_follower_refuses_is_an_error_once_it_cannot_count() -> None:
    rig = await opened_ledger(ALICE)
    waiting = asked(rig, "rent")
    await rig.work()
    await rig.take(rig.said(BOB, refusal(2)))
    # Who signs turn 2 in secret and challenges with it is paid.
    more = asked(rig, "rent")
    await rig.work()
    assert waiting == more == []
    await rig.take(rig.said(BOB, countersignature(3, START)))
    (error,) = waiting
    assert str(more[0]) == str(error)
    assert isinstance(error, LedgerPaymentNotMade)
    assert (error.request_id, error.error_code) == ("rent", "FEE_TOO_LOW")
    again = asked(rig, "rent")
    await rig.work()
    assert str(again[0]) == str(error)


async def test_a_refused_payment_that_the_chain_shows_signed_is_no_error() -> None:
    rig = await opened_ledger(ALICE)
    waiting = asked(rig, "rent")
    await rig.work()
    await rig.take(rig.said(BOB, refusal(2)))
    paid = LedgerVars(999, 501)
    await rig.take(
        chain_log(
            "CheckpointSigned",
            50,
            confirmed=False,
            channel_id=LEDGER,
            turn_num=2,
            candidate_state_hash=ledger_state(LEDGER_FIXED, ZERO_ADDRESS, paid, 2).state_hash(),
            signatures=(countersignature(2, paid).signature,),
        )
    )
    assert agreed(waiting) == [False]
    assert agreed([await rig.answer(pay("rent"), "agreed")]) == [False]


async def test_who_asks_again_waits_too_and_later_hears_no_more_than_of_the_record() -> None:
    rig = await opened_ledger(ALICE)
    first = asked(rig, "rent")
    await rig.work()
    rig = rig.restarted()
    again, once_more = asked(rig, "rent"), asked(rig, "rent")
    await rig.work()
    assert first == again == once_more == []
    await rig.take(rig.said(BOB, countersignature(2, LedgerVars(999, 501))))
    assert agreed(again) == agreed(once_more) == [True]
    assert agreed([await rig.answer(pay("rent"), "agreed")]) == [False]


async def test_a_follower_is_answered_when_it_signed_what_it_asked_for() -> None:
    rig = await opened_ledger(BOB)
    rent, gas = asked(rig, "rent", 5), asked(rig, "gas", 7)
    await rig.work()
    assert rent == gas == []
    (moved,) = proposals(move_back(5, "rent"))
    await rig.take(rig.said(ALICE, moved))
    assert agreed(rent) == [True]
    assert gas == []
    no = messages.LedgerPaymentRefusal(LEDGER, "gas", "LEDGER_NOT_RUNNING", "it closes")
    await rig.take(rig.said(ALICE, no))
    assert isinstance(gas[0], LedgerPaymentNotMade)


async def test_what_the_other_party_pays_under_the_same_name_answers_nobody() -> None:
    rig = await opened_ledger(ALICE)
    request = messages.LedgerPaymentRequest(LEDGER, bytes(31) + b"\x05", "rent")
    mine = asked(rig, "rent", 9)
    rig.queue(rig.said(BOB, request))
    await rig.work()
    await rig.take(rig.said(BOB, refusal(3)))
    assert mine == []
    await rig.take(rig.said(BOB, countersignature(2, LedgerVars(991, 509))))
    assert agreed(mine) == [True]


async def test_what_a_closing_refuses_is_an_error_at_its_follower() -> None:
    rig = await opened_ledger(BOB)
    rent = asked(rig, "rent", 5)
    await rig.work()
    await rig.answer(commands.CloseChannel(LEDGER))
    (moved,) = proposals(move_back(5, "rent"))
    await rig.take(rig.said(ALICE, moved))
    assert isinstance(rent[0], LedgerPaymentNotMade)
    assert rig.state.channels[LEDGER].ledger.current == START  # type: ignore[union-attr]


async def test_who_finds_no_room_is_answered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert WAITER_COUNT_MAX > 1
    monkeypatch.setattr("node.waiters.WAITER_COUNT_MAX", 1)
    rig = await opened_ledger(ALICE)
    first, second = asked(rig, "one"), asked(rig, "two")
    await rig.work()
    assert first == []
    assert agreed(second) == [False]
