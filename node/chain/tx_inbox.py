"""What the engine told the transaction manager, until the manager gets to it.

Plain calls that never wait, so that they can come before the room has loaded what signing takes.
Holds orders only; what became of them is the manager's to know.
"""

from __future__ import annotations

import trio

from protocols.effects import BroadcastTransaction, SubmitTransaction
from protocols.types import Bytes32


class TransactionInbox:
    """Orders that wait, by intent, in the order they came."""

    def __init__(self) -> None:
        self._requests: dict[Bytes32, SubmitTransaction] = {}
        self._broadcasts: dict[Bytes32, BroadcastTransaction] = {}
        self._settled: dict[Bytes32, None] = {}
        self._news = trio.Event()
        self.news_count = 0
        """How often somebody should have looked around."""

    def request(self, effect: SubmitTransaction) -> None:
        """Get this intent's call signed."""
        self._requests.setdefault(effect.intent_id, effect)
        self.wake()

    def broadcast(self, effect: BroadcastTransaction) -> None:
        """These signed bytes are on disk: get them mined. Ends the request for signing them."""
        self._requests.pop(effect.intent_id, None)
        # What a fork took back is open again.
        self._settled.pop(effect.intent_id, None)
        self._broadcasts[effect.intent_id] = effect
        self.wake()

    def settle(self, intent_id: Bytes32) -> None:
        """Nothing more is wanted for this intent."""
        self._requests.pop(intent_id, None)
        self._settled[intent_id] = None
        self.wake()

    def requests(self) -> list[SubmitTransaction]:
        """The calls that wait to be signed; they stay until `finish_request`."""
        return list(self._requests.values())

    def finish_request(self, intent_id: Bytes32) -> bool:
        """Take a request out; False if it was settled or signed elsewhere meanwhile."""
        return self._requests.pop(intent_id, None) is not None

    def take_broadcasts(self) -> list[BroadcastTransaction]:
        """Everything allowed out since the last call."""
        taken, self._broadcasts = self._broadcasts, {}
        return list(taken.values())

    def take_settled(self) -> list[Bytes32]:
        """Everything settled since the last call."""
        taken, self._settled = self._settled, {}
        return list(taken)

    def wake(self) -> None:
        """Let whoever waits look around now."""
        self.news_count += 1
        news, self._news = self._news, trio.Event()
        news.set()

    async def wait(self, seen_count: int) -> None:
        """Return once there is more news than `seen_count`, a `news_count` of before."""
        while self.news_count == seen_count:
            await self._news.wait()
