"""Calls beneath wasmtime's public ones, held against them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from node.views.calls import Instance
from node.views.errors import Failure, ReducerFailed
from node.views.limits import Budget
from node.views.wasm import engine

TEXT = """
(module
  (import "host" "f" (func $f (param i32) (result i64)))
  (memory (export "memory") 1 4)
  (data (i32.const 3) "abc")
  (global $count (mut i32) (i32.const 0))
  (func (export "alloc") (param $n i32) (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (drop (memory.grow (local.get $n)))
    (i32.add (i32.mul (local.get $n) (i32.const 3)) (global.get $count)))
  (func (export "reduce") (param $a i32) (param $b i32) (result i64)
    (i64.sub (i64.extend_i32_s (local.get $a)) (i64.extend_i32_s (local.get $b))))
  (func (export "init") (result i64) (call $f (i32.const 5))))
"""
I32 = st.integers(-(2**31), 2**31 - 1)


class Oops(Exception):
    pass


def host_type() -> wasmtime.FuncType:
    return wasmtime.FuncType([wasmtime.ValType.i32()], [wasmtime.ValType.i64()])


RUNNING: list[Instance] = []


def host(number: int) -> int:
    """As a host function does it: what it raises is laid aside as well."""
    RUNNING[-1].raised = Oops(number)
    raise RUNNING[-1].raised


@contextmanager
def instance(text: str = TEXT, budget: Budget | None = None) -> Iterator[Instance]:
    linker = wasmtime.Linker(engine())
    linker.define_func("host", "f", host_type(), host)
    linked = linker.instantiate_pre(wasmtime.Module(engine(), text))
    made = Instance(linked, budget or Budget())
    RUNNING.append(made)
    try:
        yield made
    finally:
        RUNNING.pop()
        made.close()
        linked.close()
        linker.close()


@given(I32, I32, st.integers(0, 2))
def test_results_and_fuel_are_those_of_the_public_calls(a: int, b: int, pages: int) -> None:
    linker = wasmtime.Linker(engine())
    linker.define_func("host", "f", host_type(), host)
    store = wasmtime.Store(engine())
    store.set_fuel(Budget().fuel)
    exports = linker.instantiate(store, wasmtime.Module(engine(), TEXT)).exports(store)
    with instance() as ours:
        for arguments in ((pages,), (pages,)):
            assert ours.call("alloc", *arguments) == exports["alloc"](store, *arguments)  # type: ignore[operator]
        assert ours.call("reduce", a, b) == exports["reduce"](store, a, b)  # type: ignore[operator]
        assert ours.fuel_used == Budget().fuel - store.get_fuel() > 0


def test_memory_is_read_and_written_where_it_lies_after_it_grew() -> None:
    with instance() as ours:
        assert ours.read(3, 3) == b"abc"
        ours.call("alloc", 2)
        assert ours.read(3, 3) == b"abc"
        ours.write(3 * 65_536 - 3, b"end")
        assert ours.read(3 * 65_536 - 3, 3) == b"end"
        assert ours.read(0, 0) == b""


@pytest.mark.parametrize(
    ("pointer", "size"), [(65_536, 1), (65_535, 2), (-1, 1), (0, 65_537), (2**32 - 1, 2**32 - 1)]
)
def test_nothing_beyond_the_memory_is_read_or_written(pointer: int, size: int) -> None:
    with instance() as ours:
        with pytest.raises(ReducerFailed) as read:
            ours.read(pointer, size)
        assert read.value.failure is Failure.POINTER_FORGED
        if size < 2**20:
            with pytest.raises(ReducerFailed):
                ours.write(pointer, bytes(size))


def test_a_module_without_memory_to_speak_of_has_no_bytes() -> None:
    text = '(module (memory (export "memory") 0))'
    with instance(text) as ours:
        assert ours.read(0, 0) == b""
        ours.write(0, b"")
        with pytest.raises(ReducerFailed):
            ours.read(0, 1)


def test_what_the_host_raises_passes_through_as_it_is() -> None:
    with instance() as ours:
        for _ in range(2):
            with pytest.raises(Oops) as raised:
                ours.call("init")
            assert raised.value.args == (5,)


def test_a_trap_after_the_host_raised_is_a_trap() -> None:
    text = '(module (memory (export "memory") 1) (func (export "init") (result i64) unreachable))'
    with instance() as ours, pytest.raises(Oops):
        ours.call("init")
    with instance(text) as ours, pytest.raises(ReducerFailed) as failed:
        ours.call("init")
    assert failed.value.failure is Failure.TRAP_UNREACHABLE


def test_fuel_counts_for_all_calls_of_an_instance_together() -> None:
    with instance(budget=Budget(fuel=15)) as ours:
        ours.call("reduce", 1, 2)
        ours.call("reduce", 1, 2)
        with pytest.raises(ReducerFailed) as failed:
            ours.call("reduce", 1, 2)
    assert failed.value.failure is Failure.OUT_OF_FUEL


def test_memory_grows_up_to_the_budget() -> None:
    text = """(module (memory (export "memory") 1)
      (func (export "alloc") (param i32) (result i32) (memory.grow (local.get 0))))"""
    with instance(text, Budget(memory_bytes=3 * 65_536)) as ours:
        assert ours.call("alloc", 3) == -1
        assert ours.call("alloc", 2) == 1
        assert ours.call("alloc", 1) == -1


def test_an_instance_is_closed_twice_without_harm() -> None:
    with instance() as ours:
        ours.close()
