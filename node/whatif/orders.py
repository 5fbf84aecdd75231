"""Our orders to the chain in a simulation, from when they leave until they are mined."""

from __future__ import annotations

from node.whatif.costs import Bill, bill_of, gas_of
from node.whatif.report import Submitted
from protocols.effects import SubmitTransaction
from protocols.entities import NodeState
from protocols.types import Bytes32, ChannelId


class Orders:
    """What was submitted and is not mined, and what mining it would cost."""

    def __init__(self) -> None:
        self.gas_price_wei: int | None = None
        """What the chain asks for a unit of gas, as far as that is assumed."""
        self.fee_ceiling_wei: int | None = None
        """The most that the node may bid for one; None if nobody says."""
        self._waiting: dict[Bytes32, tuple[SubmitTransaction, ChannelId]] = {}
        self._mined: dict[Bytes32, tuple[int | None, int | None]] = {}
        """What was mined: its gas, and what a unit of it cost then. Once, also after a fork."""

    @property
    def is_held_back(self) -> bool:
        """Whether the chain asks more than the node may bid."""
        price, ceiling = self.gas_price_wei, self.fee_ceiling_wei
        return price is not None and ceiling is not None and price > ceiling

    def waiting(self) -> list[tuple[SubmitTransaction, ChannelId]]:
        """In the order in which they were submitted."""
        return list(self._waiting.values())

    def wait(self, order: SubmitTransaction, channel_id: ChannelId) -> None:
        """It is to be mined."""
        self._waiting[order.intent_id] = (order, channel_id)

    def mined(self, state: NodeState, order: SubmitTransaction) -> None:
        """It waits no more, and is paid for."""
        _, channel_id = self._waiting.pop(order.intent_id)
        gas = gas_of(state.channels[channel_id], order.kind)
        self._mined[order.intent_id] = (gas, self.gas_price_wei)

    def bill(self, state: NodeState) -> Bill:
        """What all of them cost: those that still wait, at the newest price."""
        waiting = {
            intent_id: (gas_of(state.channels[channel_id], order.kind), self.gas_price_wei)
            for intent_id, (order, channel_id) in self._waiting.items()
        }
        return bill_of({**self._mined, **waiting}.values())

    def request(self, state: NodeState, order: SubmitTransaction) -> Submitted:
        """A new one leaves."""
        channel_id = state.transactions[order.intent_id].channel_id
        self.wait(order, channel_id)
        return self._submitted(state, order, channel_id)

    def again(self, state: NodeState) -> list[Submitted]:
        """All that is not mined leaves once more."""
        return [self._submitted(state, *one, is_again=True) for one in self._waiting.values()]

    def _submitted(
        self,
        state: NodeState,
        order: SubmitTransaction,
        channel_id: ChannelId,
        *,
        is_again: bool = False,
    ) -> Submitted:
        gas, price = gas_of(state.channels[channel_id], order.kind), self.gas_price_wei
        cost_wei = None if gas is None or price is None else gas * price
        return Submitted(order, channel_id, is_again, gas, cost_wei, self.is_held_back)
