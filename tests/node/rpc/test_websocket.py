"""WebSocket at the owner's door: many in flight, answers by id, and no caller stalls another."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import trio
import wsproto
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked
from wsproto import events as ws_events

from node.rpc import http, websocket
from node.rpc.bounds import IN_FLIGHT_COUNT_MAX, PING_INTERVAL_S, REQUEST_SIZE_BYTES_MAX
from node.rpc.call import RpcEndpoint
from node.rpc.client import RpcClient
from tests.support.rpc_callers import checked_error, post, request, send_raw
from tests.support.rpc_node import TOKEN, RecordingNode, open_payment_channel, serve

STATUS = request("node_status")


class Caller:
    """A WebSocket that sends what a test says, frame by frame."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.socket = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self._events: list[wsproto.events.Event] = []

    @classmethod
    async def connect(cls, endpoint: RpcEndpoint, *first: str) -> Caller:
        """Upgrade, with `first` messages sent ahead in the same bytes."""
        caller = cls(await trio.open_tcp_stream(endpoint.host, endpoint.port))
        upgrade = caller.socket.send(
            ws_events.Request(
                host="localhost",
                target="/",
                extra_headers=[(b"authorization", b"Bearer " + TOKEN.encode())],
            )
        )
        ahead = wsproto.Connection(wsproto.ConnectionType.CLIENT)
        frames = [ahead.send(ws_events.TextMessage(data=text)) for text in first]
        await caller.stream.send_all(upgrade + b"".join(frames))
        assert isinstance(await caller.event(), ws_events.AcceptConnection)
        return caller

    async def send(self, *events: wsproto.events.Event) -> None:
        await self.stream.send_all(b"".join(self.socket.send(event) for event in events))

    async def event(self) -> wsproto.events.Event:
        with trio.fail_after(30):
            while not self._events:
                data = await self.stream.receive_some(65_536)
                self.socket.receive_data(data or None)
                self._events.extend(self.socket.events())
        return self._events.pop(0)

    async def answer(self) -> Any:
        text = ""
        while True:
            event = await self.event()
            assert isinstance(event, ws_events.TextMessage), event
            text += event.data
            if event.message_finished:
                return json.loads(text)

    async def call(self, envelope: Any) -> Any:
        await self.send(ws_events.TextMessage(data=json.dumps(envelope)))
        return await self.answer()

    async def close_code(self) -> int:
        event = await self.event()
        assert isinstance(event, ws_events.CloseConnection), event
        return event.code


Connect = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """`Caller.connect` whose callers are gone when the test ends."""
    callers = []

    async def connect_caller(endpoint: RpcEndpoint, *first: str) -> Caller:
        callers.append(await Caller.connect(endpoint, *first))
        return callers[-1]

    yield connect_caller
    for caller in callers:
        await trio.aclose_forcefully(caller.stream)


async def test_calls_are_answered_by_id(nursery: trio.Nursery, connect: Connect) -> None:
    caller = await connect(await serve(nursery, RecordingNode()))
    for number in ("a", 7, None):
        answer = await caller.call({**STATUS, "id": number})
        assert answer["id"] == number
        assert answer["result"]["next_seq"] == 1


async def test_calls_sent_ahead_of_the_upgrades_answer_are_served(
    nursery: trio.Nursery, connect: Connect
) -> None:
    endpoint = await serve(nursery, RecordingNode())
    caller = await connect(endpoint, json.dumps(STATUS))
    assert (await caller.answer())["id"] == 1


