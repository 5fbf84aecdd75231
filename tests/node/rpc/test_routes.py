"""A quote as callers read it, and a hub's figures."""

from __future__ import annotations

import msgspec
import pytest

from node.rpc.errors import InvalidParams
from node.rpc.params import MomentParams, params_decoder
from node.rpc.routes import RouteQuoteParams, hub_status, route_quote
from protocols.app_channel import MESSAGE_LOG
from protocols.app_errors import NoMessageLogApp
from protocols.app_events import AppDefinitionRecorded
from protocols.errors import PayeeMustOpenWithZero
from protocols.routes import AppTerms
from protocols.types import amount_to_bytes, checksum_address
from protocols.virtual_errors import PathRefused
from tests.support.actors import ALICE, BOB, IVAN
from tests.support.builders import LOG_APP
from tests.support.rpc_node import RecordingNode, open_payment_channel

IVANS, BOBS = checksum_address(IVAN.address), checksum_address(BOB.address)


async def test_a_quote_has_the_fees_in_the_order_in_which_a_channel_takes_them() -> None:
    quoted = await route_quote(RecordingNode(), RouteQuoteParams([IVANS, BOBS], "1000"))
    assert quoted.ok
    assert (quoted.total_fee, quoted.fees) == ("10", ["10"])
    assert [hop.participant for hop in quoted.hops] == [
        checksum_address(who.address) for who in (ALICE, IVAN, BOB)
    ]


async def test_a_path_straight_to_the_payee_has_no_fees() -> None:
    quoted = await route_quote(RecordingNode(), RouteQuoteParams([BOBS], "1000"))
    assert (quoted.total_fee, quoted.fees) == ("0", [])


async def test_a_path_is_asked_for_an_application() -> None:
    node = RecordingNode()
    node.record_event(AppDefinitionRecorded(LOG_APP, MESSAGE_LOG))
    asked = RouteQuoteParams(
        [IVANS, BOBS], "1000", reducer="0x" + "5e" * 32, counterparty_amount="7"
    )
    assert (await route_quote(node, asked)).ok
    assert node.app_terms == AppTerms(LOG_APP, b"\x5e" * 32, amount_to_bytes(7))
    named = RouteQuoteParams([BOBS], "1", app="0x" + "aa" * 20)
    await route_quote(node, named)
    assert node.app_terms == AppTerms(b"\xaa" * 20, b"", amount_to_bytes(0))
    await route_quote(node, RouteQuoteParams([BOBS], "1"))
    assert node.app_terms is None


async def test_a_quote_for_payments_has_no_second_deposit() -> None:
    with pytest.raises(PayeeMustOpenWithZero):
        await route_quote(RecordingNode(), RouteQuoteParams([BOBS], "1", counterparty_amount="1"))
    with pytest.raises(NoMessageLogApp):
        await route_quote(RecordingNode(), RouteQuoteParams([BOBS], "1", reducer="0x" + "5e" * 32))


async def test_a_path_that_leads_back_is_refused() -> None:
    with pytest.raises(PathRefused):
        await route_quote(RecordingNode(), RouteQuoteParams([BOBS, BOBS], "1000"))


@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        ({"path": [], "amount": "1"}, "path"),
        ({"path": [BOBS] * 32, "amount": "1"}, "path"),
        ({"path": [BOBS], "amount": "1", "timeout_ms": 0}, "timeout_ms"),
        ({"path": [BOBS], "amount": "1", "timeout_ms": 30_001}, "timeout_ms"),
    ],
)
def test_bounds_are_checked_before_anybody_is_asked(params: object, parameter: str) -> None:
    decode = params_decoder(RouteQuoteParams)
    with pytest.raises(InvalidParams) as caught:
        decode(msgspec.Raw(msgspec.json.encode(params)))
    assert parameter in str(caught.value)


async def test_addresses_and_amounts_are_checked_to_the_last_character() -> None:
    for asked in (
        RouteQuoteParams(["0x12"], "1"),
        RouteQuoteParams([BOBS], "-1"),
        RouteQuoteParams([BOBS], "1", asset="0x12"),
    ):
        with pytest.raises(InvalidParams):
            await route_quote(RecordingNode(), asked)


async def test_a_hubs_figures_are_the_nodes() -> None:
    node = RecordingNode()
    open_payment_channel(node)
    assert await hub_status(node, MomentParams()) == {"enabled": False, "at": {"seq": node.seq}}
    assert await hub_status(node, MomentParams(2)) == {"enabled": False, "at": {"seq": 2}}
