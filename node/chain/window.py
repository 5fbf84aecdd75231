"""Which logs are confirmed: the last blocks of the chain as we saw it, and a cursor in them.

Pure bookkeeping. Blocks go in one by one, each the child of the last; what became observed and
what became confirmed by it comes out, in order. When the chain forked, `rewind` forgets the
replaced blocks first. A block counts as confirmed when `depth` blocks lie on top of it; with depth
0 that is at once. Nothing here knows endpoints, or what a log says.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from node.chain.wire import Header
from protocols.inputs import ChainLog

REMEMBERED_BELOW_CURSOR_COUNT = 128
"""Blocks kept below the cursor, so that a fork deeper than the confirmation depth is still seen for
what it is. Twice what Ethereum takes to finalise."""


@dataclass(frozen=True)
class Fork:
    """The replaced part of the chain, as `rewind` found it."""

    first_replaced: Header
    below_cursor: bool
    """Whether blocks that counted as confirmed are among the replaced."""


@dataclass(frozen=True)
class _Block:
    header: Header
    logs: tuple[ChainLog, ...]


class ConfirmationWindow:
    """The chain's end as it was last seen. `base` is the block everything before is done with."""

    def __init__(self, depth: int, base: Header, *, waits: bool = False) -> None:
        """`waits`: nothing is confirmed by itself; `confirm` is called when it may be."""
        if depth < 0:
            raise ValueError(f"confirmation depth {depth} is negative")
        self._depth = depth
        self._waits = waits
        self._blocks = [_Block(base, ())]
        self._cursor_num = base.number

    @property
    def head(self) -> Header:
        """The newest block."""
        return self._blocks[-1].header

    @property
    def lowest(self) -> Header:
        """The oldest block that is still remembered."""
        return self._blocks[0].header

    @property
    def oldest_dated(self) -> Header:
        """The oldest remembered block whose time was read."""
        blocks = self._blocks
        is_dated = blocks[0].header.timestamp_s > 0 or len(blocks) == 1
        return blocks[0 if is_dated else 1].header

    @property
    def cursor(self) -> Header:
        """The newest confirmed block: all confirmed logs up to it came out."""
        return self._blocks[self._cursor_num - self.lowest.number].header

    def at(self, block_num: int) -> Header | None:
        """The remembered block of this number."""
        index = block_num - self.lowest.number
        return self._blocks[index].header if 0 <= index < len(self._blocks) else None

    def append(self, header: Header, logs: tuple[ChainLog, ...]) -> list[ChainLog]:
        """Add the child of `head` with its logs, as observed.

        Returns what is due now: those logs, then the confirmed ones of every block that this one
        buries deep enough.
        """
        head = self.head
        if header.number != head.number + 1 or header.parent_hash != head.hash:
            raise ValueError(f"block {header.number} is no child of block {head.number}")
        self._blocks.append(_Block(header, logs))
        return list(logs) if self._waits else [*logs, *self.confirm()]

    @property
    def ripe(self) -> Header:
        """The newest block that lies deep enough; the cursor, if nothing above it does."""
        number = max(self._cursor_num, self.head.number - self._depth)
        return self._blocks[number - self.lowest.number].header

    def logs_above_cursor(self, last: Header) -> tuple[ChainLog, ...]:
        """What is observed and not confirmed, up to that block."""
        first, end = self._cursor_num + 1 - self.lowest.number, last.number + 1 - self.lowest.number
        return tuple(log for block in self._blocks[first:end] for log in block.logs)

    def confirm(self, last: Header | None = None) -> list[ChainLog]:
        """Move the cursor to that block, or to the ripe one: the logs that are confirmed by it."""
        last = self.ripe if last is None else last
        due = [replace(log, confirmed=True) for log in self.logs_above_cursor(last)]
        self._cursor_num = last.number
        self._forget_old()
        return due

    def rewind(self, ancestor: Header) -> Fork:
        """Forget every block above `ancestor`, which is remembered and below the head.

        A fork below the cursor takes the cursor back with it: the logs of the new blocks will come
        out confirmed as well, beside those that came out of the replaced ones.
        """
        if self.at(ancestor.number) != ancestor or ancestor == self.head:
            raise ValueError(f"block {ancestor.number} is not one to go back to")
        first_replaced = self.at(ancestor.number + 1)
        assert first_replaced is not None
        below_cursor = ancestor.number < self._cursor_num
        del self._blocks[ancestor.number - self.lowest.number + 1 :]
        self._cursor_num = min(self._cursor_num, ancestor.number)
        return Fork(first_replaced, below_cursor)

    def bury(self) -> list[ChainLog]:
        """Confirm everything up to the head, which is known to be deep enough: what is due."""
        above = self._blocks[self._cursor_num - self.lowest.number + 1 :]
        self._cursor_num = self.head.number
        return [replace(log, confirmed=True) for block in above for log in block.logs]

    def restart_at(self, base: Header) -> None:
        """Begin anew: the chain shares no remembered block with us, or a stretch was read whole."""
        self._blocks = [_Block(base, ())]
        self._cursor_num = base.number

    def _forget_old(self) -> None:
        surplus = self._cursor_num - self.lowest.number - REMEMBERED_BELOW_CURSOR_COUNT
        if surplus > 0:
            del self._blocks[:surplus]
