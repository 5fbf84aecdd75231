"""The deployment file, and calls to a chain that answers, refuses or is not there."""

import json
from pathlib import Path

import pytest

from node.deployment import (
    BALANCE_OF_SELECTOR,
    MINT_SELECTOR,
    Deployment,
    DevnetError,
    chain_call,
    read_deployment,
)
from node.processes import free_port
from protocols.crypto import keccak256

ADDRESSES = dict.fromkeys(("adjudicator", "virtual_payment_app"), "0x" + "11" * 20)
WHOLE = Deployment(
    chain_id=31337,
    rpc_url="ws://127.0.0.1:8545",
    addresses={**ADDRESSES, "consensus_app": "0x" + "22" * 20},
    funded_keys=("0x01",),
    confirmation_count=0,
)


def test_a_deployment_comes_back_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    path.write_text(json.dumps(WHOLE.document()))
    assert read_deployment(path) == WHOLE


def test_a_deployment_without_test_money_waits_for_twelve_blocks(tmp_path: Path) -> None:
    document = WHOLE.document()
    del document["funded_keys"], document["confirmation_count"]
    path = tmp_path / "deployment.json"
    path.write_text(json.dumps(document))
    assert read_deployment(path).funded_keys == ()
    assert read_deployment(path).confirmation_count == 12


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", json.dumps({**WHOLE.document(), "addresses": ADDRESSES})],
    ids=["empty", "list", "no-fields", "no-consensus-app"],
)
def test_a_file_that_is_no_deployment_says_how_to_make_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deployment.json"
    path.write_text(text)
    with pytest.raises(DevnetError, match="tally devnet"):
        read_deployment(path)


def test_a_missing_deployment_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DevnetError, match="No such file"):
        read_deployment(tmp_path / "none.json")


def test_a_chain_that_is_not_there_is_an_error_with_its_url() -> None:
    url = f"ws://127.0.0.1:{free_port()}"
    with pytest.raises(DevnetError, match=url):
        chain_call(url, "eth_chainId")


def test_the_tokens_selectors_are_those_of_the_functions_they_name() -> None:
    for text, found in (
        ("mint(address,uint256)", MINT_SELECTOR),
        ("balanceOf(address)", BALANCE_OF_SELECTOR),
    ):
        assert "0x" + keccak256(text.encode())[:4].hex() == found
