"""What peers proposed in vain within a day: by neighbour and payer, and by neighbour in all.

A proposal costs its sender nothing, so what came to nothing has to count against somebody. Whom a
virtual channel's counts against is the choice of who may starve whom:

- Nobody, once there is a ledger with the neighbour: one deposit buys every record and every byte
  that the neighbour, or anybody behind it, cares to cost us.
- The neighbour: any one of its payers uses its share up and shuts all others out, for the price of
  one ledger.
- The payer, wherever she comes from: a lying neighbour invents payers, for keys are free; and one
  that gives up what an honest payer asks for would spoil her name on every other path.
- The pair of both, which is done: a payer can starve herself alone, and on this path alone; who
  lies about payers reaches the bound of all pairs of the neighbour, and starves itself. To starve
  the others of an honest hub takes as many payers as the bounds differ by, each with a ledger of
  its own there, and that hub bounds each of them as well.

The neighbour's bound bounds the memory too: every time is forgotten after a day, or as the oldest
above the bound.

Of what was refused before anything of it was kept, the name is remembered as long: the neighbour
may have given it up meanwhile, and its word for that crosses ours, once.
"""

from __future__ import annotations

from collections import deque

from msgspec import Struct
from msgspec.structs import astuple

from protocols.table import KeySet, Table
from protocols.types import Address, ObjectiveId

PROPOSAL_WINDOW_MS = 86_400_000
"""How long a proposal that came to nothing counts against its sender: a day."""

REJECTED_COUNT_MAX = 1_000
"""Rejected proposals of one payer from one neighbour: what follows is refused."""

NEIGHBOUR_REJECTED_COUNT_MAX = 16 * REJECTED_COUNT_MAX
"""Proposals of one neighbour, for whomever, that were rejected or refused at once."""

NOBODY = b""
"""The payer of what was refused before anything of it was kept: it counts for the neighbour."""

NOTHING = b""
"""The name of what was kept: it is known by itself."""


class Rejection(Struct, frozen=True, array_like=True, gc=False):
    """One proposal that came to nothing."""

    time_ms: int
    neighbour: Address
    payer: bytes
    """NOBODY or an address."""
    identity: bytes
    """NOTHING or an objective's id."""


class Rejections:
    """Times of proposals that came to nothing, Unix milliseconds, oldest first."""

    def __init__(self) -> None:
        self.entries: Table[bytes, Rejection] = Table()
        """By number (8 bytes): every one that counts."""
        self.refused: KeySet[bytes] = KeySet()
        """neighbour || objective id of what was refused at once."""
        self._by_neighbour: dict[Address, deque[bytes]] = {}
        """The numbers of its entries, oldest first; neighbours in the order of their newest."""
        self._by_pair: dict[tuple[Address, Address], deque[int]] = {}

    def refuse(self, neighbour: Address, identity: ObjectiveId, time_ms: int) -> None:
        """A proposal that the neighbour brought was refused, and nothing of it kept."""
        self.refused.add(neighbour + identity)
        self.add(neighbour, NOBODY, time_ms, identity)

    def may_cross(self, neighbour: Address, identity: ObjectiveId) -> bool:
        """Whether the neighbour may still say that it gives up what we refused."""
        return neighbour + identity in self.refused

    def hear(self, neighbour: Address, identity: ObjectiveId) -> None:
        """It said so."""
        self.refused.discard(neighbour + identity)

    def add(
        self, neighbour: Address, payer: Address, time_ms: int, identity: ObjectiveId = NOTHING
    ) -> None:
        """One more proposal of the payer, brought by the neighbour, came to nothing."""
        number = self.entries.next_place.to_bytes(8, "big")
        self.entries[number] = entry = Rejection(time_ms, neighbour, payer, identity)
        known = self._list(number, entry)
        since_ms = time_ms - PROPOSAL_WINDOW_MS
        while self._time_ms(known[0]) < since_ms or len(known) > NEIGHBOUR_REJECTED_COUNT_MAX:
            self._forget(known.popleft())
        self._forget_silent(since_ms)

    def rebuild(self) -> None:
        """What is counted anew, from entries that were restored."""
        for number, entry in self.entries.items():
            self._list(number, entry)

    def _list(self, number: bytes, entry: Rejection) -> deque[bytes]:
        """What is known of the entry's neighbour, with it at its end."""
        neighbour, payer = entry.neighbour, entry.payer
        known = self._by_neighbour.pop(neighbour, deque())
        self._by_neighbour[neighbour] = known
        known.append(number)
        if payer != NOBODY:
            self._by_pair.setdefault((neighbour, payer), deque()).append(entry.time_ms)
        return known

    def _time_ms(self, number: bytes) -> int:
        return self.entries[number].time_ms

    def _forget_silent(self, since_ms: int) -> None:
        """Of neighbours nothing of whom came to nothing since then, the first: each call adds one
        at most, so a day's are kept."""
        neighbour, known = next(iter(self._by_neighbour.items()))
        if self._time_ms(known[-1]) < since_ms:
            del self._by_neighbour[neighbour]
            for number in known:
                self._forget(number)

    def _forget(self, number: bytes) -> None:
        _, neighbour, payer, identity = astuple(self.entries[number])
        del self.entries[number]
        self.hear(neighbour, identity)
        times = self._by_pair.get((neighbour, payer))
        if times is not None:
            times.popleft()
            if not times:
                del self._by_pair[(neighbour, payer)]

    def is_payer_full(self, neighbour: Address, payer: Address, since_ms: int) -> bool:
        """True if `REJECTED_COUNT_MAX` proposals of the pair since then came to nothing."""
        times = self._by_pair.get((neighbour, payer))
        if times is None or len(times) < REJECTED_COUNT_MAX:
            return False
        return times[-REJECTED_COUNT_MAX] >= since_ms

    def is_neighbour_full(self, neighbour: Address, since_ms: int) -> bool:
        """True if `NEIGHBOUR_REJECTED_COUNT_MAX` of the neighbour since then came to nothing."""
        known = self._by_neighbour.get(neighbour)
        if known is None or len(known) < NEIGHBOUR_REJECTED_COUNT_MAX:
            return False
        return self._time_ms(known[0]) >= since_ms
