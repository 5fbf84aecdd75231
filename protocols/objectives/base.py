"""What all objectives share: the record of a goal, its names, and what a crank answers.

An objective is a flow chart that starts anew at every crank and stops at its first unmet
condition. That condition, `WaitingFor`, is computed from the data and never stored.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from protocols import events
from protocols.crypto import keccak256
from protocols.sharing import shared
from protocols.types import Address, ChannelId, ObjectiveId


class ObjectiveType(StrEnum):
    """The names are recorded; they never change."""

    DIRECT_FUND = "DirectFund"
    DIRECT_DEFUND = "DirectDefund"
    VIRTUAL_FUND = "VirtualFund"
    VIRTUAL_DEFUND = "VirtualDefund"
    EXIT = "Exit"
    """Leave a channel alone, with all that hangs on it, until our money is in our account."""
    CHALLENGE = "Challenge"
    """Have the newest state we can show stand on chain until its time is up."""
    DEFEND = "Defend"
    """Answer somebody else's challenge (M20)."""
    WITHDRAW = "Withdraw"
    """Be paid what is ours of a finalised channel."""


LEAVING = frozenset(
    (ObjectiveType.EXIT, ObjectiveType.CHALLENGE, ObjectiveType.DEFEND, ObjectiveType.WITHDRAW)
)
"""What a channel may need more than once: a challenge that was cleared may be raised again."""


class ObjectiveStatus(StrEnum):
    """Where an objective is; rejected and completed are the ends."""

    UNAPPROVED = "unapproved"
    APPROVED = "approved"
    REJECTED = "rejected"
    COMPLETED = "completed"


class WaitingFor(StrEnum):
    """The first unmet condition of an objective."""

    NOTHING = "nothing"
    APPROVAL = "approval"
    COMPLETE_PREFUND = "complete-prefund"
    TOKEN_ALLOWANCE = "token-allowance"
    """The token must let the adjudicator take our deposit first."""
    MY_DEPOSIT = "my-deposit"
    COMPLETE_FUNDING = "complete-funding"
    COMPLETE_POSTFUND = "complete-postfund"
    LARGEST_VOUCHER = "largest-voucher"
    """A close-only payer waits for the payee to show the largest voucher (M27)."""
    FINAL_STATE_FROM_PAYER = "final-state-from-payer"
    SUPPORTED_FINAL_STATE = "supported-final-state"
    FINAL_STATE_FROM_LEADER = "final-state-from-leader"
    LATEST_LEDGER_STATE = "latest-ledger-state"
    """A close-only leader waits for what the follower knows to be agreed (M27)."""
    APP_RUN = "app-run"
    """A run of an application's messages is decided before its channel ends."""
    OWNERS_WORD = "owners-word"
    """The other end wishes to end a game at our move: its state pays the other end (M25)."""
    EMPTY_LEDGER = "empty-ledger"
    """A ledger closes when nothing is guaranteed or proposed in it (M8)."""
    CONCLUSION = "conclusion"
    WITHDRAWAL = "withdrawal"
    LEFT_GUARANTEE = "left-guarantee"
    RIGHT_GUARANTEE = "right-guarantee"
    RENUNCIATION = "renunciation"
    """A virtual channel is given up: those to our right renounce its postfund first (M16 b)."""
    GUARANTEE_REMOVAL = "guarantee-removal"
    CHALLENGE_REGISTRATION = "challenge-registration"
    CHALLENGE_EXPIRY = "challenge-expiry"
    """Nothing is to be done until the challenge's time is up."""
    CHALLENGE_CLEARANCE = "challenge-clearance"
    """Our answer to a challenge is on its way."""
    FINALIZATION = "finalization"
    """What ended on chain is to be confirmed."""
    TARGET_FINALIZATION = "target-finalization"
    """A ledger's guarantee waits for the channel it funds to be final."""
    RECLAIM = "reclaim"
    KNOWN_OUTCOME = "known-outcome"
    """A cut tail made us forget with what the channel ended (M27)."""


