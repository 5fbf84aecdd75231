"""What reducers say becomes signatures, refusals or a halt; two ends agree or both stop."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from protocols import commands, inputs
from protocols.app_channel import ALTERNATE, LEADER
from protocols.app_errors import AppChannelStopped
from protocols.app_judging import DIGEST_DIFFERS, STATE_DIFFERS, VERDICT_DIFFERS, plan
from protocols.entities import NodeState
from protocols.error import ProtocolError
from protocols.inputs import AppJudged, AppVerdict
from tests.support.app_rig import (
    APP_CHANNEL,
    FAILS,
    REDUCER,
    STAKES,
    AppNetwork,
    AppNode,
    Till,
    opened_app,
    signed_hashes,
)


def other_digest(verdict: AppVerdict) -> AppVerdict:
    return replace(verdict, digest=hashlib.sha256(verdict.digest).digest())


def other_amounts(verdict: AppVerdict) -> AppVerdict:
    first, last = verdict.amounts
    return replace(verdict, amounts=(first - 1, last + 1))


def refusal(verdict: AppVerdict) -> AppVerdict:
    return AppVerdict(3, "", (), b"")


def test_who_asks_for_a_run_is_named_and_nobody_for_our_own() -> None:
    network = opened_app()
    network.alice.say(5)
    network.settle()
    assert [run.asked_by for run in network.bob.runs] == [network.alice.actor.address]
    assert {run.asked_by for run in network.alice.runs} == {b""}


def test_the_reducer_is_asked_of_the_whole_offer_after_all_before() -> None:
    network = opened_app(LEADER)
    network.alice.say(4)
    network.alice.say(5)
    network.settle()
    (run,) = network.bob.runs
    assert (run.reducer_id, run.base_count, run.deposits) == (REDUCER, 0, STAKES)
    assert [given_[-1] for given_ in run.inputs] == [4, 5]
    assert run.may_be_cut
    offered, answered = network.alice.runs
    assert (offered.inputs, offered.may_be_cut, offered.is_offer) == (run.inputs, True, True)
    assert (answered.inputs, answered.may_be_cut, answered.is_offer) == (run.inputs, False, False)


def test_each_message_is_offered_with_what_the_authors_view_came_to() -> None:
    network = opened_app(LEADER)
    for amount in (4, 5, 6):
        network.alice.say(amount)
    network.settle()
    (run,) = network.bob.runs
    assert run.expected == Till().digests_after(0, 0, b"\x04", b"\x05", b"\x06")
    assert network.bob.app().tip.digest == run.expected[-1]


@pytest.mark.parametrize(
    ("amount", "code", "failure"), [(FAILS, 0, "trap-unreachable"), (255, 1, "")]
)
def test_a_refused_message_leaves_no_trace_but_the_refusal(
    amount: int, code: int, failure: str
) -> None:
    network = opened_app(LEADER, amount=100)
    before = network.alice.app().supported
    network.alice.till.amounts = network.bob.till.amounts = (100, 500)
    network.alice.say(amount, 5)
    network.settle()
    assert network.alice.app().tip == network.bob.app().tip == before
    (refused,) = network.alice.events_of("app-message-refused")
    assert (refused.code, refused.failure) == (code, failure)
    assert refused.local_id == (5).to_bytes(32, "big")
    assert not signed_hashes(network.bob).get((APP_CHANNEL, 2))


def test_a_refused_message_does_not_keep_those_behind_it() -> None:
    network = opened_app(LEADER)
    for amount in (1, FAILS, 2):
        network.alice.say(amount)
    network.settle()
    network.require_agreement()
    assert network.bob.app().tip.count == 2
    assert network.bob.app().tip.amounts == (STAKES[0] - 3, STAKES[1] + 3)


def test_what_there_was_no_time_for_is_offered_again() -> None:
    network = opened_app(LEADER)
    network.bob.patience = 2
    for _ in range(5):
        network.alice.say(1)
    network.settle()
    network.require_agreement()
    assert network.bob.app().tip.count == 5
    assert [event.turn_num for event in network.bob.events_of("app-state-signed")] == [3, 5, 6]


@pytest.mark.parametrize(
    ("bend", "error_code"),
    [
        (other_digest, DIGEST_DIFFERS),
        (other_amounts, STATE_DIFFERS),
        (refusal, VERDICT_DIFFERS),
    ],
)
@pytest.mark.parametrize("who", ["alice", "bob"])
def test_reducers_that_differ_halt_the_channel_and_nothing_after_it_is_signed(
    who: str, bend: Any, error_code: str
) -> None:
    network = opened_app(LEADER)
    network.alice.say(3)
    network.settle()
    network.require_agreement()
    getattr(network, who).bend = bend
    # Of what her own reducer refuses ALICE says nothing.
    speaker = network.bob if (who, bend) == ("alice", refusal) else network.alice
    speaker.say(4)
    network.settle()
    assert network.alice.app().halted == network.bob.app().halted == error_code
    assert network.alice.app().supported.count == network.bob.app().supported.count == 1
    assert (APP_CHANNEL, 3) not in signed_hashes(network.alice)
    for node in (network.alice, network.bob):
        with pytest.raises(AppChannelStopped):
            node.say(1)
    network.bob.feed(commands.CloseChannel(APP_CHANNEL))
    network.settle()
    paid = [event.amount for event in network.alice.events_of("withdraw-completed")]
    assert [int.from_bytes(amount, "big") for amount in paid] == [STAKES[0] - 3, STAKES[1] + 3]


@pytest.mark.parametrize("who", ["alice", "bob"])
@pytest.mark.parametrize("speaker", ["alice", "bob"])
@pytest.mark.parametrize("bend", [other_digest, refusal])
@pytest.mark.parametrize("place", [1, 2, 5, 8])
def test_nothing_is_signed_from_the_first_message_on_that_comes_to_something_else(
    speaker: str, who: str, bend: Any, place: int
) -> None:
    network = opened_app(LEADER)
    differing: AppNode = getattr(network, who)

    def bent(verdict: AppVerdict) -> AppVerdict:
        return bend(verdict) if differing.till.count == place else verdict

    differing.bend = bent
    for _ in range(8):
        getattr(network, speaker).say(1)
    network.settle()
    both = (network.alice, network.bob)
    if bend is refusal and who == speaker:
        # The author's own reducer refuses it, and says so to nobody.
        network.require_agreement()
        return
    assert len({node.app().halted for node in both}) == 1
    assert network.alice.app().halted
    for node in both:
        assert node.app().supported.count == place - 1
        assert all(turn <= place for _, turn in signed_hashes(node))


def test_an_offer_that_tells_of_another_view_halts_before_anything_is_judged() -> None:
    network = opened_app()
    network.alice.say(3)
    network.settle()
    alice = network.alice
    tip = replace(alice.app().tip, digest=b"\x07" * 32)
    app = replace(alice.app(), tip=tip, supported=tip)
    channel = replace(alice.channel(APP_CHANNEL), app=app)
    network.bob.say(4)
    network.bob.judge()
    alice.state.channels[APP_CHANNEL] = channel
    run_count = len(alice.runs)
    network.deliver(network.bob)
    alice.judge()
    assert alice.app().halted == DIGEST_DIFFERS
    assert len(alice.runs) == run_count


def test_who_does_not_see_the_chain_answers_when_it_does() -> None:
    network = opened_app()
    bob = network.bob
    bob.chain_view_age_s = None
    network.alice.say(3)
    network.alice.judge()
    network.deliver(network.alice)
    assert bob.feed(AppJudged(APP_CHANNEL, 0, ())).events == ()
    assert APP_CHANNEL in bob.state.unjudged
    bob.chain_view_age_s = 0
    network.settle()
    network.require_agreement()
    assert bob.app().tip.count == 1


def test_a_verdict_for_another_moment_changes_nothing() -> None:
    network = opened_app()
    verdicts = (AppVerdict(0, "", STAKES, bytes(32)),)
    assert network.bob.feed(AppJudged(APP_CHANNEL, 0, verdicts)).events == ()
    network.alice.say(3)
    network.alice.judge()
    network.deliver(network.alice)
    assert network.bob.feed(AppJudged(APP_CHANNEL, 7, verdicts)).events == ()
    assert plan(network.bob.state, APP_CHANNEL, network.bob.context()) is not None


def require_sound(network: AppNetwork) -> None:
    """They agree, or both stopped; nobody signed twice; the log alone folds to the same."""
    alice, bob = network.alice, network.bob
    if alice.app().halted or bob.app().halted:
        assert alice.app().halted == bob.app().halted
    else:
        network.require_agreement()
    for node in (alice, bob):
        assert sum(node.app().supported.amounts) == sum(STAKES)
        assert all(len(hashes) == 1 for hashes in signed_hashes(node).values())
        folded: NodeState = node.fold()
        assert folded.digest() == node.state.digest()
        assert set(folded.unjudged) == set(node.state.unjudged)
    common = min(alice.app().supported.count, bob.app().supported.count)
    messages = [[event.message for event in node.applied()][:common] for node in (alice, bob)]
    assert messages[0] == messages[1]


def one_step(network: AppNetwork, step: tuple[str, int]) -> None:
    kind, number = step
    node: AppNode = network.alice if number % 2 else network.bob
    other: AppNode = network.bob if node is network.alice else network.alice
    match kind:
        case "say":
            try:
                node.say(number)
            except ProtocolError:
                return
        case "batch":
            node.judge()
            node.feed(inputs.EndOfBatch())
        case "deliver":
            if network.waiting(node):
                network.deliver(node)
        case "acknowledge":
            network.acknowledge(other)
        case "close":
            if number < 4:
                node.feed(commands.CloseChannel(APP_CHANNEL))
        case "wait":
            node.now_ms += number * 1_000
        case "restart":
            node.state = node.fold()
        case _:
            node.bend = other_digest


STEPS = st.tuples(
    st.sampled_from(
        (
            "say",
            "say",
            "batch",
            "batch",
            "deliver",
            "deliver",
            "acknowledge",
            "wait",
            "restart",
            "close",
        )
    ),
    st.integers(1, 120),
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from((ALTERNATE, LEADER)), st.lists(STEPS, max_size=40), st.integers(0, 60))
def test_both_ends_always_agree_or_both_stop(
    turn_rule: str, steps: list[tuple[str, int]], bent_at: int
) -> None:
    network = opened_app(turn_rule)
    for node in (network.alice, network.bob):
        node.proves_purity = False
    for place, step in enumerate(steps):
        if place == bent_at:
            one_step(network, ("bend", step[1]))
        one_step(network, step)
    network.settle()
    require_sound(network)
