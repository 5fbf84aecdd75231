"""What a binary is made of, told without compiling it."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.views.errors import Failure, ModuleRefused
from node.views.sections import DATA_SECTION, HEADER, START_SECTION, check_sections, sections
from tests.support.reducers import SCORES, binary


def test_a_sound_module_is_let_through() -> None:
    check_sections(binary(SCORES))
    kinds = [kind for kind, _, _ in sections(binary(SCORES))]
    assert DATA_SECTION in kinds
    assert START_SECTION not in kinds
    assert sum(size for _, _, size in sections(binary(SCORES))) < len(binary(SCORES))


def test_a_start_function_is_found() -> None:
    with pytest.raises(ModuleRefused) as refused:
        check_sections(binary("(module (func $s) (start $s))"))
    assert refused.value.failure is Failure.MODULE_START


@given(st.binary(max_size=60))
def test_no_bytes_do_any_harm(rest: bytes) -> None:
    with suppress(ModuleRefused):
        check_sections(HEADER + rest)


@given(st.integers(0, 200))
def test_a_module_cut_off_is_refused_or_ends_between_sections(size: int) -> None:
    code = binary(SCORES)[: len(HEADER) + size]
    sizes = []
    with suppress(ModuleRefused):
        for _, _, section_size in sections(code):
            sizes.append(section_size)
        # Each has a byte for its kind and up to five for its size.
        assert 2 * len(sizes) <= len(code) - len(HEADER) - sum(sizes) <= 6 * len(sizes)
    assert sum(sizes) + len(HEADER) <= len(code)
