"""`tally` as a shell runs it, and yet a fork of an interpreter that has imported it: sooner.

This program has our arguments, directory, environment and outputs handed to `warm_python`, passes
on the signals that end a command, and ends as the fork did. It runs without site and packages, in a
fiftieth of a second. Standard input is not handed over.
"""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import struct
import sys
from pathlib import Path

DOOR_VARIABLE = "WARM_PYTHON_DOOR"
"""As `warm_python` has it: what that imports is what is to be spared here."""
_NUMBER = struct.Struct("<q")


def make_command(directory: Path, door: str) -> dict[str, str]:
    """Put a `tally` into the new directory; what the environment needs beside it in the path."""
    directory.mkdir()
    program = directory / "tally"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -ISE "{__file__}" "$@"\n')
    program.chmod(0o755)
    return {DOOR_VARIABLE: door}


def _main() -> None:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.connect(os.environ[DOOR_VARIABLE])
    ours, its = socket.socketpair()
    request = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
    handed = array.array("i", [its.fileno(), 1, 2])
    line.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, handed)])
    its.close()
    process_id = _number(ours)

    def pass_on(number: int, _: object) -> None:
        try:
            os.kill(process_id, number)
        except ProcessLookupError:
            pass  # ended meanwhile; we are about to be told

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    code = _number(ours)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def _number(report: socket.socket) -> int:
    data = report.recv(_NUMBER.size, socket.MSG_WAITALL)
    if len(data) != _NUMBER.size:
        sys.exit("the interpreter that forks is gone")
    number: int = _NUMBER.unpack(data)[0]
    return number


if __name__ == "__main__":
    _main()
