"""The rules every prefund obeys are asked of channels on chain and over ledgers alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from protocols.draft import CHALLENGE_DURATION_S_MAX, Draft
from protocols.error import ProtocolError
from protocols.errors import (
    AppNotSupported,
    AssetNotSupported,
    ChallengeDurationTooLong,
    ChallengeDurationTooShort,
    ChannelAlreadySeen,
    NoncePrefixMismatch,
    OutcomeNotSupported,
    PayeeMustOpenWithZero,
    StateRefused,
)
from protocols.objectives import directfund, virtual_rules
from protocols.outcome import GUARANTEE, Allocation, SingleAssetExit
from protocols.state import State
from protocols.types import ZERO_ADDRESS
from tests.support.actors import BOB
from tests.support.builders import fixed_part, split, state
from tests.support.network import CoreNode, opened

Judge = Callable[[Draft, State], None]
JUDGES = (directfund._require_acceptable, virtual_rules.require_state)
SHARES = split()[0].allocations


def with_exit(exit_: SingleAssetExit, *more: SingleAssetExit) -> State:
    return state(0, outcome=(exit_, *more))


def with_shares(*shares: Allocation) -> State:
    return with_exit(SingleAssetExit(ZERO_ADDRESS, shares))


REFUSED: dict[str, tuple[State, type[ProtocolError]]] = {
    "another deployment": (state(0, fixed=fixed_part(channel_nonce=7)), NoncePrefixMismatch),
    "another app": (state(0, fixed=fixed_part(app_definition=b"\1" * 20)), AppNotSupported),
    "no time": (state(0, fixed=fixed_part(challenge_duration=60)), ChallengeDurationTooShort),
    "no end": (
        state(0, fixed=fixed_part(challenge_duration=CHALLENGE_DURATION_S_MAX + 1)),
        ChallengeDurationTooLong,
    ),
    "a later turn": (state(1), StateRefused),
    "a final state": (state(0, is_final=True), StateRefused),
    "app data": (state(0, app_data=b"x"), StateRefused),
    "no asset": (state(0, outcome=()), OutcomeNotSupported),
    "two assets": (with_exit(split()[0], split()[0]), OutcomeNotSupported),
    "asset metadata": (with_exit(replace(split()[0], asset_metadata=b"x")), OutcomeNotSupported),
    "one share": (with_shares(SHARES[0]), OutcomeNotSupported),
    "a guarantee": (
        with_shares(SHARES[0], replace(SHARES[1], allocation_type=GUARANTEE)),
        OutcomeNotSupported,
    ),
    "metadata": (with_shares(SHARES[0], replace(SHARES[1], metadata=b"x")), OutcomeNotSupported),
    "turned round": (with_shares(SHARES[1], SHARES[0]), OutcomeNotSupported),
    "nothing to pay": (with_shares(replace(SHARES[0], amount=0), SHARES[1]), OutcomeNotSupported),
    "a payee with money": (
        with_shares(SHARES[0], replace(SHARES[1], amount=1)),
        PayeeMustOpenWithZero,
    ),
    "a strange token": (
        with_exit(SingleAssetExit(b"\7" * 20, SHARES)),
        AssetNotSupported,
    ),
}


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.__module__.rpartition(".")[2])
@pytest.mark.parametrize("what", REFUSED)
def test_a_prefund_that_breaks_a_rule_is_refused_whatever_funds_it(what: str, judge: Judge) -> None:
    bob = CoreNode(BOB)
    proposed, refusal = REFUSED[what]
    with pytest.raises(refusal):
        judge(Draft(bob.state, bob.context()), proposed)


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.__module__.rpartition(".")[2])
def test_no_challenge_may_take_longer_than_the_owner_says(judge: Judge) -> None:
    bob, proposed = CoreNode(BOB), state(0)
    duration_s = proposed.fixed.challenge_duration
    bob.challenge_duration_s_max = duration_s
    judge(Draft(bob.state, bob.context()), proposed)
    bob.challenge_duration_s_max = duration_s - 1
    with pytest.raises(ChallengeDurationTooLong) as refused:
        judge(Draft(bob.state, bob.context()), proposed)
    assert (refused.value.got_s, refused.value.maximum_s) == (duration_s, duration_s - 1)
    assert "policy.challenge_duration_s_max" in refused.value.next_step


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.__module__.rpartition(".")[2])
def test_a_plain_prefund_passes_once(judge: Judge) -> None:
    bob = CoreNode(BOB)
    judge(Draft(bob.state, bob.context()), state(0))
    bob = opened().bob
    with pytest.raises(ChannelAlreadySeen):
        judge(Draft(bob.state, bob.context()), state(0))
