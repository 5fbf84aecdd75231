"""The adjudicator against its model in Python, over random sequences of calls."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.evm import EvmRpc, undone
from tests.support.nitro_chain import Nitro, deploy_nitro
from tests.support.random_calls import Sequence
from tests.support.reference_contracts import reference_artifact
from tests.support.soak import times

pytestmark = pytest.mark.slow

SEQUENCE_COUNT = times(5)
"""Of each part; every sequence of `CALL_COUNT` calls has a seed of its own."""
CALL_COUNT = 40
PART_COUNT = 4

TOLD = {
    "challenge: done",
    "challenge: Channel finalized.",
    "checkpoint: done",
    "conclude: done",
    "concludeAndTransferAllAssets: Channel finalized.",
    "deposit: done",
    "deposit: held != expectedHeld",
    "reclaim: done",
    "reclaim: incorrect fingerprint",
    "transfer: done",
    "transfer: cannot transfer a guarantee",
    "transfer: incorrect fingerprint",
    "transferAllAssets: done",
}
"""What comes up in every part, so that the comparison compares something."""


@pytest.fixture(scope="module")
def nitro() -> Nitro:
    return deploy_nitro(EvmRpc())


def played(nitro: Nitro, seed: int) -> Counter[str]:
    """What was told by the calls of one seed; undone at last."""
    assert isinstance(nitro.rpc, EvmRpc)
    with undone(nitro.rpc):
        sequence = Sequence(nitro, seed)
        for _ in range(CALL_COUNT):
            sequence.step()
    return sequence.told


@pytest.mark.parametrize("part", range(PART_COUNT))
def test_the_adjudicator_does_what_its_model_does(nitro: Nitro, part: int) -> None:
    told: Counter[str] = Counter()
    for number in range(SEQUENCE_COUNT):
        told += played(nitro, PART_COUNT * number + part)
    assert told.keys() >= TOLD


@pytest.mark.e2e
def test_the_model_is_of_our_contracts_and_not_of_nitros() -> None:
    nitro = deploy_nitro(EvmRpc(), reference_artifact)
    with pytest.raises(AssertionError):
        any(played(nitro, seed) is None for seed in range(PART_COUNT))
