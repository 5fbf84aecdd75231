"""A file of messages for a reducer, and what is expected of them. One JSON document a line:

    ["add", 5]                                    a message, which must be taken in
    {"message": ["add", -1], "refused": 2}        one that the reducer must refuse with that code
    {"message": 7, "failed": "trap-unreachable"}  one that must fail like that
    {"table": "sums", "rows": [["a", 5]]}         what a table must hold at this point
    {"digest": "5f0c..."}                         what the digest must be at this point

For the reducer of an app channel the file begins with the channel, and its messages have senders:

    {"app": {"deposits": ["60", "40"]}}           also: "channel_id" (hex), "begin_ms"
    {"from": 0, "payload": ["take", 2]}           also: "after_ms", since the message before it
    {"payouts": ["100", "0"]}                     what both ends must be paid at this point

Empty lines, and lines that begin with #, say nothing. What stands for bytes is in `values`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node.apps.payouts import TABLE, check_payouts
from node.reducers.envelopes import envelope, opening
from node.reducers.errors import MessageFileInvalid
from node.reducers.limits import (
    APP_BEGIN_MS,
    APP_MESSAGE_INTERVAL_MS,
    MESSAGE_FILE_SIZE_BYTES_MAX,
)
from node.reducers.values import ValueUnusable, from_json
from node.views.encoding import encode, uint256
from node.views.errors import Failure
from node.views.limits import CODE_MAX
from node.views.view import View
from protocols.app_data import TIMESTAMP_MS_MAX, TIMESTAMP_MS_MIN

FAILURES = frozenset(failure.value for failure in Failure)
CHANNEL_ID = b"\x11" * 32
"""Of a file that does not say which."""


@dataclass(frozen=True)
class Message:
    """A message, and what must become of it."""

    line: int
    text: str
    """As the file has it, for people."""
    data: bytes
    """As the reducer gets it."""
    code: int = 0
    """That it must be refused with; 0 if it must be taken in, or fail."""
    failure: str | None = None


@dataclass(frozen=True)
class TableExpectation:
    """The rows of a table, in the order of its primary key."""

    line: int
    table: str
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class DigestExpectation:
    """The digest of all tables."""

    line: int
    digest: bytes


Step = Message | TableExpectation | DigestExpectation


@dataclass
class AppChannel:
    """Whom the messages of an application's file come from."""

    deposits: tuple[int, int]
    channel_id: bytes = CHANNEL_ID
    time_ms: int = APP_BEGIN_MS
    is_begun: bool = False


@dataclass(frozen=True)
class MessageFile:
    """What a file says, in its order."""

    path: Path
    steps: tuple[Step, ...]
    deposits: tuple[int, int] | None = None
    """Of an application: its payouts sum to them (M23)."""

    @property
    def check(self) -> Callable[[View], None] | None:
        """What a node checks after each message: payouts sum to the deposits (M23)."""
        return None if self.deposits is None else check_payouts(self.deposits)

    @property
    def messages(self) -> list[Message]:
        """The messages alone."""
        return [step for step in self.steps if isinstance(step, Message)]


@dataclass
class _Parser:
    app: AppChannel | None = None
    steps: list[Step] = field(default_factory=list)


def read_message_file(path: Path) -> MessageFile:
    """Raises `MessageFileInvalid` with the line, and OSError for a file that is not there."""
    with path.open("rb") as file:
        data = file.read(MESSAGE_FILE_SIZE_BYTES_MAX + 1)
    if len(data) > MESSAGE_FILE_SIZE_BYTES_MAX:
        raise MessageFileInvalid(f"{path} has more than {MESSAGE_FILE_SIZE_BYTES_MAX:,} bytes")
    parser = _Parser()
    for number, line in enumerate(data.split(b"\n"), start=1):
        try:
            text = line.decode().strip()
            if text and not text.startswith("#"):
                _read_line(parser, number, text)
        except (ValueError, RecursionError) as error:
            reason = f"{path}, line {number}: {_reason(error)}"
            values = {"path": str(path), "line": number}
            next_step = "tally reducer test --help shows the forms"
            raise MessageFileInvalid(reason, next_step, values) from error
    deposits = None if parser.app is None else parser.app.deposits
    return MessageFile(path, tuple(parser.steps), deposits)


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON: {error.msg} at column {error.colno}"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    return str(error)


def _read_line(parser: _Parser, number: int, text: str) -> None:
    value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_object)
    if isinstance(value, dict):
        for form, read in _FORMS.items():
            if form in value:
                read(parser, number, text, value)
                return
    # An object that is none of ours may stand for bytes.
    parser.steps.append(Message(number, text, encode(from_json(value))))


