"""How much one endpoint may refuse, and how slowly it may answer, before another is preferred."""

from __future__ import annotations

from typing import Protocol

import structlog
import trio

from node.chain.errors import EndpointDown, RpcError
from node.chain.rpc_client import RpcClient

RPC_ERROR_COUNT_MAX = 5
"""Refused calls in a row after which another endpoint is tried."""
RPC_ERROR_PAUSE_S = 0.2
"""Seconds before asking again after a refused call: most often a block that was just replaced."""
RATE_LIMIT_PAUSE_S_MIN = 1.0
"""Seconds to leave an endpoint alone that says we ask too often, doubling from here unless it says
how long."""
RATE_LIMIT_PAUSE_S_MAX = 60.0
"""The longest of these pauses."""
SLOW_ANSWER_S = 5.0
"""Seconds for its newest block, above which an answer is slow."""
SLOW_ANSWER_COUNT_MAX = 3
"""Slow answers in a row after which another endpoint is preferred."""

log = structlog.get_logger()


class Link(Protocol):
    """What this module needs of `link.EndpointLink`."""

    def blame(self, client: RpcClient, reason: str) -> None:
        """The client's endpoint is at fault."""


class Patience:
    """With one connection, counted anew for each."""

    def __init__(self, link: Link, client: RpcClient) -> None:
        self._link = link
        self._client = client
        self._errors_in_a_row = self._limits_in_a_row = self._slow_in_a_row = 0

    def took(self, seconds: float) -> None:
        """It answered, after so long."""
        self._slow_in_a_row = self._slow_in_a_row + 1 if seconds > SLOW_ANSWER_S else 0
        if self._slow_in_a_row >= SLOW_ANSWER_COUNT_MAX:
            self._link.blame(self._client, "answers slowly")

    def served(self) -> None:
        """It answered everything."""
        self._errors_in_a_row = self._limits_in_a_row = 0

    async def refused(self, error: RpcError) -> None:
        """It refused a call: pause, or give it up by `EndpointDown`."""
        if error.asks_to_wait:
            self._limits_in_a_row += 1
            await self._leave_alone(error)
            return
        self._errors_in_a_row += 1
        if self._errors_in_a_row >= RPC_ERROR_COUNT_MAX:
            reason = f"keeps refusing: {error}"
            self._link.blame(self._client, reason)
            raise EndpointDown(self._client.label, reason) from error
        await trio.sleep(RPC_ERROR_PAUSE_S)

    async def _leave_alone(self, error: RpcError) -> None:
        """We ask too often: another endpoint, if there is one, else a pause that grows."""
        client = self._client
        self._link.blame(client, f"asks to slow down: {error}")
        pause_s = RATE_LIMIT_PAUSE_S_MIN * 2 ** min(self._limits_in_a_row - 1, 10)
        pause_s = min(max(pause_s, error.retry_after_s), RATE_LIMIT_PAUSE_S_MAX)
        log.warning("the chain endpoint asks to slow down", endpoint=client.label, pause_s=pause_s)
        with trio.move_on_after(pause_s):
            await client.closed.wait()
