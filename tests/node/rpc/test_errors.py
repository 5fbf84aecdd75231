"""Faults of the way in: one shape with the core's refusals, unique codes, bounded text."""

import pytest

from node.rpc.errors import (
    MESSAGE_LENGTH_MAX,
    HttpRefused,
    InvalidParams,
    MethodNotFound,
    RpcFault,
    all_faults,
    error_object,
)
from protocols.errors import UnknownPeer, all_errors
from protocols.types import checksum_address
from tests.support.actors import ALICE


def test_every_code_and_name_stands_for_one_refusal() -> None:
    refusals = [*all_faults().values(), *all_errors().values()]
    assert len({refusal.code for refusal in refusals}) == len(refusals)
    assert len({refusal.name() for refusal in refusals}) == len(refusals)


def test_the_codes_of_json_rpc_are_those_of_its_specification() -> None:
    codes = {name: fault.code for name, fault in all_faults().items()}
    assert codes["PARSE_ERROR"] == -32700
    assert codes["INVALID_REQUEST"] == -32600
    assert codes["METHOD_NOT_FOUND"] == -32601
    assert codes["INVALID_PARAMS"] == -32602
    ours = set(codes.values()) - {-32700, -32600, -32601, -32602}
    assert all(-32099 <= code <= -32000 for code in ours)


@pytest.mark.parametrize("fault", all_faults().values(), ids=lambda fault: fault.name())
def test_every_fault_says_what_to_do_next(fault: type[RpcFault]) -> None:
    assert fault.next_step
    assert fault.__doc__


def test_a_fault_tells_its_values_in_words() -> None:
    told = error_object(InvalidParams("amount", "negative"))
    assert told.message == "parameter amount: negative"
    assert told.data.values == {"parameter": "amount", "reason": "negative"}


def test_addresses_are_told_as_in_every_answer() -> None:
    told = error_object(UnknownPeer(ALICE.address))
    spelt = checksum_address(ALICE.address)
    assert spelt != spelt.lower()
    assert told.data.values == {"peer": spelt}
    assert spelt in told.message


def test_a_callers_own_text_is_not_echoed_at_length() -> None:
    told = error_object(MethodNotFound("m" * 1_000_000))
    assert len(told.message) == MESSAGE_LENGTH_MAX
    assert len(told.data.values["method"]) == MESSAGE_LENGTH_MAX


def test_an_http_refusal_has_the_status_of_its_case() -> None:
    assert HttpRefused("no", 405).response_status == 405
    assert MethodNotFound("m").response_status == 200
