"""Orders become owned transactions, the disk is waited for, and what waits is told once."""

from __future__ import annotations

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from node.chain.fees import Fees, Moment
from node.chain.nonces import OwnedTransaction
from node.chain.provider import web3_over
from node.chain.transactions import Prepared, TransactionMaker
from node.chain.tx_desk import DISK_WAIT_S_MAX, TransactionDesk
from node.chain.tx_inbox import TransactionInbox
from protocols.effects import BroadcastTransaction
from tests.support.actors import ALICE
from tests.support.simulated_pool import GWEI, SimulatedPool

ONE = b"\x01" * 32


def desk_of(nonce_min: int = 0) -> TransactionDesk:
    return TransactionDesk(TransactionInbox(), lambda: Moment(7, 1_000, 12.0), nonce_min)


def let_out(nonce: int) -> BroadcastTransaction:
    """True bytes of a transaction with that nonce, as the log gives them after a restart."""
    maker = TransactionMaker(
        web3_over(SimulatedPool()), ALICE.secret, 31_337, [], fee_ceiling_wei=GWEI
    )
    signed = maker.sign(Prepared(ALICE.address, 0, b"", 21_000, Fees(2, 1)), nonce)
    return BroadcastTransaction(ONE, signed.tx_hash, signed.raw)


def owned(nonce: int = 0) -> OwnedTransaction:
    return OwnedTransaction(ONE, bytes(32), nonce, b"raw")


def test_what_the_log_lets_out_owns_its_nonce_before_another_is_given() -> None:
    desk = desk_of()
    desk.inbox.broadcast(let_out(9))
    desk.take_orders()
    (found,) = desk.book.in_order()
    assert (found.nonce, found.may_broadcast, found.may_be_mined) == (9, True, True)
    assert (found.began_s, desk.book.next_nonce(0)) == (1_000, 10)


async def test_what_is_settled_keeps_its_nonce_if_it_may_have_left_and_is_dropped_if_not() -> None:
    desk = desk_of()
    desk.own_signed(owned())
    desk.inbox.settle(ONE)
    desk.take_orders()
    assert desk.book.next_nonce(0) == 0
    desk.inbox.broadcast(let_out(0))
    desk.inbox.settle(ONE)
    desk.take_orders()
    assert desk.book.next_nonce(0) == 1
    assert [each.settled for each in desk.book.in_order()] == [True]


async def test_the_disk_is_waited_for_until_the_bytes_are_let_out(
    autojump_clock: MockClock,
) -> None:
    desk = desk_of()
    desk.own_signed(owned())
    with trio.move_on_after(DISK_WAIT_S_MAX / 2) as patience:
        await desk.disk()
    assert patience.cancelled_caught
    desk.inbox.broadcast(let_out(0))
    await desk.disk()
    assert len(desk.book.in_order()) == 1


async def test_what_never_comes_back_from_the_disk_is_dropped(autojump_clock: MockClock) -> None:
    desk = desk_of()
    desk.own_signed(owned())
    with capture_logs() as lines:
        await desk.disk()
    assert trio.current_time() >= DISK_WAIT_S_MAX
    assert desk.book.in_order() == []
    assert [line["log_level"] for line in lines] == ["error"]


@pytest.mark.parametrize("ends", ["unsay", "forget", "sign"])
async def test_what_waits_is_said_once_and_shown_until_it_is_over(ends: str) -> None:
    desk = desk_of()
    with capture_logs() as lines:
        for reason in ("busy", "busy", "poor"):
            desk.say(ONE, reason)
    assert [line["reason"] for line in lines] == ["busy", "poor"]
    (trouble,) = desk.troubles()
    assert (trouble.name, trouble.what, trouble.intent_id) == ("transaction-waits", "poor", ONE)
    match ends:
        case "unsay":
            desk.unsay(ONE)
        case "forget":
            desk.forget(ONE)
        case "sign":
            desk.own_signed(owned())
    assert desk.troubles() == []
