"""The envelope, strictly JSON-RPC 2.0."""

import json

import msgspec
import pytest

from node.rpc.bounds import BATCH_COUNT_MAX
from node.rpc.envelope import (
    RequestRefused,
    decode_batch,
    decode_request,
    decode_text,
    encode_answer,
    encode_refusal,
    is_batch,
)
from node.rpc.errors import MethodNotFound
from protocols.errors import UnknownChannel


def refusal(message: str) -> tuple[object, str]:
    with pytest.raises(RequestRefused) as refused:
        decode_request(message)
    return refused.value.request_id, refused.value.fault.name()


def test_a_request_keeps_its_params_as_they_came() -> None:
    request = decode_request('{"jsonrpc":"2.0","id":"a","method":"m","params":{"x": 1}}')
    assert (request.id, request.method) == ("a", "m")
    assert bytes(request.params) == b'{"x": 1}'


def test_a_request_without_id_is_a_notification_and_null_is_an_id() -> None:
    assert decode_request('{"jsonrpc":"2.0","method":"m"}').id is msgspec.UNSET
    assert decode_request('{"jsonrpc":"2.0","method":"m","id":null}').id is None


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        '{"jsonrpc":"2.0","method":"m","id":1}x',
        '{"jsonrpc":"1.0","method":"m","id":1',
        "{'jsonrpc':'2.0'}",
        '{"jsonrpc":"2.0","method":"m","id":"\\ud800"}',
        '{"jsonrpc":"2.0","id":1,"method":"m","params":' + "[" * 100_000,
        '{"jsonrpc":"2.0","params":' + "[" * 100_000 + "]" * 100_000 + ',"id":1}',
        "nul",
    ],
)
def test_what_is_no_json_is_a_parse_error_without_an_id(message: str) -> None:
    assert refusal(message) == (None, "PARSE_ERROR")


@pytest.mark.parametrize(
    ("message", "request_id"),
    [
        ("1", None),
        ('"text"', None),
        ("null", None),
        ("{}", None),
        ('{"jsonrpc":"1.0","method":"m","id":7}', 7),
        ('{"jsonrpc":2.0,"method":"m","id":7}', 7),
        ('{"jsonrpc":"2.0","method":5,"id":"seven"}', "seven"),
        ('{"jsonrpc":"2.0","id":7}', 7),
        ('{"jsonrpc":"2.0","method":"m","id":1.5}', None),
        ('{"jsonrpc":"2.0","method":"m","id":true}', None),
        ('{"jsonrpc":"2.0","method":"m","id":[1]}', None),
        ('{"jsonrpc":"2.0","method":"m","id":7,"parms":{}}', 7),
        ('{"jsonrpc":"2.0","method":"m","id":1' + "0" * 5_000 + "}", None),
    ],
)
def test_json_that_is_no_request_is_refused_under_its_id(message: str, request_id: object) -> None:
    assert refusal(message) == (request_id, "INVALID_REQUEST")


@pytest.mark.parametrize("message", ["[]", " [1]", "\t\r\n [", "["])
def test_an_array_is_a_batch_behind_any_white_space(message: str) -> None:
    assert is_batch(message)


@pytest.mark.parametrize("message", ["", " ", "{}", ' {"a": []}', "1"])
def test_anything_else_is_no_batch(message: str) -> None:
    assert not is_batch(message)


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("[]", "INVALID_REQUEST"),
        ("[1,", "PARSE_ERROR"),
        ("[" * 100_000, "PARSE_ERROR"),
        (json.dumps([1] * (BATCH_COUNT_MAX + 1)), "BATCH_TOO_LARGE"),
    ],
)
def test_a_batch_is_refused_whole_when_empty_broken_or_too_long(message: str, name: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        decode_batch(message)
    assert refused.value.fault.name() == name


def test_a_batch_at_the_bound_is_taken() -> None:
    assert len(decode_batch(json.dumps([1] * BATCH_COUNT_MAX))) == BATCH_COUNT_MAX


def test_text_must_be_utf_8() -> None:
    assert decode_text("é".encode()) == "é"
    with pytest.raises(RequestRefused):
        decode_text(b"\xff")


@pytest.mark.parametrize("request_id", [1, 'a"b', None, 2**200])
def test_answers_and_refusals_carry_the_id_back(request_id: int | str | None) -> None:
    answer = json.loads(encode_answer(request_id, {"a": [1]}))
    assert answer == {"jsonrpc": "2.0", "id": request_id, "result": {"a": [1]}}
    refused = json.loads(encode_refusal(request_id, MethodNotFound("nope")))
    assert refused["id"] == request_id
    assert refused["error"]["code"] == -32601


def test_a_refusal_of_the_core_keeps_its_code_name_values_and_advice() -> None:
    refused = json.loads(encode_refusal(1, UnknownChannel(b"\xab" * 32)))
    assert refused["error"] == {
        "code": 1101,
        "message": "no channel 0x" + "ab" * 32,
        "data": {
            "name": "UNKNOWN_CHANNEL",
            "values": {"channel_id": "0x" + "ab" * 32},
            "retry_safe": False,
            "next_step": "list the channels",
        },
    }
