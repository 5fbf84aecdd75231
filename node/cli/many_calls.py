"""Many calls to one node at once: one connection, however many there are.

A call by itself opens a connection of its own; for some hundred channels that takes longer than the
channels do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from node.cli.failures import CommandFailed
from node.cli.local_node import LocalNode

if TYPE_CHECKING:
    from node.rpc.client import RpcClient

Call = tuple[str, Mapping[str, object]]

POLL_INTERVAL_S = 0.02
"""Between two looks at everything that is not there yet."""


def call_all(node: LocalNode, calls: Iterable[Call]) -> list[Any]:
    """The results, in the order of the calls. Raises the first `RpcError` among the answers."""
    import trio

    answers: list[Any] = trio.run(partial(_connected, node, partial(_call_all, calls=calls)))
    return answers


def wait_for_all(
    what: str,
    node: LocalNode,
    calls: Sequence[Call],
    done: Callable[[Mapping[str, Any]], bool],
    timeout_s: float,
) -> list[Any]:
    """Repeat each call until `done` is true of its answer; the answers, in the order of the calls.

    A channel that the node has not heard of yet is waited for. Raises any other `RpcError`, and
    `CommandFailed`, which names `what` never came.
    """
    import trio

    async def watch(client: RpcClient) -> list[Any]:
        answers: dict[int, Any] = {}
        with trio.move_on_after(timeout_s):
            while waiting := [place for place in range(len(calls)) if place not in answers]:
                heard = await client.call_many([calls[place] for place in waiting])
                answers |= {
                    place: answer
                    for place, answer in zip(waiting, heard, strict=True)
                    if _is_there(answer) and done(answer)
                }
                if len(answers) < len(calls):
                    await trio.sleep(POLL_INTERVAL_S)
            return [answers[place] for place in range(len(calls))]
        raise CommandFailed(f"waited {timeout_s:g} s in vain until {what}", name="TOO_SLOW")

    found: list[Any] = trio.run(partial(_connected, node, watch))
    return found


def _is_there(answer: object) -> bool:
    from node.rpc.call import RpcError

    if isinstance(answer, RpcError):
        if answer.name == "UNKNOWN_CHANNEL":
            return False
        raise answer
    return True


async def _connected(node: LocalNode, work: Callable[[RpcClient], Any]) -> Any:
    from node.rpc.client import RpcClient

    async with await RpcClient.connect(node.endpoint) as client:
        return await work(client)


async def _call_all(client: RpcClient, calls: Iterable[Call]) -> list[Any]:
    from node.rpc.client import RpcError

    answers = await client.call_many(calls)
    for answer in answers:
        if isinstance(answer, RpcError):
            raise answer
    return answers
