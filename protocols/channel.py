"""A channel: its fixed part, the signatures gathered by turn, what the chain holds, what was paid.

One model for every channel. All values are frozen; a reducer (`node_state`) replaces them.
Queries here answer from the data alone: nothing that can be computed is stored. It does not know
how a state came to be signed (objectives) or paid (payments), only what follows from it.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from protocols.abi import decode_state
from protocols.adjudication import FINALISED as FINALISED
from protocols.adjudication import (
    Adjudicated,
    after_log,
    exit_of,
    status_after,
)
from protocols.adjudication import ChainStatus as ChainStatus
from protocols.adjudication import ObservedLog as ObservedLog
from protocols.app_channel import RUN_MESSAGE_COUNT_MAX, App
from protocols.compact_state import compacted, expanded, split_of
from protocols.crypto import KnownSigner, known_signer_from_signature
from protocols.ledger import Ledger
from protocols.outcome import GUARANTEE, SingleAssetExit, destination_of, is_external, total
from protocols.sharing import shared
from protocols.state import FixedPart, State, state_from_encoding
from protocols.types import Address, ChannelId, StateHash
from protocols.voucher import Vouchers

PREFUND_TURN = 0
POSTFUND_TURN = 1
REDEMPTION_TURN = 2
"""M7: the redemption's alone; no cooperative state is ever signed at it."""
FIRST_FINAL_TURN = 3
FINAL_TURN_COUNT_MAX = 16
"""Final states a channel may go through; honest parties need one, after a cut tail two."""


class ChannelStatus(StrEnum):
    """Where a channel is in its life, computed by `status`."""

    PROPOSED = "proposed"
    FUNDING = "funding"
    OPEN = "open"
    CLOSING = "closing"
    CHALLENGED = "challenged"
    EXPIRED = "expired"
    CONCLUDED = "concluded"
    CLOSED = "closed"
    REJECTED = "rejected"


class SignedTurn(Struct, frozen=True, array_like=True, gc=False):
    """One state with the signatures gathered so far, by participant index; b"" where missing."""

    turn_num: int
    state_hash: StateHash
    is_final: bool
    compact_state: bytes
    """What was signed, as `compact_state` keeps it."""
    signatures: tuple[bytes, ...]

    @property
    def encoded_state(self) -> bytes:
        """The bytes whose hash is `state_hash`."""
        return expanded(self.compact_state)

    def is_signed_by_all(self) -> bool:
        """True once no participant's signature is missing."""
        return all(self.signatures)


class Holding(Struct, frozen=True, array_like=True, gc=False):
    """What the adjudicator holds for the channel in one asset, smallest unit."""

    asset: Address
    confirmed: int


class Halt(Struct, frozen=True, array_like=True, gc=False):
    """A fork replaced blocks that counted: what did, until the chain shows it again."""

    fork_block_num: int
    held: int
    chain_status: str


class FinalRequest(Struct, frozen=True, array_like=True, gc=False):
    """Somebody asked for the final state, showing the largest voucher it holds."""

    requester: Address
    total: int
    signature: bytes


class Virtual(Struct, frozen=True, array_like=True, gc=False):
    """What carries a virtual channel on our side of its path."""

    left_ledger: bytes
    """The ledger with the participant before us; empty for the payer."""
    right_ledger: bytes
    """The ledger with the participant after us; empty for the payee."""
    fees: tuple[int, ...]
    """By intermediary, in path order (M14)."""
    renounced: tuple[Address, ...] = ()
    """Participants who recorded that they never sign the postfund (M16 b)."""
    unwinding: bool = False
    """True once somebody asked that the channel be given up before it opened."""
    error_code: str = ""
    """Why it is given up, by name."""
    reason: str = ""
    removal_refusal_count: int = 0
    """How often a follower refused to give a guarantee back: each doubles the pause."""
    settled: bool = False
    """True once it was closed and its guarantees are gone: the split is in our ledgers."""