async def test_what_one_read_brought_is_prompted_and_so_is_what_came_ahead(
    nursery: trio.Nursery, connect: Connect
) -> None:
    node = RecordingNode()
    channel_id = "0x" + open_payment_channel(node).hex()
    pay = json.dumps(request("payment_send", {"channel_id": channel_id, "amount": "1"}))
    caller = await connect(await serve(nursery, node), pay)
    assert (await caller.answer())["result"]["total"] == "1"
    assert node.prompt_count == 1
    await caller.send(*[ws_events.TextMessage(data=pay)] * 3)
    assert [(await caller.answer())["result"]["total"] for _ in range(3)] == ["2", "3", "4"]
    assert node.prompt_count == 2


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"authorization": "Bearer wrong"}, b"UNAUTHORIZED"),
        ({"origin": "https://attacker.example"}, b"ORIGIN_REFUSED"),
        ({"sec-websocket-version": "8"}, b"HTTP_REFUSED"),
        ({"connection": "keep-alive"}, b"HTTP_REFUSED"),
        ({"host": "attacker.example"}, b"HOST_REFUSED"),
        ({"sec-websocket-extensions": "é"}, b"HTTP_REFUSED"),
        ({"sec-websocket-protocol": "é"}, b"HTTP_REFUSED"),
        ({"connection": "upgrade, é"}, b"HTTP_REFUSED"),
    ],
)
async def test_an_upgrade_passes_the_same_gate(
    nursery: trio.Nursery, headers: dict[str, str], name: bytes
) -> None:
    endpoint = await serve(nursery, RecordingNode())
    fields = {
        "host": "localhost",
        "authorization": f"Bearer {TOKEN}",
        "upgrade": "websocket",
        "connection": "upgrade",
        "sec-websocket-version": "13",
        "sec-websocket-key": "AQIDBAUGBwgJCgsMDQ4PEA==",
        **headers,
    }
    lines = "".join(f"{key}: {value}\r\n" for key, value in fields.items())
    received = await send_raw(endpoint, f"GET / HTTP/1.1\r\n{lines}\r\n".encode(), False)
    assert received.startswith(b"HTTP/1.1 4")
    assert name in received


async def test_a_slow_command_does_not_hold_up_the_calls_behind_it(
    nursery: trio.Nursery, connect: Connect
) -> None:
    node = RecordingNode()
    channel_id = "0x" + open_payment_channel(node).hex()
    caller = await connect(await serve(nursery, node))
    pay = request("payment_send", {"channel_id": channel_id, "amount": "5", "until": "receipt"}, 1)
    await caller.send(ws_events.TextMessage(data=json.dumps(pay)))
    assert (await caller.call({**STATUS, "id": 2}))["id"] == 2
    await wait_all_tasks_blocked()
    node.receipt()
    answer = await caller.answer()
    assert (answer["id"], answer["result"]["receipted"]) == (1, True)


async def test_a_thousand_payments_in_flight_are_carried_out_in_order(
    nursery: trio.Nursery,
) -> None:
    node = RecordingNode()
    channel_id = "0x" + open_payment_channel(node).hex()
    endpoint = await serve(nursery, node)
    async with await RpcClient.connect(endpoint) as client:
        payment = {"channel_id": channel_id, "amount": "1"}
        answers = await client.call_many([("payment_send", payment)] * 1_000, in_flight_max=1_000)
    assert [answer["total"] for answer in answers] == [str(n + 1) for n in range(1_000)]
    assert len({answer["payment_id"] for answer in answers}) == 1_000


async def test_no_more_requests_are_taken_than_may_be_in_flight(
    nursery: trio.Nursery, connect: Connect
) -> None:
    node = RecordingNode()
    node.hold()
    channel_id = "0x" + open_payment_channel(node).hex()
    caller = await connect(await serve(nursery, node))
    count = IN_FLIGHT_COUNT_MAX + 500
    pay = request("payment_send", {"channel_id": channel_id, "amount": "1"})
    frame = ws_events.TextMessage(data=json.dumps(pay))
    await caller.send(*[frame] * count)
    await wait_all_tasks_blocked(0.05)
    assert len(node.commands) == IN_FLIGHT_COUNT_MAX
    node.release()
    totals = [(await caller.answer())["result"]["total"] for _ in range(count)]
    assert totals == [str(n + 1) for n in range(count)]


async def test_a_full_queue_makes_the_caller_wait_and_loses_nothing(nursery: trio.Nursery) -> None:
    node = RecordingNode(queue_count_max=3)
    channel_id = "0x" + open_payment_channel(node).hex()
    async with await RpcClient.connect(await serve(nursery, node)) as client:
        payment = {"channel_id": channel_id, "amount": "1"}
        answers = await client.call_many([("payment_send", payment)] * 50, in_flight_max=50)
    assert [answer["total"] for answer in answers] == [str(n + 1) for n in range(50)]
    assert node.room_count > 0


async def test_a_caller_that_takes_no_answers_is_not_read_and_stalls_nobody(
    nursery: trio.Nursery, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "SEND_TIMEOUT_S", 0.3)
    endpoint = await serve(nursery, RecordingNode())
    caller = await connect(endpoint)
    frame = caller.socket.send(ws_events.TextMessage(data=json.dumps(request("rpc.discover"))))

    async def send_without_reading() -> None:
        while True:
            await caller.stream.send_all(frame * 50)
            assert (await post(endpoint, STATUS)).status == 200

    with trio.fail_after(30), pytest.raises(trio.BrokenResourceError):
        await send_without_reading()


