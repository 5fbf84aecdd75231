"""Results: plain JSON, and every amount a string, because many clients round JSON numbers."""

from __future__ import annotations

import inspect
from typing import get_type_hints

import msgspec
import pytest

from node.rpc import results

STRUCTS = [
    member
    for _, member in inspect.getmembers(results, inspect.isclass)
    if issubclass(member, msgspec.Struct) and member.__module__ == results.__name__
]
SMALL = {
    "seq",
    "next_seq",
    "time_ms",
    "created_ms",
    "cause_seq",
    "version",
    "turn_num",
    "payment_count",
    "guarantee_count",
    "update_count",
    "count",
    "waiting_count",
    "challenge_duration_s",
}
"""Fields that may be JSON numbers: none of them reaches 2^53."""


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_only_small_numbers_are_json_numbers(struct: type[msgspec.Struct]) -> None:
    hints = get_type_hints(struct)
    numbers = {name for name, hint in hints.items() if "int" in str(hint).replace("'", " ").split()}
    numbers |= {name for name, hint in hints.items() if hint is int or hint == (int | None)}
    assert numbers <= SMALL
    assert float not in hints.values()


def test_a_result_is_encoded_under_the_names_of_its_fields() -> None:
    page = results.LogPage([], 7)
    assert msgspec.json.encode(page) == b'{"records":[],"next_seq":7}'
