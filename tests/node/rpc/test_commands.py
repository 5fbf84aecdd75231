"""Commands: parameters become inputs, randomness enters, answers become JSON."""

from __future__ import annotations

import msgspec
import pytest

from node.answers import Answer
from node.rpc import commands, params
from node.rpc.errors import InvalidParams
from protocols.crypto import keccak256
from protocols.inputs import (
    ApproveObjective,
    CloseChannel,
    OpenChannel,
    RejectObjective,
    SendPayment,
)
from protocols.types import ZERO_ADDRESS
from tests.support.actors import BOB

ID = b"\xab" * 32
TEXT = "0x" + ID.hex()
PAYEE = "0x" + BOB.address.hex()


def test_opening_draws_fresh_entropy_for_the_nonce() -> None:
    asked = params.ChannelOpenParams(PAYEE, "0x10", request_id="r")
    first, second = commands.open_channel(asked), commands.open_channel(asked)
    assert isinstance(first, OpenChannel)
    assert isinstance(second, OpenChannel)
    assert first.nonce_entropy != second.nonce_entropy
    assert len(first.nonce_entropy) == 4
    drawn = first.nonce_entropy
    assert first == OpenChannel(BOB.address, ZERO_ADDRESS, 16, 0, 86_400, drawn, "r")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", "-1"),
        ("counterparty_amount", "1.5"),
        ("counterparty", "0x12"),
        ("asset", "native"),
    ],
)
def test_opening_refuses_a_wrong_value_under_its_parameter(field: str, value: str) -> None:
    asked = msgspec.structs.replace(params.ChannelOpenParams(PAYEE, "1"), **{field: value})
    with pytest.raises(InvalidParams) as refused:
        commands.open_channel(asked)
    assert refused.value.parameter == field


def test_a_payment_without_request_id_has_a_name_of_its_own() -> None:
    asked = params.PaymentSendParams(TEXT, "7", "coffee")
    first, second = commands.send_payment(asked), commands.send_payment(asked)
    assert isinstance(first, SendPayment)
    assert isinstance(second, SendPayment)
    assert first.payment_id != second.payment_id
    assert first == SendPayment(ID, 7, first.payment_id, "coffee", "")


def test_a_payments_name_follows_from_its_channel_and_request_id() -> None:
    paid = commands.send_payment(params.PaymentSendParams(TEXT, "7", request_id="über"))
    assert isinstance(paid, SendPayment)
    assert paid.payment_id == keccak256(b"payment|" + ID + "über".encode())
    other = commands.send_payment(
        params.PaymentSendParams("0x" + "cd" * 32, "7", request_id="über")
    )
    assert isinstance(other, SendPayment)
    assert other.payment_id != paid.payment_id


def test_the_other_commands_carry_what_was_asked() -> None:
    assert commands.close_channel(params.ChannelCloseParams(TEXT, "r")) == CloseChannel(ID, "r")
    assert commands.approve(params.ObjectiveApproveParams(TEXT)) == ApproveObjective(ID)
    assert commands.reject(params.ObjectiveRejectParams(TEXT, "no", "r")) == RejectObjective(
        ID, "no", "r"
    )


def test_answers_are_shown_in_hex_and_decimals() -> None:
    answer = Answer(9, ID, b"\xcd" * 32, b"\xef" * 32, 2**200, True)
    assert msgspec.to_builtins(commands.command_result(answer)) == {
        "seq": 9,
        "objective_id": TEXT,
        "channel_id": "0x" + "cd" * 32,
    }
    assert msgspec.to_builtins(commands.payment_result(answer)) == {
        "seq": 9,
        "payment_id": "0x" + "ef" * 32,
        "channel_id": "0x" + "cd" * 32,
        "total": str(2**200),
        "receipted": True,
    }
