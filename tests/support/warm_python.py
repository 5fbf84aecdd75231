"""Daemons started by a fork of an interpreter that has imported them: real processes, sooner.

Most of a daemon's start is Python reading libraries, four seconds of processor time on a slow
machine, and the end-to-end tests start hundreds. Here one interpreter per test worker imports what
a daemon imports and forks for each start. What runs then is the same command line in a process of
its own: its own directory, session, memory and end; it can be stopped, killed and waited for like
any other. Their keys are opened without the child that would load its libraries anew. The demo's
tests start theirs cold. A shell's `tally` can be such a fork, too (`warm_tally`).
"""

from __future__ import annotations

import array
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

from node import keys
from node.cli.local_node import LocalNode
from node.processes import Child, end_with_parent, our_environment, our_python
from node.unused_curves import leave_out

Running = TypeVar("Running")

DOOR_VARIABLE = "WARM_PYTHON_DOOR"
"""Environment variable of a process that is a fork, for those it starts."""
READY_TIMEOUT_S = 60.0
_NUMBER = struct.Struct("<q")
_REQUEST_SIZE_BYTES_MAX = 1 << 20
_LIBRARIES = (
    "node.cli.app",
    "node.daemon",
    "eth_keyfile.keyfile",
    "node.chain.provider",
    "node.chain.log_decoder",
    "node.chain.transactions",
    "node.chain.tx_manager",
)
"""What a running daemon has imported."""


class WarmProcess:
    """One forked process, with what `Child` asks of a `subprocess.Popen`."""

    def __init__(self, report: socket.socket, stdout: IO[str]) -> None:
        """`report` carries the process id, and at its end the exit code."""
        self._report = report
        self.stdout = stdout
        self.returncode: int | None = None
        self.pid = _read_number(report)

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        if self.returncode is None and select.select([self._report], [], [], 0)[0]:
            self._take_exit_code()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it ends; subprocess.TimeoutExpired if it does not."""
        if self.returncode is None:
            if not select.select([self._report], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a forked process", timeout or 0.0)
            self._take_exit_code()
        assert self.returncode is not None
        return self.returncode

    def _take_exit_code(self) -> None:
        self.returncode = _read_number(self._report)
        self._report.close()

    def terminate(self) -> None:
        """SIGTERM."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        # Its id stays its own until the interpreter that forked it has told us of its end.
        if self.poll() is None:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass  # ended meanwhile; the report is on its way


def _read_number(report: socket.socket) -> int:
    data = report.recv(_NUMBER.size, socket.MSG_WAITALL)
    assert len(data) == _NUMBER.size, "the interpreter that forks is gone"
    number: int = _NUMBER.unpack(data)[0]
    return number


