"""A real local chain for tests: finds anvil, starts it on a free port, and always ends it.

Knows nothing of contracts. The default chain mines a block for every transaction.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 2.0
PLACES = (".tools/bin/anvil", ".tools/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil")
"""Where `make setup`, or npm by hand, puts the executable; relative to the repository."""
LISTENING = re.compile(r"^Listening on 127\.0\.0\.1:(\d+)", re.MULTILINE)


class AnvilMissingError(RuntimeError):
    """No anvil executable on this machine; the text says how to get one."""


@dataclass(frozen=True, slots=True)
class AnvilProcess:
    """A running chain."""

    url: str
    """JSON-RPC over HTTP."""
    ws_url: str
    """JSON-RPC over WebSocket; the same port."""
    port: int
    pid: int


def find_anvil() -> Path:
    """The anvil executable: TALLY_ANVIL, else the repository's `.tools`, else the PATH."""
    named = os.environ.get("TALLY_ANVIL")
    if named:
        if not os.access(named, os.X_OK):
            raise AnvilMissingError(f"TALLY_ANVIL names {named}, which cannot be executed")
        return Path(named)
    for place in PLACES:
        if os.access(ROOT / place, os.X_OK):
            return ROOT / place
    if (on_path := shutil.which("anvil")) is not None:
        return Path(on_path)
    raise AnvilMissingError("anvil is missing: run `make setup`, or set TALLY_ANVIL to its path")


def command_line(options: dict[str, object]) -> list[str]:
    """anvil's arguments: `block_time=1` becomes `--block-time 1`, `no_mining=True` a bare flag."""
    arguments: list[str] = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            arguments.append(flag)
        elif value is not False and value is not None:
            arguments += [flag, str(value)]
    return arguments


@contextlib.contextmanager
def start_anvil(**options: object) -> Iterator[AnvilProcess]:
    """Run anvil on 127.0.0.1 for as long as the `with` block lasts.

    Options are anvil's own, spelled with underscores: `chain_id=31337`, `block_time=1`,
    `no_mining=True`, `accounts=4`, `port=18545` (0, the default, picks a free one).
    Raises RuntimeError with anvil's output if it does not answer in time.
    """
    settings = {"host": "127.0.0.1", "port": 0, **options}
    command = [str(find_anvil()), *command_line(settings)]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            port = _wait_for_port(process, output.fileno())
            yield AnvilProcess(
                url=f"http://127.0.0.1:{port}",
                ws_url=f"ws://127.0.0.1:{port}",
                port=port,
                pid=process.pid,
            )
        finally:
            _end(process)


def _wait_for_port(process: subprocess.Popen[bytes], output: int) -> int:
    """The port anvil says it listens on; it prints that line when it is ready to answer."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        text = os.pread(output, 1 << 20, 0).decode(errors="replace")
        if (match := LISTENING.search(text)) is not None:
            return int(match.group(1))
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise RuntimeError(f"anvil did not start:\n{text[-2000:]}")
        time.sleep(0.01)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process for certain, even one that was stopped or does not listen."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
