"""Applications over ledgers with two stakes: what a path recorded breaks no rule, and lies do."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from node.audit.apps import AppCheck
from node.audit.books import BookCheck
from node.audit.hub import HubCheck
from node.audit.ledgers import LedgerCheck
from node.audit.states import StateCheck
from node.audit.virtual import VirtualCheck
from node.balances import balance_of, shares_of
from protocols import events, ledger_events
from protocols.ledger_reducers import change_of
from protocols.objectives import closing
from protocols.state import State
from protocols.types import ChannelId
from protocols.virtual_paths import addition, is_agreed, removal_by_unwinding
from tests.support.actors import IVAN
from tests.support.app_web import AppWeb
from tests.support.audit_cases import History, messages, nth, says
from tests.support.audit_webs import folded, log_of, proposed, target_of
from tests.support.staked_webs import POT, STAKES, STORIES, WON, history, told
from tests.support.web import BALANCE

CHECKS = (StateCheck, LedgerCheck, VirtualCheck, AppCheck, HubCheck, BookCheck)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("story", STORIES)
def test_what_honest_participants_recorded_breaks_no_rule(story: str, place: int) -> None:
    for check in CHECKS:
        made: Any = check
        assert messages(made, history(story, place)) == [], check


@pytest.mark.parametrize("story", STORIES[1:5])
def test_the_stories_end_as_they_are_called(story: str) -> None:
    web, _ = told(story)
    won = {"won by first": WON, "won by last": -WON}.get(story, 0)
    fees = 0 if story == "unwound" else sum(web.fees)
    hubs = [0, 0] if story == "unwound" else list(web.fees)
    assert web.changes() == [won - fees, *hubs, -won]


def test_balances_say_what_of_a_guarantee_is_whose() -> None:
    web, channel_id = told("open")
    for place, node in enumerate(web.row):
        held = [
            balance_of(node.state, node.channel(ledger_id))[1] for ledger_id in _ledgers(web, place)
        ]
        sides = ([] if place == 0 else [STAKES[1]]) + ([] if place == 3 else [STAKES[0]])
        assert [balance.guaranteed for balance in held] == sides
        earned = [-sum(web.fees), *web.fees, 0][place]
        assert sum(balance.total for balance in held) == BALANCE * len(held) + earned
    shares = [shares_of(end.channel(channel_id)) for end in web.ends]
    assert [(one.ours, one.theirs) for one in shares] == [STAKES, STAKES[::-1]]


def _ledgers(web: AppWeb, place: int) -> list[ChannelId]:
    return web.ledgers[max(0, place - 1) : place + 1]


# --- lies ---


def left_alone() -> tuple[History, ChannelId]:
    """The first hub's, when its left guarantee stood and its right one did not."""
    web = AppWeb(1, STAKES)
    channel_id = web.open_app()
    hub = web.row[1]
    web.until(lambda: is_agreed(hub.state, web.ledgers[0], channel_id))
    return [event for _, event in hub.log], channel_id


@pytest.mark.parametrize(("to_last", "is_a_loss"), [(0, True), (STAKES[1] - 1, True), (POT, False)])
def test_a_hub_that_signed_its_part_away_is_found(to_last: int, is_a_loss: bool) -> None:
    recorded, channel_id = left_alone()
    channel = folded(recorded).channels[channel_id]
    state = State(channel.fixed, b"", closing.final_outcome(channel, to_last), 3, True)
    state_hash, signature = state.state_hash(), IVAN.signer(state.state_hash())
    recorded += [
        events.StateStored(channel_id, state_hash, state.encode()),
        events.StateSigned(channel_id, 3, state_hash, IVAN.address, signature, True),
    ]
    found = [message for _, message in messages(VirtualCheck, recorded)]
    assert any("takes from us" in message for message in found) == is_a_loss


def test_a_left_party_that_takes_back_its_part_half_open_is_found() -> None:
    web = AppWeb(1, STAKES)
    channel_id = web.open_app()
    hub = web.row[1]
    web.until(lambda: is_agreed(hub.state, web.ledgers[1], channel_id))
    web.until(lambda: hub.channel(channel_id).signed_by_me(1))
    recorded = log_of(hub)
    change = removal_by_unwinding(hub.channel(channel_id), 1)
    event = proposed(recorded, web.ledgers[1], change, hub.actor)
    says(LedgerCheck, [*recorded, event], "both ends put in, and we signed the postfund")


def test_a_guarantee_with_another_split_is_found() -> None:
    recorded = history("open", 1)
    place, event = nth(recorded, ledger_events.LedgerUpdateProposed)
    assert event.target == target_of(recorded)
    channel = told("open")[0].row[1].channel(event.target)
    assert change_of(event) == addition(channel, 1)
    lie = replace(change_of(event), left_amount=STAKES[0] + 1)
    before = recorded[:place]
    says(
        LedgerCheck,
        [*before, proposed(before, event.channel_id, lie, IVAN)],
        "left puts in 701, the payer's amount is 700",
    )
