"""Two small applications, and what a node holds of them: in the place of WebAssembly and SQL.

The till gives amounts away, the game is rock-paper-scissors. Their verdicts are those of
`till.wasm` and of the reference application; a test holds them against each other. A view outlives
its node's processes, as a file does, and a crash may take any number of its newest messages, or
all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from random import Random

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from protocols.app_data import TIMESTAMP_MS_MIN, reducer_input
from protocols.app_judging import AppRun
from protocols.crypto import keccak256
from protocols.inputs import AppVerdict
from protocols.types import Bytes32, ChannelId
from tests.simulation.simulator.plan import DIGEST, VERDICT, Differing
from tests.simulation.simulator.violation import Violation

TILL: Bytes32 = keccak256(b"the till of the simulation")
GAME: Bytes32 = keccak256(b"the game of the simulation")
TRAP = "trap-unreachable"
DIFFERS_CODE = 77
"""With which a reducer that differs refuses what the other takes in."""
ROCK, SCISSORS = 1, 3
SIZES = (32, 64, 97, 130)
"""Bytes that are shown after each step of a round (ADR 0079)."""
FAILING_SHARE = 0.05
CUT_SHARE = 0.2

_SALTED = slice(36 + 1, None)
_STAMPED = slice(len(reducer_input(bytes(32), 0, TIMESTAMP_MS_MIN, b"")), None)


class Table(Struct, frozen=True, gc=False):
    """A view after some messages."""

    deposits: tuple[int, int]
    amounts: tuple[int, int]
    count: int = 0
    shown: bytes = b""
    """Of the game: all that was shown in its newest round."""

    @property
    def digest(self) -> Bytes32:
        """Of all of it."""
        return keccak256(msgspec.msgpack.encode(self))


def opening(deposits: tuple[int, int]) -> Table:
    """Before the first message."""
    return Table(deposits, deposits)


def taken(reducer_id: Bytes32, table: Table, given: bytes) -> tuple[int, str, Table]:
    """What the reducer makes of a message: its code, its failure, and the view behind it."""
    channel_id, sender = given[3:35], given[35]
    payload = given[_STAMPED if given[36] == 0xCF else _SALTED]
    code, failure, changed = (
        _till(table, sender, payload)
        if reducer_id == TILL
        else _game(table, channel_id, sender, payload)
    )
    if code or failure:
        return code, failure, table
    return 0, "", replace(changed, count=table.count + 1)


def _till(table: Table, sender: int, payload: bytes) -> tuple[int, str, Table]:
    """[n]: so much of what the sender has goes to the other end."""
    (amount,) = msgspec.msgpack.decode(payload)
    if amount == 0:
        return 0, TRAP, table
    amounts = list(table.amounts)
    if amount > amounts[sender]:
        return 1, "", table
    amounts[sender] -= amount
    amounts[1 - sender] += amount
    return 0, "", replace(table, amounts=(amounts[0], amounts[1]))


def winner(shown: bytes) -> int | None:
    """0 or 1, who won the round; 2 for a tie; None while it goes on."""
    if len(shown) < SIZES[3]:
        return None
    return (2, 0, 1)[(shown[64] - shown[97] + 3) % 3]


def _game(
    table: Table, channel_id: ChannelId, sender: int, payload: bytes
) -> tuple[int, str, Table]:
    step, ended = table.count % 4, winner(table.shown)
    shown, before = payload[2:], table.shown if table.count % 4 else b""
    if ended in (0, 1):
        return 6, "", table
    if sender != step % 2:
        return 1, "", table
    if len(shown) != SIZES[step]:
        return 2, "", table
    if not shown.startswith(before):
        return 3, "", table
    if step >= 2:
        at = SIZES[step - 1]
        move, salt = shown[at], shown[at + 1 :]
        if not ROCK <= move <= SCISSORS:
            return 4, "", table
        if commitment(channel_id, sender, move, salt) != shown[32 * sender :][:32]:
            return 5, "", table
    pot, won = sum(table.deposits), winner(shown)
    to = sender if won is None else won
    amounts = table.deposits if won == 2 else (pot, 0) if to == 0 else (0, pot)
    return 0, "", replace(table, shown=shown, amounts=amounts)


def commitment(channel_id: ChannelId, player: int, move: int, salt: bytes) -> Bytes32:
    """What hides a move."""
    return keccak256(channel_id + bytes((player, move)) + salt)


Messages = Callable[[ChannelId], Iterator[bytes]]


class Views:
    """What one node holds of all its applications, through all its lives."""

    is_real = False
    """Whether WebAssembly runs."""

    def __init__(self, chance: Random, differing: Differing | None) -> None:
        self._chance = chance
        self._differing = differing
        self._tables: dict[ChannelId, list[Table]] = {}
        """After the opening and after each message."""
        self._messages: Messages = lambda channel_id: iter(())
        self.is_sound = False
        """Whether no run fails or is cut any more."""

    def begin(self, messages: Messages) -> None:
        """A process that reads its log begins."""
        self._messages = messages

    def has(self, reducer_id: Bytes32) -> bool:
        """Whether the reducer is installed."""
        return reducer_id in (TILL, GAME)

    def crash(self) -> None:
        """What was not on the disk is gone."""
        for channel_id in list(self._tables):
            tables = self._tables[channel_id]
            kept = self._chance.choice((len(tables), len(tables), len(tables) - 1, 1, 0))
            self._tables[channel_id] = tables[: max(0, kept)]

    def run(self, run: AppRun) -> tuple[AppVerdict, ...] | None:
        """A verdict for each message, as `node.apps.judge` gives them."""
        if not self.is_sound and self._chance.random() < FAILING_SHARE:
            return None
        kept = self._brought_to(run)
        tables, verdicts = list(kept), list[AppVerdict]()
        for place, given in enumerate(run.inputs):
            table, verdict = self._judged(run.reducer_id, tables[-1], given)
            verdicts.append(verdict)
            if run.expected and verdict.digest != run.expected[place]:
                break
            if verdict.is_applied:
                tables.append(table)
            if run.may_be_cut and not self.is_sound and self._chance.random() < CUT_SHARE:
                break
        if not run.is_offer:
            kept[:] = tables
        return tuple(verdicts)

    def _judged(self, reducer_id: Bytes32, table: Table, given: bytes) -> tuple[Table, AppVerdict]:
        code, failure, table = taken(reducer_id, table, given)
        if not (code or failure) and self._differs(VERDICT, table):
            code = DIFFERS_CODE
        if code or failure:
            return table, AppVerdict(code, failure, (), b"")
        digest = keccak256(table.digest) if self._differs(DIGEST, table) else table.digest
        return table, AppVerdict(0, "", table.amounts, digest)

    def _brought_to(self, run: AppRun) -> list[Table]:
        tables = self._tables.setdefault(run.channel_id, [])
        if not tables:
            tables.append(opening(run.deposits))
        del tables[run.base_count + 1 :]
        for given in islice(self._messages(run.channel_id), len(tables) - 1, run.base_count):
            code, failure, table = taken(run.reducer_id, tables[-1], given)
            if code or failure:
                what = f"message {len(tables)} of the log is not taken in: {failure or code}"
                raise Violation("who was refused leaves no trace", what)
            tables.append(table)
        assert len(tables) == run.base_count + 1, "the log has every message that was taken in"
        return tables

    def _differs(self, how: str, table: Table) -> bool:
        differing = self._differing
        return differing is not None and differing.how == how and table.count >= differing.count
