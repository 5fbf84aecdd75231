"""Peers as they are assumed: what they would answer is what honest ones do answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from node.whatif import assumptions as assume
from protocols import commands
from protocols.types import ZERO_ADDRESS
from tests.support.builders import CHANNEL
from tests.support.network import opened
from tests.support.web import Web, WebNode
from tests.support.whatif_nodes import names, run, simulated, simulation_of

NOISE = frozenset(
    {
        "message-sent",
        "message-received",
        "message-acked",
        "peer-acknowledged",
        "objective-cranked",
        "request-recorded",
        "transaction-submitted",
        "chain-log-observed",
        "chain-block-processed",
    }
)
"""How often it is spoken, and in how many pieces, is the wires' affair."""


def told(found: list[str]) -> list[str]:
    return sorted(name for name in found if name not in NOISE)


def web_of(leads: frozenset[int]) -> Web:
    web = Web(2, fees=(3, 5), right_leads=leads)
    for node in web.row:
        node.proves_purity = False
    return web


@pytest.mark.parametrize("leads", [frozenset[int](), frozenset({0, 1, 2}), frozenset({1})])
@pytest.mark.parametrize("place", [0, 3])
def test_a_life_over_hubs_is_recorded_as_it_would_be(leads: frozenset[int], place: int) -> None:
    """Open (by the payer), pay, close: once assumed and once lived."""
    web = web_of(leads)
    node, path = web.row[place], tuple(one.actor.address for one in web.row[1:])
    if place == 0:
        *via, end = path
        opening = assume.Open(end, 1_000, ZERO_ADDRESS, via=tuple(via), fees=(3, 5))
        (assumed,) = simulated(node, opening)
        count = len(node.log)
        web.opened(1_000)
        assert told(names(assumed)) == told([event.NAME for _, event in node.log[count:]])
        channel_id = next(reversed(list(node.state.channels)))
    else:
        channel_id = web.opened(1_000)
    paid, closed = simulated(node, assume.Payment(channel_id, 40), assume.Close(channel_id))
    count = len(node.log)
    web.pay(channel_id, 40)
    web.settle()
    assert told(names(paid)) == told([event.NAME for _, event in node.log[count:]])
    count = len(node.log)
    node.feed(commands.CloseChannel(channel_id))
    web.settle()
    assert told(names(closed)) == told([event.NAME for _, event in node.log[count:]])


@pytest.mark.parametrize("leads", [frozenset[int](), frozenset({0})])
def test_ledgers_are_paid_in_and_closed_as_they_would_be(leads: frozenset[int]) -> None:
    for pick in (lambda web: web.payer, lambda web: web.payee):
        _a_ledgers_life(Web(0, right_leads=leads), pick)


def _a_ledgers_life(web: Web, pick: Callable[[Web], WebNode]) -> None:
    node, ledger_id = pick(web), web.ledgers[0]
    (paid,) = simulated(node, assume.Payment(ledger_id, 25))
    count = len(node.log)
    node.feed(commands.PayLedger(ledger_id, 25, "rent"))
    web.settle()
    assert told(names(paid)) == told([event.NAME for _, event in node.log[count:]])
    (closed,) = simulated(node, assume.Close(ledger_id))
    assert "channel-finalized" in names(closed)
    assert names(closed).count("withdraw-completed") == 2
    assert closed.awaited == []


def test_a_hub_that_is_silent_holds_up_all_behind_it() -> None:
    web = web_of(frozenset())
    simulation = simulation_of(web.payer)
    simulation.course.sessions.silent.add(web.row[2].actor.address)
    *via, end = (one.actor.address for one in web.row[1:])
    opening = assume.Open(end, 1_000, ZERO_ADDRESS, via=tuple(via), fees=(3, 5))
    (step,) = run(simulation, opening)
    assert [found.waiting_for for found in step.awaited] == ["complete-prefund"]


@pytest.mark.parametrize(
    ("amount", "expected"), [(0, "AMOUNT_NOT_POSITIVE"), (10**30, "AMOUNT_ABOVE_DEPOSIT")]
)
def test_a_voucher_that_breaks_a_rule_is_refused_as_the_node_would(
    amount: int, expected: str
) -> None:
    (step,) = simulated(opened().bob, assume.Payment(CHANNEL, amount))
    assert names(step, assumed=True) == ["voucher-refused"]
    assert step.recorded[0].event.error_code == expected  # type: ignore[attr-defined]
