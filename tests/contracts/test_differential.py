"""The same calls on our contracts and on Nitro's: the same result, events and storage.

Everything is compared that Nitro has: the reason of a revert, its events, status words, holdings
and balances. Where ours differ, a decision says that ours is safer: `DIFFERENCES` names each such
row, its decision, and what Nitro's does instead.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.contract_rows import PACKINGS, ROWS, put_word
from tests.support.contract_tables import Change, Key, packed, play
from tests.support.evm import EvmRpc
from tests.support.nitro_chain import Nitro, deploy_nitro
from tests.support.nitro_signing import Outcome, guarantee, outcome_of, simple
from tests.support.reference_contracts import reference_artifact

pytestmark = pytest.mark.e2e

ADRS = Path(__file__).resolve().parent.parent.parent / "docs" / "adrs"

ACCEPTED = None
"""Nitro's does it."""
OTHER_EFFECTS = "accepted, with other effects"
NO_REASON = ""
PANIC_INDEX = "panic 50"
PANIC_MATHS = "panic 17"
BLOCKED = "Could not transfer ETH"
NATIVE_ONLY = "only native asset allowed"
GONE = "Channel not finalized."
SUM = "totalReclaimed!=guarantee.amount"

DIFFERENCES: dict[str, tuple[int, str | None]] = {
    # A deposit takes what it says, whole, and nothing with it.
    "deposit: a token with native coin": (33, ACCEPTED),
    "deposit: a token that takes a fee": (33, ACCEPTED),
    "deposit: a token that was not allowed": (33, "TestToken: allowance too small"),
    "deposit: an asset without code": (33, "Address: call to non-contract"),
    # The highest bit of a deadline is kept free.
    "challenge: with a deadline in the highest bit": (60, ACCEPTED),
    "challenge: with a deadline beyond the word": (60, PANIC_MATHS),
    # A reason instead of a panic, or of nothing.
    "conclude: nobody's channel": (31, ACCEPTED),
    "transfer: an index beyond the end": (31, ACCEPTED),
    "transfer: an asset beyond the end": (31, PANIC_INDEX),
    "later: an asset listed twice": (31, PANIC_MATHS),
    "reclaim: an index beyond the end": (31, PANIC_INDEX),
    "reclaim: an asset of the ledger beyond the end": (31, PANIC_INDEX),
    "reclaim: an asset of the target beyond the end": (31, PANIC_INDEX),
    # No guarantee moves by transfer, and what stands around one does.
    "transfer: a guarantee by its index alone": (32, ACCEPTED),
    "transfer: shares around a guarantee": (32, "cannot transfer a guarantee"),
    # A channel paid out stays finalised.
    "later: the outcome that was paid": (32, GONE),
    "later: the outcome that is left": (32, GONE),
    "later: a challenge of a channel paid out": (32, ACCEPTED),
    # Reclaim judges by the right share of the target as it finalised.
    "reclaim: a target of less than the guarantee": (32, SUM),
    "reclaim: a target of more than the guarantee": (32, SUM),
    "reclaim: a target of one share": (32, PANIC_INDEX),
    "reclaim: after a stranger's wei": (32, "incorrect fingerprint"),
    "reclaim: after the target was paid out": (32, GONE),
    "reclaim: with the target's poorer outcome": (32, SUM),
    # A payout fails alone, and nobody enters meanwhile.
    "transfer: a token that returns nothing": (33, NO_REASON),
    "all: transfer, a token that returns nothing": (33, NO_REASON),
    "all: challenge, a token that returns nothing": (33, NO_REASON),
    "all: conclude, a token that returns nothing": (33, NO_REASON),
    "misbehaving: a receiver that reverts": (33, BLOCKED),
    "misbehaving: a receiver that burns all gas": (33, BLOCKED),
    "misbehaving: a receiver that returns much": (33, BLOCKED),
    "misbehaving: a receiver that calls back": (33, OTHER_EFFECTS),
    "misbehaving: a token that reverts": (33, "this address is blocked"),
    "misbehaving: a token that returns false": (33, OTHER_EFFECTS),
    "misbehaving: a token that returns two": (33, NO_REASON),
    "misbehaving: a token that returns one byte": (33, NO_REASON),
    "misbehaving: a token that returns much": (33, OTHER_EFFECTS),
    # A redemption moves one amount and nothing else, in any asset.
    "redemption: a redemption of a token": (30, NATIVE_ONLY),
    "redemption: the payer's destination replaced (the published theft)": (30, ACCEPTED),
    "redemption: the payee's destination replaced": (30, ACCEPTED),
    "redemption: the two shares in the other order": (30, "Alice not adjusted correctly"),
    "redemption: a third share": (30, ACCEPTED),
    "redemption: one share": (30, PANIC_INDEX),
    "redemption: a third share from the start": (30, ACCEPTED),
    "redemption: no asset": (30, NATIVE_ONLY),
    "redemption: no shares from the start": (30, PANIC_INDEX),
    "redemption: another asset": (30, NATIVE_ONLY),
    "redemption: another asset type": (30, ACCEPTED),
    "redemption: other asset metadata": (30, ACCEPTED),
    "redemption: a second asset": (30, NATIVE_ONLY),
    "redemption: two assets from the start": (30, NATIVE_ONLY),
    "redemption: other metadata of the payer's share": (30, ACCEPTED),
    "redemption: other metadata of the payee's share": (30, ACCEPTED),
    "redemption: a share turned into a guarantee": (30, ACCEPTED),
    "redemption: a guarantee from the start": (30, ACCEPTED),
    "redemption: a final state": (30, ACCEPTED),
    "redemption: a payee who opened with money": (30, ACCEPTED),
    "redemption: a voucher above the deposit": (30, PANIC_MATHS),
    "redemption: something behind the voucher": (69, ACCEPTED),
}


