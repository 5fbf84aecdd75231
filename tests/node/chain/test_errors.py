"""Errors a person reads: each names the values and what to do."""

from __future__ import annotations

import pytest

from node.chain.errors import (
    ChainError,
    EndpointDown,
    NoCodeAtAddress,
    NoTokenAtAddress,
    RpcError,
    WrongChain,
)


def test_a_wrong_chain_names_both_chains_and_the_setting_to_change() -> None:
    text = str(WrongChain("ws://127.0.0.1:1", expected_chain_id=1, chain_id=31337))
    assert "31337" in text
    assert "made for chain 1" in text
    assert "[chain] urls" in text


def test_missing_code_names_the_address_and_the_setting_to_change() -> None:
    address = bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3")
    text = str(NoCodeAtAddress("ws://h:1", "adjudicator", address, 31337))
    assert "0x5FbDB2315678afecb367f032d93F642f64180aa3" in text
    assert "[chain] adjudicator" in text
    assert "chain 31337" in text


def test_a_missing_token_names_the_address_and_the_setting_to_change() -> None:
    address = bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3")
    text = str(NoTokenAtAddress("ws://h:1", address, 31337))
    assert "0x5FbDB2315678afecb367f032d93F642f64180aa3" in text
    assert "[policy] assets" in text
    assert "chain 31337" in text


def test_all_are_one_family_and_say_who_said_what() -> None:
    down = EndpointDown("ws://h:1", "the connection was cut")
    refused = RpcError("eth_call", 3, "execution reverted")
    assert isinstance(down, ChainError)
    assert isinstance(refused, ChainError)
    assert str(down) == "ws://h:1: the connection was cut"
    assert str(refused) == "eth_call: execution reverted (code 3)"


@pytest.mark.parametrize(
    ("code", "message", "asks"),
    [
        (429, "", True),
        (-32005, "project ID request rate exceeded: rate limit", True),
        (-32005, "query returned more than 10000 results", False),
        (-32000, "Your app has exceeded its compute units per second: throughput", True),
        (3, "execution reverted", False),
    ],
)
def test_asking_too_often_is_told_from_asking_for_too_much(
    code: int, message: str, asks: bool
) -> None:
    assert RpcError("eth_call", code, message).asks_to_wait is asks
