"""Rock-paper-scissors between two daemons, and what the chain was shown of it."""

from __future__ import annotations

from typing import Any

from contracts.loader import load_artifact
from node.chain.event_shapes import EventShape
from node.cli.local_node import LocalNode
from node.views.encoding import encode
from scripts.reducers import APPLICATIONS
from tests.support.app_daemons import install, open_till
from tests.support.daemons import Network
from tests.support.e2e_rig import Purse
from tests.support.games import Round, shown_in

RPS = APPLICATIONS / "rock_paper_scissors" / "reducer.wasm"


class Played:
    """A game of ALICE and BOB, who are daemons."""

    def __init__(self, network: Network, *rounds: Round) -> None:
        self.network = network
        judge = network.chain.deployment.addresses["rock_paper_scissors_app"]
        reducers = {install(node, RPS.read_bytes()) for node in network.nodes}
        self.channel_id = open_till(network, "alternate", reducer=reducers.pop(), app=judge)
        self._rounds = rounds

    def message(self, count: int) -> str:
        """The payload of that move."""
        shown = shown_in(bytes.fromhex(self.channel_id[2:]), self._rounds, count)
        return "0x" + encode(shown).hex()

    def move(self, count: int, until: str = "decided") -> None:
        """The mover's owner makes it."""
        node = self.network.nodes[(count - 1) % 2]
        payload = self.message(count)
        node.call("app_send", channel_id=self.channel_id, payload=payload, until=until)

    def play(self, count: int) -> None:
        """That many moves, both there."""
        for number in range(1, count + 1):
            self.move(number)


def logs(purse: Purse, name: str, channel_id: str) -> list[dict[str, Any]]:
    """The adjudicator's logs of that name for the channel."""
    abi = load_artifact("NitroAdjudicator").abi
    (shape,) = [EventShape(entry) for entry in abi if entry.get("name") == name]
    chain = purse.network.chain
    address = chain.deployment.addresses["adjudicator"]
    topics = ["0x" + shape.topic.hex(), channel_id]
    found: list[dict[str, Any]] = chain.call(
        "eth_getLogs", {"address": address, "fromBlock": "0x0", "topics": topics}
    )
    return found


def registered_turns(purse: Purse, channel_id: str) -> int:
    """How often a state of the channel was registered."""
    return len(logs(purse, "ChallengeRegistered", channel_id))


def count_of(node: LocalNode, channel_id: str) -> int:
    """Messages that the node's newest state holds."""
    found: int = node.call("app_messages", channel_id=channel_id)["count"]
    return found
