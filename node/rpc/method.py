"""What a method of the interface is: a command or a query, and what is said of both.

The examples are what typical calls in the documentation name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from node.answers import Answer
from node.rpc.interface import NodeApi
from node.rpc.params import Params
from protocols.errors import ProtocolError
from protocols.inputs import Input

CHANNEL_EXAMPLE = "0x" + "ab" * 32
PAID_CHANNEL_EXAMPLE = "0x" + "ba" * 32
"""One in which we are paid."""
APP_CHANNEL_EXAMPLE = "0x" + "a9" * 32
"""An application's."""
LEDGER_EXAMPLE = "0x" + "ef" * 32
REDUCER_EXAMPLE = "0x" + "5e" * 32
OBJECTIVE_EXAMPLE = "0x" + "cd" * 32
PEER_EXAMPLE = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
SIGNATURE_EXAMPLE = "0x" + "ab" * 64 + "1b"


class Method(msgspec.Struct, frozen=True):
    """What every method has. The envelope's and `INVALID_PARAMS` refusals go without saying."""

    name: str
    summary: str
    """One sentence for the documentation."""
    params: type[Params]
    result: Any
    """The type of the answer: a Struct, or an annotated dict."""
    example: dict[str, Any]
    """Parameters of a typical call."""
    errors: tuple[type[ProtocolError], ...]
    """The core's refusals that a caller should expect."""


class Command(Method, frozen=True):
    """Changes something: answered when its record is on disk."""

    to_input: Callable[[Any], Input]
    """Parameters to input; raises `InvalidParams`."""
    to_result: Callable[[Answer], msgspec.Struct]
    complete: Callable[[NodeApi, Any], Awaitable[Any]] | None = None
    """Fills in what the caller left to the node, before anything else looks at it."""


class Query(Method, frozen=True):
    """Reads only."""

    read: Callable[[NodeApi, Any], Awaitable[object]]
    """Raises `InvalidParams` or a refusal."""
