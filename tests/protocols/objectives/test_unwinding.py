"""Unwinding (M16 b): a channel that never opened is cleared from right to left, for nothing."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands, inputs, messages
from protocols.channel import ChannelStatus, signed_final, status
from protocols.messages import PostfundRenunciation, UnwindingRequest, VirtualState
from protocols.objectives.base import ObjectiveStatus
from protocols.objectives.virtualfund import HOP_MARGIN_MS, OPENING_EXPIRY_MS
from protocols.types import ChannelId
from protocols.virtual_paths import (
    is_agreed,
    removal_by_final,
    removal_by_unwinding,
    stands,
)
from tests.support.web import Web, WebNode


def guaranteed(web: Web, channel_id: ChannelId, place: int) -> bool:
    """Both sides agree on that guarantee."""
    ledger = web.ledgers[place]
    return all(is_agreed(node.state, ledger, channel_id) for node in web.row[place : place + 2])


def stuck(hops: int, place: int, **options: Any) -> tuple[Web, ChannelId]:
    """The ledger at `place` carries the channel; nobody has answered beyond it yet."""
    web = Web(hops, **options)
    channel_id = web.open(1_000)
    web.until(lambda: guaranteed(web, channel_id, place))
    return web, channel_id


def has_signed_postfund(node: WebNode, channel_id: ChannelId) -> bool:
    channel = node.state.channels.get(channel_id)
    return channel is not None and channel.signed_by_me(1)


def is_undone(web: Web, channel_id: ChannelId) -> None:
    """Everybody has what it began with, and says the channel came to nothing."""
    assert web.changes() == [0] * len(web.row)
    web.no_guarantee_is_left()
    web.nobody_signed_twice()
    for node in web.row:
        assert web.fund_status(node, channel_id) in (ObjectiveStatus.REJECTED, "")


@pytest.mark.parametrize("hops", [0, 1, 2, 4])
@pytest.mark.parametrize("leads", ["left", "right"])
def test_a_payer_gives_up_at_any_guarantee_and_all_get_everything_back(
    hops: int, leads: str
) -> None:
    right_leads = frozenset(range(hops + 1)) if leads == "right" else frozenset[int]()
    for place in range(hops + 1):
        web, channel_id = stuck(hops, place, right_leads=right_leads)
        web.payer.feed(commands.CloseChannel(channel_id))
        web.settle()
        web.nothing_was_dropped()
        if place < max(hops, 2):
            is_undone(web, channel_id)
        else:
            # Hubs signed the postfund before they heard of it: they keep their fees (M16 a).
            assert web.changes() == [-sum(web.fees), *web.fees, 0]
            web.no_guarantee_is_left()


def test_a_hub_that_goes_away_is_named_when_the_payer_has_waited_long_enough() -> None:
    web, channel_id = stuck(2, 0)
    away = frozenset({web.row[2].actor.address})
    web.settle(without=away)
    assert status(web.payer.channel(channel_id)) == ChannelStatus.FUNDING
    web.wait(OPENING_EXPIRY_MS - 1)
    assert web.payer.events_of("unwinding-asked") == []
    web.wait(1)
    web.settle(without=away)
    assert guaranteed(web, channel_id, 0)
    web.settle()
    is_undone(web, channel_id)
    assert "did not answer" in web.fund_reason(web.payer, channel_id)


@pytest.mark.parametrize(("silent", "hop"), [(1, 1), (2, 2), (3, 3)])
def test_a_hop_that_never_answers_the_proposal_is_named_and_nothing_is_at_stake(
    silent: int, hop: int
) -> None:
    web = Web(2)
    away = frozenset({web.row[silent].actor.address})
    channel_id = web.open()
    web.settle(without=away)
    web.wait(OPENING_EXPIRY_MS - HOP_MARGIN_MS)
    web.settle(without=away)
    web.wait(HOP_MARGIN_MS)
    assert web.fund_status(web.payer, channel_id) == ObjectiveStatus.REJECTED
    assert web.fund_reason(web.payer, channel_id).startswith(f"hop {hop} ")
    web.settle()
    is_undone(web, channel_id)


def test_a_hub_whose_payer_went_away_gives_up_after_twice_the_time() -> None:
    web, channel_id = stuck(1, 0)
    hub = web.row[1]
    payer = frozenset({web.payer.actor.address})
    for node in web.row[1:]:
        node.now_ms += 2 * OPENING_EXPIRY_MS
    hub.feed(inputs.Tick())
    web.settle(without=payer)
    assert not stands(hub.state, web.ledgers[1], channel_id)
    assert guaranteed(web, channel_id, 0)
    web.settle()
    is_undone(web, channel_id)


# --- what M16 (b) asks for ---


def test_a_hub_keeps_its_left_guarantee_until_its_right_one_is_gone() -> None:
    web, channel_id = stuck(2, 1)
    hub = web.row[1]
    request = UnwindingRequest(channel_id, "GIVEN_UP", "enough")
    assert web.hears(hub, web.payer, request) == ""
    assert hub.events_of("postfund-renounced") == []
    change = removal_by_unwinding(web.payer.channel(channel_id), 0)
    assert web.refusals(hub, web.ledgers[0], change) == ["REMOVAL_NOT_ALLOWED"]
    web.sums_are_constant()


def test_what_a_hub_proposed_on_its_right_stands_until_a_state_without_it_is_countersigned() -> (
    None
):
    """A refused turn might still be signed by who refused it: only a later state outranks it."""
    web = Web(1)
    channel_id = web.open(1_000)
    hub, bob = web.row[1], web.payee
    web.until(lambda: stands(hub.state, web.ledgers[1], channel_id))
    turn_num = hub.ledger(web.ledgers[1]).proposed_turn
    refusal = messages.LedgerRefusal(web.ledgers[1], turn_num, "ANY", "no")
    assert web.hears(hub, bob, refusal) == ""
    assert stands(hub.state, web.ledgers[1], channel_id)
    assert hub.events_of("unwinding-asked") != []
    assert hub.events_of("postfund-renounced") == []
    change = removal_by_unwinding(web.payer.channel(channel_id), 0)
    assert web.refusals(hub, web.ledgers[0], change) == ["REMOVAL_NOT_ALLOWED"]


def test_who_gave_a_channel_up_never_signs_its_postfund() -> None:
    web, channel_id = stuck(1, 1)
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    for node in web.row[:-1]:
        assert not node.channel(channel_id).signed_by_me(1)


def test_a_renunciation_is_heard_from_the_right_neighbour_alone() -> None:
    web, channel_id = stuck(2, 1)
    renunciation = PostfundRenunciation(channel_id, "X", "no")
    assert web.hears(web.row[2], web.row[1], renunciation) == "UNEXPECTED_MESSAGE"
    assert web.hears(web.row[1], web.payee, renunciation) == "UNKNOWN_CHANNEL"


def postfund_by(web: Web, channel_id: ChannelId, *signers: WebNode) -> VirtualState:
    """The agreed postfund with the signatures of these."""
    channel = web.payer.channel(channel_id)
    state = replace(channel.state(channel.turns[0]), turn_num=1)
    signatures = [
        node.actor.signer(state.state_hash()) if node in signers else b"" for node in web.row
    ]
    return VirtualState(channel_id, state.encode(), tuple(signatures))


def test_who_renounced_the_postfund_signs_it_no_more() -> None:
    web, channel_id = stuck(2, 1)
    ivan, irene = web.row[1:3]
    assert web.hears(ivan, irene, PostfundRenunciation(channel_id, "X", "no")) == ""
    late = postfund_by(web, channel_id, irene)
    assert web.hears(ivan, irene, late) == "STATE_REFUSED"


def test_a_hub_that_signed_the_postfund_cannot_renounce_it() -> None:
    web, channel_id = stuck(2, 1)
    ivan, irene = web.row[1:3]
    assert web.hears(ivan, irene, postfund_by(web, channel_id, irene)) == ""
    refused = web.hears(ivan, irene, PostfundRenunciation(channel_id, "X", "no"))
    assert refused == "STATE_REFUSED"


def test_a_payee_that_signed_gives_up_on_the_payers_word_alone() -> None:
    """A hub could else keep what the payer pays: she may have signed the postfund already."""
    web, channel_id = stuck(1, 1)
    hub, bob = web.row[1], web.payee
    assert bob.channel(channel_id).signed_by_me(1)
    request = UnwindingRequest(channel_id, "X", "no")
    assert web.hears(bob, hub, request) == ""
    assert bob.events_of("postfund-renounced") == []
    assert web.hears(bob, web.payer, request) == ""
    assert len(bob.events_of("postfund-renounced")) == 1


def test_an_open_channel_is_not_unwound() -> None:
    web = Web(2)
    channel_id = web.opened()
    request = UnwindingRequest(channel_id, "X", "no")
    renunciation = PostfundRenunciation(channel_id, "X", "no")
    assert web.hears(web.row[1], web.payer, request) == "STATE_REFUSED"
    assert web.hears(web.payee, web.payer, request) == "STATE_REFUSED"
    assert web.hears(web.row[1], web.row[2], renunciation) == "STATE_REFUSED"
    assert web.hears(web.row[2], web.payee, renunciation) == "STATE_REFUSED"


def test_a_payee_that_renounced_takes_no_voucher() -> None:
    web, channel_id = stuck(1, 1)
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    assert web.payee.channel(channel_id).vouchers.total == 0
    assert status(web.payee.channel(channel_id)) == ChannelStatus.REJECTED


# --- the other way out ---


def test_once_a_final_state_of_all_is_known_nothing_is_proposed_that_it_forbids() -> None:
    """The right neighbour renounced, then heard of the final state, and refused the way back."""
    web, channel_id = stuck(2, 1)
    ivan, irene = web.row[1:3]
    ledger_id = web.ledgers[1]
    assert web.hears(ivan, irene, PostfundRenunciation(channel_id, "X", "no")) == ""
    way_back = ivan.ledger(ledger_id).queue[-1]
    assert way_back.change == removal_by_unwinding(ivan.channel(channel_id), 1)
    channel = ivan.channel(channel_id)
    final = replace(channel.state(channel.turns[0]), turn_num=3, is_final=True)
    signatures = [node.actor.signer(final.state_hash()) for node in web.row]
    signatures[1] = b""
    body = VirtualState(channel_id, final.encode(), tuple(signatures))
    assert web.hears(ivan, irene, body) == ""
    refusal = messages.LedgerRefusal(ledger_id, way_back.turn_num, "ANY", "final")
    assert web.hears(ivan, irene, refusal) == ""
    undone = ivan.ledger(ledger_id).queue[-1]
    signature = irene.actor.signer(undone.state_hash)
    agreed = messages.LedgerCountersignature(ledger_id, undone.turn_num, signature)
    assert web.hears(ivan, irene, agreed) == ""
    ivan.now_ms += 60_000
    ivan.feed(inputs.Tick())
    turn = ivan.channel(channel_id).turns[-1]
    again = ivan.ledger(ledger_id).queue[-1]
    assert again.change == removal_by_final(ivan.channel(channel_id), 1, turn)


def test_where_a_hub_signed_the_postfund_a_final_state_of_all_clears_the_path() -> None:
    """M16 (a): the hubs keep their fees, and nobody loses more than that."""
    web = Web(2)
    channel_id = web.open(1_000)
    irene = web.row[2]
    web.until(lambda: has_signed_postfund(irene, channel_id))
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle()
    final = signed_final(web.payer.channel(channel_id), 0)
    assert final is not None
    assert web.changes() == [-3, 1, 2, 0]
    web.no_guarantee_is_left()
    for node in web.row:
        assert web.fund_status(node, channel_id) == ObjectiveStatus.REJECTED
        assert web.defund_status(node, channel_id) == ObjectiveStatus.COMPLETED


def test_a_payer_who_gave_up_hears_later_that_a_hub_signed() -> None:
    web = Web(2)
    channel_id = web.open(1_000)
    irene, ivan = web.row[2], web.row[1]
    web.until(lambda: has_signed_postfund(irene, channel_id))
    web.hand_over(irene, ivan.actor.address)
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle(without=frozenset({irene.actor.address}))
    web.settle()
    web.no_guarantee_is_left()
    assert min(web.changes()[1:]) >= 0


def test_an_unreachable_right_neighbour_leaves_the_hub_its_left_guarantee() -> None:
    """It signed a proposal on its right: until that is outranked it keeps what covers it."""
    web = Web(1)
    channel_id = web.open(1_000)
    hub = web.row[1]
    web.until(lambda: stands(hub.state, web.ledgers[1], channel_id))
    away = frozenset({web.payee.actor.address})
    web.payer.feed(commands.CloseChannel(channel_id))
    web.settle(without=away)
    assert guaranteed(web, channel_id, 0)
    assert web.changes()[1] == 1  # Its fee, which it gives back with the guarantee.
    web.settle()
    is_undone(web, channel_id)
