"""A payment is found by its name, with its voucher, its receipt and the proof under its root."""

from __future__ import annotations

import pytest

from node.answers import PaymentAnswer
from node.payment_lookup import find_payment
from protocols import commands
from protocols.crypto import payment_leaf, root_of_proof
from protocols.types import amount_to_bytes
from protocols.voucher import receipt_hash, verify_voucher
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL
from tests.support.engine_rig import Rig, opened, pay


class Pair:
    """ALICE and BOB with a channel, and whatever they say to each other delivered."""

    def __init__(self, alice: Rig, bob: Rig) -> None:
        self.alice, self.bob = alice, bob

    async def settle(self) -> None:
        """Every message is delivered once."""
        for sender, receiver in ((self.alice, self.bob), (self.bob, self.alice)):
            bodies = sender.peers.bodies(receiver.actor.address)
            sender.peers.inbox.clear()
            await receiver.take(*(receiver.said(sender.actor, body) for body in bodies))


async def opened_pair() -> Pair:
    return Pair(await opened(), await opened(BOB))


def batch(count: int, prefix: int, request_id: str = "") -> commands.SendBatch:
    amounts = tuple(range(1, count + 1))
    memos = tuple(f"memo {amount}" for amount in amounts)
    return commands.SendBatch(CHANNEL, amounts, memos, bytes([prefix]) * 28, None, request_id)


def require_proved(found: PaymentAnswer | None) -> None:
    """What a third party checks, with the two addresses and nothing else."""
    assert found is not None
    assert verify_voucher(CHANNEL, found.total, found.signature, ALICE.known)
    receipt = found.receipt
    assert receipt is not None
    assert receipt.proof is not None
    assert receipt.total >= found.total
    leaf = payment_leaf(found.payment_id, found.amount)
    assert root_of_proof(leaf, receipt.proof) == receipt.root
    message = receipt_hash(CHANNEL, receipt.total, receipt.root)
    assert BOB.known.verify(message, receipt.signature)


async def test_every_payment_of_lists_and_single_ones_is_proved_on_both_sides() -> None:
    pair = await opened_pair()
    await pair.alice.answer(pay(100, 1, memo="first"))
    first = await pair.alice.answer(batch(5, 7))
    await pair.settle()
    second = await pair.alice.answer(batch(3, 8))
    await pair.alice.answer(pay(50, 2))
    await pair.settle()
    names = [*first.payment_ids, *second.payment_ids, amount_to_bytes(1), amount_to_bytes(2)]
    for name in names:
        for rig, is_ours in ((pair.alice, True), (pair.bob, False)):
            found = find_payment(rig.log, name)
            require_proved(found)
            assert found is not None
            assert (found.is_ours, found.channel_id) == (is_ours, CHANNEL)
    listed = find_payment(pair.bob.log, first.payment_ids[2])
    assert listed is not None
    assert (listed.amount, listed.memo, listed.total) == (3, "memo 3", 115)
    assert listed.receipt is not None
    assert (listed.receipt.total, listed.receipt.payment_count) == (115, 6)


async def test_a_payment_without_a_receipt_is_shown_without_one() -> None:
    pair = await opened_pair()
    answer = await pair.alice.answer(batch(2, 7))
    for name in answer.payment_ids:
        found = find_payment(pair.alice.log, name)
        assert found is not None
        assert (found.receipt, found.total) == (None, 3)


async def test_a_receipt_that_came_while_others_were_under_way_is_told_apart() -> None:
    pair = await opened_pair()
    early = await pair.alice.answer(batch(3, 7))
    bodies = pair.alice.peers.bodies(BOB.address)
    pair.alice.peers.inbox.clear()
    late = await pair.alice.answer(batch(4, 8))
    await pair.bob.take(pair.bob.said(ALICE, bodies[0]))
    receipts = pair.bob.peers.bodies(ALICE.address)
    await pair.alice.take(pair.alice.said(BOB, receipts[0]))
    for name in early.payment_ids:
        require_proved(find_payment(pair.alice.log, name))
    for name in late.payment_ids:
        found = find_payment(pair.alice.log, name)
        assert found is not None
        assert found.receipt is None


async def test_of_a_past_moment_what_came_later_is_not_known() -> None:
    pair = await opened_pair()
    answer = await pair.alice.answer(batch(3, 7))
    await pair.settle()
    log, name = pair.alice.log, answer.payment_ids[1]
    found = find_payment(log, name)
    assert found is not None
    assert found.receipt is not None
    assert find_payment(log, name, found.seq - 1) is None
    bare = find_payment(log, name, found.receipt.seq - 1)
    assert bare is not None
    assert (bare.amount, bare.receipt) == (found.amount, None)
    assert find_payment(log, name, found.receipt.seq) == found


async def test_a_payment_behind_many_others_of_one_receipt_is_proved() -> None:
    pair = await opened_pair()
    await pair.alice.answer(batch(300, 6))
    await pair.settle()
    answers = [await pair.alice.answer(batch(2, prefix)) for prefix in range(10, 40)]
    await pair.settle()
    for answer in (answers[0], answers[-1]):
        require_proved(find_payment(pair.alice.log, answer.payment_ids[1]))


async def test_a_handed_voucher_is_covered_by_a_receipt_that_names_no_payment() -> None:
    pair = await opened_pair()
    created = await pair.alice.answer(commands.CreateVoucher(CHANNEL, 10, b"\x09" * 32, "gift"))
    await pair.bob.answer(commands.TakeVoucher(CHANNEL, 10, created.signature))
    await pair.settle()
    found = find_payment(pair.alice.log, b"\x09" * 32)
    assert found is not None
    assert (found.memo, found.is_ours, found.total) == ("gift", True, 10)
    assert found.receipt is not None
    assert (found.receipt.proof, found.receipt.payment_count) == (None, 0)


@pytest.mark.parametrize("name", [bytes(32), CHANNEL])
async def test_what_is_no_payment_is_not_found(name: bytes) -> None:
    assert find_payment((await opened()).log, name) is None
