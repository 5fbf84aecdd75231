"""The app contracts against their models in Python, and their app data against eth_abi."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.app_models import supports_game, supports_log
from tests.support.app_states import (
    MESSAGE_SIZE_MAX,
    Claim,
    app_data,
    candidate,
    next_root,
    postfund,
)
from tests.support.contract_calls import RevertedError
from tests.support.evm import EvmRpc
from tests.support.nitro_chain import Nitro, deploy_nitro
from tests.support.nitro_signing import NATIVE
from tests.support.random_claims import Claims
from tests.support.rows_games import game_channel
from tests.support.rows_message_log import first_claim, log_channel
from tests.support.soak import times

CLAIM_COUNT = times(250)
"""For each app and part; each claim has a seed of its own."""
PART_COUNT = 2


@pytest.fixture(scope="module")
def ours() -> Nitro:
    return deploy_nitro(EvmRpc())


def verdict(nitro: Nitro, claim: Claim) -> str | None:
    """None where the adjudicator finds the claim supported, else why not."""
    call = ("stateIsSupported", claim.channel.fixed_part, claim.proof, claim.signed)
    try:
        supported, reason = nitro.adjudicator.call(*call)
    except RevertedError as error:
        return error.reason
    assert (supported, reason) == (True, "")
    return None


def compared(nitro: Nitro, model: Callable[[Claim], bool], claims: list[Claim]) -> Counter[str]:
    """The reasons that came up, where contract and model agree on each claim."""
    told: Counter[str] = Counter()
    for claim in claims:
        reason = verdict(nitro, claim)
        assert (reason is None) == model(claim), (reason, claim)
        told[reason or "supported"] += 1
    return told


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PART_COUNT))
def test_a_message_log_is_judged_as_its_model_judges(ours: Nitro, part: int) -> None:
    channel = log_channel(ours)
    seeds = range(part, PART_COUNT * CLAIM_COUNT, PART_COUNT)
    told = compared(ours, supports_log, [Claims(channel, seed).log() for seed in seeds])
    assert told["supported"] > CLAIM_COUNT / 5
    assert told.keys() >= {"bad count", "bad log root", "not signed by both ends", "bad app data"}


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PART_COUNT))
def test_a_game_is_judged_as_its_model_judges(ours: Nitro, part: int) -> None:
    channel = game_channel(ours)
    seeds = range(part, PART_COUNT * CLAIM_COUNT, PART_COUNT)
    told = compared(ours, supports_game, [Claims(channel, seed).game() for seed in seeds])
    assert told["supported"] > CLAIM_COUNT / 5
    assert told.keys() >= {"the game is decided", "not signed by the mover", "bad log root"}


messages = st.binary(max_size=100) | st.binary(
    min_size=MESSAGE_SIZE_MAX - 33, max_size=MESSAGE_SIZE_MAX
)


@settings(max_examples=times(60), deadline=None)
@given(
    reducer_id=st.binary(min_size=32, max_size=32),
    root=st.binary(min_size=32, max_size=32),
    count=st.integers(2, 2**48 - 2),
    message=messages,
)
def test_what_eth_abi_encodes_is_app_data(
    ours: Nitro, reducer_id: bytes, root: bytes, count: int, message: bytes
) -> None:
    claim = first_claim(log_channel(ours), NATIVE)
    claim = postfund(reducer_id=reducer_id)(claim)
    claim = candidate(
        data=app_data(reducer_id, root, count, message), turn=count + 1, reducer_id=reducer_id
    )(claim)
    assert verdict(ours, claim) is None


@settings(max_examples=times(100), deadline=None)
@given(message=messages, at=st.integers(0, 10_000), value=st.integers(1, 255), cut=st.booleans())
def test_a_byte_changed_or_cut_is_other_app_data_or_none(
    ours: Nitro, message: bytes, at: int, value: int, cut: bool
) -> None:
    """With the first message nothing is free: id, root, count and message all follow."""
    claim = candidate(message=message, root=next_root(bytes(32), message))(
        first_claim(log_channel(ours), NATIVE)
    )
    assert verdict(ours, claim) is None
    content = claim.candidate.app_data
    at %= len(content)
    changed = content[:at] + bytes([content[at] ^ value]) + content[at + 1 :]
    spoilt = replace(
        claim, candidate=replace(claim.candidate, data=content[:at] if cut else changed)
    )
    assert verdict(ours, spoilt) is not None
