"""Fees never fall below the minimum and never round down; a node's limits hold to the unit."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from protocols.draft import Context, Decision, Draft
from protocols.hub import (
    PARTS,
    FeeTerms,
    fee,
    fee_rule,
    guarantee_count,
    guarantee_count_max,
    require_room,
    require_room_for,
)
from protocols.ledger_errors import TooManyGuarantees
from protocols.node_state import NodeState
from protocols.types import UINT256_MAX, ZERO_ADDRESS, Address
from protocols.virtual_errors import (
    CapacityExceeded,
    ExposureTooHigh,
    FeeTooLow,
    NotAHub,
    VirtualRefused,
)
from tests.support.actors import ALICE, IRENE, IVAN
from tests.support.carried_channels import LEFT, PATH, RIGHT, Folded, approved

TOKEN = b"\x70" * 20
AMOUNTS = st.integers(0, UINT256_MAX)
TERMS = st.builds(FeeTerms, AMOUNTS, st.integers(0, PARTS), AMOUNTS)


@given(TERMS, AMOUNTS)
def test_a_fee_is_never_below_the_minimum_or_the_exact_share(terms: FeeTerms, amount: int) -> None:
    taken = fee(terms, amount)
    exact = terms.base + Fraction(amount * terms.parts_per_million, PARTS)
    assert taken >= terms.minimum
    assert taken >= exact
    assert taken == terms.minimum or taken < exact + 1


@given(TERMS, AMOUNTS, AMOUNTS)
def test_a_larger_amount_never_costs_less(terms: FeeTerms, one: int, other: int) -> None:
    assert fee(terms, min(one, other)) <= fee(terms, max(one, other))


@pytest.mark.parametrize(
    ("terms", "amount", "expected"),
    [
        (FeeTerms(), 10**18, 0),
        (FeeTerms(base=5), 10**18, 5),
        (FeeTerms(parts_per_million=1), 1, 1),
        (FeeTerms(parts_per_million=1), PARTS, 1),
        (FeeTerms(parts_per_million=1), PARTS + 1, 2),
        (FeeTerms(base=5, parts_per_million=1, minimum=6), PARTS, 6),
        (FeeTerms(base=5, parts_per_million=1, minimum=7), PARTS, 7),
        (FeeTerms(parts_per_million=PARTS), UINT256_MAX, UINT256_MAX),
    ],
)
def test_a_fee_is_base_and_share_rounded_up(terms: FeeTerms, amount: int, expected: int) -> None:
    assert fee(terms, amount) == expected


def test_each_asset_has_its_own_terms_and_others_cost_nothing() -> None:
    rule = fee_rule({ZERO_ADDRESS: FeeTerms(base=3), TOKEN: FeeTerms(base=4)})
    assert (rule(ZERO_ADDRESS, 1), rule(TOKEN, 1), rule(b"\x71" * 20, 1)) == (3, 4, 0)


def context(**changes: object) -> Context:
    plain = Context(
        0, IVAN.signer, IVAN.address, 3_600, lambda proposal: Decision("allow"), is_hub=True
    )
    return replace(plain, **changes)


def ask(
    folded: Folded,
    amount: int,
    fees: tuple[int, int] = (0, 0),
    *,
    path: tuple[Address, ...] = PATH,
    **changes: object,
) -> None:
    draft = Draft(folded.state, context(**changes))
    require_room(draft, path, path.index(folded.me), ZERO_ADDRESS, amount, fees, (LEFT, RIGHT))


def test_a_node_is_no_intermediary_unless_told() -> None:
    with pytest.raises(NotAHub) as caught:
        ask(Folded(IVAN.address), 1, is_hub=False)
    assert caught.value.participant == IVAN.address


@pytest.mark.parametrize("me", [PATH[0], PATH[-1]])
def test_the_ends_of_a_path_need_not_be_hubs_and_take_no_fee(me: Address) -> None:
    ask(Folded(me), 1, is_hub=False, fee_for=lambda asset, amount: 10**9)


def test_an_intermediary_takes_its_own_place_in_the_list_of_fees() -> None:
    wanted = {"fee_for": lambda asset, amount: amount // 10}
    for me, enough, short in (
        (IVAN.address, (10, 0), (9, 99)),
        (IRENE.address, (0, 10), (99, 9)),
    ):
        ask(Folded(me), 100, enough, **wanted)
        with pytest.raises(FeeTooLow) as caught:
            ask(Folded(me), 100, short, **wanted)
        assert (caught.value.offered, caught.value.wanted) == (9, 10)


@pytest.mark.parametrize(
    ("limit", "error"), [("capacity", CapacityExceeded), ("exposure_max", ExposureTooHigh)]
)
def test_limits_hold_to_the_unit_and_count_what_is_on_its_way(
    limit: str, error: type[VirtualRefused]
) -> None:
    folded = Folded(IVAN.address)
    approved(folded, 1, 60)
    bounded = {limit: lambda asset: 100}
    ask(folded, 40, **bounded)
    with pytest.raises(error, match="would come to 101"):
        ask(folded, 41, **bounded)


def test_an_approval_takes_room_and_an_end_gives_it_back() -> None:
    folded = Folded(IVAN.address)
    identity = approved(folded, 1, 100)
    bounded = {"exposure_max": lambda asset: 100}
    with pytest.raises(ExposureTooHigh):
        ask(folded, 1, **bounded)
    folded.end(identity)
    ask(folded, 100, **bounded)


def test_limits_of_one_asset_say_nothing_of_another() -> None:
    ask(Folded(IVAN.address), 100, capacity=lambda asset: 0 if asset == TOKEN else None)
    with pytest.raises(CapacityExceeded):
        ask(Folded(IVAN.address), 100, capacity=lambda asset: 0 if asset == ZERO_ADDRESS else None)


def test_the_peer_that_is_too_much_is_named() -> None:
    folded = Folded(IVAN.address)
    approved(folded, 1, 100)
    with pytest.raises(ExposureTooHigh) as caught:
        ask(folded, 1, exposure_max=lambda asset: 100)
    assert caught.value.peer == ALICE.address


def test_a_ledger_takes_as_many_guarantees_as_it_may_hold() -> None:
    folded = Folded(IVAN.address)
    for number in range(3):
        ask(folded, 1, guarantee_count_max=3)
        approved(folded, number, 1)
    with pytest.raises(TooManyGuarantees) as caught:
        ask(folded, 1, guarantee_count_max=3)
    assert (caught.value.count, caught.value.limit) == (3, 3)


def test_no_owner_can_allow_more_guarantees_than_a_transaction_can_challenge() -> None:
    assert guarantee_count_max(Draft(NodeState(), context(guarantee_count_max=1_000))) == 400


def test_guarantees_that_stand_in_a_ledger_are_counted_where_no_channel_is_known() -> None:
    draft = Draft(Folded(IVAN.address).state, context())
    assert guarantee_count(draft, LEFT) == 0


def test_a_channel_that_counts_already_is_not_counted_against_itself() -> None:
    folded = Folded(IVAN.address)
    identity = approved(folded, 1, 100)
    channel_id = folded.state.objectives[identity].channel_id
    full = {
        "exposure_max": lambda asset: 100,
        "capacity": lambda asset: 100,
        "guarantee_count_max": 1,
    }
    draft = Draft(folded.state, context(**full))
    parts = (ZERO_ADDRESS, 100, (7, 8), (LEFT, RIGHT))
    require_room(draft, PATH, 1, *parts, channel_id)
    with pytest.raises(CapacityExceeded):
        require_room(draft, PATH, 1, *parts)
    with pytest.raises(CapacityExceeded):
        require_room(draft, PATH, 1, *parts, b"\x33" * 32)


def test_room_is_judged_for_a_recorded_channel_from_what_is_recorded() -> None:
    folded = Folded(IVAN.address)
    identity = folded.propose(1, 100)
    channel = folded.state.channels[folded.state.objectives[identity].channel_id]
    require_room_for(Draft(folded.state, context(capacity=lambda asset: 100)), channel)
    with pytest.raises(FeeTooLow) as caught:
        require_room_for(Draft(folded.state, context(fee_for=lambda asset, amount: 8)), channel)
    assert caught.value.offered == 7
