"""Reducers are checked before anything of them runs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from node.views.compiled import CompiledCode
from node.views.errors import Failure, ModuleRefused
from node.views.limits import Budget
from node.views.module import load_module
from tests.support.reducers import SCORES, binary, wat


def test_a_sound_reducer_goes_by_the_hash_of_its_code() -> None:
    module = load_module(binary(SCORES), Budget())
    assert module.code_hash == hashlib.sha256(binary(SCORES)).digest()
    assert module.has_init


def test_init_and_the_host_are_optional() -> None:
    text = (
        '(module (memory (export "memory") 1)'
        ' (func (export "alloc") (param i32) (result i32) (i32.const 8))'
        ' (func (export "reduce") (param i32 i32) (result i64) (i64.const 0)))'
    )
    assert not load_module(binary(text), Budget()).has_init


def test_other_exports_do_no_harm() -> None:
    text = wat("(i64.const 0)", extra='(global (export "__heap_base") i32 (i32.const 1024))')
    assert load_module(binary(text), Budget())


def test_the_memory_a_module_begins_with_must_be_within_the_budget() -> None:
    code = binary(wat("(i64.const 0)", memory='(memory (export "memory") 4)'))
    assert load_module(code, Budget(memory_bytes=4 * 65_536))
    with pytest.raises(ModuleRefused) as refused:
        load_module(code, Budget(memory_bytes=4 * 65_536 - 1))
    assert refused.value.failure is Failure.MODULE_MEMORY_OVERSIZED


def test_what_cannot_be_brought_to_life_is_not_loaded() -> None:
    for extra, failure in (
        ("(table 5000 funcref)", Failure.INSTANCE_REFUSED),
        ('(data (i32.const 131072) "x")', Failure.TRAP_MEMORY),
    ):
        with pytest.raises(ModuleRefused) as refused:
            load_module(binary(wat("(i64.const 0)", extra=extra)))
        assert refused.value.failure is failure


def test_a_module_is_compiled_once_and_then_read(tmp_path: Path) -> None:
    cache = CompiledCode(tmp_path / "compiled")
    first = load_module(binary(SCORES), Budget(), cache)
    assert cache.load(first.code_hash) is not None
    again = load_module(binary(SCORES), Budget(), cache)
    assert again.code_hash == first.code_hash


def test_what_is_in_the_cache_is_checked_like_what_is_compiled(tmp_path: Path) -> None:
    cache = CompiledCode(tmp_path / "compiled")
    code = binary("(module)")
    for _ in range(2):
        with pytest.raises(ModuleRefused) as refused:
            load_module(code, Budget(), cache)
        assert refused.value.failure is Failure.MODULE_EXPORT_MISSING
