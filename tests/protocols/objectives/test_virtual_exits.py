"""Leaving virtual channels: each role of a path alone, and with those who are still there."""

from __future__ import annotations

import pytest

from protocols import commands
from protocols.channel import ChainStatus, ChannelStatus, is_withdrawn, status
from protocols.objectives.base import ObjectiveStatus, ObjectiveType
from protocols.types import ChannelId
from protocols.virtual_paths import is_proposed, stands
from tests.support.exit_rig import exit_value_of, is_completed, paid_to
from tests.support.exit_web import ExitWeb
from tests.support.web import BALANCE, WebNode

PAID, AMOUNT = 300, 1_000
FEES = 3
"""Of both hubs: 1 and 2."""


def is_out(node: WebNode, channel_id: ChannelId) -> bool:
    return is_completed(node, ObjectiveType.EXIT, channel_id)


def ledgers_of(web: ExitWeb, place: int) -> list[ChannelId]:
    left = web.ledgers[place - 1 : place] if place else []
    return left + web.ledgers[place : place + 1]


def in_ledgers(node: WebNode) -> int:
    """What is the node's own in its ledgers, outside guarantees."""
    found = 0
    for channel_id in node.state.channels:
        channel = node.channel(channel_id)
        if channel.ledger is not None:
            vars_ = channel.ledger.current
            found += vars_.leader if channel.my_index == 0 else vars_.follower
    return found


@pytest.mark.parametrize("place", range(4))
def test_each_role_leaves_alone_with_its_exit_value(place: int) -> None:
    web = ExitWeb(2)
    channel_id = web.opened(PAID, AMOUNT)
    node = web.row[place]
    worth = exit_value_of(node)
    node.feed(commands.ExitChannel(channel_id))
    web.run([node], lambda: is_out(node, channel_id))
    # A payee who is gone redeems nothing: only then the payer gets more than her worst case.
    unredeemed = PAID if place == 0 else 0
    assert paid_to(web, node) == worth + unredeemed
    expected = (BALANCE - PAID - FEES, 2 * BALANCE + 1, 2 * BALANCE + 2, BALANCE + PAID)
    assert worth == expected[place]
    assert status(node.channel(channel_id)) == ChannelStatus.CLOSED
    for ledger_id in ledgers_of(web, place):
        assert status(node.channel(ledger_id)) == ChannelStatus.CLOSED
    assert node.fold().digest() == node.state.digest()


@pytest.mark.parametrize("place", range(4))
def test_each_role_leaves_a_ledger_alone_with_all_it_carries(place: int) -> None:
    web = ExitWeb(2)
    web.opened(PAID, AMOUNT)
    node = web.row[place]
    ledgers = ledgers_of(web, place)
    worth = exit_value_of(node)
    for ledger_id in ledgers:
        node.feed(commands.ExitChannel(ledger_id))
    web.run([node], lambda: all(is_out(node, ledger_id) for ledger_id in ledgers))
    assert paid_to(web, node) == worth + (PAID if place == 0 else 0)


def test_a_payee_that_is_gone_costs_its_neighbours_no_ledger() -> None:
    """The payer leaves the channel; the hubs are there: guarantees go back off chain (M16)."""
    web = ExitWeb(2)
    channel_id = web.opened(PAID, AMOUNT)
    present = web.row[:3]
    web.payer.feed(commands.ExitChannel(channel_id))
    web.run(present, lambda: is_out(web.payer, channel_id))
    assert in_ledgers(web.payer) == BALANCE - FEES
    assert web.payer.channel(web.ledgers[0]).chain_status == ChainStatus.OPEN
    first_hub = web.row[1]
    assert not stands(first_hub.state, web.ledgers[1], channel_id)
    # The last hub's own ledger with the payee stays as it is: nobody asked to leave it.
    assert stands(web.row[2].state, web.ledgers[2], channel_id)


def test_a_payee_that_is_there_redeems_and_is_paid_through_the_ledgers() -> None:
    web = ExitWeb(2)
    channel_id = web.opened(PAID, AMOUNT)
    web.payer.feed(commands.ExitChannel(channel_id))
    web.run(web.row, lambda: all(_settled(node, channel_id) for node in web.row))
    expected = [BALANCE - PAID - FEES, 2 * BALANCE + 1, 2 * BALANCE + 2, BALANCE + PAID]
    assert [in_ledgers(node) for node in web.row] == expected
    assert web.chain.disputes.kept[channel_id].turn_num == 2
    assert {node.channel(channel_id).chain_status for node in web.row} == {ChainStatus.EXPIRED}
    assert all(not web.chain.disputes.kept.get(known) for known in web.ledgers)


