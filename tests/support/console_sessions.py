"""Run what the documents tell a reader to type.

A fenced block tagged `console` holds a session: lines that begin with `$ ` are commands, a
trailing backslash continues one, everything else is output and only read by people. All blocks of
a page are one session in one shell and one empty directory. A command that ends in `&` stays in
the background; the next one runs when it has written its first line, as a reader would wait for
it. Whatever still runs at the end is told to terminate and must do so.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from node.processes import free_ports

FENCE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORT = re.compile(r"\b74\d\d\b")
"""What pages give their nodes to listen on: 7401, the default, and those behind it."""
REDIRECTION = re.compile(r"(?<![0-9&>])>{1,2}\s*([^\s&|;>]+)")

READY_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30

PRELUDE = f"""\
set -m
jobs_started=()
finish() {{
    code=$?
    for pid in "${{jobs_started[@]}}"; do kill -TERM -- "-$pid" 2>/dev/null; done
    for pid in "${{jobs_started[@]}}"; do
        for _ in $(seq {STOP_TIMEOUT_S * 10}); do
            kill -0 -- "-$pid" 2>/dev/null || break
            sleep 0.1
        done
        if kill -0 -- "-$pid" 2>/dev/null; then
            echo "still running after {STOP_TIMEOUT_S} s: $pid"
            kill -KILL -- "-$pid"
            code=1
        fi
    done
    exit $code
}}
trap finish EXIT
failed() {{ echo "FAILED, exit $1: $2"; exit 1; }}
ready() {{  # process, file of its output, command
    for _ in $(seq {READY_TIMEOUT_S * 10}); do
        if [ -s "$2" ]; then return; fi
        if ! kill -0 "$1" 2>/dev/null; then cat "$2"; failed "$(wait "$1"; echo $?)" "$3"; fi
        sleep 0.1
    done
    failed "none, and no output after {READY_TIMEOUT_S} s" "$3"
}}
"""


@dataclass(frozen=True)
class Command:
    """One command of a session, without the prompt and the trailing `&`."""

    text: str
    background: bool


def commands(page: str) -> list[Command]:
    """The commands of all `console` blocks of a page, in order."""
    found: list[Command] = []
    for block in FENCE.findall(page):
        joined = re.sub(r"\s*\\\n\s*", " ", block)
        for line in joined.splitlines():
            if line.startswith("$ "):
                text = line.removeprefix("$ ").strip()
                background = text.endswith("&") and not text.endswith("&&")
                found.append(Command(text.rstrip("&").strip() if background else text, background))
    return found


def with_free_ports(session: list[Command]) -> list[Command]:
    """The same with each port that the page chose replaced by one that is free here."""
    written = sorted({port for command in session for port in PORT.findall(command.text)})
    ports = dict(zip(written, map(str, free_ports(len(written))), strict=True))
    return [
        replace(command, text=PORT.sub(lambda found: ports[found[0]], command.text))
        for command in session
    ]


def script(session: list[Command], outputs: Path) -> str:
    """A bash script that runs a session and fails at the first command that fails.

    `outputs` is a directory for what background commands print.
    """
    lines = [PRELUDE]
    for number, command in enumerate(session):
        quoted = shlex.quote(command.text)
        lines.append(f"echo '$' {quoted}")
        if not command.background:
            lines.append(f"{command.text}\ncode=$?; [ $code -eq 0 ] || failed $code {quoted}")
            continue
        # As typed, so that signals and exit codes are the program's own and no wrapping shell's.
        output = outputs / f"{number}.txt"
        redirected = REDIRECTION.search(command.text)
        first_line = redirected.group(1) if redirected else str(output)
        lines.append(f"eval {shlex.quote(command.text + ' &')} > {output} 2>&1")
        lines.append(f"jobs_started+=($!)\nready $! {first_line} {quoted}")
    return "\n".join(lines) + "\n"
