"""One conversation over an in-memory stream: order, acks, budgets, silence and faults."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
import trio
from trio.testing import (
    MemoryReceiveStream,
    MemorySendStream,
    MockClock,
    memory_stream_pair,
    wait_all_tasks_blocked,
)

from node.p2p.connection import SecureConnection, secure
from node.p2p.errors import (
    ConnectionLost,
    DuplicateSession,
    FramingFault,
    MalformedFrame,
    PeerError,
    PeerSilent,
    RefusedByPeer,
    UnexpectedFrame,
    WriteStalled,
)
from node.p2p.framing import (
    Ack,
    ErrorFrame,
    Frame,
    Hello,
    Message,
    NoteFrame,
    Ping,
    Pong,
    encode_frames,
)
from node.p2p.hello import Identity
from node.p2p.limits import NOTE_COUNT_MAX, PeerLimits
from node.p2p.noise import Handshake
from node.p2p.rate import TokenBucket
from node.p2p.session import Session, SessionPorts
from protocols.errors import InvalidSignature
from protocols.notes import Note, encode_note
from protocols.routes import RouteAnswer
from protocols.types import Address
from tests.support.peer_nodes import (
    ADJUDICATOR,
    CHAIN_ID,
    HIGH,
    LOW,
    Inbox,
    body,
    numbered,
    send_raw,
)
from tests.support.streams import socket_stream_pair

LIMITS = PeerLimits()


@dataclass
class Talk:
    """A session of LOW with the test speaking for HIGH."""

    session: Session
    far: SecureConnection
    near: trio.SocketStream | trio.StapledStream[MemorySendStream, MemoryReceiveStream]
    inbox: Inbox
    durable: list[int]
    asked: list[int]
    ended: list[PeerError]

    async def frames(self) -> list[Frame]:
        """What the session writes next."""
        return (await self.far.receive()).frames

    async def ending(self) -> PeerError:
        await self.session.closed.wait()
        await trio.testing.wait_all_tasks_blocked()
        return self.ended[0]


@asynccontextmanager
async def talking(
    *,
    limits: PeerLimits = LIMITS,
    received_sequence: int = 0,
    told_sequence: int = 0,
    durable_sequence: int = 0,
    inbox: Inbox | None = None,
    on_sent: Callable[[], None] | None = None,
    on_note: Callable[[Address, Note], None] | None = None,
    rate_per_s: float = 1e9,
    burst: float = 1e9,
    more: Callable[[], list[tuple[int, bytes]]] = list,
    over_sockets: bool = False,
) -> AsyncIterator[Talk]:
    near, far = socket_stream_pair() if over_sockets else memory_stream_pair()
    sides: dict[bool, SecureConnection] = {}

    async def shake(stream: trio.abc.Stream, initiator: bool) -> None:
        handshake = Handshake(
            LOW if initiator else HIGH,
            initiator=initiator,
            expected=HIGH.address if initiator else None,
        )
        sides[initiator] = await secure(stream, handshake)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(shake, near, True)
        nursery.start_soon(shake, far, False)
    inbox, durable, asked, ended = inbox or Inbox(), [durable_sequence], [], []

    def on_connected(peer: Address, sequence: int) -> None:
        asked.append(sequence)
        session.send(more())

    session = Session(
        sides[True],
        Identity(CHAIN_ID, ADJUDICATOR, HIGH.address).hello(received_sequence),
        dialled=True,
        told_sequence=told_sequence,
        limits=limits,
        budget=TokenBucket(rate_per_s, burst, trio.current_time()),
        ports=SessionPorts(inbox, lambda peer: durable[0], on_connected, on_sent, on_note),
    )

    async def run() -> None:
        ended.append(await session.run())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        yield Talk(session, sides[False], near, inbox, durable, asked, ended)
        nursery.cancel_scope.cancel()
    await sides[False].aclose()


async def test_everything_queued_leaves_in_one_write() -> None:
    async with talking() as talk:
        talk.session.send(numbered(1, 50))
        talk.session.send(numbered(51, 100))
        received = await talk.far.receive()
        assert [f.sequence for f in received.frames if isinstance(f, Message)] == list(
            range(1, 101)
        )
        assert received.size_bytes == talk.session.statistics().sent_size_bytes


async def test_who_asked_is_told_after_a_write_with_messages_and_of_no_other() -> None:
    told: list[int] = []
    async with talking(on_sent=lambda: told.append(1)) as talk:
        talk.session.ping()
        assert [type(frame) for frame in await talk.frames()] == [Ping]
        assert told == []
        talk.session.send(numbered(1, 3))
        await talk.frames()
        await trio.testing.wait_all_tasks_blocked()
        assert told == [1]
        talk.session.send(numbered(4, 4))
        await talk.frames()
        await trio.testing.wait_all_tasks_blocked()
        assert told == [1, 1]


async def test_a_large_queue_is_split_into_bounded_writes() -> None:
    async with talking() as talk:
        big = body(1) + bytes(90_000)
        talk.session.send([(n, big) for n in range(1, 6)])
        count = 0
        while count < 5:
            received = await talk.far.receive()
            assert received.size_bytes <= 262_144
            count += len(received.frames)


async def test_what_was_queued_or_is_held_by_the_peer_is_not_sent_again() -> None:
    async with talking(received_sequence=3) as talk:
        talk.session.send(numbered(1, 5))
        talk.session.send(numbered(4, 6))
        assert [f.sequence for f in await talk.frames() if isinstance(f, Message)] == [4, 5, 6]


async def test_an_ack_rides_on_the_next_message() -> None:
    async with talking() as talk:
        talk.durable[0] = 7
        talk.session.acknowledge()
        talk.session.send(numbered(1, 2))
        assert [(f.sequence, f.ack) for f in await talk.frames() if isinstance(f, Message)] == [
            (1, 7),
            (2, 7),
        ]


async def test_an_ack_alone_waits_for_a_message_and_then_goes(autojump_clock: MockClock) -> None:
    async with talking() as talk:
        talk.durable[0] = 5
        asked_s = trio.current_time()
        talk.session.acknowledge()
        talk.session.acknowledge()
        assert await talk.frames() == [Ack(5)]
        assert trio.current_time() - asked_s == pytest.approx(LIMITS.ack_delay_s)
        with trio.move_on_after(1.0) as quiet:
            await talk.frames()
        assert quiet.cancelled_caught


async def test_an_ack_that_did_not_rise_is_not_sent(autojump_clock: MockClock) -> None:
    async with talking() as talk:
        talk.session.acknowledge()
        with trio.move_on_after(1.0) as quiet:
            await talk.frames()
        assert quiet.cancelled_caught


async def test_an_ack_is_sampled_when_the_engine_says_so_and_not_later() -> None:
    async with talking() as talk:
        talk.durable[0] = 9
        talk.session.send(numbered(1, 1))
        assert [f.ack for f in await talk.frames() if isinstance(f, Message)] == [0]


async def test_messages_are_handed_over_decoded_with_their_size() -> None:
    async with talking() as talk:
        await send_raw(talk.far, *(Message(n, 0, b) for n, b in numbered(1, 3)))
        while len(talk.inbox.items) < 3:
            await talk.inbox.changed()
        first = talk.inbox.messages[0]
        assert (first.peer, first.sequence, first.fault) == (HIGH.address, 1, "")
        assert first.body is not None
        assert first.size_bytes == len(body(1))


@pytest.mark.parametrize(
    "content",
    [b"", b"\xc1", b"\x92\xa5other\x01", b"\x93\xa6reject\xc4\x20" + bytes(32) + b"\xa1\xff"],
)
async def test_a_body_that_does_not_decode_is_a_numbered_message_with_its_fault(
    content: bytes,
) -> None:
    async with talking() as talk:
        await send_raw(talk.far, Message(1, 0, content), Message(2, 0, body(2)))
        while len(talk.inbox.items) < 2:
            await talk.inbox.changed()
        bad, good = talk.inbox.messages
        assert (bad.sequence, bad.body, bad.size_bytes) == (1, None, len(content))
        assert bad.fault
        assert good.body is not None


async def test_acks_are_submitted_only_when_they_rise(autojump_clock: MockClock) -> None:
    async with talking() as talk:
        await send_raw(talk.far, Ack(1), Message(1, 3, body(1)), Ack(2))
        await trio.sleep(1.0)
        await send_raw(talk.far, Ack(3), Ack(1))
        await trio.sleep(1.0)
        await send_raw(talk.far, Ack(4))
        await trio.sleep(1.0)
        assert [ack.sequence for ack in talk.inbox.acks] == [3, 4]


async def test_what_the_hello_acknowledges_is_an_ack() -> None:
    async with talking(received_sequence=41) as talk:
        while not talk.inbox.acks:
            await talk.inbox.changed()
        assert talk.inbox.acks[0].sequence == 41


async def test_a_full_engine_makes_the_reader_wait() -> None:
    inbox = Inbox(room=2)
    async with talking(inbox=inbox) as talk:
        await send_raw(talk.far, *(Message(n, 0, b) for n, b in numbered(1, 5)))
        await trio.testing.wait_all_tasks_blocked()
        assert (len(inbox.messages), inbox.waited_count) == (2, 1)
        inbox.give_room(None)
        while len(inbox.messages) < 5:
            await inbox.changed()
        assert [m.sequence for m in inbox.messages] == [1, 2, 3, 4, 5]


async def test_a_peer_over_its_byte_budget_is_read_later(autojump_clock: MockClock) -> None:
    async with talking(rate_per_s=1_000.0, burst=1_000.0) as talk:
        started_s = trio.current_time()
        await send_raw(talk.far, Message(1, 0, body(1) + bytes(20_000)))
        await talk.inbox.changed()
        await send_raw(talk.far, Message(2, 0, body(2)))
        while len(talk.inbox.messages) < 2:
            await talk.inbox.changed()
        assert trio.current_time() - started_s == pytest.approx(19.2, abs=0.3)


async def test_a_ping_is_answered_and_a_pong_gives_the_round_trip(
    autojump_clock: MockClock,
) -> None:
    async with talking() as talk:
        await send_raw(talk.far, Ping(77))
        assert await talk.frames() == [Pong(77)]
        talk.session.ping()
        assert await talk.frames() == [Ping(1)]
        await trio.sleep(0.25)
        await send_raw(talk.far, Pong(99), Pong(1))
        await trio.testing.wait_all_tasks_blocked()
        assert talk.session.statistics().round_trip_s == pytest.approx(0.25)


async def test_a_flood_of_pings_costs_one_pong_per_write() -> None:
    async with talking() as talk:
        await send_raw(talk.far, *(Ping(n) for n in range(1_000)))
        assert await talk.frames() == [Pong(999)]


async def test_a_quiet_session_asks_for_a_sign_of_life_and_is_cut_without_one(
    autojump_clock: MockClock,
) -> None:
    async with talking() as talk:
        assert await talk.frames() == [Ping(1)]
        assert trio.current_time() - talk.session.started_s == pytest.approx(10.0)
        assert await talk.frames() == [Ping(2)]
        ended = await talk.ending()
        assert isinstance(ended, PeerSilent)
        assert talk.session.age_s() == pytest.approx(30.0)
        await trio.sleep(5.0)
        assert talk.session.age_s() == pytest.approx(30.0)


async def test_a_stalled_reader_is_cut(autojump_clock: MockClock) -> None:
    async with talking() as talk:

        async def never_taken() -> None:
            await trio.sleep_forever()

        assert isinstance(talk.near, trio.StapledStream)
        talk.near.send_stream.send_all_hook = never_taken
        talk.session.send(numbered(1, 1))
        assert isinstance(await talk.ending(), WriteStalled)
        assert talk.session.age_s() == pytest.approx(LIMITS.write_timeout_s)


async def test_what_a_socket_takes_has_left_when_send_returns() -> None:
    told: list[int] = []
    async with talking(over_sockets=True, on_sent=lambda: told.append(1)) as talk:
        await wait_all_tasks_blocked()
        talk.session.send(numbered(1, 3))
        assert told == [1]
        assert talk.session.statistics().queued_message_count == 0
        assert await talk.frames() == [Message(n, 0, body(n)) for n in (1, 2, 3)]


async def test_an_ack_told_before_a_message_leaves_with_it() -> None:
    async with talking(over_sockets=True) as talk:
        await wait_all_tasks_blocked()
        talk.durable[0] = 7
        talk.session.acknowledge()
        talk.session.send(numbered(1, 1))
        assert await talk.frames() == [Message(1, 7, body(1))]


async def test_a_message_that_is_answered_in_its_own_turn_wakes_its_reader_alone() -> None:
    steps: list[str] = []

    class Steps(trio.abc.Instrument):
        def before_task_step(self, task: trio.lowlevel.Task) -> None:
            steps.append(task.name.rpartition(".")[2])

    async with talking(over_sockets=True) as talk:
        await wait_all_tasks_blocked()

        def answer() -> None:
            talk.durable[0] += 1
            talk.session.acknowledge()
            talk.session.send(numbered(talk.durable[0], talk.durable[0]))

        talk.inbox.on_prompt = answer
        instrument = Steps()
        trio.lowlevel.add_instrument(instrument)
        for number in range(1, 4):
            await send_raw(talk.far, Message(number, 0, body(number)))
            assert await talk.frames() == [Message(number, number, body(number))]
        trio.lowlevel.remove_instrument(instrument)
        loops = {"_read", "_write", "_see_to_acks", "_watch"}
        assert [name for name in steps if name in loops] == ["_read"] * 3


async def test_acks_are_handed_over_with_messages_now_and_then_the_newest_for_all(
    autojump_clock: MockClock,
) -> None:
    async with talking() as talk:
        for number in range(1, 21):
            await send_raw(talk.far, Message(number, number, body(number)))
            await trio.sleep(LIMITS.ack_delay_s / 8)
        assert [ack.sequence for ack in talk.inbox.acks] == [1, 9, 17]
        assert talk.inbox.prompt_count == len(talk.inbox.messages)


async def test_a_quiet_peers_newest_ack_is_handed_over_alone(autojump_clock: MockClock) -> None:
    async with talking() as talk:
        await send_raw(talk.far, Message(1, 0, body(1)))
        await trio.sleep(LIMITS.ack_quiet_s * 0.01)
        for number in range(1, 5):
            await send_raw(talk.far, Ack(number))
            await trio.sleep(LIMITS.ack_quiet_s * 0.2)
        assert talk.inbox.acks == []
        await trio.sleep(LIMITS.ack_quiet_s * 0.3)
        assert [ack.sequence for ack in talk.inbox.acks] == [4]
        assert talk.inbox.prompt_count >= 2
        await send_raw(talk.far, Ack(3), Message(2, 4, body(2)))
        await trio.sleep(1.0)
        assert len(talk.inbox.acks) == 1


async def test_who_says_nothing_but_acks_is_heard_all_the_same(autojump_clock: MockClock) -> None:
    async with talking() as talk:
        for number in range(1, 101):
            await send_raw(talk.far, Ack(number))
            await trio.sleep(LIMITS.ack_quiet_s / 10)
        heard = [ack.sequence for ack in talk.inbox.acks]
        assert heard[-1] >= 90
        assert 8 <= len(heard) <= 10


async def test_our_ack_is_not_late_because_the_peers_waits(autojump_clock: MockClock) -> None:
    async with talking() as talk:
        await send_raw(talk.far, Ack(1))
        await trio.sleep(LIMITS.ack_quiet_s / 10)
        talk.durable[0], asked_s = 5, trio.current_time()
        talk.session.acknowledge()
        assert await talk.frames() == [Ack(5)]
        assert trio.current_time() - asked_s == pytest.approx(LIMITS.ack_delay_s)
        assert talk.inbox.acks == []


async def test_an_ack_waits_for_room_in_the_queue(autojump_clock: MockClock) -> None:
    inbox = Inbox(room=0)
    async with talking(inbox=inbox) as talk:
        await send_raw(talk.far, Ack(1))
        await trio.sleep(1.0)
        assert (inbox.acks, inbox.waited_count) == ([], 0)
        inbox.give_room(1)
        await trio.sleep(LIMITS.ack_quiet_s)
        assert [ack.sequence for ack in inbox.acks] == [1]


async def test_an_ack_that_was_not_handed_over_yet_outlives_the_session() -> None:
    async with talking() as talk:
        await send_raw(talk.far, Message(1, 0, body(1)), Ack(4))
        await wait_all_tasks_blocked()
        await send_raw(talk.far, Ack(5))
        await wait_all_tasks_blocked()
        assert [ack.sequence for ack in talk.inbox.acks] == [4]
        talk.session.close(PeerSilent("a test ends it"))
        await talk.ending()
        assert [ack.sequence for ack in talk.inbox.acks] == [4, 5]


async def test_what_came_before_a_frame_that_ends_the_session_is_carried_out() -> None:
    async with talking() as talk:
        await send_raw(talk.far, Message(1, 0, body(1)), Ping(1), ErrorFrame("closing", "bye"))
        assert isinstance(await talk.ending(), RefusedByPeer)
        assert len(talk.inbox.messages) == 1
        assert talk.inbox.prompt_count == 1


async def test_what_a_socket_leaves_follows_in_order_and_is_told_when_it_is_gone() -> None:
    told: list[int] = []
    count = 40
    async with talking(over_sockets=True, on_sent=lambda: told.append(1)) as talk:
        await wait_all_tasks_blocked()
        for number in range(1, count + 1):
            talk.session.send([(number, bytes(60_000))])
        assert len(told) < count
        taken = len(told)
        await wait_all_tasks_blocked(0.01)
        assert len(told) == taken, "the socket is full, and nobody reads"
        numbers: list[int] = []
        while len(numbers) < count:
            numbers += [f.sequence for f in await talk.frames() if isinstance(f, Message)]
        assert numbers == list(range(1, count + 1))
        await wait_all_tasks_blocked(0.01)
        assert len(told) > taken
        assert talk.session.statistics().queued_message_count == 0


async def test_a_send_to_a_peer_that_is_gone_ends_the_session_and_raises_nothing() -> None:
    async with talking(over_sockets=True) as talk:
        await wait_all_tasks_blocked()
        await talk.far.aclose()
        talk.session.send(numbered(1, 1))
        talk.session.send(numbered(2, 2))
        assert isinstance(await talk.ending(), ConnectionLost)


async def test_a_socket_that_takes_no_more_is_cut_like_any_stalled_write() -> None:
    limits = replace(LIMITS, write_timeout_s=0.1, watch_interval_s=0.02, error_timeout_s=0.05)
    async with talking(over_sockets=True, limits=limits) as talk:
        await wait_all_tasks_blocked()
        for number in range(1, 41):
            talk.session.send([(number, bytes(60_000))])
        with trio.fail_after(30):
            assert isinstance(await talk.ending(), WriteStalled)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (Identity(CHAIN_ID, ADJUDICATOR, HIGH.address).hello(0), "unexpected_frame"),
        (None, "frame_too_large"),
    ],
)
async def test_a_fault_is_submitted_told_to_the_peer_and_ends_the_session(
    frame: Hello | None, code: str
) -> None:
    async with talking() as talk:
        await send_raw(talk.far, Message(1, 0, body(1)))
        if frame is None:
            await talk.far.send(b"\xff\xff\xff\xff", 1.0)
        else:
            await send_raw(talk.far, frame)
        (told,) = await talk.frames()
        ended = await talk.ending()
        assert isinstance(ended, FramingFault)
        assert isinstance(told, ErrorFrame)
        assert ended.code == told.code == code
        assert len(talk.inbox.messages) == 1
        (fault,) = talk.inbox.faults
        assert (fault.peer, fault.error_code) == (HIGH.address, code)


async def test_frames_before_a_fault_in_the_same_read_are_handed_over() -> None:
    async with talking() as talk:
        await talk.far.send(encode_frames([Message(1, 0, body(1))]) + b"\x00\x00\x00\x01\xc1", 1.0)
        ended = await talk.ending()
        assert ended.code == "malformed_frame"
        assert [m.sequence for m in talk.inbox.messages] == [1]


async def test_an_error_frame_of_the_peer_ends_the_session_quietly() -> None:
    async with talking() as talk:
        await send_raw(talk.far, ErrorFrame("too_many_sessions", "come back later"))
        ended = await talk.ending()
        assert isinstance(ended, RefusedByPeer)
        assert ended.reason == "'too_many_sessions': 'come back later'"
        assert talk.inbox.faults == []
        with pytest.raises(ConnectionLost):
            await talk.frames()


async def test_closing_a_session_tells_the_peer_why() -> None:
    async with talking() as talk:
        talk.session.close(DuplicateSession("a newer session takes precedence"))
        talk.session.close(UnexpectedFrame("the first reason counts"))
        (told,) = await talk.frames()
        assert told == ErrorFrame("duplicate_session", "a newer session takes precedence")
        assert isinstance(await talk.ending(), DuplicateSession)


async def test_the_end_of_the_stream_ends_the_session() -> None:
    async with talking() as talk:
        await talk.far.aclose()
        assert isinstance(await talk.ending(), ConnectionLost)


async def test_a_queue_that_overflowed_asks_for_the_rest_once_it_drained() -> None:
    limits = replace(LIMITS, queue_size_bytes_max=1_000, queue_resume_size_bytes=200)
    every = numbered(1, 100)
    async with talking(limits=limits, more=lambda: every) as talk:
        talk.session.send(every)
        queued = talk.session.statistics()
        assert queued.queued_size_bytes <= 1_000
        talk.session.send([(101, body(101))])
        assert talk.session.statistics().queued_message_count == queued.queued_message_count
        seen: list[int] = []
        while len(seen) < 100:
            seen += [f.sequence for f in await talk.frames() if isinstance(f, Message)]
        assert seen == list(range(1, 101))
        assert talk.asked
        assert set(talk.asked) == {0}


async def test_a_body_above_the_limit_is_a_bug_of_ours() -> None:
    async with talking() as talk:
        with pytest.raises(AssertionError, match="fits no frame"):
            talk.session.send([(1, bytes(1_048_576))])


async def test_a_single_body_larger_than_the_queue_still_leaves() -> None:
    limits = replace(LIMITS, queue_size_bytes_max=10)
    async with talking(limits=limits) as talk:
        talk.session.send([(1, body(1))])
        assert len(await talk.frames()) == 1


async def test_a_sequence_that_rose_during_the_hellos_is_acknowledged(
    autojump_clock: MockClock,
) -> None:
    async with talking(told_sequence=4, durable_sequence=6) as talk:
        assert await talk.frames() == [Ack(6)]


NOTE = RouteAnswer(b"n" * 16, ())


async def test_an_unnumbered_word_is_handed_over_and_nobody_acknowledges_it() -> None:
    heard: list[tuple[Address, Note]] = []
    async with talking(on_note=lambda peer, note: heard.append((peer, note))) as talk:
        await send_raw(talk.far, NoteFrame(encode_note(NOTE)))
        await wait_all_tasks_blocked()
        assert heard == [(HIGH.address, NOTE)]
        assert not talk.inbox.items


async def test_a_word_that_nobody_wants_is_dropped() -> None:
    async with talking() as talk:
        await send_raw(talk.far, NoteFrame(encode_note(NOTE)))
        await wait_all_tasks_blocked()
        assert not talk.ended


async def test_a_malformed_word_ends_the_session_and_counts_as_a_fault() -> None:
    async with talking() as talk:
        await send_raw(talk.far, NoteFrame(b"\xc1"))
        assert isinstance(await talk.ending(), MalformedFrame)
        (fault,) = talk.inbox.faults
        assert fault.peer == HIGH.address


async def test_a_word_whose_hearer_refuses_it_ends_the_session_too() -> None:
    def refuse(peer: Address, note: Note) -> None:
        raise InvalidSignature("not its node's")

    async with talking(on_note=refuse) as talk:
        await send_raw(talk.far, NoteFrame(encode_note(NOTE)))
        assert isinstance(await talk.ending(), MalformedFrame)
        (fault,) = talk.inbox.faults
        assert "not its node's" in fault.reason


async def test_words_beyond_the_bound_are_dropped_and_messages_still_leave() -> None:
    async with talking() as talk:
        said = [talk.session.say(b"%d" % n) for n in range(NOTE_COUNT_MAX + 1)]
        assert said == [True] * NOTE_COUNT_MAX + [False]
        talk.session.send(numbered(1, 1))
        seen: list[Frame] = []
        while not any(isinstance(frame, Message) for frame in seen):
            seen += await talk.frames()
        assert seen[:-1] == [NoteFrame(b"%d" % n) for n in range(NOTE_COUNT_MAX)]
