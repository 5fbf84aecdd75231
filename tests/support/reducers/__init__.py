"""Reducers for tests: one that does what it should, and makers of those that do not.

Messages and replies are packed with the `msgpack` package, which shares no code with the node's.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgpack
import wasmtime

from node.views.limits import Budget
from node.views.module import ReducerModule, load_module

SCORES = (Path(__file__).parent / "scores.wat").read_text()
"""Points of players; its head says what its messages are."""

ADD, REFUSE, TRAP, SPIN, TAKE, NOTE, ADD_AND_TRAP, NEW = range(8)
"""Kinds of its messages."""

TABLE = "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT) STRICT, WITHOUT ROWID"
"""What `sql_reducer` makes unless told otherwise."""


def pack(value: Any) -> bytes:
    return bytes(msgpack.packb(value))


def message(kind: int, player: bytes, number: int) -> bytes:
    """Of `SCORES`."""
    return pack([kind, player, number])


@functools.cache
def binary(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


def module(text: str, budget: Budget | None = None) -> ReducerModule:
    return load_module(binary(text), budget)


def scores(budget: Budget | None = None) -> ReducerModule:
    return module(SCORES, budget)


def literal(data: bytes) -> str:
    """Bytes as they stand in a data segment."""
    return "".join(f"\\{byte:02x}" for byte in data)


def wat(
    reduce: str,
    *,
    init: bytes | None = None,
    extra: str = "",
    memory: str = '(memory (export "memory") 2)',
    alloc: str = "(i32.const 65536)",
) -> str:
    """A module whose `reduce` has this body; `init` answers with these bytes, which are at 16."""
    parts = [
        '(import "host" "exec" (func $exec (param i32 i32) (result i64)))',
        '(import "host" "query" (func $query (param i32 i32 i32 i32) (result i64)))',
        memory,
        f'(func (export "alloc") (param $size i32) (result i32) {alloc})',
        f'(func (export "reduce") (param $at i32) (param $size i32) (result i64) {reduce})',
        extra,
    ]
    if init is not None:
        parts += [
            f'(data (i32.const 16) "{literal(init)}")',
            f'(func (export "init") (result i64) (i64.const {(16 << 32) | len(init)}))',
        ]
    return "(module " + "\n".join(parts) + ")"


def writes(*sql: str | tuple[str, list[list[Any]]], code: int = 0) -> bytes:
    """A reply: each statement once without values, or with its rows."""
    pairs = [(one, [[]]) if isinstance(one, str) else one for one in sql]
    return pack([code, pairs])


def answering(reply: bytes, *init: str | tuple[str, list[list[Any]]]) -> str:
    """A module that makes tables, and answers every message with these bytes."""
    place = 32_768
    return wat(
        f"(i64.const {(place << 32) | len(reply)})",
        init=writes(*(init or (TABLE,))),
        extra=f'(data (i32.const {place}) "{literal(reply)}")',
    )


def writing(*sql: str | tuple[str, list[list[Any]]], init: Sequence[str] = (TABLE,)) -> str:
    """A module that answers every message with these writes."""
    return answering(writes(*sql), *init)


def calling(function: str, value: Any, init: Sequence[str] = (TABLE,)) -> str:
    """A module that hands this value to `exec` or `query`, and answers [0, []]."""
    data = pack(value)
    room = "(i32.const 40000) (i32.const 1000)" if function == "query" else ""
    return wat(
        f"(drop (call ${function} (i32.const 32768) (i32.const {len(data)}) {room})) "
        f"(i64.const {(32_760 << 32) | 3})",
        init=writes(*init),
        extra=f'(data (i32.const 32768) "{literal(data)}")'
        f'(data (i32.const 32760) "{literal(pack([0, []]))}")',
    )


def obeying(init: Sequence[str] = (TABLE,)) -> str:
    """A module that writes what the message says, which is a reply (`writes`)."""
    place = "(i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32))"
    size = "(i64.extend_i32_u (local.get $size))"
    return wat(f"(i64.or {place} {size})", init=writes(*init))
