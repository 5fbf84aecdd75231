"""What becomes of a lie follows from who is asked: as the chain room's own votes say."""

from __future__ import annotations

import pytest

from node.chain.quorum import Outvoted, Votes
from node.whatif.endpoints import ALARMS, Endpoints, Verdict, judged
from node.whatif.limits import BLOCK_TIME_S


@pytest.mark.parametrize("quorum", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_verdict_is_that_of_the_votes(count: int, quorum: int) -> None:
    if quorum > count:
        return
    told = {f"honest {place}": "truth" for place in range(count - 1)}
    votes = Votes(quorum)
    try:
        agreed = quorum == 1 or votes.agree("liar", "blocks 1 to 2", "lie", told)
    except Outvoted:
        found = Verdict.OUTVOTED
    else:
        found = Verdict.BELIEVED if agreed else Verdict.UNDECIDED
    endpoints = Endpoints("liar", count, quorum)
    assert endpoints.verdict() == found
    assert [trouble.name for trouble in votes.troubles()] == [
        ALARMS[one] for one in (found,) if one in ALARMS
    ]


def test_a_lie_that_ends_before_its_block_counts_is_found_out_whoever_is_asked() -> None:
    for quorum in (1, 2):
        endpoints = Endpoints("liar", 2, quorum, 12)
        assert endpoints.verdict(endpoints.counting_s - 1) == Verdict.FOUND_OUT
        assert endpoints.verdict(endpoints.counting_s) == endpoints.verdict()
    assert Endpoints("liar").verdict(0) == Verdict.BELIEVED


def test_what_counts_counts_at_the_depth() -> None:
    assert Endpoints("one", 1, 1, 12).counting_s == 12 * BLOCK_TIME_S
    assert Endpoints().counting_s == 0


@pytest.mark.parametrize(
    ("endpoints", "hides", "words"),
    [
        (Endpoints("one"), False, ("chain.quorum is 1", "stays")),
        (Endpoints("one"), True, ("chain.quorum is 1", "missed")),
        (Endpoints("one", 3, 2), False, ("2 others tell otherwise", "one is outvoted")),
        (Endpoints("one", 2, 2), True, ("1 other tells otherwise", "until they tell the same")),
    ],
)
def test_it_is_said_in_words(endpoints: Endpoints, hides: bool, words: tuple[str, ...]) -> None:
    said = judged(endpoints, endpoints.verdict(), hides=hides).said
    assert all(word in said for word in words)


def test_what_is_found_out_is_said_in_words() -> None:
    lie = judged(Endpoints("one", 1, 1, 12), Verdict.FOUND_OUT, hides=True)
    assert "one is asked again before its block counts" in lie.said
    assert lie.verdict not in ALARMS


def test_one_without_a_name_is_the_one_in_use() -> None:
    assert (
        judged(Endpoints("", 3, 2), Verdict.OUTVOTED, hides=True).endpoint == "the endpoint in use"
    )
