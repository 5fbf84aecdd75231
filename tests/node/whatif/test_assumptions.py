"""Every assumption has an answer of the simulation's."""

from __future__ import annotations

import pytest

from node.whatif import assumptions as assume
from protocols.types import ZERO_ADDRESS
from tests.support.actors import BOB, IVAN
from tests.support.builders import CHANNEL
from tests.support.network import opened
from tests.support.whatif_nodes import simulated

SAMPLES: tuple[assume.Assumption, ...] = (
    assume.Wait(5),
    assume.Silence(BOB.address, 5),
    assume.ChainSilence(5),
    assume.NoDeposit(CHANNEL, 5),
    assume.Payment(CHANNEL, 5),
    assume.Open(IVAN.address, 5, ZERO_ADDRESS),
    assume.Close(CHANNEL),
    assume.Decide(b"\x0f" * 32, approves=True),
    assume.Restart(),
    assume.MessagesLost(BOB.address),
    assume.MessageLost(BOB.address, 2),
    assume.Deposited(CHANNEL, 5),
    assume.Concluded(CHANNEL),
    assume.Challenged(CHANNEL),
    assume.ChallengeExpires(CHANNEL),
    assume.Exit(CHANNEL),
    assume.GasPrice(5),
    assume.Reorg(1),
    assume.EndpointLies(assume.LieKind.HIDES_CHALLENGE, CHANNEL, duration_s=5),
)
REFUSED = {assume.Decide: "UNKNOWN_OBJECTIVE", assume.ChallengeExpires: "CHALLENGE_IMPOSSIBLE"}


def test_there_is_a_sample_of_each() -> None:
    assert {type(sample) for sample in SAMPLES} == set(assume.Assumption.__subclasses__())


@pytest.mark.parametrize("assumption", SAMPLES, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("place", ["alice", "bob"])
def test_each_is_folded_from_either_side(assumption: assume.Assumption, place: str) -> None:
    (step,) = simulated(getattr(opened(), place), assumption)
    refused = "" if step.refusal is None else step.refusal.name()
    assert refused == REFUSED.get(type(assumption), "")


def test_of_the_lies_one_hides() -> None:
    hides = [kind for kind in assume.LieKind if assume.EndpointLies(kind, CHANNEL).hides]
    assert hides == [assume.LieKind.HIDES_CHALLENGE]