async def test_large_answers_that_a_socket_takes_in_parts_arrive_whole(
    nursery: trio.Nursery, connect: Connect
) -> None:
    caller = await connect(await serve(nursery, RecordingNode()))
    discover = {**request("rpc.discover"), "id": 1}
    expected = await caller.call(discover)
    frame = caller.socket.send(ws_events.TextMessage(data=json.dumps(discover)))
    for _ in range(200):
        await caller.stream.send_all(frame)
        await trio.lowlevel.checkpoint()
    await wait_all_tasks_blocked(0.05)
    for _ in range(200):
        assert await caller.answer() == expected


async def test_pings_are_answered_while_calls_are_in_flight(
    nursery: trio.Nursery, connect: Connect
) -> None:
    caller = await connect(await serve(nursery, RecordingNode()))
    await caller.send(ws_events.Ping(payload=b"are you there"))
    assert await caller.event() == ws_events.Pong(payload=b"are you there")


async def test_a_message_may_come_in_fragments_with_a_ping_between(
    nursery: trio.Nursery, connect: Connect
) -> None:
    caller = await connect(await serve(nursery, RecordingNode()))
    text = json.dumps(STATUS)
    await caller.send(
        ws_events.TextMessage(data=text[:10], message_finished=False),
        ws_events.Ping(),
        ws_events.TextMessage(data="", message_finished=False),
        ws_events.TextMessage(data=text[10:]),
    )
    assert isinstance(await caller.event(), ws_events.Pong)
    assert (await caller.answer())["id"] == 1


async def test_binary_messages_are_text_in_utf_8_or_refused(
    nursery: trio.Nursery, connect: Connect
) -> None:
    caller = await connect(await serve(nursery, RecordingNode()))
    await caller.send(ws_events.BytesMessage(data=json.dumps(STATUS).encode()))
    assert (await caller.answer())["id"] == 1
    await caller.send(ws_events.BytesMessage(data=b"\xff\xfe"))
    assert checked_error(await caller.answer())["code"] == -32700


@pytest.mark.parametrize("text", ["", "{", "[]", "[1,2]", "null", '{"jsonrpc":"2.0"}'])
async def test_a_malformed_message_is_refused_and_the_next_one_served(
    nursery: trio.Nursery, connect: Connect, text: str
) -> None:
    caller = await connect(await serve(nursery, RecordingNode()))
    await caller.send(ws_events.TextMessage(data=text))
    refused = await caller.answer()
    for answer in refused if isinstance(refused, list) else [refused]:
        assert checked_error(answer)["code"] in (-32700, -32600)
    assert (await caller.call(STATUS))["id"] == 1


async def test_an_oversized_message_closes_its_connection_only(
    nursery: trio.Nursery, connect: Connect
) -> None:
    endpoint = await serve(nursery, RecordingNode())
    caller = await connect(endpoint)
    await caller.send(ws_events.TextMessage(data=" " * (REQUEST_SIZE_BYTES_MAX + 1)))
    assert await caller.close_code() == 1009
    assert (await post(endpoint, STATUS)).status == 200


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x02{}", 1002),
        (b"\xf1\x80\x00\x00\x00\x00", 1002),
        (b"\x83\x80\x00\x00\x00\x00", 1002),
        (b"\x80\x80\x00\x00\x00\x00", 1002),
        (b"\x09\x80\x00\x00\x00\x00", 1002),
        (b"\x81\x81\x00\x00\x00\x00\xff", 1007),
    ],
)
async def test_a_broken_frame_closes_its_connection_only(
    nursery: trio.Nursery, connect: Connect, frame: bytes, code: int
) -> None:
    endpoint = await serve(nursery, RecordingNode())
    caller = await connect(endpoint)
    await caller.stream.send_all(frame)
    assert await caller.close_code() == code
    assert (await post(endpoint, STATUS)).status == 200


def frame(head: int, payload: bytes, shorten: int) -> bytes:
    """A masked frame (with a mask of zeros) whose announced length may be wrong."""
    size = max(0, len(payload) - shorten)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([head]) + length + bytes(4) + payload


