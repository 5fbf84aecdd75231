"""Which guarantees a follower agrees to: M14, M16 and M17, one deviation of its leader each."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands, inputs, messages
from protocols.ledger import ADD, REMOVE, Change
from protocols.messages import VirtualProposal
from protocols.outcome import destination_of
from protocols.types import ChannelId
from protocols.virtual_paths import (
    addition,
    is_agreed,
    removal_by_final,
    removal_by_unwinding,
)
from tests.support.actors import BOB, IRENE
from tests.support.network import Said
from tests.support.web import Web, WebNode

UNEXPECTED = "PROPOSAL_NOT_EXPECTED"
STAYS = "REMOVAL_NOT_ALLOWED"


def whole_prefund_known(web: Web, node: WebNode, channel_id: ChannelId) -> bool:
    channel = node.state.channels.get(channel_id)
    return channel is not None and all(channel.turns[0].signatures)


def with_prefund(hops: int = 1, **options: Any) -> tuple[Web, ChannelId]:
    """The hub knows the whole prefund; no guarantee was proposed to it yet."""
    web = Web(hops, **options)
    channel_id = web.open(1_000)
    web.until(lambda: whole_prefund_known(web, web.row[1], channel_id))
    return web, channel_id


def added(web: Web, channel_id: ChannelId, place: int) -> Change:
    return addition(web.payer.channel(channel_id), place)


# --- additions ---


def test_the_agreed_guarantee_is_countersigned() -> None:
    web, channel_id = with_prefund()
    assert web.refusals(web.row[1], web.ledgers[0], added(web, channel_id, 0)) == []
    assert is_agreed(web.row[1].state, web.ledgers[0], channel_id)


def test_a_guarantee_before_the_whole_prefund_is_refused() -> None:
    web = Web(1)
    channel_id = web.open(1_000)
    web.hand_over(web.payer, web.row[1].actor.address)
    assert web.refusals(web.row[1], web.ledgers[0], added(web, channel_id, 0)) == [UNEXPECTED]


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 999, "left_amount": 999},
        {"amount": 1_001, "left_amount": 1_001},
        {"left_amount": 999},
        {"fee": 0},
        {"fee": 2},
        {"target": b"\xee" * 32},
    ],
    ids=["less", "more", "ours is in it", "no fee", "more fee", "unknown target"],
)
def test_a_guarantee_with_other_values_is_refused(wrong: dict[str, Any]) -> None:
    web, channel_id = with_prefund()
    change = replace(added(web, channel_id, 0), **wrong)
    assert web.refusals(web.row[1], web.ledgers[0], change) == [UNEXPECTED]
    assert web.vars_of(0).guarantees == ()


def test_left_and_right_are_the_neighbours_in_path_order() -> None:
    web, channel_id = with_prefund()
    change = added(web, channel_id, 0)
    swapped = replace(change, left=change.right, right=change.left)
    assert web.refusals(web.row[1], web.ledgers[0], swapped) == [UNEXPECTED]


def test_left_and_right_are_parties_of_the_ledger() -> None:
    web, channel_id = with_prefund()
    hub = web.row[1]
    change = added(web, channel_id, 0)
    body = web.proposal_of(hub, web.ledgers[0], change)
    forged = replace(body, right=destination_of(IRENE.address))
    assert web.hears(hub, web.payer, forged) == "INVALID_LEDGER_CHANGE"


def test_a_channel_is_guaranteed_once() -> None:
    web, channel_id = with_prefund()
    change = added(web, channel_id, 0)
    other = replace(change, target=b"\xee" * 32)
    body = web.proposal_of(web.row[1], web.ledgers[0], other)
    assert web.refusals(web.row[1], web.ledgers[0], change) == []
    again = replace(body, target=change.target, turn_num=body.turn_num + 1)
    assert web.hears(web.row[1], web.payer, again) == "DUPLICATE_GUARANTEE"


def test_a_channel_is_guaranteed_in_one_ledger_of_the_pair() -> None:
    web, channel_id = with_prefund()
    second = web.add_ledger(0, b"2nd.")
    third = web.add_ledger(0, b"3rd.")
    change = added(web, channel_id, 0)
    assert web.refusals(web.row[1], second, change) == [UNEXPECTED]
    assert web.refusals(web.row[1], web.ledgers[0], change) == []
    assert web.refusals(web.row[1], third, change) == [UNEXPECTED]


def test_a_hubs_right_is_not_guaranteed_before_its_left() -> None:
    web, channel_id = with_prefund(right_leads=frozenset({1}))
    hub = web.row[1]
    assert web.refusals(hub, web.ledgers[1], added(web, channel_id, 1)) == ["GUARANTEE_MISSING"]
    assert web.refusals(hub, web.ledgers[0], added(web, channel_id, 0)) == []


def test_a_guarantee_that_is_gone_does_not_come_back() -> None:
    web = Web(1, right_leads=frozenset({1}))
    channel_id = web.opened()
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    for place in (0, 1):
        follower = web.row[1]
        assert web.refusals(follower, web.ledgers[place], added(web, channel_id, place)) == [
            UNEXPECTED
        ]


def test_no_guarantee_is_added_once_the_channel_is_given_up() -> None:
    web, channel_id = with_prefund()
    web.hears(web.row[1], web.payer, messages.UnwindingRequest(channel_id, "X", "no"))
    assert web.refusals(web.row[1], web.ledgers[0], added(web, channel_id, 0)) == [UNEXPECTED]


def test_a_guarantee_for_something_that_is_no_virtual_channel_is_refused() -> None:
    web, channel_id = with_prefund()
    for target in (web.ledgers[1], b"\xee" * 32):
        change = replace(added(web, channel_id, 0), target=target)
        assert web.refusals(web.row[1], web.ledgers[0], change) == [UNEXPECTED]


def test_a_refused_guarantee_gives_the_channel_up_with_the_hop_named() -> None:
    web = Web(2, fees=(0, 0))
    poor = web.row[2]
    channel_id = web.open(1_000)
    web.until(lambda: whole_prefund_known(web, poor, channel_id))
    poor.guarantee_count_max = 0
    web.settle()
    assert web.fund_reason(web.payer, channel_id).startswith("hop 2")
    assert web.changes() == [0, 0, 0, 0]
    web.no_guarantee_is_left()


# --- removals ---


def paid(amount: int = 300, **options: Any) -> tuple[Web, ChannelId]:
    web = Web(1, **options)
    channel_id = web.opened(1_000)
    web.pay(channel_id, amount)
    web.settle()
    return web, channel_id


def removal(web: Web, channel_id: ChannelId, place: int, payers: int) -> Change:
    change = replace(added(web, channel_id, place), kind=REMOVE, left_amount=payers, fee=0)
    assert change.kind != ADD
    return change


@pytest.mark.parametrize("payers", [0, 700, 1_000])
def test_a_guarantee_stays_without_a_final_state_of_all(payers: int) -> None:
    web, channel_id = paid()
    assert web.refusals(web.row[1], web.ledgers[0], removal(web, channel_id, 0, payers)) == [STAYS]
    assert web.refusals(web.payee, web.ledgers[1], removal(web, channel_id, 1, payers)) == [STAYS]
    web.sums_are_constant()


def closing_to(web: Web, channel_id: ChannelId, node: WebNode) -> None:
    """The final state is signed by all, as that node knows; nothing was removed there yet."""
    web.payer.feed(commands.CloseChannel(channel_id))
    web.until(lambda: any(t.is_final and all(t.signatures) for t in node.channel(channel_id).turns))


@pytest.mark.parametrize("payers", [0, 699, 701, 1_000])
def test_a_guarantee_is_not_removed_with_another_split(payers: int) -> None:
    web, channel_id = paid()
    closing_to(web, channel_id, web.row[1])
    change = removal(web, channel_id, 0, payers)
    assert web.refusals(web.row[1], web.ledgers[0], change) == [STAYS]


def test_the_fee_stays_earned_when_a_final_state_removes_the_guarantee() -> None:
    web, channel_id = paid()
    closing_to(web, channel_id, web.row[1])
    change = replace(removal(web, channel_id, 0, 700), fee=1)
    assert web.refusals(web.row[1], web.ledgers[0], change) == [STAYS]


def test_a_final_state_of_all_removes_the_guarantee_by_its_split() -> None:
    web, channel_id = paid()
    closing_to(web, channel_id, web.row[1])
    assert web.refusals(web.row[1], web.ledgers[0], removal(web, channel_id, 0, 700)) == []


def test_with_a_final_state_of_all_the_way_back_is_closed() -> None:
    web, channel_id = paid()
    closing_to(web, channel_id, web.row[1])
    change = removal_by_unwinding(web.payer.channel(channel_id), 0)
    assert web.refusals(web.row[1], web.ledgers[0], change) == [STAYS]


def test_nothing_is_unwound_whose_postfund_the_right_party_signed() -> None:
    web, channel_id = paid()
    for place, follower in ((0, web.row[1]), (1, web.payee)):
        change = removal_by_unwinding(web.payer.channel(channel_id), place)
        assert web.refusals(follower, web.ledgers[place], change) == [STAYS]


def test_nothing_is_removed_by_a_final_state_while_the_chain_decides() -> None:
    web, channel_id = paid()
    hub = web.row[1]
    closing_to(web, channel_id, hub)
    final = next(turn for turn in hub.channel(channel_id).turns if turn.is_final)
    log = inputs.ChainLog(
        "ChallengeRegistered", channel_id, 9, bytes(32), bytes(32), 0, 0, confirmed=False
    )
    hub.feed(log)
    change = removal_by_final(hub.channel(channel_id), 0, final)
    assert web.refusals(hub, web.ledgers[0], change) == [STAYS]


def test_a_left_party_takes_all_back_at_any_time() -> None:
    """Its neighbour gives the whole guarantee back: nobody is safer than who has nothing in it."""
    web = Web(1, right_leads=frozenset({1}))
    channel_id = web.opened()
    hub = web.row[1]
    change = removal_by_unwinding(web.payer.channel(channel_id), 1)
    assert web.refusals(hub, web.ledgers[1], change) == []
    assert not is_agreed(hub.state, web.ledgers[1], channel_id)


# --- other fees ---


def test_a_payee_told_other_fees_than_the_payers_takes_none_of_it() -> None:
    web = Web(1)
    channel_id = web.open(1_000)
    sent = web.payer.outbox[BOB.address][0]
    body = messages.decode_body(sent.body)
    assert isinstance(body, VirtualProposal)
    web.payee.feed(Said(web.payer.actor, body))
    other = replace(body, fees=(bytes(31) + b"\x09",), ledger_id=web.ledgers[1])
    assert web.hears(web.payee, web.row[1], other) == "STATE_REFUSED"
    assert web.payee.channel(channel_id).virtual is not None


def test_a_hub_told_a_fee_that_its_left_neighbour_does_not_pay_refuses_the_guarantee() -> None:
    web = Web(2, fees=(1, 2))
    hub = web.row[1]
    channel_id = web.open(1_000)
    web.until(lambda: whole_prefund_known(web, hub, channel_id))
    change = replace(added(web, channel_id, 0), fee=1)
    assert web.refusals(hub, web.ledgers[0], change) == [UNEXPECTED]
