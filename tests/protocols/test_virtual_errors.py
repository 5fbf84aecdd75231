"""Refusals of virtual channels are found by name and say what to do next."""

import inspect

from protocols import virtual_errors
from protocols.errors import all_errors
from protocols.virtual_errors import VirtualRefused


def test_every_refusal_of_the_room_is_on_the_list_of_all_refusals() -> None:
    concrete = [
        error
        for _, error in inspect.getmembers(virtual_errors, inspect.isclass)
        if issubclass(error, VirtualRefused) and error is not VirtualRefused
    ]
    assert len(concrete) > 5
    listed = all_errors()
    for error in concrete:
        assert listed[error.name()] is error
        assert error.code // 100 == 16
        assert error.next_step
