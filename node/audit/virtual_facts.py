"""A virtual channel in the audit's own words: what carries it, and who will never open it."""

from dataclasses import dataclass, field

from protocols import virtual_events
from protocols.types import amount_from_bytes

VIRTUAL_EVENTS = (
    virtual_events.VirtualChannelRecorded
    | virtual_events.PostfundRenounced
    | virtual_events.UnwindingAsked
    | virtual_events.VirtualChannelPruned
)


@dataclass(slots=True)
class VirtualFacts:
    """What the log says of a virtual channel beside its states."""

    left_ledger: bytes = b""
    right_ledger: bytes = b""
    fees: tuple[int, ...] = ()
    """By intermediary, in path order."""
    renounced: set[bytes] = field(default_factory=set)
    """Participants who never sign the postfund, a payee: who never takes a voucher (M16)."""
    is_given_up: bool = False
    """Somebody asked that it be unwound."""
    is_pruned: bool = False
    """It left the node's state: nothing follows from it any more."""

    def place_of(self, ledger_id: bytes, my_index: int) -> int | None:
        """Which ledger of the path one of ours is; None if it does not carry the channel."""
        if ledger_id and ledger_id == self.left_ledger:
            return my_index - 1
        return my_index if ledger_id and ledger_id == self.right_ledger else None

    def fee_at(self, place: int) -> int:
        """What the addition to that ledger moves to the right: the fees of all who follow."""
        return sum(self.fees[place:])

    def apply(self, event: VIRTUAL_EVENTS) -> None:
        """Take one more record for granted."""
        match event:
            case virtual_events.VirtualChannelRecorded():
                self.left_ledger, self.right_ledger = event.left_ledger, event.right_ledger
                self.fees = tuple(amount_from_bytes(fee) for fee in event.fees)
            case virtual_events.PostfundRenounced():
                self.renounced.add(event.participant)
            case virtual_events.UnwindingAsked():
                self.is_given_up = True
            case virtual_events.VirtualChannelPruned():
                self.is_pruned = True
