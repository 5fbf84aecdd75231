"""A ledger's events fold into its balances, and nothing else does."""

from __future__ import annotations

from msgspec.structs import replace

from protocols.channel import Channel, with_signature, with_turn
from protocols.ledger import ADD, NO_TARGET
from protocols.ledger_events import (
    LedgerPaymentRequested,
    LedgerUpdateConfirmed,
    LedgerUpdateProposed,
    LedgerUpdateRefused,
)
from protocols.ledger_reducers import LEDGER_REDUCERS, ledger_of, with_ledger
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS, amount_to_bytes
from tests.support.actors import ALICE, BOB
from tests.support.builders import CONSENSUS_APP, DURATION_S

FIXED = FixedPart((ALICE.address, BOB.address), 7, CONSENSUS_APP, DURATION_S)
LEDGER_ID = FIXED.channel_id()
LEADER, FOLLOWER = destination_of(ALICE.address), destination_of(BOB.address)
TARGET = b"\xee" * 32


def funded() -> Channel:
    """A ledger of 1,000 and 500 whose pre- and postfund are signed by both."""
    allocations = (Allocation(LEADER, 1_000), Allocation(FOLLOWER, 500))
    channel = Channel(LEDGER_ID, FIXED, 0)
    for turn_num in (0, 1):
        outcome = (SingleAssetExit(ZERO_ADDRESS, allocations),)
        state = State(FIXED, b"", outcome, turn_num, False)
        channel = with_turn(channel, state, state.state_hash(), state.encode())
        for index in (0, 1):
            channel = with_signature(channel, turn_num, index, bytes([index]) * 65)
    return with_ledger(replace(channel, supported_turn=1))


def proposed(turn_num: int = 2) -> LedgerUpdateProposed:
    amount, zero = amount_to_bytes(100), amount_to_bytes(0)
    parts = (ADD, TARGET, amount, LEADER, FOLLOWER, amount, zero)
    return LedgerUpdateProposed(LEDGER_ID, turn_num, b"h" * 32, b"s" * 65, *parts)


def test_a_ledger_begins_with_the_deposits_at_turn_one() -> None:
    ledger = ledger_of(funded())
    assert (ledger.current.leader, ledger.current.follower, ledger.turn_num) == (1_000, 500, 1)
    assert ledger.signatures == (b"\0" * 65, b"\1" * 65)


def test_a_proposal_is_agreed_when_it_is_countersigned() -> None:
    channel = LEDGER_REDUCERS[LedgerUpdateProposed](funded(), proposed())
    assert ledger_of(channel).current.leader == 1_000
    confirmed = LedgerUpdateConfirmed(LEDGER_ID, 2, b"h" * 32, b"f" * 65)
    channel = LEDGER_REDUCERS[LedgerUpdateConfirmed](channel, confirmed)
    assert ledger_of(channel).current.leader == 900
    assert channel.supported_turn == 2


def test_a_refusal_is_kept_with_the_proposal() -> None:
    channel = LEDGER_REDUCERS[LedgerUpdateProposed](funded(), proposed())
    refused = LedgerUpdateRefused(LEDGER_ID, 2, "FEE_TOO_LOW", "too low")
    channel = LEDGER_REDUCERS[LedgerUpdateRefused](channel, refused)
    assert ledger_of(channel).queue[0].refusal == "FEE_TOO_LOW"


def test_a_request_waits_until_the_move_that_answers_it_is_agreed() -> None:
    asked = LedgerPaymentRequested(LEDGER_ID, amount_to_bytes(40), "rent")
    channel = LEDGER_REDUCERS[LedgerPaymentRequested](funded(), asked)
    assert [a.request_id for a in ledger_of(channel).asked] == ["rent"]
    zero = amount_to_bytes(0)
    parts = ("move", NO_TARGET, amount_to_bytes(40), FOLLOWER, LEADER, zero, zero, "rent")
    move = LedgerUpdateProposed(LEDGER_ID, 2, b"h" * 32, b"s" * 65, *parts)
    channel = LEDGER_REDUCERS[LedgerUpdateProposed](channel, move)
    confirmed = LedgerUpdateConfirmed(LEDGER_ID, 2, b"h" * 32, b"f" * 65)
    channel = LEDGER_REDUCERS[LedgerUpdateConfirmed](channel, confirmed)
    ledger = ledger_of(channel)
    assert not ledger.asked
    assert (ledger.current.leader, ledger.current.follower) == (1_040, 460)
