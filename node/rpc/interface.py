"""What this room needs of the node, and no more: the daemon implements it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from node.answers import Done, LogEntry, PaymentAnswer, Until
from protocols.inputs import Input
from protocols.node_state import NodeState
from protocols.routes import Hop
from protocols.types import Address, PaymentId


class NodeApi(Protocol):
    """The node, as seen from the owner's door."""

    @property
    def state(self) -> NodeState:
        """Everything the node believes. Read only."""

    @property
    def seq(self) -> int:
        """The last record that is in `state`."""

    def waiting_for(self, objective_id: bytes) -> str:
        """The first unmet condition of a known objective (`WaitingFor`)."""

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

    def record(self, from_seq: int, limit: int, entity: bytes | None) -> Sequence[LogEntry]:
        """At most `limit` records from `from_seq` on; of one channel or objective if `entity`."""

    async def route_quote(
        self,
        path: tuple[Address, ...],
        asset: Address,
        amount: int,
        challenge_duration: int,
        timeout_ms: int,
    ) -> tuple[Hop, ...]:
        """What every participant says of a virtual channel of ours, ourselves first.

        `path` is who comes after us. Raises PathRefused.
        """

    def fees_of_request(self, request_id: str) -> tuple[int, ...] | None:
        """The fees of the virtual channel that was opened under that request id, if one was."""

    def hub_status(self) -> dict[str, object]:
        """Terms, room taken and fees earned in virtual channels, as JSON values."""

    def payment(self, payment_id: PaymentId) -> PaymentAnswer | None:
        """A payment of that name with what proves it; None if there is none."""

    def status(self) -> dict[str, object]:
        """Figures of every room, as JSON values."""
