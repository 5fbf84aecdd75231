"""One channel in the audit's own words: states, money, payments, and what the chain said of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from node.audit.app_facts import APP_EVENTS, AppFacts
from node.audit.ledger_facts import LEDGER_EVENTS, LedgerFacts
from node.audit.standing import (
    CHAIN_STATUS_AFTER,
    Registered,
    after_payout,
    after_reclaim,
    standing_fingerprint,
    standing_of,
)
from node.audit.virtual_facts import VIRTUAL_EVENTS, VirtualFacts
from protocols import (
    app_events,
    events,
    exit_events,
    ledger_events,
    payment_events,
    resumption_events,
    virtual_events,
)
from protocols.errors import ProtocolError
from protocols.halt_events import ChannelHalted, ChannelHaltLifted
from protocols.outcome import Allocation, is_external
from protocols.state import FixedPart, State, state_from_encoding
from protocols.types import amount_from_bytes


class Payment(msgspec.Struct, gc=False):
    """A payment no receipt covers yet."""

    payment_id: bytes
    amount: int
    total: int
    """What was paid in all with it; a voucher's amount if it ends a list."""
    ends_list: bool = True
    """False: a later payment of the same list stands before the voucher."""


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
    is_expired: bool = False
    """A challenge ended without an answer, as of the confirmed blocks."""
    challenge_ends: int | None = None
    """Of the challenge that is confirmed and not cleared, chain seconds."""
    seen_outcomes: dict[tuple[int, bytes, str], Registered] = field(default_factory=dict)
    """By block, transaction and log name: what a challenge or a conclusion carries."""
    registered: Registered | None = None
    """What stands as of the confirmed blocks, as it was put there; None if nothing does."""
    is_paid: bool = False
    """Whether any of it was paid out."""
    standing: list[Allocation] | None = None
    """The confirmed outcome as it stands now; None if none does, or if it is not known."""
    first_standing: list[Allocation] | None = None
    """The same as it was at first: guarantees are judged by it (M2)."""
    owed_now: dict[tuple[bytes, bytes], int] = field(default_factory=dict)
    """By asset and address: what was paid and no record said yet to whom."""
    reclaimed: set[bytes] = field(default_factory=set)
    """Of a ledger: guarantees that the chain gave back."""
    is_checkpoint_retracted: bool = False
    """Whether a checkpoint was seen and taken back: the chain may have another one since."""
    halted_from: int = -1
    """The first block of a fork that took back what counted; -1 when the channel goes on."""
    total: int = 0
    """Largest voucher issued or accepted."""
    pending: list[Payment] = field(default_factory=list)
    listed: list[Payment] = field(default_factory=list)
    """Payments of a list whose voucher was not read yet."""
    listed_ids: set[bytes] = field(default_factory=set)
    """Theirs: to look through a list of hundreds for each of them took a third of an audit."""
    payment_ids: set[bytes] = field(default_factory=set)
    """Of a payer's channel: each is used once."""
    has_final_request: bool = False
    is_close_only: bool = False
    is_head_lost: bool = False
    """A ledger: whether the other party showed a head that our log lost, while it only closes."""
    completed: set[str] = field(default_factory=set)
    """Types of objectives that ended with success."""
    rejected: set[str] = field(default_factory=set)
    """Types of objectives that were rejected."""
    ledger: LedgerFacts | None = None
    """Of a ledger, from its postfund on."""
    virtual: VirtualFacts | None = None
    """Of a channel that ledgers carry."""
    app: AppFacts | None = None
    """Of an application's channel."""

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

    def deposit(self) -> int:
        """All opening amounts."""
        return sum(self.deposits())

    def holds_deposits(self) -> bool:
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

    def supported_final(self) -> State | None:
        """The newest final state that all signed."""
        signed = [
            state
            for state_hash, state in self.states.items()
            if state.is_final and self.is_signed_by_all(state_hash)
        ]
        return max(signed, key=lambda state: state.turn_num, default=None)

    def signed_at(self, turn_num: int) -> set[bytes]:
        """Whose signatures on a state of that turn are in the log."""
        found: set[bytes] = set()
        for state_hash, state in self.states.items():
            if state.turn_num == turn_num:
                found |= self.signers.get(state_hash, set())
        return found

    def chain_status(self) -> str:
        """The adjudicator's status at depth 0 (M11)."""
        status = "open"
        for _, _, log_name in self.observed:
            status = CHAIN_STATUS_AFTER.get(log_name, status)
        if self.is_expired:
            return "expired"
        if self.is_concluded:
            return "concluded"
        return "halted" if self.halted_from >= 0 and status == "open" else status

    @property
    def is_final(self) -> bool:
        """Whether no state of it can be registered any more."""
        return self.is_concluded or self.is_expired

    def standing_fingerprint(self) -> bytes | None:
        """Of what the log says stands on chain; None if nothing does, or if it is not known."""
        if self.registered is None or self.standing is None:
            return None
        return standing_fingerprint(self.registered, self.standing, is_paid=self.is_paid)

    def retract(self, is_retracted: Callable[[tuple[int, bytes, str]], bool]) -> None:
        """Forget what was seen at depth 0 and was replaced, or never was."""
        gone = {name for *_, name in filter(is_retracted, self.observed)}
        self.is_checkpoint_retracted |= any(CHAIN_STATUS_AFTER.get(name) == "open" for name in gone)
        self.observed = [known for known in self.observed if not is_retracted(known)]

    def are_fresh(self, payment_ids: Sequence[bytes]) -> bool:
        """Whether none of the ids was used before in this channel, nor twice among themselves."""
        return len(set(payment_ids)) == len(payment_ids) and self.payment_ids.isdisjoint(
            payment_ids
        )

    def pay(
        self, payment_ids: Sequence[bytes], amounts: Sequence[int], totals: Sequence[int]
    ) -> None:
        """Take payments with a voucher each for granted, in order; one at least."""
        self.total = totals[-1]
        self.pending += map(Payment, payment_ids, amounts, totals)
        if self.my_index == 0:
            self.payment_ids.update(payment_ids)

    def is_signed_by_all(self, state_hash: bytes) -> bool:
        """Whether every participant's signature on the state is in the log."""
        return self.signers.get(state_hash, set()) >= set(self.participants)


