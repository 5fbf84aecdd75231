"""Facts worth money count when several endpoints tell the same.

The endpoint in use is asked first; the others are asked the same question, each over a connection
of its own. As many as the owner wants must agree. Who tells something else is named; an endpoint in
use that is outvoted is given up by the caller. An endpoint that is absent, behind or slow is no
vote. Nothing here knows what the facts are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog
import trio

from node.chain.errors import EndpointDown, RpcError
from node.chain.link import ChainTrouble, EndpointLink
from node.chain.rpc_client import RpcClient
from node.chain.wire import MalformedAnswer
from protocols.types import Address

ANSWER_S = 10.0
"""Seconds that a witness has to answer; after that it is no vote."""

Ask = Callable[[RpcClient], Awaitable[Any]]
"""Puts the question to one endpoint; None if that one cannot know yet."""

log = structlog.get_logger()


class Outvoted(Exception):
    """As many endpoints as are needed agree on something else than the one in use tells."""


class Votes:
    """What endpoints told of one question each, counted: no endpoint is asked here."""

    def __init__(self, count: int) -> None:
        """`count`: how many must agree, the one in use included."""
        self._count = count
        self._missing = ""
        self._outvoted: dict[tuple[str, str], str] = {}

    def agree(
        self,
        used_label: str,
        what: str,
        ours: Any,
        told: Mapping[str, Any],
        *,
        may_wait: bool = False,
    ) -> bool:
        """Whether enough of those who `told` something tell what the one in use tells.

        Raises `Outvoted` when enough of them agree on something else.
        """
        votes = Counter([ours, *told.values()])
        liars = [label for label, answer in told.items() if answer != ours]
        if votes[ours] >= self._count:
            self._missing = self._missing if may_wait else ""
            for label in told:
                self._judge(label, what, is_liar=label in liars)
            return True
        if any(votes[answer] >= self._count for answer in votes):
            self._judge(used_label, what, is_liar=True)
            raise Outvoted(f"outvoted by {', '.join(liars)} on {what}")
        if not may_wait:
            self._say_missing(what, [used_label, *told], liars)
        return False

    def troubles(self) -> list[ChainTrouble]:
        """Who was outvoted last, and whether too few agree."""
        found = [
            ChainTrouble(
                "endpoint-outvoted",
                what,
                "mend it; or stop the node, leave it out and type: tally run -c DIR --set "
                "chain.urls=URL,URL",
            )
            for what in self._outvoted.values()
        ]
        if self._missing:
            found.append(
                ChainTrouble(
                    "quorum-missing",
                    self._missing,
                    "start the others of [chain] urls: no restart is needed; or stop the node, add "
                    "one and type: tally run -c DIR --set chain.urls=URL,URL,URL, or ask fewer by "
                    "--set chain.quorum=N",
                )
            )
        return found

    def _judge(self, label: str, what: str, *, is_liar: bool) -> None:
        # The first word is the kind of fact: truth about blocks mends no lie about a transaction.
        named = (label, what.split(maxsplit=1)[0].removesuffix("s"))
        if not is_liar:
            self._outvoted.pop(named, None)
        elif named not in self._outvoted:
            trouble = f"{label} tells something else than {self._count} others on {what}"
            self._outvoted[named] = trouble
            log.error("a chain endpoint is outvoted", endpoint=label, what=what)

    def _say_missing(self, what: str, answered: list[str], liars: list[str]) -> None:
        trouble = (
            f"fewer than {self._count} endpoints agree, so nothing new counts; there answered: "
            f"{', '.join(answered)}"
        )
        if liars:
            trouble += f"; otherwise than {answered[0]}: {', '.join(liars)}"
        if self._missing != trouble:
            self._missing = trouble
            log.warning("facts wait for more endpoints to agree", what=what, reason=trouble)


class Quorum:
    """The endpoints of `urls`, of which `count` must agree, the one in use included."""

    def __init__(
        self, urls: Sequence[str], count: int, chain_id: int, contracts: Mapping[str, Address]
    ) -> None:
        if not 1 <= count <= len(urls):
            raise ValueError(f"{count} of {len(urls)} endpoints cannot agree")
        self._count = count
        self._lines = [EndpointLink([url], chain_id, contracts) for url in urls]
        if len(urls) == 1:
            self._lines = []
        self._votes = Votes(count)

    @property
    def lines(self) -> tuple[EndpointLink, ...]:
        """A connection to each endpoint; none where there is only one."""
        return tuple(self._lines)

    @property
    def is_needed(self) -> bool:
        """Whether more than the endpoint in use is asked at all."""
        return self._count > 1

    async def run(self) -> None:
        """Keep a connection to every endpoint, if there are several; for ever."""
        async with trio.open_nursery() as nursery:
            for line in self._lines:
                nursery.start_soon(line.run)

    async def agrees(
        self,
        used: RpcClient,
        what: str,
        ours: Any,
        ask: Ask,
        *,
        may_wait: bool = False,
    ) -> bool:
        """Whether enough endpoints tell what the endpoint of `used` told just now: `ours`.

        All others are asked, also one that was in use when something was read: `ours` must be the
        word of `used` itself, or that one would have two votes.
        Raises `Outvoted` when enough of them agree on something else. That too few answer is an
        alarm, unless it `may_wait`: then it is what happens before all of them know.
        """
        if not self.is_needed:
            return True
        told: dict[str, Any] = {}
        async with trio.open_nursery() as nursery:
            for line in self._lines:
                if line.urls != (used.url,):
                    nursery.start_soon(self._ask, line, ask, told)
        return self._votes.agree(used.label, what, ours, told, may_wait=may_wait)

    def troubles(self) -> list[ChainTrouble]:
        """Who was outvoted last, and whether too few agree."""
        return self._votes.troubles()

    async def _ask(self, line: EndpointLink, ask: Ask, told: dict[str, Any]) -> None:
        with trio.move_on_after(ANSWER_S):
            client = await line.client()
            try:
                answer = await ask(client)
            except (EndpointDown, RpcError, MalformedAnswer) as error:
                log.debug("a witness does not answer", endpoint=client.label, reason=str(error))
                return
            if answer is not None:
                told[client.label] = answer
