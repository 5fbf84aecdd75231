"""Refusals of payments are found by name and say what to do next."""

import inspect

from protocols import payment_errors
from protocols.errors import all_errors
from protocols.payment_errors import PaymentRefused


def test_every_refusal_of_the_room_is_on_the_list_of_all_refusals() -> None:
    concrete = [
        error
        for _, error in inspect.getmembers(payment_errors, inspect.isclass)
        if issubclass(error, PaymentRefused) and error is not PaymentRefused
    ]
    assert len(concrete) > 5
    listed = all_errors()
    for error in concrete:
        assert listed[error.name()] is error
        assert error.code // 100 == 12
        assert error.next_step
