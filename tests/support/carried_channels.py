"""Virtual channels of four participants, folded from events by hand: what they weigh on a node."""

from __future__ import annotations

from dataclasses import dataclass

from protocols import events
from protocols.carried import Carried
from protocols.node_state import NodeState, apply
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS, Address, ObjectiveId, amount_to_bytes
from protocols.virtual_events import VirtualChannelRecorded
from tests.support.actors import ALICE, BOB, IRENE, IVAN
from tests.support.builders import ADJUDICATOR, CHAIN_ID, CONSENSUS_APP, DURATION_S, PAYMENT_APP

LEFT, RIGHT = b"\x1e" * 32, b"\x2e" * 32
PATH = (ALICE.address, IVAN.address, IRENE.address, BOB.address)


@dataclass
class Folded:
    """A node's state, fed with the events of virtual channels."""

    me: Address

    def __post_init__(self) -> None:
        self.state = NodeState()
        chain = (1, CHAIN_ID, ADJUDICATOR, PAYMENT_APP, CONSENSUS_APP, self.me)
        self.apply(events.NodeCreated(*chain))

    def apply(self, event: events.Event) -> None:
        apply(self.state, event, 0)

    @property
    def carried(self) -> Carried:
        return self.state.carried

    def propose(self, number: int, amount: int, path: tuple[Address, ...] = PATH) -> ObjectiveId:
        """A virtual channel is known, with what will carry it, and not yet approved."""
        fixed = FixedPart(path, number, PAYMENT_APP, DURATION_S)
        ends = (
            Allocation(destination_of(path[0]), amount),
            Allocation(destination_of(path[-1]), 0),
        )
        prefund = State(fixed, b"", (SingleAssetExit(ZERO_ADDRESS, ends),), 0, False)
        channel_id, encoded = prefund.channel_id, prefund.encode()
        identity = objective_id(ObjectiveType.VIRTUAL_FUND, channel_id)
        place, last = path.index(self.me), len(path) - 1
        left, right = LEFT if place else b"", RIGHT if place < last else b""
        fees = tuple(amount_to_bytes(7 + hop) for hop in range(last - 1))
        kind = ObjectiveType.VIRTUAL_FUND
        for event in (
            events.ObjectiveCreated(identity, kind, channel_id, path),
            events.ChannelCreated(channel_id, path, number, PAYMENT_APP, DURATION_S),
            events.StateStored(channel_id, prefund.state_hash(), encoded),
            VirtualChannelRecorded(channel_id, left, right, fees),
        ):
            self.apply(event)
        return identity

    def end(self, identity: ObjectiveId) -> None:
        """The channel is closed off chain: its guarantees are gone."""
        channel_id = self.state.objectives[identity].channel_id
        ending = objective_id(ObjectiveType.VIRTUAL_DEFUND, channel_id)
        kind = ObjectiveType.VIRTUAL_DEFUND
        self.apply(events.ObjectiveCreated(ending, kind, channel_id, PATH))
        self.apply(events.ObjectiveCompleted(ending, True, b"\0" * 32))


def approved(folded: Folded, number: int, amount: int) -> ObjectiveId:
    """A virtual channel that the node takes part in."""
    identity = folded.propose(number, amount)
    folded.apply(events.ObjectiveApproved(identity))
    return identity
