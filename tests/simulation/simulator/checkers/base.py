"""What a checker may look at, and when it is asked. Each is one domain; most methods do nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.answers import Answer
from node.store.errors import StoreError
from node.store.record import Record
from protocols.channel import Channel
from protocols.effects import BroadcastTransaction, ReadHoldings, SubmitTransaction
from protocols.error import ProtocolError
from protocols.event import Event
from protocols.types import Address
from tests.simulation.simulator.violation import Violation

if TYPE_CHECKING:
    from tests.simulation.simulator.node import SimulatedNode
    from tests.simulation.simulator.owner import Order
    from tests.simulation.simulator.world import World

News = list[tuple[Record, Event]]


class Step:
    """What one turn of a node did: its new records, and the entities it replaced."""

    def __init__(self, node: SimulatedNode, news: News) -> None:
        self.node = node
        self.news = news
        self.changed: list[tuple[str, Any, Any]] = []
        """Family, key, and the entity now, or None: whatever was replaced since the last step."""
        self.channels: list[Channel] = []
        """The channels among them."""


class Checker:
    """Base of all: asks for nothing."""

    name = ""

    def __init__(self, world: World) -> None:
        self.world = world
        self.check_count = 0

    def require(self, holds: object, what: str, *values: object) -> None:
        """Raise Violation unless it holds; `values` are shown behind `what`."""
        self.check_count += 1
        if not holds:
            shown = ", ".join(v.hex()[:16] if isinstance(v, bytes) else str(v) for v in values)
            raise Violation(self.name, f"{what}: {shown}" if values else what)

    # --- what leaves a node ---

    def message_leaves(
        self, node: SimulatedNode, peer: Address, sequence: int, body: bytes
    ) -> None:
        """A message goes to the wire."""

    def acknowledgement_leaves(self, node: SimulatedNode, peer: Address, received: int) -> None:
        """The node says up to where it has the peer's messages."""

    def effect_leaves(
        self,
        node: SimulatedNode,
        effect: SubmitTransaction | BroadcastTransaction | ReadHoldings,
    ) -> None:
        """Something goes to the chain."""

    def answer_leaves(self, node: SimulatedNode, order: Order, answer: Answer) -> None:
        """An owner is answered."""

    def refusal_leaves(self, node: SimulatedNode, order: Order, error: ProtocolError) -> None:
        """An owner is told no."""

    # --- what happens to a node ---

    def stepped(self, step: Step) -> None:
        """A turn ended well, and all it let go is gone."""

    def started(self, node: SimulatedNode, *, was_cut: bool) -> None:
        """A process took up what the disk kept."""

    def refused_to_start(self, node: SimulatedNode, error: StoreError) -> None:
        """It could not."""

    def forgot(self, node: SimulatedNode) -> None:
        """The disk lost what was acknowledged."""

    def mined(self) -> None:
        """The chain has one more block; only where the plan is about leaving."""

    # --- at the end ---

    def rested(self) -> None:
        """Everything is mended, nothing is on its way, nobody orders."""

    def ended(self) -> None:
        """The same, after every channel that can be was closed."""
