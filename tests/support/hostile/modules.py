"""Modules that are not loaded, or not brought to life."""

from __future__ import annotations

from node.views.errors import Failure
from node.views.limits import (
    MODULE_DATA_BYTES_MAX,
    MODULE_FUNCTION_COUNT_MAX,
    MODULE_SECTION_COUNT_MAX,
    MODULE_SIZE_BYTES_MAX,
)
from node.views.sections import HEADER
from tests.support.hostile.hostile import Hostile, Stage, body


def section(kind: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([kind, 0x80 | size & 0x7F, 0x80 | size >> 7 & 0x7F, size >> 14]) + content


MODULES = [
    Hostile("nothing", b"", Failure.MODULE_MALFORMED, Stage.LOAD),
    Hostile("text-for-a-binary", b"(module)", Failure.MODULE_MALFORMED, Stage.LOAD),
    Hostile("a-component", b"\x00asm\x0d\x00\x01\x00", Failure.MODULE_MALFORMED, Stage.LOAD),
    Hostile(
        "section-beyond-the-end", HEADER + b"\x01\xff\x01", Failure.MODULE_MALFORMED, Stage.LOAD
    ),
    Hostile(
        "section-size-without-end",
        HEADER + b"\x01" + b"\xff" * 6,
        Failure.MODULE_MALFORMED,
        Stage.LOAD,
    ),
    Hostile(
        "sections-without-end",
        HEADER + b"\x00\x01\x00" * (MODULE_SECTION_COUNT_MAX + 1),
        Failure.MODULE_MALFORMED,
        Stage.LOAD,
    ),
    Hostile("garbage-inside", HEADER + b"\x01\x02\xff\xff", Failure.MODULE_INVALID, Stage.LOAD),
    Hostile(
        "oversized",
        HEADER + b"\x00" * MODULE_SIZE_BYTES_MAX,
        Failure.MODULE_OVERSIZED,
        Stage.LOAD,
    ),
    Hostile(
        "huge-data",
        HEADER + section(11, b"\x00" * (MODULE_DATA_BYTES_MAX + 1)),
        Failure.MODULE_DATA_OVERSIZED,
        Stage.LOAD,
    ),
    Hostile(
        "many-functions",
        '(module (func (export "f"))' + "(func)" * MODULE_FUNCTION_COUNT_MAX + ")",
        Failure.MODULE_FUNCTIONS,
        Stage.LOAD,
    ),
    Hostile(
        "start-function",
        body("", extra="(func $s) (start $s)"),
        Failure.MODULE_START,
        Stage.LOAD,
    ),
    Hostile(
        "wasi",
        '(module (import "wasi_snapshot_preview1" "fd_write"'
        " (func (param i32 i32 i32 i32) (result i32))))",
        Failure.MODULE_IMPORT,
        Stage.LOAD,
    ),
    Hostile(
        "a-clock",
        '(module (import "host" "time" (func (result i64))))',
        Failure.MODULE_IMPORT,
        Stage.LOAD,
    ),
    Hostile(
        "imported-memory",
        '(module (import "env" "memory" (memory 1)))',
        Failure.MODULE_IMPORT,
        Stage.LOAD,
    ),
    Hostile(
        "exec-of-another-type",
        '(module (import "host" "exec" (func (param i64) (result i64))))',
        Failure.MODULE_IMPORT_TYPE,
        Stage.LOAD,
    ),
    Hostile(
        "exec-as-memory",
        '(module (import "host" "exec" (memory 1)))',
        Failure.MODULE_IMPORT_TYPE,
        Stage.LOAD,
    ),
    Hostile("no-exports", "(module)", Failure.MODULE_EXPORT_MISSING, Stage.LOAD),
    Hostile(
        "no-reduce",
        '(module (memory (export "memory") 1) (func (export "alloc") (param i32) (result i32)'
        " (i32.const 1)))",
        Failure.MODULE_EXPORT_MISSING,
        Stage.LOAD,
    ),
    Hostile(
        "reduce-with-a-float",
        '(module (memory (export "memory") 1) (func (export "alloc") (param i32) (result i32)'
        ' (i32.const 1)) (func (export "reduce") (param i32 i32) (result f64) (f64.const 1)))',
        Failure.MODULE_EXPORT_TYPE,
        Stage.LOAD,
    ),
    Hostile(
        "init-with-a-parameter",
        body("", extra='(func (export "init2")) (func (export "x"))').replace(
            '(func (export "init") (result i64)', '(func (export "init") (param i32) (result i64)'
        ),
        Failure.MODULE_EXPORT_TYPE,
        Stage.LOAD,
    ),
    Hostile(
        "memory-as-function",
        body("", memory='(memory 2) (func (export "memory"))'),
        Failure.MODULE_EXPORT_TYPE,
        Stage.LOAD,
    ),
    Hostile(
        "memory-too-large-from-the-start",
        body("", memory='(memory (export "memory") 65536)'),
        Failure.MODULE_MEMORY_OVERSIZED,
        Stage.LOAD,
    ),
    Hostile(
        "shared-memory",
        body("", memory='(memory (export "memory") 2 4 shared)'),
        Failure.MODULE_INVALID,
        Stage.LOAD,
    ),
    Hostile(
        "memory64", '(module (memory (export "memory") i64 2))', Failure.MODULE_INVALID, Stage.LOAD
    ),
    Hostile("second-memory", body("", extra="(memory 1)"), Failure.MODULE_INVALID, Stage.LOAD),
    Hostile(
        "simd",
        body("(drop (i8x16.splat (i32.const 1)))"),
        Failure.MODULE_INVALID,
        Stage.LOAD,
    ),
    Hostile(
        "relaxed-simd",
        body(
            "(drop (f32x4.relaxed_madd (v128.const i32x4 0 0 0 0) (v128.const i32x4 0 0 0 0)"
            " (v128.const i32x4 0 0 0 0)))"
        ),
        Failure.MODULE_INVALID,
        Stage.LOAD,
    ),
    Hostile(
        "atomics",
        body("(drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))"),
        Failure.MODULE_INVALID,
        Stage.LOAD,
    ),
    Hostile(
        "tail-call",
        body("", extra="(func $f (result i64) (return_call $f))"),
        Failure.MODULE_INVALID,
        Stage.LOAD,
    ),
    Hostile("exceptions", body("", extra="(tag $e)"), Failure.MODULE_INVALID, Stage.LOAD),
    Hostile(
        "garbage-collection", body("", extra="(type (struct))"), Failure.MODULE_INVALID, Stage.LOAD
    ),
    Hostile(
        "huge-table",
        body("", extra="(table 100000000 funcref)"),
        Failure.INSTANCE_REFUSED,
        Stage.LOAD,
    ),
    Hostile(
        "two-tables",
        body("", extra="(table 1 funcref) (table 1 funcref)"),
        Failure.INSTANCE_REFUSED,
        Stage.LOAD,
    ),
    Hostile(
        "data-beyond-the-memory",
        body("", extra='(data (i32.const 200000) "x")'),
        Failure.TRAP_MEMORY,
        Stage.LOAD,
    ),
]
