"""Runs of payments: what comes in company leads to what `crank` makes of one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from protocols import commands, inputs
from protocols.draft import CrankResult
from protocols.errors import ProtocolError
from protocols.messages import TEXT_LENGTH_MAX, encode_body
from protocols.payment_runs import receive_run, received_together, send_run, sent_together
from protocols.payments import PAYMENTS_IN_FLIGHT_COUNT_MAX
from protocols.types import amount_to_bytes
from tests.support.actors import ALICE, BOB, IRENE
from tests.support.builders import CHANNEL, DEPOSIT, DURATION_S, payment
from tests.support.network import CoreNode, opened

OTHER_CHANNEL = b"\x09" * 32


def order(amount: int, number: int, **changes: Any) -> commands.SendPayment:
    return replace(commands.SendPayment(CHANNEL, amount, amount_to_bytes(number)), **changes)


def said(bob: CoreNode, *bodies: Any) -> list[inputs.Input]:
    """The next messages of ALICE, numbered."""
    first = bob.peer(ALICE.address).received + 1
    return [
        inputs.PeerMessage(ALICE.address, number, body, len(encode_body(body)))
        for number, body in enumerate(bodies, first)
    ]


def run_of(node: CoreNode, items: Sequence[inputs.Input]) -> CrankResult | None:
    """The answer to the run at the beginning; None if there is none. Proves that it is pure."""
    before = node.state.digest()
    received, sent = received_together(items), sent_together(items)
    try:
        if received:
            return receive_run(node.state, received, node.context())
        return send_run(node.state, sent, node.context()) if sent else None
    finally:
        assert node.state.digest() == before, "the run changed the state it was given"


def take_by_runs(node: CoreNode, items: list[inputs.Input]) -> int:
    """Everything, runs first; how many inputs came in company."""
    place = company = 0
    while place < len(items):
        result = run_of(node, items[place:])
        if result is not None and result.events:
            node.take(result)
            place += len(result.events)
            company += len(result.events)
        else:
            take_one(node, items[place])
            place += 1
    return company


def take_one(node: CoreNode, item: inputs.Input) -> None:
    try:
        node.feed(item)
    except ProtocolError:
        pass


def same(together: CoreNode, alone: CoreNode) -> bool:
    """Whether both nodes recorded, hold and send the same."""
    assert together.log == alone.log
    assert together.outbox == alone.outbox
    assert together.state.unreceipted == alone.state.unreceipted
    return together.state.digest() == alone.state.digest()


def assert_company(items: Any, count: int, *, of_alice: bool = False) -> None:
    """The inputs lead to the same in company and alone; so many of them go in company."""
    together, alone = (getattr(opened(), "alice" if of_alice else "bob") for _ in range(2))
    assert take_by_runs(together, items(together)) == count
    for item in items(alone):
        take_one(alone, item)
    assert same(together, alone)


P1, P2, P3 = payment(10, 10), payment(15, 5), payment(17, 2)


@pytest.mark.parametrize(
    ("bodies", "count"),
    [
        ([P1, P2, P3], 3),
        ([P1, P3], 1),
        ([P1, replace(P2, signature=P3.signature), P2], 2),
        ([P1, payment(15, 5, by=IRENE), payment(12, 2)], 2),
        ([P1, payment(10, 0), P2], 2),
        ([payment(DEPOSIT, DEPOSIT), payment(DEPOSIT + 1, 1)], 1),
        ([P1, payment(5, 5, channel_id=OTHER_CHANNEL), P2], 2),
    ],
)
def test_payments_are_received_in_company_as_alone(bodies: list[Any], count: int) -> None:
    assert_company(lambda bob: said(bob, *bodies), count)


def test_only_the_next_numbers_of_one_peer_are_company() -> None:
    bob = opened().bob
    first, second, third = said(bob, P1, P2, P3)
    assert received_together([first, second, third], 1) == [second, third]
    assert received_together([first, third]) == [first]
    assert received_together([first, replace(second, peer=BOB.address)]) == [first]
    assert received_together([first, replace(second, body=None)]) == [first]
    assert received_together([inputs.Tick(), first]) == []
    for items in ([second, third], [replace(first, sequence=1)]):
        assert run_of(bob, items) == CrankResult((), ())


def test_nothing_is_received_in_company_where_crank_refuses() -> None:
    bob = opened().bob
    items = said(bob, P1, P2)
    bob.chain_view_age_s = DURATION_S
    assert run_of(bob, items) == CrankResult((), ())
    bob.chain_view_age_s = 0
    assert run_of(bob, [replace(i, peer=IRENE.address) for i in items]) == CrankResult((), ())
    proposed = CoreNode(BOB)
    assert run_of(proposed, items) == CrankResult((), ())


@pytest.mark.parametrize(
    ("orders", "count"),
    [
        ([order(10, 1), order(5, 2, memo="tea"), order(2, 3)], 3),
        ([order(10, 1), order(0, 2), order(2, 3)], 2),
        ([order(DEPOSIT - 1, 1), order(2, 2), order(1, 3)], 2),
        ([order(10, 1), order(5, 2, memo="x" * (TEXT_LENGTH_MAX + 1)), order(2, 3)], 2),
        ([order(10, 1), order(5, 2, request_id="invoice"), order(2, 3)], 2),
        ([order(10, 1), order(5, 2, channel_id=OTHER_CHANNEL), order(2, 3)], 2),
    ],
)
def test_payments_are_sent_in_company_as_alone(orders: list[Any], count: int) -> None:
    assert_company(lambda alice: orders, count, of_alice=True)


def test_no_more_is_sent_in_company_than_may_be_in_flight() -> None:
    alice = opened().alice
    alice.proves_purity = False
    channel = alice.channel()
    alice.feed(order(1, 9))
    (pending,) = alice.channel().vouchers.pending
    crowd = (pending,) * (PAYMENTS_IN_FLIGHT_COUNT_MAX - 1)
    vouchers = replace(alice.channel().vouchers, pending=crowd)
    alice.state.channels[CHANNEL] = replace(channel, vouchers=vouchers)
    result = run_of(alice, [order(1, 1), order(1, 2)])
    assert result is not None
    assert len(result.events) == len(result.effects) == 1


def test_nothing_is_sent_in_company_where_crank_refuses() -> None:
    bob = opened().bob
    assert run_of(bob, [order(1, 1), order(1, 2)]) == CrankResult((), ())
    assert sent_together([inputs.EndOfBatch(), order(1, 1)]) == []
