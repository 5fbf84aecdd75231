"""Money: what does not add up is named."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from node.audit.funds import FundsCheck
from protocols import events
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.state import FixedPart, State, state_from_encoding
from protocols.types import amount_to_bytes
from tests.support.actors import ALICE, BOB, IVAN
from tests.support.audit_cases import (
    TOKEN,
    History,
    alice,
    alice_with_a_token,
    bob,
    changed,
    doubled,
    inserted,
    messages,
    nth,
    without,
)
from tests.support.audit_webs import closing_leader, hub, payee, payer, unwound_hub

DEPOSITED, UPDATED = events.DepositDetected, events.AllocationUpdated
CONCLUDED, WITHDRAWN = events.ChannelConcluded, events.WithdrawCompleted
STORED = events.StateStored


@pytest.mark.parametrize(
    "history", [alice, bob, alice_with_a_token, closing_leader, payer, hub, payee, unwound_hub]
)
def test_an_honest_history_adds_up(history: Callable[[], History]) -> None:
    assert messages(FundsCheck, history()) == []


def one(history: History, words: str, kind: type[events.Event], index: int = 0) -> None:
    seq, _ = nth(history, kind, index)
    found = messages(FundsCheck, history)
    assert any(at == seq and words in message for at, message in found), found


def at_the_end(history: History, words: str) -> None:
    found = messages(FundsCheck, history)
    assert any(at == len(history) and words in message for at, message in found), found


def with_outcome(history: History, index: int, *allocations: Allocation) -> History:
    """The history with another outcome in one of its states."""
    _, created = nth(history, events.ChannelCreated)
    fixed = FixedPart(
        created.participants,
        created.channel_nonce,
        created.app_definition,
        created.challenge_duration,
    )
    seq, stored = nth(history, STORED, index)
    old: State = state_from_encoding(fixed, stored.encoded_state)
    state = replace(old, outcome=(SingleAssetExit(bytes(20), allocations),))
    changed_to = STORED(stored.channel_id, stored.state_hash, state.encode())
    return [*history[:seq], changed_to, *history[seq + 1 :]]


def test_every_outcome_pays_out_the_prefunds_sum() -> None:
    payer, payee = destination_of(ALICE.address), destination_of(BOB.address)
    more = with_outcome(alice(), 2, Allocation(payer, 10**18), Allocation(payee, 1))
    one(more, "does not pay out the sum", STORED, 2)
    less = with_outcome(alice(), 2, Allocation(payer, 10**18 - 1), Allocation(payee, 0))
    one(less, "does not pay out the sum", STORED, 2)
    stranger = destination_of(IVAN.address)
    other = with_outcome(alice(), 2, Allocation(payer, 10**18 - 1), Allocation(stranger, 1))
    one(other, "pays somebody who is no participant", STORED, 2)
    channel = with_outcome(alice(), 2, Allocation(payer, 10**18 - 1), Allocation(b"\x07" * 32, 1))
    assert not any("somebody" in message for _, message in messages(FundsCheck, channel))


def test_a_state_that_does_not_decode_is_left_to_another_family() -> None:
    assert not any(
        "turn" in message
        for _, message in messages(FundsCheck, changed(alice(), STORED, 1, encoded_state=b"x"))
    )


def test_a_deposit_adds_up_to_what_is_held() -> None:
    wrong = changed(alice(), DEPOSITED, now_held=amount_to_bytes(10**18 + 1))
    one(wrong, "do not make", DEPOSITED)
    one(doubled(alice(), DEPOSITED), "do not make", DEPOSITED, 1)


def test_a_payout_never_raises_the_holdings() -> None:
    raised = changed(alice(), UPDATED, new_amount=amount_to_bytes(10**18 + 1))
    one(raised, "a payout raised the holdings", UPDATED)


def test_a_conclusion_is_by_a_final_state_signed_by_all() -> None:
    one(changed(alice(), CONCLUDED, finalized_at_turn=4), "no final state of turn 4", CONCLUDED)
    unsigned = without(alice(), events.StateReceived, -1)
    one(unsigned, "no final state of turn 3 is signed by all", CONCLUDED)
    foreign = changed(alice(), CONCLUDED, finalized_at_turn=None)
    assert messages(FundsCheck, foreign) == []


def test_nobody_is_paid_more_than_the_final_state_owes() -> None:
    _, paid = nth(alice(), WITHDRAWN, 1)
    more = amount_to_bytes(int.from_bytes(paid.amount, "big") + 1)
    one(changed(alice(), WITHDRAWN, 1, amount=more), "the final state owes", WITHDRAWN, 1)
    one(doubled(alice(), WITHDRAWN, 1), "the final state owes", WITHDRAWN, 2)
    stranger = changed(alice(), WITHDRAWN, 1, recipient=IVAN.address)
    one(stranger, "the final state owes 0", WITHDRAWN, 1)
    early = without(alice(), CONCLUDED)
    one(early, "paid out before the channel was final", WITHDRAWN)
    unsigned = without(alice(), events.StateReceived, -1)
    found = [message for _, message in messages(FundsCheck, unsigned)]
    assert any("what was paid out is not its final outcome" in message for message in found)


def test_a_closed_channel_has_paid_out_its_final_outcome() -> None:
    at_the_end(without(alice(), WITHDRAWN, 1), "is not its final outcome")
    at_the_end(without(alice(), events.StateReceived, -1), "is not its final outcome")
    at_the_end(changed(alice(), UPDATED, new_amount=amount_to_bytes(5)), "deposited, 5 held")


def test_a_channel_that_is_not_closed_need_not_be_paid_out() -> None:
    _, concluded = nth(alice(), CONCLUDED)
    history = alice()
    assert messages(FundsCheck, history[: history.index(concluded)]) == []


@pytest.mark.parametrize("kind", [STORED, DEPOSITED, UPDATED, CONCLUDED, WITHDRAWN])
def test_money_belongs_to_a_channel_that_was_created(kind: type[events.Event]) -> None:
    one(changed(alice(), kind, channel_id=b"\x99" * 32), "was never created", kind)


def test_a_second_deposit_by_a_stranger_is_counted() -> None:
    _, first = nth(alice(), DEPOSITED)
    more = replace(first, amount_deposited=amount_to_bytes(5), now_held=amount_to_bytes(10**18 + 5))
    history = inserted(alice(), more, CONCLUDED)
    assert any("deposited" in message for _, message in messages(FundsCheck, history))
    left = changed(history, UPDATED, new_amount=amount_to_bytes(5))
    assert messages(FundsCheck, left) == []


def test_a_token_is_no_other_token_and_not_the_chains_own_currency() -> None:
    history = alice_with_a_token()
    for asset in (bytes(20), b"\x71" * 20):
        paid = changed(history, WITHDRAWN, asset=asset)
        one(paid, "the final state owes 0", WITHDRAWN)
        at_the_end(paid, "is not its final outcome")
    stranger_s = DEPOSITED(*_place(history), bytes(20), *[amount_to_bytes(5)] * 2, b"\x01" * 32)
    assert messages(FundsCheck, inserted(history, stranger_s, CONCLUDED)) == []
    lost = changed(history, UPDATED, new_amount=amount_to_bytes(5))
    at_the_end(lost, f"5 held, {10**18} paid out of 0x{TOKEN.hex()}")


def _place(history: History) -> tuple[bytes, int, int]:
    _, deposited = nth(history, DEPOSITED)
    return deposited.channel_id, deposited.block_num, deposited.tx_index
