"""The follower's side: what it takes in, what it signs, and what it never signs (M8, M15)."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands, inputs
from protocols.events import MessageDropped
from protocols.ledger import QUEUE_COUNT_MAX, Change, inverse
from protocols.virtual_errors import FeeTooLow, GuaranteeMissing
from tests.support.actors import ALICE, BOB, IRENE
from tests.support.builders import chain_log
from tests.support.ledger_rig import (
    LEDGER,
    START,
    Verdicts,
    add,
    judged_by,
    ledger_at,
    move,
    move_back,
    opened_ledger,
    proposal,
    proposals,
    remove,
    result_of,
    target,
)
from tests.support.network import CoreNode, Said
from tests.support.playbook import Playbook, names

END = inputs.EndOfBatch()
REFUSED = "ledger-update-refused"
SIGNED = "ledger-update-signed"


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> Verdicts:
    return judged_by(monkeypatch)


@pytest.fixture
def follower(verdicts: Verdicts) -> CoreNode:
    return opened_ledger().bob


def reason_of(node: CoreNode) -> str:
    event = node.log[-1][1]
    assert isinstance(event, MessageDropped), event
    return event.reason


def hear(node: CoreNode, *changes: Change) -> None:
    """The leader proposes these changes on top of what it proposed before."""
    ledger = ledger_at(node)
    said = proposals(*changes, start=ledger.proposed, first_turn=ledger.proposed_turn + 1)
    for body in said:
        assert names(node.feed(Said(ALICE, body)))[0] == "ledger-update-received"


def end(node: CoreNode) -> list[str]:
    """The events of the end of a batch."""
    return [event.NAME for event in node.feed(END).events]


# --- taking in ---


def test_what_the_leader_says_twice_changes_nothing(follower: CoreNode) -> None:
    (said,) = proposals(move(5))
    assert (
        Playbook(follower)
        >> Said(ALICE, said)
        << "ledger-update-received"
        >> Said(ALICE, said)
        << "message-received, message-repeated"
        >> END
        << "ledger-update-signed, send LedgerCountersignature"
        >> Said(ALICE, said)
        << "message-received, message-repeated"
        >> END
    )
    assert follower.peer(ALICE.address).fault_count == 0


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (proposals(move(5), move(5))[1], "LEDGER_TURN_WRONG"),
        (proposal(move(5), result_of(move(6))), "PROPOSAL_SIGNATURE_WRONG"),
        (proposal(move(5), result_of(move(5)), by=BOB), "PROPOSAL_SIGNATURE_WRONG"),
        (proposal(move(5), result_of(move(5)), by=IRENE), "PROPOSAL_SIGNATURE_WRONG"),
        (
            replace(proposal(move(5), result_of(move(5))), signature=bytes(65)),
            "PROPOSAL_SIGNATURE_WRONG",
        ),
        (proposal(move(1_001), START), "LEDGER_FUNDS_INSUFFICIENT"),
        (proposal(add(1, 2_000), START), "LEDGER_FUNDS_INSUFFICIENT"),
        (proposal(add(1, 10, 11), START), "INVALID_GUARANTEE_AMOUNT"),
        (proposal(remove(1), START), "GUARANTEE_NOT_FOUND"),
        (proposal(replace(add(), kind="double"), START), "INVALID_LEDGER_CHANGE"),
        (proposal(replace(add(), left=target(4)), START), "INVALID_LEDGER_CHANGE"),
        (proposal(replace(move(1), target=target(1)), START), "INVALID_LEDGER_CHANGE"),
    ],
)
def test_an_impossible_proposal_is_dropped_by_name(
    body: Any, name: str, follower: CoreNode
) -> None:
    assert names(follower.feed(Said(ALICE, body))) == ["message-dropped"]
    assert reason_of(follower).startswith(name)
    assert ledger_at(follower).queue == ()
    assert end(follower) == []


def test_a_guarantee_stands_once(follower: CoreNode) -> None:
    hear(follower, add(1))
    body = proposal(add(1), START, turn_num=3)
    follower.feed(Said(ALICE, body))
    assert reason_of(follower).startswith("DUPLICATE_GUARANTEE")


def test_a_second_change_for_a_turn_is_refused_as_equivocation(follower: CoreNode) -> None:
    hear(follower, move(5))
    (other,) = proposals(move(6))
    follower.feed(Said(ALICE, other))
    assert reason_of(follower).startswith("EQUIVOCATION_REFUSED")
    assert end(follower) == [SIGNED]
    assert ledger_at(follower).current == result_of(move(5))


def test_proposals_out_of_their_order_are_dropped_and_harmless(follower: CoreNode) -> None:
    first, second = proposals(move(5), move(6))
    follower.feed(Said(ALICE, second))
    follower.feed(Said(ALICE, first))
    follower.feed(Said(ALICE, second))
    assert end(follower) == [SIGNED]
    assert ledger_at(follower).current == result_of(move(5), move(6))


def test_a_leader_that_never_waits_is_bounded(follower: CoreNode, verdicts: Verdicts) -> None:
    verdicts.default = False
    follower.proves_purity = False
    hear(follower, add(1), *(move(0) for _ in range(2 * QUEUE_COUNT_MAX - 1)))
    body = proposal(move(0), result_of(add(1)), turn_num=2 * QUEUE_COUNT_MAX + 2)
    follower.feed(Said(ALICE, body))
    assert reason_of(follower).startswith("TOO_MANY_PROPOSALS_WAITING")


# --- judging ---


def test_one_countersignature_answers_a_whole_batch(follower: CoreNode) -> None:
    hear(follower, add(1), move(5), remove(1, 100, 40))
    assert end(follower) == [SIGNED]
    ledger = ledger_at(follower)
    assert (ledger.turn_num, ledger.current.follower) == (4, 500 + 5 + 60)
    assert follower.state.unanswered == set()


def test_what_has_to_wait_holds_up_what_is_behind_it(
    follower: CoreNode, verdicts: Verdicts
) -> None:
    verdicts.by_target[target(2)] = False
    hear(follower, add(1), add(2), move(5))
    assert end(follower) == [SIGNED]
    assert ledger_at(follower).turn_num == 2
    assert end(follower) == []
    assert follower.state.unanswered == {LEDGER}
    verdicts.by_target[target(2)] = True
    assert end(follower) == [SIGNED]
    assert ledger_at(follower).turn_num == 4


def test_a_refused_turn_is_never_signed(follower: CoreNode, verdicts: Verdicts) -> None:
    verdicts.by_target[target(2)] = FeeTooLow(1, 2)
    hear(follower, add(1), add(2), add(3))
    assert end(follower) == [REFUSED, SIGNED]
    assert ledger_at(follower).turn_num == 2
    verdicts.by_target[target(2)] = True
    assert end(follower) == []
    hear(follower, inverse(add(2)))
    assert end(follower) == [SIGNED]
    ledger = ledger_at(follower)
    assert (ledger.turn_num, ledger.current) == (5, result_of(add(1), add(3)))
    signed = [event.turn_num for event in follower.events_of(SIGNED)]
    assert signed == [2, 5]


def test_a_ledger_that_is_stuck_is_judged_again_when_the_refused_change_is_undone(
    follower: CoreNode, verdicts: Verdicts
) -> None:
    verdicts.by_target[target(2)] = FeeTooLow(1, 2)
    hear(follower, add(1), add(2), add(3))
    assert end(follower) == [REFUSED, SIGNED]
    follower.proves_purity = False
    verdicts.asked.clear()
    for _ in range(3):
        assert end(follower) == []
    assert verdicts.asked == [], "nothing about it changed"
    hear(follower, add(4))
    assert end(follower) == []
    assert verdicts.asked == [target(4)], "what was judged before is not judged again"
    assert follower.state.unanswered == follower.fold().unanswered == set()
    hear(follower, inverse(add(2)))
    assert follower.state.unanswered == follower.fold().unanswered == {LEDGER}
    assert end(follower) == [SIGNED]
    assert ledger_at(follower).turn_num == 6


def test_what_is_wrong_behind_a_refused_change_is_refused_at_once(
    follower: CoreNode, verdicts: Verdicts
) -> None:
    verdicts.by_target[target(1)] = verdicts.by_target[target(3)] = FeeTooLow(1, 2)
    follower.proves_purity = False
    follower.feed(commands.PayLedger(LEDGER, 5, "rent"))
    hear(follower, add(1))
    assert end(follower) == [REFUSED]
    rent = move_back(5, "rent")
    hear(follower, replace(move(5), request_id="rent"), add(3), rent, rent)
    hear(follower, *(add(number, 1, 1) for number in range(10, 111)))
    refused = [(event.turn_num, event.error_code) for event in follower.events_of(REFUSED)]
    assert refused == [
        (2, "FEE_TOO_LOW"),
        (4, "FEE_TOO_LOW"),
        (6, "LEDGER_BALANCE_FALLS"),
        (107, "TOO_MANY_GUARANTEES"),
    ]


@pytest.mark.parametrize(
    ("before", "refused", "refusal"),
    [
        ((), add(1, 100, 60, fee=3), FeeTooLow(1, 2)),
        ((add(1, 100, 60, fee=3),), remove(1, 100, 100), GuaranteeMissing(target(1))),
        ((), move_back(7, "not asked"), None),
    ],
    ids=["add", "remove", "move"],
)
def test_an_inverse_is_exempt_from_every_check(
    before: tuple[Change, ...],
    refused: Change,
    refusal: Any,
    follower: CoreNode,
    verdicts: Verdicts,
) -> None:
    hear(follower, *before)
    end(follower)
    agreed = ledger_at(follower)
    if refusal is not None:
        verdicts.by_target[refused.target] = refusal
    hear(follower, refused, move(2))
    assert end(follower) == [REFUSED]
    hear(follower, inverse(refused))
    assert end(follower) == [SIGNED]
    assert ledger_at(follower).current == result_of(move(2), start=agreed.current)


def test_an_inverse_undoes_one_refusal_once(follower: CoreNode, verdicts: Verdicts) -> None:
    hear(follower, move_back(7), move(7))
    assert end(follower) == [REFUSED, SIGNED]
    hear(follower, move_back(7))
    assert end(follower) == [REFUSED]
    assert ledger_at(follower).current == START


def test_the_inverse_of_what_nobody_refused_is_judged_like_any_change(
    follower: CoreNode, verdicts: Verdicts
) -> None:
    verdicts.by_target[target(1)] = FeeTooLow(1, 2)
    hear(follower, add(1), inverse(add(1)))
    assert end(follower) == [REFUSED, SIGNED]
    hear(follower, add(2))
    verdicts.by_target[target(2)] = True
    end(follower)
    verdicts.by_target[target(2)] = GuaranteeMissing(target(2))
    hear(follower, remove(2))
    assert end(follower) == [REFUSED]


# --- M15 ---


def test_a_balance_falls_only_by_what_its_owner_asked(follower: CoreNode) -> None:
    hear(follower, move_back(7))
    assert end(follower) == [REFUSED]
    (refused,) = follower.events_of(REFUSED)
    assert (refused.turn_num, refused.error_code) == (2, "LEDGER_BALANCE_FALLS")


@pytest.mark.parametrize(
    "change", [move_back(6, "rent"), move_back(8, "rent"), move_back(7, "gas"), move_back(7)]
)
def test_a_move_that_differs_from_the_wish_is_refused(change: Change, follower: CoreNode) -> None:
    follower.feed(commands.PayLedger(LEDGER, 7, "rent"))
    hear(follower, change)
    assert end(follower) == [REFUSED]


def test_a_wish_is_answered_once(follower: CoreNode) -> None:
    follower.feed(commands.PayLedger(LEDGER, 7, "rent"))
    hear(follower, move_back(7, "rent"), move_back(7, "rent"))
    assert end(follower) == [REFUSED, SIGNED]
    assert ledger_at(follower).current == result_of(move_back(7))
    assert len(follower.events_of(REFUSED)) == 1
    hear(follower, inverse(move_back(7, "rent")), move_back(7, "rent"))
    end(follower)
    assert ledger_at(follower).current == result_of(move_back(7))


def test_two_wishes_are_answered_one_after_the_other(follower: CoreNode) -> None:
    follower.feed(commands.PayLedger(LEDGER, 7, "rent"))
    follower.feed(commands.PayLedger(LEDGER, 8, "gas"))
    hear(follower, move_back(8, "gas"))
    assert end(follower) == [SIGNED]
    hear(follower, move_back(7, "rent"))
    assert end(follower) == [SIGNED]
    assert ledger_at(follower).asked == ()
    assert ledger_at(follower).current == result_of(move_back(15))


def test_a_gift_needs_no_wish(follower: CoreNode) -> None:
    hear(follower, move(7))
    assert end(follower) == [SIGNED]


# --- ledgers that do not run ---


def test_a_full_ledger_takes_no_more_guarantees(follower: CoreNode) -> None:
    follower.proves_purity = False
    hear(follower, *(add(number + 1, 1) for number in range(100)))
    assert end(follower) == [SIGNED]
    hear(follower, add(200, 1))
    assert end(follower) == [REFUSED]
    assert follower.events_of(REFUSED)[-1].error_code == "TOO_MANY_GUARANTEES"


def test_one_batch_does_not_fill_a_ledger_beyond_its_bound(follower: CoreNode) -> None:
    follower.proves_purity = False
    hear(follower, *(add(number + 1, 1) for number in range(101)))
    assert end(follower) == [REFUSED, SIGNED]
    assert len(ledger_at(follower).current.guarantees) == 100


def test_a_challenged_ledger_refuses_what_is_new_and_gives_back(follower: CoreNode) -> None:
    hear(follower, add(1))
    end(follower)
    log = chain_log("ChallengeRegistered", 9, confirmed=False, channel_id=LEDGER, number=5)
    follower.feed(log)
    hear(follower, remove(1))
    assert end(follower) == [SIGNED]
    hear(follower, move(5))
    assert end(follower) == [REFUSED]
    assert follower.events_of(REFUSED)[-1].error_code == "LEDGER_NOT_RUNNING"
    hear(follower, inverse(move(5)))
    assert end(follower) == [SIGNED]


def test_a_concluded_ledger_is_not_judged_any_more(follower: CoreNode) -> None:
    hear(follower, move(5))
    follower.feed(chain_log("Concluded", 9, confirmed=False, channel_id=LEDGER))
    assert end(follower) == []
    assert ledger_at(follower).turn_num == 1


def test_a_follower_that_closes_refuses_what_is_new(follower: CoreNode) -> None:
    follower.feed(commands.CloseChannel(LEDGER))
    hear(follower, move(5), inverse(move(5)))
    assert end(follower) == [REFUSED, SIGNED]
    assert ledger_at(follower).current == START


def test_what_is_refused_and_never_undone_costs_once_through_the_queue(follower: CoreNode) -> None:
    follower.proves_purity = False
    hear(follower, *[move_back(1)] * 128)
    assert names(follower.feed(END)).count(REFUSED) == 128
    hear(follower, *[move(0)] * 128)
    call_count = 0

    def count(*_: Any) -> None:
        nonlocal call_count
        call_count += 1

    sys.setprofile(count)
    follower.feed(END)
    sys.setprofile(None)
    assert call_count < 256 * 30
