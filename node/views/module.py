"""A reducer's module: checked before it is compiled, and again before it is used.

imports   host.exec(ptr, len) -> i64, host.query(ptr, len, out, capacity) -> i64, nothing else
exports   memory, alloc(len) -> ptr, reduce(ptr, len) -> i64, and init() -> i64 if it has tables
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import wasmtime

from node.views.calls import Instance
from node.views.compiled import CompiledCode
from node.views.errors import Failure, ModuleRefused, ReducerFailed
from node.views.limits import (
    DETAIL_SIZE_MAX,
    MEMORY_PAGE_BYTES,
    MODULE_SIZE_BYTES_MAX,
    Budget,
)
from node.views.sections import check_sections
from node.views.wasm import engine

Signature = tuple[tuple[str, ...], tuple[str, ...]]
"""Types of the parameters and of the results."""

HOST = "host"
IMPORTS: dict[str, Signature] = {
    "exec": (("i32", "i32"), ("i64",)),
    "query": (("i32", "i32", "i32", "i32"), ("i64",)),
}
EXPORTS: dict[str, Signature] = {
    "alloc": (("i32",), ("i32",)),
    "reduce": (("i32", "i32"), ("i64",)),
}
OPTIONAL_EXPORTS: dict[str, Signature] = {"init": ((), ("i64",))}


@dataclass(frozen=True)
class ReducerModule:
    """Code that was let through, compiled."""

    code_hash: bytes
    """sha256 of the binary."""
    compiled: wasmtime.Module
    has_init: bool
    budget: Budget
    """What its messages may take."""


def load_module(
    code: bytes, budget: Budget | None = None, cache: CompiledCode | None = None
) -> ReducerModule:
    """Check and compile a binary, or take it from the cache; raises `ModuleRefused`."""
    budget = budget or Budget()
    if len(code) > MODULE_SIZE_BYTES_MAX:
        raise ModuleRefused(Failure.MODULE_OVERSIZED, f"{len(code)} bytes")
    check_sections(code)
    code_hash = hashlib.sha256(code).digest()
    compiled = None if cache is None else cache.load(code_hash)
    if compiled is None:
        try:
            compiled = wasmtime.Module(engine(), code)
        except wasmtime.WasmtimeError as error:
            raise ModuleRefused(Failure.MODULE_INVALID, str(error)[:DETAIL_SIZE_MAX]) from None
        if cache is not None:
            cache.keep(code_hash, compiled)
    _check_imports(compiled)
    has_init = _check_exports(compiled, budget)
    _try_out(compiled, budget)
    return ReducerModule(code_hash, compiled, has_init, budget)


def _check_imports(compiled: wasmtime.Module) -> None:
    for item in compiled.imports:
        name = f"{item.module}.{item.name}"
        if item.module != HOST or item.name not in IMPORTS:
            raise ModuleRefused(Failure.MODULE_IMPORT, name)
        if _signature(item.type) != IMPORTS[item.name]:
            raise ModuleRefused(Failure.MODULE_IMPORT_TYPE, name)


def _check_exports(compiled: wasmtime.Module, budget: Budget) -> bool:
    """Whether there is an `init`; raises for what is missing or of another type."""
    exports = {item.name: item.type for item in compiled.exports}
    for name in ("memory", *EXPORTS):
        if name not in exports:
            raise ModuleRefused(Failure.MODULE_EXPORT_MISSING, name)
    for name, wanted in (EXPORTS | OPTIONAL_EXPORTS).items():
        if name in exports and _signature(exports[name]) != wanted:
            raise ModuleRefused(Failure.MODULE_EXPORT_TYPE, name)
    memory = exports["memory"]
    if not isinstance(memory, wasmtime.MemoryType):
        raise ModuleRefused(Failure.MODULE_EXPORT_TYPE, "memory")
    if memory.limits.min * MEMORY_PAGE_BYTES > budget.memory_bytes:
        raise ModuleRefused(Failure.MODULE_MEMORY_OVERSIZED, f"{memory.limits.min} pages")
    return "init" in exports


def _try_out(compiled: wasmtime.Module, budget: Budget) -> None:
    """Bring one instance to life: then only the machine can keep another one from it."""
    linker = wasmtime.Linker(engine())
    linker.define_unknown_imports_as_traps(compiled)
    linked = linker.instantiate_pre(compiled)
    try:
        Instance(linked, budget).close()
    except ReducerFailed as failed:
        raise ModuleRefused(failed.failure, failed.detail) from None
    finally:
        linked.close()
        linker.close()


def _signature(kind: object) -> Signature | None:
    if not isinstance(kind, wasmtime.FuncType):
        return None
    return tuple(map(str, kind.params)), tuple(map(str, kind.results))
