"""What the log has said so far, in the audit's own words: the ground that later records stand on.

This is a second, independent fold. It shares the encodings of `protocols` (what is signed is what
the contracts check) and none of the reducers, so a wrong reducer does not vouch for itself.
"""

from dataclasses import dataclass, field

from protocols import events
from protocols.errors import ProtocolError
from protocols.state import FixedPart, State, state_from_encoding
from protocols.types import amount_from_bytes

CHAIN_STATUS_AFTER = {
    "ChallengeRegistered": "challenged",
    "ChallengeCleared": "open",
    "Checkpointed": "open",
    "Concluded": "concluded",
}
"""What a log of the adjudicator makes of a channel; logs not named leave it."""


@dataclass(slots=True)
class Payment:
    """A payment no receipt covers yet."""

    payment_id: bytes
    amount: int
    total: int


@dataclass(slots=True)
class ChannelFacts:
    """One channel as the log has told of it."""

    channel_id: bytes
    fixed: FixedPart
    my_index: int | None
    """None: we take no part in it."""
    states: dict[bytes, State] = field(default_factory=dict)
    """By state hash."""
    signers: dict[bytes, set[bytes]] = field(default_factory=dict)
    """Who signed a state hash."""
    signed_by_me: dict[int, bytes] = field(default_factory=dict)
    """Turn -> the state hash we signed."""
    supported_turn: int | None = None
    supported_hash: bytes = b""
    refused_turns: set[int] = field(default_factory=set)
    """Turns the payee will never sign (M7)."""
    refused_by_me: set[int] = field(default_factory=set)
    held: dict[bytes, int] = field(default_factory=dict)
    """Confirmed holdings by asset, smallest unit."""
    deposited: dict[bytes, int] = field(default_factory=dict)
    """By asset, from whomever."""
    withdrawn: dict[tuple[bytes, bytes], int] = field(default_factory=dict)
    """Paid out on chain, by asset and recipient."""
    observed: list[tuple[int, bytes, str]] = field(default_factory=list)
    """(block number, transaction, log name) seen at depth 0, in order; a reorg retracts."""
    is_concluded: bool = False
    total: int = 0
    """Largest voucher issued or accepted."""
    pending: list[Payment] = field(default_factory=list)
    payment_ids: set[bytes] = field(default_factory=set)
    has_final_request: bool = False
    is_close_only: bool = False
    completed: set[str] = field(default_factory=set)
    """Types of objectives that ended with success."""

    @property
    def participants(self) -> tuple[bytes, ...]:
        """Addresses by index."""
        return self.fixed.participants

    def prefund(self) -> State | None:
        """The state of turn 0, once stored."""
        return next((state for state in self.states.values() if state.turn_num == 0), None)

    def deposits(self) -> tuple[int, ...]:
        """Opening amounts by participant; empty without a prefund of one asset."""
        prefund = self.prefund()
        if prefund is None or len(prefund.outcome) != 1:
            return ()
        return tuple(allocation.amount for allocation in prefund.outcome[0].allocations)

    def is_funded(self) -> bool:
        """Whether confirmed holdings cover the prefund outcome."""
        prefund = self.prefund()
        if prefund is None:
            return False
        return all(
            self.held.get(exit_.asset, 0) >= sum(a.amount for a in exit_.allocations)
            for exit_ in prefund.outcome
        )

    def signed_final(self) -> bool:
        """Whether we signed a final state that nobody refused since."""
        return any(
            self.states[state_hash].is_final
            for turn, state_hash in self.signed_by_me.items()
            if turn not in self.refused_turns and state_hash in self.states
        )

    def chain_status(self) -> str:
        """The adjudicator's status at depth 0 (M11)."""
        status = "open"
        for _, _, log_name in self.observed:
            status = CHAIN_STATUS_AFTER.get(log_name, status)
        return "concluded" if self.is_concluded else status

    def is_signed_by_all(self, state_hash: bytes) -> bool:
        """Whether every participant's signature on the state is in the log."""
        return self.signers.get(state_hash, set()) >= set(self.participants)


