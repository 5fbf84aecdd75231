"""What is wrong with a call before any rule of the protocols is asked, and how a refusal is told.

A fault here has the same shape as the core's refusals (`protocols.errors.ProtocolError`): name,
code, values, whether a retry is safe, and what to do next. Codes -32700 to -32600 are
JSON-RPC's; those from -32001 on are ours and belong to the way in. It does not know the methods.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import ClassVar

import msgspec

from protocols.errors import ProtocolError
from protocols.types import checksum_address

_ADDRESS = re.compile("0x[0-9a-f]{40}")

MESSAGE_LENGTH_MAX = 1_000
"""Characters of a message or a value: callers' own text is quoted, not echoed at length."""


@dataclass(eq=False)
class RpcFault(Exception):
    """The root: every refusal of the way in."""

    code: ClassVar[int] = -32603
    http_status: ClassVar[int] = 200
    """Over HTTP; refusals of single calls travel in a good response."""
    retry_safe: ClassVar[bool] = False
    """True if the same call may be repeated later without risk of doing it twice."""
    next_step: ClassVar[str] = "correct the request"
    """What the caller can do about it."""
    template: ClassVar[str] = "refused"
    """Message with the fields' names in braces."""

    @property
    def response_status(self) -> int:
        """The status of an HTTP response that says nothing else."""
        return self.http_status

    @classmethod
    def name(cls) -> str:
        """The stable name: the class name in snake case, upper-cased."""
        letters = [("_" + c if c.isupper() and i else c) for i, c in enumerate(cls.__name__)]
        return "".join(letters).upper()

    def values(self) -> dict[str, str]:
        """What was checked, printable."""
        return {f.name: str(getattr(self, f.name)) for f in fields(self)}

    def __str__(self) -> str:
        return self.template.format(**self.values())


@dataclass(eq=False)
class ParseError(RpcFault):
    """The bytes are no JSON."""

    code = -32700
    next_step = "send one JSON document in UTF-8"
    template = "not JSON: {reason}"
    reason: str


@dataclass(eq=False)
class InvalidRequest(RpcFault):
    """JSON, but no JSON-RPC 2.0 request."""

    code = -32600
    next_step = 'send {"jsonrpc": "2.0", "id": 1, "method": "node_status", "params": {}}'
    template = "not a JSON-RPC 2.0 request: {reason}"
    reason: str


@dataclass(eq=False)
class MethodNotFound(RpcFault):
    """The method table has no such name."""

    code = -32601
    next_step = "rpc.discover lists the methods"
    template = "no method {method}"
    method: str


@dataclass(eq=False)
class InvalidParams(RpcFault):
    """A parameter is missing, unknown, of the wrong type or out of range."""

    code = -32602
    next_step = "rpc.discover describes every method's parameters"
    template = "parameter {parameter}: {reason}"
    parameter: str
    reason: str


@dataclass(eq=False)
class Unauthorized(RpcFault):
    """No bearer token, or not the owner's."""

    code = -32001
    http_status = 401
    next_step = "send Authorization: Bearer with the text of rpc.token in the node's directory"
    template = "{reason}"
    reason: str


@dataclass(eq=False)
class HostRefused(RpcFault):
    """The Host header names no address of ours: a web page may be rebinding its own name to us."""

    code = -32002
    http_status = 403
    next_step = "use the address the node listens on"
    template = "host {host} is not a name of this node"
    host: str


@dataclass(eq=False)
class OriginRefused(RpcFault):
    """A web page that is not ours is calling."""

    code = -32003
    http_status = 403
    next_step = "call from a program, not from a web page"
    template = "origin {origin} is not allowed"
    origin: str


@dataclass(eq=False)
class RequestTooLarge(RpcFault):
    """Body, message or headers above their bound."""

    code = -32004
    http_status = 413
    next_step = "send less at once"
    template = "{what} is larger than {size_bytes_max} bytes"
    what: str
    size_bytes_max: int