FRAMES = st.lists(
    st.builds(
        frame,
        st.sampled_from([0x81, 0x82, 0x01, 0x00, 0x80, 0x88, 0x89, 0x8A]) | st.integers(0, 255),
        st.binary(max_size=200) | st.just(json.dumps(STATUS).encode()),
        st.sampled_from([0, 0, 0, 1, -3]),
    ),
    max_size=8,
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(frames=FRAMES)
async def test_any_frames_are_answered_in_form_or_end_their_connection(
    frames: list[bytes],
) -> None:
    async with trio.open_nursery() as nursery:
        endpoint = await serve(nursery, RecordingNode())
        caller = await Caller.connect(endpoint)
        await caller.stream.send_all(b"".join(frames))
        await caller.stream.send_eof()
        received = b"".join([chunk async for chunk in caller.stream])
        caller.socket.receive_data(received)
        for event in caller.socket.events():
            if isinstance(event, ws_events.TextMessage):
                answer = json.loads(event.data)
                assert answer["id"] == 1 or checked_error(answer)
        assert (await post(endpoint, STATUS)).status == 200
        await trio.aclose_forcefully(caller.stream)
        nursery.cancel_scope.cancel()


async def test_a_close_is_answered_and_what_was_ordered_is_still_done(
    nursery: trio.Nursery,
    connect: Connect,
) -> None:
    node = RecordingNode()
    node.hold()
    channel_id = open_payment_channel(node)
    caller = await connect(await serve(nursery, node))
    pay = request("payment_send", {"channel_id": "0x" + channel_id.hex(), "amount": "9"})
    await caller.send(
        ws_events.TextMessage(data=json.dumps(pay)), ws_events.CloseConnection(code=1000)
    )
    assert await caller.close_code() == 1000
    node.release()
    await wait_all_tasks_blocked()
    assert node.state.channels[channel_id].vouchers.total == 9


async def test_a_caller_that_vanishes_harms_nobody(nursery: trio.Nursery, connect: Connect) -> None:
    node = RecordingNode()
    node.hold()
    channel_id = "0x" + open_payment_channel(node).hex()
    endpoint = await serve(nursery, node)
    caller = await connect(endpoint)
    pay = request("payment_send", {"channel_id": channel_id, "amount": "1"})
    await caller.send(*[ws_events.TextMessage(data=json.dumps(pay))] * 10)
    await wait_all_tasks_blocked()
    await trio.aclose_forcefully(caller.stream)
    node.release()
    await wait_all_tasks_blocked()
    assert (await post(endpoint, STATUS)).status == 200


async def test_a_silent_caller_is_pinged_and_stays_if_it_answers(
    mock_clock: MockClock, nursery: trio.Nursery, connect: Connect
) -> None:
    caller = await connect(await serve(nursery, RecordingNode()))
    for _ in range(4):
        await wait_all_tasks_blocked()
        mock_clock.jump(PING_INTERVAL_S)
        ping = await caller.event()
        assert isinstance(ping, ws_events.Ping)
        await caller.send(ping.response())
        # What was sent before the call has been read when the call is answered.
        assert (await caller.call(STATUS))["id"] == 1


async def test_a_caller_that_answers_no_ping_is_cut_off(
    mock_clock: MockClock, nursery: trio.Nursery, connect: Connect
) -> None:
    caller = await connect(await serve(nursery, RecordingNode()))
    await wait_all_tasks_blocked()
    mock_clock.jump(PING_INTERVAL_S)
    assert isinstance(await caller.event(), ws_events.Ping)
    await wait_all_tasks_blocked()
    mock_clock.jump(PING_INTERVAL_S)
    while await caller.stream.receive_some(1_000):
        pass


async def test_a_caller_whose_payments_wait_is_pinged_and_found_gone(
    mock_clock: MockClock,
    nursery: trio.Nursery,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket, "IN_FLIGHT_COUNT_MAX", 2)
    node = RecordingNode()
    node.hold()
    channel_id = "0x" + open_payment_channel(node).hex()
    endpoint = await serve(nursery, node)
    caller = await connect(endpoint)
    pay = request("payment_send", {"channel_id": channel_id, "amount": "1"})
    await caller.send(*[ws_events.TextMessage(data=json.dumps(pay))] * 3)
    await wait_all_tasks_blocked(0.01)
    mock_clock.jump(PING_INTERVAL_S)
    assert isinstance(await caller.event(), ws_events.Ping)
    await trio.aclose_forcefully(caller.stream)
    # The first ping to a closed port is answered by a reset, the next one finds it.
    for _ in range(3):
        await wait_all_tasks_blocked(0.01)
        mock_clock.jump(PING_INTERVAL_S)
    await wait_all_tasks_blocked(0.01)
    node.release()
    await wait_all_tasks_blocked()
    assert len(node.commands) == 2