def apply_to_channel(channel: ChannelFacts, event: events.Event, me: bytes) -> None:
    """Take one more record of the channel for granted."""
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
        case virtual_events.VirtualChannelRecorded() if channel.virtual is None:
            channel.virtual = VirtualFacts()
            channel.virtual.apply(event)
        case _ if isinstance(event, VIRTUAL_EVENTS):
            if channel.virtual is not None:
                channel.virtual.apply(event)
        case app_events.AppChannelRecorded():
            terms = event.reducer_id, event.turn_rule, event.definition_rule
            channel.app = AppFacts(*terms, 0 if channel.my_index == 0 else 1)
        case _ if isinstance(event, APP_EVENTS):
            if channel.app is not None:
                channel.app.apply(event, channel.fixed)
        case _ if isinstance(event, LEDGER_EVENTS):
            _apply_to_ledger(channel, event)
        case _ if not _apply_payment(channel, event):
            _apply_chain(channel, event)


def _apply_to_ledger(channel: ChannelFacts, event: LEDGER_EVENTS) -> None:
    if channel.ledger is None:
        return
    channel.ledger.apply(event)
    channel.supported_turn = channel.ledger.turn_num
    if isinstance(event, ledger_events.LedgerRestored):
        channel.is_close_only = True
        channel.ledger.forget_resumption()
    elif isinstance(event, resumption_events.LedgerResumed):
        channel.is_close_only = channel.is_head_lost = False
    elif isinstance(event, resumption_events.LedgerResumptionHeard):
        channel.is_head_lost |= channel.is_close_only and not event.agrees


def _apply_payment(channel: ChannelFacts, event: events.Event) -> bool:
    """Fold one record of a payment; False if it is none."""
    match event:
        case events.VoucherIssued() | events.VoucherReceived() | payment_events.VoucherCreated():
            total, amount = amount_from_bytes(event.total), amount_from_bytes(event.amount)
            channel.pay((event.payment_id,), (amount,), (total,))
        case payment_events.PaymentListed():
            before = channel.listed[-1].total if channel.listed else channel.total
            amount = amount_from_bytes(event.amount)
            channel.listed.append(Payment(event.payment_id, amount, before + amount, False))
            channel.listed_ids.add(event.payment_id)
        case payment_events.BatchIssued() | payment_events.BatchReceived():
            channel.total = amount_from_bytes(event.total)
            if channel.my_index == 0:
                channel.payment_ids |= channel.listed_ids
            if channel.listed:
                channel.listed[-1].ends_list = True
            channel.pending += channel.listed
            channel.listed, channel.listed_ids = [], set()
        case payment_events.VoucherTaken():
            channel.total = amount_from_bytes(event.total)
        case events.ReceiptIssued() | events.ReceiptReceived():
            del channel.pending[: len(covered_by(channel, event))]
        case _:
            return False
    return True


def covered_by(
    channel: ChannelFacts, event: events.ReceiptIssued | events.ReceiptReceived
) -> list[Payment]:
    """The payments that a receipt is for: as many as it says, or all within its total."""
    if event.payment_count:
        return channel.pending[: event.payment_count]
    total = amount_from_bytes(event.total)
    return [payment for payment in channel.pending if payment.total <= total]


