"""What the chain itself says about a run: who sent which transaction, and what it cost.

Read from blocks and receipts alone, so that it can judge what the nodes say.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from node.deployment import chain_call


@dataclass(frozen=True)
class ChainTransaction:
    """One mined transaction."""

    tx_hash: str
    sender: str
    """Lower-case hex."""
    kind: str
    """The adjudicator's or the token's function, or `transfer`."""
    gas_used: int
    cost_wei: int
    """Gas times its effective price."""
    succeeded: bool


def transactions_of(url: str, senders: Collection[str], from_block: int) -> list[ChainTransaction]:
    """All transactions of the senders from that block to the newest, in order."""
    wanted = {sender.lower() for sender in senders}
    last_block = int(chain_call(url, "eth_blockNumber"), 16)
    found = []
    for block_num in range(from_block, last_block + 1):
        block = chain_call(url, "eth_getBlockByNumber", hex(block_num), True)
        mine = [sent for sent in block["transactions"] if sent["from"].lower() in wanted]
        found += [_with_receipt(url, sent) for sent in mine]
    return found


def _with_receipt(url: str, sent: dict[str, Any]) -> ChainTransaction:
    receipt = chain_call(url, "eth_getTransactionReceipt", sent["hash"])
    gas_used = int(receipt["gasUsed"], 16)
    return ChainTransaction(
        tx_hash=sent["hash"],
        sender=sent["from"].lower(),
        kind=kind_of(sent["input"]),
        gas_used=gas_used,
        cost_wei=gas_used * int(receipt["effectiveGasPrice"], 16),
        succeeded=receipt["status"] == "0x1",
    )


def kind_of(data: str) -> str:
    """The name of the adjudicator's or the token's function that call data is for."""
    return "transfer" if data == "0x" else _functions().get(data[2:10], "unknown")


@functools.cache
def _functions() -> dict[str, str]:
    """Selector -> name, of every function of the adjudicator and of a token."""
    from contracts.loader import load_artifact
    from protocols.crypto import keccak256

    abis = (load_artifact(name).abi for name in ("TestToken", "NitroAdjudicator"))
    functions = [e for abi in abis for e in abi if e["type"] == "function"]
    return {
        keccak256(f"{f['name']}{_types(f['inputs'])}".encode())[:4].hex(): f["name"]
        for f in functions
    }


def _types(inputs: list[dict[str, Any]]) -> str:
    """The types as a signature spells them, tuples opened up."""
    spelt = [
        _types(item["components"]) + item["type"].removeprefix("tuple")
        if item["type"].startswith("tuple")
        else item["type"]
        for item in inputs
    ]
    return "(" + ",".join(spelt) + ")"
