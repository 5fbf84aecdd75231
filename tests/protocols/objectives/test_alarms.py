"""Alarms: raised once for each challenge, and never for what is as good as what we hold."""

from __future__ import annotations

import pytest

from protocols import commands, inputs
from tests.support.builders import DURATION_S, chain_log
from tests.support.exit_rig import challenge_with_turn
from tests.support.exit_web import ExitWeb
from tests.support.ledger_rig import LEDGER, ledger_at, opened_ledger


def newer(turn_num: int, ends_at: int, block_num: int, state_hash: bytes = b"") -> inputs.ChainLog:
    return chain_log(
        "ChallengeRegistered",
        block_num,
        confirmed=False,
        channel_id=LEDGER,
        turn_num=turn_num,
        number=ends_at,
        candidate_state_hash=state_hash,
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


def test_our_own_proposal_that_the_follower_signed_for_the_chain_alone_is_none() -> None:
    network = opened_ledger()
    alice = network.alice
    alice.feed(commands.PayLedger(LEDGER, 77, "r1"))
    (proposal,) = ledger_at(alice).queue
    alice.feed(newer(proposal.turn_num, 10**10, 100, proposal.state_hash))
    assert alice.events_of("challenge-unanswerable") == []
    # Another state of that turn is none that she signed.
    alice.feed(newer(proposal.turn_num, 10**10 + 1, 101, bytes(32)))
    assert len(alice.events_of("challenge-unanswerable")) == 1


@pytest.mark.parametrize(("is_carrying", "alarm_count"), [(True, 1), (False, 0)])
def test_a_ledger_that_ended_without_a_newer_guarantee_is_one(
    is_carrying: bool, alarm_count: int
) -> None:
    web = ExitWeb(0)
    (ledger_id,) = web.ledgers
    if is_carrying:
        web.opened(paid=30)
    challenge_with_turn(web, web.payee, ledger_id, 1)
    web.step()
    web.chain.pass_time(DURATION_S)
    for _ in range(6):
        web.step(web.payee)
    assert web.payee.channel(ledger_id).chain_status == "expired"
    assert len(web.payee.events_of("challenge-unanswerable")) == alarm_count
