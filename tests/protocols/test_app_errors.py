"""Refusals of applications are found by name and say what to do next."""

import inspect

from protocols import app_errors
from protocols.app_errors import AppRefused
from protocols.errors import all_errors


def test_every_refusal_of_the_room_is_on_the_list_of_all_refusals() -> None:
    concrete = [
        error
        for _, error in inspect.getmembers(app_errors, inspect.isclass)
        if issubclass(error, AppRefused) and error is not AppRefused
    ]
    assert len(concrete) > 5
    listed = all_errors()
    for error in concrete:
        assert listed[error.name()] is error
        assert error.code // 100 == 20
        assert error.next_step
