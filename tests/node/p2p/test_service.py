"""Whole nodes over sockets of 127.0.0.1: good peers, lost peers and hostile ones."""

from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from node.p2p.connection import SecureConnection, secure
from node.p2p.errors import PeerError
from node.p2p.framing import Ack, ErrorFrame, Frame, Message
from node.p2p.hello import Identity
from node.p2p.noise import Handshake
from node.p2p.service import PeerService
from protocols.notes import encode_note
from protocols.routes import RouteAnswer
from tests.support.peer_nodes import (
    ADJUDICATOR,
    CHAIN_ID,
    FIFTH,
    FOURTH,
    HIGH,
    LOW,
    MIDDLE,
    QUICK,
    Inbox,
    Node,
    body,
    dial_raw,
    greet_raw,
    numbered,
    open_raw,
    running,
    send_raw,
    until,
)

ROOT = Path(__file__).resolve().parents[3]


async def last_words(connection: SecureConnection) -> Frame:
    """Read until the peer has said its last."""
    last: Frame | None = None
    with trio.fail_after(30):
        while True:
            try:
                last = await connection.receive_one()
            except PeerError:
                assert last is not None
                return last


async def test_two_nodes_exchange_messages_in_order_and_ack_them() -> None:
    high = Node(HIGH)
    async with running(high):
        low = Node(LOW, {HIGH.address: high.endpoint})
        async with running(low):
            await until(lambda: low.service.connected() and high.service.connected())
            low.post(HIGH.address, *numbered(1, 500))
            high.post(LOW.address, *numbered(1, 300))
            await until(lambda: len(high.inbox.messages) == 500)
            await until(lambda: len(low.inbox.messages) == 300)
            assert [m.sequence for m in high.inbox.messages] == list(range(1, 501))
            assert all(m.peer == LOW.address and m.body for m in high.inbox.messages)
            await until(lambda: low.inbox.acks and low.inbox.acks[-1].sequence == 500)
            await until(lambda: high.inbox.acks and high.inbox.acks[-1].sequence == 300)


async def test_a_peer_known_only_by_its_own_dial_is_reached_while_it_is_connected() -> None:
    high = Node(HIGH)
    async with running(high):
        low = Node(LOW, {HIGH.address: high.endpoint})
        async with running(low):
            await until(lambda: LOW.address in high.service.connected())
            high.post(LOW.address, *numbered(1, 3))
            await until(lambda: len(low.inbox.messages) == 3)
        await until(lambda: not high.service.connected())
        high.service.send(LOW.address, numbered(4, 4))
        high.service.acknowledge(LOW.address)
        assert high.calls[-1][:2] == ("disconnected", LOW.address)


async def test_messages_posted_before_the_peer_is_there_arrive_when_it_comes() -> None:
    with socket.socket() as placeholder:
        placeholder.bind(("127.0.0.1", 0))
        port = placeholder.getsockname()[1]
        low = Node(LOW, {HIGH.address: ("127.0.0.1", port)})
        async with running(low):
            low.post(HIGH.address, *numbered(1, 10))
            await until(lambda: low.count("connection_lost") >= 2)
            placeholder.close()
            high = Node(HIGH, port=port)
            async with running(high):
                await until(lambda: len(high.inbox.messages) == 10)


async def test_after_a_cut_only_what_the_peer_lacks_is_sent_again() -> None:
    high = Node(HIGH)
    async with running(high), ForwardingProxy(high) as proxy:
        low = Node(LOW, {HIGH.address: proxy.endpoint})
        async with running(low):
            await until(lambda: low.service.connected())
            low.post(HIGH.address, *numbered(1, 5))
            await until(lambda: low.inbox.acks and low.inbox.acks[-1].sequence == 5)
            proxy.cut()
            await until(lambda: not low.service.connected())
            low.post(HIGH.address, *numbered(6, 8))
            await until(lambda: len(high.inbox.messages) == 8)
            assert [m.sequence for m in high.inbox.messages] == list(range(1, 9))
            assert [call[2] for call in low.connections()] == [0, 5]
            kinds = [call[0] for call in low.calls]
            assert kinds == ["connected", "disconnected", "connected"]