@dataclass(eq=False)
class BatchTooLarge(RpcFault):
    """More requests in one batch than the bound."""

    code = -32005
    next_step = "send smaller batches, or single requests over a WebSocket"
    template = "a batch of {count} requests, at most {count_max} are taken"
    count: int
    count_max: int


@dataclass(eq=False)
class HttpRefused(RpcFault):
    """HTTP, but not POST of JSON to / and no WebSocket upgrade."""

    code = -32006
    http_status = 400
    next_step = "POST application/json to /, or upgrade / to a WebSocket"
    template = "{reason}"
    reason: str
    status: int = 400

    @property
    def response_status(self) -> int:
        """The one of this case."""
        return self.status


@dataclass(eq=False)
class TooManyConnections(RpcFault):
    """The node holds as many connections as it takes."""

    code = -32007
    http_status = 503
    retry_safe = True
    next_step = "close connections that are not used"
    template = "{count_max} connections are open already"
    count_max: int


@dataclass(eq=False)
class RequestTimedOut(RpcFault):
    """The request did not arrive whole in time."""

    code = -32008
    http_status = 408
    retry_safe = True
    next_step = "send the whole request at once"
    template = "the request was not complete after {timeout_s} s"
    timeout_s: float


@dataclass(eq=False)
class AnswerTooLarge(RpcFault):
    """The answers before this one in its batch are as much as one message carries."""

    code = -32010
    retry_safe = True
    next_step = "ask again in a batch of its own"
    template = (
        "the batch's answers are above {size_bytes_max} bytes already; this was not looked at"
    )
    size_bytes_max: int


@dataclass(eq=False)
class AnswerTimedOut(RpcFault):
    """What the caller waits for has not happened yet; the command itself may well be recorded."""

    code = -32009
    next_step = "repeat with the same request_id, or look at the channel before trying again"
    template = "no answer after {timeout_s} s; the command may be recorded"
    timeout_s: float


@dataclass(eq=False)
class BackupNotMade(RpcFault):
    """No copy of the log can be made there: the path, the disk, or another backup under way."""

    code = -32011
    next_step = "name a new directory inside one that is there, on a disk with room"
    template = "no backup was made: {reason}"
    reason: str


@dataclass(eq=False)
class SimulationTooLarge(RpcFault):
    """What is assumed leads to more than one answer holds, or takes too long."""

    code = -32020
    retry_safe = True
    next_step = "assume less at once, or fewer seconds"
    template = "the simulation came to {what}, the most is {limit}"
    what: str
    limit: str


@dataclass(eq=False)
class SimulationNotPossible(RpcFault):
    """What is assumed contradicts itself: no honest peer and no chain can bring it about."""

    code = -32021
    next_step = "assume what could happen, in an order in which it could"
    template = "the assumptions contradict each other: {reason}"
    reason: str


class ErrorData(msgspec.Struct, frozen=True, gc=False):
    """The `data` member of an error object."""

    name: str
    values: dict[str, str]
    retry_safe: bool
    next_step: str


class ErrorObject(msgspec.Struct, frozen=True, gc=False):
    """JSON-RPC's error object, ours always with `data`."""

    code: int
    message: str
    data: ErrorData


def error_object(error: ProtocolError | RpcFault) -> ErrorObject:
    """The refusal as the caller sees it: addresses as everywhere in answers, its own text cut at
    `MESSAGE_LENGTH_MAX`."""
    values = {name: _as_answered(value) for name, value in error.values().items()}
    message = error.template.format(**values)[:MESSAGE_LENGTH_MAX]
    cut = {name: value[:MESSAGE_LENGTH_MAX] for name, value in values.items()}
    data = ErrorData(error.name(), cut, error.retry_safe, error.next_step)
    return ErrorObject(error.code, message, data)


def _as_answered(value: str) -> str:
    """An address in EIP-55, anything else as it is."""
    if _ADDRESS.fullmatch(value) is None:
        return value
    return checksum_address(bytes.fromhex(value[2:]))


def all_faults() -> dict[str, type[RpcFault]]:
    """Every refusal of the way in, by stable name: for the reference page."""
    return {fault.name(): fault for fault in RpcFault.__subclasses__()}
