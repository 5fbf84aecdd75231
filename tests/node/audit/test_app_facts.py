"""The audit's own fold of an application says what the node's says, and shares no code with it."""

from __future__ import annotations

import pytest

from node.audit.app_facts import APP_EVENTS
from node.audit.facts import Facts
from protocols.app_channel import LEADER
from tests.support.app_rig import APP_CHANNEL, AppNode, opened_app


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_both_folds_come_to_the_same_after_every_record(who: str) -> None:
    network = opened_app(LEADER)
    for node, amount in ((network.alice, 1), (network.bob, 2), (network.alice, 100)):
        node.say(amount)
        node.say(3)
        network.settle()
    node: AppNode = getattr(network, who)
    facts, app = Facts(), node.app()
    for _, event in node.log:
        facts.apply(event)
    told = facts.channels[APP_CHANNEL].app
    assert told is not None
    assert (told.count, told.root, told.message) == (app.tip.count, app.tip.root, app.tip.message)
    assert told.supported_count == app.supported.count
    assert told.supported_amounts == app.supported.amounts
    assert (told.queued, told.halted, told.is_waiting) == ([], "", False)


def test_every_event_of_an_application_is_known() -> None:
    from protocols import app_events
    from protocols.event import Event

    kinds = {
        kind
        for kind in vars(app_events).values()
        if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
    }
    assert kinds - set(APP_EVENTS.__args__) == {app_events.AppDefinitionRecorded}