async def test_many_cuts_lose_nothing_and_repeat_only_what_was_not_acked() -> None:
    high = Node(HIGH)
    async with running(high), ForwardingProxy(high) as proxy:
        low = Node(LOW, {HIGH.address: proxy.endpoint})
        async with running(low):
            sequences = count(1)
            for _ in range(5):
                for _ in range(20):
                    number = next(sequences)
                    low.post(HIGH.address, (number, body(number)))
                    await trio.sleep(0.001)
                proxy.cut()
            await until(lambda: high.received(LOW.address) == 100)
            seen = [m.sequence for m in high.inbox.messages]
            assert sorted(set(seen)) == list(range(1, 101))


async def test_the_back_off_doubles_while_nobody_answers(autojump_clock: MockClock) -> None:
    draws: list[float] = []

    def uniform() -> float:
        draws.append(trio.current_time())
        return 0.0

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        limits = replace(QUICK, backoff_first_s=0.04, backoff_max_s=0.16)
        low = Node(LOW, {HIGH.address: closed.getsockname()}, uniform=uniform, limits=limits)
        async with running(low):
            await until(lambda: len(draws) >= 6)
    gaps = [later - earlier for earlier, later in pairwise(draws)]
    for gap, expected in zip(gaps, (0.04, 0.08, 0.16, 0.16, 0.16), strict=False):
        assert gap == pytest.approx(expected)


async def test_two_nodes_that_dial_each_other_keep_one_session() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        low = Node(LOW, {HIGH.address: ("127.0.0.1", port)})
        async with running(low):
            reserved.close()
            high = Node(HIGH, {LOW.address: low.endpoint}, port=port)
            async with running(high):
                await until(lambda: low.service.connected() and high.service.connected())
                low.post(HIGH.address, *numbered(1, 50))
                high.post(LOW.address, *numbered(1, 50))
                await until(lambda: high.received(LOW.address) == 50)
                await until(lambda: low.received(HIGH.address) == 50)

                def is_one_session() -> bool:
                    """They may have held one each for a moment, and each drops its own."""
                    ours, theirs = (node.service.statistics().sessions for node in (low, high))
                    return [s.dialled for s in ours] == [not s.dialled for s in theirs]

                await until(is_one_session)
                assert len(low.service.statistics().sessions) == 1


async def test_a_peer_that_dials_again_replaces_its_old_session() -> None:
    low = Node(LOW)
    async with running(low):
        first = await greet_raw(low, HIGH)
        await until(lambda: low.service.connected() == {HIGH.address})
        second = await greet_raw(low, HIGH)
        assert await last_words(first) == ErrorFrame(
            "duplicate_session", "a newer session takes precedence"
        )
        await send_raw(second, Message(1, 0, body(1)))
        await until(lambda: len(low.inbox.messages) == 1)
        assert [call[0] for call in low.calls] == ["connected", "disconnected", "connected"]


