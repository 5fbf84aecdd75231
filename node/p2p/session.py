"""One conversation with one authenticated peer, from the hellos to the end.

A reader hands over everything one read completed without a task switch per message. What is queued
leaves in one write: at once as far as the socket takes it, the rest by a writer that waits. Acks
wait for company, ours and the peer's (`acks`). Neither reader nor writer sets a timer: a watchman
looks after both now and then, which keeps a message's way short. Any of them ends the session; why
is the session's result.

The session knows no objective and no channel. What it drops (a full queue, a cut) is durable in
the outbox, which hears of the gap through `on_connected`.
"""

import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import trio

from node.p2p.acks import OwnAck, PeerAcks
from node.p2p.connection import SecureConnection
from node.p2p.errors import (
    ConnectionLost,
    FramingFault,
    MalformedFrame,
    PeerError,
    PeerSilent,
    RefusedByPeer,
    SessionRefused,
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
    append_frame,
    encode_frames,
)
from node.p2p.hello import describe_error
from node.p2p.interface import Submit
from node.p2p.limits import (
    BODY_SIZE_BYTES_MAX,
    ERROR_REASON_LENGTH_MAX,
    FLUSH_SIZE_BYTES_MAX,
    NOTE_COUNT_MAX,
    PeerLimits,
)
from node.p2p.rate import TokenBucket
from node.p2p.statistics import SessionStatistics
from protocols.errors import ProtocolError
from protocols.inputs import PeerAck, PeerFault, PeerMessage
from protocols.messages import decode_body
from protocols.notes import Note, decode_note
from protocols.types import Address


@dataclass(frozen=True, slots=True)
class SessionPorts:
    """Where a session gets and gives what is not its own."""

    submit: Submit
    received_sequence: Callable[[Address], int]
    """The last message of a peer that is on our disk."""
    on_connected: Callable[[Address, int], None]
    """Asks for every message above a sequence; again after a queue overflowed and drained."""
    on_sent: Callable[[], None] | None = None
    """Told after each write that carried numbered messages, once the socket took all of it."""
    on_note: Callable[[Address, Note], None] | None = None
    """Hears each unnumbered word of a peer; never waits. A refusal it raises ends the session."""


