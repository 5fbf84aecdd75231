"""Daemons with an application: the till, installed on both sides, and what is said through it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from node.apps.installed import Installed
from node.rpc.call import RpcError
from tests.support.daemons import LocalNode, Network

TILL = Path(__file__).resolve().parent / "reducers" / "till.wasm"
"""Compiled from till.c beside it: a message [n] gives n of its sender's to the other end."""
STAKE = 1_000_000
OPEN_TIMEOUT_S = 60


def install(node: LocalNode, code: bytes | None = None) -> str:
    """The reducer's hash, as the interface spells it."""
    installed = Installed(node.directory / "data")
    return "0x" + installed.install(TILL.read_bytes() if code is None else code).hex()


def open_till(network: Network, turn_rule: str = "leader", **changes: Any) -> str:
    """An open channel of both; the channel's id."""
    reducer = install(network.alice)
    assert install(network.bob) == reducer
    answer = network.alice.call(
        "app_open",
        **{
            "counterparty": network.bob.address,
            "reducer": reducer,
            "amount": str(STAKE),
            "counterparty_amount": str(STAKE),
            "turn_rule": turn_rule,
            "until": "completed",
            **changes,
        },
    )
    assert answer["completed"]
    return str(answer["channel_id"])


def payload(amount: int) -> str:
    """The message that gives so much."""
    return "0x" + msgspec.msgpack.encode([amount]).hex()


def say(node: LocalNode, channel_id: str, amount: int, **more: Any) -> dict[str, Any]:
    """One message, judged by both; a node that just started sees the chain in a moment."""
    while True:
        try:
            answer: dict[str, Any] = node.call(
                "app_send", channel_id=channel_id, payload=payload(amount), until="decided", **more
            )
        except RpcError as error:
            if error.name != "CHAIN_NOT_SEEN_YET":
                raise
            time.sleep(0.05)
        else:
            return answer


def said(node: LocalNode, channel_id: str) -> dict[str, Any]:
    """What the node knows of the channel's messages."""
    answer: dict[str, Any] = node.call("app_messages", channel_id=channel_id)
    return answer


def payouts(node: LocalNode, channel_id: str) -> list[int]:
    """What the view says that each end gets."""
    sql = "SELECT amount FROM payouts ORDER BY participant"
    rows = node.call("app_query", channel_id=channel_id, sql=sql)["rows"]
    return [int(row[0]["hex"], 16) for row in rows]
