"""Ledgers that went on after a loss: what two honest nodes record is sound, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from node.audit.ledgers import LedgerCheck
from node.audit.resumptions import ResumptionCheck
from protocols import commands, events, resumption_events
from protocols.ledger import RESTORED_TURN_JUMP
from tests.support.actors import ALICE, BOB, IVAN
from tests.support.audit_cases import History, changed, messages, nth, says, without
from tests.support.ledger_rig import LEDGER, opened_ledger
from tests.support.lost_records import head_of, looks_into_its_log

TOLD = resumption_events.LedgerResumptionTold
HEARD = resumption_events.LedgerResumptionHeard
JUMPED, RESUMED = resumption_events.LedgerJumpSigned, resumption_events.LedgerResumed
COMPARED = resumption_events.HeldHeadCompared


def history(who: str, lost: str) -> History:
    """A ledger is paid in, one party loses the end of its log, and it goes on."""
    network = opened_ledger()
    for node in network.nodes.values():
        looks_into_its_log(node)
    network.alice.feed(commands.PayLedger(LEDGER, 100, "rent"))
    network.settle()
    getattr(network, lost).lose_tail()
    network.reconnect()
    network.settle()
    network.alice.feed(commands.PayLedger(LEDGER, 5, "after"))
    network.settle()
    network.bob.feed(commands.CloseChannel(LEDGER))
    network.settle()
    return [event for _, event in getattr(network, who).log]


@pytest.mark.parametrize("who", ["alice", "bob"])
@pytest.mark.parametrize("lost", ["alice", "bob"])
def test_an_honest_history_breaks_no_rule(who: str, lost: str) -> None:
    told = history(who, lost)
    assert nth(told, RESUMED)
    assert messages(ResumptionCheck, told) == []
    assert messages(LedgerCheck, told) == []


def leader() -> History:
    return history("alice", "alice")


def follower() -> History:
    return history("bob", "bob")


@pytest.mark.parametrize(
    ("of", "kind", "fields", "words"),
    [
        (leader, TOLD, {"turn_num": 3}, "what both signed last is turn 2"),
        (leader, JUMPED, {"turn_num": 3 + RESTORED_TURN_JUMP}, "is not 2^20 above turn 2"),
        (leader, JUMPED, {"state_hash": bytes(32)}, "the move leads to state"),
        (leader, RESUMED, {"turn_num": 3 + RESTORED_TURN_JUMP}, "is not 2^20 above turn 2"),
        (leader, RESUMED, {"state_hash": bytes(32)}, "the move leads to state"),
        (follower, RESUMED, {"turn_num": 2 + 2 * RESTORED_TURN_JUMP}, "is not 2^20 above turn 2"),
    ],
)
def test_another_move_is_found(
    of: Callable[[], History], kind: Any, fields: dict[str, Any], words: str
) -> None:
    told = of()
    seq, event = nth(told, kind)
    says(ResumptionCheck, changed(told, kind, **fields), words, seq)
    assert event != replace(event, **fields)


@pytest.mark.parametrize(
    ("of", "kind", "field"),
    [
        (leader, JUMPED, "signature"),
        (leader, RESUMED, "leader_signature"),
        (leader, RESUMED, "follower_signature"),
        (follower, RESUMED, "leader_signature"),
        (follower, RESUMED, "follower_signature"),
    ],
)
def test_a_move_counts_with_the_signatures_of_both(
    of: Callable[[], History], kind: Any, field: str
) -> None:
    told = of()
    seq, event = nth(told, kind)
    forged = IVAN.signer(event.state_hash)
    says(ResumptionCheck, changed(told, kind, **{field: forged}), "is not signed by", seq)


@pytest.mark.parametrize(("of", "kind"), [(leader, JUMPED), (follower, RESUMED)])
def test_nothing_is_signed_before_the_two_agree(of: Callable[[], History], kind: Any) -> None:
    told = of()
    silent = without(told, HEARD)
    while any(isinstance(event, HEARD) for event in silent):
        silent = without(silent, HEARD)
    says(ResumptionCheck, silent, "has not said what it knows", nth(silent, kind)[0])
    for fields, words in (
        ({"turn_num": 1}, "the two do not agree"),
        ({"state_hash": bytes(32)}, "the two do not agree"),
        ({"agrees": False}, "a head that our log does not contain"),
    ):
        other = [replace(e, **fields) if isinstance(e, HEARD) else e for e in told]
        says(ResumptionCheck, other, words, nth(other, kind)[0])


@pytest.mark.parametrize(("of", "kind"), [(leader, JUMPED), (follower, RESUMED)])
def test_a_head_that_was_lost_is_not_outweighed_by_what_is_shown_later(
    of: Callable[[], History], kind: Any
) -> None:
    told = of()
    seq, heard = nth(told, HEARD)
    told.insert(seq, replace(heard, agrees=False))
    words = "a head that our log does not contain"
    says(ResumptionCheck, told, words, nth(told, kind)[0])
    peer = BOB if kind is JUMPED else ALICE
    told[seq] = COMPARED(peer.address, 90, bytes(32), bytes(65), False, True)
    assert any(words in said for _, said in messages(ResumptionCheck, told))


def test_only_the_leader_makes_the_move_and_only_once_signed_it_counts() -> None:
    told = leader()
    missing = without(told, JUMPED)
    says(ResumptionCheck, missing, "we had not signed that move", nth(missing, RESUMED)[0])
    _, jump = nth(told, JUMPED)
    heard = nth(follower(), HEARD)[0]
    wrong = [*follower()[: heard + 1], jump]
    says(ResumptionCheck, wrong, "only the leader makes the move", len(wrong) - 1)


def test_who_lost_nothing_asks_for_nothing() -> None:
    told = history("alice", "bob")
    seq, event = nth(told, TOLD)
    assert event.is_answer
    says(ResumptionCheck, changed(told, TOLD, is_answer=False), "we had lost nothing", seq)


def test_a_ledger_that_was_never_open_does_not_go_on() -> None:
    stray = TOLD(bytes(32), 2, bytes(32), True)
    says(ResumptionCheck, [leader()[0], stray], "names no open ledger of ours", 1)


def test_heads_are_ours_and_what_is_missing_was_lost() -> None:
    network = opened_ledger()
    alice = network.alice
    head, told = head_of(alice), [event for _, event in alice.log]
    shown = COMPARED(BOB.address, head.length, head.root, head.signature, False, False)
    assert messages(ResumptionCheck, [*told, shown]) == []
    explained = replace(shown, explained=True)
    says(ResumptionCheck, [*told, explained], "no loss was recorded", len(told))
    cut = events.LogTailCut(3, 1, "1.log")
    assert messages(ResumptionCheck, [*told, cut, explained]) == []
    forged = replace(shown, signature=head_of(network.bob).signature)
    says(ResumptionCheck, [*told, forged], "is not signed by", len(told))
    asked = replace(nth(history("alice", "bob"), TOLD)[1], is_answer=False, turn_num=1)
    assert messages(ResumptionCheck, [*told, shown, asked]) == []


def test_a_ledger_with_a_final_state_signs_no_move() -> None:
    told = leader()
    _, jump = nth(told, JUMPED)
    late = [*told, replace(jump)]
    says(ResumptionCheck, late, "no running one follows (M8)", len(late) - 1)