class Objectives(Protocol):
    """What looking for an objective needs of a map of them."""

    def get(self, key: ObjectiveId, /) -> Objective | None:
        """The objective of that id; None if there is none."""


class Objective(Struct, frozen=True, array_like=True, gc=False):
    """One goal of this node for one channel."""

    objective_id: ObjectiveId
    objective_type: str
    channel_id: ChannelId
    participants: tuple[Address, ...]
    status: str = ObjectiveStatus.UNAPPROVED
    initiator: bytes = b""
    request_id: str = ""
    created_ms: int = 0
    crank_count: int = 0
    waiting: bool = False
    success: bool = False
    reason: str = ""
    moved_ms: int = 0
    """When something last came of it: silence counts from there."""

    @property
    def is_active(self) -> bool:
        """True while cranking may still move it."""
        return self.status == ObjectiveStatus.APPROVED


@lru_cache(maxsize=1024)
def objective_id(
    objective_type: ObjectiveType, channel_id: ChannelId, round_num: int = 0
) -> ObjectiveId:
    """keccak256("obj1|" + type + "|" + channel id): the same on both sides.

    Of what a channel needs more than once (`LEAVING`), each further one has its number behind, in
    four bytes.
    """
    number = round_num.to_bytes(4, "big") if round_num else b""
    return keccak256(b"obj1|" + objective_type.encode() + b"|" + channel_id + number)


def newest_round(
    objectives: Objectives, kind: ObjectiveType, channel_id: ChannelId
) -> tuple[int, Objective | None]:
    """The newest objective of its kind in the channel and its number; (-1, None) for none."""
    number, newest = -1, None
    while True:
        found = objectives.get(objective_id(kind, channel_id, number + 1))
        if found is None:
            return number, newest
        number, newest = number + 1, found
        if kind not in LEAVING:
            return number, newest


def newest(objectives: Objectives, kind: ObjectiveType, channel_id: ChannelId) -> Objective | None:
    """The newest objective of its kind in the channel, if there was one."""
    return newest_round(objectives, kind, channel_id)[1]


def _approved(objective: Objective, event: events.ObjectiveApproved) -> Objective:
    return replace(objective, status=ObjectiveStatus.APPROVED)


def _rejected(objective: Objective, event: events.ObjectiveRejected) -> Objective:
    return replace(objective, status=ObjectiveStatus.REJECTED, reason=event.reason)


def cranked(objective: Objective, event: events.ObjectiveCranked, time_ms: int) -> Objective:
    """The objective was cranked once more, and something came of it."""
    count = objective.crank_count + 1
    return replace(objective, crank_count=count, waiting=event.waiting, moved_ms=time_ms)


def _completed(objective: Objective, event: events.ObjectiveCompleted) -> Objective:
    status = ObjectiveStatus.COMPLETED
    return replace(objective, status=status, success=event.success, waiting=False)


def _params_recorded(objective: Objective, event: events.ObjectiveParamsRecorded) -> Objective:
    return replace(objective, initiator=shared(event.initiator), request_id=event.request_id)


_NAMED: dict[str, str] = {str(kind): kind for kind in ObjectiveType}


def created(event: events.ObjectiveCreated, time_ms: int) -> Objective:
    """A new objective, unapproved."""
    return Objective(
        event.objective_id,
        _NAMED.get(event.objective_type, event.objective_type),
        shared(event.channel_id),
        shared(event.participants),
        created_ms=time_ms,
        moved_ms=time_ms,
    )


OBJECTIVE_REDUCERS: dict[type[events.Event], Callable[[Objective, Any], Objective]] = {
    events.ObjectiveApproved: _approved,
    events.ObjectiveRejected: _rejected,
    events.ObjectiveCompleted: _completed,
    events.ObjectiveParamsRecorded: _params_recorded,
}
"""How an objective changes by each event; `created` makes one."""
