"""VirtualFund: a path agrees on a channel, and each ledger on it guarantees the deposit."""

from __future__ import annotations

import pytest

from protocols import commands
from protocols.channel import ChannelStatus, status
from protocols.messages import decode_body
from protocols.objectives.base import ObjectiveStatus, ObjectiveType
from protocols.outcome import destination_of
from tests.support.actors import ALICE, BOB
from tests.support.web import BALANCE, Web

HOPS = (0, 1, 2, 4)


@pytest.mark.parametrize("hops", HOPS)
@pytest.mark.parametrize("leads", ["left", "right", "both"])
def test_a_channel_opens_over_any_number_of_hubs(hops: int, leads: str) -> None:
    every = range(hops + 1)
    led = {"left": (), "right": every, "both": every[::2]}[leads]
    web = Web(hops, right_leads=frozenset(led))
    channel_id = web.opened(1_000)
    for node in web.row:
        assert status(node.channel(channel_id)) == ChannelStatus.OPEN
    for place in every:
        (guarantee,) = web.vars_of(place).guarantees
        left, right = (node.actor.address for node in web.row[place : place + 2])
        assert (guarantee.target, guarantee.amount) == (channel_id, 1_000)
        assert (guarantee.left, guarantee.right) == (destination_of(left), destination_of(right))
    web.sums_are_constant()
    web.nothing_was_dropped()
    web.nobody_signed_twice()


@pytest.mark.parametrize("hops", HOPS)
def test_each_hub_has_its_fee_and_guarantees_as_much_as_is_guaranteed_to_it(hops: int) -> None:
    web = Web(hops)
    web.opened(1_000)
    expected = [-1_000 - sum(web.fees), *(fee - 1_000 for fee in web.fees), 0]
    assert web.changes() == expected


def test_nothing_of_it_touches_the_chain() -> None:
    web = Web(2)
    web.opened()
    for node in web.row:
        assert node.submissions == []
        assert node.events_of("transaction-requested") == []


def test_a_hub_is_told_the_whole_prefund_when_its_left_neighbour_is_safe() -> None:
    web = Web(2)
    ivan, irene = web.row[1:3]
    said: list[str] = []
    web.open()
    while links := web.links():
        for node, to in links:
            for sent in list(node.outbox[to]):
                body = decode_body(sent.body)
                if node is ivan and to == irene.actor.address:
                    said.append(type(body).__name__)
                    whole = "signatures" in body.__struct_fields__ and all(body.signatures)  # type: ignore[attr-defined]
                    agreed = ivan.ledger(web.ledgers[0]).current.guarantees != ()
                    assert agreed or not whole
            web.hand_over(node, to)
        web.end_batches()
    assert said[:3] == ["VirtualProposal", "VirtualProposal", "LedgerProposal"]


def test_the_payer_signs_the_postfund_last() -> None:
    web = Web(2)
    channel_id = web.opened()
    signed = {}
    for node in web.row:
        for index, (_, event) in enumerate(node.log):
            if event.NAME == "state-received" and getattr(event, "turn_num", -1) == 1:
                signed.setdefault((node.actor.name, event.signer), index)  # type: ignore[attr-defined]
    own = [i for i, (_, e) in enumerate(web.payer.log) if e.NAME == "state-signed"]
    others = [index for (name, _), index in signed.items() if name == "alice" and index > own[1]]
    assert max(others) < own[-1]
    assert web.payer.channel(channel_id).signed_by_me(1)


def test_many_channels_share_the_ledgers_of_a_path() -> None:
    web = Web(1)
    for number in range(5):
        web.open(100, b"m%03d" % number)
    web.settle()
    assert len(web.vars_of(0).guarantees) == 5
    assert web.changes()[0] == -5 * 101


def test_an_owner_who_is_asked_decides_and_the_others_wait() -> None:
    web = Web(1)
    web.payee.decision = type(web.payee.decision)("ask")
    channel_id = web.open()
    web.settle()
    assert web.fund_status(web.payee, channel_id) == ObjectiveStatus.UNAPPROVED
    assert web.fund_status(web.payer, channel_id) == ObjectiveStatus.APPROVED
    objective = web.payee.objective(ObjectiveType.VIRTUAL_FUND, channel_id)
    web.payee.feed(commands.ApproveObjective(objective.objective_id))
    web.settle()
    assert status(web.payer.channel(channel_id)) == ChannelStatus.OPEN


def test_each_replay_gives_the_same_state() -> None:
    web = Web(2)
    web.opened()
    for node in web.row:
        assert node.fold().digest() == node.state.digest()


def test_the_ends_are_who_they_are() -> None:
    web = Web(1)
    assert (web.payer.actor, web.payee.actor) == (ALICE, BOB)
    assert web.balances() == [BALANCE, 2 * BALANCE, BALANCE]
