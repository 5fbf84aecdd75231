"""Transaction intents: derived names and what counts as pending."""

from __future__ import annotations

import pytest

from protocols.crypto import keccak256
from protocols.transactions import (
    ATTEMPT_COUNT_MAX,
    RETRY_AFTER_MS,
    Transaction,
    TransactionStatus,
    fill_kind,
    filled_nonce,
    intent_id,
    is_mined_from,
    is_pending,
    may_follow,
    newest_attempt,
    pause_ms,
    was_vain,
)
from tests.support.builders import CHANNEL


def test_an_intent_is_named_by_its_kind_channel_and_attempt() -> None:
    known = intent_id("deposit", CHANNEL, 1)
    assert known == keccak256(b"intent|deposit|" + CHANNEL + b"\x00\x00\x00\x01")
    others = {
        intent_id("conclude", CHANNEL, 1),
        intent_id("deposit", bytes(32), 1),
        intent_id("deposit", CHANNEL, 2),
    }
    assert len(others | {known}) == 4


@pytest.mark.parametrize(
    ("status", "pending"),
    [
        (TransactionStatus.REQUESTED, True),
        (TransactionStatus.SUBMITTED, True),
        (TransactionStatus.MINED, False),
        (TransactionStatus.FAILED, False),
    ],
)
def test_an_attempt_is_pending_until_it_is_mined_or_failed(
    status: TransactionStatus, pending: bool
) -> None:
    assert is_pending(Transaction(bytes(32), "deposit", CHANNEL, status)) == pending


def test_a_fork_takes_back_what_was_mined_from_its_first_block_on() -> None:
    mined = Transaction(bytes(32), "deposit", CHANNEL, TransactionStatus.MINED, block_num=7)
    assert [is_mined_from(mined, number) for number in (6, 7, 8)] == [True, True, False]
    assert not is_mined_from(Transaction(bytes(32), "deposit", CHANNEL), 0)


@pytest.mark.parametrize("attempt", range(ATTEMPT_COUNT_MAX - 1))
def test_the_next_attempt_waits_for_the_pause(attempt: int) -> None:
    failed = Transaction(bytes(32), "deposit", CHANNEL, TransactionStatus.FAILED, ended_ms=7)
    due_ms = 7 + pause_ms(attempt)
    assert not may_follow(failed, attempt + 1, due_ms - 1)
    assert may_follow(failed, attempt + 1, due_ms)


def test_the_pause_grows_to_ten_minutes_and_no_further() -> None:
    pauses_ms = [pause_ms(attempt) for attempt in range(ATTEMPT_COUNT_MAX)]
    assert pauses_ms[:3] == [RETRY_AFTER_MS, 2 * RETRY_AFTER_MS, 4 * RETRY_AFTER_MS]
    assert pauses_ms[-1] == max(pauses_ms) == 600_000


def test_nothing_follows_the_last_attempt_or_one_that_did_not_fail() -> None:
    for status in TransactionStatus:
        known = Transaction(bytes(32), "deposit", CHANNEL, status)
        assert may_follow(known, 1, 10**12) == (status == TransactionStatus.FAILED)
        assert not may_follow(known, ATTEMPT_COUNT_MAX, 10**12)


def test_a_new_attempt_was_only_requested() -> None:
    assert Transaction(bytes(32), "deposit", CHANNEL).status == TransactionStatus.REQUESTED
    assert ATTEMPT_COUNT_MAX > 1


def test_only_what_repeats_follows_a_mined_attempt_and_in_vain_not_for_ever() -> None:
    mined = Transaction(bytes(32), "approve", CHANNEL, TransactionStatus.MINED)
    assert not may_follow(mined, 0, 10**12)
    assert may_follow(mined, 0, 0, repeats=True)
    assert not may_follow(mined, 1, 0, repeats=True)
    assert may_follow(mined, 1, pause_ms(0), repeats=True)
    assert not may_follow(mined, ATTEMPT_COUNT_MAX, 10**12, repeats=True)
    waiting = Transaction(bytes(32), "approve", CHANNEL, TransactionStatus.SUBMITTED)
    assert not may_follow(waiting, 0, 10**12, repeats=True)


def test_what_has_a_deadline_is_tried_until_then() -> None:
    failed = Transaction(bytes(32), "checkpoint", CHANNEL, TransactionStatus.FAILED)
    assert not may_follow(failed, ATTEMPT_COUNT_MAX, 10**12, repeats=True)
    assert may_follow(failed, ATTEMPT_COUNT_MAX, 10**12, repeats=True, deadline_s=10**10)


def test_a_mined_call_was_in_vain_if_the_same_one_is_needed_again() -> None:
    mined = Transaction(bytes(32), "transfer", CHANNEL, TransactionStatus.MINED, raw=b"\x02call!")
    assert was_vain(mined, b"call")
    assert not was_vain(mined, b"another call")
    assert was_vain(Transaction(bytes(32), "transfer", CHANNEL, TransactionStatus.FAILED), b"")
    assert not was_vain(Transaction(bytes(32), "transfer", CHANNEL), b"")


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 8, 9, 100, 1_000])
def test_the_newest_of_many_attempts_is_found(count: int) -> None:
    names = [intent_id("checkpoint", CHANNEL, number) for number in range(count)]
    known = {name: Transaction(name, "checkpoint", CHANNEL) for name in names}
    looked_up: list[bytes] = []

    def find(name: bytes) -> Transaction | None:
        looked_up.append(name)
        return known.get(name)

    number, newest = newest_attempt(find, "checkpoint", CHANNEL)
    assert number == count - 1
    assert (None if newest is None else newest.intent_id) == (names[-1] if names else None)
    assert len(looked_up) <= 2 * count.bit_length() + 2
    assert newest_attempt(known.get, "transfer", CHANNEL) == (-1, None)


def test_a_kind_that_fills_a_nonce_names_it() -> None:
    assert filled_nonce(fill_kind(7)) == 7
    for kind in ("fill", "fill x", "fill -1", "fill " + "9" * 20, "transfer", "reclaim 7"):
        assert filled_nonce(kind) is None
