"""A local Ethereum chain with the contracts deployed: anvil, started and stopped by us.

For the demo, the tests and `tally devnet`. Its keys are anvil's published test keys; nothing here
is for a chain where money is worth something. Knows nothing of nodes and channels.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from node.deployment import (
    TEST_TOKEN,
    Deployment,
    DevnetError,
    chain_call,
    mint_call,
    wait_for_receipt,
)
from node.processes import Child, clean_environment

CHAIN_ID = 31_337
"""anvil's own default, known to every Ethereum tool as a local chain."""
ACCOUNT_BALANCE_ETH = 1_000_000
"""What each of the ten test accounts starts with: enough to fund a thousand nodes."""
START_TIMEOUT_S = 60.0
"""anvil answers after 60 ms on an idle machine."""

CONTRACTS = {
    "adjudicator": "NitroAdjudicator",
    "virtual_payment_app": "VirtualPaymentApp",
    "consensus_app": "ConsensusApp",
    TEST_TOKEN: "TestToken",
    "message_log_app": "MessageLogApp",
    "rock_paper_scissors_app": "RockPaperScissorsApp",
}
"""What is deployed: name in the deployment file -> name of the contract. New ones come last: the
addresses of the others follow from the order."""

_LISTENING = "Listening on "
"""How anvil's line with its address begins."""
ANVIL_VARIABLE = "TALLY_ANVIL"
_ROOT = Path(__file__).resolve().parent.parent
_ANVIL_PLACES = (
    ".tools/bin/anvil",
    ".tools/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil",
)


def find_anvil() -> Path:
    """The anvil executable: TALLY_ANVIL, the clone's .tools, ours here, or the PATH's."""
    named = os.environ.get(ANVIL_VARIABLE)
    if named is not None:
        if not os.access(named, os.X_OK):
            raise DevnetError(
                f"{ANVIL_VARIABLE} names {named}, which is not an executable file",
                "Correct it, or unset it",
            )
        return Path(named)
    for base in (_ROOT, Path.cwd()):
        for place in _ANVIL_PLACES:
            if os.access(base / place, os.X_OK):
                return base / place
    found = shutil.which("anvil")
    if found is None:
        raise DevnetError(
            "anvil, the local Ethereum chain, was not found",
            f"In a clone: make setup. Anywhere else: install Foundry, or set {ANVIL_VARIABLE}",
        )
    return Path(found)


class Devnet:
    """A running chain; a context manager that stops it."""

    def __init__(self, port: int = 0) -> None:
        """Start anvil on 127.0.0.1 and deploy the contracts. `DevnetError` if either fails."""
        self._scratch = Path(tempfile.mkdtemp(prefix="tally-devnet-"))
        self._anvil: Child | None = None
        try:
            self._anvil, self.url = _start_anvil(self._scratch, port)
            accounts = json.loads((self._scratch / "anvil.json").read_text())
            owners = accounts["available_accounts"]
            addresses = _deploy_all(self.url, owners[0])
            _mint_to_all(self.url, addresses[TEST_TOKEN], owners)
            self.deployment = Deployment(
                chain_id=CHAIN_ID,
                rpc_url=self.url,
                addresses=addresses,
                funded_keys=tuple(accounts["private_keys"]),
                confirmation_count=0,
            )
        except BaseException:
            self.stop()
            raise

    @property
    def exit_code(self) -> int | None:
        """None while anvil runs."""
        assert self._anvil is not None, "the constructor started it"
        return self._anvil.exit_code

    @property
    def process_id(self) -> int:
        """anvil's."""
        assert self._anvil is not None, "the constructor started it"
        return self._anvil.process_id

    def call(self, method: str, *params: object) -> Any:
        """One JSON-RPC call to the chain."""
        return chain_call(self.url, method, *params)

    def stop(self) -> None:
        """End anvil and remove its files. Safe to call twice."""
        if self._anvil is not None and self._anvil.exit_code is None:
            self._anvil.stop()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def __enter__(self) -> Devnet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _start_anvil(scratch: Path, port: int) -> tuple[Child, str]:
    anvil = find_anvil()
    command: list[str | Path] = [anvil, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--chain-id", str(CHAIN_ID), "--balance", str(ACCOUNT_BALANCE_ETH)]
    command += ["--config-out", scratch / "anvil.json", "--color", "never"]
    try:
        child = Child(command, stderr_path=scratch / "stderr", environment=clean_environment())
    except OSError as error:
        raise DevnetError(
            f"{anvil} cannot be started: {error.strerror}", "Is it built for this machine?"
        ) from error
    try:
        listening = child.wait_for_line(_LISTENING, START_TIMEOUT_S)
    except BaseException:
        child.stop()
        raise
    if listening is None:
        said = child.stderr_tail()
        child.stop()
        raise DevnetError(
            f"anvil did not start: {said or 'it said nothing'}",
            "Is the port taken by another chain?",
        )
    return child, "ws://" + listening.removeprefix(_LISTENING)


def _deploy_all(url: str, sender: str) -> dict[str, str]:
    """Deploy every contract of `CONTRACTS`; their addresses in EIP-55 spelling."""
    from contracts.loader import load_artifact
    from protocols.types import checksum_address

    sent = {}
    for name, contract in CONTRACTS.items():
        data = "0x" + load_artifact(contract).bytecode.hex()
        sent[name] = chain_call(url, "eth_sendTransaction", {"from": sender, "data": data})
    receipts = {name: wait_for_receipt(url, tx_hash) for name, tx_hash in sent.items()}
    return {
        name: checksum_address(bytes.fromhex(receipt["contractAddress"][2:]))
        for name, receipt in receipts.items()
    }


def _mint_to_all(url: str, token: str, owners: list[str]) -> None:
    """Every test account gets some of the test token."""
    sent = [
        chain_call(
            url, "eth_sendTransaction", {"from": owners[0], "to": token, "data": mint_call(owner)}
        )
        for owner in owners
    ]
    for tx_hash in sent:
        wait_for_receipt(url, tx_hash)
