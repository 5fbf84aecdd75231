"""Equal values become one object, and what is remembered for that is bounded."""

from __future__ import annotations

import pytest

from protocols import sharing
from protocols.sharing import SHARED_COUNT_MAX, shared


def _copy(value: bytes) -> bytes:
    return bytes(bytearray(value))


def test_equal_values_become_one_object() -> None:
    first = shared(_copy(b"\x11" * 20))
    assert shared(_copy(first)) is first
    path = shared((first, b"\x12" * 20))
    assert shared((first, _copy(b"\x12" * 20))) is path


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_remembered", {})
    for number in range(3 * SHARED_COUNT_MAX):
        value = number.to_bytes(20, "big")
        assert shared(value) == value
        assert len(sharing._remembered) <= SHARED_COUNT_MAX
