"""What this room needs of the node, and no more: the daemon implements it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from node.answers import BackupAnswer, Done, LogEntry, PaymentAnswer, Until
from node.explain.story import Fact
from node.moments import Moment
from node.whatif.endpoints import Endpoints
from node.whatif.simulation import Simulation
from protocols.event import Event
from protocols.inputs import Input
from protocols.log_head import LogHead
from protocols.log_proof import ConsistencyProof, LogProof
from protocols.node_state import NodeState
from protocols.routes import AppTerms, Hop
from protocols.types import Address, ChannelId, PaymentId

Wanted = Callable[[str, Callable[[], Event]], bool]
"""Whether a record is wanted, by its name and, if that is not enough, by its event."""


class NodeView(Protocol):
    """The node as it is, or as it was at one moment: to be read."""

    @property
    def state(self) -> NodeState:
        """Everything the node believes. Read only."""

    @property
    def seq(self) -> int:
        """The last record that is in `state`."""

    def waiting_for(self, objective_id: bytes) -> str:
        """The first unmet condition of a known objective (`WaitingFor`)."""

    def hub_status(self) -> dict[str, object]:
        """Terms, room taken and fees earned in virtual channels, as JSON values."""

    def status(self) -> dict[str, object]:
        """Figures of every room, as JSON values."""

    def simulation(self, *, others_answer: bool) -> Simulation:
        """A copy of the node as it is in this view, without its key, to assume things on."""


class NodeApi(NodeView, Protocol):
    """The node, as seen from the owner's door: as a view, the node as it is now."""

    def seq_of(self, moment: Moment) -> int:
        """The last record that belongs to the moment. Raises MomentAhead or MomentBeforeLog."""

    async def at(self, moment: Moment) -> NodeView:
        """The node as it was at that moment; it does not change any more.

        Raises MomentAhead or MomentBeforeLog.
        """

    def record(
        self, from_seq: int, limit: int, entity: bytes | None, last_seq: int
    ) -> Sequence[LogEntry]:
        """At most `limit` records from `from_seq` up to `last_seq`; of one channel or objective if
        `entity`."""

    def time_at(self, seq: int) -> int:
        """When a record of the log was written, Unix milliseconds."""

    async def record_counts(
        self, from_seq: int, last_seq: int, entity: bytes | None
    ) -> Counter[str] | None:
        """How many records of each name there are; about one channel or objective if `entity`.

        None if there are too many to count.
        """

    def payment(self, payment_id: PaymentId, last_seq: int) -> PaymentAnswer | None:
        """A payment of that name with what proves it up to that record; None if there is none."""

    def command_then(self, command: Input, until: Until, done: Done) -> bool:
        """Queue a command and return at once; False if the queue is full and nothing was taken.

        It may lie there until `prompt` or `wake`.
        """

    def prompt(self) -> None:
        """All that one read brought is queued: it is carried out, right now if it is little.

        Never raises, never waits.
        """

    def wake(self) -> None:
        """The caller is about to wait: what is queued is carried out meanwhile."""

    async def queue_room(self) -> None:
        """Return when a command may be offered again: to sleep for about a batch will do."""

    def matching(
        self, from_seq: int, count: int, entity: bytes | None, wanted: Wanted, last_seq: int
    ) -> tuple[Sequence[LogEntry], int]:
        """Of the next `count` records from `from_seq` up to `last_seq` (of `entity`, if one is
        given) those that are wanted, and the first record that was not looked at."""

    def facts(
        self, entities: Sequence[bytes], from_seq: int, to_seq: int, limit: int
    ) -> Sequence[Fact]:
        """At most `limit` records about any of the channels, objectives, payments or transactions
        of these ids, in order, from `from_seq` on and before `to_seq`."""

    async def route_quote(
        self,
        path: tuple[Address, ...],
        asset: Address,
        amount: int,
        challenge_duration: int,
        timeout_ms: int,
        app: AppTerms | None = None,
    ) -> tuple[Hop, ...]:
        """What every participant says of a virtual channel of ours, ourselves first.

        `path` is who comes after us, `app` what an application's is like. Raises PathRefused.
        """

    def fees_of_request(self, request_id: str) -> tuple[int, ...] | None:
        """The fees of the virtual channel that was opened under that request id, if one was."""

    async def app_query(
        self, channel_id: ChannelId, sql: str, timeout_s: float
    ) -> tuple[list[str], list[Any]]:
        """Columns and rows of an application's view. Raises AppQueryFailed."""

    @property
    def fee_ceiling_wei(self) -> int:
        """The most that is ever bid for a unit of gas."""

    @property
    def endpoints(self) -> Endpoints:
        """The endpoints of the chain, as they are configured and one of them is in use."""

    def blocks_until(self, time_s: int) -> int | None:
        """Blocks that the chain will mine until then, Unix seconds, at the pace of its last ones;
        None while none was seen."""

    async def prove(self, seq: int) -> LogProof:
        """What shows that the log holds a record that is there, by a signed head over it."""

    async def prove_grown(self, old: LogHead, new: LogHead) -> ConsistencyProof:
        """What shows that the older of two heads of ours is of the newer one's beginning."""

    async def backup(self, target: Path) -> BackupAnswer:
        """Copy the log into a new directory; raises `BackupRefused`."""
