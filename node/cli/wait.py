"""Waiting: for an objective, with its first unmet condition in sight, and for a peer's answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from node.cli.failures import CommandFailed, as_failure
from node.cli.node_call import ANSWER_TIMED_OUT, ask
from node.cli.output import console, short
from node.explain.awaited import awaited

POLL_INTERVAL_S = 0.1
"""A local channel opens in about a second."""
OBJECTIVE_FAILED = "OBJECTIVE_FAILED"
"""The name of the failure when an objective ended without success."""
ENDED = ("completed", "rejected")
"""The statuses after which an objective never changes."""


def wait_for_objective(
    directory: Path, objective_id: str, *, timeout_s: float, quiet: bool
) -> dict[str, Any]:
    """The objective once it completed; `CommandFailed` if it was rejected or takes too long.

    `quiet` shows no spinner. Giving up changes nothing: the node goes on.
    """
    give_up_at = time.monotonic() + timeout_s
    with console(stderr=True).status(f"objective {short(objective_id)}") as status:
        if quiet:
            status.stop()
        while True:
            view: dict[str, Any] = ask(directory, "objective_get", objective_id=objective_id)
            if view["status"] in ENDED:
                break
            if time.monotonic() >= give_up_at:
                raise _still_waiting(view, timeout_s)
            status.update(f"waiting for {awaited(view['waiting_for'])}")
            time.sleep(POLL_INTERVAL_S)
    if view["status"] == "rejected" or not view["success"]:
        raise CommandFailed(
            f"the objective ended without success: {view['reason'] or view['status']}",
            "See: tally objectives",
            OBJECTIVE_FAILED,
            {"objective_id": objective_id, "channel_id": view["channel_id"]},
        )
    return view


@contextmanager
def naming_the_request(answer: dict[str, Any], request_id: str) -> Iterator[None]:
    """The channel is proposed: whoever hears only that waiting failed must not open another."""
    try:
        yield
    except Exception as error:
        failure = as_failure(error)
        if failure is None or failure.name == OBJECTIVE_FAILED:
            raise
        known = {name: answer[name] for name in ("objective_id", "channel_id")}
        raise replace(
            failure,
            values={**failure.values, **known, "request_id": request_id},
            next_step="The channel is proposed, the node goes on; see: tally objectives. "
            f"Repeat the command only with --request-id {request_id}: then it opens no second one",
        ) from error


def wait_for_answer(
    directory: Path,
    order: tuple[str, dict[str, Any]],
    until: str,
    field: str,
    *,
    answer: dict[str, Any],
    timeout_s: float,
) -> tuple[dict[str, Any], str | CommandFailed]:
    """The newest answer to an order that is recorded, and what keeps `field` empty in it: nothing
    if it is there, a failure if the node refused, else why for now.

    `order` is the method and its parameters, `until` what the node is to wait for, `answer` its
    first one. The order is given again and again: its request id makes it the same.
    """
    from node.rpc.call import RpcError, RpcUnreachable

    method, params = order
    give_up_at = time.monotonic() + timeout_s
    while (left_s := give_up_at - time.monotonic()) > 0:
        try:
            answer = ask(directory, method, until=until, timeout_s=left_s, **params)
        except RpcError as error:
            failure = None if error.name == ANSWER_TIMED_OUT else as_failure(error)
            if failure is not None:
                return answer, failure
        except RpcUnreachable as error:
            if not isinstance(error.__cause__, TimeoutError):
                return answer, str(error)
        else:
            # Without it when none will come any more, or when too many wait already.
            is_there = bool(answer[field])
            return answer, "" if is_there else "the node does not wait for it: see tally channels"
    return answer, f"the peer did not answer for {timeout_s:g} s"


def _still_waiting(view: dict[str, Any], timeout_s: float) -> CommandFailed:
    return CommandFailed(
        f"after {timeout_s:g} s the node still waits for {awaited(view['waiting_for'])}",
        "It goes on by itself; see: tally objectives",
        "STILL_WAITING",
        {"objective_id": view["objective_id"], "channel_id": view["channel_id"]},
    )
