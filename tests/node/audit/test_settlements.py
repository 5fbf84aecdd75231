"""Leaving alone: an honest log is sound, and what the chain cannot have done is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from node.audit.batches import BatchCheck
from node.audit.digests import DigestCheck
from node.audit.facts import Facts
from node.audit.families import FamilyCheck
from node.audit.fold import FoldCheck
from node.audit.heads import HeadCheck
from node.audit.judge import families
from node.audit.settlements import SettlementCheck
from node.audit.snapshots import SnapshotCheck
from node.verify.claims import faults
from protocols import events
from protocols.abi import encode_outcome
from protocols.exit_events import ChallengeExpired, OutcomePaid
from protocols.types import amount_to_bytes
from tests.support.audit_cases import History, changed, entries, messages, nth, without
from tests.support.audit_exits import (
    exporting_leader,
    leaving_follower,
    leaving_payee,
    leaving_payer,
    resumed_follower,
    resumed_leader,
    sealing_payee,
    told_payer,
)
from tests.support.builders import DEPOSIT, split


@pytest.mark.parametrize(
    "history",
    [
        leaving_payee,
        leaving_payer,
        leaving_follower,
        resumed_leader,
        resumed_follower,
        sealing_payee,
        exporting_leader,
        told_payer,
    ],
)
def test_an_honest_history_of_leaving_passes_every_family(history: Callable[[], History]) -> None:
    facts = Facts()
    checks = [
        check
        for check in families(facts, FoldCheck(), BatchCheck(facts), ())
        if not isinstance(check, FamilyCheck | HeadCheck | DigestCheck | SnapshotCheck)
        and check.name != "outbox"  # It reads blocks of records, not one after the other.
    ]
    said = []
    for entry in entries(history()):
        for check in checks:
            if check.judges is None or type(entry.event) in check.judges:
                said += [(check.name, entry.seq, f) for f in faults(check.check(entry))]
        facts.apply(entry.event)
    for check in checks:
        said += [(check.name, -1, fault.message) for fault in check.finish(None)]
    assert said == []


def says(history: History, words: str) -> None:
    found = messages(SettlementCheck, history)
    assert any(words in message for _, message in found), found


def test_time_that_was_not_up_is_named() -> None:
    history = leaving_payee()
    _, expired = nth(history, ChallengeExpired)
    says(
        changed(history, ChallengeExpired, block_time_s=expired.finalizes_at - 1),
        "the time was not up",
    )
    says(changed(history, ChallengeExpired, finalizes_at=1), "the challenge ends at")


def test_a_challenge_that_never_was_does_not_expire() -> None:
    history = without(leaving_payee(), events.ChallengeRegistered)
    says(history, "no challenge of the channel is confirmed")
    says(without(leaving_payee(), ChallengeExpired), "paid out before the channel was final")


def test_more_than_stood_there_cannot_be_paid() -> None:
    history = leaving_payee()
    says(changed(history, OutcomePaid, amounts=(amount_to_bytes(31),)), "share 1 stood at 30")
    says(changed(history, OutcomePaid, indices=(5,)), "there is no share 5")
    says(changed(history, OutcomePaid, amounts=()), "not as many amounts as shares")


def test_a_challenge_carries_the_state_of_its_hash() -> None:
    history = leaving_payee()
    seq, _ = next(
        (seq, event)
        for seq, event in enumerate(history)
        if isinstance(event, events.ChainLogObserved) and event.log_name == "ChallengeRegistered"
    )
    index = sum(isinstance(e, events.ChainLogObserved) for e in history[:seq])
    says(changed(history, events.ChainLogObserved, index, outcome=b""), "another outcome")


def test_a_conclusion_leaves_what_the_chain_told_of_it() -> None:
    history = told_payer()
    seen = [event for event in history if isinstance(event, events.ChainLogObserved)]
    index = next(n for n, event in enumerate(seen) if event.log_name == "Concluded")
    lies = {
        "none": {"outcome": b""},
        "another": {"amounts": tuple(map(amount_to_bytes, (DEPOSIT, 0)))},
        "a higher sum": {
            "amounts": tuple(map(amount_to_bytes, (DEPOSIT, 1))),
            "outcome": encode_outcome(split(1, total=DEPOSIT + 1)),
        },
    }
    for fields in lies.values():
        spoilt = changed(history, events.ChainLogObserved, index, **fields)
        says(spoilt, "is not what the chain told of it")
    guessed = changed(history, events.ChainLogObserved, index, amounts=(), outcome=bytes(64))
    says(guessed, "no final state's of this log")


def test_a_challenge_that_was_refuted_cannot_be_confirmed() -> None:
    history = leaving_payee()
    place = next(seq for seq, e in enumerate(history) if isinstance(e, events.ChallengeRegistered))
    seen = next(
        e
        for e in history
        if isinstance(e, events.ChainLogObserved) and e.log_name == "ChallengeRegistered"
    )
    where = (seen.block_num, seen.block_hash, seen.tx_hash, seen.log_index)
    refuted = events.ChainLogRefuted(seen.channel_id, seen.log_name, *where)
    says([*history[:place], refuted, *history[place:]], "confirmed and never observed")


def test_what_is_left_behind_is_named_at_the_end() -> None:
    of_payout = (OutcomePaid, events.AllocationUpdated)
    history = [e for e in leaving_payee() if not isinstance(e, of_payout)]
    says(history, "30 of ours still stand in it")


def test_a_channel_that_nobody_created_is_named() -> None:
    expired = ChallengeExpired(b"\x01" * 32, 1, 2, 3)
    found = messages(SettlementCheck, [*leaving_payee(), expired])
    assert "never created" in found[-1][1]
