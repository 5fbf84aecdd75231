"""Parameters: checked to the last character, refused with the parameter's name."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.rpc.errors import InvalidParams
from node.rpc.params import (
    ChannelOpenParams,
    LogReadParams,
    NoParams,
    PaymentSendParams,
    params_decoder,
    parse_account,
    parse_amount,
    parse_hash32,
)
from protocols.types import UINT256_MAX

CHANNEL = "0x" + "ab" * 32
PAYEE = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def decode(params: Any, value: Any) -> Any:
    raw = None if value is None else msgspec.Raw(json.dumps(value).encode())
    return params_decoder(params)(raw)


def refusal(params: Any, value: Any) -> InvalidParams:
    with pytest.raises(InvalidParams) as refused:
        decode(params, value)
    return refused.value


def test_defaults_are_those_of_the_documentation() -> None:
    params = decode(ChannelOpenParams, {"counterparty": PAYEE, "amount": "1"})
    assert params.asset == "0x" + "00" * 20
    assert params.counterparty_amount == "0"
    assert params.challenge_duration_s == 86_400
    assert decode(PaymentSendParams, {"channel_id": CHANNEL, "amount": "1"}).until == "durable"
    assert decode(NoParams, None) == decode(NoParams, {}) == NoParams()


def test_an_unknown_parameter_is_refused_by_name() -> None:
    refused = refusal(PaymentSendParams, {"channel_id": CHANNEL, "amount": "1", "mémo": "x"})
    assert "mémo" in refused.reason


def test_a_missing_parameter_is_refused_by_name() -> None:
    assert "amount" in refusal(PaymentSendParams, {"channel_id": CHANNEL}).reason


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"amount": 1}, "amount"),
        ({"amount": 1.5}, "amount"),
        ({"amount": None}, "amount"),
        ({"amount": ["1"]}, "amount"),
        ({"channel_id": 5}, "channel_id"),
        ({"memo": {}}, "memo"),
        ({"memo": "m" * 257}, "memo"),
        ({"request_id": "r" * 129}, "request_id"),
        ({"request_id": 1}, "request_id"),
        ({"until": "later"}, "until"),
    ],
)
def test_a_wrong_type_is_refused_under_the_parameters_name(change: Any, parameter: str) -> None:
    good = {"channel_id": CHANNEL, "amount": "1"}
    assert refusal(PaymentSendParams, good | change).parameter == parameter


@pytest.mark.parametrize("limit", [0, -1, 1_001, 2**63, 1.0, "1", True])
def test_a_limit_outside_its_range_is_refused(limit: Any) -> None:
    assert refusal(LogReadParams, {"limit": limit}).parameter == "limit"


@pytest.mark.parametrize("value", [[], [CHANNEL, "1"]])
def test_positional_parameters_are_refused_with_advice(value: Any) -> None:
    assert "by name" in refusal(PaymentSendParams, value).reason


@pytest.mark.parametrize("value", ["text", 5, True])
def test_parameters_that_are_no_object_are_refused(value: Any) -> None:
    assert refusal(NoParams, value).parameter == "params"


def test_parameters_nested_too_deep_are_refused() -> None:
    deep = msgspec.Raw(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    with pytest.raises(InvalidParams):
        params_decoder(NoParams)(deep)


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(InvalidParams):
        params_decoder(PaymentSendParams)(msgspec.Raw(b'{"memo":"\\ud800"}'))


@given(st.integers(0, UINT256_MAX))
def test_every_amount_can_be_written_in_digits_and_in_hex(amount: int) -> None:
    assert parse_amount("amount", str(amount)) == amount
    assert parse_amount("amount", hex(amount)) == amount


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-1", "never negative"),
        ("-0x1", "never negative"),
        ("1.0", "whole number"),
        ("1e18", "whole number"),
        ("", "whole number"),
        ("-", "whole number"),
        (" 1", "whole number"),
        ("1_000", "whole number"),
        ("+1", "whole number"),
        ("01", "whole number"),
        ("0x", "whole number"),
        ("0X1", "whole number"),
        ("0x" + "f" * 65, "whole number"),
        ("٣", "whole number"),
        (str(UINT256_MAX + 1), "above 2^256 - 1"),
        ("9" * 1_000_000, "above 2^256 - 1"),
    ],
)
def test_what_is_no_amount_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidParams, match=reason.replace("^", r"\^")):
        parse_amount("amount", text)


@given(st.text(max_size=80))
def test_any_text_is_an_amount_or_refused(text: str) -> None:
    with suppress(InvalidParams):
        assert 0 <= parse_amount("amount", text) <= UINT256_MAX


def test_an_id_is_read_in_either_case() -> None:
    assert parse_hash32("channel_id", CHANNEL) == b"\xab" * 32
    assert parse_hash32("channel_id", "0x" + "AB" * 32) == b"\xab" * 32


@pytest.mark.parametrize(
    "text", ["", "ab" * 32, CHANNEL[:-1], CHANNEL + "0", "0x" + "zz" * 32, "0x" + " a" * 32]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidParams, match="64 hex digits"):
        parse_hash32("channel_id", text)


def test_an_address_with_a_wrong_checksum_is_refused() -> None:
    assert parse_account("counterparty", PAYEE) == parse_account("counterparty", PAYEE.lower())
    with pytest.raises(InvalidParams, match="checksum"):
        parse_account("counterparty", PAYEE.replace("5aAe", "5aae"))
    with pytest.raises(InvalidParams):
        parse_account("counterparty", PAYEE[:-2])
