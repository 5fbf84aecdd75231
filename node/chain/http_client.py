"""JSON-RPC 2.0 over HTTP/1.1, for endpoints that offer no WebSocket.

One kept-alive connection, one call at a time: this is the fallback, not the fast path. There are
no subscriptions; who follows blocks polls. Redirects are not followed.
Source: RFC 9112 through h11.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import h11
import trio

from node.chain.errors import EndpointDown, RpcError
from node.chain.rpc_client import (
    MESSAGE_SIZE_BYTES_MAX,
    REQUEST_TIMEOUT_S,
    RpcClient,
    Subscription,
    WebSocketClient,
    decode_object,
    result_of,
)
from node.chain.streams import (
    Stream,
    endpoint_label,
    first_words,
    host_of,
    open_stream,
    require_url,
    target_of,
)

TOO_MANY_REQUESTS = 429
"""HTTP's status for a client that asks too often (RFC 6585)."""
RECEIVE_SIZE_BYTES = 65_536
"""Bytes asked of the socket at a time."""


def client_for(url: str) -> RpcClient:
    """A fresh client for one connection to `url`, which `require_url` accepted."""
    require_url(url)
    if url.startswith("ws"):
        return WebSocketClient(url)
    return HttpClient(url)


class _Stale(Exception):
    """The kept-alive connection ended before it gave any answer."""


class HttpClient:
    """JSON-RPC over HTTP (see `RpcClient`)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.label = endpoint_label(url)
        self.closed = trio.Event()
        self.closed_reason = ""
        self._ids = itertools.count(1)
        self._turn = trio.Lock()
        self._stream: Stream | None = None
        self._http = h11.Connection(h11.CLIENT)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Connect once to see that somebody is there; then wait to be closed."""
        try:
            async with self._turn:
                await self._connect()
            task_status.started()
            await self.closed.wait()
        finally:
            self.closed.set()
            await self._drop()

    async def call(self, method: str, params: list[Any]) -> Any:
        """One POST. A connection the server let go meanwhile is opened once more."""
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        body = json.dumps(request).encode()
        answer: bytes | None = None
        async with self._turn:
            if self.closed.is_set():
                raise EndpointDown(self.label, self.closed_reason)
            try:
                with trio.fail_after(REQUEST_TIMEOUT_S):
                    answer = await self._post(body)
            except trio.TooSlowError:
                self.close(f"no answer to {method} within {REQUEST_TIMEOUT_S:g} s")
            except _Stale:
                self.close("the connection was cut")
            except EndpointDown as error:
                self.close(error.reason)
            except trio.ClosedResourceError:
                assert self.closed.is_set(), "only who gave us up closes under a call"
            except (OSError, trio.BrokenResourceError, h11.RemoteProtocolError) as error:
                self.close(f"no answer to {method}: {first_words(error)}")
            finally:
                # Who gave us up while we connected found nothing to let go of.
                if answer is None or self.closed.is_set():
                    await self._drop()
        if answer is None:
            raise EndpointDown(self.label, self.closed_reason)
        decoded = decode_object(answer)
        if decoded is None:
            self.close(f"its answer to {method} is not JSON-RPC: {answer[:80]!r}")
            raise EndpointDown(self.label, self.closed_reason)
        return result_of(method, decoded)

    async def subscribe(self, kind: str, *params: Any) -> Subscription | None:
        """HTTP cannot be told anything unasked: None."""
        return None

    async def unsubscribe(self, subscription: Subscription) -> None:
        """There is none."""

    def close(self, reason: str) -> None:
        """Give the endpoint up."""
        if not self.closed.is_set():
            self.closed_reason = reason
            self.closed.set()

    async def _post(self, body: bytes) -> bytes:
        kept_alive = self._stream is not None
        try:
            return await self._exchange(body)
        except (_Stale, OSError, trio.BrokenResourceError):
            if not kept_alive:
                raise
            await self._drop()
            return await self._exchange(body)

    async def _exchange(self, body: bytes) -> bytes:
        # Ours for the whole exchange: whoever gives this endpoint up takes it from the client.
        stream = self._stream or await self._connect()
        headers = [
            ("Host", host_of(self.url)),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ]
        request = h11.Request(method="POST", target=target_of(self.url), headers=headers)
        for event in (request, h11.Data(data=body), h11.EndOfMessage()):
            await stream.send_all(self._http.send(event) or b"")
        status, retry_after_s, answer = await self._read_answer(stream)
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            await self._drop()
        if status == TOO_MANY_REQUESTS:
            raise RpcError("HTTP", status, "too many requests", None, retry_after_s)
        # Some endpoints send JSON-RPC errors with status 4xx or 5xx: those are answers too.
        if status != 200 and not answer.lstrip().startswith(b"{"):
            raise h11.RemoteProtocolError(f"HTTP status {status}")
        return answer

    async def _read_answer(self, stream: Stream) -> tuple[int, float, bytes]:
        """Status, the seconds we are asked to wait, and the body."""
        status, retry_after_s = 0, 0.0
        received = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                chunk = await stream.receive_some(RECEIVE_SIZE_BYTES)
                if not chunk and status == 0:
                    raise _Stale
                self._http.receive_data(bytes(chunk))
            elif isinstance(event, h11.Response):
                status = event.status_code
                retry_after_s = _retry_after_s(event.headers)
            elif isinstance(event, h11.Data):
                received += event.data
                if len(received) > MESSAGE_SIZE_BYTES_MAX:
                    raise h11.RemoteProtocolError(f"above {MESSAGE_SIZE_BYTES_MAX} bytes")
            elif isinstance(event, h11.EndOfMessage):
                return status, retry_after_s, bytes(received)

    async def _connect(self) -> Stream:
        self._stream = stream = await open_stream(self.url)
        self._http = h11.Connection(h11.CLIENT)
        return stream

    async def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await trio.aclose_forcefully(stream)


def _retry_after_s(headers: Iterable[tuple[bytes, bytes]]) -> float:
    """The header Retry-After in its form of seconds; 0 without it or with a date."""
    for name, value in headers:
        if name == b"retry-after" and value.isdigit() and len(value) < 9:
            return float(value)
    return 0.0