@pytest.mark.slow
async def test_a_dead_session_that_takes_precedence_is_probed_and_cut() -> None:
    (silent,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    low = Node(LOW, {HIGH.address: silent.socket.getsockname()})
    async with silent, running(low) as nursery:
        nursery.start_soon(answer_and_fall_silent, silent)
        await until(lambda: low.service.connected())
        late = await greet_raw(low, HIGH)
        refusal = await last_words(late)
        assert isinstance(refusal, ErrorFrame)
        assert refusal.code == "duplicate_session"
        await until(lambda: low.count("peer_silent") == 1)
        await silent.aclose()
        later = await greet_raw(low, HIGH)
        await send_raw(later, Message(1, 0, body(1)))
        await until(lambda: len(low.inbox.messages) == 1)


async def answer_and_fall_silent(listener: trio.SocketListener) -> None:
    async with await listener.accept() as stream:
        connection = await secure(stream, Handshake(HIGH, initiator=False))
        await send_raw(connection, Identity(CHAIN_ID, ADJUDICATOR, HIGH.address).hello(0))
        await trio.sleep_forever()


@pytest.mark.slow
async def test_a_live_session_that_takes_precedence_survives_the_probe() -> None:
    high = Node(HIGH)
    async with running(high):
        low = Node(LOW, {HIGH.address: high.endpoint})
        async with running(low):
            await until(lambda: low.service.connected())
            late = await greet_raw(low, HIGH)
            refusal = await last_words(late)
            assert isinstance(refusal, ErrorFrame)
            assert refusal.code == "duplicate_session"
            await trio.sleep(2 * QUICK.probe_timeout_s)
            assert low.count("peer_silent") == 0
            assert len(low.connections()) == 1


async def test_an_endpoint_that_accepts_and_stays_silent_is_given_up_in_time() -> None:
    (silent,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    limits = replace(QUICK, handshake_timeout_s=0.05)
    low = Node(LOW, {HIGH.address: silent.socket.getsockname()}, limits=limits)
    async with silent, running(low):
        await until(lambda: low.count("handshake_timeout") >= 2)


async def test_a_session_that_was_stable_starts_the_back_off_over() -> None:
    limits = replace(QUICK, stable_session_s=0.0, backoff_first_s=0.01, backoff_max_s=60.0)
    high = Node(HIGH)
    async with running(high), ForwardingProxy(high) as proxy:
        low = Node(LOW, {HIGH.address: proxy.endpoint}, limits=limits)
        async with running(low):
            # Without a reset the twelfth dial alone would wait for 20 s.
            for connections in range(1, 13):
                await until(lambda expected=connections: len(low.connections()) == expected)
                proxy.cut()


async def test_a_peer_that_comes_by_itself_is_not_dialled_meanwhile() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        low = Node(LOW, {HIGH.address: closed.getsockname()})
        async with running(low):
            connection = await greet_raw(low, HIGH)
            await until(lambda: low.service.connected())
            await trio.sleep(QUICK.backoff_max_s)
            dials = low.count("dialled")
            await trio.sleep(2 * QUICK.backoff_max_s)
            assert low.count("dialled") == dials
            await connection.aclose()
            await until(lambda: low.count("dialled") > dials)


async def test_another_identity_at_the_dialled_address_is_refused() -> None:
    stranger = Node(MIDDLE)
    async with running(stranger):
        low = Node(LOW, {HIGH.address: stranger.endpoint})
        with capture_logs() as logs:
            async with running(low):
                await until(lambda: low.count("wrong_identity") >= 2)
                assert low.service.connected() == stranger.service.connected() == frozenset()
        assert any(
            entry["code"] == "wrong_identity" and entry["peer"].startswith("0x") for entry in logs
        )


@pytest.mark.parametrize(
    ("identity", "code"),
    [
        (Identity(1, ADJUDICATOR, HIGH.address), "wrong_chain_id"),
        (Identity(CHAIN_ID, b"\x01" * 20, HIGH.address), "wrong_adjudicator"),
        (Identity(CHAIN_ID, ADJUDICATOR, MIDDLE.address), "wrong_hello_address"),
    ],
)
async def test_a_hello_that_does_not_fit_is_refused_by_name_and_the_node_goes_on(
    identity: Identity, code: str
) -> None:
    low = Node(LOW)
    async with running(low):
        connection = await dial_raw(low, HIGH)
        with capture_logs() as logs:
            await send_raw(connection, identity.hello(0))
            refusal = await last_words(connection)
            await until(lambda: low.count(code) == 1)
        assert isinstance(refusal, ErrorFrame)
        assert refusal.code == code
        assert low.calls == []
        assert [(e["event"], e["code"]) for e in logs] == [("peer refused", code)]
        await greet_raw(low, HIGH)
        await until(lambda: low.service.connected())


async def test_nodes_of_two_chains_tell_each_other_and_keep_trying() -> None:
    high = Node(HIGH, chain_id=1)
    async with running(high):
        low = Node(LOW, {HIGH.address: high.endpoint})
        async with running(low):
            await until(lambda: low.count("wrong_chain_id") + low.count("refused_by_peer") >= 2)
            assert low.service.connected() == frozenset()
            assert high.inbox.items == low.inbox.items == []


async def test_another_frame_than_the_hello_is_refused() -> None:
    low = Node(LOW)
    async with running(low):
        connection = await dial_raw(low, HIGH)
        await send_raw(connection, Ack(1))
        refusal = await last_words(connection)
        assert isinstance(refusal, ErrorFrame)
        assert refusal.code == "unexpected_frame"
        assert low.inbox.items == []


async def test_a_node_does_not_talk_to_itself() -> None:
    low = Node(LOW)
    async with running(low):
        connection = await dial_raw(low, LOW)
        await send_raw(connection, Identity(CHAIN_ID, ADJUDICATOR, LOW.address).hello(0))
        refusal = await last_words(connection)
        assert isinstance(refusal, ErrorFrame)
        assert refusal.code == "self_connection"


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"\x00" * 64]
)
async def test_garbage_before_the_handshake_is_a_counter_and_nothing_else(garbage: bytes) -> None:
    low = Node(LOW)
    async with running(low):
        with capture_logs() as logs:
            stream = await open_raw(low)
            await stream.send_all(garbage)
            await until(lambda: low.count("handshake_failed") == 1)
        assert logs == low.inbox.items == low.calls == []
        with trio.fail_after(30):
            assert await is_cut(stream)