@pytest.fixture(scope="module")
def ours() -> Nitro:
    return deploy_nitro(EvmRpc())


@pytest.fixture(scope="module")
def theirs() -> Nitro:
    return deploy_nitro(EvmRpc(), reference_artifact)


def same_changes(ours: dict[Key, Change], theirs: dict[Key, Change]) -> bool:
    """Whether both changed the same. The word of a channel paid out keeps its turn and time with
    us and stands for nothing (ADR 0060); theirs is deleted, or stands for an outcome of zeros."""
    left = dict(theirs)
    for key, word in ours.items():
        other = left.pop(key, (0, 0, 0) if key[0] == "status" else 0)
        paid_out = isinstance(word, tuple) and isinstance(other, tuple) and word[2] == 0
        if paid_out and other in {(0, 0, 0), (*word[:2], other[2])}:  # type: ignore[index,misc]
            continue
        if word != other:
            return False
    return left == {}


@pytest.mark.parametrize("name", [name for name in ROWS if name not in DIFFERENCES])
def test_a_row_does_the_same_on_both(ours: Nitro, theirs: Nitro, name: str) -> None:
    _, mine = play(ours, ROWS[name])
    _, other = play(theirs, ROWS[name])
    mine = mine.as_nitro_tells_it()
    assert mine.reason == other.reason
    assert mine.events == other.events
    assert same_changes(mine.changes, other.changes), (mine.changes, other.changes)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_row_differs_as_its_decision_says(ours: Nitro, theirs: Nitro, name: str) -> None:
    number, instead = DIFFERENCES[name]
    assert list(ADRS.glob(f"{number:04}-*.md")) != []
    _, mine = play(ours, ROWS[name])
    _, other = play(theirs, ROWS[name])
    mine = mine.as_nitro_tells_it()
    if instead == OTHER_EFFECTS:
        assert (mine.reason, other.reason) == (None, None)
        assert (mine.events, mine.changes) != (other.events, other.changes)
    else:
        assert other.reason == instead
        assert mine.reason != other.reason


def random_shares(random_: random.Random, count: int) -> Outcome:
    """Up to `count` shares of up to 5 for addresses and channels."""
    first_bytes = [bytes(12), bytes(11) + b"\x01", b"\xff" * 12]
    shares = [
        simple(random_.choice(first_bytes) + random_.randbytes(20), random_.randint(0, 5))
        for _ in range(random_.randint(1, count))
    ]
    return outcome_of(*shares)


@pytest.mark.parametrize("seed", range(50))
def test_the_arithmetic_of_a_transfer_is_the_same(ours: Nitro, theirs: Nitro, seed: int) -> None:
    random_ = random.Random(seed)
    ((_, _, shares),) = random_shares(random_, 6)
    indices = sorted(random_.sample(range(len(shares)), random_.randint(0, len(shares))))
    held = random_.randint(0, 20)
    question = ("compute_transfer_effects_and_interactions", held, shares, indices)
    assert ours.adjudicator.call(*question) == theirs.adjudicator.call(*question)


@pytest.mark.parametrize("seed", range(50))
def test_the_arithmetic_of_a_reclaim_is_the_same(ours: Nitro, theirs: Nitro, seed: int) -> None:
    random_ = random.Random(seed)
    ((_, _, shares),) = random_shares(random_, 6)
    while len({share[0] for share in shares}) < 2:
        ((_, _, shares),) = random_shares(random_, 6)
    left, right = random_.sample(sorted({share[0] for share in shares}), 2)
    paid, kept = random_.randint(0, 9), random_.randint(0, 9)
    index = random_.randint(0, len(shares))
    shares.insert(index, guarantee(b"\x99" * 32, paid + kept, left, right))
    target = [simple(b"\x01" * 32, kept), simple(b"\x02" * 32, paid)]
    question = ("compute_reclaim_effects", shares, target, index)
    assert ours.adjudicator.call(*question) == theirs.adjudicator.call(*question)


@pytest.mark.parametrize("word", PACKINGS.values(), ids=PACKINGS)
def test_a_status_word_is_packed_alike(
    ours: Nitro, theirs: Nitro, word: tuple[int, int, int]
) -> None:
    for nitro in (ours, theirs):
        channel_id = put_word(nitro, word)
        assert nitro.adjudicator.call("statusOf", channel_id) == packed(word)
        assert nitro.adjudicator.call("unpackStatus", channel_id) == word
