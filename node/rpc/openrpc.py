"""The interface as an OpenRPC document, made from the method table.

It reads names, types and examples off whatever table it is given and knows no method itself.
Source: the OpenRPC specification 1.3.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Protocol

import msgspec

from node.rpc.params import Params
from protocols.errors import ProtocolError

_REF = "#/components/schemas/{name}"


class Described(Protocol):
    """What the document says of a method."""

    @property
    def name(self) -> str:
        """As it is called."""

    @property
    def summary(self) -> str:
        """One sentence."""

    @property
    def params(self) -> type[Params]:
        """What it takes."""

    @property
    def result(self) -> Any:
        """The type of what it answers."""

    @property
    def example(self) -> dict[str, Any]:
        """Parameters of a typical call."""

    @property
    def errors(self) -> tuple[type[ProtocolError], ...]:
        """Refusals to expect."""


def openrpc_document(methods: Iterable[Described]) -> dict[str, Any]:
    """The whole document, as JSON values."""
    described = list(methods)
    results = [method.result for method in described]
    takes = [method.params for method in described]
    schemas, components = msgspec.json.schema_components([*takes, *results], ref_template=_REF)
    of_params, of_results = schemas[: len(described)], schemas[len(described) :]
    entries = [
        _method(method, _resolved(taken, components), result)
        for method, taken, result in zip(described, of_params, of_results, strict=True)
    ]
    taken_names = {taken.__name__ for taken in takes}
    kept = {name: schema for name, schema in components.items() if name not in taken_names}
    return {
        "openrpc": "1.3.2",
        "info": {"title": "Tallystick node", "version": version("tallystick")},
        "methods": entries,
        "components": {"schemas": kept},
    }


def _resolved(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    resolved: dict[str, Any] = components[schema["$ref"].rpartition("/")[2]]
    return resolved


def _method(method: Described, taken: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    required = set(taken.get("required", ()))
    return {
        "name": method.name,
        "summary": method.summary,
        "paramStructure": "by-name",
        "params": [
            {"name": name, "required": name in required, "schema": schema}
            for name, schema in taken.get("properties", {}).items()
        ],
        "result": {"name": "result", "schema": result},
        "errors": [_error(error) for error in method.errors],
        "examples": [
            {
                "name": method.name,
                "params": [{"name": n, "value": v} for n, v in method.example.items()],
            }
        ],
    }


def _error(error: type[ProtocolError]) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.template,
        "data": {
            "name": error.name(),
            "retry_safe": error.retry_safe,
            "next_step": error.next_step,
        },
    }
