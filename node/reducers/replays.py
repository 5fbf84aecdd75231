"""The same messages again in fresh processes: every one must come to the same tables.

Run as a module it is one such process: `python -m node.reducers.replays MODULE FILE WAY` prints one
line. Ways differ in all that must not matter: whether the view lies in memory or in a file, and
whether it is closed and opened again after each message.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from node.processes import our_environment, our_python
from node.reducers.errors import ReplayFailed
from node.reducers.limits import REPLAY_TIMEOUT_S, REPLAYS_AT_ONCE
from node.reducers.message_file import MessageFile, read_message_file
from node.views.encoding import encode
from node.views.module import ReducerModule, load_module
from node.views.view import Verdict, View

MEMORY, FILE, REOPENED = WAYS = ("memory", "file", "reopened")


@dataclass(frozen=True)
class Replay:
    """What one process came to."""

    way: str
    digest: str
    """Of the tables, in hex."""
    verdicts: str
    """sha256 over code, failure, fuel and steps of every message, in hex."""


def replay_many(module: Path, file: Path, count: int) -> Iterator[Replay]:
    """So many replays, each in a process of its own, in turn in each way.

    Raises `ReplayFailed` with the words of a process that ended otherwise.
    """
    ways = [WAYS[number % len(WAYS)] for number in range(count)]
    with ThreadPoolExecutor(REPLAYS_AT_ONCE) as pool:
        yield from pool.map(lambda way: _replay_in_process(module, file, way), ways)


def replay(code: bytes, file: Path, way: str) -> Replay:
    """Here and now."""
    module = load_module(code)
    messages = read_message_file(file)
    with tempfile.TemporaryDirectory(prefix="tally-replay-") as name:
        path = ":memory:" if way == MEMORY else str(Path(name) / "view.db")
        verdicts, digest = _applied(module, messages, path, is_reopened=way == REOPENED)
    seen = [[v.code, v.failure, v.fuel, v.steps, v.change_count] for v in verdicts]
    return Replay(way, digest.hex(), hashlib.sha256(encode(seen)).hexdigest())


def _applied(
    module: ReducerModule, file: MessageFile, path: str, is_reopened: bool
) -> tuple[list[Verdict], bytes]:
    verdicts: list[Verdict] = []
    view = View(path, module)
    try:
        for seq, message in enumerate(file.messages):
            verdicts.append(view.apply(seq, message.data, check=file.check))
            if is_reopened:
                view.close()
                view = View(path, module)
        return verdicts, view.digest
    finally:
        view.close()


def _replay_in_process(module: Path, file: Path, way: str) -> Replay:
    arguments = (str(module.resolve()), str(file.resolve()), way)
    try:
        done = subprocess.run(
            our_python("node.reducers.replays", *arguments),
            env=our_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=REPLAY_TIMEOUT_S,
        )
        if done.returncode == 0:
            return Replay(**json.loads(done.stdout))
        words = done.stderr.strip().splitlines()[-1:] or [f"exit {done.returncode}"]
    except subprocess.TimeoutExpired:
        words = [f"it was not done after {REPLAY_TIMEOUT_S:.0f} s"]
    raise ReplayFailed(f"a replay ended without a result: {words[0]}")


def main(arguments: list[str]) -> int:
    """One replay; prints it as a line of JSON."""
    module, file, way = arguments
    found = replay(Path(module).read_bytes(), Path(file), way)
    sys.stdout.write(json.dumps(found.__dict__) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
