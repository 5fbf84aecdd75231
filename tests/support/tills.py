"""The till as code, and what it is given: for tests of what runs reducers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from node.apps.installed import Installed
from protocols.app_data import reducer_input
from protocols.app_judging import AppRun

CODE = (Path(__file__).resolve().parent / "reducers" / "till.wasm").read_bytes()
"""Compiled from till.c beside it."""
EQUAL_STAKES = r"""(module (memory (export "memory") 2)
  (data (i32.const 16) "\92\00\90")
  (data (i32.const 32) "\92\04\90")
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "reduce") (param i32 i32) (result i64)
    (select (i64.const 0x10_00000003) (i64.const 0x20_00000003)
      (i32.eq (i32.load8_u offset=71 (local.get 0)) (i32.load8_u offset=105 (local.get 0))))))"""
"""Begins a channel, by code 4 else, where the last bytes of both deposits are the same."""
CHANNEL = b"\xc1" * 32
DEPOSITS = (100, 50)
BEGIN_MS = 1_700_000_000_000


def given(*amounts: int, sender: int = 0) -> tuple[bytes, ...]:
    """So much is given by that end, message by message."""
    return tuple(
        reducer_input(CHANNEL, sender, BEGIN_MS, msgspec.msgpack.encode([amount]))
        for amount in amounts
    )


def installed_in(home: Path) -> tuple[Installed, bytes]:
    """A directory with the till in it, and its hash."""
    installed = Installed(home / "data")
    return installed, installed.install(CODE)


def run_of(reducer: bytes, base_count: int, *amounts: int, **how: Any) -> AppRun:
    """What the core asks."""
    return AppRun(CHANNEL, reducer, base_count, given(*amounts), DEPOSITS, **how)