class Session:
    """A live session; `run` it once."""

    def __init__(
        self,
        connection: SecureConnection,
        hello: Hello,
        *,
        dialled: bool,
        told_sequence: int,
        limits: PeerLimits,
        budget: TokenBucket,
        ports: SessionPorts,
    ) -> None:
        """`hello` is the peer's, `told_sequence` the one in ours, `dialled` whether we dialled,
        `budget` what the peer may send us."""
        self.remote: Address = connection.remote
        self.dialled = dialled
        self.closed = trio.Event()
        """Set when the session has ended."""
        self.started_s = trio.current_time()
        self.last_received_s = self.started_s
        self.connection = connection
        self._limits = limits
        self._budget = budget
        self._ports = ports
        self._scope = trio.CancelScope()
        self._ended: PeerError | None = None
        self._ended_s: float | None = None
        self._wake = trio.Event()
        self._writer_rests = False
        self._queue: deque[tuple[int, bytes]] = deque()
        self._queue_size_bytes = 0
        self._queued_sequence = hello.received_sequence
        self._overflowed = False
        self._own_ack = OwnAck(told_sequence, limits)
        self._peer_acks = PeerAcks(hello.received_sequence, limits)
        self._notes: deque[bytes] = deque()
        self._pong_number: int | None = None
        self._ping_due = False
        self._ping_number = 0
        self._ping_sent_s = 0.0
        self._round_trip_s: float | None = None
        self._sent_message_count = self._told_message_count = 0
        self._received_message_count = 0
        self._ack_waits = trio.Event()
        self._prompting = False
        self._delivering = False
        self._written_s = self.started_s
        self.acknowledge()

    def send(self, messages: Sequence[tuple[int, bytes]]) -> None:
        """Queue (sequence, body) pairs in ascending order; those already queued are skipped.

        A full queue drops the rest and asks for it again, through `on_connected`, once it drained.
        """
        if self._overflowed:
            return
        for sequence, body in messages:
            if sequence <= self._queued_sequence:
                continue
            size = len(body)
            assert size <= BODY_SIZE_BYTES_MAX, f"a body of {size} bytes fits no frame"
            if self._queue and self._queue_size_bytes + size > self._limits.queue_size_bytes_max:
                self._overflowed = True
                break
            self._queue.append((sequence, body))
            self._queue_size_bytes += size
            self._queued_sequence = sequence
        self._flush()

    def say(self, note: bytes) -> bool:
        """Queue an unnumbered word; False if too many wait already and it is dropped."""
        if len(self._notes) >= NOTE_COUNT_MAX:
            return False
        self._notes.append(note)
        self._flush()
        if self._notes:
            self._wake.set()
        return True

    def acknowledge(self) -> None:
        """Our durable sequence of this peer rose: tell it with the next message, or soon."""
        self._own_ack.rise(self._ports.received_sequence(self.remote), trio.current_time())
        if not self._prompting:
            self._see_to_acks_soon()

    def ping(self) -> None:
        """Ask the peer for a sign of life."""
        self._ping_due = True
        self._wake.set()

    def close(self, reason: PeerError) -> None:
        """End the session; the peer is told if the reason is ours to tell."""
        self._end(reason)

    async def run(self) -> PeerError:
        """Talk until something ends it; the result says what. The connection is closed after."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    for loop in (self._read, self._write, self._see_to_acks, self._watch):
                        nursery.start_soon(self._guard, loop, name=loop)
            assert self._ended is not None, "only _end cancels the scope"
            await self._take_leave(self._ended)
            return self._ended
        finally:
            if self._peer_acks.is_news:
                self._hand_over_ack(trio.current_time())
            try:
                await self.connection.aclose()
            finally:
                self.closed.set()

    def age_s(self) -> float:
        """How long it lives, or lived."""
        return (self._ended_s or trio.current_time()) - self.started_s

    def statistics(self) -> SessionStatistics:
        """A snapshot."""
        return SessionStatistics(
            peer=self.remote,
            dialled=self.dialled,
            age_s=self.age_s(),
            sent_message_count=self._sent_message_count,
            received_message_count=self._received_message_count,
            sent_size_bytes=self.connection.sent_size_bytes,
            received_size_bytes=self.connection.received_size_bytes,
            queued_message_count=len(self._queue),
            queued_size_bytes=self._queue_size_bytes,
            acked_sequence=self._peer_acks.sequence,
            round_trip_s=self._round_trip_s,
        )

    def _end(self, reason: PeerError) -> None:
        if self._ended is None:
            self._ended = reason
            self._ended_s = trio.current_time()
        self._scope.cancel()

    async def _guard(self, loop: Callable[[], Awaitable[None]]) -> None:
        try:
            await loop()
        except PeerError as error:
            self._end(error)

    async def _take_leave(self, reason: PeerError) -> None:
        if isinstance(reason, FramingFault):
            text = reason.reason[:ERROR_REASON_LENGTH_MAX]
            await self._ports.submit(PeerFault(self.remote, reason.code, text, reason.size_bytes))
        if isinstance(reason, FramingFault | SessionRefused | PeerSilent):
            await tell_error(self.connection, reason, self._limits.error_timeout_s)

    async def _read(self) -> None:
        limits = self._limits
        if self._peer_acks.sequence > 0:
            await self._ports.submit(PeerAck(self.remote, self._peer_acks.sequence))
        while True:
            received = await self.connection.receive()
            now_s = self.last_received_s = trio.current_time()
            self._delivering = True
            try:
                await self._deliver(received.frames, now_s)
            finally:
                if received.frames:
                    self._prompt()
            if received.fault is not None:
                raise received.fault
            cost = received.size_bytes + limits.frame_cost_bytes * len(received.frames)
            wait_s = self._budget.take(cost, now_s)
            if wait_s > 0.0:
                await trio.sleep(wait_s)
            self._delivering = False

    async def _deliver(self, frames: list[Frame], now_s: float) -> None:
        nowait = self._ports.submit.nowait
        acked_sequence, message_count = 0, self._received_message_count
        for frame in frames:
            if type(frame) is Message:
                if frame.ack > acked_sequence:
                    acked_sequence = frame.ack
                self._received_message_count += 1
                message = self._peer_message(frame)
                if not nowait(message):
                    await self._ports.submit(message)
            elif type(frame) is Ack:
                acked_sequence = max(acked_sequence, frame.sequence)
            else:
                self._control(frame)
        self._peer_acks.rise(acked_sequence, now_s)
        has_messages = self._received_message_count > message_count
        if has_messages and self._peer_acks.came_with_message(now_s):
            self._hand_over_ack(now_s)

    def _prompt(self) -> None:
        """Have what was delivered carried out. An ack that rides on an answer wakes nobody."""
        self._prompting = True
        self._ports.submit.prompt()
        self._prompting = False
        self._see_to_acks_soon()

    def _peer_message(self, frame: Message) -> PeerMessage:
        size_bytes = len(frame.body)
        try:
            body = decode_body(frame.body)
        except (ProtocolError, UnicodeDecodeError) as error:
            fault = str(error)[:ERROR_REASON_LENGTH_MAX]
            return PeerMessage(self.remote, frame.sequence, None, size_bytes, fault)
        return PeerMessage(self.remote, frame.sequence, body, size_bytes)

    def _control(self, frame: Frame) -> None:
        if isinstance(frame, Ping):
            # Only the newest is answered: a flood of pings costs one pong per write.
            self._pong_number = frame.number
            self._wake.set()
        elif isinstance(frame, Pong):
            if frame.number == self._ping_number:
                self._round_trip_s = trio.current_time() - self._ping_sent_s
        elif isinstance(frame, NoteFrame):
            self._hear(frame)
        elif isinstance(frame, ErrorFrame):
            raise RefusedByPeer(describe_error(frame))
        else:
            raise UnexpectedFrame(f"{type(frame).__name__.lower()} inside a session")

    def _hear(self, frame: NoteFrame) -> None:
        try:
            note = decode_note(frame.body)
            if self._ports.on_note is not None:
                self._ports.on_note(self.remote, note)
        except ProtocolError as error:
            reason = str(error)[:ERROR_REASON_LENGTH_MAX]
            raise MalformedFrame(reason, len(frame.body)) from error

    def _flush(self) -> None:
        """Write what is queued at once, if the writer rests; what the socket leaves is its work."""
        if self._writer_rests and self._ended is None and self.connection.may_write_now:
            plaintext = self._next_flush()
            try:
                if plaintext and self.connection.write_now(plaintext):
                    self._wrote()
            except ConnectionLost as error:
                self._end(error)
        if self._queue or self._overflowed or not self.connection.may_write_now:
            self._wake.set()

    async def _write(self) -> None:
        while True:
            if self.connection.writing_since_s is not None:
                await self.connection.write_rest()
                self._wrote()
            self._resume_after_overflow()
            plaintext = self._next_flush()
            if plaintext:
                await self.connection.write(plaintext)
                self._wrote()
            else:
                self._wake = trio.Event()
                self._writer_rests = True
                try:
                    await self._wake.wait()
                finally:
                    self._writer_rests = False

    def _wrote(self) -> None:
        self._written_s = trio.current_time()
        told, self._told_message_count = self._told_message_count, self._sent_message_count
        if self._ports.on_sent is not None and self._sent_message_count > told:
            self._ports.on_sent()

    def _see_to_acks_soon(self) -> None:
        """Wake who sees to them, unless there is none; nothing if it only sleeps."""
        if self._own_ack.due_s < math.inf or self._peer_acks.is_news:
            self._ack_waits.set()

    async def _see_to_acks(self) -> None:
        """Send our ack if no message took it along in time; hand over a quiet peer's newest."""
        own, peers = self._own_ack, self._peer_acks
        while True:
            now_s, due_s = trio.current_time(), min(own.due_s, peers.due_s)
            if due_s == math.inf:
                self._ack_waits = trio.Event()
                await self._ack_waits.wait()
            elif now_s < due_s:
                # No longer: an ack of ours may come to wait meanwhile, and wakes nobody who sleeps.
                await trio.sleep_until(min(due_s, now_s + self._limits.ack_delay_s))
            elif now_s >= own.due_s:
                own.expire()
                self._flush()
                if own.is_overdue:
                    self._wake.set()
            elif peers.is_quiet(now_s):
                self._hand_over_ack(now_s)
                self._prompt()

    def _hand_over_ack(self, now_s: float) -> None:
        """Queue the peer's newest ack, if there is room."""
        taken = self._ports.submit.nowait(PeerAck(self.remote, self._peer_acks.sequence))
        self._peer_acks.hand_over(now_s, taken=taken)

    async def _watch(self) -> None:
        """Cut a stalled write and a silent peer; ask a quiet one for a sign of life."""
        limits = self._limits
        while True:
            await trio.sleep(limits.watch_interval_s)
            now_s = trio.current_time()
            writing_since_s = self.connection.writing_since_s
            if writing_since_s is not None and now_s - writing_since_s >= limits.write_timeout_s:
                raise WriteStalled(f"a write was not taken in {limits.write_timeout_s} s")
            # While we deliver, the peer may be talking: it is we who do not listen.
            if self._delivering:
                self.last_received_s = now_s
            elif now_s - self.last_received_s >= limits.idle_timeout_s:
                raise PeerSilent(f"nothing came for {limits.idle_timeout_s} s")
            if now_s - self._written_s >= limits.ping_interval_s:
                self.ping()

    def _next_flush(self) -> bytearray:
        """Everything that may be written now, up to a bound; empty if there is nothing."""
        buffer = bytearray()
        if self._pong_number is not None:
            append_frame(buffer, Pong(self._pong_number))
            self._pong_number = None
        if self._ping_due:
            self._ping_due = False
            self._ping_number += 1
            self._ping_sent_s = trio.current_time()
            append_frame(buffer, Ping(self._ping_number))
        while self._notes and len(buffer) < FLUSH_SIZE_BYTES_MAX:
            append_frame(buffer, NoteFrame(self._notes.popleft()))
        own_ack, queue = self._own_ack, self._queue
        ack = own_ack.sequence
        if queue:
            while queue and len(buffer) < FLUSH_SIZE_BYTES_MAX:
                sequence, body = queue.popleft()
                self._queue_size_bytes -= len(body)
                self._sent_message_count += 1
                append_frame(buffer, Message(sequence, ack, body))
        elif own_ack.is_news and (buffer or own_ack.is_overdue):
            append_frame(buffer, Ack(ack))
        if buffer:
            own_ack.leave()
        return buffer

    def _resume_after_overflow(self) -> None:
        if self._overflowed and self._queue_size_bytes <= self._limits.queue_resume_size_bytes:
            self._overflowed = False
            self._ports.on_connected(self.remote, self._peer_acks.sequence)


async def tell_error(connection: SecureConnection, reason: PeerError, timeout_s: float) -> None:
    """Send the error frame that says why we close. Best effort: the peer may be gone already."""
    frame = ErrorFrame(reason.code, reason.reason[:ERROR_REASON_LENGTH_MAX])
    try:
        await connection.send(encode_frames([frame]), timeout_s)
    except (ConnectionLost, WriteStalled):
        pass
