"""Dispatch: from a message to its answer, single or in a batch, now or when it is durable."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
import trio.testing

from node.rpc import dispatch
from node.rpc.dispatch import Dispatcher
from tests.support.actors import BOB, IVAN
from tests.support.rpc_callers import checked_error, request
from tests.support.rpc_node import RecordingNode, open_payment_channel

STATUS = request("node_status")
UNKNOWN = "0x" + "ab" * 32


async def answer_to(node: RecordingNode, message: Any) -> Any:
    """What one message gets over HTTP; None for silence."""
    text = message if isinstance(message, str) else json.dumps(message)
    answer = await Dispatcher(node).answer(text)
    return json.loads(answer) if answer else None


def pay(node: RecordingNode, amount: str = "1", request_id: Any = 1, **more: str) -> Any:
    (channel_id,) = node.state.channels
    params = {"channel_id": "0x" + channel_id.hex(), "amount": amount, **more}
    return request("payment_send", params, request_id)


async def test_an_unknown_method_is_refused_by_name() -> None:
    answer = await answer_to(RecordingNode(), request("eth_sendTransaction"))
    error = checked_error(answer)
    assert (error["code"], error["data"]["name"]) == (-32601, "METHOD_NOT_FOUND")
    assert error["data"]["values"] == {"method": "eth_sendTransaction"}


async def test_a_command_is_answered_when_it_is_recorded(nursery: trio.Nursery) -> None:
    node = RecordingNode()
    open_payment_channel(node)
    answers: list[bytes] = []
    await Dispatcher(node).handle(json.dumps(pay(node)), answers.append)
    await trio.testing.wait_all_tasks_blocked()
    assert answers == []
    nursery.start_soon(node.run)
    await trio.testing.wait_all_tasks_blocked()
    (answer,) = map(json.loads, answers)
    assert answer["result"]["seq"] == node.seq
    assert answer["result"]["total"] == "1"
    assert answer["result"]["receipted"] is False


async def test_what_is_queued_is_carried_out_while_a_question_is_answered() -> None:
    node = RecordingNode()
    open_payment_channel(node)
    door = Dispatcher(node)
    await door.handle(json.dumps(pay(node)), lambda _: None)
    assert node.wake_count == 0
    await door.handle(json.dumps(STATUS), lambda _: None)
    assert node.wake_count == 1
    path = {"path": ["0x" + IVAN.address.hex(), "0x" + BOB.address.hex()], "amount": "1"}
    terms = {**path, "fee_max": "10"}
    await door.handle(json.dumps(request("channel_open", terms)), lambda _: None)
    assert node.wake_count == 2


async def test_a_refusal_of_the_core_reaches_the_caller(nursery: trio.Nursery) -> None:
    node = RecordingNode()
    open_payment_channel(node, deposit=10)
    nursery.start_soon(node.run)
    error = checked_error(await answer_to(node, pay(node, "11")))
    assert error["data"]["name"] == "AMOUNT_ABOVE_DEPOSIT"
    assert error["data"]["values"] == {"amount": "11", "remaining": "10"}
    assert checked_error(await answer_to(node, pay(node, "0")))["data"]["name"] == (
        "AMOUNT_NOT_POSITIVE"
    )


async def test_a_query_that_finds_nothing_is_refused() -> None:
    answer = await answer_to(RecordingNode(), request("channel_get", {"channel_id": UNKNOWN}))
    assert checked_error(answer)["data"]["name"] == "UNKNOWN_CHANNEL"


async def test_a_batch_is_answered_in_the_order_of_its_requests(nursery: trio.Nursery) -> None:
    node = RecordingNode()
    open_payment_channel(node)
    nursery.start_soon(node.run)
    batch = [pay(node, "1", "a"), STATUS, {"jsonrpc": "1.0"}, pay(node, "2", "b"), 5]
    answers = await answer_to(node, batch)
    assert [answer["id"] for answer in answers] == ["a", 1, None, "b", None]
    assert [answers[0]["result"]["total"], answers[3]["result"]["total"]] == ["1", "3"]
    assert checked_error(answers[2])["code"] == checked_error(answers[4])["code"] == -32600


async def test_notifications_are_carried_out_in_silence(nursery: trio.Nursery) -> None:
    node = RecordingNode()
    open_payment_channel(node)
    nursery.start_soon(node.run)
    calls = [pay(node), pay(node, "nothing"), pay(node, "0"), STATUS, request("none")]
    silent = [{name: call[name] for name in call if name != "id"} for call in calls]
    for message in silent:
        assert await answer_to(node, message) is None
    assert await answer_to(node, silent) is None
    assert len(await answer_to(node, [*silent, STATUS])) == 1
    assert node.commands[0].amount == 1  # type: ignore[attr-defined]  # a SendPayment


async def test_a_batch_of_one_stays_a_batch() -> None:
    assert len(await answer_to(RecordingNode(), [STATUS])) == 1


@pytest.mark.parametrize("message", ["[]", "[1", json.dumps([STATUS] * 101)])
async def test_a_batch_that_is_none_gets_one_refusal(message: str) -> None:
    assert checked_error(await answer_to(RecordingNode(), message))["code"] in (
        -32700,
        -32600,
        -32005,
    )


async def test_a_batch_stops_answering_when_its_answers_are_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatch, "OUTGOING_SIZE_BYTES_MAX", 20_000)
    answers = await answer_to(RecordingNode(), [request("rpc.discover")] * 5)
    assert "result" in answers[0]
    refused = checked_error(answers[-1])
    assert refused["data"]["name"] == "ANSWER_TOO_LARGE"
    assert refused["data"]["retry_safe"]


async def test_a_full_queue_is_waited_for(nursery: trio.Nursery) -> None:
    node = RecordingNode(queue_count_max=0)
    open_payment_channel(node)
    answers: list[bytes] = []

    async def handle() -> None:
        await Dispatcher(node).handle(json.dumps(pay(node)), answers.append)

    nursery.start_soon(handle)
    with trio.fail_after(30):
        while node.room_count < 3:
            await trio.sleep(0.001)
    assert node.commands == []
    node.queue_count_max = 1
    nursery.start_soon(node.run)
    with trio.fail_after(30):
        while not answers:
            await trio.sleep(0.001)
    assert json.loads(answers[0])["result"]["total"] == "1"


async def test_a_bug_in_a_method_is_not_swallowed() -> None:
    class BrokenNode(RecordingNode):
        def status(self) -> dict[str, object]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await answer_to(BrokenNode(), STATUS)
