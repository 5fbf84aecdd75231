"""Each hop judges its own part of a path by the rules of acceptance, and adds up to the right."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from protocols import routes
from protocols.app_channel import MESSAGE_LOG
from protocols.app_events import AppDefinitionRecorded
from protocols.draft import HUB, PLAYER, Decision, Draft, Proposal
from protocols.node_state import apply
from protocols.routes import AppTerms, Hop, RouteQuery
from protocols.types import UINT256_MAX, ZERO_ADDRESS, Address, amount_to_bytes
from protocols.virtual_errors import PathRefused
from tests.support.actors import ALICE, BOB, IRENE, IVAN
from tests.support.builders import DURATION_S, LOG_APP
from tests.support.ledger_nodes import ledger_between, node_with

PATH = (ALICE.address, IVAN.address, IRENE.address, BOB.address)
TOKEN = b"\x70" * 20
ZERO = amount_to_bytes(0)


def query(amount: int = 100, path: tuple[Address, ...] = PATH) -> RouteQuery:
    return RouteQuery(b"q" * 16, path, ZERO_ADDRESS, amount_to_bytes(amount), DURATION_S, 5_000)


def hub(*amounts: int, **changes: object) -> Draft:
    """IVAN, with ledgers to ALICE and to IRENE; `amounts` are his own in them."""
    mine = amounts or (0, 1_000)
    left = ledger_between(ALICE, IVAN, (1_000, mine[0]), 1)
    right = ledger_between(IVAN, IRENE, (mine[1], 1_000), 0)
    return node_with(IVAN, left, right, **changes)


def right_hops(fee: int = 10) -> tuple[Hop, ...]:
    """What IRENE answered IVAN."""
    return (Hop(IRENE.address, True, amount_to_bytes(fee)), Hop(BOB.address, True, ZERO))


def test_a_hub_with_room_adds_its_fee_to_what_the_right_said() -> None:
    draft = hub()
    assert not routes.is_stuck(draft, query(), 1)
    hops = routes.answer(draft, query(), 1, right_hops())
    assert [hop.ok for hop in hops] == [True, True, True]
    assert [hop.participant for hop in hops] == list(PATH[1:])
    assert routes.total_fee(hops) == 10 + 10


def test_a_hub_needs_the_fees_of_the_right_free_as_well() -> None:
    draft = hub(0, 109)
    assert not routes.is_stuck(draft, query(), 1)
    (own, *_) = routes.answer(draft, query(), 1, right_hops(10))
    assert (own.ok, own.error_code, own.fee) == (False, "HOP_WITHOUT_FUNDS", ZERO)
    assert routes.answer(hub(0, 110), query(), 1, right_hops(10))[0].ok


def test_others_hear_no_balances_and_no_limits() -> None:
    secrets = ({"exposure_max": lambda asset: 7_654}, {"capacity": lambda asset: 7_654})
    for changes in secrets:
        hops = routes.answer(hub(0, 90_000, **changes), query(8_000), 1, ())
        assert not hops[0].ok
        assert "7654" not in hops[0].reason
    hops = routes.answer(hub(0, 7_654), query(8_000), 1, ())
    assert "7654" not in hops[0].reason
    assert hops[0].reason


def test_the_payer_hears_of_its_own_hop_with_all_values() -> None:
    draft = node_with(ALICE, ledger_between(ALICE, IVAN, (1_000, 0), 0))
    (own, *rest) = routes.answer(draft, query(2_000), 0, ())
    assert "1000 is free" in own.reason
    assert [hop.error_code for hop in rest] == ["NOT_ASKED"] * 3


def test_the_ends_take_no_fee_and_need_not_be_hubs() -> None:
    payer = node_with(ALICE, ledger_between(ALICE, IVAN, (1_000, 0), 0), is_hub=False)
    (own, *_) = routes.answer(payer, query(), 0, (Hop(IVAN.address, True, ZERO), *right_hops()))
    assert (own.ok, own.fee) == (True, ZERO)
    payee = node_with(BOB, ledger_between(IRENE, BOB, (1_000, 0), 1), is_hub=False)
    assert routes.is_stuck(payee, query(), 3)
    assert routes.answer(payee, query(), 3, ()) == (Hop(BOB.address, True, ZERO),)


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        (hub(is_hub=False), "NOT_A_HUB"),
        (hub(capacity=lambda asset: 99), "CAPACITY_EXCEEDED"),
        (hub(exposure_max=lambda asset: 99), "EXPOSURE_TOO_HIGH"),
        (hub(0, 99), "HOP_WITHOUT_FUNDS"),
        (hub(guarantee_count_max=0), "TOO_MANY_GUARANTEES"),
        (node_with(IVAN, ledger_between(IVAN, IRENE, (1_000, 0), 0)), "HOP_WITHOUT_LEDGER"),
        (node_with(IVAN, ledger_between(ALICE, IVAN, (1_000, 0), 1)), "HOP_WITHOUT_LEDGER"),
        (hub(decide=lambda proposal: Decision("deny", "house rules")), "POLICY_DENIED"),
    ],
)
def test_a_hop_that_would_refuse_says_so_and_asks_nobody_else(draft: Draft, code: str) -> None:
    assert routes.is_stuck(draft, query(), 1)
    hops = routes.answer(draft, query(), 1, ())
    assert [hop.error_code for hop in hops] == [code, "NOT_ASKED", "NOT_ASKED"]
    assert routes.total_fee(hops) == 0


def test_an_asset_that_the_node_does_not_hold_is_named() -> None:
    asked = replace(query(), asset=TOKEN)
    assert routes.answer(hub(), asked, 1, ())[0].error_code == "ASSET_NOT_SUPPORTED"


def test_where_the_owner_decides_the_hop_is_open_and_says_so() -> None:
    draft = hub(decide=lambda proposal: Decision("ask"))
    (own, *_) = routes.answer(draft, query(), 1, right_hops())
    assert own.ok
    assert "owner will be asked" in own.reason


def test_a_neighbour_that_did_not_answer_is_named_and_the_rest_unasked() -> None:
    hops = routes.answer(hub(), query(), 1, routes.not_reached(query(), 1, "it is not connected"))
    assert [hop.error_code for hop in hops] == ["", "HOP_NOT_REACHED", "NOT_ASKED"]
    assert "hop 2" in hops[1].reason
    assert "not connected" in hops[1].reason


@pytest.mark.parametrize(
    "hops",
    [
        (),
        right_hops()[:1],
        (*right_hops(), right_hops()[0]),
        right_hops()[::-1],
        (
            Hop(IRENE.address, True, amount_to_bytes(UINT256_MAX)),
            Hop(BOB.address, True, b"\1" * 32),
        ),
    ],
)
def test_an_answer_that_does_not_fit_counts_as_none(hops: tuple[Hop, ...]) -> None:
    (only,) = routes.from_answer(query(), 1, hops)
    assert (only.participant, only.error_code) == (IRENE.address, "HOP_NOT_REACHED")
    assert routes.from_answer(query(), 1, right_hops()) == right_hops()


@pytest.mark.parametrize(
    ("path", "asker"),
    [
        (PATH, BOB.address),
        (PATH, IRENE.address),
        (PATH, None),
        ((ALICE.address, IVAN.address, ALICE.address), ALICE.address),
        ((ALICE.address, IVAN.address, ZERO_ADDRESS), ALICE.address),
        ((ALICE.address, BOB.address), ALICE.address),
        ((IVAN.address,), None),
        ((IVAN.address, ALICE.address), ALICE.address),
    ],
)
def test_a_hop_is_asked_by_its_left_neighbour_on_a_path_without_circles(
    path: tuple[Address, ...], asker: Address | None
) -> None:
    with pytest.raises(PathRefused):
        routes.require_path(path, IVAN.address, asker)


def test_our_place_follows_from_the_path() -> None:
    assert routes.require_path(PATH, IVAN.address, ALICE.address) == 1
    assert routes.require_path(PATH, ALICE.address, None) == 0


def test_a_path_has_at_most_as_many_participants_as_a_channel() -> None:
    strangers = tuple(bytes([n]) * 20 for n in range(1, 32))
    assert routes.require_path((ALICE.address, *strangers), ALICE.address, None) == 0
    with pytest.raises(PathRefused):
        routes.require_path((ALICE.address, *strangers, b"\xff" * 20), ALICE.address, None)


def test_time_runs_out_along_the_path() -> None:
    asked = query()
    for _ in range(100):
        asked = routes.passed_on(asked, b"n" * 16)
    assert (asked.time_left_ms, asked.query_id) == (0, b"n" * 16)


# --- an application, for which both ends may put in ---

REDUCER = b"\x5e" * 32


def app_query(first: int = 100, last: int = 60, **changes: object) -> RouteQuery:
    terms = replace(AppTerms(LOG_APP, REDUCER, amount_to_bytes(last)), **changes)
    return replace(query(first), app=terms)


def knowing(draft: Draft) -> Draft:
    """The node knows the contract."""
    apply(draft.state, AppDefinitionRecorded(LOG_APP, MESSAGE_LOG), 0)
    return draft


def test_a_hub_that_does_not_know_the_contract_says_so() -> None:
    (own, *_) = routes.answer(hub(1_000, 1_000), app_query(), 1, right_hops())
    assert (own.ok, own.error_code) == (False, "APP_NOT_SUPPORTED")
    assert LOG_APP.hex() in own.reason.lower()
    assert routes.answer(knowing(hub(1_000, 1_000)), app_query(), 1, right_hops())[0].ok


def test_a_hub_takes_its_fee_of_both_parts_and_policy_sees_both() -> None:
    asked: list[Proposal] = []

    def decide(proposal: Proposal) -> Decision:
        asked.append(proposal)
        return Decision("allow")

    (own, *_) = routes.answer(
        knowing(hub(1_000, 1_000, decide=decide)), app_query(), 1, right_hops()
    )
    assert own.fee == amount_to_bytes(16)
    assert [(one.role, one.amount, one.reducer_id) for one in asked] == [(HUB, 160, REDUCER)]


@pytest.mark.parametrize(
    ("left", "right", "code"),
    [(34, 110, ""), (33, 110, "HOP_WITHOUT_FUNDS"), (34, 109, "HOP_WITHOUT_FUNDS")],
)
def test_a_hub_needs_its_part_on_each_side(left: int, right: int, code: str) -> None:
    """Of the 60 on its left the fees of 16 and 10 pay a part."""
    (own, *_) = routes.answer(knowing(hub(left, right)), app_query(), 1, right_hops(10))
    assert own.error_code == code


def test_a_hub_whose_right_neighbour_lacks_its_part_names_it_and_no_balance() -> None:
    left = ledger_between(ALICE, IVAN, (1_000, 1_000), 1)
    poor = ledger_between(IVAN, IRENE, (1_000, 49), 0)
    (own, *_) = routes.answer(knowing(node_with(IVAN, left, poor)), app_query(), 1, right_hops(10))
    assert own.error_code == "HOP_WITHOUT_FUNDS"
    assert "49" not in own.reason
    assert not routes.is_stuck(knowing(node_with(IVAN, left, poor)), app_query(), 1), "fees may do"


@pytest.mark.parametrize("changes", [{"capacity": 159}, {"exposure_max": 159}])
def test_limits_count_both_parts(changes: dict[str, int]) -> None:
    limits = {name: lambda asset, limit=limit: limit for name, limit in changes.items()}
    (own, *_) = routes.answer(knowing(hub(1_000, 1_000, **limits)), app_query(), 1, right_hops())
    assert own.error_code in ("CAPACITY_EXCEEDED", "EXPOSURE_TOO_HIGH")


def test_the_other_end_says_whether_it_has_the_reducer_and_its_part() -> None:
    asked: list[Proposal] = []

    def decide(proposal: Proposal) -> Decision:
        asked.append(proposal)
        return Decision("allow")

    terms = {"is_hub": False, "decide": decide}
    there = {"has_reducer": lambda reducer_id: reducer_id == REDUCER}
    for own, more, code in (
        (60, there, ""),
        (59, there, "HOP_WITHOUT_FUNDS"),
        (60, {}, "REDUCER_NOT_INSTALLED"),
    ):
        last = knowing(node_with(BOB, ledger_between(IRENE, BOB, (1_000, own), 1), **terms, **more))
        (hop,) = routes.answer(last, app_query(), 3, ())
        assert hop.error_code == code
    assert [(one.role, one.amount) for one in asked] == [(PLAYER, 160)]
    unsaid = app_query(reducer_id=b"")
    assert routes.answer(last, unsaid, 3, ())[0].ok


def test_a_hub_needs_no_reducer() -> None:
    assert routes.answer(knowing(hub(1_000, 1_000)), app_query(), 1, right_hops())[0].ok


def test_whoever_knows_no_such_terms_hears_a_query_for_payments() -> None:
    """Fields behind the known ones are passed over, and without them it is one for payments."""
    old = msgspec.msgpack.decode(msgspec.msgpack.encode(query()))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(old[:-1]), type=RouteQuery) == query()
    longer = [*msgspec.msgpack.decode(msgspec.msgpack.encode(app_query())), "later"]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(longer), type=RouteQuery) == app_query()
