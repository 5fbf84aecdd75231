"""What a method says of itself is what the interface's document says of it."""

from __future__ import annotations

from typing import Any

import pytest

from node.rpc.interface import NodeApi
from node.rpc.method import (
    CHANNEL_EXAMPLE,
    LEDGER_EXAMPLE,
    OBJECTIVE_EXAMPLE,
    PAID_CHANNEL_EXAMPLE,
    PEER_EXAMPLE,
    SIGNATURE_EXAMPLE,
    Query,
)
from node.rpc.openrpc import openrpc_document
from node.rpc.params import ChannelGetParams, parse_account, parse_hash32
from node.rpc.results import ChannelView
from protocols.errors import UnknownChannel
from protocols.types import checksum_address


async def read(node: NodeApi, p: ChannelGetParams) -> object:
    return None


def test_a_method_is_described_by_what_it_says() -> None:
    example: dict[str, Any] = {"channel_id": CHANNEL_EXAMPLE}
    method = Query("any", "Any.", ChannelGetParams, ChannelView, example, (UnknownChannel,), read)
    (described,) = openrpc_document([method])["methods"]
    assert (described["name"], described["summary"]) == ("any", "Any.")
    given = {one["name"]: one["value"] for one in described["examples"][0]["params"]}
    assert given == example
    assert [error["data"]["name"] for error in described["errors"]] == ["UNKNOWN_CHANNEL"]


@pytest.mark.parametrize(
    "text", [CHANNEL_EXAMPLE, PAID_CHANNEL_EXAMPLE, LEDGER_EXAMPLE, OBJECTIVE_EXAMPLE]
)
def test_the_ids_of_examples_are_of_the_right_width(text: str) -> None:
    assert "0x" + parse_hash32("any", text).hex() == text


def test_the_peer_of_examples_is_an_address_with_its_checksum() -> None:
    assert checksum_address(parse_account("any", PEER_EXAMPLE)) == PEER_EXAMPLE
    assert len(bytes.fromhex(SIGNATURE_EXAMPLE[2:])) == 65
