"""Reducers that mean harm, each held to the failure that it must end with."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from node.views.errors import ModuleRefused, ReducerFailed
from node.views.limits import Budget
from node.views.module import load_module
from node.views.view import Verdict, View
from tests.support.hostile import ALL
from tests.support.hostile.hostile import Hostile, Stage
from tests.support.reducers import ADD, NEW, NOTE, SCORES, TAKE, binary
from tests.support.reducers import message as scores_message

SECONDS_MAX = 5.0
"""For the worst of them on a machine that does other things as well."""


def verdict_of(view: View, hostile: Hostile, seq: int) -> Verdict:
    verdict = view.apply(seq, hostile.message)
    return Verdict(seq, verdict.code, verdict.failure, verdict.fuel, verdict.steps)


def test_the_corpus_is_large_and_its_names_differ() -> None:
    assert len(ALL) >= 40
    assert len({hostile.name for hostile in ALL}) == len(ALL)


@pytest.mark.parametrize("hostile", ALL, ids=lambda hostile: hostile.name)
def test_a_hostile_reducer_fails_by_name_and_leaves_nothing(hostile: Hostile) -> None:
    started = time.process_time()
    if hostile.stage is Stage.LOAD:
        with pytest.raises(ModuleRefused) as refused:
            load_module(hostile.binary(), Budget())
        assert refused.value.failure is hostile.failure, refused.value.detail
    elif hostile.stage is Stage.INIT:
        module = load_module(hostile.binary(), Budget())
        with pytest.raises(ReducerFailed) as failed:
            View(":memory:", module)
        assert failed.value.failure is hostile.failure, failed.value.detail
    else:
        module = load_module(hostile.binary(), Budget())
        with View(":memory:", module) as one, View(":memory:", module) as other:
            digest, stamp = one.digest, one.stamp
            verdict = one.apply(1, hostile.message)
            assert verdict.failure is hostile.failure, verdict.detail
            assert (one.digest, one.stamp) == (digest, stamp)
            assert one.computed_digest() == digest
            assert list(one.messages()) == []
            # The other node says the same, the first time and any later time.
            assert verdict_of(one, hostile, 2) == verdict_of(other, hostile, 2)
    assert time.process_time() - started < SECONDS_MAX


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
def test_what_hostile_reducers_took_is_given_back() -> None:
    modules = [
        (load_module(one.binary(), Budget()), one.message)
        for one in ALL
        if one.stage is Stage.MESSAGE and one.name in GREEDY
    ]
    assert len(modules) == len(GREEDY)
    sizes = []
    for _ in range(4):
        for module, message in modules:
            with View(":memory:", module) as view:
                for seq in range(5):
                    assert not view.apply(seq, message).is_applied
        gc.collect()
        sizes.append(resident_bytes())
    # The first round warms up what stays; a leak of one memory of each would be 16 MB a message.
    assert sizes[-1] - sizes[1] < 16 * 1024 * 1024


GREEDY = {
    "grow-until-it-is-refused-and-touch-it-all",
    "deep-recursion",
    "large-answers",
    "large-rows-without-end",
    "sort-bomb",
    "arrays-without-end",
    "answer-to-nowhere",
}


FLIPS = st.lists(st.tuples(st.integers(8, 2**14), st.integers(1, 255)), min_size=1, max_size=3)


@pytest.mark.slow
@settings(max_examples=300)
@given(FLIPS)
def test_a_module_with_flipped_bytes_is_refused_or_runs_within_its_bounds(
    flips: list[tuple[int, int]],
) -> None:
    code = bytearray(binary(SCORES))
    for place, mask in flips:
        code[8 + place % (len(code) - 8)] ^= mask
    messages = [scores_message(kind, b"alice", 3) for kind in (ADD, TAKE, NOTE, NEW)]
    try:
        module = load_module(bytes(code), Budget(fuel=20_000))
        with View(":memory:", module) as one, View(":memory:", module) as other:
            for seq, message in enumerate(messages):
                verdict = msgspec.structs.replace(one.apply(seq, message), detail="")
                assert verdict == msgspec.structs.replace(other.apply(seq, message), detail="")
            assert one.digest == one.computed_digest() == other.digest
    except (ModuleRefused, ReducerFailed) as failed:
        event(failed.failure.value)
