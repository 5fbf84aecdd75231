"""What if: a simulation as callers ask for it and read it.

The simulation runs on a copy, in slices: between two of them the node goes on.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import trio
from msgspec import Meta, Struct

from node.moments import date_text
from node.rpc.assumptions import AssumptionParams, assumption_of
from node.rpc.errors import SimulationNotPossible, SimulationTooLarge, error_object
from node.rpc.interface import NodeApi
from node.rpc.params import MomentText, Params
from node.rpc.queries import node_at
from node.rpc.results import AddressOut, AmountOut, At, Hash32Out
from node.slices import in_slices
from node.whatif import report
from node.whatif.costs import Bill
from node.whatif.endpoints import ALARMS, Lie
from node.whatif.errors import NotPossible, TooLarge
from node.whatif.limits import ASSUMPTION_COUNT_MAX, TIME_S_MAX
from node.whatif.worth import ChannelWorth, TotalWorth, Worth, worth_of
from protocols.event_codec import json_payload
from protocols.exit_calls import CONCLUDE_SELECTOR
from protocols.transactions import APPROVE, DEPOSIT
from protocols.types import amount_from_bytes, checksum_address, to_hex

FUNCTIONS = {
    APPROVE: "approve",
    DEPOSIT: "deposit",
    "conclude": "concludeAndTransferAllAssets",
}
"""By the kind of an order: what it calls."""


class NodeSimulateParams(Params, frozen=True, forbid_unknown_fields=True, gc=False):
    """What is assumed to happen, one after the other."""

    assumptions: Annotated[
        list[AssumptionParams], Meta(min_length=1, max_length=ASSUMPTION_COUNT_MAX)
    ]
    at: MomentText | None = None
    """The moment to begin at, by the rules of today's configuration; now unless given."""
    others: Literal["answer", "silent"] = "answer"
    """answer: peers answer as honest ones do, and the chain mines and confirms, unless it is
    assumed otherwise. silent: nothing happens but what is assumed."""


class SimulatedEvent(Struct, frozen=True, gc=False):
    """A record that there would be."""

    time_ms: int
    """By the simulation's clock."""
    name: str
    payload: dict[str, Any]
    assumed: bool
    """True for what a peer is assumed to have said. Signatures are placeholders everywhere."""


class SimulatedMessage(Struct, frozen=True, gc=False):
    """A message that would leave."""

    peer: AddressOut
    sequence: int
    kind: str
    """Empty for one that was sent before the simulation."""
    size_bytes: int
    again: bool
    """True if it left before and would leave once more."""
    lost: bool
    """True if it would not arrive: itself assumed to be lost, or sent behind such a one."""


class SimulatedTransaction(Struct, frozen=True, gc=False):
    """A transaction that would be submitted."""

    function: str
    to: AddressOut
    value: AmountOut
    """Wei."""
    channel_id: Hash32Out
    again: bool
    gas: int | None
    """About what it takes; null where nobody measured it."""
    deadline: str | None
    """By when it must be mined to be of use, UTC; null if that does not matter."""
    cost: AmountOut | None
    """About, wei, at the gas price that is assumed; null if none is."""
    held_back: bool
    """True if that price is above chain.fee_ceiling_gwei: it is not mined."""


class SimulatedWaiting(Struct, frozen=True, gc=False):
    """What an objective would wait for then."""

    objective_id: Hash32Out
    objective_type: str
    channel_id: Hash32Out
    waiting_for: str


class SimulatedRefusal(Struct, frozen=True, gc=False):
    """Why the node would refuse what is assumed."""

    name: str
    message: str
    values: dict[str, str]
    next_step: str


class SimulatedLie(Struct, frozen=True, gc=False):
    """What the node would make of a lie of the endpoint in use."""

    endpoint: str
    """Its name, without its path."""
    verdict: Literal["believed", "outvoted", "found-out", "undecided"]
    """By chain.quorum, if all other endpoints are honest and answer; found-out: it tells the truth
    when its block is to count."""
    alarm: str | None
    """The alarm that would name it; null where nobody would notice."""
    counting_s: int
    """About how long it would take until that is known: until the block that it lies about counts.
    """
    said: str
    """What that means, in words."""


class SimulatedStep(Struct, frozen=True, gc=False):
    """All that would follow from one assumption."""

    assumption: dict[str, Any]
    """As it was given."""
    time_ms: int
    """When it would be over."""
    refusal: SimulatedRefusal | None
    lie: SimulatedLie | None
    """Of endpoint_lies; null otherwise."""
    events: list[SimulatedEvent]
    messages: list[SimulatedMessage]
    transactions: list[SimulatedTransaction]
    waiting: list[SimulatedWaiting]


class PartyWorthView(Struct, frozen=True, gc=False):
    """What one party would have at least if it left, as far as this node can know."""

    party: AddressOut
    before: AmountOut | None
    """null if there are more ways for it to end than can be looked at."""
    after: AmountOut | None


class ChannelWorthView(Struct, frozen=True, gc=False):
    """One channel that the chain knows, with all that it guarantees."""

    channel_id: Hash32Out
    asset: AddressOut
    parties: list[PartyWorthView]


class TotalWorthView(Struct, frozen=True, gc=False):
    """What we would have at least, of all channels concerned and those linked to them."""

    asset: AddressOut
    before: AmountOut | None
    after: AmountOut | None
    paid_in: AmountOut
    """What would have left our wallet meanwhile, into channels."""


