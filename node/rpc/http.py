"""One HTTP/1.1 connection: requests one after the other, until a WebSocket takes over.

h11 knows the protocol; here are the bounds, the time limits and the refusals, each a JSON-RPC
error with an HTTP status. It does not know what a message says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import h11
import trio

from node.rpc.bounds import (
    HEAD_SIZE_BYTES_MAX,
    KEEP_ALIVE_TIMEOUT_S,
    LINGER_S,
    LINGER_SIZE_BYTES_MAX,
    RECEIVE_SIZE_BYTES,
    REQUEST_SIZE_BYTES_MAX,
    REQUEST_TIMEOUT_S,
    SEND_TIMEOUT_S,
)
from node.rpc.envelope import RequestRefused, decode_text, encode_refusal
from node.rpc.errors import HttpRefused, RequestTimedOut, RequestTooLarge, RpcFault
from node.rpc.gate import Gate

AnswerMessage = Callable[[str], Awaitable[bytes]]
"""One JSON-RPC message to its answer; empty if there is none."""

_SEND_SIZE_BYTES = 65_536
_MEDIA_TYPE = b"application/json"


class Upgrade(Exception):
    """The caller asks for a WebSocket and may have one; `trailing` is what it sent ahead."""

    def __init__(self, request: h11.Request, trailing: bytes) -> None:
        super().__init__("upgrade")
        self.request = request
        self.trailing = trailing


async def send_slowly(stream: trio.abc.Stream, data: bytes) -> None:
    """Send all of `data`; `trio.TooSlowError` if for `SEND_TIMEOUT_S` nothing of it is taken."""
    for start in range(0, len(data), _SEND_SIZE_BYTES):
        with trio.fail_after(SEND_TIMEOUT_S):
            await stream.send_all(data[start : start + _SEND_SIZE_BYTES])


class HttpConnection:
    """Serves one accepted connection."""

    def __init__(self, stream: trio.SocketStream, gate: Gate, answer: AnswerMessage) -> None:
        self._stream = stream
        self._gate = gate
        self._answer = answer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_SIZE_BYTES_MAX)

    async def serve(self) -> None:
        """Until the caller leaves, idles or is refused; raises `Upgrade` for a WebSocket.

        Raises trio's stream errors and `TooSlowError` if the caller is gone or does not read.
        """
        idle_s = REQUEST_TIMEOUT_S
        while await self._has_bytes(idle_s):
            try:
                message = await self._receive_in_time()
                if message is None:
                    return
            except RpcFault as fault:
                await self.refuse(fault)
                return
            try:
                answer = await self._answer(decode_text(message))
            except RequestRefused as refused:
                answer = encode_refusal(None, refused.fault)
            await self._respond(200 if answer else 204, answer)
            if self._http.our_state is not h11.DONE:
                return
            self._http.start_next_cycle()
            idle_s = KEEP_ALIVE_TIMEOUT_S

    async def refuse(self, fault: RpcFault) -> None:
        """Say what is wrong and close, so that the caller gets to read it."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        extra: list[tuple[bytes, bytes]] = [(b"connection", b"close")]
        if fault.response_status == 401:
            extra.append((b"www-authenticate", b"Bearer"))
        if fault.response_status == 405:
            extra.append((b"allow", b"POST"))
        await self._respond(fault.response_status, encode_refusal(None, fault), extra)
        await self._stream.send_eof()
        # Bytes still unread when a socket closes make the kernel drop what we sent.
        unread_bytes_max = LINGER_SIZE_BYTES_MAX
        with trio.move_on_after(LINGER_S):
            while unread_bytes_max > 0:
                data = await self._stream.receive_some(RECEIVE_SIZE_BYTES)
                if not data:
                    break
                unread_bytes_max -= len(data)

    async def _has_bytes(self, timeout_s: float) -> bool:
        """Wait for the next request to begin; False if the caller leaves or keeps silent."""
        if self._http.trailing_data[0]:
            return True
        with trio.move_on_after(timeout_s):
            data = await self._stream.receive_some(RECEIVE_SIZE_BYTES)
            if data:
                self._http.receive_data(data)
            return bool(data)
        return False

    async def _receive_in_time(self) -> bytes | None:
        with trio.move_on_after(REQUEST_TIMEOUT_S):
            try:
                return await self._receive()
            except h11.RemoteProtocolError as error:
                if error.error_status_hint == 431:
                    raise RequestTooLarge("the head", HEAD_SIZE_BYTES_MAX) from error
                raise HttpRefused(f"not HTTP/1.1: {error}", error.error_status_hint) from error
        raise RequestTimedOut(REQUEST_TIMEOUT_S)

    async def _receive(self) -> bytes | None:
        """The body of the next request that may be answered; None if the caller left."""
        request = await self._next_event()
        if isinstance(request, h11.ConnectionClosed):
            return None
        assert isinstance(request, h11.Request), "a request begins with its head"
        headers = list(request.headers)
        self._gate.require_allowed(headers)
        if request.target != b"/":
            raise HttpRefused("there is nothing but /", 404)
        if _asks_for_websocket(request.method, headers):
            raise Upgrade(request, self._http.trailing_data[0])
        _require_json_post(request.method, headers)
        body = bytearray()
        while isinstance(event := await self._next_event(), h11.Data):
            body += event.data
            if len(body) > REQUEST_SIZE_BYTES_MAX:
                raise RequestTooLarge("the body", REQUEST_SIZE_BYTES_MAX)
        return bytes(body)

    async def _next_event(self) -> h11.Event:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                assert isinstance(event, h11.Event), "we never read ahead of a response"
                return event
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._stream.receive_some(RECEIVE_SIZE_BYTES))

    async def _respond(
        self, status: int, body: bytes, extra: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        headers = [(b"cache-control", b"no-store"), *(extra or ())]
        if body:
            headers += [
                (b"content-type", _MEDIA_TYPE),
                (b"content-length", b"%d" % len(body)),
            ]
        response = h11.Response(status_code=status, headers=headers)
        await self._send(response, h11.Data(data=body), h11.EndOfMessage())

    async def _send(self, *events: h11.Event) -> None:
        frames = [self._http.send(event) or b"" for event in events]
        await send_slowly(self._stream, b"".join(frames))


def _asks_for_websocket(method: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
    return method == b"GET" and any(
        name == b"upgrade" and value.strip().lower() == b"websocket" for name, value in headers
    )


def _require_json_post(method: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    if method != b"POST":
        raise HttpRefused("calls are POST requests", 405)
    fields = dict(headers)
    media_type = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type != _MEDIA_TYPE:
        raise HttpRefused("the content type must be application/json", 415)
    if int(fields.get(b"content-length", b"0")) > REQUEST_SIZE_BYTES_MAX:
        raise RequestTooLarge("the body", REQUEST_SIZE_BYTES_MAX)
