"""One call to a running node over HTTP, for commands that ask once and print.

It knows the envelope and the token, and nothing of what the methods mean. It loads neither trio
nor anything of the chain's libraries: a command starts quickly. Many calls at once:
`node.rpc.client`.
"""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

CALL_TIMEOUT_S = 30.0
"""How long a single call over HTTP waits for its answer."""

_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True)
class RpcEndpoint:
    """Where a node listens, and the owner's token (the text of DIR/rpc.token)."""

    host: str
    port: int
    token: str


class RpcError(Exception):
    """The node refused a call. Its name, values and advice are the node's own."""

    def __init__(self, code: int, message: str, data: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.name: str = data.get("name", "UNKNOWN")
        """Stable name, as docs/errors.md lists them."""
        self.values: dict[str, str] = data.get("values", {})
        """What was checked."""
        self.retry_safe: bool = data.get("retry_safe", False)
        """Whether the same call may be repeated without risk of doing it twice."""
        self.next_step: str = data.get("next_step", "")


class RpcUnreachable(Exception):
    """No answer: nobody listens there, the token was refused, or the connection ended."""


class Fault(msgspec.Struct, gc=False):
    """The error object of an answer."""

    code: int
    message: str
    data: dict[str, Any] = {}


class RpcAnswer(msgspec.Struct, gc=False):
    """An answer as it came."""

    id: int | None = None
    result: Any = None
    error: Fault | None = None

    def value(self) -> Any:
        """The result, or the node's refusal as an `RpcError` (returned, not raised)."""
        if self.error is not None:
            return RpcError(self.error.code, self.error.message, self.error.data)
        return self.result


_DECODER = msgspec.json.Decoder(RpcAnswer)


def encode_request(request_num: int, method: str, params: Mapping[str, object]) -> bytes:
    """The envelope of one call, as JSON."""
    return _ENCODER.encode(
        {"jsonrpc": "2.0", "id": request_num, "method": method, "params": params}
    )


def decode_answer(text: str | bytes) -> RpcAnswer:
    """An answer's JSON; `RpcUnreachable` if it is none, for then no node speaks there."""
    try:
        return _DECODER.decode(text)
    except msgspec.DecodeError as error:
        raise RpcUnreachable(f"what answers there is no node: {error}") from error


def call_once(
    endpoint: RpcEndpoint, method: str, /, *, timeout_s: float = CALL_TIMEOUT_S, **params: object
) -> Any:
    """One blocking call over HTTP; the result as plain JSON values.

    Raises `RpcError` if the node refuses and `RpcUnreachable` if it does not answer.
    """
    connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=timeout_s)
    headers = {
        "Authorization": f"Bearer {endpoint.token}",
        "Content-Type": "application/json",
    }
    try:
        connection.request("POST", "/", encode_request(1, method, params), headers)
        body = connection.getresponse().read()
    except (OSError, http.client.HTTPException) as error:
        where = f"{endpoint.host}:{endpoint.port}"
        raise RpcUnreachable(f"no answer from {where}: {error}") from error
    finally:
        connection.close()
    value = decode_answer(body).value()
    if isinstance(value, RpcError):
        raise value
    return value
