"""Where the contracts are: the deployment file, and blocking calls to the chain it names.

For commands that run once: `tally init`, the demo, the tests. The daemon has its own chain room.
"""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from node.unused_curves import leave_out

FUNDING_WEI = 1_000 * 10**18
"""What a new node's account is given."""
TEST_TOKEN = "test_token"
"""The name of the test token's address in a deployment that has one."""
MESSAGE_LOG_APP = "message_log_app"
"""The name of the MessageLogApp's address in a deployment that has one."""
JUDGED_APPS = ("rock_paper_scissors_app",)
"""Names of contracts that judge an application's moves, likewise."""
FUNDING_UNITS = 1_000 * 10**18
"""What of the test token a new node's account is given."""
CALL_TIMEOUT_S = 20.0
"""A local chain answers within milliseconds."""
MINT_GAS = 100_000
"""A first mint to an account costs 70,000."""
BALANCE_OF_SELECTOR = "0x70a08231"
"""balanceOf(address)"""
MINT_SELECTOR = "0x40c10f19"
"""mint(address,uint256)"""
RECEIPT_TIMEOUT_S = 30.0
"""A local chain mines at once, or every few seconds."""


@dataclass
class DevnetError(Exception):
    """The local chain cannot be had, or refused something; and what to do about it."""

    reason: str
    next_step: str

    def __str__(self) -> str:
        return f"{self.reason}. {self.next_step}"


@dataclass(frozen=True)
class Deployment:
    """What `deployment.json` holds."""

    chain_id: int
    rpc_url: str
    """A ws:// URL; anvil speaks HTTP on the same port."""
    addresses: dict[str, str]
    """EIP-55, by the names of `CONTRACTS`."""
    funded_keys: tuple[str, ...] = ()
    """Secret keys with test money, 0x hex."""
    confirmation_count: int = 12

    def document(self) -> dict[str, Any]:
        """As it is written to the file."""
        return {
            "chain_id": self.chain_id,
            "rpc_url": self.rpc_url,
            "addresses": self.addresses,
            "funded_keys": list(self.funded_keys),
            "confirmation_count": self.confirmation_count,
        }


def read_deployment(path: Path) -> Deployment:
    """Read a deployment file; `DevnetError` if it is none."""
    make_one = "Make one with: tally devnet --out deployment.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        deployment = Deployment(
            chain_id=document["chain_id"],
            rpc_url=document["rpc_url"],
            addresses=dict(document["addresses"]),
            funded_keys=tuple(document.get("funded_keys", ())),
            confirmation_count=document.get("confirmation_count", 12),
        )
        required = ("adjudicator", "virtual_payment_app", "consensus_app")
        missing = [name for name in required if name not in deployment.addresses]
    except OSError as error:
        raise DevnetError(f"{path} cannot be read: {error.strerror}", make_one) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DevnetError(f"{path} is no deployment file: {error!r}", make_one) from error
    if missing:
        raise DevnetError(f"{path} names no address of {', '.join(missing)}", make_one)
    return deployment


def chain_call(url: str, method: str, *params: object) -> Any:
    """One blocking JSON-RPC call over HTTP (a ws:// URL is called on the same port).

    Raises `DevnetError` when nobody answers and when the chain refuses.
    """
    parts = urlsplit(url)
    secure = parts.scheme in ("wss", "https")
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=CALL_TIMEOUT_S)
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    headers = {"Content-Type": "application/json"}
    path = parts.path or "/"
    try:
        connection.request("POST", path, json.dumps(request).encode(), headers)
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DevnetError(
            f"the chain at {url} does not answer: {error}", "Is it running? tally devnet"
        ) from error
    finally:
        connection.close()
    if "error" in answer:
        message = answer["error"].get("message", answer["error"])
        raise DevnetError(f"the chain refused {method}: {message}", "See the message")
    return answer["result"]


def balance_wei(url: str, address: str) -> int:
    """What an account holds at the newest block."""
    return int(chain_call(url, "eth_getBalance", address, "latest"), 16)


def wait_for_receipt(url: str, tx_hash: str) -> dict[str, Any]:
    """The receipt, once mined; `DevnetError` if it is not mined in time, or failed."""
    give_up_at = time.monotonic() + RECEIPT_TIMEOUT_S
    while time.monotonic() < give_up_at:
        receipt = chain_call(url, "eth_getTransactionReceipt", tx_hash)
        if receipt is not None:
            if receipt["status"] != "0x1":
                raise DevnetError(f"transaction {tx_hash} failed", "See the chain's log")
            return dict(receipt)
        time.sleep(0.02)
    raise DevnetError(
        f"transaction {tx_hash} was not mined within {RECEIPT_TIMEOUT_S:.0f} s",
        "Does this chain make blocks?",
    )


def token_balance(url: str, token: str, owner: str) -> int:
    """What an account holds of a token at the newest block, in its smallest unit."""
    call = {"to": token, "data": BALANCE_OF_SELECTOR + _argument(owner)}
    return int(chain_call(url, "eth_call", call, "latest"), 16)


def mint_call(owner: str, amount: int = FUNDING_UNITS) -> str:
    """Call data, in hex, of the test token's `mint`, which anybody may send."""
    return MINT_SELECTOR + _argument(owner) + f"{amount:064x}"


def _argument(address: str) -> str:
    return address.removeprefix("0x").lower().rjust(64, "0")


def fund(deployment: Deployment, address: str, amount_wei: int = FUNDING_WEI) -> str:
    """Send test money from one of the deployment's funded keys; the transaction's hash."""
    return _send(deployment, address, amount_wei, "0x", 21_000)


def fund_token(deployment: Deployment, address: str, amount: int = FUNDING_UNITS) -> str:
    """Give an account some of the deployment's test token; the transaction's hash."""
    token = deployment.addresses[TEST_TOKEN]
    return _send(deployment, token, 0, mint_call(address, amount), MINT_GAS, chosen_by=address)


def _send(
    deployment: Deployment, to: str, value: int, data: str, gas: int, chosen_by: str = ""
) -> str:
    """Send and await a transaction of one of the funded keys; its hash.

    Which key depends on the address it is for, so that nodes made at the same time seldom share
    one; a nonce that another took meanwhile is taken anew.
    """
    leave_out()
    from eth_account import Account

    url = deployment.rpc_url
    number = int(chosen_by or to, 16)
    key = deployment.funded_keys[number % len(deployment.funded_keys)]
    account = Account.from_key(key)
    for attempts_left in range(4, -1, -1):
        gas_price = int(chain_call(url, "eth_gasPrice"), 16)
        nonce = chain_call(url, "eth_getTransactionCount", account.address, "pending")
        signed = account.sign_transaction(
            {
                # eth_account takes the EIP-55 spelling or bytes, nothing else.
                "to": bytes.fromhex(to[2:]),
                "value": value,
                "data": data,
                "gas": gas,
                "gasPrice": gas_price * 2,
                "nonce": int(nonce, 16),
                "chainId": deployment.chain_id,
            }
        )
        try:
            raw = "0x" + bytes(signed.raw_transaction).hex()
            tx_hash = str(chain_call(url, "eth_sendRawTransaction", raw))
            break
        except DevnetError:
            if not attempts_left:
                raise
    wait_for_receipt(url, tx_hash)
    return tx_hash
