"""A simulation as callers ask for it and read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import trio

from node.rpc import whatif
from node.rpc.errors import InvalidParams, SimulationNotPossible, SimulationTooLarge
from node.rpc.params import params_decoder
from node.rpc.whatif import NodeSimulateParams, SimulationView, node_simulate
from node.whatif import peers
from node.whatif.assumptions import Assumption
from node.whatif.limits import ASSUMPTION_COUNT_MAX, DURATION_S_MAX
from node.whatif.report import Step
from node.whatif.simulation import Simulation
from protocols.moment_errors import MomentAhead
from protocols.types import checksum_address, to_hex
from tests.node.rpc.test_assumptions import SAMPLES
from tests.support.actors import BOB
from tests.support.rpc_node import RecordingNode, open_ledger, open_payment_channel, ready_node

BOBS = checksum_address(BOB.address)
SOME = "0x" + "0f" * 32


def params(
    *assumptions: dict[str, Any], others: str = "answer", at: str | None = None
) -> NodeSimulateParams:
    document = {"assumptions": assumptions, "others": others, "at": at}
    return params_decoder(NodeSimulateParams)(msgspec.Raw(msgspec.json.encode(document)))


async def asked(node: RecordingNode, *assumptions: dict[str, Any], **more: str) -> SimulationView:
    before, count = node.state.digest(), len(node.entries)
    found = await node_simulate(node, params(*assumptions, **more))
    assert (node.state.digest(), len(node.entries), node.commands) == (before, count, [])
    return found


async def test_a_payment_and_a_silence_are_answered_step_by_step() -> None:
    node = RecordingNode()
    channel_id = to_hex(open_payment_channel(node))
    paid, silent = (
        await asked(
            node,
            {"kind": "payment", "channel_id": channel_id, "amount": "5"},
            {"kind": "silence", "peer": BOBS, "duration_s": 7_200},
        )
    ).steps
    assert paid.assumption == {"kind": "payment", "channel_id": channel_id, "amount": "5"}
    assert [event.name for event in paid.events if not event.assumed][:1] == ["voucher-issued"]
    assert paid.events[0].payload["amount"] == "5"
    assert [(m.peer, m.kind, m.again) for m in paid.messages] == [(BOBS, "Payment", False)]
    assert silent.time_ms - paid.time_ms == 7_200_000


async def test_the_answer_says_what_leaving_would_be_worth() -> None:
    node = RecordingNode()
    channel_id = to_hex(open_payment_channel(node))
    found = await asked(node, {"kind": "payment", "channel_id": channel_id, "amount": "0x5"})
    (row,) = found.worst_case.channels
    (total,) = found.worst_case.totals
    assert int(total.before or "") - int(total.after or "") == 5
    assert [party.party for party in row.parties][1] == BOBS
    assert (found.at.seq, found.worst_case.channel_count) == (node.seq, 1)


async def test_an_opening_shows_the_transaction_and_what_is_waited_for() -> None:
    found = await asked(
        RecordingNode(), {"kind": "open_ledger", "peer": BOBS, "amount": "9"}, others="silent"
    )
    (step,) = found.steps
    assert [waiting.waiting_for for waiting in step.waiting] == ["complete-prefund"]
    done = await asked(RecordingNode(), {"kind": "open_channel", "peer": BOBS, "amount": "9"})
    (order,) = done.steps[0].transactions
    assert (order.function, order.value, order.again) == ("deposit", "9", False)
    assert order.to == checksum_address(RecordingNode().state.node.adjudicator)
    assert done.worst_case.totals[0].paid_in == "9"


async def test_leaving_shows_calls_with_their_gas_and_their_deadline() -> None:
    node = RecordingNode()
    channel_id = to_hex(open_ledger(node))
    challenged = {"kind": "challenged", "channel_id": channel_id}
    left, seen = (await asked(node, {"kind": "exit", "channel_id": channel_id}, challenged)).steps
    (order,) = left.transactions
    assert (order.function, order.gas, order.deadline) == ("challenge", 105_000, None)
    assert seen.refusal is not None
    assert seen.refusal.name == "CHALLENGE_IMPOSSIBLE"
    paid = {"kind": "payment", "channel_id": channel_id, "amount": "5"}
    (_, answered) = (await asked(node, paid, challenged)).steps
    (order,) = answered.transactions
    assert (order.function, order.gas) == ("checkpoint", 72_000)
    assert order.deadline is not None
    assert order.deadline.endswith(" UTC")


async def test_a_fee_spike_says_what_calls_cost_and_what_the_ceiling_holds_back() -> None:
    node = RecordingNode()
    channel_id = to_hex(open_ledger(node))
    left = {"kind": "exit", "channel_id": channel_id}
    for price, is_held_back in ((node.fee_ceiling_wei, False), (node.fee_ceiling_wei + 1, True)):
        _, step = (await asked(node, {"kind": "gas_price", "amount": str(price)}, left)).steps
        (order,) = step.transactions
        assert (order.cost, order.held_back) == (str(105_000 * price), is_held_back)


async def test_a_refusal_is_told_as_the_node_tells_it() -> None:
    node = RecordingNode()
    channel_id = to_hex(open_payment_channel(node))
    amount = str(10**30)
    found = await asked(node, {"kind": "payment", "channel_id": channel_id, "amount": amount})
    refusal = found.steps[0].refusal
    assert refusal is not None
    assert refusal.name == "AMOUNT_ABOVE_DEPOSIT"
    assert refusal.values["amount"] == amount
    assert refusal.next_step


async def test_every_kind_is_taken() -> None:
    found = await asked(ready_node(), *SAMPLES)
    assert [step.assumption["kind"] for step in found.steps] == [one["kind"] for one in SAMPLES]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"assumptions": []},
        {"assumptions": [{"kind": "restart"}] * (ASSUMPTION_COUNT_MAX + 1)},
        {"assumptions": [{"kind": "earthquake"}]},
        {"assumptions": [{}]},
        {"assumptions": [{"kind": "wait", "duration_s": DURATION_S_MAX + 1}]},
        {"assumptions": [{"kind": "wait", "duration_s": -1}]},
        {"assumptions": [{"kind": "wait", "duration_s": 1.5}]},
        {"assumptions": [{"kind": "restart", "misspelt": 1}]},
        {"assumptions": [{"kind": "restart"}], "others": "maybe"},
    ],
)
def test_what_is_no_assumption_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidParams):
        params_decoder(NodeSimulateParams)(msgspec.Raw(msgspec.json.encode(document)))


async def test_an_amount_at_the_edge_of_what_there_is_goes_through_and_no_further() -> None:
    most = {"kind": "open_ledger", "peer": BOBS, "amount": str(2**256 - 1)}
    (opened,) = (await asked(RecordingNode(), most)).steps
    assert opened.refusal is None
    assert "objective-completed" in [event.name for event in opened.events]
    (above,) = (await asked(RecordingNode(), {**most, "counterparty_amount": "1"})).steps
    assert above.refusal is not None
    assert (above.refusal.name, above.events) == ("INVALID_WIDTH", [])


async def test_the_node_goes_on_while_a_simulation_runs() -> None:
    node = RecordingNode()
    channel_id = to_hex(open_ledger(node))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        await asked(
            node,
            {"kind": "payment", "channel_id": channel_id, "amount": "5"},
            {"kind": "wait", "duration_s": 3_600},
        )
        nursery.cancel_scope.cancel()
    assert turns > 200


async def test_a_simulation_that_takes_too_long_is_ended(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    def forever(self: Simulation, assumed: list[Assumption]) -> Iterator[Step | None]:
        while True:
            yield None

    monkeypatch.setattr(Simulation, "steps", forever)
    monkeypatch.setattr(whatif, "TIME_S_MAX", -1.0)
    with pytest.raises(SimulationTooLarge):
        await asked(RecordingNode(), {"kind": "restart"})


async def test_what_contradicts_itself_is_told_so_and_stops_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(*args: object) -> list[bytes]:
        raise AssertionError("no honest peer says that")

    monkeypatch.setattr(peers, "answer", breaks)
    node = RecordingNode()
    channel_id = to_hex(open_payment_channel(node))
    with pytest.raises(SimulationNotPossible, match="no honest peer says that"):
        await asked(node, {"kind": "payment", "channel_id": channel_id, "amount": "5"})


async def test_a_simulation_may_begin_at_a_past_moment() -> None:
    node = RecordingNode()
    then = node.seq
    channel_id = to_hex(open_payment_channel(node))
    paid = {"kind": "payment", "channel_id": channel_id, "amount": "5"}
    now = await asked(node, paid)
    assert (now.at.seq, now.steps[0].refusal) == (node.seq, None)
    past = await asked(node, paid, at=str(then))
    refusal = past.steps[0].refusal
    assert refusal is not None
    assert (past.at.seq, refusal.name) == (then, "UNKNOWN_CHANNEL")
    with pytest.raises(MomentAhead):
        await asked(node, paid, at=str(node.seq + 1))


async def test_a_lost_message_is_shown_as_lost_and_again() -> None:
    node = RecordingNode()
    channel_id = to_hex(open_payment_channel(node))
    lost = {"kind": "message_lost", "peer": BOBS, "number": 1}
    paid = {"kind": "payment", "channel_id": channel_id, "amount": "5"}
    _, step = (await asked(node, lost, paid)).steps
    assert [(m.kind, m.lost, m.again) for m in step.messages] == [
        ("Payment", True, False),
        ("Payment", False, True),
    ]


async def test_a_lie_is_told_with_what_becomes_of_it() -> None:
    node = RecordingNode()
    channel_id = to_hex(open_ledger(node))
    lie = {"kind": "endpoint_lies", "lie": "invents_challenge", "channel_id": channel_id}
    step, waited = (await asked(node, lie, {"kind": "wait", "duration_s": 5})).steps
    assert waited.lie is None
    assert step.lie is not None
    found = (step.lie.endpoint, step.lie.verdict, step.lie.alarm, step.lie.counting_s)
    assert found == ("wss://first.example", "outvoted", "endpoint-outvoted", 24)
    assert "chain-reorged" in [event.name for event in step.events]


async def test_gas_is_counted_apart_from_what_the_channels_are_worth() -> None:
    node = RecordingNode()
    left = {"kind": "exit", "channel_id": to_hex(open_ledger(node))}
    worst = (await asked(node, left)).worst_case
    assert (worst.gas_spent.gas, worst.gas_spent.cost) == (105_000, None)
    priced = (await asked(node, {"kind": "gas_price", "amount": "7"}, left)).worst_case
    assert priced.gas_spent == whatif.GasBill(1, 105_000, 0, str(7 * 105_000))
    assert priced.gas_to_leave == whatif.GasBill(1, 72_000, 0, str(7 * 72_000))
    assert priced.totals == worst.totals
