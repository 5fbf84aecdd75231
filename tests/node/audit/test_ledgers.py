"""Ledgers: each rule broken once, by states and signatures that are themselves sound."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from node.audit.ledgers import LedgerCheck
from protocols import events, ledger_events
from protocols.ledger import MOVE, NO_TARGET, RESTORED_TURN_JUMP, LedgerVars, ledger_state
from protocols.state import State
from protocols.types import ZERO_ADDRESS, amount_to_bytes, to_hex
from tests.support import audit_webs
from tests.support.actors import ALICE, BOB, IVAN, Actor
from tests.support.audit_cases import History, changed, inserted, messages, nth, says, without
from tests.support.audit_webs import (
    closing_follower,
    closing_leader,
    countersigned,
    follower,
    leader,
    proposed,
)
from tests.support.ledger_rig import LEDGER, LEDGER_FIXED, add, move, move_back, remove

PROPOSED, RECEIVED = ledger_events.LedgerUpdateProposed, ledger_events.LedgerUpdateReceived
SIGNED, CONFIRMED = ledger_events.LedgerUpdateSigned, ledger_events.LedgerUpdateConfirmed
REFUSED, REFUSAL = ledger_events.LedgerUpdateRefused, ledger_events.LedgerRefusalReceived
ASKED, REQUESTED = ledger_events.LedgerPaymentAsked, ledger_events.LedgerPaymentRequested
WISH_REFUSED = ledger_events.LedgerPaymentRefused
WISH_REFUSAL = ledger_events.LedgerPaymentRefusalReceived
RESENT, RESTORED = ledger_events.LedgerUpdateResent, ledger_events.LedgerRestored
CUT = events.LogTailCut(10, 5, "000001.log")

HONEST = (
    leader,
    follower,
    closing_leader,
    closing_follower,
    audit_webs.payer,
    audit_webs.hub,
    audit_webs.payee,
    audit_webs.unwound_payer,
    audit_webs.unwound_hub,
    audit_webs.unwound_payee,
)


@pytest.mark.parametrize("history", HONEST, ids=lambda history: history.__name__)
def test_an_honest_history_breaks_no_rule(history: Callable[[], History]) -> None:
    assert messages(LedgerCheck, history()) == []


def one(history: History, words: str, kind: type[events.Event], index: int = 0) -> None:
    says(LedgerCheck, history, words, nth(history, kind, index)[0])


def then(history: History, *more: events.Event, words: str) -> None:
    """The last of what comes behind the history is bad."""
    says(LedgerCheck, [*history, *more], words)


def sound(history: History, *more: events.Event) -> None:
    """Nothing is wrong with what comes behind the history."""
    assert messages(LedgerCheck, [*history, *more]) == []


def leads(history: History, change: object, by: Actor = ALICE) -> events.Event:
    return proposed(history, LEDGER, change, by)  # type: ignore[arg-type]


def hears(history: History, change: object, by: Actor = ALICE) -> events.Event:
    return proposed(history, LEDGER, change, by, RECEIVED)  # type: ignore[arg-type]


def final(amounts: tuple[int, int], turn_num: int) -> State:
    vars_ = LedgerVars(*amounts)
    return ledger_state(LEDGER_FIXED, ZERO_ADDRESS, vars_, turn_num, is_final=True)


def ends(state: State, by: Actor, kind: type[events.Event]) -> list[events.Event]:
    """A final state with one signature."""
    state_hash = state.state_hash()
    parts = (LEDGER, state.turn_num, state_hash, by.address, by.signer(state_hash), True)
    signed = events.StateSigned(*parts)
    if kind is events.StateReceived:
        return [
            events.StateStored(LEDGER, state_hash, state.encode()),
            events.StateReceived(*parts, to_hex(by.address)),
        ]
    return [events.StateStored(LEDGER, state_hash, state.encode()), signed]


# --- whose ledger ---


def test_an_update_is_of_a_ledger_that_is_open() -> None:
    one(changed(leader(), PROPOSED, channel_id=b"\x99" * 32), "no ledger of ours", PROPOSED)
    payment = changed(leader(), events.NodeCreated, consensus_app=b"\x01" * 20)
    one(payment, "no ledger of ours", PROPOSED)
    one(without(leader(), events.StateSupportedUpdated, 1), "is not open", PROPOSED)


def test_the_leader_proposes_and_the_follower_answers() -> None:
    then(leader(), hears(leader(), move(1)), words="only the leader proposes")
    then(follower(), leads(follower(), move(1), BOB), words="only the leader proposes")
    proposal = leads(leader(), move(1))
    for wrong in (
        countersigned(proposal, BOB, SIGNED),
        REFUSED(LEDGER, 5, "NO", ""),
    ):
        then(leader(), proposal, wrong, words="only the follower")
    proposal = hears(follower(), move(1))
    for wrong in (countersigned(proposal, BOB, CONFIRMED), REFUSAL(LEDGER, 5, "NO", "")):
        then(follower(), proposal, wrong, words="only the follower")
    then(leader(), ASKED(LEDGER, amount_to_bytes(1), "x"), words="only the follower asks")
    then(follower(), REQUESTED(LEDGER, amount_to_bytes(1), "x"), words="only the follower asks")


# --- proposals ---


def test_turns_are_dense() -> None:
    one(changed(leader(), PROPOSED, turn_num=3), "turn 3 does not follow turn 1 (M8)", PROPOSED)
    one(changed(leader(), PROPOSED, 1, turn_num=2), "turn 2 does not follow turn 2", PROPOSED, 1)
    one(changed(follower(), RECEIVED, turn_num=7), "does not follow", RECEIVED)


def test_the_state_hash_is_that_of_the_state_the_change_leads_to() -> None:
    one(changed(leader(), PROPOSED, state_hash=b"\x01" * 32), "leads to state 0x", PROPOSED)
    one(changed(leader(), PROPOSED, amount=amount_to_bytes(11)), "leads to state 0x", PROPOSED)
    one(changed(follower(), RECEIVED, amount=amount_to_bytes(9)), "leads to state 0x", RECEIVED)


def test_a_proposal_is_signed_by_the_leader() -> None:
    for history, kind in ((leader(), PROPOSED), (follower(), RECEIVED)):
        _, proposal = nth(history, kind)
        forged = BOB.signer(proposal.state_hash)
        one(changed(history, kind, signature=forged), "not signed by", kind)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"left": b"\x01" * 32}, "not the ledger's two parties"),
        ({"kind": "swap"}, "no change is called 'swap'"),
        ({"target": b"\x01" * 32}, "a move has an amount only"),
        ({"fee": amount_to_bytes(1)}, "a move has an amount only"),
        ({"kind": "add"}, "the guarantee has no target"),
        ({"kind": "remove"}, "the ledger has no such guarantee"),
        ({"kind": "add", "left_amount": amount_to_bytes(11)}, "is above the guarantee of 10"),
        ({"amount": amount_to_bytes(1_001)}, "has 1000, 1001 is taken"),
        ({"amount": amount_to_bytes(1_001)}, "no ledger can stand like that"),
    ],
)
def test_a_change_is_one_that_the_amounts_allow(fields: dict[str, object], words: str) -> None:
    one(changed(leader(), PROPOSED, **fields), words, PROPOSED)


def test_a_guarantee_stands_once_and_leaves_as_it_came() -> None:
    with_one = [*leader(), leads(leader(), add(1))]
    twice = replace(with_one[-1], turn_num=5)
    then(with_one, twice, words="the ledger guarantees that channel already (M17)")
    other = replace(leads(with_one, remove(1)), amount=amount_to_bytes(99))
    then(with_one, other, words="the guarantee it removes has other values")
    then(with_one, other, words="it shares out 1499, the ledger has 1500")


def test_at_most_400_guarantees_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    from node.audit import ledger_facts

    monkeypatch.setattr(ledger_facts, "GUARANTEE_COUNT_MAX", 1)
    with_one = [*leader(), leads(leader(), add(1))]
    then(with_one, leads(with_one, add(2)), words="1 guarantees are there already (M17)")


def test_the_leader_takes_from_the_follower_what_it_was_asked_for() -> None:
    asked = [*leader(), REQUESTED(LEDGER, amount_to_bytes(7), "tea")]
    paid = leads(asked, move_back(7, "tea"))
    sound(asked, paid)
    then(asked, leads(asked, move_back(8, "tea")), words="falls by 8, unasked (M15)")
    then(asked, leads(asked, move_back(7)), words="falls by 7, unasked (M15)")
    once = [*asked, paid]
    then(once, leads(once, move_back(7, "tea")), words="falls by 7, unasked (M15)")


def test_a_guarantee_that_waits_is_left_alone() -> None:
    waits = [*leader(), leads(leader(), add(1))]
    then(waits, leads(waits, remove(1)), words="waits for the follower's answer")


@pytest.mark.parametrize("log_name", ["ChallengeRegistered", "Concluded"])
def test_a_ledger_in_dispute_takes_no_payments(log_name: str) -> None:
    seen = events.ChainLogObserved(
        LEDGER, log_name, 9, *[bytes(32)] * 2, 0, 0, ZERO_ADDRESS, bytes(32)
    )
    then([*leader(), seen], leads(leader(), move(1)), words="on chain")
    asked = [*follower(), seen, ASKED(LEDGER, amount_to_bytes(1), "x")]
    says(LedgerCheck, asked, "takes no payments any more")


# --- refusals ---


def refused(number: int = 3) -> History:
    """The leader paid an amount, which the follower refused."""
    paid = [*leader(), leads(leader(), move(number))]
    return [*paid, REFUSAL(LEDGER, 4, "LEDGER_NOT_RUNNING", "")]


def test_a_refused_turn_is_undone_before_anything_else() -> None:
    history = refused()
    undone = leads(history, replace(move_back(3)))
    sound(history, undone)
    then(history, leads(history, move(1)), words="turn 4 was refused and is not undone first (M8)")
    sound([*history, undone], leads([*history, undone], move(1)))


def test_only_what_waits_is_refused_and_once() -> None:
    then(leader(), REFUSAL(LEDGER, 4, "NO", ""), words="no proposal waits at turn 4")
    then(leader(), REFUSAL(LEDGER, 2, "NO", ""), words="no proposal waits at turn 2")
    then(refused(), REFUSAL(LEDGER, 4, "NO", ""), words="turn 4 was refused before")
    undone = [*refused(), leads(refused(), move_back(3))]
    then(undone, REFUSAL(LEDGER, 5, "NO", ""), words="turn 5 undoes a refused one")
    waits = [*leader(), leads(leader(), move(3))]
    then(waits, REFUSAL(LEDGER, 4, "", ""), words="the refusal has no name")


def test_a_follower_never_signs_what_it_refused() -> None:
    proposal = hears(follower(), move(3))
    history = [*follower(), proposal, REFUSED(LEDGER, 4, "NO", "")]
    then(history, countersigned(proposal, BOB), words="turn 4 was refused for ever (M8)")
    behind = hears(history, move(1))
    message = "turn 4 was refused and is not undone up to there (M8)"
    then(history, behind, countersigned(behind, BOB), words=message)
    undone = hears([*history, behind], move_back(3))
    sound([*history, behind, undone], countersigned(undone, BOB))


def test_a_leader_hears_no_countersignature_of_a_refused_turn() -> None:
    (*_, proposal, _) = refused()
    then(refused(), countersigned(proposal, BOB, CONFIRMED), words="was refused for ever")


# --- agreements ---


def test_a_countersignature_is_the_followers_under_what_was_proposed() -> None:
    for history, kind in ((leader(), CONFIRMED), (follower(), SIGNED)):
        one(changed(history, kind, turn_num=9), "no proposal waits at turn 9", kind)
        one(changed(history, kind, state_hash=b"\x01" * 32), "the state proposed at", kind)
        _, agreed = nth(history, kind)
        forged = IVAN.signer(agreed.state_hash)
        one(changed(history, kind, signature=forged), "not signed by", kind)


def test_the_followers_balance_falls_by_what_it_asked_for_alone() -> None:
    unasked = hears(follower(), move_back(3, "tea"))
    words = "turn 4: the follower's balance falls by 3, unasked (M15)"
    then(follower(), unasked, countersigned(unasked, BOB), words=words)
    asked = [*follower(), ASKED(LEDGER, amount_to_bytes(3), "tea")]
    first = hears(asked, move_back(3, "tea"))
    sound([*asked, first], countersigned(first, BOB))
    second = hears([*asked, first], move_back(3, "tea"))
    words = "turn 5: the follower's balance falls by 3, unasked (M15)"
    then([*asked, first, second], countersigned(second, BOB), words=words)


def test_a_move_of_nothing_needs_no_asking() -> None:
    nothing = hears(follower(), move_back(0))
    sound([*follower(), nothing], countersigned(nothing, BOB))


@pytest.mark.parametrize(
    ("amount", "name", "words"),
    [
        (0, "tea", "has an amount and a request id"),
        (1, "", "has an amount and a request id"),
        (506, "tea", "506 and what was asked for before are above our balance of 505"),
    ],
)
def test_a_follower_asks_for_what_it_has(amount: int, name: str, words: str) -> None:
    then(follower(), ASKED(LEDGER, amount_to_bytes(amount), name), words=words)


def test_a_request_is_made_once_until_it_is_answered() -> None:
    tea = ASKED(LEDGER, amount_to_bytes(300), "tea")
    then(follower(), tea, tea, words="waits for an answer already")
    more = replace(tea, request_id="cake")
    then(follower(), tea, more, words="above our balance of 505")
    one(without(leader(), REQUESTED), "unasked (M15)", PROPOSED, 1)
    one(without(follower(), ASKED), "unasked (M15)", SIGNED, 1)


def test_a_leader_refuses_what_it_did_not_take_in_and_says_why() -> None:
    no = WISH_REFUSED(LEDGER, amount_to_bytes(1), "cake", "LEDGER_NOT_RUNNING", "it closes")
    sound([*leader(), no])
    then(leader(), replace(no, error_code=""), words="the refusal has no name")
    then(follower(), no, words="only the leader refuses what was asked for")
    taken = REQUESTED(LEDGER, amount_to_bytes(1), "cake")
    then([*leader(), taken], no, words="that request was taken in")


def test_a_follower_hears_a_refusal_of_what_it_asked_for() -> None:
    asked = ASKED(LEDGER, amount_to_bytes(500), "cake")
    no = WISH_REFUSAL(LEDGER, "cake", "LEDGER_NOT_RUNNING", "it closes")
    again = replace(asked, request_id="more")
    sound([*follower(), asked, no, again])
    then([*follower(), asked], again, words="above our balance of 505")
    then(follower(), no, words="nothing was asked for under that id")
    then(leader(), no, words="only the leader refuses what was asked for")


# --- the end ---


def test_who_signed_the_final_state_signs_no_running_one() -> None:
    state = final((995, 505), 4)
    ended = [*leader(), *ends(state, ALICE, events.StateSigned)]
    sound(ended)
    then(ended, leads(leader(), move(1)), words="no running one follows (M8)")
    proposal = hears(follower(), move(1))
    over = [*follower(), proposal, *ends(final((995, 505), 5), ALICE, events.StateReceived)]
    then(over, countersigned(proposal, BOB), words="no running one follows (M8)")


def test_a_ledger_closes_at_the_highest_turn_plus_one() -> None:
    for turn_num in (3, 5, 4 + RESTORED_TURN_JUMP):
        late = ends(final((995, 505), turn_num), ALICE, events.StateSigned)
        then(leader(), *late, words=f"at turn 3 does not close at turn {turn_num} (M8)")
    for turn_num in (3, 5):
        late = ends(final((995, 505), turn_num), ALICE, events.StateReceived)
        then(follower(), *late, words="does not close at turn")
    waits = [*leader(), leads(leader(), move(1))]
    early = ends(final((995, 505), 5), ALICE, events.StateSigned)
    then(waits, *early, words="at turn 4 does not close at turn 5 (M8)")


def test_a_leader_that_lost_its_end_closes_far_above_it() -> None:
    far = final((995, 505), 3 + RESTORED_TURN_JUMP)
    sound(follower(), *ends(far, ALICE, events.StateReceived))
    sound([*leader(), CUT], *ends(far, ALICE, events.StateSigned))
    near = ends(final((995, 505), 9), ALICE, events.StateSigned)
    then([*leader(), CUT], *near, words="does not close at turn 9")


def test_the_final_state_pays_out_what_was_agreed() -> None:
    wrong = ends(final((994, 506), 4), ALICE, events.StateSigned)
    then(leader(), *wrong, words="does not pay out what was agreed last")
    proposal = leads(leader(), add(1))
    stands = [*leader(), proposal, countersigned(proposal, BOB, CONFIRMED)]
    state = ends(final((895, 505), 5), ALICE, events.StateSigned)
    then(stands, *state, words="the ledger ends with 1 guarantees")


def test_a_ledger_does_not_end_before_it_began() -> None:
    seq, _ = nth(leader(), events.StateSupportedUpdated, 1)
    early = [*leader()[:seq], *ends(final((1_000, 500), 2), ALICE, events.StateSigned)]
    says(LedgerCheck, early, "ends before it was open")


def test_a_closing_ledger_agrees_to_nothing_new() -> None:
    asked = events.FinalStateRequested(LEDGER, BOB.address, bytes(32))
    then([*leader(), asked], leads(leader(), move(1)), words="the ledger is closing")
    crossing = hears(follower(), move(1))
    signed = countersigned(crossing, BOB)
    then([*follower(), asked, crossing], signed, words="turn 4: the ledger is closing")


# --- after a cut tail ---


def test_after_a_cut_tail_a_ledger_is_only_closed() -> None:
    then([*leader(), CUT], leads(leader(), move(1)), words="may only be closed (M27)")
    proposal = hears(follower(), move(1))
    cut = [*follower(), CUT, proposal]
    then(cut, countersigned(proposal, BOB), words="may only be closed (M27)")
    refused_one = [*cut, REFUSED(LEDGER, 4, "LEDGER_NOT_RUNNING", "")]
    undone = hears(refused_one, move_back(1))
    sound([*refused_one, undone], countersigned(undone, BOB))
    then([*follower(), CUT], ASKED(LEDGER, amount_to_bytes(1), "x"), words="no payments any more")


def test_what_is_said_again_waits_for_an_answer() -> None:
    waits = [*leader(), leads(leader(), move(1))]
    sound(waits, RESENT(LEDGER, 4))
    then(waits, RESENT(LEDGER, 3), words="no proposal of ours waits at turn 3")
    then(follower(), RESENT(LEDGER, 4), words="no proposal of ours waits at turn 4")


def restored(state: State, *by: Actor, **fields: object) -> ledger_events.LedgerRestored:
    state_hash = state.state_hash()
    first, second = by or (ALICE, BOB)
    signatures = (first.signer(state_hash), second.signer(state_hash))
    return replace(RESTORED(LEDGER, state_hash, state.encode(), *signatures), **fields)


def running(amounts: tuple[int, int], turn_num: int) -> State:
    return ledger_state(LEDGER_FIXED, ZERO_ADDRESS, LedgerVars(*amounts), turn_num)


def test_a_forgotten_state_comes_back_with_both_signatures() -> None:
    state, cut = running((900, 600), 8), [*leader(), CUT]
    sound(cut, restored(state))
    closed = ends(final((900, 600), 8 + RESTORED_TURN_JUMP), ALICE, events.StateSigned)
    sound([*cut, restored(state)], *closed)
    then(leader(), restored(state), words="no tail was cut")
    then(cut, restored(state, ALICE, IVAN), words="not signed by")
    then(cut, restored(state, state_hash=b"\x01" * 32), words="not that of the encoded state")
    then(cut, restored(state, encoded_state=b"x"), words="no state of this channel")
    then(cut, restored(running((900, 601), 8)), words="shares out 1501, the ledger has 1500")
    then(cut, restored(running((900, 600), 3)), words="turn 3 was agreed before")
    then(cut, restored(final((900, 600), 8)), words="no running state of a ledger")


def test_an_inverse_is_no_change_of_its_own() -> None:
    """Exempt from M15: what a refused move took from the leader comes back to it (M8)."""
    assert move_back(3).kind == MOVE
    assert move_back(3).target == NO_TARGET
    history = closing_leader()
    _, first = nth(history, REFUSAL)
    seq, undone = nth(history, PROPOSED, -2)
    assert undone.left != nth(history, PROPOSED, -4)[1].left
    assert messages(LedgerCheck, history) == []
    missing = inserted(without(history, REFUSAL), first, ledger_events.LedgerUpdateConfirmed, -1)
    found = messages(LedgerCheck, missing)
    assert any(at == seq - 1 and "unasked (M15)" in message for at, message in found), found
