"""What a WebAssembly binary is made of, read before anything compiles it.

Only what the runtime does not tell afterwards: a start function, how much data there is, and how
many functions, for each of them costs a compiler the same however short it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.views.errors import Failure, ModuleRefused
from node.views.limits import (
    MODULE_DATA_BYTES_MAX,
    MODULE_FUNCTION_COUNT_MAX,
    MODULE_SECTION_COUNT_MAX,
)

HEADER = b"\x00asm\x01\x00\x00\x00"
"""Magic number and version 1 of a core module; a component has another version."""

FUNCTION_SECTION, START_SECTION, DATA_SECTION = 3, 8, 11


def check_sections(code: bytes) -> None:
    """Raise `ModuleRefused` for a binary that is none, or of what a reducer must not have."""
    if not code.startswith(HEADER):
        raise ModuleRefused(Failure.MODULE_MALFORMED, "not a WebAssembly module, version 1")
    data_bytes = 0
    for kind, place, size in sections(code):
        if kind == FUNCTION_SECTION:
            count, _ = _leb128(code, place)
            if count > MODULE_FUNCTION_COUNT_MAX:
                raise ModuleRefused(Failure.MODULE_FUNCTIONS, f"{count} functions")
        if kind == START_SECTION:
            raise ModuleRefused(Failure.MODULE_START, "a start function runs before any message")
        if kind == DATA_SECTION:
            data_bytes += size
    if data_bytes > MODULE_DATA_BYTES_MAX:
        raise ModuleRefused(Failure.MODULE_DATA_OVERSIZED, f"{data_bytes} bytes of initial data")


def sections(code: bytes) -> Iterator[tuple[int, int, int]]:
    """Kind, place and size of each section; raises `ModuleRefused` when they do not add up."""
    place = len(HEADER)
    for _ in range(MODULE_SECTION_COUNT_MAX + 1):
        if place == len(code):
            return
        kind = code[place]
        size, place = _leb128(code, place + 1)
        if place + size > len(code):
            raise ModuleRefused(Failure.MODULE_MALFORMED, f"section {kind} is cut off")
        yield kind, place, size
        place += size
    raise ModuleRefused(Failure.MODULE_MALFORMED, "too many sections")


def _leb128(code: bytes, place: int) -> tuple[int, int]:
    """An unsigned number of at most 32 bits, and the place behind it."""
    number = 0
    for shift in range(0, 35, 7):
        if place == len(code):
            break
        byte = code[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
    raise ModuleRefused(Failure.MODULE_MALFORMED, "a number is cut off")
