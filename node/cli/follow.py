"""`tally events --follow`: new records as they are written, over a connection made anew if lost."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import trio

from node.cli.failures import CommandFailed
from node.rpc.call import RpcEndpoint, RpcUnreachable
from node.rpc.client import RpcClient

WAIT_MS = 10_000
"""How long the node waits with one answer; then it is asked again."""
RECONNECT_INTERVAL_S = 0.5
"""Between two tries while the node is away."""

Filters = Mapping[str, Any]


def follow_events(
    find: Callable[[], RpcEndpoint],
    from_seq: int,
    filters: Filters,
    show: Callable[[dict[str, Any]], None],
) -> None:
    """Show every record that fits from `from_seq` on, each once, until Ctrl-C or a closed pipe."""
    try:
        trio.run(follow, find, from_seq, filters, show)
    except BaseExceptionGroup as group:
        if group.subgroup((KeyboardInterrupt, BrokenPipeError)) is None:
            raise
    except (KeyboardInterrupt, BrokenPipeError):
        pass


async def follow(
    find: Callable[[], RpcEndpoint],
    from_seq: int,
    filters: Filters,
    show: Callable[[dict[str, Any]], None],
) -> None:
    """For ever. The node must be there at first; later it may go away and come back."""
    next_seq, was_there = from_seq, False
    while True:
        try:
            async with await RpcClient.connect(find()) as client:
                was_there = True
                while True:
                    asked = {"from_seq": next_seq, "wait_ms": WAIT_MS, **filters}
                    page = await client.call("log_follow", **asked)
                    for record in page["records"]:
                        show(record)
                    next_seq = page["next_seq"]
        except (RpcUnreachable, CommandFailed) as error:
            if not was_there:
                raise
            sys.stderr.write(f"{error}; waiting for the node, to go on at record {next_seq}\n")
            await _until_it_answers(find)


async def _until_it_answers(find: Callable[[], RpcEndpoint]) -> None:
    while True:
        try:
            client = await RpcClient.connect(find())
        except (RpcUnreachable, CommandFailed):
            await trio.sleep(RECONNECT_INTERVAL_S)
        else:
            await client.aclose()
            return


def print_line(record: dict[str, Any]) -> None:
    """One JSON document on one line, at once."""
    sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")
    sys.stdout.flush()
