"""What the log says happened on the chain: gathered from the records, to be compared with it.

Confirmed facts only: what was seen at depth 0 may have been retracted by the chain itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node.audit.checks import Check
from node.audit.entry import Entry
from node.audit.limits import CHAIN_FACT_COUNT_MAX
from protocols import events, exit_events
from protocols.types import Bytes32, ChannelId
from protocols.virtual_events import VirtualChannelPruned

LOG_NAMES: dict[type[events.Event], tuple[str, ...]] = {
    events.DepositDetected: ("Deposited",),
    events.AllocationUpdated: ("AllocationUpdated",),
    events.ChallengeRegistered: ("ChallengeRegistered",),
    events.ChallengeCleared: ("ChallengeCleared", "Checkpointed"),
    events.ChannelConcluded: ("Concluded",),
    exit_events.OutcomePaid: ("OutcomePaid",),
    exit_events.OutcomeReclaimed: ("OutcomeReclaimed",),
}
"""By event, the adjudicator's logs that it may record."""


@dataclass(frozen=True, slots=True)
class ChainFact:
    """One log of the adjudicator that a record says was confirmed."""

    seq: int
    log_names: tuple[str, ...]
    channel_id: ChannelId
    block_num: int
    tx_hash: Bytes32
    asset: bytes | None
    held: int | None
    """Holdings after it, smallest unit; None if it does not tell."""


@dataclass(slots=True)
class KnownFrom:
    """From which block on the log must have every confirmed log of a channel."""

    before: int
    """The last block that was processed when the channel was recorded; -1 for none."""
    behind: int | None = None
    """The first block that was processed after that; None while there is none."""


class ChainFactsCheck(Check):
    """Gathers; `chain_compare` asks the chain."""

    name = "chain facts"

    def __init__(self) -> None:
        self.facts: list[ChainFact] = []
        self.processed: tuple[int, int, Bytes32] | None = None
        """(record, number, hash) of the last block whose confirmed logs are all in the log."""
        self.known_from: dict[ChannelId, KnownFrom] = {}
        """By channel that may have logs."""
        self._new: list[KnownFrom] = []
        """Of channels recorded since the last block that was processed."""
        self.dropped_count = 0
        """Facts beyond `CHAIN_FACT_COUNT_MAX`, not kept."""

    def take(self, entries: Sequence[Entry]) -> Iterable[tuple[int, str]]:
        """Note what these records say of the chain."""
        for entry in entries:
            event = entry.event
            if type(event) in LOG_NAMES:
                self._note(entry.seq, event)
            elif isinstance(event, events.ChainBlockProcessed):
                self.processed = entry.seq, event.block_num, event.block_hash
                for known in self._new:
                    known.behind = event.block_num
                self._new.clear()
            elif isinstance(event, events.ChannelCreated):
                self._created(event.channel_id)
            elif isinstance(event, events.HoldingsRead):
                # Whatever passed until then is in the figure that was read (M27).
                self.known_from[event.channel_id] = KnownFrom(event.block_num, event.block_num)
            elif isinstance(event, VirtualChannelPruned):
                self.known_from.pop(event.channel_id, None)
        return ()

    def _created(self, channel_id: ChannelId) -> None:
        if channel_id not in self.known_from:
            known = KnownFrom(-1 if self.processed is None else self.processed[1])
            self.known_from[channel_id] = known
            self._new.append(known)

    def _note(self, seq: int, event: events.Event) -> None:
        names = LOG_NAMES[type(event)]
        asset: bytes | None = None
        held: int | None = None
        match event:
            case events.DepositDetected():
                asset, held = event.asset, int.from_bytes(event.now_held, "big")
            case events.AllocationUpdated():
                asset, held = event.asset, int.from_bytes(event.new_amount, "big")
        tx_hash: Bytes32 | None = event.tx_hash  # type: ignore[attr-defined]
        if tx_hash is None:
            # It cannot be found on the chain, nor told from one that no record tells of.
            self.known_from.pop(event.channel_id, None)  # type: ignore[attr-defined]
            return
        if len(self.facts) >= CHAIN_FACT_COUNT_MAX:
            self.dropped_count += 1
            return
        channel_id, block_num = event.channel_id, event.block_num  # type: ignore[attr-defined]
        self.facts.append(ChainFact(seq, names, channel_id, block_num, tx_hash, asset, held))
