"""How reducers are compiled and run: the engine's settings, and the name they go by.

Floats are let through inside a module, with one form for what is not a number; they never cross to
the host (`encoding`). Everything in which two machines could differ is off.
"""

from __future__ import annotations

import atexit
import functools
import platform
from importlib.metadata import version

import apsw
import wasmtime

from node.views.limits import MEMORY_BYTES_MAX, WASM_STACK_SIZE_BYTES

ABI_VERSION = 1
"""Of what modules export, import and hand over, and of the settings they are compiled with."""

_OFF = (
    "wasm_threads",
    "shared_memory",
    "wasm_simd",
    "wasm_relaxed_simd",
    "wasm_memory64",
    "wasm_multi_memory",
    "wasm_tail_call",
    "wasm_exceptions",
    "wasm_function_references",
    "wasm_gc",
    "wasm_wide_arithmetic",
    "wasm_custom_page_sizes",
    "wasm_stack_switching",
    "wasm_component_model",
    "gc_support",
    "debug_info",
    "epoch_interruption",
)
"""Proposals beyond WebAssembly 2.0, where machines differ or nothing here needs them."""


def engine_config() -> wasmtime.Config:
    """The only settings that reducers are compiled with.

    What they say goes into results: who changes them raises `ABI_VERSION`.
    """
    config = wasmtime.Config()
    # Relaxed instructions need those that they relax: off before them.
    for name in ("wasm_relaxed_simd", *_OFF):
        setattr(config, name, False)
    config.cranelift_nan_canonicalization = True
    config.consume_fuel = True
    # Threads that compile would not be there any more in a fork of this process.
    config.parallel_compilation = False
    config.max_wasm_stack = WASM_STACK_SIZE_BYTES
    # Room for all the memory there may be: one that has to move is copied whenever it grows.
    config.memory_reservation = MEMORY_BYTES_MAX
    config.memory_guard_size = 0
    config.memory_reservation_for_growth = 0
    # Initial data is copied, and charged, on every machine alike: whether it can be mapped instead
    # depends on the system.
    config.memory_init_cow = False
    return config


@functools.cache
def engine() -> wasmtime.Engine:
    """The process's engine: compiled code belongs to it."""
    made = wasmtime.Engine(engine_config())
    # Left to the interpreter's last moments, it is deleted by functions that are gone already.
    atexit.register(made.close)
    return made


@functools.cache
def engine_name() -> str:
    """What a result depends on besides code, messages and budget.

    The fuel that an instruction costs belongs to a version of wasmtime, the depth at which the
    stack ends to the machine as well.
    """
    return (
        f"abi-{ABI_VERSION} wasmtime-{version('wasmtime')} {platform.machine()} "
        f"sqlite-{apsw.sqlite_lib_version()}"
    )
