"""Draft: a crank's working copy. It reads through to the state and gathers the answer.

A crank never touches the state it was given: every event it emits is folded into the draft at
once, so that the next line of the crank sees it, and the engine folds the same events into the
state afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat

from msgspec import Struct

from protocols import events, messages
from protocols.crypto import restore_v
from protocols.delivery import is_objective_message, message_id
from protocols.effects import (
    BroadcastTransaction,
    Effect,
    ReadHoldings,
    SendMessage,
    SubmitTransaction,
)
from protocols.node_state import NodeState, apply, apply_run
from protocols.objectives.base import WaitingFor
from protocols.transactions import (
    ATTEMPT_COUNT_MAX,
    Transaction,
    gas_margin_percent,
    intent_id,
    may_follow,
    newest_attempt,
    was_vain,
)
from protocols.types import (
    Address,
    Amount,
    Bytes32,
    ChannelId,
    ObjectiveId,
    Signature,
    amount_to_bytes,
    to_hex,
)
from protocols.working_state import WorkingState

PAYEE = "payee"
FOLLOWER = "follower"
HUB = "hub"
PLAYER = "player"


class Proposal(Struct, frozen=True, gc=False):
    """What policy decides on: an objective a peer asks us to take part in."""

    peer: Address
    """Who proposes it to us: for a virtual channel our neighbour on the left."""
    objective_type: str
    asset: Address
    my_deposit: int
    """What we put in on chain, smallest unit; 0 for a virtual channel."""
    their_deposit: int
    challenge_duration: int
    """Seconds."""
    role: str = PAYEE
    """PAYEE of a payment channel, FOLLOWER in a ledger, HUB between the ends of a path, PLAYER in
    an application channel."""
    guaranteed: int = 0
    """What each of our ledgers on the path guarantees for a virtual channel; else 0."""
    fee: int = 0
    """What we are offered as an intermediary."""
    reducer_id: bytes = b""
    """sha256 of the code that an application channel runs; else empty."""

    @property
    def amount(self) -> int:
        """All the money of the channel, whoever puts it in."""
        return self.my_deposit + self.their_deposit + self.guaranteed


class Decision(Struct, frozen=True, gc=False):
    """Policy's answer: allow, ask or deny, and why."""

    verdict: str
    reason: str = ""


def _no_fee(asset: Address, amount: int) -> int:
    return 0


def _no_limit(asset: Address) -> int | None:
    return None


def _no_reducer(reducer_id: Bytes32) -> bool:
    return False


def _any_opening(
    reducer_id: Bytes32, channel_id: ChannelId, deposits: tuple[Amount, Amount]
) -> str:
    return ""


def _no_head(length: int, root: Bytes32) -> bool:
    return False


CHALLENGE_DURATION_S_MAX = 30 * 86_400
"""Seconds. A challenge that never ends enforces nothing, and near 2**48 the contract overflows."""


class Context(Struct, frozen=True, gc=False):
    """What a crank is told about the moment: the time, the signer, the rules of this node."""

    now_ms: int
    signer: Callable[[Bytes32], Signature]
    """Signs a 32-byte hash under EIP-191, deterministically."""
    me: Address
    challenge_duration_s_min: int
    decide: Callable[[Proposal], Decision]
    chain_view_age_s: int | None = 0
    """Age of our view of the chain, seconds; None before an endpoint showed it (M11)."""
    challenge_duration_s_max: int = CHALLENGE_DURATION_S_MAX
    """Who does not answer binds our money for one duration or several."""
    shares_vouchers: bool = True
    """Whether the payments of a batch share one voucher, unless the batch says."""
    assets: frozenset[Address] = frozenset()
    """Tokens that channels may hold besides the chain's own currency."""
    is_hub: bool = False
    """Whether this node carries virtual channels of others."""
    fee_for: Callable[[Address, int], int] = _no_fee
    """What this node takes as an intermediary for an amount of an asset (M14)."""
    guarantee_count_max: int = 100
    """M17: guarantees in one ledger."""
    exposure_max: Callable[[Address], int | None] = _no_limit
    """By asset: the most that guarantees with one peer may come to."""
    capacity: Callable[[Address], int | None] = _no_limit
    """By asset: the most that all channels this node carries as an intermediary may come to."""
    has_head: Callable[[int, Bytes32], bool] = _no_head
    """Whether our log has that root over so many records (`mountain_range`)."""
    has_reducer: Callable[[Bytes32], bool] = _no_reducer
    """Whether the code with that sha256 is installed: an application can be run."""
    why_not_opened: Callable[[Bytes32, ChannelId, tuple[Amount, Amount]], str] = _any_opening
    """Why that reducer does not begin a channel of that id and those deposits; empty if it does."""
    approval_timeout_s: int = 86_400
    """How long a proposal waits for the owner's word."""
    exit_patience_s: int = 60
    """How long neighbours have to give back the guarantees of a channel that is final on chain."""
    challenge_after_silence_s: int = 0
    """How long a peer may keep a running objective waiting before we challenge; 0: for ever."""
    for_chain: Callable[[Bytes32, Signature, Address], Signature] = restore_v
    """Hash, signature and signer to the signature as the contracts take it (M9)."""


class CrankResult(Struct, frozen=True, gc=False):
    """What one input leads to: facts to record, work to do, and what is awaited next."""

    events: tuple[events.Event, ...]
    effects: tuple[Effect, ...]
    waiting_for: WaitingFor = WaitingFor.NOTHING
    parts: tuple[tuple[int, int], ...] = ()
    """(place, origin): the events from that place on follow from the event at the origin, and from
    nothing if it is that place itself. Without parts, all follow from the first. What time or the
    end of a batch leads to in one channel has nothing to do with another."""


