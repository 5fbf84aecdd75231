"""Callers of the owner's door that say exactly what a test tells them to, right or wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h11
import trio

from node.rpc.call import RpcEndpoint

ANSWER_TIMEOUT_S = 30.0
"""Longer than any answer takes on a busy machine; a test that waits this long fails."""


@dataclass(frozen=True)
class Reply:
    """One HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error object of a refusal, its envelope checked."""
        return checked_error(self.json)


def checked_error(envelope: Any) -> dict[str, Any]:
    """The error object of an answer that must be a whole, well-formed refusal."""
    assert set(envelope) == {"jsonrpc", "id", "error"}
    assert envelope["jsonrpc"] == "2.0"
    error: dict[str, Any] = envelope["error"]
    assert set(error) == {"code", "message", "data"}
    assert set(error["data"]) == {"name", "values", "retry_safe", "next_step"}
    assert isinstance(error["code"], int)
    assert all(isinstance(value, str) for value in error["data"]["values"].values())
    return error


def request(method: str, params: Any = None, request_id: Any = 1) -> dict[str, Any]:
    """An envelope; params and id are left out if None."""
    envelope = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    return {name: value for name, value in envelope.items() if value is not None}


class HttpCaller:
    """One connection, spoken to through h11, which also checks what comes back."""

    def __init__(self, stream: trio.SocketStream, endpoint: RpcEndpoint) -> None:
        self.stream = stream
        self._endpoint = endpoint
        self._http = h11.Connection(h11.CLIENT)

    @classmethod
    async def connect(cls, endpoint: RpcEndpoint) -> HttpCaller:
        stream = await trio.open_tcp_stream(endpoint.host, endpoint.port)
        return cls(stream, endpoint)

    async def __aenter__(self) -> HttpCaller:
        return self

    async def __aexit__(self, *_: object) -> None:
        await trio.aclose_forcefully(self.stream)

    async def post(
        self, body: Any, method: str = "POST", target: str = "/", **headers: Any
    ) -> Reply:
        """Send `body` (bytes as they are, else as JSON); a header set to None is left out.

        Header names have underscores for hyphens; a list sends the header several times.
        """
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields: dict[str, Any] = {
            "host": f"{self._endpoint.host}:{self._endpoint.port}",
            "authorization": f"Bearer {self._endpoint.token}",
            "content_type": "application/json",
            "content_length": str(len(data)),
            **headers,
        }
        lines = [
            (name.replace("_", "-").encode(), text.encode())
            for name, value in fields.items()
            if value is not None
            for text in (value if isinstance(value, list) else [value])
        ]
        head = f"{method} {target} HTTP/1.1\r\n".encode()
        head += b"".join(b"%b: %b\r\n" % line for line in lines) + b"\r\n"
        # h11 would refuse to send what some tests must send, so it is told what it can take.
        self._http.send(h11.Request(method="POST", target="/", headers=[("host", "x")]))
        self._http.send(h11.EndOfMessage())
        await self.stream.send_all(head + data)
        return await self.read()

    async def read(self) -> Reply:
        """The next response, whole."""
        response, body = None, b""
        with trio.fail_after(ANSWER_TIMEOUT_S):
            while True:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    self._http.receive_data(await self.stream.receive_some(65_536))
                elif isinstance(event, h11.Response):
                    response = event
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    break
        assert response is not None
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        headers = {name.decode(): value.decode() for name, value in response.headers}
        return Reply(response.status_code, headers, body)


async def post(endpoint: RpcEndpoint, body: Any, **headers: Any) -> Reply:
    """One request on a connection of its own."""
    async with await HttpCaller.connect(endpoint) as caller:
        return await caller.post(body, **headers)


async def send_raw(endpoint: RpcEndpoint, data: bytes, finish: bool = True) -> bytes:
    """Send bytes, then (if `finish`) end of file; everything that comes back until the end."""
    received = b""
    async with await trio.open_tcp_stream(endpoint.host, endpoint.port) as stream:
        with trio.fail_after(ANSWER_TIMEOUT_S):
            try:
                await stream.send_all(data)
                if finish:
                    await stream.send_eof()
                async for chunk in stream:
                    received += chunk
            except trio.BrokenResourceError:
                pass  # refused while we were still sending; what came before counts
    return received


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds."""
    with trio.fail_after(ANSWER_TIMEOUT_S):
        while not condition():
            await trio.sleep(0.002)
