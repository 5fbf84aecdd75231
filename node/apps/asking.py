"""A question to an application's view, in a process of its own: it can slow nobody down.

    python -m node.apps.asking FILE SECONDS < question

One JSON document comes out: columns and rows, or an error.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import trio

from node.apps.limits import QUERY_ANSWER_SIZE_BYTES_MAX, QUERY_COUNT_MAX
from protocols.app_errors import AppQueryFailed

_GRACE_S = 3.0
"""Beyond the question's own time: to start the process and to print."""


class Asker:
    """Asks views, a few at a time."""

    def __init__(self) -> None:
        self._room = trio.CapacityLimiter(QUERY_COUNT_MAX)

    async def ask(self, path: Path, sql: str, timeout_s: float) -> tuple[list[str], list[Any]]:
        """Columns and rows, bytes as {"hex": ...}. Raises AppQueryFailed."""
        if not await trio.Path(path).exists():
            reason = "the channel's tables were removed meanwhile: ask again"
            raise AppQueryFailed("QUERY_FAILED", reason)
        command = [sys.executable, "-m", "node.apps.asking", str(path), str(timeout_s)]
        async with self._room:
            with trio.move_on_after(timeout_s + _GRACE_S) as scope:
                done = await trio.run_process(
                    command,
                    stdin=sql.encode(),
                    capture_stdout=True,
                    stderr=subprocess.DEVNULL,
                    check=False,
                    start_new_session=True,
                )
        if scope.cancelled_caught:
            raise AppQueryFailed("QUERY_TIMED_OUT", f"stopped after {timeout_s:g} s")
        try:
            answer = json.loads(done.stdout)
        except ValueError as error:
            raise AppQueryFailed("QUERY_FAILED", "the question's process ended early") from error
        if "error" in answer:
            raise AppQueryFailed(answer["error"], answer["reason"])
        return answer["columns"], answer["rows"]


def main() -> None:
    """Answer the question on stdin."""
    from node.log_views.limits import QUERY_NICENESS
    from node.log_views.reading import QueryFailed, QueryTooLarge, ViewReader
    from node.priority import GivingWay

    path, timeout_s = Path(sys.argv[1]), float(sys.argv[2])
    try:
        with ViewReader(path, GivingWay(QUERY_NICENESS)) as reader:
            answer = reader.ask(sys.stdin.read(), timeout_s)
            rows, size = [], 0
            for row in answer.rows:
                rows.append([_shown(value) for value in row])
                size += sum(len(str(value)) for value in rows[-1])
                if size > QUERY_ANSWER_SIZE_BYTES_MAX:
                    raise QueryTooLarge("the answer is too long: add a LIMIT")
            document: dict[str, Any] = {"columns": list(answer.columns), "rows": rows}
    except QueryFailed as failed:
        document = {"error": failed.name, "reason": str(failed)}
    sys.stdout.write(json.dumps(document))


def _shown(value: Any) -> Any:
    return {"hex": "0x" + value.hex()} if isinstance(value, bytes) else value


if __name__ == "__main__":
    main()