class Draft:
    """A crank's working copy of the state, and its answer so far."""

    __slots__ = ("base", "context", "effects", "events", "parts", "state")

    def __init__(self, base: NodeState, context: Context) -> None:
        self.base = base
        self.context = context
        self.state: NodeState = WorkingState(base)
        self.events: list[events.Event] = []
        self.effects: list[Effect] = []
        self.parts: list[tuple[int, int]] = []

    @property
    def unreceipted(self) -> frozenset[ChannelId]:
        """Channels with payments to us that no receipt covers, as before this crank."""
        return frozenset(self.base.unreceipted)

    @property
    def refused(self) -> frozenset[ChannelId]:
        """Channels with refused payments of ours, as before this crank."""
        return frozenset(self.base.refused)

    @property
    def unanswered(self) -> frozenset[ChannelId]:
        """Ledgers with proposals of their leaders to judge, as before this crank."""
        return frozenset(self.base.unanswered)

    def begin_anew(self, origin: int | None = None) -> None:
        """What comes next follows from the event at `origin`, or from none of those before."""
        place = len(self.events)
        if place:
            self.parts.append((place, place if origin is None else origin))

    def emit(self, event: events.Event) -> None:
        """A fact: recorded, and visible to the rest of this crank."""
        apply(self.state, event, self.context.now_ms)
        self.events.append(event)

    def emit_run(self, run: Sequence[events.Event]) -> None:
        """Facts of one kind of `node_state.RUNS`, of one channel: folded together."""
        apply_run(self.state, run)
        self.events.extend(run)

    def send_covered(self, peer: Address, body: messages.Body, fact: events.Event) -> None:
        """Send a message that is its own recorded fact (payments, receipts)."""
        assert not is_objective_message(body)
        sequence = self.state.peer(peer).sent + 1
        self.emit(fact)
        assert self.state.peer(peer).sent == sequence, "the fact must count as one message sent"
        self.effects.append(SendMessage(peer, sequence, messages.encode_body(body)))

    def send_run(
        self, peer: Address, bodies: Sequence[messages.Body], run: Sequence[events.Event]
    ) -> None:
        """As many messages that are their own recorded facts, all of one kind and channel."""
        before = self.state.peer(peer).sent
        self.emit_run(run)
        assert self.state.peer(peer).sent == before + len(bodies), "each fact must count as one"
        sequences = range(before + 1, before + 1 + len(bodies))
        encoded = map(messages.encode_body, bodies)
        self.effects.extend(map(SendMessage, repeat(peer), sequences, encoded))

    def send(self, peer: Address, body: messages.Body, objective_id: ObjectiveId) -> None:
        """Send an objective message, recorded as `message-sent`."""
        encoded = messages.encode_body(body)
        sequence = self.state.peer(peer).sent + 1
        identity = message_id(self.context.me, peer, sequence, encoded)
        kind = type(body).__name__
        self.emit(events.MessageSent(identity, to_hex(peer), objective_id, len(encoded), kind))
        self.effects.append(SendMessage(peer, sequence, encoded))

    def broadcast(self, signed: Transaction) -> None:
        """Send a transaction's newest bytes to the chain until a receipt is known."""
        self.effects.append(
            BroadcastTransaction(
                signed.intent_id, signed.tx_hash, signed.raw, signed.deadline_s, signed.earlier
            )
        )

    def read_holdings(self, channel_id: ChannelId, asset: Address) -> None:
        """Ask the chain what a channel holds, until it is told."""
        self.effects.append(ReadHoldings(channel_id, asset))

    def latest_transaction(
        self, kind: str, channel_id: ChannelId
    ) -> tuple[int, Transaction | None]:
        """The newest attempt's number and record; (-1, None) before the first."""
        return newest_attempt(self.state.transactions.get, kind, channel_id)

    def _vain_count(self, kind: str, channel_id: ChannelId, attempt: int, data: bytes) -> int:
        """How many attempts in a row came to nothing, up to that one."""
        count = 0
        while count < min(attempt + 1, ATTEMPT_COUNT_MAX):
            known = self.state.transactions[intent_id(kind, channel_id, attempt - count)]
            if not was_vain(known, data):
                break
            count += 1
        return count

    def request_transaction(
        self,
        kind: str,
        channel_id: ChannelId,
        to: Address,
        value: int,
        data: bytes,
        *,
        repeats: bool = False,
        deadline_s: int = 0,
    ) -> bool:
        """Ask for one call unless an attempt is under way, done, or failed a moment ago.

        What `repeats` is asked for again when it was done, after a pause if the same call is.
        `deadline_s` is the time of the chain, Unix seconds, by which it must be mined: fees rise
        towards it; 0 for none. False if none was added; at a later `Tick` it may be.
        """
        attempt, newest = self.latest_transaction(kind, channel_id)
        now_ms = self.context.now_ms
        if newest is not None:
            vain_count = self._vain_count(kind, channel_id, attempt, data)
            if not may_follow(newest, vain_count, now_ms, repeats=repeats, deadline_s=deadline_s):
                return False
        identity = intent_id(kind, channel_id, attempt + 1)
        wei = amount_to_bytes(value)
        self.emit(
            events.TransactionRequested(identity, kind, channel_id, to, wei, data, deadline_s)
        )
        margin = gas_margin_percent(newest)
        self.effects.append(SubmitTransaction(identity, kind, to, wei, data, deadline_s, margin))
        return True

    def result(self, waiting_for: WaitingFor = WaitingFor.NOTHING) -> CrankResult:
        """The answer of this crank."""
        return CrankResult(tuple(self.events), tuple(self.effects), waiting_for, tuple(self.parts))
