"""The audit's own arithmetic of ledgers says what the reducers say, by its own way."""

import random

from msgspec.structs import replace

from node.audit.facts import Facts
from node.audit.ledger_facts import (
    Book,
    Change,
    LedgerFacts,
    Proposal,
    book_of,
    opened,
    state_of,
)
from protocols import ledger, ledger_events
from protocols.ledger_errors import LedgerRefused
from protocols.outcome import GUARANTEE, Allocation, destination_of
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB, IVAN
from tests.support.audit_webs import folded, hub, leader, unwound_hub
from tests.support.ledger_rig import (
    FOLLOWER,
    LEADER,
    LEDGER,
    LEDGER_FIXED,
    START,
    add,
    move,
    move_back,
    remove,
)


def own(change: ledger.Change) -> Change:
    """The same change in the audit's words."""
    return Change(*(getattr(change, field) for field in ledger.Change.__struct_fields__))


def start() -> Book:
    return Book({LEADER: 1_000, FOLLOWER: 500})


def test_both_arithmetics_agree_on_any_run_of_changes() -> None:
    rng = random.Random(7)
    for _ in range(50):
        book, vars_ = start(), START
        for _ in range(40):
            change = rng.choice(
                [
                    add(rng.randrange(4), 100, rng.randrange(101), rng.randrange(5)),
                    remove(rng.randrange(4), 100, rng.randrange(101), rng.randrange(5)),
                    move(rng.randrange(300)),
                    move_back(rng.randrange(300)),
                ]
            )
            faults = list(book.faults(own(change)))
            try:
                vars_ = ledger.after(vars_, change, LEDGER_FIXED)
            except LedgerRefused:
                assert faults
            else:
                assert faults == []
                book.apply(own(change))
            assert book.total() == ledger.balance_total(vars_)
            built = state_of(LEDGER_FIXED, ZERO_ADDRESS, book, 9)
            assert built == ledger.ledger_state(LEDGER_FIXED, ZERO_ADDRESS, vars_, 9)
            assert book_of(built) == book


def test_an_inverse_takes_back_exactly() -> None:
    for change in (add(1, 100, 60, 3), move(5), move_back(5)):
        assert own(change).inverse() == own(ledger.inverse(change))
        book = start()
        book.apply(own(change))
        book.apply(own(change).inverse())
        assert book == start()


def test_a_book_takes_a_wrong_change_for_granted() -> None:
    book = start()
    book.apply(own(remove(1)))
    assert book.guarantees == {}
    stranger = Change("move", bytes(32), 5, b"\x01" * 32, LEADER, 0, 0, "")
    book.apply(stranger)
    assert book.balances[b"\x01" * 32] == -5


def facts(*queue: Proposal) -> LedgerFacts:
    return LedgerFacts(LEDGER_FIXED, ZERO_ADDRESS, 1_500, 1, start(), start(), list(queue))


def waits(turn_num: int, change: ledger.Change, *, is_refused: bool = False) -> Proposal:
    return Proposal(turn_num, own(change), bytes(32), is_refused)


def test_what_is_refused_and_undone_counts_for_nothing() -> None:
    refused, undone = waits(2, move(5), is_refused=True), waits(4, move_back(5))
    other, again = waits(3, move(1)), waits(5, move_back(5))
    known = facts(refused, other, undone, again)
    assert list(known.own_changes(9)) == [other, again]
    assert list(known.own_changes(3)) == [other]
    assert known.refused_standing(3) == [refused]
    assert known.refused_standing(4) == []
    assert known.highest_turn == 5
    assert known.proposal(4) is undone
    assert known.proposal(9) is None


def test_a_request_is_answered_by_the_followers_money_alone() -> None:
    known = facts(waits(2, move(5, "tea")), waits(3, move_back(5, "tea")))
    known.asked["tea"] = 5
    known.apply(ledger_events.LedgerUpdateSigned(LEDGER, 2, bytes(32), bytes(65)))
    assert known.asked == {"tea": 5}
    known.apply(ledger_events.LedgerUpdateSigned(LEDGER, 3, bytes(32), bytes(65)))
    assert (known.asked, known.turn_num, known.highest_turn) == ({}, 3, 3)


