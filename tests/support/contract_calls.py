"""Calls contracts on a local chain through their ABI: plain JSON-RPC, no web3.

Transactions are sent by the chain's own unlocked accounts. A revert is an exception that
carries the contract's reason.
"""

from __future__ import annotations

import copy
import http.client
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi import decode, encode

from contracts.loader import Artifact, load_artifact
from tests.support.nitro_signing import keccak

ERROR_SELECTOR = bytes.fromhex("08c379a0")
PANIC_SELECTOR = bytes.fromhex("4e487b71")
GAS_LIMIT = 15_000_000
MINING_TIMEOUT_S = 60.0


class RevertedError(Exception):
    """The contract refused; `reason` is its text, "panic N", or empty."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Event:
    """A decoded log."""

    name: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a mined transaction left."""

    gas_used: int
    timestamp_s: int
    logs: list[dict[str, Any]]
    events: list[Event]
    """Those logs that the called contract's ABI knows."""

    def named(self, name: str) -> list[dict[str, Any]]:
        """Fields of every event of one name, in order."""
        return [event.fields for event in self.events if event.name == name]


class Rpc:
    """A JSON-RPC connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def close(self) -> None:
        self._connection.close()

    def ask(self, method: str, *params: Any) -> Any:
        """The result; RevertedError for a revert, RuntimeError for any other error."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
        answer = json.loads(self._connection.getresponse().read())
        if "error" not in answer:
            return answer["result"]
        error = answer["error"]
        if "revert" in error["message"]:
            raise RevertedError(revert_reason(error.get("data")))
        raise RuntimeError(f"{method}: {error}")

    def accounts(self) -> list[str]:
        found: list[str] = self.ask("eth_accounts")
        return found

    def balance(self, address: str) -> int:
        return int(self.ask("eth_getBalance", address, "latest"), 16)

    def pass_time(self, seconds: int) -> None:
        """Move the chain's clock on and mine a block there."""
        self.ask("evm_increaseTime", seconds)
        self.ask("evm_mine")

    def deploy(self, name: str, sender: str | None = None) -> Contract:
        """Deploy a contract of ours by its artifact's name."""
        return self.deploy_code(load_artifact(name), sender)

    def deploy_code(self, artifact: Artifact, sender: str | None = None) -> Contract:
        sender = sender or self.accounts()[0]
        data = "0x" + artifact.bytecode.hex()
        raw = self._mine({"from": sender, "data": data, "gas": hex(GAS_LIMIT)})
        contract = Contract(self, raw["contractAddress"], artifact.abi, sender)
        contract.deployed_gas = int(raw["gasUsed"], 16)
        return contract

    def _mine(self, transaction: dict[str, str]) -> dict[str, Any]:
        transaction_hash = self.ask("eth_sendTransaction", transaction)
        raw: dict[str, Any] | None = None
        deadline_s = time.monotonic() + MINING_TIMEOUT_S
        while raw is None:
            raw = self.ask("eth_getTransactionReceipt", transaction_hash)
            if raw is None and time.monotonic() > deadline_s:
                raise RuntimeError(f"{transaction_hash} was not mined")
        if raw["status"] != "0x1":
            raise RevertedError("mined, but failed")
        return raw


