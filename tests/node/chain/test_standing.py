"""A payout's outcome against what real contracts keep: right, made wrong, and paid meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from node.chain.standing import is_standing
from protocols.abi import decode_outcome
from protocols.exit_calls import Finalised, reclaim_call, transfer_call
from tests.support.nitro_chain import ALICE, BOB, HUB, Nitro, deployed_nitro
from tests.support.nitro_signing import (
    Outcome,
    encode_outcome,
    guarantee,
    outcome_of,
    simple,
    state,
    state_hash,
    voucher_data,
)

pytestmark = pytest.mark.e2e

A, B, H = ALICE.destination, BOB.destination, HUB.destination


@pytest.fixture(scope="module")
def nitro() -> Iterator[Nitro]:
    with deployed_nitro() as deployed:
        yield deployed


class ChainLink:
    """The chain of these contracts, as the chain room calls it."""

    def __init__(self, nitro: Nitro) -> None:
        self._nitro = nitro

    async def call(self, method: str, params: list[Any]) -> Any:
        await trio.lowlevel.checkpoint()
        return self._nitro.rpc.ask(method, *params)


def asked(nitro: Nitro, call: bytes) -> bool:
    adjudicator = bytes.fromhex(nitro.adjudicator.address[2:])
    return trio.run(is_standing, ChainLink(nitro), adjudicator, call)


def finalised(channel_id: bytes, hashed: bytes, outcome: Outcome) -> Finalised:
    return Finalised(channel_id, hashed, decode_outcome(encode_outcome(outcome)))


def other(right: Finalised) -> Finalised:
    """The same folded wrongly: a wei more for the first."""
    (exit_,) = right.outcome
    first, *rest = exit_.allocations
    shares = (replace(first, amount=first.amount + 1), *rest)
    return replace(right, outcome=(replace(exit_, allocations=shares),))


def test_what_is_paid_from_is_what_stands(nitro: Nitro) -> None:
    channel = nitro.ledger(ALICE, BOB, nonce=71)
    nitro.deposit(channel.channel_id, 10)
    last = state(outcome_of(simple(A, 5), simple(B, 5)), 2)
    hashed = nitro.finalise(channel, channel.signed(last))
    right = finalised(channel.channel_id, hashed, last[0])
    assert asked(nitro, transfer_call(right, [0]))
    assert not asked(nitro, transfer_call(other(right), [0]))
    assert not asked(nitro, transfer_call(replace(right, state_hash=bytes(32)), [0]))
    nitro.adjudicator.send("transfer", 0, channel.channel_id, encode_outcome(last[0]), hashed, [0])
    # A stranger paid: what stood before does not stand any more.
    assert not asked(nitro, transfer_call(right, [1]))
    left = finalised(channel.channel_id, hashed, outcome_of(simple(A, 0), simple(B, 5)))
    assert asked(nitro, transfer_call(left, [1]))


def test_a_guarantee_is_given_back_by_what_its_target_finalised_with(nitro: Nitro) -> None:
    virtual = nitro.payment_channel(ALICE, HUB, BOB, nonce=72)
    ledger = nitro.ledger(ALICE, HUB, nonce=73)
    nitro.deposit(ledger.channel_id, 20)
    backing = guarantee(virtual.channel_id, 10, A, H)
    last = state(outcome_of(simple(A, 5), simple(H, 5), backing), 2)
    postfund = state(outcome_of(simple(A, 10), simple(B, 0)), 1)
    moved = outcome_of(simple(A, 7), simple(B, 3))
    redemption = state(moved, 2, voucher_data(virtual.channel_id, 3, ALICE))
    nitro.challenge(ledger, ledger.signed(last))
    signed, proof = virtual.signed(redemption, [BOB]), [virtual.signed(postfund)]
    nitro.finalise(virtual, signed, proof, challenger=BOB)
    source = finalised(ledger.channel_id, state_hash(ledger.channel_id, last), last[0])
    hashed = state_hash(virtual.channel_id, redemption)
    target = finalised(virtual.channel_id, hashed, moved)
    assert asked(nitro, reclaim_call(source, 2, target))
    assert not asked(nitro, reclaim_call(source, 2, other(target)))
    assert not asked(nitro, reclaim_call(other(source), 2, target))
    # A stranger deposits on it and pays a wei out: it still finalised as it did (M2).
    nitro.deposit(virtual.channel_id, 1)
    nitro.adjudicator.send("transfer", 0, virtual.channel_id, encode_outcome(moved), hashed, [0])
    assert asked(nitro, reclaim_call(source, 2, target))


def test_other_calls_need_nothing_to_stand(nitro: Nitro) -> None:
    assert asked(nitro, b"\x01\x02\x03\x04" + bytes(64))
