"""Child processes that never outlive their purpose: started apart, stopped in order, gone with us.

Each child gets its own session, so that Ctrl-C at the terminal reaches us alone and we stop the
children in the right order; and the kernel sends it SIGTERM should we be killed. Knows nothing of
what the children are.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import SystemRandom
from typing import IO

STOP_TIMEOUT_S = 30.0
"""A daemon finishes a batch, flushes and closes in well under a second, where it has a core."""
_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal a process gets when its parent ends."""
_PORT_FIRST, _PORT_LAST = 20_000, 31_999
"""Below the range from which Linux takes ports for outgoing connections."""

_ROOT = Path(__file__).resolve().parent.parent
_LIBC = ctypes.CDLL(None, use_errno=True)


def end_with_parent() -> None:
    """The kernel sends this process SIGTERM when its parent ends. For a child, after the fork."""
    # Between fork and exec: one system call and nothing else.
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """One running process. Its stderr goes to `stderr_path`; its stdout is a pipe of text."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        stderr_path: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it. OSError if the executable cannot be started."""
        self.command = [str(part) for part in command]
        self.stderr_path = stderr_path
        with stderr_path.open("ab") as stderr:
            self._process = self._start(stderr, environment)
        assert self._process.stdout is not None, "stdout is a pipe"
        self.stdout = self._process.stdout

    def _start(
        self, stderr: IO[bytes], environment: Mapping[str, str] | None
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=None if environment is None else dict(environment),
            start_new_session=True,
            preexec_fn=end_with_parent,
            text=True,
        )

    @property
    def process_id(self) -> int:
        """The id the kernel gave it."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    def wait_for_line(self, beginning: str, timeout_s: float) -> str | None:
        """The first line of stdout that begins so; None if it ended before, or was too slow.

        One that is too slow is killed. What it writes to stdout from then on is read and dropped,
        for a full pipe would stop it.
        """
        watchdog = threading.Timer(timeout_s, self._process.kill)
        watchdog.start()
        try:
            for line in self.stdout:
                if line.startswith(beginning):
                    threading.Thread(target=self._drain, daemon=True).start()
                    return line.rstrip("\n")
        finally:
            watchdog.cancel()
        return None

    def _drain(self) -> None:
        try:
            for _ in self.stdout:
                pass
        except ValueError:
            pass  # closed under us: the child was stopped

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """SIGTERM, then SIGKILL if it does not end in time; the exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.stdout.close()
        return self._process.returncode

    def kill(self) -> None:
        """SIGKILL, at once."""
        self._process.kill()
        self._process.wait()
        self.stdout.close()

    def wait(self, timeout_s: float) -> int:
        """The exit code, once it ends by itself; subprocess.TimeoutExpired if it does not."""
        return self._process.wait(timeout_s)

    def stderr_tail(self, line_count: int = 15) -> str:
        """The last lines it wrote to stderr."""
        text = self.stderr_path.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-line_count:])


def clean_environment(**given: str) -> dict[str, str]:
    """Our environment without the caller's TALLY_* settings, which are not meant for the child."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TALLY_")}
    return {**kept, **given}


def our_python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this very installation, wherever the caller stands.

    `-P` keeps the working directory out of the search path; `our_environment` puts ours in.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def our_environment(**given: str) -> dict[str, str]:
    """`clean_environment` for a child started by `our_python`."""
    return clean_environment(PYTHONPATH=str(_ROOT), **given)


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on now, and that no outgoing connection will be given."""
    for _ in range(1_000):
        port = SystemRandom().randint(_PORT_FIRST, _PORT_LAST)
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port on {host} from {_PORT_FIRST} to {_PORT_LAST}")


def free_ports(count: int) -> list[int]:
    """So many different ports of 127.0.0.1, each as `free_port` finds it."""
    found: dict[int, None] = {}
    while len(found) < count:
        found[free_port()] = None
    return list(found)
