"""A byte stream with a finished handshake: frames go in and come out, sealed in between.

Everything the stream can do wrong is told as a `PeerError`. The module keeps no order of frames,
no sequence numbers and no queue: that is the session's.
"""

from dataclasses import dataclass

import trio

from node.p2p.errors import ConnectionLost, FramingFault, HandshakeFailed, WriteStalled
from node.p2p.framing import (
    RECORD_HEADER_SIZE_BYTES,
    Frame,
    FrameDecoder,
    RecordDecoder,
    seal_records,
)
from node.p2p.limits import RECEIVE_SIZE_BYTES
from node.p2p.noise import Handshake, NoiseCipher
from node.sockets import receive, send_now, takes_now
from protocols.types import Address

_LOST = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


@dataclass(frozen=True, slots=True)
class Received:
    """All that one read of the socket completed."""

    frames: list[Frame]
    size_bytes: int
    fault: FramingFault | None
    """What came after the frames and ends the session."""


class SecureConnection:
    """An authenticated, encrypted stream. One task may send while another receives."""

    def __init__(
        self, stream: trio.abc.Stream, cipher: NoiseCipher, remote: Address, surplus: bytes = b""
    ) -> None:
        """`surplus` is what came behind the last handshake message."""
        self.remote = remote
        self.sent_size_bytes = 0
        self.received_size_bytes = 0
        self._stream = stream
        self._takes_now = takes_now(stream)
        self._cipher = cipher
        self._records = RecordDecoder(cipher)
        self._frames = FrameDecoder()
        self._surplus = surplus
        self._held: Received | None = None
        self._unsent = b""
        self.writing_since_s: float | None = None
        """When the write began that is under way, or that never ended."""

    async def send(self, plaintext: bytes | bytearray, timeout_s: float) -> None:
        """Like `write`, but raises `WriteStalled` if the peer does not take it in `timeout_s`."""
        with trio.move_on_after(timeout_s) as scope:
            await self.write(plaintext)
        if scope.cancelled_caught:
            raise WriteStalled(f"{len(plaintext)} bytes were not taken in {timeout_s} s")

    async def write(self, plaintext: bytes | bytearray) -> None:
        """Seal and write everything in one go; `writing_since_s` is set meanwhile.

        Raises `ConnectionLost` if the stream broke. After that, or a cancellation, nothing more
        can be sent: half a record may have left.
        """
        if self.writing_since_s is not None:
            raise ConnectionLost("an earlier write was cut short")
        # Who is cancelled before anything left has cut nothing short: a last word can still go.
        await trio.lowlevel.checkpoint_if_cancelled()
        records = seal_records(self._cipher, plaintext)
        self.writing_since_s = trio.current_time()
        await self._send(records)

    @property
    def may_write_now(self) -> bool:
        """Whether `write_now` is possible: the stream is a socket and no write is under way."""
        return self._takes_now and self.writing_since_s is None

    def write_now(self, plaintext: bytes | bytearray) -> bool:
        """Like `write`, without waiting; False if `write_rest` has to write what is left.

        Raises `ConnectionLost` if the stream broke.
        """
        assert self.may_write_now, "one write at a time"
        records = seal_records(self._cipher, plaintext)
        try:
            taken = send_now(self._stream, records)
        except OSError as error:
            self.writing_since_s = trio.current_time()
            raise ConnectionLost(_describe(error)) from error
        self.sent_size_bytes += taken
        if taken < len(records):
            self.writing_since_s = trio.current_time()
            self._unsent = records[taken:]
        return not self._unsent

    async def write_rest(self) -> None:
        """Write what the socket did not take of a `write_now`; nothing if it took everything."""
        if self._unsent:
            unsent, self._unsent = self._unsent, b""
            await self._send(unsent)

    async def _send(self, records: bytes) -> None:
        try:
            await self._stream.send_all(records)
        except _LOST as error:
            raise ConnectionLost(_describe(error)) from error
        self.writing_since_s = None
        self.sent_size_bytes += len(records)

    async def receive(self) -> Received:
        """Wait for bytes and decode all they complete, often many frames, sometimes none.

        Raises `ConnectionLost` at the end of the stream.
        """
        if self._held is not None:
            held, self._held = self._held, None
            return held
        data = self._surplus or await _read(self._stream, RECEIVE_SIZE_BYTES)
        self._surplus = b""
        self.received_size_bytes += len(data)
        plaintext, record_fault = self._records.decode(data)
        frames, frame_fault = self._frames.decode(plaintext)
        return Received(frames, len(data), frame_fault or record_fault)

    async def receive_one(self) -> Frame:
        """Wait for the next frame alone; what came with it is the next `receive`'s.

        Raises `ConnectionLost` or the fault that stands where the frame should be.
        """
        while True:
            received = await self.receive()
            if received.frames:
                first, *rest = received.frames
                if rest or received.fault is not None:
                    self._held = Received(rest, 0, received.fault)
                return first
            if received.fault is not None:
                raise received.fault

    async def aclose(self) -> None:
        """Close at once; what the kernel already took still travels."""
        await trio.aclose_forcefully(self._stream)


async def secure(stream: trio.abc.Stream, handshake: Handshake) -> SecureConnection:
    """Run `handshake` over `stream`. The caller sets the time limit.

    Raises `HandshakeFailed` as soon as a byte does not fit, `WrongIdentity` before we show who we
    are to somebody else than we meant, `ConnectionLost` if the stream ends.
    """
    buffer = bytearray()
    while not handshake.finished:
        size = handshake.message_size_bytes
        header = size.to_bytes(RECORD_HEADER_SIZE_BYTES, "big")
        if handshake.ours_is_next:
            try:
                await stream.send_all(header + handshake.write())
            except _LOST as error:
                raise ConnectionLost(_describe(error)) from error
        else:
            while len(buffer) < RECORD_HEADER_SIZE_BYTES + size:
                buffer += await _read(stream, RECEIVE_SIZE_BYTES)
                if not header.startswith(bytes(buffer[:RECORD_HEADER_SIZE_BYTES])):
                    raise HandshakeFailed("not a handshake of this protocol")
            end = RECORD_HEADER_SIZE_BYTES + size
            handshake.read(bytes(buffer[RECORD_HEADER_SIZE_BYTES:end]))
            del buffer[:end]
    return SecureConnection(stream, handshake.cipher(), handshake.remote, bytes(buffer))


async def _read(stream: trio.abc.Stream, size: int) -> bytes:
    try:
        data = await receive(stream, size)
    except _LOST as error:
        raise ConnectionLost(_describe(error)) from error
    if not data:
        raise ConnectionLost("the peer closed the connection")
    return data


def _describe(error: BaseException) -> str:
    return str(error.__cause__ or error) or type(error).__name__
