"""What crosses the border: pointers, lengths, replies, messages, questions."""

from __future__ import annotations

import msgpack

from node.views.errors import Failure
from tests.support.hostile.hostile import Hostile, asked, body, replied, reply_at, written
from tests.support.reducers import TABLE, calling, pack, wat, writes

MALFORMED = Failure.REPLY_MALFORMED
BOMB = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)"
LARGE = "WITH RECURSIVE c(n, x) AS (SELECT 1, ? UNION ALL SELECT n + 1, x FROM c LIMIT 1000)"
ITS_OWN_MESSAGE = (
    "(i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32))"
    " (i64.extend_i32_u (local.get $size)))"
)
A_TIME = msgpack.packb([0, [["INSERT INTO t VALUES (1, ?)", [[msgpack.Timestamp(1)]]]]])


def calls(name: str, text: str, failure: Failure) -> Hostile:
    return Hostile(name, body(f"(drop (call {text}))"), failure)


def told(name: str, message: bytes, failure: Failure) -> Hostile:
    return Hostile(name, body(""), failure, message=message)


HAND_OVERS = [
    Hostile("reply-beyond-the-memory", reply_at(131_072, 1), Failure.POINTER_FORGED),
    Hostile("reply-over-the-end", reply_at(131_071, 2), Failure.POINTER_FORGED),
    Hostile("reply-at-the-last-address", reply_at(2**32 - 1, 200), Failure.POINTER_FORGED),
    Hostile("reply-of-negative-length", reply_at(0, 2**32 - 1), Failure.REPLY_OVERSIZED),
    Hostile("reply-of-a-megabyte", reply_at(0, 2**20), Failure.REPLY_OVERSIZED),
    Hostile("empty-reply", reply_at(0, 0), MALFORMED),
    Hostile(
        "reply-over-the-message",
        wat(ITS_OWN_MESSAGE, init=writes(TABLE)),
        MALFORMED,
        message=pack([1, 2, 3]),
    ),
    replied("reply-of-one-number", pack(0), MALFORMED),
    replied("reply-with-a-map", pack({"code": 0}), MALFORMED),
    replied("reply-with-more-fields", pack([0, [], 1]), MALFORMED),
    replied("reply-with-more-behind", pack([0, []]) + b"\x00", MALFORMED),
    replied("reply-cut-off", pack([0, [["x", [[1]]]]])[:-1], MALFORMED),
    replied("negative-code", pack([-1, []]), MALFORMED),
    replied("huge-code", pack([2**31, []]), MALFORMED),
    replied("float-code", pack([0.0, []]), MALFORMED),
    replied("true-for-a-code", pack([True, []]), MALFORMED),
    replied("arrays-without-end", b"\x91" * 30_000, MALFORMED),
    replied("array-of-four-billion", b"\x92\x00\xdd\xff\xff\xff\xff", MALFORMED),
    replied("text-of-four-gigabytes", b"\x92\x00\x91\x92\xdb\xff\xff\xff\xff", MALFORMED),
    replied("invalid-utf-8", b"\x92\x00\x91\x92\xa2\xff\xfe\x90", MALFORMED),
    replied("map-in-a-row", pack([0, [["x", [[{1: 2}]]]]]), Failure.VALUE_TYPE),
    replied("time-in-a-row", A_TIME, Failure.VALUE_TYPE),
    written("float-in-a-row", "INSERT INTO t VALUES (1, ?)", Failure.VALUE_TYPE, 1.5),
    written("boolean-in-a-row", "INSERT INTO t VALUES (?, '')", Failure.VALUE_TYPE, True),
    written("array-in-a-row", "INSERT INTO t VALUES (1, ?)", Failure.VALUE_TYPE, [1]),
    written("wide-integer-in-a-row", "INSERT INTO t VALUES (?, '')", Failure.VALUE_RANGE, 2**63),
    written(
        "no-text-written", "INSERT INTO t VALUES (1, CAST(x'c0' AS TEXT))", Failure.TEXT_INVALID
    ),
    told("message-of-a-map", pack({}), Failure.MESSAGE_NOT_CANONICAL),
    told("message-of-a-float", pack([1.0]), Failure.MESSAGE_NOT_CANONICAL),
    told("message-in-a-longer-form", b"\xcd\x00\x01", Failure.MESSAGE_NOT_CANONICAL),
    told("message-too-long", pack(bytes(2**16)), Failure.MESSAGE_OVERSIZED),
    calls("exec-from-nowhere", "$exec (i32.const -8) (i32.const 8)", Failure.POINTER_FORGED),
    calls("exec-of-negative-length", "$exec (i32.const 0) (i32.const -1)", Failure.REPLY_OVERSIZED),
    calls("exec-of-nonsense", "$exec (i32.const 0) (i32.const 8)", MALFORMED),
    calls(
        "query-of-nonsense",
        "$query (i32.const 0) (i32.const 8) (i32.const 0) (i32.const 0)",
        MALFORMED,
    ),
    Hostile(
        "answer-to-nowhere",
        calling("query", ["SELECT 1", []]).replace("(i32.const 40000)", "(i32.const -1)"),
        Failure.POINTER_FORGED,
    ),
    Hostile(
        "questions-without-end",
        calling("query", ["SELECT 1", []])
        .replace("(drop", "(loop $l (drop")
        .replace("(i32.const 1000)))", "(i32.const 1000))) (br $l))"),
        Failure.SQL_STEPS,
    ),
    asked("float-asked-for", "SELECT 1.5", Failure.VALUE_TYPE),
    asked("float-by-overflow", "SELECT 9223372036854775807 + 1", Failure.VALUE_TYPE),
    asked("float-bound", "SELECT ?", Failure.VALUE_TYPE, 0.5),
    asked("no-text-asked-for", "SELECT CAST(x'ff' AS TEXT)", Failure.TEXT_INVALID),
    asked("answers-without-end", f"{BOMB} SELECT hex(n) || hex(n) FROM c", Failure.SQL_STEPS),
    asked("large-answers", f"{LARGE} SELECT x FROM c", Failure.REPLY_OVERSIZED, bytes(2000)),
]
