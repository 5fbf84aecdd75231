"""A chain inside the test's process: the part of `Rpc` that contract tests use, over pyrevm.

A call takes a tenth of a millisecond, so that thousands of sequences fit where a real node has
time for tens. What gas costs is left to anvil: here accounts stay warm between transactions.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import pyrevm

from contracts.loader import Artifact
from tests.support.contract_calls import Contract, RevertedError, Rpc, revert_reason

SENDER = "0x" + "5e" * 20
START_S = 1_700_000_000
BLOCK_S = 1
BALANCE = 10**30
CALL_GAS = 30_000_000

_OUTPUT = re.compile(r"output: (0x[0-9a-f]*)")


class EvmRpc(Rpc):
    """Answers like a node whose every transaction is mined at once, one second after the last."""

    def __init__(self) -> None:
        # No connection: every method that would use one is replaced.
        self._evm = pyrevm.EVM(spec_id="CANCUN", gas_limit=2 * CALL_GAS)
        self._evm.set_balance(SENDER, BALANCE)
        self._snapshots: list[tuple[pyrevm.JournalCheckpoint, int, int]] = []
        self._number, self._now_s = 1, START_S
        self._set_block()

    def close(self) -> None:
        """Nothing is open."""

    @property
    def now_s(self) -> int:
        """The newest block's time."""
        return self._now_s

    def put(self, address: str, slot: int, word: int) -> None:
        """Write a word of a contract's storage."""
        self._evm.insert_account_storage(address, slot, word)

    def _set_block(self) -> None:
        block = pyrevm.BlockEnv(number=self._number, timestamp=self._now_s)
        self._evm.set_block_env(block)

    def _next_block(self, seconds: int = BLOCK_S) -> None:
        self._number += 1
        self._now_s += seconds
        self._set_block()

    def ask(self, method: str, *params: Any) -> Any:
        return getattr(self, f"_{method}")(*params)

    def accounts(self) -> list[str]:
        return [SENDER]

    def balance(self, address: str) -> int:
        return self._evm.get_balance(address)

    def pass_time(self, seconds: int) -> None:
        self._next_block(seconds)

    def deploy_code(self, artifact: Artifact, sender: str | None = None) -> Contract:
        address = self._evm.deploy(sender or SENDER, artifact.bytecode)
        self._next_block()
        return Contract(self, address.lower(), artifact.abi, sender or SENDER)

    def _anvil_setBalance(self, address: str, wei: str) -> None:  # noqa: N802
        self._evm.set_balance(address, int(wei, 16))

    def _eth_estimateGas(self, fields: dict[str, str]) -> str:  # noqa: N802
        return hex(CALL_GAS)

    def _eth_getBlockByNumber(self, number: str, full: bool) -> dict[str, str]:  # noqa: N802
        return {"timestamp": hex(self._now_s)}

    def _eth_call(self, fields: dict[str, str], block: str) -> str:
        checkpoint = self._evm.snapshot()
        try:
            return "0x" + self._run(fields).hex()
        finally:
            self._evm.revert(checkpoint)

    def _evm_snapshot(self) -> int:
        self._snapshots.append((self._evm.snapshot(), self._number, self._now_s))
        return len(self._snapshots)

    def _evm_revert(self, number: int) -> bool:
        checkpoint, self._number, self._now_s = self._snapshots[number - 1]
        del self._snapshots[number - 1 :]
        self._evm.revert(checkpoint)
        self._set_block()
        return True

    def _mine(self, transaction: dict[str, str]) -> dict[str, Any]:
        self._next_block()
        self._run(transaction)
        result = self._evm.result
        assert result is not None
        logs = [
            {
                "address": log.address.lower(),
                "topics": list(log.topics),
                "data": "0x" + log.data[1].hex(),
            }
            for log in result.logs
        ]
        gas_used = hex(result.gas_used)
        return {"gasUsed": gas_used, "logs": logs, "blockNumber": hex(self._number)}

    def _run(self, fields: dict[str, str]) -> bytes:
        try:
            answer: bytes = self._evm.message_call(
                caller=fields["from"],
                to=fields["to"],
                calldata=bytes.fromhex(fields["data"][2:]),
                value=int(fields.get("value", "0x0"), 16),
                gas=int(fields.get("gas", hex(CALL_GAS)), 16),
            )
        except RuntimeError as error:
            output = _OUTPUT.search(str(error))
            raise RevertedError(revert_reason(output[1]) if output else str(error)) from None
        return answer


@contextlib.contextmanager
def undone(rpc: EvmRpc) -> Iterator[None]:
    """Whatever happens in the `with` block did not happen afterwards."""
    snapshot = rpc.ask("evm_snapshot")
    try:
        yield
    finally:
        rpc.ask("evm_revert", snapshot)
