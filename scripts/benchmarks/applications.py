"""Messages of an application between two daemons: each run through both ends' reducers, signed by
both and durable at both, asked for through JSON-RPC over one WebSocket."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import trio

from node.apps.installed import Installed
from node.cli.demo_nodes import running_nodes
from node.cli.demo_progress import demo_progress
from node.cli.failures import CommandFailed
from node.cli.local_node import LocalNode
from node.rpc.client import RpcClient, RpcError
from node.views.encoding import encode
from scripts.benchmarks.machine import process_cpu_s

ROOT = Path(__file__).resolve().parent.parent.parent
REDUCER = ROOT / "node" / "views" / "applications" / "board" / "reducer.wasm"
"""A message is a row, as in a game a move is; the ends may speak as they like."""
POST = ["post", "as long as a move of a game with its salt, which is 66 bytes of hex"]


@dataclass(frozen=True)
class ApplicationPlan:
    """How many messages, and how."""

    warm_up: int = 256
    """Before anything is timed."""
    messages: int = 10_000
    in_flight: int = 512
    """Unanswered at a time."""


def measure_messages(
    workspace: Path, plan: ApplicationPlan
) -> tuple[dict[str, float], dict[str, float]]:
    """Figures and details. Raises `CommandFailed` if not every message was taken in by both."""
    with demo_progress(True) as quiet, running_nodes(workspace, quiet) as (_, alice, bob):
        code = REDUCER.read_bytes()
        reducer = {Installed(node.directory / "data").install(code) for node in (alice, bob)}
        answer = alice.call(
            "app_open",
            counterparty=bob.address,
            reducer="0x" + reducer.pop().hex(),
            amount="1",
            turn_rule="leader",
            until="completed",
        )
        channel_id = str(answer["channel_id"])
        per_s, *cpu_us = trio.run(_say, alice, bob, channel_id, plan)
        for node in (alice, bob):
            count = node.call("app_messages", channel_id=channel_id, limit=1)["count"]
            if count != plan.warm_up + plan.messages:
                raise CommandFailed(f"{node.name} took in {count} messages", name="FIGURES_WRONG")
    details = dict(
        zip(("author_cpu_us_per_message", "judge_cpu_us_per_message"), cpu_us, strict=True)
    )
    return {"app_messages_per_s": per_s}, details


async def _say(
    alice: LocalNode, bob: LocalNode, channel_id: str, plan: ApplicationPlan
) -> tuple[float, float, float]:
    """Messages a second, and microseconds of either daemon's processor time for each."""
    call = (
        "app_send",
        {
            "channel_id": channel_id,
            "payload": "0x" + encode(POST).hex(),
            "until": "decided",
        },
    )

    def on_answer(index: int, answer: object) -> None:
        if isinstance(answer, RpcError):
            raise answer

    def cpu_s() -> list[float]:
        return [process_cpu_s(node.child.process_id) for node in (alice, bob)]

    async with await RpcClient.connect(alice.endpoint) as client:
        warm_up = (call for _ in range(plan.warm_up))
        await client.call_many(warm_up, in_flight_max=plan.in_flight, on_answer=on_answer)
        cpu_before, began = cpu_s(), time.perf_counter()
        calls = (call for _ in range(plan.messages))
        await client.call_many(calls, in_flight_max=plan.in_flight, on_answer=on_answer)
        took_s = time.perf_counter() - began
        spent = [after - before for after, before in zip(cpu_s(), cpu_before, strict=True)]
    author, judge = (1e6 * seconds / plan.messages for seconds in spent)
    return plan.messages / took_s, author, judge
