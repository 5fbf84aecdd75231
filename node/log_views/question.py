"""A question to the views of a log on disk, brought up to date first.

Beside a daemon that keeps the views itself nothing is written: it is given a moment to take in what
was recorded, and the answer is as of where it is then. Who finds the views free keeps them
meanwhile.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from node.log_views.keeper import FILE_NAME, NodeView, Progress, code_cache, views_directory
from node.log_views.limits import KEEPER_PATIENCE_S, KEEPER_PAUSE_S
from node.log_views.lock import ViewsInUse, views_lock
from node.log_views.reading import Answer, QueryFailed, ViewReader
from node.log_views.shipped import node_module
from node.priority import GivingWay
from node.store.log import EventLog


@contextmanager
def answered(
    data_dir: Path,
    sql: str,
    timeout_s: float,
    at_seq: int | None = None,
    giving_way: GivingWay | None = None,
) -> Iterator[tuple[int, Answer]]:
    """The last record that is in the answer (it may be newer), and the answer, whose rows may be
    fetched inside; as of record `at_seq` if it is given.

    `timeout_s` is the question's own: bringing a view up to date takes what it takes. Raises
    `QueryFailed`, `ViewError`, and what `EventLog.open` and reading raise.
    """
    giving_way = GivingWay() if giving_way is None else giving_way

    def go_on(_: Progress) -> bool:
        giving_way.at(time.monotonic())
        return True

    with contextlib.ExitStack() as stack:
        path = None if at_seq is not None else _brought_up_to_date(data_dir, go_on)
        if path is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tally-view-"))
            path = Path(folder) / FILE_NAME
            _derive(data_dir, path, at_seq, go_on)
        reader = stack.enter_context(ViewReader(path, giving_way))
        yield reader.seq(), reader.ask(sql, timeout_s)


def _brought_up_to_date(data_dir: Path, go_on: Callable[[Progress], bool]) -> Path | None:
    """The file; None where there is none and none may be written."""
    directory = views_directory(data_dir)
    path = directory / FILE_NAME
    log = EventLog.open(data_dir, read_only=True)
    with contextlib.closing(log):
        try:
            with views_lock(directory), NodeView(path) as kept:
                kept.catch_up(log, progress=go_on)
        except ViewsInUse:
            _await_keeper(path, log.next_seq - 1)
        except PermissionError:
            return None
    return path


def _await_keeper(path: Path, last_seq: int) -> None:
    """Give whoever keeps the views a moment to get there; what it has then is what is answered.

    Raises `QueryFailed` if there is nothing yet.
    """
    deadline = time.monotonic() + KEEPER_PATIENCE_S
    while True:
        failure = ""
        try:
            with ViewReader(path) as reader:
                if reader.seq() >= last_seq:
                    return
        except QueryFailed as failed:
            failure = str(failed)
        if time.monotonic() >= deadline:
            break
        time.sleep(KEEPER_PAUSE_S)
    if failure:
        raise QueryFailed(f"the views are being made, ask again in a moment: {failure}")


def _derive(
    data_dir: Path, path: Path, at_seq: int | None, go_on: Callable[[Progress], bool]
) -> None:
    """A view of the log's beginning, in a file that is thrown away."""
    log = EventLog.open(data_dir, read_only=True)
    with contextlib.closing(log):
        if at_seq is not None and at_seq >= log.next_seq:
            raise QueryFailed(f"there is no record {at_seq}: the log has {log.next_seq}")
        module = node_module(code_cache(views_directory(data_dir)))
        with NodeView(path, module=module) as made:
            made.catch_up(log, None if at_seq is None else at_seq + 1, go_on)
