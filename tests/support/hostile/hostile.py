"""A reducer that means harm, and how it must end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from node.views.errors import Failure
from tests.support.reducers import TABLE, answering, binary, calling, wat, writes, writing

OK = f"(i64.const {(32_760 << 32) | 3})"
"""The place of the reply [0, []]."""
OK_DATA = r'(data (i32.const 32760) "\92\00\90")'


class Stage(Enum):
    LOAD = "load"
    INIT = "init"
    MESSAGE = "message"


@dataclass(frozen=True)
class Hostile:
    name: str
    code: str | bytes
    """Text, or a binary that no text gives."""
    failure: Failure
    stage: Stage = Stage.MESSAGE
    message: bytes = b"\x90"

    def binary(self) -> bytes:
        return binary(self.code) if isinstance(self.code, str) else self.code


def body(text: str, extra: str = "", **options: str) -> str:
    """A module with a table that does this, and answers [0, []] if it ever gets there."""
    return wat(f"{text} {OK}", init=writes(TABLE), extra=OK_DATA + extra, **options)


def reply_at(pointer: int, size: int) -> str:
    """A module whose reply is said to be there."""
    return wat(f"(i64.const {(pointer << 32) | size})", init=writes(TABLE))


def replied(name: str, reply: bytes, failure: Failure) -> Hostile:
    """By a message that is answered with these bytes."""
    return Hostile(name, answering(reply, TABLE), failure)


def written(name: str, sql: str, failure: Failure, *row: object) -> Hostile:
    """By a message that is answered with this write."""
    return Hostile(name, writing((sql, [list(row)])), failure)


def asked(name: str, sql: str, failure: Failure, *row: object) -> Hostile:
    """By a message for which the reducer asks this."""
    return Hostile(name, calling("query", [sql, list(row)]), failure)


def made(name: str, *sql: str, failure: Failure) -> Hostile:
    """By an `init` with these statements."""
    return Hostile(name, writing(init=sql), failure, Stage.INIT)