class Contract:
    """One deployed contract and its ABI."""

    deployed_gas = 0

    def __init__(self, rpc: Rpc, address: str, abi: list[dict[str, Any]], sender: str) -> None:
        self.rpc = rpc
        self.address = address
        self.sender = sender
        self._functions = {entry["name"]: entry for entry in abi if entry["type"] == "function"}
        events = [entry for entry in abi if entry["type"] == "event"]
        self._events = {keccak(signature(entry).encode()).hex(): entry for entry in events}

    def at(self, address: str) -> Contract:
        """The same interface at another address."""
        other = copy.copy(self)
        other.address = address
        return other

    def data(self, name: str, *arguments: Any) -> bytes:
        """Calldata of one call."""
        entry = self._functions[name]
        types = [type_of(each) for each in entry["inputs"]]
        return keccak(signature(entry).encode())[:4] + encode(types, arguments)

    def call(self, name: str, *arguments: Any, sender: str | None = None) -> Any:
        """Ask without a transaction: one value, or a tuple of several."""
        fields = {
            "from": sender or self.sender,
            "to": self.address,
            "data": "0x" + self.data(name, *arguments).hex(),
        }
        answer = bytes.fromhex(self.rpc.ask("eth_call", fields, "latest")[2:])
        outputs = self._functions[name]["outputs"]
        values = decode([type_of(each) for each in outputs], answer)
        return values[0] if len(values) == 1 else values

    def estimate(self, name: str, *arguments: Any) -> int:
        """The gas that the call needs by what the chain says now."""
        answer: str = self.rpc.ask("eth_estimateGas", self._fields(name, arguments, 0, None))
        return int(answer, 16)

    def _fields(
        self, name: str, arguments: tuple[Any, ...], value: int, sender: str | None
    ) -> dict[str, str]:
        return {
            "from": sender or self.sender,
            "to": self.address,
            "value": hex(value),
            "data": "0x" + self.data(name, *arguments).hex(),
        }

    def send(
        self, name: str, *arguments: Any, value: int = 0, sender: str | None = None, gas: int = 0
    ) -> Receipt:
        """Send a transaction and wait for it. Without `gas` the chain says how much."""
        fields = self._fields(name, arguments, value, sender)
        fields["gas"] = hex(gas) if gas else self.rpc.ask("eth_estimateGas", fields)
        raw = self.rpc._mine(fields)
        block = self.rpc.ask("eth_getBlockByNumber", raw["blockNumber"], False)
        return Receipt(
            gas_used=int(raw["gasUsed"], 16),
            timestamp_s=int(block["timestamp"], 16),
            logs=raw["logs"],
            events=[event for log in raw["logs"] if (event := self._event(log)) is not None],
        )

    def _event(self, log: dict[str, Any]) -> Event | None:
        entry = self._events.get(log["topics"][0][2:])
        if entry is None or log["address"].lower() != self.address.lower():
            return None
        indexed = [each for each in entry["inputs"] if each["indexed"]]
        plain = [each for each in entry["inputs"] if not each["indexed"]]
        values = decode([type_of(each) for each in plain], bytes.fromhex(log["data"][2:]))
        fields = {each["name"]: value for each, value in zip(plain, values, strict=True)}
        for each, topic in zip(indexed, log["topics"][1:], strict=True):
            fields[each["name"]] = decode([each["type"]], bytes.fromhex(topic[2:]))[0]
        return Event(entry["name"], fields)


def type_of(entry: dict[str, Any]) -> str:
    """The canonical type of an ABI parameter, tuples written out."""
    kind: str = entry["type"]
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(type_of(each) for each in entry["components"])
    return f"({inner}){kind.removeprefix('tuple')}"


def signature(entry: dict[str, Any]) -> str:
    """`name(type,...)` of a function or event: what selectors and topics are hashes of."""
    return f"{entry['name']}({','.join(type_of(each) for each in entry['inputs'])})"


def selectors(abi: Sequence[dict[str, Any]]) -> dict[str, str]:
    """{name: selector in hex} of an ABI's functions."""
    functions = [entry for entry in abi if entry["type"] == "function"]
    return {entry["name"]: keccak(signature(entry).encode())[:4].hex() for entry in functions}


def topics(abi: Sequence[dict[str, Any]]) -> dict[str, str]:
    """{name: first topic in hex} of an ABI's events."""
    events = [entry for entry in abi if entry["type"] == "event"]
    return {entry["name"]: keccak(signature(entry).encode()).hex() for entry in events}


def revert_reason(data: str | None) -> str:
    """The text of a revert: a reason string, "panic N", or nothing."""
    raw = bytes.fromhex((data or "0x")[2:])
    if raw[:4] == ERROR_SELECTOR:
        return str(decode(["string"], raw[4:])[0])
    if raw[:4] == PANIC_SELECTOR:
        return f"panic {decode(['uint256'], raw[4:])[0]}"
    return raw.hex()