class GasBill(Struct, frozen=True, gc=False):
    """What transactions of ours would take, of the chain's own currency alone."""

    transaction_count: int
    gas: int
    """About, of those that were measured."""
    unmeasured_count: int
    """Transactions that nobody measured; they come on top."""
    cost: AmountOut | None
    """About, wei, at the gas prices that are assumed; null where none is."""


class WorstCase(Struct, frozen=True, gc=False):
    """What leaving would be worth at worst, before and behind it all, and gas apart from it."""

    channels: list[ChannelWorthView]
    totals: list[TotalWorthView]
    channel_count: int
    """Channels that the totals are of."""
    gas_spent: GasBill
    """Of what would be mined or wait, each at the price of its time."""
    gas_to_leave: GasBill | None
    """Of leaving all these channels alone then, at the newest price; null if they are too many."""


class SimulationView(Struct, frozen=True, gc=False):
    """What would happen; nothing of it did."""

    steps: list[SimulatedStep]
    worst_case: WorstCase
    at: At
    """The record that it begins after."""


async def node_simulate(node: NodeApi, p: NodeSimulateParams) -> SimulationView:
    """Fold what is assumed on a copy.

    Raises InvalidParams, MomentAhead, MomentBeforeLog, SimulationTooLarge or SimulationNotPossible.
    """
    assumed = [assumption_of(f"assumptions[{i}]", one) for i, one in enumerate(p.assumptions)]
    view = await node_at(node, p.at)
    seq, simulation = view.seq, view.simulation(others_answer=p.others == "answer")
    simulation.course.orders.fee_ceiling_wei = node.fee_ceiling_wei
    simulation.chain.endpoints = node.endpoints
    steps: list[SimulatedStep] = []
    deadline = trio.current_time() + TIME_S_MAX
    try:
        for step in simulation.steps(assumed):
            await trio.lowlevel.checkpoint()
            if trio.current_time() > deadline:
                raise TooLarge(f"more than {TIME_S_MAX:.0f} s", f"{TIME_S_MAX:.0f} s")
            if step is not None:
                steps.append(_step(p.assumptions[len(steps)], step))
        worth = await in_slices(worth_of(simulation))
    except TooLarge as error:
        raise SimulationTooLarge(error.what, error.limit) from error
    except NotPossible as error:
        raise SimulationNotPossible(str(error)) from error
    return SimulationView(steps, _worst_case(worth), At(seq))


def _step(given: AssumptionParams, step: report.Step) -> SimulatedStep:
    return SimulatedStep(
        {
            name: getattr(given, name)
            for name in given.__struct_fields__
            if getattr(given, name) is not None
        },
        step.time_ms,
        None if step.refusal is None else _refusal(step),
        None if step.lie is None else _lie(step.lie),
        [_event(recorded) for recorded in step.recorded],
        [_message(sent) for sent in step.sent],
        [_transaction(submitted) for submitted in step.submitted],
        [
            SimulatedWaiting(
                to_hex(found.objective_id),
                found.objective_type,
                to_hex(found.channel_id),
                found.waiting_for,
            )
            for found in step.awaited
        ],
    )


def _refusal(step: report.Step) -> SimulatedRefusal:
    assert step.refusal is not None
    told = error_object(step.refusal)
    return SimulatedRefusal(told.data.name, told.message, told.data.values, told.data.next_step)


def _lie(lie: Lie) -> SimulatedLie:
    alarm = ALARMS.get(lie.verdict)
    return SimulatedLie(lie.endpoint, lie.verdict.value, alarm, lie.counting_s, lie.said)


def _event(recorded: report.Recorded) -> SimulatedEvent:
    event, time_ms = recorded.event, recorded.time_ms
    payload = json_payload(event, event.VERSION, time_ms)
    return SimulatedEvent(time_ms, event.NAME, payload, recorded.is_assumed)


def _message(sent: report.Sent) -> SimulatedMessage:
    peer = checksum_address(sent.peer)
    size, again, lost = sent.size_bytes, sent.is_again, sent.is_lost
    return SimulatedMessage(peer, sent.sequence, sent.kind, size, again, lost)


def _transaction(submitted: report.Submitted) -> SimulatedTransaction:
    order = submitted.order
    kind = order.kind.partition(" ")[0]
    function = "conclude" if order.data[:4] == CONCLUDE_SELECTOR else FUNCTIONS.get(kind, kind)
    return SimulatedTransaction(
        function,
        checksum_address(order.to),
        str(amount_from_bytes(order.value)),
        to_hex(submitted.channel_id),
        submitted.is_again,
        submitted.gas,
        date_text(order.deadline_s) if order.deadline_s else None,
        _text(submitted.cost_wei),
        submitted.is_held_back,
    )


def _worst_case(worth: Worth) -> WorstCase:
    return WorstCase(
        [_channel(row) for row in worth.channels],
        [_total(row) for row in worth.totals],
        worth.channel_count,
        _bill(worth.spent),
        None if worth.leaving is None else _bill(worth.leaving),
    )


def _bill(bill: Bill) -> GasBill:
    return GasBill(bill.call_count, bill.gas, bill.unmeasured_count, _text(bill.cost_wei))


def _channel(row: ChannelWorth) -> ChannelWorthView:
    parties = [
        PartyWorthView(checksum_address(one.party), _text(one.before), _text(one.after))
        for one in row.parties
    ]
    return ChannelWorthView(to_hex(row.channel_id), checksum_address(row.asset), parties)


def _total(row: TotalWorth) -> TotalWorthView:
    before, after = _text(row.before), _text(row.after)
    return TotalWorthView(checksum_address(row.asset), before, after, str(row.paid_in))


def _text(amount: int | None) -> str | None:
    return None if amount is None else str(amount)
