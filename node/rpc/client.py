"""Speak to a running node over one WebSocket, with many calls in flight.

For the demo, the benchmarks and commands that watch; one call alone is `node.rpc.call`. It knows
the envelope and the token, and nothing of what the methods mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Any

import trio
import wsproto
from wsproto import events as ws_events

from node.rpc.call import (
    RpcAnswer,
    RpcEndpoint,
    RpcError,
    RpcUnreachable,
    call_once,
    decode_answer,
    encode_request,
)
from node.rpc.frames import FrameReader, text_frame
from node.sockets import receive, send_now

__all__ = ["RpcClient", "RpcEndpoint", "RpcError", "RpcUnreachable", "call_once"]

RECEIVE_SIZE_BYTES = 65_536
"""One read: some two hundred answers to payments."""
_END_OF_HEAD = b"\r\n\r\n"
"""Behind the head of the answer to an upgrade."""
CLOSE_TIMEOUT_S = 1.0
"""How long a closing client waits for the node's own close."""


class RpcClient:
    """One WebSocket to a node, shared by any number of trio tasks.

    No task of its own runs behind it: whoever waits for an answer reads for everybody, so there is
    no nursery to open, and an error surfaces where the caller stands.
    """

    def __init__(self, stream: trio.abc.Stream, socket: wsproto.WSConnection) -> None:
        self._stream = stream
        self._socket = socket
        self._frames = FrameReader(socket, masked=False)
        self._ahead = b""
        """What came with the answer to the upgrade."""
        self._send_lock = trio.StrictFIFOLock()
        self._waiting: dict[int, Callable[[RpcAnswer], None]] = {}
        self._next_request_num = 1
        self._reading = False
        self._readers = trio.lowlevel.ParkingLot()
        self._fault = ""
        self._fragments: list[str] = []

    @classmethod
    async def connect(cls, endpoint: RpcEndpoint) -> RpcClient:
        """Open the WebSocket; `RpcUnreachable` if nobody listens or the node refuses us."""
        try:
            stream = await trio.open_tcp_stream(endpoint.host, endpoint.port)
        except OSError as error:
            raise RpcUnreachable(
                f"no answer from {endpoint.host}:{endpoint.port}: {error}"
            ) from error
        client = cls(stream, wsproto.WSConnection(wsproto.ConnectionType.CLIENT))
        try:
            await client._upgrade(endpoint)
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return client

    async def __aenter__(self) -> RpcClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def call(self, method: str, /, **params: object) -> Any:
        """One call; the result as plain JSON values.

        Raises `RpcError` if the node refuses and `RpcUnreachable` if the connection ends first.
        """
        value = (await self.call_many([(method, params)], in_flight_max=1))[0]
        if isinstance(value, RpcError):
            raise value
        return value

    async def call_many(
        self,
        calls: Iterable[tuple[str, Mapping[str, object]]],
        *,
        in_flight_max: int = 64,
        on_answer: Callable[[int, Any], None] | None = None,
    ) -> list[Any]:
        """Make all calls, at most `in_flight_max` of them unanswered at any time.

        The answers come in the order of the calls, each a result or an `RpcError` (returned, so
        that one refusal does not lose the rest). `on_answer(index, value)` hears each as it comes.
        Raises `RpcUnreachable` if the connection ends first.
        """
        values: list[Any] = []
        unanswered: set[int] = set()

        def expect(index: int, request_num: int) -> None:
            def receive(answer: RpcAnswer) -> None:
                values[index] = answer.value()
                unanswered.discard(request_num)
                if on_answer is not None:
                    on_answer(index, values[index])

            self._waiting[request_num] = receive
            unanswered.add(request_num)

        source = iter(calls)
        more = True
        try:
            while more or unanswered:
                frames: list[bytes] = []
                while more and len(unanswered) < in_flight_max:
                    call = next(source, None)
                    if call is None:
                        more = False
                        break
                    request_num = self._take_request_num()
                    expect(len(values), request_num)
                    values.append(None)
                    frames.append(self._frame(encode_request(request_num, *call)))
                if frames:
                    await self._send(b"".join(frames))
                waiting_max = in_flight_max - 1 if more else 0
                await self._read_until(partial(_at_most, unanswered, waiting_max))
        finally:
            for request_num in unanswered:
                self._waiting.pop(request_num, None)
        return values

    async def aclose(self) -> None:
        """Say goodbye and close; safe to call twice."""
        try:
            with trio.move_on_after(CLOSE_TIMEOUT_S):
                try:
                    if not self._fault:
                        await self._send(self._socket.send(ws_events.CloseConnection(code=1000)))
                    await self._read_until(lambda: bool(self._fault))
                except (RpcUnreachable, wsproto.utilities.LocalProtocolError):
                    pass  # it is gone already, which is what we want
        finally:
            # Also when the caller was cancelled: the socket is not left to the collector.
            self._fault = self._fault or "closed"
            await trio.aclose_forcefully(self._stream)

    def _take_request_num(self) -> int:
        request_num = self._next_request_num
        self._next_request_num += 1
        return request_num

    def _frame(self, request: bytes) -> bytes:
        if self._fault:
            raise RpcUnreachable(self._fault)
        frame = text_frame(request, masked=True)
        if frame is None:
            frame = self._socket.send(ws_events.TextMessage(data=request.decode()))
        return frame

    async def _upgrade(self, endpoint: RpcEndpoint) -> None:
        request = ws_events.Request(
            host=f"{endpoint.host}:{endpoint.port}",
            target="/",
            extra_headers=[(b"authorization", b"Bearer " + endpoint.token.encode())],
        )
        await self._send(self._socket.send(request))
        refusal = head = b""
        while _END_OF_HEAD not in head:
            head += await self._receive_bytes()
            if len(head) > RECEIVE_SIZE_BYTES:
                raise RpcUnreachable("what answers there is no node: its answer has no end")
        head, _, self._ahead = head.partition(_END_OF_HEAD)
        data = head + _END_OF_HEAD
        while True:
            try:
                self._socket.receive_data(data)
                for event in self._socket.events():
                    if isinstance(event, ws_events.AcceptConnection):
                        return
                    if isinstance(event, ws_events.RejectData):
                        refusal += event.data
                        if event.body_finished:
                            raise _refused(refusal)
                    elif isinstance(event, ws_events.RejectConnection) and not event.has_body:
                        raise _refused(refusal)
            except wsproto.utilities.ProtocolError as error:
                raise RpcUnreachable(f"what answers there is no node: {error}") from error
            data, self._ahead = self._ahead or await self._receive_bytes(), b""

    async def _send(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        if not self._fault and not self._send_lock.locked():
            try:
                data = data[send_now(self._stream, data) :]
            except OSError:
                pass  # told below, as of any other send
            if not data:
                return
        async with self._send_lock:
            if self._fault:
                raise RpcUnreachable(self._fault)
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self._fault = "the node closed the connection"
                raise RpcUnreachable(self._fault) from error
            except BaseException:
                self._fault = "a send was interrupted: the connection cannot be used any more"
                raise

    async def _receive_bytes(self) -> bytes:
        try:
            data = await receive(self._stream, RECEIVE_SIZE_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        if not data:
            self._fault = self._fault or "the node closed the connection"
            raise RpcUnreachable(self._fault)
        return data

    async def _read_until(self, done: Callable[[], bool]) -> None:
        """Return when `done()`; meanwhile one of those who wait reads for all of them."""
        while not done():
            if self._reading:
                await self._readers.park()
                continue
            if self._fault:
                raise RpcUnreachable(self._fault)
            self._reading = True
            try:
                await self._read_once()
            finally:
                self._reading = False
                self._readers.unpark(count=math.inf)

    async def _read_once(self) -> None:
        data, self._ahead = self._ahead or await self._receive_bytes(), b""
        for event in self._frames.feed(data):
            if isinstance(event, str):
                self._answered(decode_answer(event))
            elif isinstance(event, ws_events.TextMessage):
                self._fragments.append(event.data)
                if event.message_finished:
                    message = "".join(self._fragments)
                    self._fragments.clear()
                    self._answered(decode_answer(message))
            elif isinstance(event, ws_events.Ping):
                await self._send(self._socket.send(event.response()))
            elif isinstance(event, ws_events.CloseConnection):
                # The node's close, or what wsproto makes of a broken frame.
                self._fault = f"the node closed the connection ({event.code})"

    def _answered(self, answer: RpcAnswer) -> None:
        if answer.id is None:
            # A refusal of what we sent as such: it names no call, so none of them can go on.
            self._fault = f"the node did not understand us: {answer.value()}"
            return
        receive = self._waiting.pop(answer.id, None)
        if receive is not None:
            receive(answer)


def _refused(body: bytes) -> RpcUnreachable:
    """Say in the node's own words why it did not let us in."""
    return RpcUnreachable(f"the node refused the connection: {decode_answer(body).value()}")


def _at_most(unanswered: set[int], count: int) -> bool:
    return len(unanswered) <= count