class Facts:
    """The node and all its channels. `apply` after the checks of a record have seen it."""

    def __init__(self) -> None:
        self.node: events.NodeCreated | None = None
        self.channels: dict[bytes, ChannelFacts] = {}
        self.objectives: dict[bytes, events.ObjectiveCreated] = {}
        self.transactions: dict[bytes, events.TransactionRequested] = {}
        self.tx_hashes: dict[bytes, bytes] = {}
        """Intent -> hash of the transaction that was signed for it."""

    @property
    def me(self) -> bytes:
        """Our address; empty before record 0."""
        return b"" if self.node is None else self.node.node_address

    def apply(self, event: events.Event) -> None:
        """Take one more record for granted; what it says was judged before."""
        match event:
            case events.NodeCreated():
                self.node = event
            case events.ChannelCreated():
                self._channel_created(event)
            case events.ObjectiveCreated():
                self.objectives[event.objective_id] = event
            case events.ObjectiveCompleted():
                self._objective_completed(event)
            case events.TransactionRequested():
                self.transactions[event.intent_id] = event
            case events.TransactionSubmitted():
                self.tx_hashes[event.intent_id] = event.tx_hash
            case events.LogTailCut():
                for channel in self.channels.values():
                    channel.is_close_only = True
            case events.ChainReorged():
                for channel in self.channels.values():
                    channel.observed = [o for o in channel.observed if o[0] < event.fork_block_num]
            case _:
                channel_id = getattr(event, "channel_id", None)
                known = self.channels.get(channel_id) if isinstance(channel_id, bytes) else None
                if known is not None:
                    _apply_to_channel(known, event, self.me)

    def _channel_created(self, event: events.ChannelCreated) -> None:
        try:
            fixed = FixedPart(
                event.participants,
                event.channel_nonce,
                event.app_definition,
                event.challenge_duration,
            )
        except ProtocolError:
            return
        mine = event.participants.index(self.me) if self.me in event.participants else None
        self.channels.setdefault(event.channel_id, ChannelFacts(event.channel_id, fixed, mine))

    def _objective_completed(self, event: events.ObjectiveCompleted) -> None:
        objective = self.objectives.get(event.objective_id)
        channel = self.channels.get(objective.channel_id) if objective is not None else None
        if event.success and objective is not None and channel is not None:
            channel.completed.add(objective.objective_type)


def _apply_to_channel(channel: ChannelFacts, event: events.Event, me: bytes) -> None:
    match event:
        case events.StateStored():
            try:
                state = state_from_encoding(channel.fixed, event.encoded_state)
            except ProtocolError:
                return
            channel.states[event.state_hash] = state
        case events.StateSigned():
            channel.signers.setdefault(event.state_hash, set()).add(event.signer)
            channel.signed_by_me.setdefault(event.turn_num, event.state_hash)
        case events.StateReceived():
            channel.signers.setdefault(event.state_hash, set()).add(event.signer)
        case events.StateSupportedUpdated():
            channel.supported_turn = event.supported_turn
            channel.supported_hash = event.state_hash
        case events.FinalStateRequested():
            channel.has_final_request = True
        case events.FinalStateRefused():
            channel.refused_turns.add(event.turn_num)
            if event.refuser == me:
                channel.refused_by_me.add(event.turn_num)
        case events.VoucherIssued() | events.VoucherReceived():
            channel.total = amount_from_bytes(event.total)
            amount = amount_from_bytes(event.amount)
            channel.pending.append(Payment(event.payment_id, amount, channel.total))
            channel.payment_ids.add(event.payment_id)
        case events.ReceiptIssued() | events.ReceiptReceived():
            del channel.pending[: event.payment_count]
        case _:
            _apply_chain(channel, event)


def _apply_chain(channel: ChannelFacts, event: events.Event) -> None:
    match event:
        case events.ChainLogObserved():
            channel.observed.append((event.block_num, event.tx_hash, event.log_name))
        case events.DepositDetected():
            channel.held[event.asset] = amount_from_bytes(event.now_held)
            before = channel.deposited.get(event.asset, 0)
            channel.deposited[event.asset] = before + amount_from_bytes(event.amount_deposited)
        case events.HoldingsRead():
            held = amount_from_bytes(event.held)
            risen = held - channel.held.get(event.asset, 0)
            channel.deposited[event.asset] = channel.deposited.get(event.asset, 0) + risen
            channel.held[event.asset] = held
            if event.finalizes_at:
                channel.observed.append((event.block_num, b"", "ChallengeRegistered"))
        case events.AllocationUpdated():
            channel.held[event.asset] = amount_from_bytes(event.new_amount)
        case events.ChannelConcluded():
            channel.is_concluded = True
        case events.WithdrawCompleted():
            key = event.asset, event.recipient
            paid = channel.withdrawn.get(key, 0)
            channel.withdrawn[key] = paid + amount_from_bytes(event.amount)