class Channel(Struct, frozen=True, array_like=True):
    """Everything known about one channel."""

    channel_id: ChannelId
    fixed: FixedPart
    my_index: int
    turns: tuple[SignedTurn, ...] = ()
    """In order of turn number; one state a turn."""
    supported_turn: int = -1
    """-1 while no state is supported."""
    holdings: tuple[Holding, ...] = ()
    observed: tuple[ObservedLog, ...] = ()
    confirmed_up_to: tuple[int, int] = (-1, -1)
    """(block number, log index) up to which all logs count; index -1: all before the block."""
    chain_status: str = ChainStatus.OPEN
    """As of the confirmed logs; `observed_chain_status` adds the others."""
    adjudicated: Adjudicated | None = None
    """What the adjudicator keeps of it, as of the confirmed logs; None before it kept anything."""
    withdrawn: tuple[tuple[Address, int], ...] = ()
    """What the chain paid out to whom, confirmed."""
    vouchers: Vouchers = Vouchers()
    final_requests: tuple[FinalRequest, ...] = ()
    refused_turns: tuple[int, ...] = ()
    """Final turns that one side said it never signs (M7)."""
    close_only: bool = False
    """M27."""
    rejected: bool = False
    ledger: Ledger | None = None
    """Balances and guarantees, from the postfund on; None for channels that are no ledgers."""
    virtual: Virtual | None = None
    """None for channels that the chain funds."""
    final_turn_min: int = FIRST_FINAL_TURN
    """Below it we may have signed a final state that a cut tail made us forget (M6, M27)."""
    cleared_ms: int = 0
    """When the newest clearing of a challenge was confirmed, Unix milliseconds; 0 for none."""
    unanswerable_until: int = 0
    """The end of the newest challenge that we could not answer, chain seconds; 0 for none."""
    unread: bool = False
    """Its logs may have passed while a cut tail made us forget it, or a fork took back what
    counted: the chain is to be asked."""
    app: App | None = None
    """What an application's messages came to; None for channels that are for payments."""
    halt: Halt | None = None
    """No payments until the chain shows again what a fork took back."""

    @property
    def me(self) -> Address:
        """Our own address in the channel."""
        return self.fixed.participants[self.my_index]

    @property
    def counterparty(self) -> Address:
        """The participant at the other end; for an intermediary, the payee."""
        return self.fixed.participants[0 if self.my_index == self.payee_index else -1]

    @property
    def payee_index(self) -> int:
        """The last participant's place."""
        return len(self.fixed.participants) - 1

    @property
    def is_end(self) -> bool:
        """True unless we are an intermediary of a virtual channel."""
        return self.my_index in (0, self.payee_index)

    def turn(self, turn_num: int) -> SignedTurn | None:
        """The state of that turn with its signatures; None if no state of it is known."""
        for turn in self.turns:
            if turn.turn_num == turn_num:
                return turn
        return None

    def state(self, turn: SignedTurn) -> State:
        """The decoded state of a turn of this channel."""
        return _decoded(self.fixed, turn.compact_state)

    def signed_by_me(self, turn_num: int) -> bool:
        """True if our own signature stands under that turn."""
        turn = self.turn(turn_num)
        return turn is not None and bool(turn.signatures[self.my_index])


@lru_cache(maxsize=512)
def _decoded(fixed: FixedPart, compact_state: bytes) -> State:
    return state_from_encoding(fixed, expanded(compact_state))


@lru_cache(maxsize=4096)
def _signers_found(address: Address) -> list[KnownSigner]:
    """The key of that address, once some signature gave it away: one, whatever the channel."""
    return []


def known_signer(channel: Channel, index: int) -> KnownSigner | None:
    """The participant's parsed key, from its prefund signature; None while that is missing."""
    turn = channel.turn(PREFUND_TURN)
    if turn is None or not turn.signatures[index]:
        return None
    address = channel.fixed.participants[index]
    found = _signers_found(address)
    if not found:
        signer = known_signer_from_signature(turn.state_hash, turn.signatures[index], address)
        if signer is None:
            return None
        found.append(signer)
    return found[0]


