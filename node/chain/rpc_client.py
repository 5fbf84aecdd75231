"""JSON-RPC 2.0 to one Ethereum endpoint: calls in flight side by side, and subscriptions.

`RpcClient` is what both transports offer; this file holds what they share and the WebSocket one
(HTTP: `http_client`). A client lives for one connection: once `closed` is set it stays useless and
every call raises `EndpointDown`. Connecting again, and to whom, is `link`'s business. What the
methods mean is not known here.
Source: JSON-RPC 2.0; `eth_subscribe` as geth documents it.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import msgspec
import trio
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)
from wsproto.utilities import ProtocolError

from node.chain.errors import EndpointDown, RpcError
from node.chain.streams import (
    Stream,
    endpoint_label,
    first_words,
    host_of,
    open_stream,
    target_of,
)

HANDSHAKE_TIMEOUT_S = 10.0
"""Seconds until the endpoint has answered as a WebSocket server."""
REQUEST_TIMEOUT_S = 15.0
"""Seconds until a call without an answer counts as a dead endpoint."""
MESSAGE_SIZE_BYTES_MAX = 32 * 1024 * 1024
"""One answer. The logs of 500 busy blocks stay below 10 MiB; more is an endpoint gone wild."""
NOTIFICATION_COUNT_MAX = 256
"""Waiting notifications of one subscription; the oldest give way (a follower walks parents)."""
RECURSION_COUNT_MAX = 1_000
"""Calls within calls, Python's own default: what the stack of a thread bears."""
PARKED_COUNT_MAX = 256
"""Notifications that arrived before the answer to their subscription."""


class RpcClient(Protocol):
    """One connection to one endpoint."""

    url: str
    """Which endpoint, path and all: never for a log line."""
    label: str
    """Which endpoint, fit for a log line."""
    closed: trio.Event
    """Set once the connection is of no use any more."""
    closed_reason: str
    """Why, once `closed` is set."""

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Connect, report started, then serve until closed. `EndpointDown` only before that."""

    async def call(self, method: str, params: list[Any]) -> Any:
        """The result, as JSON values. Raises `RpcError` and `EndpointDown`."""

    async def subscribe(self, kind: str, *params: Any) -> Subscription | None:
        """Start `eth_subscribe(kind, *params)`; None where the transport has none. Raises like
        `call`."""

    async def unsubscribe(self, subscription: Subscription) -> None:
        """End it, whether the endpoint still knows it or not. Raises `EndpointDown`."""

    def close(self, reason: str) -> None:
        """Give the connection up; calls in flight raise `EndpointDown` with this reason."""


def decode_object(text: str | bytes) -> dict[str, Any] | None:
    """The JSON object in a message; None for anything else, however deep, long or broken."""
    limit = sys.getrecursionlimit()
    # A library that web3 loads raises it a hundredfold: brackets in brackets would end the process.
    sys.setrecursionlimit(min(limit, RECURSION_COUNT_MAX))
    try:
        decoded = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    finally:
        sys.setrecursionlimit(limit)
    return decoded if isinstance(decoded, dict) else None


def result_of(method: str, answer: dict[str, Any]) -> Any:
    """The result inside an answer object; `RpcError` when it carries an error."""
    error = answer.get("error")
    if error is None:
        return answer.get("result")
    if not isinstance(error, dict):
        raise RpcError(method, 0, str(error)[:500])
    code = error.get("code")
    message = str(error.get("message", "no message"))[:500]
    raise RpcError(method, code if isinstance(code, int) else 0, message, error.get("data"))


class Subscription:
    """Notifications of one `eth_subscribe`, oldest first."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._waiting: deque[Any] = deque(maxlen=NOTIFICATION_COUNT_MAX)
        self._closed_reason: str | None = None
        self.on_news: Callable[[], None] = lambda: None
        """Called when something came, or nothing more will."""

    def push(self, notification: Any) -> None:
        """Hand over one notification; the oldest is dropped when nobody takes them."""
        self._waiting.append(notification)
        self.on_news()

    def close(self, reason: str) -> None:
        """Nothing more will come."""
        self._closed_reason = reason
        self.on_news()

    def take(self) -> list[Any]:
        """All that waits, oldest first; `EndpointDown` when nothing does and nothing will."""
        if not self._waiting and self._closed_reason is not None:
            raise EndpointDown(self._label, self._closed_reason)
        taken = list(self._waiting)
        self._waiting.clear()
        return taken


@dataclass
class _Pending:
    """A call whose answer is not there yet."""

    subscribes: bool
    answered: trio.Event = field(default_factory=trio.Event)
    answer: dict[str, Any] | None = None
    subscription: Subscription | None = None


class _Watched:
    """A nursery for the library's reader that ends the handshake when the reader ends.

    By itself the handshake would wait for a server that hung up before it began.
    """

    def __init__(self, nursery: trio.Nursery, handshake: trio.CancelScope) -> None:
        self._nursery = nursery
        self._handshake = handshake

    def start_soon(self, reader: Callable[[], Awaitable[None]]) -> None:
        """What the library asks of a nursery."""
        self._nursery.start_soon(self._read, reader)

    async def _read(self, reader: Callable[[], Awaitable[None]]) -> None:
        await reader()
        self._handshake.cancel()


