"""A view on disk that follows a log: what it took in is marked by the chain hash of its last
record, so that a view of another log, or of a log whose end was lost, is made anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from node.log_views.batches import Batch, batches
from node.log_views.shipped import node_module
from node.store.errors import LogDamaged
from node.store.log_reading import LogReader
from node.views.compiled import CompiledCode
from node.views.errors import CacheUnsafe, StampMismatch, ViewBroken, ViewError
from node.views.module import ReducerModule
from node.views.view import Verdict, View

FILE_NAME = "node.db"
_FILE_ENDINGS = ("", "-wal", "-shm", "-journal")


class RecordRefused(ViewError):
    """The reducer fails at one record: a bug in it, and the view goes no further."""

    def __init__(self, seq: int, verdict: Verdict) -> None:
        super().__init__()
        self.seq, self.verdict = seq, verdict

    def __str__(self) -> str:
        verdict = self.verdict
        why = verdict.failure or f"code {verdict.code}"
        return f"the node's views cannot take in record {self.seq}: {why} {verdict.detail}".strip()


class Progress(Struct, frozen=True):
    """How far a view is."""

    seq: int
    """Of the last record taken in; -1 before the first."""
    record_count: int
    """That the log has."""

    @property
    def lag_count(self) -> int:
        """Records that are not in it yet."""
        return self.record_count - 1 - self.seq


def views_directory(data_dir: Path) -> Path:
    """Where the views of the log in that directory are: beside it, for a backup needs none."""
    return data_dir.with_name(data_dir.name + "-views")


def view_file(data_dir: Path) -> Path:
    """The file of the node's own views."""
    return views_directory(data_dir) / FILE_NAME


def code_cache(directory: Path) -> CompiledCode | None:
    """Compiled reducers beside the views; None where others could write to them."""
    with contextlib.suppress(CacheUnsafe, OSError):
        return CompiledCode(directory / "compiled")
    return None


def remove_view(path: Path) -> None:
    """Remove a view's files, if they are there."""
    for ending in _FILE_ENDINGS:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ending).unlink()


class NodeView:
    """The node's views in one file (or ":memory:"). For one thread.

    Opening makes it anew if something else made it or the file is damaged. Without `keeps_changes`
    it goes on as the file is. Raises `ViewBroken` where the machine does not let it.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        keeps_changes: bool | None = None,
        module: ReducerModule | None = None,
    ) -> None:
        self._path = path
        self._keeps_changes = keeps_changes
        self.rebuilt: str = ""
        """Why it was made anew, the last time that it was; empty if it never was."""
        if isinstance(path, Path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        cache = code_cache(path.parent) if isinstance(path, Path) else None
        self._module = module or node_module(cache)
        try:
            self.view = self._open()
        except (StampMismatch, ViewBroken) as error:
            self.view = self._made_anew(str(error))

    def __enter__(self) -> NodeView:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.view.close()

    @property
    def seq(self) -> int:
        """Of the last record taken in; -1 before the first."""
        return self.view.stamp.seq

    def catch_up(
        self,
        log: LogReader,
        to_seq: int | None = None,
        progress: Callable[[Progress], bool] | None = None,
    ) -> Progress:
        """Take in what the log has, up to `to_seq` (not with it) if given.

        `progress` is told after each message, and says whether to go on. Raises `LogDamaged`,
        `RecordRefused` or `ViewBroken`; what was taken in before stays.
        """
        end = log.next_seq if to_seq is None else min(to_seq, log.next_seq)
        if not self._belongs_to(log):
            self.close()
            self.view = self._made_anew("it was derived from another log, or from a longer one")
        for batch in batches(log.raw_blocks(self.seq + 1, end)):
            self._take(batch.records, batch.last_seq, log)
            if progress is not None and not progress(Progress(self.seq, end)):
                break
        return Progress(self.seq, end)

    def _belongs_to(self, log: LogReader) -> bool:
        """Whether its last record is the log's."""
        if self.seq < 0:
            return True
        if self.seq >= log.next_seq:
            return False
        try:
            return log.chain_at(self.seq) == self.view.stamp.mark
        except LogDamaged:
            return False

    def _take(self, records: list[bytes], last_seq: int, log: LogReader) -> None:
        """All of them; a message that is too much for the reducer in two halves."""
        mark = log.chain_at(last_seq)
        message = Batch(records, last_seq).message
        verdict = self.view.apply(last_seq, message, mark=mark, is_canonical=True)
        if verdict.is_applied:
            return
        if len(records) == 1:
            raise RecordRefused(last_seq, verdict)
        half = len(records) // 2
        self._take(records[:half], last_seq - len(records) + half, log)
        self._take(records[half:], last_seq, log)

    def _open(self) -> View:
        keeps_changes = bool(self._keeps_changes)
        try:
            return View(self._path, self._module, keeps_changes=keeps_changes)
        except StampMismatch as mismatch:
            if self._keeps_changes is not None or mismatch.field != "keeps_changes":
                raise
            return View(self._path, self._module, keeps_changes=True)

    def _made_anew(self, reason: str) -> View:
        self.rebuilt = reason
        if isinstance(self._path, Path):
            remove_view(self._path)
        return self._open()
