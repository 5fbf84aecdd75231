"""Refusals are data: a stable name, a code of its own, printable values, a next step."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any, get_type_hints

import pytest

from protocols import (
    app_errors,
    errors,
    exit_errors,
    ledger_errors,
    moment_errors,
    payment_errors,
    virtual_errors,
)
from protocols.errors import (
    ChannelAlreadySeen,
    EncodingError,
    InvalidWidth,
    NoncePrefixMismatch,
    ProtocolError,
    all_errors,
)
from protocols.payment_errors import ChannelNotOpen

ERRORS = all_errors()
ROOMS = (errors, exit_errors, ledger_errors, moment_errors, payment_errors, virtual_errors)
SAMPLES: dict[type, Any] = {bytes: b"\xab\xcd", int: 7, str: "text"}


def sample(error: type[ProtocolError]) -> ProtocolError:
    hints = get_type_hints(error)
    return error(*(SAMPLES[hints[field.name]] for field in fields(error)))


@pytest.mark.parametrize("name", ERRORS)
def test_every_refusal_says_all_its_values(name: str) -> None:
    refusal = sample(ERRORS[name])
    assert refusal.name() == name
    assert name == name.upper()
    message = str(refusal)
    for field, value in refusal.values().items():
        if "{" + field + "}" in refusal.template:
            assert value in message
    assert "{" not in message
    assert refusal.next_step


def test_every_code_is_used_once_and_lies_in_the_range_of_its_family() -> None:
    codes = [error.code for error in ERRORS.values()]
    assert len(set(codes)) == len(codes)
    families = {"EncodingError": 10, "ChannelRefused": 11, "PaymentRefused": 12}
    families |= {"CommandRefused": 13, "DeliveryRefused": 14}
    families |= {
        "LedgerRefused": 15,
        "VirtualRefused": 16,
        "MomentRefused": 17,
        "LeavingRefused": 18,
        "KitRefused": 19,
        "AppRefused": 20,
    }
    for error in ERRORS.values():
        assert error.code // 100 == families[error.__mro__[1].__name__], error


def test_the_list_holds_every_concrete_refusal_of_the_module() -> None:
    concrete = {
        error
        for room in (
            errors,
            exit_errors,
            ledger_errors,
            moment_errors,
            payment_errors,
            virtual_errors,
            app_errors,
        )
        for _, error in inspect.getmembers(room, inspect.isclass)
        if issubclass(error, ProtocolError) and "template" in vars(error)
    }
    assert set(ERRORS.values()) == concrete - {ProtocolError}
    assert EncodingError not in ERRORS.values()
    assert list(ERRORS) == sorted(ERRORS)


def test_bytes_print_as_hex_and_everything_else_as_text() -> None:
    refusal = ChannelNotOpen(b"\x01\x02", "funding")
    assert refusal.values() == {"channel_id": "0x0102", "status": "funding"}
    assert str(refusal) == "channel 0x0102 is funding, not open"
    assert refusal.retry_safe


def test_a_refusal_says_what_was_expected_and_what_came() -> None:
    assert (
        str(InvalidWidth("asset", "20 bytes", "3 bytes")) == "asset: expected 20 bytes, got 3 bytes"
    )
    wrong = NoncePrefixMismatch(7, b"\xaa\xbb\xcc\xdd")
    assert str(wrong) == ("nonce 7 does not begin with 0xaabbccdd, the prefix of our deployment")


def test_refusals_are_told_apart_by_identity_like_other_exceptions() -> None:
    assert ChannelAlreadySeen(b"a") != ChannelAlreadySeen(b"a")
    assert len({ChannelAlreadySeen(b"a"), ChannelAlreadySeen(b"a")}) == 2
    with pytest.raises(ProtocolError):
        raise ChannelAlreadySeen(b"a")
