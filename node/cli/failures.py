"""How a command fails: one error, what to do about it, and the exit code.

0 done, 1 failed, 2 bad usage, 3 findings of an audit. With `--json` the error is the one document
on stdout, so that a program always has something to parse; for a person it goes to stderr.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ParamSpec

import typer

from node.cli.amounts import format_amount
from node.cli.output import print_json

AMOUNT_NAMES = ("amount", "remaining", "total", "base")
"""The values of errors that are amounts in wei."""
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_FINDINGS = 3

_ROOM_ERRORS = (
    ("node.start", "StartRefused"),
    ("node.store.errors", "StoreError"),
    ("node.chain.errors", "ChainError"),
    ("node.views.errors", "ViewError"),
)
"""Module and root class of what the rooms raise on purpose; their messages say what to do."""

P = ParamSpec("P")


@dataclass
class CommandFailed(Exception):
    """An expected failure of a command."""

    message: str
    next_step: str = ""
    name: str = "COMMAND_FAILED"
    values: dict[str, Any] = field(default_factory=dict)
    retry_safe: bool = False

    def __str__(self) -> str:
        return self.message

    def document(self) -> dict[str, Any]:
        """As `--json` prints it: the shape of the node's own errors."""
        error = {
            "name": self.name,
            "message": self.message,
            "values": self.values,
            "retry_safe": self.retry_safe,
            "next_step": self.next_step,
        }
        return {"error": error}


def reports_failures(command: Callable[P, None]) -> Callable[P, None]:
    """Turn the expected failures of a command into one report and exit code 1.

    A bug keeps its traceback.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except Exception as error:
            failure = as_failure(error)
            if failure is None:
                raise
            report(failure, as_json=bool(kwargs.get("as_json")))
            raise typer.Exit(EXIT_FAILED) from error

    return wrapped


def report(failure: CommandFailed, *, as_json: bool) -> None:
    """Say what failed: a JSON document on stdout, or lines for a person on stderr."""
    if as_json:
        print_json(failure.document())
        return
    lines = [f"error: {_with_units(failure.message, failure.values)}"]
    for name, value in failure.values.items():
        text = str(value)
        shown = _with_units(text, failure.values) if name in AMOUNT_NAMES else text
        lines.append(f"  {name} = {shown}")
    if failure.next_step:
        lines.append(f"what to do: {failure.next_step}")
    if failure.retry_safe:
        lines.append("The same command may safely be repeated.")
    sys.stderr.write("\n".join(lines) + "\n")


def _with_units(text: str, values: dict[str, Any]) -> str:
    """The text with the amounts among the values as people write them."""
    amounts = {str(values[name]) for name in AMOUNT_NAMES if name in values}
    digits = [re.escape(amount) for amount in amounts if amount.isascii() and amount.isdigit()]
    if not digits:
        return text
    return re.sub(rf"\b({'|'.join(digits)})\b", lambda found: format_amount(int(found[0])), text)


def as_failure(error: Exception) -> CommandFailed | None:
    """The failure behind an expected exception; None for a bug."""
    # Imported here: a command that succeeds needs none of them.
    from node.config import ConfigError
    from node.deployment import DevnetError
    from node.keys import KeystoreError
    from node.rpc.call import RpcError, RpcUnreachable
    from node.rpc.token import TokenUnusable

    if isinstance(error, CommandFailed):
        return error
    if isinstance(error, RpcError):
        values = {name: value for name, value in error.values.items() if value != ""}
        return CommandFailed(
            error.message, error.next_step, error.name, dict(values), error.retry_safe
        )
    if isinstance(error, RpcUnreachable):
        return CommandFailed(str(error), "Is it running? tally run -c DIR", "NODE_UNREACHABLE")
    if isinstance(error, ConfigError):
        message = str(error).removesuffix(". " + error.next_step)
        return CommandFailed(message, error.next_step, "CONFIG_ERROR")
    if isinstance(error, KeystoreError):
        return CommandFailed(error.reason, error.next_step, "KEYSTORE_ERROR")
    if isinstance(error, DevnetError):
        return CommandFailed(error.reason, error.next_step, "DEVNET_ERROR")
    if isinstance(error, TokenUnusable):
        return CommandFailed(str(error), "", "TOKEN_UNUSABLE")
    return _of_a_tool(error) or _of_a_room(error)


def _of_a_tool(error: Exception) -> CommandFailed | None:
    """What is wrong with a reducer that somebody writes."""
    found = getattr(sys.modules.get("node.reducers.errors"), "ToolError", None)
    if found is None or not isinstance(error, found):
        return None
    name = _constant_case(type(error).__name__)
    return CommandFailed(error.reason, error.next_step, name, dict(error.values))


def _of_a_room(error: Exception) -> CommandFailed | None:
    """What keeps a daemon from starting or going on, or an audit from reading.

    The rooms' errors are looked up where they were loaded: an error of a room that was never
    loaded cannot be at hand, and loading it would take half a second.
    """
    for module, name in _ROOM_ERRORS:
        found = getattr(sys.modules.get(module), name, None)
        if found is not None and isinstance(error, found):
            return CommandFailed(str(error), "", _constant_case(type(error).__name__))
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return CommandFailed(f"{where}{error.strerror}", "", "OS_ERROR")
    return None


def _constant_case(name: str) -> str:
    return "".join("_" + c if c.isupper() and i else c for i, c in enumerate(name)).upper()