async def test_a_key_of_low_order_does_not_stop_the_node() -> None:
    low = Node(LOW)
    async with running(low):
        stream = await open_raw(low)
        await stream.send_all(b"\x00\x20" + bytes(32))
        await until(lambda: low.count("handshake_failed") == 1)
        await greet_raw(low, HIGH)


async def test_a_stranger_that_stays_silent_loses_its_place_in_time() -> None:
    low = Node(LOW, limits=replace(QUICK, handshake_timeout_s=0.1))
    async with running(low):
        stream = await open_raw(low)
        await until(lambda: low.count("handshake_timeout") == 1)
        assert low.service.statistics().half_open_count == 0
        await stream.aclose()


async def test_a_flood_of_half_open_connections_is_bounded_and_keeps_nobody_out() -> None:
    low = Node(LOW, limits=replace(QUICK, half_open_count_max=8, handshake_timeout_s=30.0))
    async with running(low):
        flood = [await open_raw(low) for _ in range(60)]
        await until(lambda: low.count("accepted") == 60)
        await until(lambda: low.count("handshake_timeout") == 52)
        assert low.service.statistics().half_open_count == 8
        connection = await greet_raw(low, HIGH)
        await send_raw(connection, Message(1, 0, body(1)))
        await until(lambda: len(low.inbox.messages) == 1)
        for stream in flood:
            await stream.aclose()


async def test_strangers_beyond_the_places_are_refused_by_name_and_known_peers_are_not() -> None:
    limits = replace(QUICK, stranger_session_count_max=1)
    low = Node(LOW, {HIGH.address: ("127.0.0.1", 1)}, limits=limits)
    async with running(low):
        await greet_raw(low, FOURTH)
        await until(lambda: low.service.connected())
        refusal = await last_words(await greet_raw(low, FIFTH))
        assert isinstance(refusal, ErrorFrame)
        assert refusal.code == "too_many_sessions"
        await until(lambda: low.count("too_many_sessions") == 1)
        await greet_raw(low, HIGH)
        await until(lambda: low.service.connected() == {FOURTH.address, HIGH.address})


async def is_cut(stream: trio.SocketStream) -> bool:
    try:
        return not await stream.receive_some()
    except trio.BrokenResourceError:
        return True


@pytest.mark.parametrize(
    ("plaintext", "code"),
    [
        (b"\x00\x00\x00\x01\xc1", "malformed_frame"),
        (b"\x00\x10\x00\x01", "frame_too_large"),
        (b"\xff\xff\xff\xff", "frame_too_large"),
    ],
)
async def test_a_peer_that_breaks_the_framing_is_cut_and_the_fault_recorded(
    plaintext: bytes, code: str
) -> None:
    low = Node(LOW)
    async with running(low):
        connection = await greet_raw(low, HIGH)
        await connection.send(plaintext, 1.0)
        refusal = await last_words(connection)
        assert isinstance(refusal, ErrorFrame)
        assert refusal.code == code
        await until(lambda: low.inbox.faults)
        assert low.inbox.faults[0].error_code == code
        await until(lambda: not low.service.connected())
        await greet_raw(low, HIGH)
        await until(lambda: low.service.connected())


