"""The reducer of the node's own views, as it comes with the node."""

from __future__ import annotations

from pathlib import Path

from node.log_views.limits import NODE_BUDGET
from node.views.compiled import CompiledCode
from node.views.module import ReducerModule, load_module

FILE = Path(__file__).resolve().parent.parent / "views" / "shipped" / "node.wasm"
"""Compiled from node.c beside it (`scripts/reducers.py`)."""

TABLES = ("channels", "payments", "fees", "balances")
"""For readers; those that begin with `fold_` are the reducer's memory."""

_AMOUNT_COLUMNS = {
    "channels": {"ours", "theirs", "guaranteed", "held", "paid"},
    "payments": {"amount", "total"},
    "fees": {"amount"},
    "balances": {"on_chain", "channels", "ledgers", "guaranteed", "withdrawn"},
}


def is_amount(table: str, column: str) -> bool:
    """Whether the column's 32 bytes are a number; those of others are an id."""
    return column in _AMOUNT_COLUMNS.get(table, ())


_loaded: dict[bytes, ReducerModule] = {}
"""By code: compiled once a process, which takes a quarter of a second."""


def node_module(cache: CompiledCode | None = None) -> ReducerModule:
    """The reducer, compiled, under the node's budget."""
    code = FILE.read_bytes()
    if code not in _loaded:
        _loaded[code] = load_module(code, NODE_BUDGET, cache)
    return _loaded[code]