def is_supported(channel: Channel, turn_num: int) -> bool:
    """M5: pre- and postfund and final states need every participant's signature."""
    turn = channel.turn(turn_num)
    return turn is not None and turn.is_signed_by_all()


class FundingTerms(Struct, frozen=True, gc=False):
    """What the prefund state says about money: one asset, who puts in how much."""

    asset: Address
    deposits: tuple[int, ...]
    """Opening amounts by participant index."""
    total: int


@lru_cache(maxsize=65_536)
def _terms(compact_prefund: bytes) -> FundingTerms:
    split = split_of(compact_prefund)
    if split is not None:
        asset, *amounts = split
        return FundingTerms(shared(asset), tuple(amounts), sum(amounts))
    (exit_,) = decode_state(expanded(compact_prefund)).outcome
    deposits = tuple(allocation.amount for allocation in exit_.allocations)
    return FundingTerms(shared(exit_.asset), deposits, total(exit_))


def funding_terms(channel: Channel) -> FundingTerms:
    """From the prefund state, which every channel here begins with."""
    return _terms(channel.turns[PREFUND_TURN].compact_state)


def confirmed_holdings(channel: Channel, asset: Address) -> int:
    """What the adjudicator holds at the configured depth, smallest unit: what money relies on."""
    for holding in channel.holdings:
        if holding.asset == asset:
            return holding.confirmed
    return 0


def observed_holdings(channel: Channel, asset: Address) -> int:
    """Holdings at depth 0: the confirmed ones, then the logs above them."""
    amount = confirmed_holdings(channel, asset)
    for log in channel.observed:
        if log.log_name in ("Deposited", "AllocationUpdated") and log.asset == asset:
            amount = log.amount
    return amount


def observed_chain_status(channel: Channel) -> str:
    """The adjudicator's status at depth 0: what defence and payments act on (M11, M19)."""
    status = channel.chain_status
    for log in channel.observed:
        status = status_after(status, log.log_name)
    return status


def is_funded(channel: Channel) -> bool:
    """C8: deposits follow holdings, not depositors; only confirmed ones count."""
    terms = funding_terms(channel)
    return confirmed_holdings(channel, terms.asset) >= terms.total


def signed_final(channel: Channel, index: int) -> SignedTurn | None:
    """The newest final state the participant signed and nobody refused."""
    for turn in reversed(channel.turns):
        if turn.is_final and turn.signatures[index] and turn.turn_num not in channel.refused_turns:
            return turn
    return None


def supported_final(channel: Channel) -> SignedTurn | None:
    """The newest final state signed by all: what `conclude` takes."""
    for turn in reversed(channel.turns):
        if turn.is_final and turn.is_signed_by_all():
            return turn
    return None


def next_final_turn(channel: Channel) -> int:
    """M7: turn 3, or the next one above that nobody signed or refused."""
    used = [turn.turn_num for turn in channel.turns if turn.is_final]
    if channel.app is not None:
        used.append(channel.app.tip.turn_num)
    return max([FIRST_FINAL_TURN - 1, *used, *channel.refused_turns]) + 1


def next_own_final_turn(channel: Channel) -> int:
    """Where the payer signs next: as `next_final_turn`, above all that she may have forgotten."""
    turn_num = max(next_final_turn(channel), channel.final_turn_min)
    if channel.app is not None:
        # The other end may have signed a run that we offered and know nothing of.
        turn_num = max(turn_num, channel.app.tip.turn_num + RUN_MESSAGE_COUNT_MAX + 1)
    return turn_num


def observed_adjudicated(channel: Channel) -> Adjudicated:
    """What the adjudicator keeps at depth 0: what the next transaction meets (M19)."""
    known = channel.adjudicated or Adjudicated()
    for log in channel.observed:
        known = after_log(known, log)
    return known


