"""The local chain: real anvil, the real contracts, test money, and a clean end."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contracts.loader import load_artifact
from node import devnet
from node.deployment import (
    FUNDING_UNITS,
    FUNDING_WEI,
    TEST_TOKEN,
    DevnetError,
    balance_wei,
    chain_call,
    fund,
    fund_token,
    token_balance,
    wait_for_receipt,
)
from node.devnet import CHAIN_ID, CONTRACTS, Devnet, find_anvil
from protocols.types import checksum_address

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def chain() -> Iterator[Devnet]:
    with Devnet() as running:
        yield running


def test_every_contract_has_the_code_of_its_artifact(chain: Devnet) -> None:
    assert int(chain.call("eth_chainId"), 16) == CHAIN_ID == chain.deployment.chain_id
    for name, contract in CONTRACTS.items():
        code = chain.call("eth_getCode", chain.deployment.addresses[name], "latest")
        assert code == "0x" + load_artifact(contract).deployed_bytecode.hex()


def test_the_deployment_counts_logs_at_once_and_has_test_money(chain: Devnet) -> None:
    assert chain.deployment.confirmation_count == 0
    assert len(chain.deployment.funded_keys) == 10


def test_an_account_is_funded_with_a_thousand_ether(chain: Devnet) -> None:
    address = "0x" + "5a" * 20
    tx_hash = fund(chain.deployment, address)
    assert balance_wei(chain.url, address) == FUNDING_WEI == 10**21
    assert wait_for_receipt(chain.url, tx_hash)["gasUsed"] == hex(21_000)


def test_every_test_account_and_every_new_node_has_the_test_token(chain: Devnet) -> None:
    token = chain.deployment.addresses[TEST_TOKEN]
    for owner in chain.call("eth_accounts"):
        assert token_balance(chain.url, token, owner) == FUNDING_UNITS
    address = checksum_address(b"\x5b" * 20)
    fund_token(chain.deployment, address)
    assert token_balance(chain.url, token, address) == FUNDING_UNITS
    fund_token(chain.deployment, address, 7)
    assert token_balance(chain.url, token, address) == FUNDING_UNITS + 7


def test_accounts_funded_at_the_same_time_from_one_key_all_get_their_money(chain: Devnet) -> None:
    addresses = [f"0x{10**30 * i:040x}" for i in range(1, 5)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda address: fund(chain.deployment, address, 7), addresses))
    assert [balance_wei(chain.url, address) for address in addresses] == [7] * 4


def test_what_the_chain_refuses_is_an_error_with_its_words(chain: Devnet) -> None:
    with pytest.raises(DevnetError, match="eth_nonsense"):
        chain_call(chain.url, "eth_nonsense")


def test_a_transaction_that_reverts_is_an_error(chain: Devnet) -> None:
    sender = chain.call("eth_accounts")[0]
    to = chain.deployment.addresses["adjudicator"]
    call = {"from": sender, "to": to, "data": "0xdeadbeef", "gas": hex(100_000)}
    with pytest.raises(DevnetError, match="failed"):
        wait_for_receipt(chain.url, chain.call("eth_sendTransaction", call))


def test_a_transaction_nobody_sent_is_waited_for_in_vain(
    chain: Devnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.deployment.RECEIPT_TIMEOUT_S", 0.05)
    with pytest.raises(DevnetError, match="not mined"):
        wait_for_receipt(chain.url, "0x" + "00" * 32)


def test_stopping_leaves_no_process_and_no_file() -> None:
    running = Devnet()
    scratch = running._scratch
    process_id = running.process_id
    running.stop()
    running.stop()
    assert running.exit_code is not None
    assert not scratch.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


def test_a_taken_port_is_an_error_and_leaves_nothing(
    chain: Devnet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(devnet.tempfile, "tempdir", str(tmp_path))
    with pytest.raises(DevnetError, match="did not start"):
        Devnet(port=int(chain.url.rpartition(":")[2]))
    assert list(tmp_path.iterdir()) == []


def test_anvil_is_found_where_the_variable_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named = tmp_path / "my-anvil"
    monkeypatch.setenv("TALLY_ANVIL", str(named))
    with pytest.raises(DevnetError, match="not an executable"):
        find_anvil()
    shutil.copy("/bin/false", named)
    assert find_anvil() == named
    with pytest.raises(DevnetError, match="did not start"):
        Devnet()
    named.write_bytes(b"no program")
    with pytest.raises(DevnetError, match="cannot be started"):
        Devnet()


def test_a_missing_anvil_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("TALLY_ANVIL", raising=False)
    monkeypatch.setattr(devnet, "_ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DevnetError, match="make setup"):
        find_anvil()
    on_path = tmp_path / "anvil"
    shutil.copy("/bin/true", on_path)
    assert find_anvil() == on_path
