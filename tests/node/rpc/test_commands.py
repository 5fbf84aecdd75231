"""Commands: parameters become inputs, randomness enters, answers become JSON."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from node.answers import Answer
from node.rpc import commands, params
from node.rpc.errors import InvalidParams
from protocols.commands import (
    ApproveObjective,
    CloseChannel,
    OpenChannel,
    OpenLedger,
    OpenVirtual,
    PayLedger,
    RejectObjective,
    SendPayment,
)
from protocols.crypto import keccak256
from protocols.errors import PayeeMustOpenWithZero
from protocols.routes import Hop
from protocols.types import ZERO_ADDRESS
from protocols.virtual_errors import FeeTooHigh, PathRefused
from tests.support.actors import BOB, IRENE, IVAN
from tests.support.rpc_node import RecordingNode

ID = b"\xab" * 32
TEXT = "0x" + ID.hex()
PAYEE = "0x" + BOB.address.hex()


def test_opening_draws_fresh_entropy_for_the_nonce() -> None:
    asked = params.ChannelOpenParams("0x10", PAYEE, request_id="r")
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
    asked = msgspec.structs.replace(params.ChannelOpenParams("1", PAYEE), **{field: value})
    with pytest.raises(InvalidParams) as refused:
        commands.open_channel(asked)
    assert refused.value.parameter == field


HUB = "0x" + IVAN.address.hex()


def opened_over(*path: str, **changes: Any) -> OpenVirtual:
    asked = params.ChannelOpenParams("9", path=list(path), **changes)
    command = commands.open_channel(asked)
    assert isinstance(command, OpenVirtual)
    return command


def test_a_path_opens_over_ledgers_and_its_end_is_paid() -> None:
    command = opened_over(HUB, PAYEE, fees=["3"], counterparty=PAYEE, request_id="r")
    drawn = command.nonce_entropy
    path = (IVAN.address, BOB.address)
    assert command == OpenVirtual(path, ZERO_ADDRESS, 9, (3,), 86_400, drawn, "r")
    assert opened_over(HUB, PAYEE, fees=["3"]).nonce_entropy != drawn


@pytest.mark.parametrize(
    "asked",
    [
        params.ChannelOpenParams("9", PAYEE, over_ledger=True),
        params.ChannelOpenParams("9", PAYEE, path=[]),
        params.ChannelOpenParams("9", path=[PAYEE]),
    ],
)
def test_nobody_in_between_is_a_path_of_the_payee_alone(asked: params.ChannelOpenParams) -> None:
    command = commands.open_channel(asked)
    assert isinstance(command, OpenVirtual)
    assert (command.path, command.fees) == ((BOB.address,), ())


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({}, "counterparty"),
        ({"over_ledger": True}, "counterparty"),
        ({"path": [HUB, PAYEE], "fees": ["1"], "counterparty": HUB}, "counterparty"),
        ({"path": [HUB, "0x12"], "fees": ["1"]}, "path"),
        ({"path": [HUB, PAYEE], "fees": []}, "fees"),
        ({"path": [HUB, PAYEE], "fees": ["1", "1"]}, "fees"),
        ({"path": [HUB, PAYEE], "fees": ["-1"]}, "fees"),
        ({"path": [HUB, PAYEE], "fees": ["1"], "fee_max": "x"}, "fee_max"),
        ({"counterparty": PAYEE, "fees": ["1"]}, "fees"),
    ],
)
def test_a_path_that_does_not_fit_is_refused_under_its_parameter(
    changes: Any, parameter: str
) -> None:
    with pytest.raises(InvalidParams) as refused:
        commands.open_channel(params.ChannelOpenParams("9", **changes))
    assert refused.value.parameter == parameter


def test_a_payee_puts_nothing_into_a_virtual_channel() -> None:
    with pytest.raises(PayeeMustOpenWithZero):
        opened_over(PAYEE, counterparty_amount="1")


def test_the_fees_together_stay_within_what_was_allowed() -> None:
    path = (HUB, "0x" + IRENE.address.hex(), PAYEE)
    assert opened_over(*path, fees=["3", "4"], fee_max="7").fees == (3, 4)
    with pytest.raises(FeeTooHigh) as refused:
        opened_over(*path, fees=["3", "4"], fee_max="6")
    assert (refused.value.fee, refused.value.limit) == (7, 6)


async def test_fees_that_nobody_said_are_what_the_path_quotes_within_the_limit() -> None:
    asked = params.ChannelOpenParams("9", path=[HUB, PAYEE], fee_max="10")
    command = commands.open_channel(await commands.with_fees(RecordingNode(), asked))
    assert isinstance(command, OpenVirtual)
    assert command.fees == (10,)
    for fee_max in (None, "9"):
        asked = msgspec.structs.replace(asked, fee_max=fee_max)
        completed = await commands.with_fees(RecordingNode(), asked)
        with pytest.raises(FeeTooHigh):
            commands.open_channel(completed)


async def test_a_repeated_call_takes_the_fees_of_the_first() -> None:
    class Repeated(RecordingNode):
        def fees_of_request(self, request_id: str) -> tuple[int, ...] | None:
            return (7,) if request_id == "r" else None

    asked = params.ChannelOpenParams("9", path=[HUB, PAYEE], fee_max="10", request_id="r")
    assert (await commands.with_fees(Repeated(), asked)).fees == ["7"]
    other = msgspec.structs.replace(asked, request_id="other")
    assert (await commands.with_fees(Repeated(), other)).fees == ["10"]


async def test_a_hop_that_takes_no_part_is_named_with_its_reason() -> None:
    class Closed(RecordingNode):
        async def route_quote(self, path: Any, *terms: Any) -> tuple[Hop, ...]:
            hops = await super().route_quote(path, *terms)
            refused = msgspec.structs.replace(hops[1], ok=False, error_code="NOT_A_HUB")
            return (hops[0], refused, *hops[2:])

    asked = params.ChannelOpenParams("9", path=[HUB, PAYEE])
    with pytest.raises(PathRefused) as raised:
        await commands.with_fees(Closed(), asked)
    assert (raised.value.hop, raised.value.participant) == (1, IVAN.address)
    assert raised.value.reason.startswith("NOT_A_HUB")


@pytest.mark.parametrize(
    "asked",
    [
        params.ChannelOpenParams("9", PAYEE),
        params.ChannelOpenParams("9", PAYEE, over_ledger=True),
        params.ChannelOpenParams("9", path=[HUB, PAYEE], fees=["1"]),
    ],
)
async def test_nobody_is_asked_where_no_fee_is_open(asked: params.ChannelOpenParams) -> None:
    assert await commands.with_fees(RecordingNode(), asked) is asked


def test_opening_a_ledger_carries_both_deposits_and_fresh_entropy() -> None:
    asked = params.LedgerOpenParams(PAYEE, "16", counterparty_amount="0x5", request_id="r")
    first, second = commands.open_ledger(asked), commands.open_ledger(asked)
    assert isinstance(first, OpenLedger)
    assert isinstance(second, OpenLedger)
    drawn = first.nonce_entropy
    assert drawn != second.nonce_entropy
    assert first == OpenLedger(BOB.address, ZERO_ADDRESS, 16, 5, 86_400, drawn, "r")


def test_a_payment_in_a_ledger_always_has_a_name() -> None:
    named = commands.pay_ledger(params.LedgerPayParams(TEXT, "7", "rent"))
    assert named == PayLedger(ID, 7, "rent", id_is_drawn=False)
    first, second = (commands.pay_ledger(params.LedgerPayParams(TEXT, "7")) for _ in range(2))
    assert isinstance(first, PayLedger)
    assert isinstance(second, PayLedger)
    assert first.request_id
    assert first.request_id != second.request_id
    assert first.id_is_drawn


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
        "completed": False,
    }
    assert msgspec.to_builtins(commands.payment_result(answer)) == {
        "seq": 9,
        "payment_id": "0x" + "ef" * 32,
        "channel_id": "0x" + "cd" * 32,
        "total": str(2**200),
        "receipted": True,
    }
    named = Answer(9, ID, b"\xcd" * 32, request_id="rent")
    assert msgspec.to_builtins(commands.ledger_payment_result(named)) == {
        "agreed": False,
        "seq": 9,
        "channel_id": "0x" + "cd" * 32,
        "request_id": "rent",
    }
