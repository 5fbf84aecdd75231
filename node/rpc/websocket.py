"""One WebSocket: many requests in flight, answered by id as they become durable.

wsproto knows the protocol. What arrives together is carried out together, and answers that
become ready together leave in one send. The node reads no further while too many requests are
unanswered or too many answers untaken, so a caller that does not keep up waits by itself. No read
sets a timer: a watchman looks after the silent. It does not know what a message says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import h11
import trio
import wsproto
from wsproto import events as ws_events
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from node.rpc.bounds import (
    IN_FLIGHT_COUNT_MAX,
    OUTGOING_SIZE_BYTES_MAX,
    PING_INTERVAL_S,
    RECEIVE_SIZE_BYTES,
    REQUEST_SIZE_BYTES_MAX,
)
from node.rpc.envelope import RequestRefused, decode_text, encode_refusal
from node.rpc.errors import HttpRefused
from node.rpc.frames import FrameReader, text_frame
from node.rpc.http import send_slowly
from node.sockets import receive, send_now

HandleMessage = Callable[[str, Callable[[bytes], None]], Awaitable[None]]
"""Carries out one JSON-RPC message and hands its answer to the second argument, now or later."""


def accept_upgrade(request: h11.Request) -> tuple[wsproto.WSConnection, bytes]:
    """The WebSocket a request asks for, and the response to it; `HttpRefused` if malformed."""
    socket = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    try:
        socket.initiate_upgrade_connection(list(request.headers), request.target.decode("ascii"))
        for _ in socket.events():
            pass  # the request itself; whoever calls us has looked at it
        return socket, socket.send(ws_events.AcceptConnection())
    except (RemoteProtocolError, LocalProtocolError, UnicodeError) as error:
        # wsproto reads its own headers as ASCII and does not expect anything else there.
        raise HttpRefused(f"not a WebSocket upgrade: {error}") from error


class WebSocketSession:
    """Serves one WebSocket after its upgrade."""

    def __init__(
        self,
        stream: trio.abc.Stream,
        socket: wsproto.WSConnection,
        handle: HandleMessage,
        prompt: Callable[[], None],
    ) -> None:
        """`prompt` is told when all messages of one read were handed to `handle`."""
        self._stream = stream
        self._socket = socket
        self._frames = FrameReader(socket, masked=True)
        self._handle = handle
        self._prompt = prompt
        self._outgoing: list[bytes] = []
        self._outgoing_size_bytes = 0
        self._in_flight_count = 0
        self._is_open = True
        self._something_to_send = trio.Event()
        self._writer_rests = False
        self._room = trio.Event()
        self._listening_since_s: float | None = None
        """When the last byte came; None while we do not read."""
        self._fragments: list[str | bytes] = []
        self._fragments_size = 0

    async def serve(self, greeting: bytes, ahead: bytes = b"") -> None:
        """Send the response to the upgrade and serve until either side closes. `ahead` is what
        the caller sent together with its upgrade.

        A caller that is gone or takes no answers ends the session, not the node.
        """
        self._send(greeting)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, nursery.cancel_scope)
            await self._listen(ahead)
            self._is_open = False
            self._something_to_send.set()

    def _send(self, data: bytes) -> None:
        """Take what is to leave; at once if nothing else is on its way that it could leave with."""
        self._outgoing.append(data)
        self._outgoing_size_bytes += len(data)
        if self._in_flight_count == 0 and self._writer_rests:
            self._flush()
        if self._outgoing:
            self._something_to_send.set()

    def _flush(self) -> None:
        """Send as much as the socket takes now; only while the writer rests."""
        data = b"".join(self._outgoing)
        try:
            taken = send_now(self._stream, data)
        except OSError:
            return  # the writer meets it too, and ends the session
        self._outgoing_size_bytes -= taken
        self._outgoing[:] = [data[taken:]] if taken < len(data) else []

    def _answer(self, answer: bytes) -> None:
        """Take the answer to one message; called by the engine's release, so it never waits."""
        self._in_flight_count -= 1
        if self._is_open and answer:
            frame = text_frame(answer, masked=False)
            if frame is None:
                frame = self._socket.send(ws_events.TextMessage(data=answer.decode()))
            self._send(frame)
        self._room.set()

    def _close(self, reason: CloseReason, text: str) -> None:
        self._is_open = False
        self._send(self._socket.send(ws_events.CloseConnection(code=reason, reason=text)))

    async def _write(self, session: trio.CancelScope) -> None:
        try:
            while self._is_open or self._outgoing:
                await self._rest()
                data = b"".join(self._outgoing)
                self._outgoing.clear()
                await send_slowly(self._stream, data)
                self._outgoing_size_bytes -= len(data)
                self._room.set()
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            session.cancel()

    async def _rest(self) -> None:
        """Until there is something to send."""
        self._writer_rests = True
        try:
            await self._something_to_send.wait()
        finally:
            self._writer_rests = False
        self._something_to_send = trio.Event()

    async def _listen(self, ahead: bytes) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, nursery.cancel_scope)
            await self._read(ahead)
            nursery.cancel_scope.cancel()

    async def _read(self, data: bytes) -> None:
        """Until the caller is gone or either side closes; `data` is what came first."""
        while True:
            await self._take(data)
            self._prompt()
            if not self._is_open:
                return
            self._listening_since_s = trio.current_time()
            try:
                data = await receive(self._stream, RECEIVE_SIZE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
            self._listening_since_s = None
            if not data:
                return

    async def _watch(self, reading: trio.CancelScope) -> None:
        """Ping a caller that is silent, and read no further if it does not even answer that."""
        while True:
            since_s = self._listening_since_s
            if since_s is None:
                await trio.sleep(PING_INTERVAL_S)
                continue
            await trio.sleep_until(since_s + PING_INTERVAL_S)
            if self._listening_since_s != since_s:
                continue
            self._send(self._socket.send(ws_events.Ping()))
            await trio.sleep(PING_INTERVAL_S)
            if self._listening_since_s == since_s:
                reading.cancel()
                return

    async def _take(self, data: bytes) -> None:
        for event in self._frames.feed(data):
            if isinstance(event, str):
                await self._take_message(event)
            elif isinstance(event, ws_events.Message):
                if not self._take_fragment(event):
                    return
                if event.message_finished:
                    await self._take_fragments()
            elif isinstance(event, ws_events.Ping):
                self._send(self._socket.send(event.response()))
            elif isinstance(event, ws_events.CloseConnection):
                # The caller's close, or what wsproto makes of a broken frame.
                self._is_open = False
                self._send(self._socket.send(event.response()))
                return

    def _take_fragment(self, event: ws_events.Message[Any]) -> bool:
        self._fragments_size += len(event.data)
        if self._fragments_size > REQUEST_SIZE_BYTES_MAX:
            too_big = f"a message is at most {REQUEST_SIZE_BYTES_MAX} bytes"
            self._close(CloseReason.MESSAGE_TOO_BIG, too_big)
            return False
        if event.data:
            self._fragments.append(event.data)
        return True

    async def _take_fragments(self) -> None:
        fragments, self._fragments, self._fragments_size = self._fragments, [], 0
        try:
            message = _joined(fragments)
        except RequestRefused as refused:
            await self._wait_for_room()
            self._in_flight_count += 1
            self._answer(encode_refusal(None, refused.fault))
            return
        await self._take_message(message)

    async def _take_message(self, message: str) -> None:
        await self._wait_for_room()
        self._in_flight_count += 1
        await self._handle(message, self._answer)

    async def _wait_for_room(self) -> None:
        """Until another request may be taken. Pings meanwhile, so that a caller that left shows."""
        while (
            self._in_flight_count >= IN_FLIGHT_COUNT_MAX
            or self._outgoing_size_bytes >= OUTGOING_SIZE_BYTES_MAX
        ):
            self._room = trio.Event()
            self._prompt()
            with trio.move_on_after(PING_INTERVAL_S) as patience:
                await self._room.wait()
            if patience.cancelled_caught:
                self._send(self._socket.send(ws_events.Ping()))


def _joined(fragments: list[str | bytes]) -> str:
    """The message's text; `RequestRefused` with `ParseError` for binary that is no UTF-8."""
    if len(fragments) == 1 and isinstance(fragments[0], str):
        return fragments[0]
    return decode_text(
        b"".join(part.encode() if isinstance(part, str) else part for part in fragments)
    )