class WarmLine:
    """An end of a line to an interpreter that forks."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    @classmethod
    def to(cls, door: str) -> WarmLine:
        """A line of our own, through its door."""
        line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line.connect(door)
        return cls(line)

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], stderr: IO[bytes]
    ) -> WarmProcess:
        """Run `tally` with these arguments; its stdout is a pipe of text."""
        ours, its = socket.socketpair()
        reading, writing = os.pipe()
        request = json.dumps([list(arguments), dict(environment), os.getcwd()]).encode()
        with its, open(writing, "wb") as stdout:
            handed = array.array("i", [its.fileno(), stdout.fileno(), stderr.fileno()])
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, handed)
            self._line.sendmsg([request], [rights])
        return WarmProcess(ours, open(reading, encoding="utf-8"))


class WarmPython(WarmLine):
    """The interpreter that forks, and our end of the line to it."""

    def __init__(self, stderr_path: Path) -> None:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        super().__init__(ours)
        # Nobody else may come in, and the path of a socket must be short.
        self._hall = tempfile.TemporaryDirectory(prefix="warm-")
        self.door = f"{self._hall.name}/door"
        """Where other processes reach it: a socket in the file system."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(self.door)
        listener.listen()
        with its, listener, stderr_path.open("ab") as stderr:
            self._process = subprocess.Popen(
                [
                    *our_python("tests.support.warm_python"),
                    str(its.fileno()),
                    str(listener.fileno()),
                ],
                stdin=subprocess.DEVNULL,
                stderr=stderr,
                env=our_environment(),
                pass_fds=[its.fileno(), listener.fileno()],
                start_new_session=True,
                preexec_fn=end_with_parent,
            )

    def stop(self) -> None:
        """End the interpreter; the processes it forked end with it, if any is left."""
        self._line.close()
        try:
            self._process.wait(READY_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._hall.cleanup()


@contextmanager
def warm_python(directory: Path) -> Iterator[WarmPython]:
    """An interpreter that forks, for as long as the block lasts."""
    python = WarmPython(directory / "warm-python.log")
    try:
        yield python
    finally:
        python.stop()


def _children_of(python: WarmLine) -> type[Child]:
    class WarmChild(Child):
        def _start(
            self, stderr: IO[bytes], environment: Mapping[str, str] | None
        ) -> subprocess.Popen[str]:
            program = our_python("node")
            if self.command[: len(program)] != program:
                return super()._start(stderr, environment)
            process: Any = python.start(self.command[len(program) :], environment or {}, stderr)
            started: subprocess.Popen[str] = process
            return started

    return WarmChild


@contextmanager
def started_by(python: WarmPython) -> Iterator[None]:
    """`LocalNode` starts its daemons by a fork of `python` for as long as the block lasts."""
    cold = LocalNode.child_type
    LocalNode.child_type = _children_of(python)
    try:
        with keys_opened_here():
            yield
    finally:
        LocalNode.child_type = cold


@contextmanager
def keys_opened_here() -> Iterator[None]:
    """Keystores are made and opened in this process for as long as the block lasts."""
    cold = keys._run_child
    keys._run_child = _ask_ourselves
    try:
        yield
    finally:
        keys._run_child = cold


@contextmanager
def begun_by(python: WarmPython, running: AbstractContextManager[Running]) -> Iterator[Running]:
    """Enter `running` with its daemons forked by `python`; whatever starts later is not its own.

    For fixtures that outlive a test: other tests must find a cold start where they start something.
    """
    with ExitStack() as stack:
        with started_by(python):
            entered = stack.enter_context(running)
        yield entered


def _ask_ourselves(request: bytes) -> subprocess.CompletedProcess[bytes]:
    """The key's child without the child: the tests' keystores need 4 MB, not 300."""
    return subprocess.CompletedProcess([], 0, keys.answer(request), b"")


# --- what runs in the interpreter that forks ---


def _serve(first: socket.socket, listener: socket.socket) -> None:
    """Fork for every request until the first line closes; tell of every end."""
    lines = {first.fileno(): first}
    reports: dict[int, tuple[int, socket.socket]] = {}
    poller = select.poll()
    for known in (first, listener):
        poller.register(known, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            if descriptor == listener.fileno():
                line, _ = listener.accept()
                lines[line.fileno()] = line
                poller.register(line, select.POLLIN)
                continue
            if descriptor not in lines:
                process_id, report = reports.pop(descriptor)
                poller.unregister(descriptor)
                os.close(descriptor)
                _, status = os.waitpid(process_id, 0)
                _tell(report, os.waitstatus_to_exitcode(status))
                report.close()
                continue
            line = lines[descriptor]
            data, handed, _, _ = socket.recv_fds(line, _REQUEST_SIZE_BYTES_MAX, 3)
            if not data:
                if line is first:
                    return
                poller.unregister(descriptor)
                lines.pop(descriptor).close()
                continue
            report = socket.socket(fileno=handed[0])
            process_id = os.fork()
            if process_id == 0:
                for open_here in (*lines.values(), listener, report):
                    open_here.close()
                _become(*json.loads(data), *handed[1:])
            watched = os.pidfd_open(process_id)
            reports[watched] = (process_id, report)
            poller.register(watched, select.POLLIN)
            for descriptor in handed[1:]:
                os.close(descriptor)
            _tell(report, process_id)


def _tell(report: socket.socket, number: int) -> None:
    try:
        report.sendall(_NUMBER.pack(number))
    except OSError:
        pass  # nobody waits for this process any more


def _become(
    arguments: list[str], environment: dict[str, str], directory: str, stdout: int, stderr: int
) -> None:
    """Be the `tally` of these arguments, from here to the end of the process."""
    end_with_parent()
    os.setsid()
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["tally", *arguments]
    if DOOR_VARIABLE in environment:
        _share(environment[DOOR_VARIABLE])
    code = 1
    try:
        from node.cli import main

        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - the end of a process: told as the interpreter tells it
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _share(door: str) -> None:
    """What this process starts is a fork as well, and the keys it makes take no second each."""
    LocalNode.child_type = _children_of(WarmLine.to(door))
    create = keys.create

    def create_weak(path: Path, password: str, **given: Any) -> bytes:
        return create(path, password, **{**given, "scrypt_n": keys.SCRYPT_N_WEAK})

    keys.create = create_weak


def _main() -> None:
    import gc
    import importlib

    leave_out()
    keys._run_child = _ask_ourselves
    for name in _LIBRARIES:
        importlib.import_module(name)
    # What is loaded stays: a fork that collects garbage would copy every page of it.
    gc.freeze()
    _serve(*(socket.socket(fileno=int(number)) for number in sys.argv[1:]))


if __name__ == "__main__":
    _main()
