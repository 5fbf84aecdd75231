"""A person at a terminal: runs a program on a pseudo-terminal and types lines into it."""

from __future__ import annotations

import os
import pty
import select
import sys
import time

from node.processes import our_environment

TIMEOUT_S = 60.0


def at_a_terminal(code: str, typed: list[str]) -> str:
    """Everything the terminal showed while `code` ran; each line is typed after a prompt (": ")."""
    process_id, terminal = pty.fork()
    if process_id == 0:
        os.execve(sys.executable, [sys.executable, "-c", code], our_environment())
    shown = b""
    left = [line.encode() + b"\n" for line in typed]
    prompts_answered = 0
    give_up_at = time.monotonic() + TIMEOUT_S
    try:
        while time.monotonic() < give_up_at:
            ready, _, _ = select.select([terminal], [], [], 0.1)
            if ready:
                try:
                    part = os.read(terminal, 4096)
                except OSError:
                    break  # the program ended
                if not part:
                    break
                shown += part
            if left and shown.count(b": ") > prompts_answered and not ready:
                prompts_answered = shown.count(b": ")
                os.write(terminal, left.pop(0))
    finally:
        os.close(terminal)
        os.waitpid(process_id, 0)
    return shown.decode()
