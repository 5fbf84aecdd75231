"""One instance of a module, and the calls into it.

An instance lives for one message: what a reducer knows is in its tables, never in its memory, or a
node that was started again would disagree with one that was not. wasmtime's public calls look up
types and all exports each time, which costs a fresh instance four times what the message does: this
is the one module that calls the C interface beneath them. Its test compares the two.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import wasmtime
from wasmtime import _ffi as ffi
from wasmtime import _func as func

from node.views.errors import Failure, ReducerFailed
from node.views.limits import DETAIL_SIZE_MAX, TABLE_ELEMENT_COUNT_MAX, Budget
from node.views.wasm import engine

if TYPE_CHECKING:
    from wasmtime._instance_pre import InstancePre

_TRAPS = {
    "OUT_OF_FUEL": Failure.OUT_OF_FUEL,
    "STACK_OVERFLOW": Failure.STACK_OVERFLOW,
    "MEMORY_OUT_OF_BOUNDS": Failure.TRAP_MEMORY,
    "TABLE_OUT_OF_BOUNDS": Failure.TRAP_TABLE,
    "UNREACHABLE": Failure.TRAP_UNREACHABLE,
    "INTEGER_DIVISION_BY_ZERO": Failure.TRAP_DIVISION,
    "INTEGER_OVERFLOW": Failure.TRAP_OVERFLOW,
    "BAD_CONVERSION_TO_INTEGER": Failure.TRAP_CONVERSION,
    "INDIRECT_CALL_TO_NULL": Failure.TRAP_NULL_CALL,
    "BAD_SIGNATURE": Failure.TRAP_SIGNATURE,
}

_U32 = 2**32 - 1
_I32: int = ffi.WASMTIME_I32.value
_NAMES = {
    name: (ctypes.create_string_buffer(name.encode()), len(name))
    for name in ("memory", "alloc", "reduce", "init")
}


class Instance:
    """A fresh instance. Raises `ReducerFailed` if the module cannot be brought to life."""

    def __init__(self, linked: InstancePre, budget: Budget) -> None:
        self._fuel = budget.fuel
        self.raised: BaseException | None = None
        """What a host function raised; set by it. wasmtime keeps the last one of all threads."""
        self._store = wasmtime.Store(engine())
        self._store.set_limits(
            memory_size=budget.memory_bytes,
            table_elements=TABLE_ELEMENT_COUNT_MAX,
            instances=1,
            tables=1,
            memories=1,
        )
        self._store.set_fuel(budget.fuel)
        self._context: Any = self._store._context()
        self._instance = ffi.wasmtime_instance_t()
        trap = ctypes.POINTER(ffi.wasm_trap_t)()
        error: Any = ffi.wasmtime_instance_pre_instantiate(
            linked.ptr(), self._context, ctypes.byref(self._instance), ctypes.byref(trap)
        )
        try:
            self._raise_what_failed(trap, error)
        except ReducerFailed:
            self.close()
            raise
        self._memory = self._export("memory").of.memory

    def close(self) -> None:
        """Give its memory back. A second call does nothing."""
        if self._context is not None:
            self._context = None
            self._store.close()

    @property
    def fuel_used(self) -> int:
        """So far."""
        return self._fuel - self._store.get_fuel()

    def call(self, name: str, *arguments: int) -> int:
        """The function's result, an integer with sign; raises `ReducerFailed` for a trap.

        What a host function left in `raised` is raised as it is.
        """
        function = self._export(name).of.func
        parameters = (ffi.wasmtime_val_t * len(arguments))()
        for parameter, argument in zip(parameters, arguments, strict=True):
            parameter.kind = _I32
            parameter.of.i32 = argument
        result: Any = ffi.wasmtime_val_t()
        trap = ctypes.POINTER(ffi.wasm_trap_t)()
        error: Any = ffi.wasmtime_func_call(
            self._context,
            ctypes.byref(function),
            parameters,
            len(arguments),
            ctypes.byref(result),
            1,
            ctypes.byref(trap),
        )
        self._raise_what_failed(trap, error)
        return int(result.of.i32 if result.kind == _I32 else result.of.i64)

    def read(self, pointer: int, size: int) -> bytes:
        """A copy of so many bytes; raises `ReducerFailed` (pointer-out-of-bounds)."""
        return ctypes.string_at(self._address(pointer, size), size)

    def write(self, pointer: int, data: bytes) -> None:
        """Copy the bytes into its memory; raises `ReducerFailed` (pointer-out-of-bounds)."""
        ctypes.memmove(self._address(pointer, len(data)), data, len(data))

    def _address(self, pointer: int, size: int) -> int:
        # Asked for each time: memory that grew lies elsewhere.
        memory = ctypes.byref(self._memory)
        length = ffi.wasmtime_memory_data_size(self._context, memory)
        pointer &= _U32
        if pointer + size > length:
            detail = f"{size} bytes from {pointer} in a memory of {length}"
            raise ReducerFailed(Failure.POINTER_FORGED, detail)
        start = ffi.wasmtime_memory_data(self._context, memory)
        return ctypes.addressof(start.contents) + pointer if length else 0

    def _export(self, name: str) -> ffi.wasmtime_extern_t:
        item = ffi.wasmtime_extern_t()
        text, size = _NAMES[name]
        found = ffi.wasmtime_instance_export_get(
            self._context, ctypes.byref(self._instance), text, size, ctypes.byref(item)
        )
        assert found, f"{name} was checked to be exported"
        return item

    def _raise_what_failed(self, trap: Any, error: Any) -> None:
        """Raise for a trap or an error of the runtime, if there was one."""
        if not trap and not error:
            return
        caught = wasmtime.Trap._from_ptr(trap) if trap else wasmtime.WasmtimeError._from_ptr(error)
        raised, self.raised = self.raised, None
        if raised is not None:
            # It holds what was called, and would keep it.
            func.LAST_EXCEPTION = None
            raise raised
        if isinstance(caught, wasmtime.Trap):
            raise _failed(caught)
        raise ReducerFailed(Failure.INSTANCE_REFUSED, str(caught)[:DETAIL_SIZE_MAX])


def _failed(trap: wasmtime.Trap) -> ReducerFailed:
    code = trap.trap_code
    failure = Failure.TRAP_OTHER if code is None else _TRAPS.get(code.name, Failure.TRAP_OTHER)
    return ReducerFailed(failure, trap.message.strip().splitlines()[-1][:DETAIL_SIZE_MAX])
