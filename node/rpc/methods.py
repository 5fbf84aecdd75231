"""The method table: what can be asked of the node, what it takes and what it answers.

One entry per method; dispatch, documentation and `rpc.discover` all read it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from node.rpc import params, results
from node.rpc.command_table import COMMANDS
from node.rpc.interface import NodeApi
from node.rpc.method import Command, Query
from node.rpc.openrpc import openrpc_document
from node.rpc.params import params_decoder
from node.rpc.query_table import QUERIES


async def _discover(node: NodeApi, p: params.NoParams) -> object:
    return DOCUMENT


DISCOVER = Query(
    "rpc.discover",
    "This interface as an OpenRPC document, made from the same table that serves it.",
    params.NoParams,
    results.OpenRpcDocument,
    {},
    (),
    _discover,
)

_ALL: tuple[Command | Query, ...] = (*COMMANDS, *QUERIES, DISCOVER)

METHODS: dict[str, Command | Query] = {
    method.name: method for method in sorted(_ALL, key=lambda method: method.name)
}
"""Every method by name."""

DECODERS: dict[str, Callable[[msgspec.Raw | None], Any]] = {
    name: params_decoder(method.params) for name, method in METHODS.items()
}
"""The parameters of every method; they raise `InvalidParams`."""

DOCUMENT = openrpc_document(METHODS.values())
"""What `rpc.discover` answers."""