async def test_a_replayed_record_is_refused_and_its_message_not_delivered_twice() -> None:
    high = Node(HIGH)
    async with running(high), ForwardingProxy(high, replay=True) as proxy:
        low = Node(LOW, {HIGH.address: proxy.endpoint}, limits=replace(QUICK, backoff_first_s=9.0))
        async with running(low):
            await until(lambda: low.service.connected())
            await until(lambda: high.service.connected())
            proxy.replaying = True
            low.post(HIGH.address, *numbered(1, 1))
            await until(lambda: high.inbox.faults)
            assert high.inbox.faults[0].error_code == "decryption_failed"
            assert [m.sequence for m in high.inbox.messages] == [1]


async def test_a_replayed_handshake_is_refused() -> None:
    high = Node(HIGH)
    async with running(high), ForwardingProxy(high) as proxy:
        low = Node(LOW, {HIGH.address: proxy.endpoint})
        async with running(low):
            await until(lambda: high.service.connected())
        await until(lambda: not high.service.connected())
        accepted = high.count("accepted")
        stream = await open_raw(high)
        await stream.send_all(bytes(proxy.upstream))
        await until(lambda: high.count("handshake_failed") == 1)
        assert high.count("accepted") == accepted + 1
        assert high.service.connected() == frozenset()


async def test_a_peer_that_stops_reading_is_cut() -> None:
    low = Node(LOW, limits=replace(QUICK, write_timeout_s=0.3))
    async with running(low):
        await greet_raw(low, HIGH)
        await until(lambda: low.service.connected())
        big = body(1) + bytes(500_000)
        low.service.send(HIGH.address, [(n, big) for n in range(1, 31)])
        await until(lambda: low.count("write_stalled") == 1)
        assert low.service.connected() == frozenset()


async def test_a_busy_engine_slows_its_peer_down_and_loses_nothing() -> None:
    inbox = Inbox(room=10)
    high = Node(HIGH, inbox=inbox, auto_ack=False)
    async with running(high):
        low = Node(LOW, {HIGH.address: high.endpoint})
        async with running(low):
            await until(lambda: low.service.connected())
            low.post(HIGH.address, *numbered(1, 2_000))
            await until(lambda: inbox.waited_count)
            assert len(inbox.messages) == 10
            inbox.give_room(None)
            await until(lambda: len(inbox.messages) == 2_000)
            assert [m.sequence for m in inbox.messages] == list(range(1, 2_001))


async def test_nagle_is_off_on_both_sides() -> None:
    low = Node(LOW)
    async with running(low):
        connection = await greet_raw(low, HIGH)
        stream = connection._stream
        assert isinstance(stream, trio.SocketStream)
        assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    near = await trio.open_tcp_stream(*listeners[0].socket.getsockname())
    far = await listeners[0].accept()
    assert far.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    for resource in (near, far, listeners[0]):
        await resource.aclose()


async def test_a_port_in_use_is_an_error_of_run() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        node = Node(LOW, port=taken.getsockname()[1])
        with pytest.RaisesGroup(OSError, flatten_subgroups=True):
            async with running(node):
                raise AssertionError("it must not start")


async def test_budgets_of_peers_that_left_are_remembered_within_a_bound() -> None:
    service = Node(LOW, limits=replace(QUICK, budget_count_max=2)).service
    first = service._budget(b"\x01" * 20)
    service._budget(b"\x02" * 20)
    assert service._budget(b"\x01" * 20) is first
    service._budget(b"\x03" * 20)
    assert service._budget(b"\x01" * 20) is first
    assert len(service._budgets) == 2


