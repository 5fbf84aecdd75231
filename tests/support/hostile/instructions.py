"""What modules do to themselves: time, memory, the stack, traps."""

from __future__ import annotations

from node.views.errors import Failure
from tests.support.hostile.hostile import OK, Hostile, Stage, body
from tests.support.reducers import TABLE, wat, writes

INSTRUCTIONS = [
    Hostile("spin", body("(loop $l (br $l))"), Failure.OUT_OF_FUEL),
    Hostile(
        "spin-in-alloc",
        wat(OK, init=writes(TABLE), alloc="(loop $l (br $l)) (i32.const 0)"),
        Failure.OUT_OF_FUEL,
    ),
    Hostile(
        "spin-in-init",
        body("").replace(
            '(func (export "init") (result i64)', '(func (export "init") (result i64) (loop (br 0))'
        ),
        Failure.OUT_OF_FUEL,
        Stage.INIT,
    ),
    Hostile(
        "fill-memory-again-and-again",
        body("(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 131072)) (br $l))"),
        Failure.OUT_OF_FUEL,
    ),
    Hostile(
        "copy-memory-again-and-again",
        body("(loop $l (memory.copy (i32.const 0) (i32.const 1) (i32.const 131071)) (br $l))"),
        Failure.OUT_OF_FUEL,
    ),
    Hostile(
        "grow-by-nothing-again-and-again",
        body("(loop $l (drop (memory.grow (i32.const 0))) (br $l))"),
        Failure.OUT_OF_FUEL,
    ),
    Hostile(
        "grow-until-it-is-refused-and-touch-it-all",
        body(
            "(local $p i32)"
            " (loop $g (br_if $g (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))"
            " (loop $t (i32.store (local.get $p) (i32.const 1))"
            " (local.set $p (i32.add (local.get $p) (i32.const 4096))) (br $t))"
        ),
        Failure.TRAP_MEMORY,
    ),
    Hostile(
        "grow-at-once",
        body("(if (i32.eq (memory.grow (i32.const 60000)) (i32.const -1)) (then (unreachable)))"),
        Failure.TRAP_UNREACHABLE,
    ),
    Hostile(
        "grow-a-table",
        body(
            "(loop $l (drop (table.grow 0 (ref.null func) (i32.const 1000))) (br $l))",
            extra="(table 1 funcref)",
        ),
        Failure.OUT_OF_FUEL,
    ),
    Hostile(
        "no-room-for-the-message",
        wat(OK, init=writes(TABLE), alloc="(i32.const 0)"),
        Failure.MEMORY_EXHAUSTED,
    ),
    Hostile(
        "deep-recursion", body("(call $f)", extra="(func $f (call $f))"), Failure.STACK_OVERFLOW
    ),
    Hostile(
        "deep-recursion-with-large-frames",
        body(
            "(drop (call $f (i64.const 1)))",
            extra="(func $f (param i64) (result i64)"
            + "(local i64)" * 1000
            + " (i64.add (call $f (local.get 0)) (local.get 1000)))",
        ),
        Failure.STACK_OVERFLOW,
    ),
    Hostile("unreachable", body("(unreachable)"), Failure.TRAP_UNREACHABLE),
    Hostile(
        "read-beyond-the-memory", body("(drop (i32.load (i32.const -4)))"), Failure.TRAP_MEMORY
    ),
    Hostile(
        "write-beyond-the-memory",
        body("(i64.store offset=4294967295 (i32.const -1) (i64.const 1))"),
        Failure.TRAP_MEMORY,
    ),
    Hostile(
        "divide-by-zero",
        body("(drop (i32.div_u (i32.const 1) (i32.const 0)))"),
        Failure.TRAP_DIVISION,
    ),
    Hostile(
        "divide-the-least-by-minus-one",
        body("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))"),
        Failure.TRAP_OVERFLOW,
    ),
    Hostile(
        "not-a-number-to-an-integer",
        body("(drop (i32.trunc_f64_s (f64.const nan)))"),
        Failure.TRAP_CONVERSION,
    ),
    Hostile(
        "call-of-null",
        body("(call_indirect (i32.const 0))", extra="(table 1 funcref)"),
        Failure.TRAP_NULL_CALL,
    ),
    Hostile(
        "call-beyond-the-table",
        body("(call_indirect (i32.const 9))", extra="(table 1 funcref)"),
        Failure.TRAP_TABLE,
    ),
    Hostile(
        "call-of-another-type",
        body(
            "(call_indirect (i32.const 0))",
            extra="(table 1 funcref) (func $g (param i64)) (elem (i32.const 0) $g)",
        ),
        Failure.TRAP_SIGNATURE,
    ),
    Hostile(
        "no-room-by-a-forged-pointer",
        wat(OK, init=writes(TABLE), alloc="(i32.const -1)"),
        Failure.POINTER_FORGED,
    ),
    Hostile(
        "message-over-the-end",
        wat(OK, init=writes(TABLE), alloc="(i32.const 131071)"),
        Failure.POINTER_FORGED,
        message=b"\x92\x01\x02",
    ),
]