def _no_constant(name: str) -> None:
    raise ValueUnusable(f"{name} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueUnusable("a name stands twice in an object")
    return found


def _fields(value: dict[str, Any], *names: str) -> None:
    unknown = sorted(value.keys() - set(names))
    if unknown:
        raise ValueUnusable(f"{unknown[0][:40]!r} is none of {', '.join(names)}")


def _message(parser: _Parser, number: int, text: str, value: dict[str, Any]) -> None:
    _fields(value, "message", "refused", "failed")
    parser.steps.append(_step(number, text, encode(from_json(value["message"])), value))


def _step(number: int, text: str, data: bytes, value: dict[str, Any]) -> Message:
    code, failure = value.get("refused", 0), value.get("failed")
    if "refused" in value and not (_is_integer(code) and 0 < code <= CODE_MAX):
        raise ValueUnusable(f"a refusal has a code from 1 to {CODE_MAX}")
    if failure is not None and failure not in FAILURES:
        raise ValueUnusable(f"{str(failure)[:40]!r} is no failure: docs/views.md lists them")
    if code and failure:
        raise ValueUnusable("a message is refused or fails, not both")
    return Message(number, text, data, code, failure)


def _app(parser: _Parser, number: int, text: str, value: dict[str, Any]) -> None:
    _fields(value, "app", "refused", "failed")
    app = value["app"]
    if parser.app is not None or parser.steps:
        raise ValueUnusable("the application comes first, and once")
    if not isinstance(app, dict):
        raise ValueUnusable("an application is an object")
    _fields(app, "deposits", "channel_id", "begin_ms")
    made = AppChannel(_two_amounts(app.get("deposits")))
    if "channel_id" in app:
        made.channel_id = from_json({"hex": app["channel_id"]})
        if len(made.channel_id) != 32:
            raise ValueUnusable("a channel id has 32 bytes")
    if "begin_ms" in app:
        made.time_ms = _natural(app["begin_ms"], "begin_ms")
        _require_moment(made.time_ms)
    parser.app = made
    data = opening(made.channel_id, made.deposits)
    parser.steps.append(_step(number, text, data, value))


def _payload(parser: _Parser, number: int, text: str, value: dict[str, Any]) -> None:
    _fields(value, "from", "payload", "after_ms", "refused", "failed")
    app, sender = _app_of(parser), value.get("from")
    if not _is_integer(sender) or sender not in (0, 1):
        raise ValueUnusable("a message of an application is from 0 or from 1")
    step_ms = APP_MESSAGE_INTERVAL_MS if app.is_begun else 0
    app.time_ms += _natural(value.get("after_ms", step_ms), "after_ms")
    app.is_begun = True
    _require_moment(app.time_ms)
    payload = from_json(value["payload"])
    data = envelope(app.channel_id, int(sender or 0), app.time_ms, payload)
    parser.steps.append(_step(number, text, data, value))


def _payouts(parser: _Parser, number: int, text: str, value: dict[str, Any]) -> None:
    _fields(value, "payouts")
    _app_of(parser)
    amounts = _two_amounts(value["payouts"])
    rows = tuple((place, uint256(amount)) for place, amount in enumerate(amounts))
    parser.steps.append(TableExpectation(number, TABLE, rows))


def _table(parser: _Parser, number: int, text: str, value: dict[str, Any]) -> None:
    _fields(value, "table", "rows")
    rows = from_json(value.get("rows"))
    if not isinstance(value["table"], str) or not isinstance(rows, list):
        raise ValueUnusable("a table has a name and a list of rows")
    if not all(isinstance(row, list) for row in rows):
        raise ValueUnusable("a row is a list of values")
    parser.steps.append(TableExpectation(number, value["table"], tuple(map(tuple, rows))))


def _digest(parser: _Parser, number: int, text: str, value: dict[str, Any]) -> None:
    _fields(value, "digest")
    digest = from_json({"hex": value["digest"]})
    if len(digest) != 32:
        raise ValueUnusable("a digest has 32 bytes")
    parser.steps.append(DigestExpectation(number, digest))


def _app_of(parser: _Parser) -> AppChannel:
    if parser.app is None:
        raise ValueUnusable('it needs the application first: {"app": {"deposits": [...]}}')
    return parser.app


def _two_amounts(value: Any) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueUnusable("there are two amounts, of the first and of the last participant")
    first, last = (int.from_bytes(from_json({"amount": item}), "big") for item in value)
    return first, last


def _natural(value: Any, name: str) -> int:
    if not _is_integer(value) or not 0 <= value < 2**63:
        raise ValueUnusable(f"{name} is a whole number of milliseconds")
    return int(value)


def _require_moment(time_ms: int) -> None:
    if not TIMESTAMP_MS_MIN <= time_ms <= TIMESTAMP_MS_MAX:
        raise ValueUnusable(f"no message is of {time_ms}: milliseconds since 1970")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_FORMS: dict[str, Callable[[_Parser, int, str, dict[str, Any]], None]] = {
    "message": _message,
    "app": _app,
    "payload": _payload,
    "payouts": _payouts,
    "table": _table,
    "digest": _digest,
}
