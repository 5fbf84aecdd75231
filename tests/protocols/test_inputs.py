"""Inputs: whatever comes in is a value that nobody changes."""

from __future__ import annotations

import msgspec
import pytest

from protocols import commands, inputs


def every_input(kind: type[inputs.Input] = inputs.Input) -> list[type[inputs.Input]]:
    found = list(kind.__subclasses__())
    return [*found, *(deeper for one in found for deeper in every_input(one))]


@pytest.mark.parametrize("kind", every_input(), ids=lambda kind: kind.__name__)
def test_inputs_are_frozen(kind: type[inputs.Input]) -> None:
    assert issubclass(kind, msgspec.Struct)
    assert kind.__struct_config__.frozen


def test_commands_are_inputs() -> None:
    assert {commands.SendPayment, inputs.Tick} <= set(every_input())