def refuse(known: LedgerFacts, turn_num: int) -> None:
    known.apply(ledger_events.LedgerUpdateRefused(LEDGER, turn_num, "LEDGER_NOT_RUNNING", ""))


def test_a_request_is_over_when_its_move_is_refused() -> None:
    for change in (move_back(4, "tea"), move_back(5, "rent"), move(5, "tea")):
        known = facts(waits(2, change))
        known.asked["tea"] = 5
        refuse(known, 2)
        assert known.asked == {"tea": 5}, "it is no answer to the request"
    known = facts(waits(2, move_back(5, "tea")), waits(3, move_back(5, "tea")))
    known.asked["tea"] = 5
    refuse(known, 3)
    assert known.asked == {"tea": 5}, "it is answered by the first"
    refuse(known, 2)
    assert known.asked == {}


def test_what_takes_a_refused_payment_back_answers_no_request() -> None:
    known = facts(waits(2, move(5, "tea"), is_refused=True), waits(3, move_back(5, "tea")))
    known.asked["tea"] = 5
    known.apply(ledger_events.LedgerUpdateSigned(LEDGER, 3, bytes(32), bytes(65)))
    assert (known.asked, known.turn_num) == ({"tea": 5}, 3)


def test_a_refusal_of_nothing_changes_nothing() -> None:
    known = facts()
    known.apply(ledger_events.LedgerUpdateRefused(LEDGER, 9, "NO", ""))
    known.apply(ledger_events.LedgerUpdateResent(LEDGER, 9))
    assert known == facts()


def test_a_state_of_another_shape_is_no_ledgers() -> None:
    channel = folded(leader()).channels[LEDGER]
    postfund = channel.state(channel.turns[1])
    (exit_,) = postfund.outcome
    first, second = exit_.allocations
    both = [Allocation(bytes((n,)) * 32, 1, GUARANTEE, bytes(64)) for n in (2, 1)]
    wrongs = (
        (exit_, exit_),
        (replace(exit_, allocations=(second, first)),),
        (replace(exit_, allocations=(first, second, *both)),),
        (replace(exit_, allocations=(first, second, replace(both[0], metadata=b""))),),
        (replace(exit_, allocations=(first, second, replace(both[0], allocation_type=0))),),
        (replace(exit_, allocations=(first,)),),
    )
    for wrong in wrongs:
        assert opened(replace(postfund, outcome=wrong)) is None
    three = replace(LEDGER_FIXED, participants=(*LEDGER_FIXED.participants, IVAN.address))
    assert book_of(replace(postfund, fixed=three)) is None
    known = opened(postfund)
    assert known is not None
    assert known.opening_total == 1_500
    assert known.follower == destination_of(BOB.address) != destination_of(ALICE.address)


def test_a_restored_state_that_is_none_changes_nothing() -> None:
    known = facts()
    signatures = (bytes(65), bytes(65))
    known.apply(ledger_events.LedgerRestored(LEDGER, bytes(32), b"x", *signatures))
    final = ledger.ledger_state(
        LEDGER_FIXED, ZERO_ADDRESS, ledger.LedgerVars(1, 2), 5, is_final=True
    )
    known.apply(ledger_events.LedgerRestored(LEDGER, bytes(32), final.encode(), *signatures))
    assert known.agreed == Book({LEADER: 1, FOLLOWER: 2})


def test_every_recorded_ledger_ends_like_the_reducers() -> None:
    for history in (leader(), hub(), unwound_hub()):
        known = Facts()
        for event in history:
            known.apply(event)
        for channel_id, channel in folded(history).channels.items():
            mine = known.channels[channel_id].ledger
            if channel.ledger is None:
                assert mine is None
                continue
            assert mine is not None
            built = state_of(channel.fixed, mine.asset, mine.agreed, mine.turn_num)
            assert built.state_hash() == channel.ledger.state_hash
            assert (mine.turn_num, mine.highest_turn) == (
                channel.ledger.turn_num,
                channel.ledger.proposed_turn,
            )
