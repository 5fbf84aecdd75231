"""Endpoints of the simulated chain: what each of them shows, and which of them to believe.

One may stall, hide logs, make some up, or keep transactions for itself. The node asks one of them
at a time and, with a quorum, the others whether they tell the same; votes are counted by the code
of the node.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from msgspec.structs import replace

from node.chain.quorum import Outvoted, Votes
from protocols import inputs
from protocols.types import Bytes32, ChannelId
from tests.simulation.simulator.forking import ForkingChain
from tests.support.builders import chain_log

STALLED_LOOK_COUNT = 8
"""Looks at an endpoint that shows no new block, after which another is tried."""
Logs = tuple[inputs.ChainLog, ...]


class Manner(StrEnum):
    """How an endpoint behaves."""

    HONEST = "honest"
    HIDES = "hides logs"
    INVENTS = "invents logs"
    STALLS = "stalls"
    SWALLOWS = "swallows transactions"


class Endpoint:
    """One of them. Its lies about a block are the same whenever it is asked."""

    def __init__(self, chain: ForkingChain, label: str) -> None:
        self.label = label
        self.manner = Manner.HONEST
        self._chain = chain
        self._stalled_num = 0
        self.targets: tuple[ChannelId, ...] = ()
        """Channels it may lie about."""

    def turn(self, manner: Manner) -> None:
        """From now on it behaves so."""
        self.manner = manner
        self._stalled_num = len(self._chain.blocks)

    @property
    def swallows(self) -> bool:
        """Whether it keeps transactions for itself."""
        return self.manner == Manner.SWALLOWS

    @property
    def head_num(self) -> int:
        """The newest block it shows."""
        count = len(self._chain.blocks)
        return min(count, self._stalled_num) if self.manner == Manner.STALLS else count

    def logs(self, number: int) -> Logs:
        """The logs of a block, as it tells them."""
        block = self._chain.blocks[number - 1]
        if number <= self._stalled_num or self.manner not in (Manner.HIDES, Manner.INVENTS):
            return tuple(block.logs)
        if self.manner == Manner.HIDES:
            return ()
        return (*block.logs, *self._made_up(number, block.block_hash, len(block.logs)))

    def _made_up(self, number: int, block_hash: Bytes32, place: int) -> Logs:
        if not self.targets:
            return ()
        channel_id = self.targets[number % len(self.targets)]
        kinds = (
            {"name": "Deposited", "amount": 10**6},
            {"name": "ChallengeRegistered", "turn_num": 10**6, "number": 2**40},
            {"name": "Concluded", "number": self._chain.time_s},
        )
        told = dict(kinds[number % len(kinds)])
        name = str(told.pop("name"))
        log = chain_log(name, number, channel_id=channel_id, confirmed=False, log_index=place)
        return (replace(log, block_hash=block_hash, **told),)


class Endpoints:
    """Those of one node: the one in use, and who has a vote."""

    def __init__(
        self, chain: ForkingChain, count: int, quorum: int, note: Callable[[str], None]
    ) -> None:
        self.all = [Endpoint(chain, f"endpoint {place}") for place in range(count)]
        self.quorum = quorum
        self.votes = Votes(quorum)
        self._note = note
        self._place = 0
        self._seen_num = self._idle_count = 0

    @property
    def used(self) -> Endpoint:
        """The one that is asked."""
        return self.all[self._place]

    def mend(self) -> None:
        """All of them are honest from now on."""
        for endpoint in self.all:
            endpoint.turn(Manner.HONEST)

    def blame(self) -> None:
        """The next one is asked from now on."""
        self._place = (self._place + 1) % len(self.all)
        self._idle_count = 0

    def changed_its_word(self) -> None:
        """The one in use tells otherwise what it told, or another before it."""
        self._note("endpoint tells otherwise than before")

    def look(self) -> None:
        """Give up one that shows nothing new for long, while there should be something."""
        if self.used.head_num > self._seen_num or self.used.head_num == max(
            endpoint.head_num for endpoint in self.all
        ):
            self._idle_count = 0
        else:
            self._idle_count += 1
        self._seen_num = self.used.head_num
        if self._idle_count >= STALLED_LOOK_COUNT:
            self._note("endpoint given up")
            self.blame()

    def agree(
        self, what: str, number: int, ours: object, ask: Callable[[Endpoint], object]
    ) -> bool:
        """Whether enough tell what the one in use told. Raises Outvoted, once it is given up."""
        if self.quorum == 1:
            return True
        used = self.used
        told = {
            endpoint.label: ask(endpoint)
            for endpoint in self.all
            if endpoint is not used and endpoint.head_num >= number
        }
        try:
            return self.votes.agree(used.label, what, ours, told)
        except Outvoted:
            self._note("endpoint outvoted")
            self.blame()
            raise
