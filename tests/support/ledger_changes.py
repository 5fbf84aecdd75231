"""Changes of a ledger that ALICE leads and BOB follows, and queues of them, built by hand."""

from __future__ import annotations

from hypothesis import strategies as st
from msgspec.structs import replace

from protocols.ledger import (
    ADD,
    MOVE,
    NO_TARGET,
    REMOVE,
    Change,
    Ledger,
    LedgerVars,
    Proposed,
    opened,
)
from protocols.ledger_queue import with_proposed, with_refused
from protocols.outcome import destination_of
from protocols.state import FixedPart
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB
from tests.support.builders import CONSENSUS_APP, DURATION_S

FIXED = FixedPart((ALICE.address, BOB.address), 7, CONSENSUS_APP, DURATION_S)
LEADER, FOLLOWER = destination_of(ALICE.address), destination_of(BOB.address)
START = LedgerVars(1_000, 500)


def target(number: int) -> bytes:
    """A made-up channel that the ledger funds."""
    return b"\xee" * 28 + number.to_bytes(4, "big")


def add(number: int = 1, amount: int = 100, left_amount: int = 100, fee: int = 0) -> Change:
    """A guarantee of ALICE, at the left, to BOB."""
    return Change(ADD, target(number), amount, LEADER, FOLLOWER, left_amount, fee)


def remove(number: int = 1, amount: int = 100, left_amount: int = 100, fee: int = 0) -> Change:
    """What takes such a guarantee away."""
    return replace(add(number, amount, left_amount, fee), kind=REMOVE)


def move(amount: int, left: bytes = LEADER, right: bytes = FOLLOWER) -> Change:
    """Money from left to right."""
    return Change(MOVE, NO_TARGET, amount, left, right)


amounts = st.integers(min_value=0, max_value=600)
changes = st.one_of(
    st.builds(add, st.integers(1, 4), amounts, amounts, amounts),
    st.builds(remove, st.integers(1, 4), amounts, amounts, amounts),
    st.builds(move, amounts),
    st.builds(move, amounts, st.just(FOLLOWER), st.just(LEADER)),
)


def proposed(turn_num: int, change: Change) -> Proposed:
    """The change as the leader's proposal of that turn; hash and signature are made up."""
    return Proposed(turn_num, change, bytes([turn_num]) * 32, bytes([turn_num]) * 65)


def queued(*changes: Change, refused: tuple[int, ...] = ()) -> Ledger:
    """A ledger with these proposals, some of them refused by their turns."""
    ledger = opened(ZERO_ADDRESS, b"\1" * 32, (b"a" * 65, b"b" * 65), (1_000, 500))
    for turn_num, change in enumerate(changes, 2):
        ledger = with_proposed(ledger, proposed(turn_num, change), FIXED)
    for turn_num in refused:
        ledger = with_refused(ledger, turn_num, "FEE_TOO_LOW", FIXED)
    return ledger
