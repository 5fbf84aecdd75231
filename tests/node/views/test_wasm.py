"""The engine's settings: the same for everybody, and nothing in which machines differ."""

from __future__ import annotations

import platform
import struct
from importlib.metadata import version

import wasmtime

from node.views.wasm import engine, engine_config, engine_name

NANS = """
(module
  (func (export "of_bits") (param i64) (result i64)
    (i64.reinterpret_f64 (f64.add (f64.reinterpret_i64 (local.get 0)) (f64.const 1))))
  (func (export "of_infinities") (result i64)
    (i64.reinterpret_f64 (f64.sub (f64.const inf) (f64.const inf))))
  (func (export "of_small_bits") (param i32) (result i32)
    (i32.reinterpret_f32 (f32.mul (f32.reinterpret_i32 (local.get 0)) (f32.const 2)))))
"""


def results(engine: wasmtime.Engine) -> tuple[int, int, int]:
    store = wasmtime.Store(engine)
    store.set_fuel(10_000)
    exports = wasmtime.Instance(store, wasmtime.Module(engine, NANS), []).exports(store)
    odd = struct.unpack("<q", struct.pack("<Q", 0x7FF8_DEAD_0000_BEEF))[0]
    return (
        exports["of_bits"](store, odd) % 2**64,  # type: ignore[operator]
        exports["of_infinities"](store) % 2**64,  # type: ignore[operator]
        exports["of_small_bits"](store, 0x7FC0_1234) % 2**32,  # type: ignore[operator]
    )


def test_what_is_not_a_number_has_one_form() -> None:
    assert results(engine()) == (0x7FF8_0000_0000_0000, 0x7FF8_0000_0000_0000, 0x7FC0_0000)


def test_without_the_setting_it_would_have_others() -> None:
    config = wasmtime.Config()
    config.consume_fuel = True
    assert results(wasmtime.Engine(config))[0] == 0x7FF8_DEAD_0000_BEEF


def test_an_instruction_costs_the_same_fuel_in_every_engine() -> None:
    text = '(module (func (export "f") (loop $l (br_if $l (i32.const 0)))))'
    spent = []
    for one in (engine(), wasmtime.Engine(engine_config())):
        store = wasmtime.Store(one)
        store.set_fuel(1_000)
        wasmtime.Instance(store, wasmtime.Module(one, text), []).exports(store)["f"](store)  # type: ignore[operator]
        spent.append(1_000 - store.get_fuel())
    assert spent[0] == spent[1] > 0


def test_initial_data_costs_fuel_by_the_byte() -> None:
    """It is copied: mapped, where a system can do that, it would cost other fuel there."""
    spent = []
    for size in (0, 1_000, 5_000):
        text = f'(module (memory 1) (data (i32.const 0) "{"x" * size}"))'
        store = wasmtime.Store(engine())
        store.set_fuel(100_000)
        wasmtime.Instance(store, wasmtime.Module(engine(), text), [])
        spent.append(100_000 - store.get_fuel())
    assert [spent[1] - spent[0], spent[2] - spent[0]] == [1_000, 5_000]


def test_the_process_has_one_engine() -> None:
    assert engine() is engine()


def test_the_name_tells_everything_that_a_result_depends_on() -> None:
    name = engine_name()
    assert name.startswith("abi-1 ")
    assert f"wasmtime-{version('wasmtime')}" in name
    assert platform.machine() in name
    assert "sqlite-3." in name
