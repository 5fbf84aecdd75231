"""The reference applications between two daemons: what their files of messages say, said for real.

A file's first participant is alice, who opens the channel, its last is bob.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from node.reducers.values import from_json
from node.rpc.call import RpcError
from node.views.encoding import encode
from tests.support.app_daemons import install, payouts, said
from tests.support.applications import folder_of
from tests.support.daemons import LocalNode, Network
from tests.support.e2e_rig import until


class Table:
    """An open channel of an application, and the two who play."""

    def __init__(self, network: Network, name: str, deposits: tuple[int, int], **terms: Any):
        code = (folder_of(name) / "reducer.wasm").read_bytes()
        reducer = install(network.alice, code)
        assert install(network.bob, code) == reducer
        self.network, self.name = network, name
        first, last = deposits
        answer = network.alice.call(
            "app_open",
            counterparty=network.bob.address,
            reducer=reducer,
            amount=str(first),
            counterparty_amount=str(last),
            until="completed",
            **terms,
        )
        assert answer["completed"]
        self.channel_id = str(answer["channel_id"])

    def say(self, player: int, value: Any) -> int:
        """Say it; 0, or the code that both refuse it with. A failure is the node's own error."""
        data = encode(value)
        node = self.network.nodes[player]
        try:
            node.call(
                "app_send", channel_id=self.channel_id, payload="0x" + data.hex(), until="decided"
            )
        except RpcError as error:
            if error.name != "APP_MESSAGE_REFUSED_BY_REDUCER":
                raise
            return int(error.values["reason_code"])
        return 0

    def rows(self, node: LocalNode, table: str, columns: str = "*") -> list[list[Any]]:
        """What a node's view holds, in the order of the first column."""
        sql = f"SELECT {columns} FROM {table} ORDER BY 1"
        answer = node.call("app_query", channel_id=self.channel_id, sql=sql)
        found: list[list[Any]] = answer["rows"]
        return found

    def agree(self) -> dict[str, Any]:
        """Wait until both hold the same messages, root and digest; they."""
        alice, bob = self.network.nodes
        names = ("count", "root", "digest", "halted")

        def held(node: LocalNode) -> list[Any]:
            found = said(node, self.channel_id)
            return [found[name] for name in names]

        until("both hold the same", lambda: held(alice) == held(bob))
        found = said(alice, self.channel_id)
        assert found["halted"] == ""
        return found

    def play(self, path: Path) -> int:
        """All that a file says, and what it expects on both sides; how many messages were taken."""
        taken_count = 0
        for line in path.read_text().splitlines():
            step = json.loads(line) if line and not line.startswith("#") else {}
            if "payload" in step:
                code = self.say(step["from"], from_json(step["payload"]))
                assert code == step.get("refused", 0), line
                taken_count += code == 0
            elif "table" in step or "payouts" in step:
                self._expect(step)
        assert self.agree()["count"] == taken_count
        return taken_count

    def _expect(self, step: dict[str, Any]) -> None:
        self.agree()
        for node in self.network.nodes:
            if "payouts" in step:
                assert payouts(node, self.channel_id) == [int(amount) for amount in step["payouts"]]
            else:
                found = from_json(self.rows(node, step["table"]))
                assert found == from_json(step["rows"]), step
