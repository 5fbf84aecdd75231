"""The reference applications, each as it ships, run here without a node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from node.reducers.envelopes import envelope, opening
from node.reducers.limits import APP_BEGIN_MS
from node.views.module import load_module
from node.views.view import Verdict, View
from scripts.reducers import APPLICATIONS

NAMES = sorted(path.parent.name for path in APPLICATIONS.glob("*/reducer.c"))
CHANNEL_ID = b"\x11" * 32


def folder_of(name: str) -> Path:
    return APPLICATIONS / name


class Application:
    """A channel of an application, opened with these deposits."""

    def __init__(
        self,
        name: str,
        deposits: tuple[int, int] = (100, 100),
        channel_id: bytes = CHANNEL_ID,
    ) -> None:
        module = load_module((folder_of(name) / "reducer.wasm").read_bytes())
        self.view = View(":memory:", module)
        self.deposits, self._channel_id = deposits, channel_id
        self._seq = 0
        self.opened = self.view.apply(0, opening(channel_id, deposits))

    def __enter__(self) -> Application:
        return self

    def __exit__(self, *_: object) -> None:
        self.view.close()

    def say(self, sender: int, payload: Any, at_ms: int | None = None) -> Verdict:
        """A message; after it the payouts sum to the deposits, and the digest to the tables."""
        self._seq += 1
        stamp_ms = APP_BEGIN_MS + self._seq if at_ms is None else at_ms
        before = self.view.digest
        verdict = self.view.apply(self._seq, envelope(self._channel_id, sender, stamp_ms, payload))
        assert sum(self.payouts()) == sum(self.deposits)
        assert verdict.is_applied or self.view.digest == before
        return verdict

    def take_back(self, count: int) -> None:
        """So many of the last messages that were taken in."""
        seqs = [record.seq for record in self.view.messages()]
        self.view.undo_after(seqs[-1 - count])

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        return list(self.view.rows(table))

    def payouts(self) -> tuple[int, int]:
        (_, first), (_, last) = self.rows("payouts")
        return int.from_bytes(first, "big"), int.from_bytes(last, "big")
