"""What checkpoints show is in the log, with the signatures under it, or the log is at fault."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from node.audit.channel_facts import ChannelFacts, apply_to_channel
from node.audit.checkpoints import PROVED, SIGNED, deviation
from node.audit.facts import Facts
from node.audit.ledger_facts import opened
from protocols import events
from protocols.exit_calls import redemption
from protocols.inputs import ChainLog
from protocols.signed_state import SignedState
from protocols.state import State
from protocols.voucher import sign_voucher
from tests.support.actors import ALICE, BOB, IVAN, Actor
from tests.support.builders import CHANNEL, chain_log, fixed_part, state

POSTFUND, TX = state(1), b"\xa1" * 32
Change = Callable[[ChannelFacts], None]


def redeemed(amount: int) -> State:
    voucher = sign_voucher(CHANNEL, amount, ALICE.signer)
    return redemption(SignedState(POSTFUND, ()), amount, voucher)


def told(channel: ChannelFacts, known: State, *signers: Actor) -> None:
    """The log has the state, with these signatures."""
    state_hash, encoded = known.state_hash(), known.encode()
    me = channel.participants[channel.my_index or 0]
    found: list[events.Event] = [events.StateStored(CHANNEL, state_hash, encoded)]
    for who in signers:
        given = who.signer(state_hash)
        place = CHANNEL, known.turn_num, state_hash, who.address, given
        found.append(
            events.StateSigned(*place, False)
            if who.address == me
            else events.StateReceived(*place, False, "0x00")
        )
    for event in found:
        apply_to_channel(channel, event, me)


def opened_channel(my_index: int = 0) -> ChannelFacts:
    channel = ChannelFacts(CHANNEL, fixed_part(), my_index)
    told(channel, POSTFUND, ALICE, BOB)
    return channel


def proved(candidate: State) -> ChainLog:
    return chain_log(
        PROVED,
        30,
        confirmed=False,
        channel_id=CHANNEL,
        turn_num=2,
        candidate=candidate.encode(),
        candidate_state_hash=candidate.state_hash(),
        signatures=(BOB.signer(candidate.state_hash()),),
        proof=((POSTFUND.encode(), ()),),
    )


def shown(known: State) -> ChainLog:
    return chain_log(
        SIGNED,
        30,
        confirmed=False,
        channel_id=CHANNEL,
        turn_num=known.turn_num,
        candidate_state_hash=known.state_hash(),
    )


def test_the_redemption_in_the_log_is_the_one_that_the_chain_showed() -> None:
    channel = opened_channel()
    assert deviation(channel, proved(redeemed(30))) == "what it redeems is not in the log"
    told(channel, redeemed(30))
    assert deviation(channel, proved(redeemed(30))) == "what it redeems is not in the log"
    told(channel, redeemed(30), BOB)
    assert deviation(channel, proved(redeemed(30))) == ""
    assert deviation(channel, proved(redeemed(31))) == "the log has another redemption"


def test_after_a_fork_the_chain_may_show_another_redemption_than_the_first_one() -> None:
    for event in (
        events.ChainReorged(40, bytes(32), b"\x01" * 32),
        events.ChainLogRefuted(CHANNEL, "Checkpointed", 40, bytes(32), TX, 0),
    ):
        facts = Facts()
        channel = facts.channels[CHANNEL] = opened_channel()
        told(channel, redeemed(30), BOB)
        channel.observed = [(40, TX, "Checkpointed")]
        facts.apply(event)
        assert (channel.is_checkpoint_retracted, channel.observed) == (True, [])
        assert deviation(channel, proved(redeemed(31))) == ""


def test_a_fork_above_the_checkpoint_explains_nothing() -> None:
    facts = Facts()
    channel = facts.channels[CHANNEL] = opened_channel()
    told(channel, redeemed(30), BOB)
    channel.observed = [(40, TX, "Checkpointed"), (41, TX, "ChallengeRegistered")]
    facts.apply(events.ChainReorged(41, bytes(32), b"\x01" * 32))
    facts.apply(events.ChainLogRefuted(CHANNEL, "Checkpointed", 40, bytes(32), b"\xa2" * 32, 0))
    assert channel.observed == [(40, TX, "Checkpointed")]
    assert deviation(channel, proved(redeemed(31))) == "the log has another redemption"


def test_a_postfund_that_the_chain_showed_is_in_the_log_with_all_signatures() -> None:
    what = "the log lacks the postfund that it shows, or a signature on it"
    channel = ChannelFacts(CHANNEL, fixed_part(), 0)
    assert deviation(channel, proved(redeemed(30))) == what
    told(channel, POSTFUND, ALICE)
    told(channel, redeemed(30), BOB)
    assert deviation(channel, proved(redeemed(30))) == what
    told(channel, POSTFUND, BOB)
    assert deviation(channel, proved(redeemed(30))) == ""


def test_a_state_that_all_signed_is_in_the_log_with_all_signatures() -> None:
    channel = ChannelFacts(CHANNEL, fixed_part(), 0)
    for signers in ((), (ALICE,)):
        told(channel, POSTFUND, *signers)
        assert "the state of turn 1" in deviation(channel, shown(POSTFUND))
    told(channel, POSTFUND, BOB)
    assert deviation(channel, shown(POSTFUND)) == ""
    assert "turn 1" in deviation(channel, shown(state(1, app_data=b"x")))


def lose_records(channel: ChannelFacts) -> None:
    channel.is_close_only = True


def take_no_part(channel: ChannelFacts) -> None:
    channel.my_index = None


@pytest.mark.parametrize("change", [lose_records, take_no_part])
def test_who_lost_records_or_takes_no_part_need_not_have_it(change: Change) -> None:
    channel = ChannelFacts(CHANNEL, fixed_part(), 0)
    change(channel)
    assert deviation(channel, proved(redeemed(30))) == ""
    assert deviation(channel, shown(POSTFUND)) == ""


def test_a_payee_redeems_beside_its_log_too() -> None:
    assert deviation(opened_channel(my_index=1), proved(redeemed(30))) == ""


def test_hubs_are_asked_too() -> None:
    fixed = fixed_part(participants=(ALICE.address, IVAN.address, BOB.address))
    channel = ChannelFacts(CHANNEL, fixed, 1)
    told(channel, POSTFUND, ALICE, IVAN, BOB)
    assert deviation(channel, proved(redeemed(30))) == "what it redeems is not in the log"


def test_running_states_of_a_ledger_are_judged_elsewhere() -> None:
    channel = ChannelFacts(CHANNEL, fixed_part(), 0)
    channel.ledger = opened(POSTFUND)
    assert deviation(channel, shown(state(2))) == ""
    assert deviation(channel, shown(POSTFUND)) != ""


def test_what_no_state_of_ours_can_be_is_left_alone() -> None:
    log = proved(redeemed(30))
    channel = ChannelFacts(CHANNEL, fixed_part(), 0)
    assert deviation(channel, replace(log, proof=())) == ""
    assert deviation(channel, replace(log, candidate=b"")) == ""
