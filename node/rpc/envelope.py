"""JSON-RPC 2.0, strictly: bytes to requests, results and refusals to bytes.

Knows the envelope alone. `params` stay undecoded JSON until a method says what they should be.
Source: the JSON-RPC 2.0 specification; where it leaves a choice (fractional ids, unknown
members), we refuse.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from node.rpc.bounds import BATCH_COUNT_MAX
from node.rpc.errors import (
    BatchTooLarge,
    InvalidRequest,
    ParseError,
    RpcFault,
    error_object,
)
from protocols.errors import ProtocolError

RequestId = int | str | None
"""What an answer carries back; None when the request's id could not be read."""


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One call. A notification has no id: it is carried out and not answered."""

    jsonrpc: Literal["2.0"]
    method: str
    params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    id: RequestId | msgspec.UnsetType = msgspec.UNSET


class RequestRefused(Exception):
    """One request of a message is none; `request_id` is its id as far as it could be read."""

    def __init__(self, request_id: RequestId, fault: RpcFault) -> None:
        super().__init__(str(fault))
        self.request_id = request_id
        self.fault = fault


_REQUEST = msgspec.json.Decoder(Request)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_ENCODE = msgspec.json.Encoder().encode
_WHITE_SPACE = " \t\r\n"


def is_batch(message: str) -> bool:
    """Whether the first character that is no white space opens an array."""
    return message[:1] == "[" or (
        message[:1] in _WHITE_SPACE and message.lstrip(_WHITE_SPACE)[:1] == "["
    )


def decode_text(data: bytes) -> str:
    """The message as text; `RequestRefused` with `ParseError` unless it is UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise RequestRefused(None, ParseError(str(error))) from error


def decode_request(message: str | msgspec.Raw) -> Request:
    """One request; `RequestRefused` with `ParseError` or `InvalidRequest` for anything else."""
    try:
        return _REQUEST.decode(message)
    except msgspec.ValidationError as error:
        raise RequestRefused(_readable_id(message), InvalidRequest(str(error))) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestRefused(None, ParseError(str(error))) from error


def decode_batch(message: str) -> list[msgspec.Raw]:
    """The undecoded requests of a batch; `RequestRefused` for an empty or too long one."""
    try:
        items = _ITEMS.decode(message)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestRefused(None, ParseError(str(error))) from error
    if not items:
        raise RequestRefused(None, InvalidRequest("an empty batch"))
    if len(items) > BATCH_COUNT_MAX:
        raise RequestRefused(None, BatchTooLarge(len(items), BATCH_COUNT_MAX))
    return items


def _readable_id(message: str | msgspec.Raw) -> RequestId:
    """The id of what is JSON but no request; `RequestRefused` with `ParseError` if it is no JSON.

    The typed decoder stops at the first wrong member, so the rest has not been looked at yet.
    """
    try:
        value = msgspec.json.decode(message)
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestRefused(None, ParseError(str(error))) from error
    request_id = value.get("id") if isinstance(value, dict) else None
    return request_id if type(request_id) in (int, str) else None


def encode_answer(request_id: RequestId, result: object) -> bytes:
    """A result in its envelope."""
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (_ENCODE(request_id), _ENCODE(result))


def encode_refusal(request_id: RequestId, error: ProtocolError | RpcFault) -> bytes:
    """A refusal in its envelope."""
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (
        _ENCODE(request_id),
        _ENCODE(error_object(error)),
    )