def challenge_end(channel: Channel) -> int:
    """When the challenge that runs ends, as observed, chain seconds; 0 without one."""
    is_challenged = observed_chain_status(channel) == ChainStatus.CHALLENGED
    return observed_adjudicated(channel).finalizes_at if is_challenged else 0


def is_finalised(channel: Channel) -> bool:
    """True once no state can be registered any more, as of the confirmed logs and blocks."""
    return channel.chain_status in FINALISED


def own_rest(channel: Channel, exit_: SingleAssetExit) -> int:
    """What an outcome of the channel owes our address beside guarantees."""
    mine = destination_of(channel.me)
    return sum(a.amount for a in exit_.allocations if a.destination == mine)


def own_guarantees(channel: Channel, exit_: SingleAssetExit) -> list[int]:
    """The places of the guarantees in an outcome of the channel that are given back to us."""
    mine = destination_of(channel.me)
    return [
        place
        for place, share in enumerate(exit_.allocations)
        if share.allocation_type == GUARANTEE and mine in (share.metadata[:32], share.metadata[32:])
    ]


def is_withdrawn(channel: Channel) -> bool:
    """True once the chain paid out all that is ours, as of the confirmed logs.

    Without the outcome (a cut tail forgot the final state, M27): once the chain holds nothing any
    more.
    """
    if not is_finalised(channel):
        return False
    known = channel.adjudicated or Adjudicated()
    exit_ = exit_of(known.outcome)
    if known.is_left:
        return True
    if exit_ is None:
        return confirmed_holdings(channel, funding_terms(channel).asset) == 0
    if own_guarantees(channel, exit_):
        return False
    if channel.chain_status == ChainStatus.CONCLUDED:
        # Concluding pays everybody at once, unless a payout fails: then we see to our own.
        return not any(a.amount for a in exit_.allocations if is_external(a.destination))
    return own_rest(channel, exit_) == 0


def status(channel: Channel) -> ChannelStatus:
    """Where the channel is, from what the chain showed and what was signed."""
    observed = observed_chain_status(channel)
    is_settled = channel.virtual is not None and channel.virtual.settled
    if is_settled or is_withdrawn(channel):
        return ChannelStatus.CLOSED
    if observed in FINALISED:
        return ChannelStatus(observed)
    if observed == ChainStatus.CHALLENGED:
        return ChannelStatus.CHALLENGED
    if channel.final_requests or any(turn.is_final for turn in channel.turns):
        return ChannelStatus.CLOSING
    if is_supported(channel, POSTFUND_TURN):
        return ChannelStatus.OPEN
    if channel.rejected:
        return ChannelStatus.REJECTED
    if is_supported(channel, PREFUND_TURN):
        return ChannelStatus.FUNDING
    return ChannelStatus.PROPOSED


def with_turn(channel: Channel, state: State, state_hash: StateHash, encoded: bytes) -> Channel:
    """The channel knowing one more state, unsigned; unchanged if it is known already."""
    if channel.turn(state.turn_num) is not None:
        return channel
    empty = (b"",) * len(channel.fixed.participants)
    added = SignedTurn(state.turn_num, state_hash, state.is_final, compacted(encoded), empty)
    turns = (*channel.turns, added)
    if channel.turns and channel.turns[-1].turn_num > state.turn_num:
        turns = tuple(sorted(turns, key=lambda turn: turn.turn_num))
    return replace(channel, turns=turns)


def with_signature(channel: Channel, turn_num: int, index: int, signature: bytes) -> Channel:
    """The channel with the participant's signature on that turn's state."""
    turns = list(channel.turns)
    for place, turn in enumerate(turns):
        if turn.turn_num == turn_num:
            turns[place] = replace(turn, signatures=_put(turn.signatures, index, signature))
    return replace(channel, turns=tuple(turns))


def _put(values: tuple[bytes, ...], index: int, value: bytes) -> tuple[bytes, ...]:
    return (*values[:index], value, *values[index + 1 :])
