"""Applications over ledgers in what was made for payments: dispute kits, what-if, lost records."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from node.whatif.assumptions import ChallengeExpires, Close, Exit
from node.whatif.simulation import Simulation
from protocols import commands
from protocols.app_channel import ALTERNATE, LEADER
from protocols.channel import supported_final
from protocols.types import ChannelId
from tests.support.app_rig import APP_CHANNEL, GAME_APP, STAKES, AppNode, opened_app
from tests.support.app_web import AppWeb, AppWebNode, worth
from tests.support.kit_rig import export, run, stranger
from tests.support.web import BALANCE
from tests.support.whatif_nodes import rules_of
from tests.support.whatif_nodes import run as assume
from tests.support.whatif_nodes import worth as assumed_worth

SAID = (10, 3, 5)
"""By turns, the first end begins."""
HOPS = [0, 1, 2]


def talked(hops: int, rule: str, **changes: object) -> tuple[AppWeb, ChannelId]:
    """A row whose ends said that much."""
    web = AppWeb(hops)
    channel_id = web.opened_app(turn_rule=rule, **changes)
    for number, amount in enumerate(SAID):
        web.say(channel_id, number % 2, amount)
    return web, channel_id


def gained(web: AppWeb, end: int) -> int:
    """What the end has more than it began with."""
    moved = -10 + 3 - 5
    return moved - sum(web.fees) if end == 0 else -moved


def signed_in(node: AppWebNode, channel_id: ChannelId) -> dict[int, set[bytes]]:
    """By turn: the running and final states of the channel that the node signed, lost ones too."""
    found: dict[int, set[bytes]] = {}
    for event in [*node.lost, *(event for _, event in node.log)]:
        is_ours = event.NAME == "app-state-signed" or (
            event.NAME == "state-signed" and event.signer == node.actor.address
        )
        if is_ours and event.channel_id == channel_id:
            found.setdefault(event.turn_num, set()).add(event.state_hash)
    return found


# --- dispute kits ---


@pytest.mark.parametrize("hops", HOPS)
@pytest.mark.parametrize("end", [0, 1], ids=["first end", "last end"])
@pytest.mark.parametrize("of", ["channel", "ledger"])
def test_a_kit_of_either_brings_what_was_said(hops: int, end: int, of: str) -> None:
    web, channel_id = talked(hops, LEADER)
    node, ledger_id = web.ends[end], web.ledgers[-end]
    due = worth(node)
    assert due == BALANCE + gained(web, end)
    kit = export(node, channel_id if of == "channel" else ledger_id)
    assert run(web.chain, stranger(node, kit)) == due


@pytest.mark.parametrize("hops", HOPS)
@pytest.mark.parametrize("end", [0, 1], ids=["first end", "last end"])
def test_a_kit_of_a_game_brings_its_last_move(hops: int, end: int) -> None:
    web, channel_id = talked(hops, ALTERNATE, app_definition=GAME_APP)
    node = web.ends[end]
    kit = export(node, channel_id)
    assert run(web.chain, stranger(node, kit)) == BALANCE + gained(web, end)
    assert web.chain.disputes.kept[channel_id].turn_num == len(SAID) + 1


@pytest.mark.parametrize("of", ["channel", "ledger"])
def test_a_hubs_kit_brings_its_fee_whatever_was_said(of: str) -> None:
    web, channel_id = talked(1, LEADER)
    hub = web.row[1]
    kit = export(hub, channel_id if of == "channel" else web.ledgers[0])
    run(web.chain, stranger(hub, kit))
    kept = web.chain.disputes.kept
    assert web.ledgers[0] in kept
    assert web.chain.paid[hub.actor.address] <= 2 * BALANCE + sum(web.fees)


# --- what if ---


def assumed_of(node: AppNode) -> Simulation:
    """A simulation with rules that reach no key."""
    rules = replace(
        rules_of(node),
        has_reducer=lambda reducer_id: True,
        why_not_opened=lambda reducer_id, channel_id, deposits: "",
    )
    return Simulation(node.state, rules, others_answer=True)


@pytest.mark.parametrize("hops", HOPS)
@pytest.mark.parametrize("end", [0, 1], ids=["first end", "last end"])
def test_what_if_it_leaves_alone_says_what_it_would_be_paid(hops: int, end: int) -> None:
    web, channel_id = talked(hops, LEADER)
    node = web.ends[end]
    before, count = node.state.digest(), len(node.log)
    simulation = assumed_of(node)
    due = worth(node)
    assume(simulation, Exit(channel_id), ChallengeExpires(channel_id))
    (total,) = assumed_worth(simulation).totals
    assert (total.before, total.after) == (due, due)
    assert (node.state.digest(), len(node.log)) == (before, count)
    assert simulation.course.state.channels[channel_id].chain_status == "expired"


@pytest.mark.parametrize("hops", HOPS)
@pytest.mark.parametrize("end", [0, 1], ids=["first end", "last end"])
def test_what_if_it_is_closed_ends_by_what_was_said(hops: int, end: int) -> None:
    web, channel_id = talked(hops, LEADER)
    node = web.ends[end]
    simulation = assumed_of(node)
    assume(simulation, Close(channel_id))
    final = supported_final(simulation.course.state.channels[channel_id])
    assert final is not None
    shares = simulation.course.state.channels[channel_id].state(final).outcome[0].allocations
    assert shares[1].amount == gained(web, 1)


@pytest.mark.parametrize("rule", [LEADER, ALTERNATE])
def test_what_if_the_last_end_closes_one_on_chain_ends_it_too(rule: str) -> None:
    network = opened_app(rule)
    network.alice.say(10)
    network.settle()
    simulation = assumed_of(network.bob)
    assume(simulation, Close(APP_CHANNEL))
    channel = simulation.course.state.channels[APP_CHANNEL]
    final = supported_final(channel)
    assert final is not None
    assert channel.state(final).outcome[0].allocations[1].amount == STAKES[1] + 10


# --- lost records ---


@pytest.mark.parametrize("hops", HOPS)
@pytest.mark.parametrize("end", [0, 1], ids=["first end", "last end"])
@pytest.mark.parametrize("lost_count", range(1, 10))
def test_who_lost_records_says_nothing_more_and_ends_by_what_both_signed(
    hops: int, end: int, lost_count: int
) -> None:
    web, channel_id = talked(hops, LEADER)
    node, other = web.ends[end], web.ends[1 - end]
    before = signed_in(node, channel_id)
    web.cut_tail(node, lost_count)
    web.settle()
    assert node.channel(channel_id).close_only
    other.say(7, channel_id=channel_id)
    web.settle()
    assert signed_in(node, channel_id) == before
    for one in web.ends:
        one.feed(commands.CloseChannel(channel_id))
        web.settle()
    assert all(len(hashes) == 1 for hashes in signed_in(node, channel_id).values())
    final = supported_final(other.channel(channel_id))
    assert final is not None
    assert other.channel(channel_id).state(final).outcome[0].allocations[1].amount == gained(web, 1)