def _settled(node: WebNode, channel_id: ChannelId) -> bool:
    virtual = node.channel(channel_id).virtual
    return virtual is not None and virtual.settled


def test_a_hub_whose_right_neighbour_is_gone_keeps_its_left_ledger() -> None:
    web = ExitWeb(2)
    channel_id = web.opened(PAID, AMOUNT)
    hub, payer = web.row[1], web.payer
    worth = exit_value_of(hub)
    hub.feed(commands.ExitChannel(channel_id))
    web.run([payer, hub], lambda: is_out(hub, channel_id))
    assert hub.channel(web.ledgers[0]).chain_status == ChainStatus.OPEN
    assert hub.channel(web.ledgers[1]).chain_status == ChainStatus.EXPIRED
    assert paid_to(web, hub) + in_ledger(hub, web.ledgers[0]) == worth


def in_ledger(node: WebNode, ledger_id: ChannelId) -> int:
    vars_ = node.ledger(ledger_id).current
    return vars_.leader if node.channel(ledger_id).my_index == 0 else vars_.follower


def test_a_channel_that_never_opened_is_left_with_its_guarantee() -> None:
    web = ExitWeb(1)
    channel_id = web.open(AMOUNT)
    # The payee never hears of it: the hub guarantees nothing, the payer's guarantee stands alone.
    payer, hub = web.row[0], web.row[1]
    web.settle(without=frozenset((web.payee.actor.address,)))
    payer.feed(commands.ExitChannel(web.ledgers[0]))
    web.run([payer], lambda: is_out(payer, web.ledgers[0]))
    assert paid_to(web, payer) >= BALANCE - AMOUNT - FEES
    assert hub.channel(channel_id) is not None


def test_strangers_who_reclaim_and_transfer_for_us_change_nothing_but_the_gas() -> None:
    web = ExitWeb(2)
    channel_id = web.opened(PAID, AMOUNT)
    one, other = web.row[1], web.row[2]
    worths = [exit_value_of(one), exit_value_of(other)]
    for node in (one, other):
        node.feed(commands.ExitChannel(web.ledgers[1]))
    # Both parties of one ledger reclaim and transfer: each is the other's stranger.
    web.run([one, other], lambda: all(is_out(node, web.ledgers[1]) for node in (one, other)))
    left, right = paid_to(web, one), paid_to(web, other)
    assert left + right == 2 * BALANCE
    assert left <= worths[0]
    assert right <= worths[1]
    assert one.channel(channel_id).chain_status == ChainStatus.EXPIRED


def test_what_others_give_back_of_a_forgotten_channel_is_paid_to_us() -> None:
    """A hub that lost the records of a channel (M27) left the ledger, then the payer reclaims."""
    web = ExitWeb(1)
    channel_id = web.opened(PAID, AMOUNT)
    payer, hub, payee = web.row
    ledger_id = web.ledgers[0]
    hub.state.channels.pop(channel_id)
    hub.feed(commands.ExitChannel(ledger_id))
    web.run([hub], lambda: is_completed(hub, ObjectiveType.WITHDRAW, ledger_id))
    before = paid_to(web, hub)
    payer.feed(commands.ExitChannel(channel_id))
    web.run([payer, payee, hub], lambda: is_completed(payer, ObjectiveType.WITHDRAW, ledger_id))
    web.run([hub], lambda: paid_to(web, hub) == before + PAID)
    assert is_completed(hub, ObjectiveType.WITHDRAW, ledger_id)


@pytest.mark.parametrize("hop_count", [0, 1])
def test_an_opening_ends_when_the_ledger_that_should_carry_it_was_left_without_it(
    hop_count: int,
) -> None:
    """The payee leaves its ledger while the guarantee is on its way: it signs no undoing either."""
    web = ExitWeb(hop_count)
    channel_id = web.open(AMOUNT)
    left, payee, last = web.row[-2], web.payee, web.ledgers[-1]
    web.until(lambda: is_proposed(left.state, last, channel_id))
    payee.feed(commands.ExitChannel(last))
    web.run(web.row, lambda: all(is_withdrawn(node.channel(last)) for node in (left, payee)))
    web.run(web.row, lambda: web.fund_status(web.payer, channel_id) == ObjectiveStatus.REJECTED)
    assert not left.channel(last).ledger.current.guarantees
    for node in web.row:
        assert not node.state.agenda.active
        assert paid_to(web, node) == (0 if node is web.row[0] and hop_count else BALANCE)
    if hop_count:
        assert web.row[1].channel(web.ledgers[0]).chain_status == ChainStatus.OPEN
        assert in_ledgers(web.payer) == BALANCE