class WebSocketClient:
    """JSON-RPC over one WebSocket (see `RpcClient`)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.label = endpoint_label(url)
        self.closed = trio.Event()
        self._connection: WebSocketConnection | None = None
        self._scope = trio.CancelScope()
        self.closed_reason = "not connected"
        self._ids = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._parked: deque[tuple[str, Any]] = deque(maxlen=PARKED_COUNT_MAX)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Connect, report started, read until the connection ends."""
        try:
            stream = await open_stream(self.url)
        except EndpointDown as error:
            self.closed_reason = error.reason
            self._hang_up()
            raise
        started = False
        with self._scope:
            try:
                async with trio.open_nursery() as nursery:
                    self._connection = await self._shake_hands(nursery, stream)
                    started = True
                    task_status.started()
                    await self._read(self._connection)
                    # The library's own reader may wait on a peer that never says goodbye.
                    nursery.cancel_scope.cancel()
            except* (ConnectionClosed, HandshakeError, ProtocolError) as group:
                self.closed_reason = f"it speaks no WebSocket: {first_words(group.exceptions[0])}"
            finally:
                self._hang_up()
                await trio.aclose_forcefully(stream)
        if not started:
            raise self._down(self.closed_reason)

    async def call(self, method: str, params: list[Any]) -> Any:
        """Send and wait for the answer with the same id; others may be in flight meanwhile."""
        pending = await self._request(method, params, subscribes=False)
        assert pending.answer is not None
        return result_of(method, pending.answer)

    async def subscribe(self, kind: str, *params: Any) -> Subscription | None:
        """Start `eth_subscribe(kind, *params)`; what beats its answer is kept and comes first."""
        pending = await self._request("eth_subscribe", [kind, *params], subscribes=True)
        assert pending.answer is not None
        result_of("eth_subscribe", pending.answer)
        if pending.subscription is None:
            raise EndpointDown(self.label, "eth_subscribe answered without an id")
        return pending.subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        """End it, whether the endpoint still knows it or not."""
        names = [name for name, known in self._subscriptions.items() if known is subscription]
        for name in names:
            del self._subscriptions[name]
            try:
                await self.call("eth_unsubscribe", [name])
            except RpcError:
                # It forgot it before we did.
                continue

    def close(self, reason: str) -> None:
        """Give the connection up."""
        if not self.closed.is_set():
            self.closed_reason = reason
            self._scope.cancel()
            self._hang_up()

    async def _shake_hands(self, nursery: trio.Nursery, stream: Stream) -> WebSocketConnection:
        with trio.move_on_after(HANDSHAKE_TIMEOUT_S) as patience:
            return await wrap_client_stream(
                cast(trio.Nursery, _Watched(nursery, patience)),
                stream,
                host_of(self.url),
                target_of(self.url),
                max_message_size=MESSAGE_SIZE_BYTES_MAX,
            )
        raise HandshakeError("it did not finish the handshake")

    async def _read(self, connection: WebSocketConnection) -> None:
        while True:
            try:
                text = await connection.get_message()
            except ConnectionClosed:
                self.closed_reason = "the connection was cut"
                return
            message = decode_object(text)
            if message is None:
                self.closed_reason = "it sent something that is not JSON-RPC"
                return
            self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        if "method" in message:
            params = message.get("params")
            if message["method"] == "eth_subscription" and isinstance(params, dict):
                self._notify(str(params.get("subscription")), params.get("result"))
            return
        request_id = message.get("id")
        pending = self._pending.pop(request_id, None) if isinstance(request_id, int) else None
        if pending is None:
            return
        pending.answer = message
        # Registered here, before the next message is read: no notification can slip through.
        name = message.get("result")
        if pending.subscribes and isinstance(name, str):
            pending.subscription = self._subscriptions[name] = Subscription(self.label)
            early = [result for parked, result in self._parked if parked == name]
            for result in early:
                pending.subscription.push(result)
            self._parked.clear()
        pending.answered.set()

    def _notify(self, name: str, result: Any) -> None:
        subscription = self._subscriptions.get(name)
        if subscription is None:
            self._parked.append((name, result))
        else:
            subscription.push(result)

    async def _request(self, method: str, params: list[Any], *, subscribes: bool) -> _Pending:
        if self._connection is None or self.closed.is_set():
            raise self._down(self.closed_reason)
        request_id = next(self._ids)
        pending = self._pending[request_id] = _Pending(subscribes)
        request = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        # Not msgspec: it would spell bytes as base64 where this is a bug that must show.
        text = json.dumps(request)
        try:
            with trio.fail_after(REQUEST_TIMEOUT_S):
                # Half a frame would spoil the stream for everybody: never cancelled in between.
                with trio.move_on_after(REQUEST_TIMEOUT_S, shield=True):
                    await self._connection.send_message(text)
                await pending.answered.wait()
        except trio.TooSlowError:
            self.close(f"no answer to {method} within {REQUEST_TIMEOUT_S:g} s")
        except ConnectionClosed:
            self.close("the connection was cut")
        finally:
            self._pending.pop(request_id, None)
        if pending.answer is None:
            raise self._down(self.closed_reason)
        return pending

    def _hang_up(self) -> None:
        self.closed.set()
        for pending in self._pending.values():
            pending.answered.set()
        for subscription in self._subscriptions.values():
            subscription.close(self.closed_reason)

    def _down(self, reason: str) -> EndpointDown:
        return EndpointDown(self.label, reason)
