"""Orders wait in order, once each, and may come before anybody works on them."""

from __future__ import annotations

import trio
import trio.testing

from node.chain.tx_inbox import TransactionInbox
from protocols.effects import BroadcastTransaction, SubmitTransaction


def request(number: int) -> SubmitTransaction:
    return SubmitTransaction(number.to_bytes(32, "big"), "deposit", bytes(20), bytes(32), b"")


def broadcast(number: int) -> BroadcastTransaction:
    return BroadcastTransaction(number.to_bytes(32, "big"), bytes(32), b"raw")


def test_requests_keep_their_order_and_are_kept_until_finished() -> None:
    inbox = TransactionInbox()
    for number in (2, 1, 2):
        inbox.request(request(number))
    assert inbox.requests() == [request(2), request(1)]
    assert inbox.finish_request(request(2).intent_id)
    assert not inbox.finish_request(request(2).intent_id)
    assert inbox.requests() == [request(1)]


def test_a_settled_request_is_gone() -> None:
    inbox = TransactionInbox()
    inbox.request(request(1))
    inbox.settle(request(1).intent_id)
    assert inbox.requests() == []
    assert inbox.take_settled() == [request(1).intent_id]
    assert inbox.take_settled() == []


def test_signed_bytes_replace_the_request_for_signing() -> None:
    inbox = TransactionInbox()
    inbox.request(request(1))
    inbox.broadcast(broadcast(1))
    assert inbox.requests() == []
    assert inbox.take_broadcasts() == [broadcast(1)]
    assert inbox.take_broadcasts() == []


async def test_waiting_ends_at_once_when_something_came_before() -> None:
    inbox = TransactionInbox()
    inbox.request(request(1))
    with trio.fail_after(30):
        await inbox.wait(0)
    with trio.move_on_after(0.05) as scope:
        await inbox.wait(inbox.news_count)
    assert scope.cancelled_caught


async def test_all_who_wait_hear_of_it() -> None:
    inbox = TransactionInbox()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(inbox.wait, 0)
            nursery.start_soon(inbox.wait, 0)
            await trio.testing.wait_all_tasks_blocked()
            inbox.wake()
