"""A node of this machine as a child process: for the demo, the tests and the benchmarks.

It is the real daemon, started by the real command line; this module only holds its strings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from node.cli.failures import CommandFailed
from node.cli.node_call import find_endpoint
from node.processes import Child, our_environment, our_python
from node.rpc.call import RpcEndpoint, call_once
from protocols.types import checksum_address, parse_address

READY_TIMEOUT_S = 120.0
"""A daemon is ready in under a second on an idle machine."""
STDERR_FILE = "stderr.log"


class LocalNode:
    """One daemon: started, asked, stopped or killed, and started again."""

    child_type: ClassVar[type[Child]] = Child
    """What starts the process: a cold start, unless somebody starts very many."""

    def __init__(self, directory: Path, password_file: Path, **environment: str) -> None:
        """`environment` is what the daemon is told besides its password. It keeps no views unless
        it is told so: they would share its cores.
        """
        self.directory = directory
        self.address = ""
        """EIP-55, once it is ready."""
        told = {"TALLY_VIEWS_ENABLED": "false", **environment}
        self._environment = our_environment(TALLY_PASSWORD_FILE=str(password_file), **told)
        self._child: Child | None = None

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.directory.name

    @property
    def log_path(self) -> Path:
        """The event log."""
        return self.directory / "data"

    @property
    def child(self) -> Child:
        """The process; it must have been launched."""
        assert self._child is not None, "launch it first"
        return self._child

    def launch(self, **environment: str) -> None:
        """Start the process and return at once."""
        assert self._child is None or self._child.exit_code is not None, "it runs already"
        self._child = self.child_type(
            our_python("node", "run", "-c", str(self.directory)),
            stderr_path=self.directory / STDERR_FILE,
            environment={**self._environment, **environment},
        )

    def wait_until_ready(self) -> None:
        """Wait for the daemon's ready line; `CommandFailed` if it ended instead, or is too slow."""
        line = self.child.wait_for_line('{"event"', READY_TIMEOUT_S)
        if line is None:
            code = self.child.stop()
            raise CommandFailed(f"{self.name} did not start (exit {code}): {self.stderr_tail(5)}")
        self.address = checksum_address(parse_address(json.loads(line)["address"]))

    def start(self, **environment: str) -> None:
        """Launch it and wait until it is ready."""
        self.launch(**environment)
        self.wait_until_ready()

    @property
    def endpoint(self) -> RpcEndpoint:
        """Where it answers, as any command finds it."""
        endpoint: RpcEndpoint = find_endpoint(self.directory)
        return endpoint

    def call(self, method: str, /, **params: Any) -> Any:
        """One call to it."""
        return call_once(self.endpoint, method, **params)

    def stop(self) -> int:
        """SIGTERM; the exit code, 0 when it stopped cleanly."""
        return self.child.stop()

    def kill(self) -> None:
        """SIGKILL."""
        self.child.kill()

    def end(self) -> None:
        """Make sure that it does not run, whatever happened before."""
        if self._child is not None:
            self._child.stop()

    def stderr_tail(self, line_count: int = 15) -> str:
        """The last lines it logged."""
        return "" if self._child is None else self._child.stderr_tail(line_count)
