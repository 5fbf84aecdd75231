"""Alarms: raised once for each challenge, and never for what is as good as what we hold."""

from __future__ import annotations

from protocols import inputs
from tests.support.builders import chain_log
from tests.support.ledger_rig import LEDGER, opened_ledger


def newer(turn_num: int, ends_at: int, block_num: int) -> inputs.ChainLog:
    return chain_log(
        "ChallengeRegistered",
        block_num,
        confirmed=False,
        channel_id=LEDGER,
        turn_num=turn_num,
        number=ends_at,
    )


def test_each_challenge_that_outranks_us_is_one_alarm() -> None:
    bob = opened_ledger().bob
    for log in (newer(8, 10**10, 100), newer(8, 10**10, 100), newer(9, 10**10 + 1, 101)):
        bob.feed(log)
        bob.feed(inputs.Tick())
    assert [a.turn_num_record for a in bob.events_of("challenge-unanswerable")] == [8, 9]


def test_a_challenge_with_our_own_newest_state_is_none() -> None:
    bob = opened_ledger().bob
    bob.feed(newer(1, 10**10, 100))
    assert bob.events_of("challenge-unanswerable") == []
