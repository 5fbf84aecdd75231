"""Application channels by the interface: what is sent, what is read, what is refused."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from node.answers import Answer
from node.rpc import apps
from node.rpc.errors import InvalidParams
from protocols.app_errors import AppQueryFailed, NoMessageLogApp, NotAnAppChannel
from protocols.app_events import (
    AppMessageApplied,
    AppMessageQueued,
    AppMessagesOffered,
    AppStateConfirmed,
    AppStateSigned,
)
from protocols.commands import OpenApp, OpenVirtualApp, SendAppMessage
from protocols.errors import UnknownChannel
from protocols.routes import AppTerms
from protocols.types import amount_to_bytes, to_hex
from protocols.virtual_errors import FeeTooHigh
from tests.support.actors import ALICE, BOB, IVAN
from tests.support.rpc_node import RecordingNode, open_app, open_payment_channel

CHANNEL = "0x" + "c1" * 32
PEER = "0x" + BOB.address.hex()


def spoken(count: int) -> tuple[RecordingNode, str]:
    """A node with so many messages in its application's channel; the channel's id."""
    node = RecordingNode()
    channel_id = open_app(node)
    amounts = (amount_to_bytes(1_500), amount_to_bytes(500))
    for number in range(1, count + 1):
        sender = (ALICE, BOB)[number % 2].address
        node.record_event(AppMessageApplied(channel_id, number, sender, 2**40, bytes((number,))))
        hash32, signature = bytes(32), bytes((number,)) * 65
        node.record_event(
            AppStateSigned(channel_id, number + 1, hash32, signature, amounts, b"\x0d" * 32)
        )
        if number < count:
            node.record_event(AppStateConfirmed(channel_id, number + 1, signature))
    return node, to_hex(channel_id)


def test_opening_says_who_and_what_and_draws_the_entropy() -> None:
    params = apps.AppOpenParams(
        counterparty=PEER,
        reducer="0x" + "5e" * 32,
        amount="5",
        counterparty_amount="7",
        turn_rule="leader",
        app="0x" + "aa" * 20,
    )
    first, second = apps.open_app(params), apps.open_app(params)
    assert isinstance(first, OpenApp)
    assert isinstance(second, OpenApp)
    assert (first.counterparty, first.amount, first.counterparty_amount) == (BOB.address, 5, 7)
    assert (first.turn_rule, first.app_definition) == ("leader", b"\xaa" * 20)
    assert first.nonce_entropy != second.nonce_entropy


def test_a_path_says_over_whose_ledgers() -> None:
    hub = "0x" + IVAN.address.hex()
    params = partial(apps.AppOpenParams, counterparty=PEER, reducer="0x" + "5e" * 32, amount="5")
    over_hub = apps.open_app(params(path=[hub, PEER], fees=["2"], fee_max="2"))
    assert isinstance(over_hub, OpenVirtualApp)
    assert (over_hub.path, over_hub.fees) == ((IVAN.address, BOB.address), (2,))
    assert (over_hub.amount, over_hub.reducer_id) == (5, b"\x5e" * 32)
    alone = apps.open_app(params(over_ledger=True))
    assert isinstance(alone, OpenVirtualApp)
    assert (alone.path, alone.fees, alone.turn_rule) == ((BOB.address,), (), "alternate")
    assert (over_hub.counterparty_amount, alone.counterparty_amount) == (0, 0)
    both = apps.open_app(params(over_ledger=True, counterparty_amount="3"))
    assert isinstance(both, OpenVirtualApp)
    assert (both.amount, both.counterparty_amount) == (5, 3)


async def test_the_path_is_asked_for_the_application_that_is_to_be_opened() -> None:
    node = RecordingNode()
    hub = "0x" + IVAN.address.hex()
    terms = {"counterparty": PEER, "reducer": "0x" + "5e" * 32, "amount": "5"}
    asked = apps.AppOpenParams(
        **terms, path=[hub, PEER], app="0x" + "aa" * 20, counterparty_amount="3", fee_max="10"
    )
    assert (await apps.with_fees(node, asked)).fees == ["10"]
    assert node.app_terms == AppTerms(b"\xaa" * 20, b"\x5e" * 32, amount_to_bytes(3))
    with pytest.raises(NoMessageLogApp):
        await apps.with_fees(node, replace(asked, app=None))
    # Nobody is asked where no hub is: nor need there be a contract to name.
    alone = apps.AppOpenParams(**terms, over_ledger=True)
    assert await apps.with_fees(node, alone) == alone


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"fees": ["1"]}, InvalidParams),
        ({"over_ledger": True, "fees": ["1"]}, InvalidParams),
        ({"path": ["0x" + "11" * 20]}, InvalidParams),
        ({"path": ["0x" + "11" * 20, PEER], "fees": ["3"], "fee_max": "2"}, FeeTooHigh),
    ],
)
def test_what_does_not_fit_a_path_is_refused(
    wrong: dict[str, Any], refusal: type[Exception]
) -> None:
    terms = {"counterparty": PEER, "reducer": "0x" + "5e" * 32, "amount": "5", **wrong}
    with pytest.raises(refusal):
        apps.open_app(apps.AppOpenParams(**terms))


def test_a_request_id_names_one_message() -> None:
    params = apps.AppSendParams(CHANNEL, "0x9101", request_id="r")
    first, again = apps.send_message(params), apps.send_message(params)
    assert first == again
    drawn = apps.send_message(apps.AppSendParams(CHANNEL, "0x9101"))
    assert isinstance(drawn, SendAppMessage)
    assert drawn.payload == b"\x91\x01"
    assert drawn != apps.send_message(apps.AppSendParams(CHANNEL, "0x9101"))


@pytest.mark.parametrize("payload", ["", "0x", "9101", "0x910", "0xzz"])
def test_a_payload_is_bytes_in_hex(payload: str) -> None:
    with pytest.raises(InvalidParams):
        apps.send_message(apps.AppSendParams(CHANNEL, payload))


def test_an_answer_says_whether_it_is_decided() -> None:
    waits = Answer(5, channel_id=b"\xc1" * 32, message_id=b"\x01" * 32)
    assert apps.send_result(waits).count is None
    done = Answer(5, channel_id=b"\xc1" * 32, message_id=b"\x01" * 32, message_count=4)
    assert apps.send_result(done).count == 4


async def test_messages_that_both_signed_are_shown_in_order() -> None:
    node, channel_id = spoken(4)
    shown = await apps.messages(node, apps.AppMessagesParams(channel_id))
    assert [message.count for message in shown.messages] == [1, 2, 3]
    assert [message.message for message in shown.messages] == ["0x01", "0x02", "0x03"]
    assert (shown.count, shown.halted) == (3, "")
    page = await apps.messages(node, apps.AppMessagesParams(channel_id, after_count=1, limit=1))
    assert [message.count for message in page.messages] == [2]


async def test_messages_that_wait_are_shown_with_whether_they_were_offered() -> None:
    node, shown_id = spoken(1)
    channel_id = bytes.fromhex(shown_id[2:])
    for number in range(3):
        node.record_event(AppMessageQueued(channel_id, bytes((number,)) * 32, bytes((number,))))
    node.record_event(AppMessagesOffered(channel_id, 1, 2**40, 2))
    shown = await apps.messages(node, apps.AppMessagesParams(shown_id))
    assert [(w.payload, w.offered) for w in shown.waiting] == [
        ("0x00", True),
        ("0x01", True),
        ("0x02", False),
    ]
    page = await apps.messages(node, apps.AppMessagesParams(shown_id, limit=1))
    assert [waiting.message_id for waiting in page.waiting] == [to_hex(bytes(32))]
    assert page.waiting_count == 3


async def test_only_applications_channels_are_read() -> None:
    node, channel_id = spoken(1)
    payments = to_hex(open_payment_channel(node))
    for wrong, error in ((CHANNEL, UnknownChannel), (payments, NotAnAppChannel)):
        with pytest.raises(error):
            await apps.messages(node, apps.AppMessagesParams(wrong))
        with pytest.raises(error):
            await apps.query(node, apps.AppQueryParams(wrong, "SELECT 1"))
    answer = await apps.query(node, apps.AppQueryParams(channel_id, "SELECT * FROM payouts"))
    assert (answer.columns, len(answer.rows)) == (["participant", "amount"], 1)
    with pytest.raises(AppQueryFailed):
        await apps.query(node, apps.AppQueryParams(channel_id, "SELECT * FROM nothing"))
