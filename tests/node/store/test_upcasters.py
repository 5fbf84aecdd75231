"""Old payloads become today's, one step at a time."""

from collections.abc import Sequence
from typing import Any

import pytest

from node.store.errors import NewerLogFormat
from node.store.upcasters import UPCASTERS, upcast
from protocols.event_codec import EVENTS


def add_memo(fields: Sequence[Any]) -> Sequence[Any]:
    return [*fields, ""]


def swap(fields: Sequence[Any]) -> Sequence[Any]:
    return [fields[1], fields[0], *fields[2:]]


STEPS = {("paid", 1): add_memo, ("paid", 2): swap}


def test_steps_run_one_after_another_from_the_version_on_disk() -> None:
    assert upcast("paid", 1, 3, [1, 2], STEPS) == [2, 1, ""]
    assert upcast("paid", 2, 3, [1, 2, "tea"], STEPS) == [2, 1, "tea"]
    assert upcast("paid", 3, 3, [2, 1, "tea"], STEPS) == [2, 1, "tea"]


def test_a_missing_step_is_refused_not_guessed() -> None:
    with pytest.raises(NewerLogFormat, match="paid has version 0"):
        upcast("paid", 0, 3, [1, 2], STEPS)


def test_every_old_version_of_every_event_has_its_step() -> None:
    needed = {(name, step) for name, event in EVENTS.items() for step in range(1, event.VERSION)}
    assert set(UPCASTERS) == needed