def _take_back_payouts(channel: ChannelFacts, asset: bytes) -> int:
    """A fork made the channel open again: what had been paid out of the asset."""
    channel.is_concluded = channel.is_expired = False
    channel.challenge_ends = None
    _stand_on(channel, None)
    paid = sum(amount for (of, _), amount in channel.withdrawn.items() if of == asset)
    channel.withdrawn.clear()
    return paid


def _apply_chain(channel: ChannelFacts, event: events.Event) -> None:
    match event:
        case events.ChainLogObserved():
            channel.observed.append((event.block_num, event.tx_hash, event.log_name))
            if event.log_name in ("ChallengeRegistered", "Concluded"):
                place = event.block_num, event.tx_hash, event.log_name
                channel.seen_outcomes[place] = Registered(
                    event.number,
                    bytes(32) if event.log_name == "Concluded" else event.state_hash,
                    event.outcome,
                )
        case events.ChainLogRefuted():
            place = (event.block_num, event.tx_hash, event.log_name)
            channel.retract(lambda known: known == place)
        case events.DepositDetected():
            channel.held[event.asset] = amount_from_bytes(event.now_held)
            before = channel.deposited.get(event.asset, 0)
            channel.deposited[event.asset] = before + amount_from_bytes(event.amount_deposited)
        case events.HoldingsRead():
            held = amount_from_bytes(event.held)
            risen = held - channel.held.get(event.asset, 0)
            if channel.halted_from >= 0 and not event.finalizes_at:
                risen -= _take_back_payouts(channel, event.asset)
            channel.deposited[event.asset] = channel.deposited.get(event.asset, 0) + risen
            channel.held[event.asset] = held
            known = channel.registered
            if channel.halted_from >= 0 and known and event.finalizes_at != known.finalizes_at:
                # Another challenge than the one that was seen: what it carries is not known.
                _stand_on(channel, None)
            if event.finalizes_at:
                channel.observed.append((event.block_num, b"", "ChallengeRegistered"))
        case events.AllocationUpdated():
            channel.held[event.asset] = amount_from_bytes(event.new_amount)
        case ChannelHalted():
            channel.halted_from = event.fork_block_num
        case ChannelHaltLifted():
            channel.halted_from = -1
        case events.ChannelConcluded():
            channel.is_concluded = True
            _stand(channel, event.block_num, event.tx_hash, "Concluded")
        case events.ChallengeRegistered():
            channel.challenge_ends = event.finalization_time
            _stand(channel, event.block_num, event.tx_hash, "ChallengeRegistered")
        case events.ChallengeCleared():
            channel.challenge_ends = None
            _stand_on(channel, None)
        case exit_events.ChallengeExpired():
            channel.is_expired = True
        case exit_events.OutcomePaid():
            _pay_out(channel, event)
        case exit_events.OutcomeReclaimed():
            channel.reclaimed.add(event.target)
            if channel.standing is not None:
                share = amount_from_bytes(event.right_share)
                channel.standing = after_reclaim(channel.standing, event.target, share)
        case events.WithdrawCompleted():
            key = event.asset, event.recipient
            paid = channel.withdrawn.get(key, 0)
            channel.withdrawn[key] = paid + amount_from_bytes(event.amount)
            rest = channel.owed_now.get(key, 0) - amount_from_bytes(event.amount)
            channel.owed_now[key] = max(0, rest)


def _stand(channel: ChannelFacts, block_num: int, tx_hash: bytes | None, log_name: str) -> None:
    _stand_on(channel, channel.seen_outcomes.get((block_num, tx_hash or b"", log_name)))


def _stand_on(channel: ChannelFacts, registered: Registered | None) -> None:
    channel.registered, channel.is_paid = registered, False
    encoded = b"" if registered is None else registered.outcome
    channel.standing = channel.first_standing = standing_of(encoded)


def _pay_out(channel: ChannelFacts, event: exit_events.OutcomePaid) -> None:
    channel.is_paid = True
    prefund, amounts = channel.prefund(), tuple(map(amount_from_bytes, event.amounts))
    if channel.standing is None or prefund is None or len(prefund.outcome) != 1:
        return
    asset = prefund.outcome[0].asset
    for index, amount in zip(event.indices, amounts, strict=False):
        if index < len(channel.standing) and is_external(channel.standing[index].destination):
            key = asset, channel.standing[index].destination[12:]
            channel.owed_now[key] = channel.owed_now.get(key, 0) + amount
    channel.standing = after_payout(channel.standing, event.indices, amounts)
