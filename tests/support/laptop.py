"""A stranger's laptop: a kit, an endpoint's URL and a key with gas, and `tally dispute run`."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.cli.local_node import LocalNode
from node.deployment import balance_wei, fund
from node.devnet import Devnet
from node.processes import Child, our_environment, our_python
from protocols.crypto import Signer
from protocols.types import checksum_address
from tests.support.daemons import wait_until

GAS_WEI = 10**18
END_TIMEOUT_S = 60.0
"""Until a process that closed its output is gone."""
_CHALLENGED = re.compile(r"^(0x[0-9a-f]+): ChallengeRegistered,", re.MULTILINE)


def export(node: LocalNode, channel_id: str, path: Path, *options: str) -> dict[str, Any]:
    """`tally dispute export`, as its owner would; the kit as JSON."""
    command = ("dispute", "export", channel_id, "--dir", str(node.directory), "-o", str(path))
    child = LocalNode.child_type(
        our_python("node", *command, *options),
        stderr_path=path.with_suffix(".stderr"),
        environment=our_environment(),
    )
    code, _ = ended(child)
    assert code == 0, child.stderr_tail(20)
    kit: dict[str, Any] = json.loads(path.read_text())
    return kit


def ended(child: Child) -> tuple[int, str]:
    """The exit code and all it printed, once it ended by itself."""
    text = child.stdout.read()
    code = child.wait(END_TIMEOUT_S)
    child.stop()
    return code, text


def lose(node: LocalNode) -> None:
    """SIGKILL, and nothing of it is left: no log, no key, no configuration."""
    node.kill()
    shutil.rmtree(node.directory)


@dataclass
class Laptop:
    """A machine that has a directory of its own and never saw a node."""

    home: Path
    chain: Devnet
    duration_s: int
    runs: int = 0

    def __post_init__(self) -> None:
        self.home.mkdir()
        secret = secrets.token_bytes(32)
        self.key = self.home / "gas.key"
        self.key.write_text(secret.hex() + "\n")
        self.address = checksum_address(Signer(secret).address)

    def fund(self, amount_wei: int = GAS_WEI) -> None:
        """Some gas."""
        fund(self.chain.deployment, self.address, amount_wei)

    def launch(self, kit: Path, *options: str, url: str = "", **environment: str) -> Child:
        """Start `tally dispute run` on the kit."""
        self.runs += 1
        named = ("--rpc", url or self.chain.url, "--key", str(self.key), "--json")
        return LocalNode.child_type(
            our_python("node", "dispute", "run", str(kit), *named, *options),
            stderr_path=self.home / f"run-{self.runs}.stderr",
            environment=our_environment(**environment),
        )

    def challenges(self) -> list[str]:
        """The challenges that the run told of, in order."""
        said = (self.home / f"run-{self.runs}.stderr").read_text()
        return _CHALLENGED.findall(said)

    def finish(self, child: Child, challenge_count: int) -> dict[str, Any]:
        """Once so many challenges stand their time is up; the run's document at its end."""
        wait_until(
            "the challenges stand",
            lambda: len(self.challenges()) >= challenge_count or child.exit_code is not None,
        )
        self.pass_time()
        code, text = ended(child)
        assert code == 0, (text, child.stderr_tail(30))
        document: dict[str, Any] = json.loads(text)
        assert document["completed"]
        return document

    def pass_time(self) -> None:
        """Every challenge that runs is over."""
        self.chain.call("evm_increaseTime", self.duration_s + 1)
        self.chain.call("evm_mine")


def received(document: dict[str, Any]) -> int:
    """What the run says the account got, of its one asset."""
    (found,) = document["received"]
    return int(found["amount"])


def wealth(chain: Devnet, address: str) -> int:
    """The balance, wei: who has lost everything pays for no gas."""
    return balance_wei(chain.url, address)


def error_of(laptop: Laptop, kit: Path, *options: str) -> str:
    """The name of the error with which `tally dispute run` ends."""
    code, text = ended(laptop.launch(kit, *options))
    assert code == 1
    return str(json.loads(text)["error"]["name"])
