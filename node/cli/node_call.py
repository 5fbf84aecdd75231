"""How a command finds the node of a directory and asks it something.

The address is the configuration's, or, when port 0 was chosen, what the running daemon wrote into
DIR/rpc.json; the token is DIR/rpc.token. One call each: whoever makes many uses `node.rpc.client`.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from node.cli.failures import CommandFailed

ANSWER_TIMED_OUT = "ANSWER_TIMED_OUT"
"""The node's own name for an answer that did not come in time."""
ID_LENGTH = 66
"""0x and 64 digits."""
ID_PREFIX_LENGTH_MIN = 6
"""0x and four digits: shorter ones are too easily somebody else's."""


def find_endpoint(directory: Path) -> Any:
    """The `RpcEndpoint` of the node of `directory`; raises what `reports_failures` reports."""
    from node.config import load
    from node.rpc.call import RpcEndpoint
    from node.rpc.token import read_token

    config = load(directory)
    token = read_token(config.token_path)
    host, port = config.rpc.listen
    if port == 0:
        host, port = _running_at(config.rpc_file)
    return RpcEndpoint(host, port, token)


def _running_at(rpc_file: Path) -> tuple[str, int]:
    start_it = f"Start it with: tally run -c {rpc_file.parent}"
    try:
        document = json.loads(rpc_file.read_text(encoding="utf-8"))
        host, _, port = str(document["rpc"]).rpartition(":")
        process_id, found = int(document["pid"]), (host.strip("[]"), int(port))
    except FileNotFoundError:
        raise CommandFailed(
            f"the node of {rpc_file.parent} is not running", start_it, "NODE_NOT_RUNNING"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandFailed(
            f"{rpc_file} cannot be read: {error!r}", start_it, "NODE_NOT_RUNNING"
        ) from error
    # The port may be somebody else's by now, and the token is not for them.
    if not _exists(process_id):
        raise CommandFailed(
            f"the node of {rpc_file.parent} is not running: its process {process_id} is gone",
            start_it,
            "NODE_NOT_RUNNING",
        )
    return found


def _exists(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs, as somebody else
    return True


def ask(directory: Path, method: str, /, *, timeout_s: float | None = None, **params: Any) -> Any:
    """One call to the node of `directory`; parameters that are None are left out.

    `timeout_s` is how long the answer may take, `CALL_TIMEOUT_S` unless given.
    """
    from node.rpc.call import CALL_TIMEOUT_S, call_once

    given = {name: value for name, value in params.items() if value is not None}
    patience_s = CALL_TIMEOUT_S if timeout_s is None else timeout_s
    return call_once(find_endpoint(directory), method, timeout_s=patience_s, **given)


def new_request_id() -> str:
    """A name nobody has given to anything."""
    return f"tally-{secrets.token_hex(16)}"


def ask_to_spend(directory: Path, method: str, /, *, request_id: str, **params: Any) -> Any:
    """`ask` for what moves money: no answer is told apart from nothing done.

    Whoever gets no answer must not do it again under another name: the failure names this one.
    """
    from node.rpc.call import RpcError, RpcUnreachable

    try:
        return ask(directory, method, request_id=request_id, **params)
    except RpcUnreachable as error:
        if isinstance(error.__cause__, ConnectionRefusedError):
            raise  # nobody took the request
        raise _uncertain(str(error), request_id) from error
    except RpcError as error:
        if error.name != ANSWER_TIMED_OUT:
            raise
        raise _uncertain(error.message, request_id) from error


def _uncertain(message: str, request_id: str) -> CommandFailed:
    return CommandFailed(
        f"{message}. It may or may not be recorded",
        f"Repeat the command only with --request-id {request_id}: then it is not done twice",
        "OUTCOME_UNKNOWN",
        {"request_id": request_id},
    )


def channel_id_of(directory: Path, text: str, *moments: str | None) -> str:
    """The whole channel id for itself, for its beginning, or as tables show it.

    Of the channels there are now, or there were at any of the given moments; None is now.
    """
    return _whole_id(text, "channel", lambda: _ids_at(directory, "channel", moments))


def objective_id_of(directory: Path, text: str, *moments: str | None) -> str:
    """The whole objective id, likewise."""
    return _whole_id(text, "objective", lambda: _ids_at(directory, "objective", moments))


def _ids_at(directory: Path, kind: str, moments: Sequence[str | None]) -> list[str]:
    found = (known for at in moments or (None,) for known in _ids(directory, kind, at))
    return list(dict.fromkeys(found))


def _ids(directory: Path, kind: str, at: str | None) -> list[str]:
    """Every id there is; the node lists them a page at a time."""
    found: list[str] = []
    while True:
        after = found[-1] if found else None
        page = ask(directory, f"{kind}_list", after=after, at=at)[f"{kind}s"]
        found += [str(item[f"{kind}_id"]) for item in page]
        if not page:
            return found


def _whole_id(text: str, kind: str, known: Callable[[], list[str]]) -> str:
    # 0x1234…abcd, as tables show ids, is its beginning and its end.
    wanted, _, end = text.lower().partition("…")
    digits = wanted.removeprefix("0x") + end
    if not wanted.startswith("0x") or set(digits) - set("0123456789abcdef"):
        raise typer.BadParameter(f"{text[:80]!r} is no {kind} id: 0x and 64 hex digits")
    if len(wanted) == ID_LENGTH and not end:
        return wanted
    if not ID_PREFIX_LENGTH_MIN <= len(wanted) < ID_LENGTH:
        raise typer.BadParameter(f"a {kind} id has 64 hex digits; its first 4 or more will do")
    matching = [known_id for known_id in known() if _is_meant(known_id, wanted, end)]
    if len(matching) != 1:
        found = f"{len(matching)} {kind}s" if matching else f"no {kind}"
        raise CommandFailed(
            f"{found} of this node begin{'' if matching else 's'} with {wanted}"
            + (f" and end{'' if matching else 's'} with {end}" if end else ""),
            f"List them with: tally {kind}s",
            f"{kind.upper()}_NOT_FOUND",
        )
    return matching[0]


def _is_meant(identifier: str, beginning: str, end: str) -> bool:
    return identifier.startswith(beginning) and identifier.endswith(end)
