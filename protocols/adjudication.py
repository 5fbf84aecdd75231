"""What the adjudicator keeps of a channel, as the fold of its logs (M4).

    challenged -> cleared | finalised by time | concluded -> paid out, guarantees reclaimed

The outcome of a finalised channel is that of the state it finalised with, less what `OutcomePaid`
says was paid, with what `OutcomeReclaimed` says was given back: never read from call data, never
searched for. The same fold runs over confirmed logs, whose result a channel keeps, and over those
seen above them, which a fork may take back.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from protocols.abi import decode_outcome, encode_outcome
from protocols.errors import EncodingError
from protocols.outcome import GUARANTEE, Outcome, SingleAssetExit
from protocols.settlement import NotReclaimable, with_reclaimed
from protocols.types import Address, Bytes32, ChannelId, StateHash


class ChainStatus(StrEnum):
    """What the adjudicator says about a channel."""

    OPEN = "open"
    CHALLENGED = "challenged"
    EXPIRED = "expired"
    """Finalised by a challenge that nobody answered in time."""
    CONCLUDED = "concluded"
    """Finalised by a final state that all signed."""


FINALISED = frozenset((ChainStatus.EXPIRED, ChainStatus.CONCLUDED))
"""No state of the channel can be registered any more: what stands is paid out."""

_STATUS_AFTER = {
    "ChallengeRegistered": ChainStatus.CHALLENGED,
    "ChallengeCleared": ChainStatus.OPEN,
    "Checkpointed": ChainStatus.OPEN,
    "Concluded": ChainStatus.CONCLUDED,
}
"""What a log makes of the chain's view of a channel; logs not named here leave it."""


class ObservedLog(Struct, frozen=True, array_like=True, gc=False):
    """A log seen at depth 0 that is not confirmed yet."""

    log_name: str
    block_num: int
    block_hash: Bytes32
    tx_hash: Bytes32
    log_index: int
    asset: Address
    amount: int
    number: int
    turn_num: int = 0
    """ChallengeRegistered: the candidate's. Else 0."""
    state_hash: bytes = b""
    """ChallengeRegistered: the candidate's."""
    outcome: bytes = b""
    """ChallengeRegistered, Concluded: what finalises, encoded; b"" where that is not known."""
    indices: tuple[int, ...] = ()
    amounts: tuple[int, ...] = ()
    """OutcomePaid: which allocations were paid, and how much each. Concluded: all amounts of the
    outcome, where the chain told them."""
    target: bytes = b""
    """OutcomeReclaimed: whose guarantee it was; its right share is `amount`."""


class Adjudicated(Struct, frozen=True, array_like=True, gc=False):
    """What the adjudicator keeps of one channel, of one asset."""

    turn_num: int = 0
    """Its turn number record; 0 once concluded."""
    finalizes_at: int = 0
    """Chain seconds at which the challenge ends or the conclusion was made; 0 without either."""
    state_hash: bytes = b""
    """Under which the outcome stands: the challenged state's, or zero for a concluded channel."""
    first_outcome: bytes = b""
    """Encoded, as of the challenge or the conclusion: by it guarantees are judged (M2)."""
    outcome: bytes = b""
    """Encoded, as it stands now; b"" if nothing stands or it is not known."""
    is_left: bool = False
    """True once all that this node can get of it was paid out."""


CONCLUDED_HASH: StateHash = bytes(32)
"""The state hash under which the adjudicator keeps the outcome of a concluded channel."""


def status_after(status: str, log_name: str) -> str:
    """The adjudicator's status of a channel after one more log."""
    return _STATUS_AFTER.get(log_name, status)


def after_log(known: Adjudicated, log: ObservedLog) -> Adjudicated:
    """What the adjudicator keeps after one more log; unchanged by logs that say nothing of it."""
    match log.log_name:
        case "ChallengeRegistered":
            return Adjudicated(log.turn_num, log.number, log.state_hash, log.outcome, log.outcome)
        case "ChallengeCleared" | "Checkpointed":
            return Adjudicated(log.number)
        case "Concluded":
            return Adjudicated(0, log.number, CONCLUDED_HASH, log.outcome, log.outcome)
        case "OutcomePaid":
            return _changed(known, _paid(exit_of(known.outcome), log))
        case "OutcomeReclaimed":
            # Whoever gave it back, and when: our share may be more than it was.
            return replace(_changed(known, _reclaimed(exit_of(known.outcome), log)), is_left=False)
        case _:
            return known


def _changed(known: Adjudicated, exit_: SingleAssetExit | None) -> Adjudicated:
    return known if exit_ is None else replace(known, outcome=encode_outcome((exit_,)))


def _paid(exit_: SingleAssetExit | None, log: ObservedLog) -> SingleAssetExit | None:
    if exit_ is None:
        return None
    shares = list(exit_.allocations)
    for index, amount in zip(log.indices, log.amounts, strict=True):
        if index < len(shares):
            share = shares[index]
            shares[index] = replace(share, amount=max(0, share.amount - amount))
    return replace(exit_, allocations=tuple(shares))


def _reclaimed(exit_: SingleAssetExit | None, log: ObservedLog) -> SingleAssetExit | None:
    place = None if exit_ is None else guarantee_place(exit_, log.target)
    if exit_ is None or place is None:
        return None
    try:
        return with_reclaimed(exit_, place, log.amount)
    except NotReclaimable:
        return None


def guarantee_place(exit_: SingleAssetExit, target: ChannelId) -> int | None:
    """Where the outcome guarantees that channel; None if it does not (any more)."""
    for place, share in enumerate(exit_.allocations):
        if share.allocation_type == GUARANTEE and share.destination == target:
            return place
    return None


@lru_cache(maxsize=256)
def outcome_of(encoded: bytes) -> Outcome:
    """The outcome; empty for one that is not known or that this node cannot read."""
    try:
        return decode_outcome(encoded) if encoded else ()
    except EncodingError:
        return ()


def exit_of(encoded: bytes) -> SingleAssetExit | None:
    """The one asset of an outcome; None if it is not known or has not exactly one."""
    outcome = outcome_of(encoded)
    return outcome[0] if len(outcome) == 1 else None