async def test_refusals_are_logged_within_a_bound() -> None:
    low = Node(LOW)
    async with running(low):
        with capture_logs() as logs:
            for _ in range(30):
                connection = await dial_raw(low, HIGH)
                await send_raw(connection, Identity(1, ADJUDICATOR, HIGH.address).hello(0))
                await last_words(connection)
            await until(lambda: low.count("wrong_chain_id") == 30)
        assert 20 <= len(logs) < 30


CHILD = """
import sys, trio
from tests.support.peer_nodes import HIGH, LOW, Node, numbered, running, until

async def main(port: int) -> None:
    high = Node(HIGH, {LOW.address: ("127.0.0.1", port)})
    async with running(high):
        high.post(LOW.address, *numbered(1, 1000))
        await until(lambda: high.received(LOW.address) == 1000, 30.0)
        await until(lambda: high.inbox.acks and high.inbox.acks[-1].sequence == 1000, 30.0)
        assert len(high.inbox.messages) == 1000
        await trio.to_thread.run_sync(sys.stdin.read)

trio.run(main, int(sys.argv[1]))
"""


@pytest.mark.slow
async def test_two_processes_exchange_a_thousand_messages_each_way() -> None:
    low = Node(LOW)
    async with running(low):
        low.post(HIGH.address, *numbered(1, 1_000))
        command = [sys.executable, "-c", CHILD, str(low.port)]
        child = await trio.lowlevel.open_process(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        assert child.stdin is not None
        try:
            await until(lambda: low.received(HIGH.address) == 1_000, 60.0)
            await until(lambda: low.inbox.acks and low.inbox.acks[-1].sequence == 1_000, 30.0)
            assert [m.sequence for m in low.inbox.messages] == list(range(1, 1_001))
            # The child ends by itself once it is satisfied too; if it is not, not with code 0.
            await child.stdin.aclose()
            with trio.fail_after(30.0):
                assert await child.wait() == 0
        finally:
            child.kill()


def test_the_service_needs_no_clock_and_no_loop_to_be_made() -> None:
    service: PeerService = Node(LOW).service
    assert service.connected() == frozenset()
    assert service.statistics().counts == {}


class ForwardingProxy:
    """A TCP proxy in front of a node: it can cut everything, and say things twice."""

    def __init__(self, node: Node, replay: bool = False) -> None:
        self.upstream = bytearray()
        self.replaying = False
        self._node = node
        self._replay = replay
        self._scopes: set[trio.CancelScope] = set()

    @property
    def endpoint(self) -> tuple[str, int]:
        return ("127.0.0.1", self._port)

    def cut(self) -> None:
        for scope in self._scopes:
            scope.cancel()

    async def __aenter__(self) -> ForwardingProxy:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self._port = listeners[0].socket.getsockname()[1]
        self._manager = trio.open_nursery()
        self._nursery = await self._manager.__aenter__()
        self._nursery.start_soon(trio.serve_listeners, self._serve, listeners)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._nursery.cancel_scope.cancel()
        await self._manager.__aexit__(None, None, None)

    async def _serve(self, near: trio.SocketStream) -> None:
        far = await trio.open_tcp_stream(*self._node.endpoint)
        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            async with near, far, trio.open_nursery() as nursery:
                nursery.start_soon(self._pump, near, far, True)
                nursery.start_soon(self._pump, far, near, False)
        self._scopes.discard(scope)

    async def _pump(self, source: trio.SocketStream, target: trio.SocketStream, up: bool) -> None:
        try:
            async for data in source:
                if up:
                    self.upstream += data
                await target.send_all(bytes(data) * (2 if up and self.replaying else 1))
            await target.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            for scope in self._scopes:
                scope.cancel()


async def test_a_word_reaches_a_peer_that_is_connected_and_no_other() -> None:
    high = Node(HIGH)
    async with running(high):
        low = Node(LOW, {HIGH.address: high.endpoint})
        note = RouteAnswer(b"n" * 16, ())
        async with running(low):
            await until(lambda: low.service.connected() and high.service.connected())
            assert low.service.say(HIGH.address, encode_note(note))
            await until(lambda: high.notes)
            assert high.notes == [(LOW.address, note)]
            assert not low.service.say(MIDDLE.address, encode_note(note))
