"""The node's views beside what WebAssembly allows, and beside payments that must not wait.

L8 is what no reducer can leave out: records iterated, joined, copied into an instance and walked by
code that does nothing else, with fuel counted. It is measured right before the figure it divides.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import trio
import wasmtime

from node.cli.demo_progress import demo_progress
from node.cli.demo_report import payment_wei, percentile
from node.cli.demo_run import open_channel, running_nodes
from node.cli.local_node import LocalNode
from node.log_views.batches import message_of
from node.log_views.keeper import NodeView, view_file
from node.log_views.limits import BATCH_RECORD_COUNT_MAX, NODE_BUDGET
from node.log_views.shipped import node_module
from node.processes import our_environment, our_python
from node.rpc.client import RpcClient
from node.store.kv import LOG
from node.store.log import EventLog
from node.store.record import CHAIN_SIZE_BYTES
from node.views.database import ViewDatabase
from node.views.encoding import encode
from node.views.module import ReducerModule, load_module
from node.views.sandbox import Sandbox
from node.views.view import View
from scripts.benchmarks.machine import without_gc
from scripts.benchmarks.store import opening, payments, write

_U32 = 2**32 - 1

WALKER = """
(module
  (memory (export "memory") 64)
  (data (i32.const 16) "\\92\\00\\90")
  (func (export "alloc") (param $size i32) (result i32) (i32.const 65536))
  (func $be (param $at i32) (param $size i32) (result i32)
    (local $value i32)
    (loop $next
      (local.set $value (i32.or (i32.shl (local.get $value) (i32.const 8))
                                (i32.load8_u (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $size (i32.sub (local.get $size) (i32.const 1)))
      (br_if $next (local.get $size)))
    (local.get $value))
  (func $long (param $at i32) (param $size i32) (result i32)
    (i32.add (local.get $at)
      (i32.add (local.get $size) (call $be (local.get $at) (local.get $size)))))
  (func $over (param $at i32) (result i32)
    (local $tag i32)
    (local.set $tag (i32.load8_u (local.get $at)))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (if (i32.or (i32.lt_u (local.get $tag) (i32.const 0xa0))
                (i32.ge_u (local.get $tag) (i32.const 0xe0)))
      (then (return (local.get $at))))
    (if (i32.lt_u (local.get $tag) (i32.const 0xc0))
      (then (return (i32.add (local.get $at) (i32.and (local.get $tag) (i32.const 31))))))
    (if (i32.lt_u (local.get $tag) (i32.const 0xc4)) (then (return (local.get $at))))
    (if (i32.lt_u (local.get $tag) (i32.const 0xc7))
      (then (return (call $long (local.get $at)
        (i32.shl (i32.const 1) (i32.sub (local.get $tag) (i32.const 0xc4)))))))
    (if (i32.lt_u (local.get $tag) (i32.const 0xd0))
      (then (return (i32.add (local.get $at)
        (i32.shl (i32.const 1) (i32.sub (local.get $tag) (i32.const 0xcc)))))))
    (if (i32.lt_u (local.get $tag) (i32.const 0xd4))
      (then (return (i32.add (local.get $at)
        (i32.shl (i32.const 1) (i32.sub (local.get $tag) (i32.const 0xd0)))))))
    (if (i32.lt_u (local.get $tag) (i32.const 0xdc))
      (then (return (call $long (local.get $at)
        (i32.shl (i32.const 1) (i32.sub (local.get $tag) (i32.const 0xd9)))))))
    (i32.add (local.get $at)
      (i32.shl (i32.const 2) (i32.sub (local.get $tag) (i32.const 0xdc)))))
  (func (export "reduce") (param $at i32) (param $size i32) (result i64)
    (local $end i32)
    (local.set $end (i32.add (local.get $at) (local.get $size)))
    (loop $next
      (local.set $at (call $over (local.get $at)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (if (i32.ne (local.get $at) (local.get $end)) (then (unreachable)))
    (i64.const 0x10_00000003)))
"""
"""Walks over every value of a message and changes nothing."""

COUNTER = """
(module
  (memory (export "memory") 2)
  (data (i32.const 16) "\\92\\00\\91\\92\\d9\\5a"
    "CREATE TABLE seen (message BLOB PRIMARY KEY, times INTEGER NOT NULL) STRICT, WITHOUT ROWID"
    "\\91\\90")
  (func (export "init") (result i64) (i64.const 0x10_00000062))
  (data (i32.const 256) "\\92\\00\\91\\92\\d9\\65"
    "INSERT INTO seen VALUES (?, 1) ON CONFLICT (message) DO UPDATE "
    "SET times = times + 1 WHERE times < 99"
    "\\91\\91")
  (func (export "alloc") (param $size i32) (result i32) (i32.const 1024))
  (func (export "reduce") (param $at i32) (param $size i32) (result i64)
    (memory.copy (i32.const 365) (local.get $at) (local.get $size))
    (i64.or (i64.const 0x100_00000000)
      (i64.extend_i32_u (i32.add (local.get $size) (i32.const 109))))))
"""
"""The reducer of docs/views.md: one row for each message."""

HEAVY_QUERY = (
    "WITH RECURSIVE forever(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM forever) "
    "SELECT count(*), amount_text(amount_sum(amount)) FROM forever, payments"
)
"""Reads and sums all payments again and again; never done in its time."""

REDUCE_COUNT = 5
"""Of each reducer the best counts."""

QUERY_TIMEOUT_S = 300
QUERY_START_S = 2.0


@dataclass(frozen=True)
class ViewPlan:
    """How much."""

    events: int = 1_000_000
    """Into the four views."""
    reduced: int = 200_000
    """Through reducers alone."""
    messages: int = 1_000
    """Derived one by one, cold and once more."""
    singles: int = 600
    """Payments for a latency, one at a time; as many without a query as beside one, thrice."""


def measure_views(workspace: Path, plan: ViewPlan) -> tuple[dict[str, float], dict[str, float]]:
    """Figures and details; logs and views are made in `workspace`, and removed."""
    rows_per_s, lean_bytes = view_rows_per_s(workspace / "rows", plan.events)
    walked, reduced = reduced_per_s(workspace / "reduced", plan.reduced)
    cold_s, again_s = derived_s(workspace / "derived", plan.messages)
    figures = {
        "view_rows_per_s": rows_per_s,
        "reduced_share": reduced / walked,
        "derived_cold_s": cold_s,
        "derived_again_times": cold_s / again_s,
    }
    details = {
        "L8_per_s": walked,
        "reduced_per_s": reduced,
        "view_bytes_per_row": lean_bytes,
        "derived_again_ms": again_s * 1e3,
    }
    return figures, details


def view_rows_per_s(path: Path, event_count: int) -> tuple[float, float]:
    """Records a second from a log on disk into the node's views, and a row's bytes there."""
    _write_log(path, event_count)
    log = EventLog.open(path, read_only=True)
    file = view_file(path)
    with NodeView(file) as kept, without_gc():
        started = time.perf_counter()
        kept.catch_up(log)
        seconds = time.perf_counter() - started
        assert kept.seq == log.next_seq - 1, "all of it"
        ((count,),) = kept.view._database.host("SELECT count(*) FROM payments")
    log.close()
    size = file.stat().st_size
    shutil.rmtree(path)
    shutil.rmtree(file.parent)
    return log.next_seq / seconds, size / count


def reduced_per_s(path: Path, event_count: int) -> tuple[float, float]:
    """Records a second through a reducer that walks over them, and through the node's own."""
    _write_log(path, event_count)
    log = EventLog.open(path, read_only=True)
    walker = load_module(bytes(wasmtime.wat2wasm(WALKER)), NODE_BUDGET)
    with NodeView(":memory:") as kept:
        kept.catch_up(log, len(opening()))
        modules, taken = (walker, node_module()), []
        for _ in range(REDUCE_COUNT):
            # In turns: what the machine does meanwhile hits both.
            times = [_reduce_all(log, module, kept.view._database) for module in modules]
            taken.append(times)
    log.close()
    shutil.rmtree(path)
    walked_s, reduced_s = map(min, zip(*taken, strict=True))
    return event_count / walked_s, event_count / reduced_s


def _reduce_all(log: EventLog, module: ReducerModule, database: ViewDatabase) -> float:
    """Seconds: what a reducer answers is handed over, and no row is written."""
    sandbox, first = Sandbox(module, database), len(opening())
    with without_gc():
        started = time.perf_counter()
        for records in _stored(log, first):
            with database.message():
                _reduce(sandbox, message_of(records))
        seconds = time.perf_counter() - started
    sandbox.close()
    return seconds


def _stored(log: EventLog, first: int) -> Iterator[list[bytes]]:
    for entries in log.store.blocks(LOG, first.to_bytes(8, "big")):
        records = [value[CHAIN_SIZE_BYTES:] for _, value in entries]
        for at in range(0, len(records), BATCH_RECORD_COUNT_MAX):
            yield records[at : at + BATCH_RECORD_COUNT_MAX]


def _reduce(sandbox: Sandbox, message: bytes) -> bytes:
    sandbox._instance = instance = sandbox._new_instance()
    try:
        pointer = instance.call("alloc", len(message))
        instance.write(pointer, message)
        answer = instance.call("reduce", pointer, len(message))
        return instance.read((answer >> 32) & _U32, answer & _U32)
    finally:
        sandbox._instance = None
        instance.close()


def derived_s(path: Path, message_count: int) -> tuple[float, float]:
    """Seconds to derive a view from so many messages, one by one, from nothing but code and
    messages; and to open it again and take in one more."""
    path.mkdir()
    code = bytes(wasmtime.wat2wasm(COUNTER))
    messages = [encode(number.to_bytes(32, "big")) for number in range(message_count + 1)]

    def derive() -> None:
        with View(path / "view.db", load_module(code)) as view:
            for seq in range(view.stamp.seq + 1, len(waiting)):
                assert view.apply(seq, waiting[seq]).is_applied

    waiting = messages[:-1]
    cold_s = _timed(derive)
    waiting = messages
    again_s = _timed(derive)
    shutil.rmtree(path)
    return cold_s, again_s


def _timed(work: Callable[[], None]) -> float:
    with without_gc():
        started = time.perf_counter()
        work()
        return time.perf_counter() - started


def _write_log(path: Path, event_count: int) -> None:
    log, source = EventLog.open(path), payments()
    try:
        write(log, opening())
        while (left := event_count - (log.next_seq - len(opening()))) > 0:
            write(log, list(islice(source, min(1_000, left))))
    finally:
        log.close()


# --- payments beside a query ---------------------------------------------------------------------


def query_p99_growth(workspace: Path, plan: ViewPlan) -> tuple[float, dict[str, float]]:
    """The p99 of payments while a heavy query runs at the payee, by that of payments beside none:
    the median of three pairs, both daemons keeping their views."""
    with (
        demo_progress(True) as quiet,
        running_nodes(workspace, quiet) as (_, payer, payee),
    ):
        for node in (payer, payee):
            node.stop()
            node.start(TALLY_VIEWS_ENABLED="true")
        channel_id = open_channel(payer, payee)
        _pay(payer, channel_id, plan.singles)
        pairs = []
        for _ in range(3):
            alone = _pay(payer, channel_id, plan.singles)
            with _Query(payee):
                pairs.append((alone, _pay(payer, channel_id, plan.singles)))
    growth = statistics.median(beside / alone for alone, beside in pairs)
    alone_ms, beside_ms = (statistics.median(column) for column in zip(*pairs, strict=True))
    return growth, {"payment_p99_alone_ms": alone_ms, "payment_p99_beside_query_ms": beside_ms}


class _Query:
    """`tally sql` with a question that has no end in its time."""

    def __init__(self, node: LocalNode) -> None:
        seconds = str(QUERY_TIMEOUT_S)
        where = ("--dir", str(node.directory), "--timeout", seconds)
        self._command = our_python("node", "sql", HEAVY_QUERY, *where)

    def __enter__(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            env=our_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # Its start, which is no query, takes half a second.
        time.sleep(QUERY_START_S)

    def __exit__(self, *_: object) -> None:
        assert self._process.poll() is None, "it ran all the time"
        self._process.kill()
        self._process.wait()


def _pay(payer: LocalNode, channel_id: str, count: int) -> float:
    """The p99 of so many payments, one at a time, milliseconds."""
    taken: list[float] = []

    async def pay() -> None:
        async with await RpcClient.connect(payer.endpoint) as client:
            for index in range(count):
                started = time.perf_counter()
                await client.call(
                    "payment_send",
                    channel_id=channel_id,
                    amount=str(payment_wei(index)),
                    until="receipt",
                )
                taken.append((time.perf_counter() - started) * 1e3)

    trio.run(pay)
    return percentile(taken, 99)
