"""States: each rule broken once, and the record that breaks it named."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from node.audit.states import StateCheck
from protocols import events
from protocols.crypto import keccak256
from protocols.exit_calls import redemption
from protocols.outcome import Allocation, SingleAssetExit
from protocols.signed_state import SignedState
from protocols.state import FixedPart, State, state_from_encoding
from protocols.voucher import sign_voucher
from tests.support.actors import ALICE, BOB, IVAN
from tests.support.audit_cases import (
    History,
    alice,
    bob,
    changed,
    doubled,
    inserted,
    messages,
    nth,
    without,
)
from tests.support.audit_webs import (
    closing_follower,
    closing_leader,
    hub,
    payee,
    payer,
    unwound_hub,
)


@pytest.mark.parametrize(
    "history", [alice, bob, closing_leader, closing_follower, payer, hub, payee, unwound_hub]
)
def test_an_honest_history_breaks_no_rule(history: Callable[[], History]) -> None:
    assert messages(StateCheck, history()) == []


def fixed_of(history: History) -> FixedPart:
    _, created = nth(history, events.ChannelCreated)
    return FixedPart(
        created.participants,
        created.channel_nonce,
        created.app_definition,
        created.challenge_duration,
    )


def state_of(history: History, index: int) -> State:
    _, stored = nth(history, events.StateStored, index)
    return state_from_encoding(fixed_of(history), stored.encoded_state)


def stored(state: State) -> events.StateStored:
    return events.StateStored(state.channel_id, state.state_hash(), state.encode())


def signed(state: State) -> events.StateSigned:
    state_hash = state.state_hash()
    signature = ALICE.signer(state_hash)
    return events.StateSigned(
        state.channel_id, state.turn_num, state_hash, ALICE.address, signature, state.is_final
    )


def splitting(state: State, payee: int, **fields: object) -> State:
    """The state with another split of the same sum."""
    (exit_,) = state.outcome
    first, second = exit_.allocations
    whole = first.amount + second.amount
    outcome = (
        SingleAssetExit(
            exit_.asset,
            (
                Allocation(first.destination, whole - payee),
                Allocation(second.destination, payee),
            ),
        ),
    )
    return replace(state, outcome=outcome, **fields)


def one(history: History, words: str, kind: type[events.Event], index: int = 0) -> None:
    """Some finding of the history is about that event and says these words."""
    seq, _ = nth(history, kind, index)
    found = messages(StateCheck, history)
    assert any(at == seq and words in message for at, message in found), found


CREATED, STORED = events.ChannelCreated, events.StateStored
SIGNED, RECEIVED = events.StateSigned, events.StateReceived
SUPPORTED, FINALIZED = events.StateSupportedUpdated, events.ChannelFinalized


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"channel_nonce": 7}, "the channel id of its fixed part is"),
        ({"channel_nonce": 7}, "its nonce is bound to another chain"),
        ({"participants": ()}, "no channel has such a fixed part"),
        ({"participants": (ALICE.address, ALICE.address)}, "not two or more distinct"),
        ({"participants": (IVAN.address, BOB.address)}, "we take no part in it"),
        ({"app_definition": b"\x01" * 20}, "its app is not the one"),
    ],
)
def test_a_channel_is_what_its_id_says(fields: dict[str, object], words: str) -> None:
    one(changed(alice(), CREATED, **fields), words, CREATED)


def test_a_channel_is_created_once() -> None:
    one(doubled(alice(), CREATED), "created before (M10)", CREATED, 1)


def test_before_record_0_nothing_is_known_of_the_deployment() -> None:
    found = messages(StateCheck, alice()[1:])
    assert any("we take no part" in message for _, message in found)


@pytest.mark.parametrize("kind", [STORED, SIGNED, RECEIVED, SUPPORTED, FINALIZED])
def test_states_belong_to_a_channel_that_was_created(kind: type[events.Event]) -> None:
    one(changed(alice(), kind, channel_id=b"\x99" * 32), "was never created", kind)


def test_a_state_hash_is_the_hash_of_the_state() -> None:
    one(changed(alice(), STORED, state_hash=b"\x01" * 32), "not that of the encoded", STORED)


def test_a_state_decodes_and_is_stored_once() -> None:
    one(changed(alice(), STORED, encoded_state=b"\x01" * 64), "no state of this channel", STORED)
    one(doubled(alice(), STORED), "was stored before", STORED, 1)


def test_a_turn_has_one_state() -> None:
    other = splitting(state_of(alice(), 1), 5)
    one(inserted(alice(), stored(other), STORED, 2), "turn 1 is taken", STORED, 2)


def test_turns_keep_their_places() -> None:
    postfund = state_of(alice(), 1)
    for turn_num, is_final, words in (
        (0, True, "turn 0 is final"),
        (3, False, "turn 3 is not final"),
        (2, False, "turn 2 is the redemption's"),
        (2, True, "turn 2 is final"),
    ):
        state = replace(postfund, turn_num=turn_num, is_final=is_final)
        one(inserted(alice(), stored(state), STORED, 2), words, STORED, 2)


def test_a_ledger_stores_its_ends_and_nothing_between() -> None:
    running = replace(state_of(closing_leader(), 1), turn_num=2)
    one(inserted(closing_leader(), stored(running), STORED, 2), "turn 2 is not final", STORED, 2)
    assert state_of(closing_leader(), 2).turn_num > 3


def test_every_participants_signature_supports_a_virtual_channel() -> None:
    seq, _ = nth(hub(), SUPPORTED, 4)
    assert nth(hub(), SUPPORTED, 4)[1].num_signatures == 3
    theirs = max(at for at, e in enumerate(hub()[:seq]) if isinstance(e, RECEIVED))
    missing = [*hub()[:theirs], *hub()[theirs + 1 :]]
    one(missing, "the state is not signed by all", SUPPORTED, 4)


def test_the_postfund_carries_the_prefunds_outcome() -> None:
    other = stored(splitting(state_of(alice(), 1), 5))
    seq, _ = nth(alice(), STORED, 1)
    history = alice()
    history[seq] = other
    one(history, "does not carry the prefund's outcome", STORED, 1)


def test_a_signature_recovers_to_its_signer() -> None:
    _, mine = nth(alice(), SIGNED)
    forged = BOB.signer(mine.state_hash)
    one(changed(alice(), SIGNED, signature=forged), "not signed by", SIGNED)
    one(changed(alice(), RECEIVED, signature=bytes(65)), "not signed by", RECEIVED)
    one(changed(alice(), SIGNED, signer=BOB.address), "not by us", SIGNED)
    one(changed(alice(), RECEIVED, signer=ALICE.address), "no counterparty", RECEIVED)
    one(changed(alice(), RECEIVED, signer=IVAN.address), "no counterparty", RECEIVED)


def test_either_v_is_who_signed() -> None:
    _, theirs = nth(alice(), RECEIVED)
    other_v = theirs.signature[:64] + bytes([55 - theirs.signature[64]])
    assert messages(StateCheck, changed(alice(), RECEIVED, signature=other_v)) == []


def test_a_signature_names_a_stored_state_as_it_is() -> None:
    one(without(alice(), STORED, 1), "not stored before", SIGNED, 1)
    one(changed(alice(), SIGNED, turn_num=1), "the state it names has turn 0", SIGNED)
    one(changed(alice(), SIGNED, is_final=True), "final: False", SIGNED)
    one(changed(alice(), SIGNED, app_data_hash=keccak256(b"")), "app data hash", SIGNED)
    one(doubled(alice(), RECEIVED), "in the log already", RECEIVED, 1)


def test_app_data_is_named_by_its_hash() -> None:
    history = alice()
    state = replace(state_of(history, 2), app_data=b"x", turn_num=4)
    history = inserted(history, stored(state), SIGNED, 2)
    history = inserted(history, signed(state), SIGNED, 2)
    one(history, "app data hash", SIGNED, 2)
    named = changed(history, SIGNED, 2, app_data_hash=keccak256(b"x"))
    assert not any("app data" in message for _, message in messages(StateCheck, named))


def test_we_never_sign_two_states_of_one_turn() -> None:
    other = splitting(state_of(alice(), 1), 5)
    history = inserted(alice(), stored(other), events.VoucherIssued)
    history = inserted(history, signed(other), events.VoucherIssued)
    one(history, "we signed another state of turn 1", SIGNED, 2)


def test_a_turn_we_refused_is_never_signed() -> None:
    _, final = nth(bob(), SIGNED, -1)
    refusal = events.FinalStateRefused(final.channel_id, 3, BOB.address, bytes(32))
    one(inserted(bob(), refusal, SIGNED, -1), "we refused turn 3", SIGNED, -1)


def test_the_postfund_is_signed_after_prefund_and_deposit() -> None:
    one(without(alice(), SUPPORTED, 0), "before the prefund was signed by all", SIGNED, 1)
    one(without(alice(), events.DepositDetected), "before the deposits", SIGNED, 1)
    _, deposit = nth(alice(), events.DepositDetected)
    less = (int.from_bytes(deposit.now_held, "big") - 1).to_bytes(32, "big")
    one(changed(alice(), events.DepositDetected, now_held=less), "before the deposits", SIGNED, 1)


def test_a_final_state_pays_the_largest_voucher() -> None:
    final = state_of(alice(), 2)
    paid = final.outcome[0].allocations[1].amount
    short = splitting(final, paid - 1)
    history = alice()
    history[nth(history, STORED, 2)[0]] = stored(short)
    history[nth(history, SIGNED, 2)[0]] = signed(short)
    one(history, f"it pays {paid - 1}, the largest voucher is {paid}", SIGNED, 2)
    empty = replace(final, outcome=())
    history[nth(history, STORED, 2)[0]] = stored(empty)
    history[nth(history, SIGNED, 2)[0]] = signed(empty)
    one(history, "it pays None", SIGNED, 2)


def shown(history: History, amount: int, **fields: object) -> History:
    """Before her final state the payer sees a redemption that the payee put on chain."""
    postfund = state_of(history, 1)
    voucher = sign_voucher(postfund.channel_id, amount, ALICE.signer)
    state = redemption(SignedState(postfund, ()), amount, voucher)
    state = replace(state, **fields)
    given = events.StateReceived(
        state.channel_id,
        state.turn_num,
        state.state_hash(),
        BOB.address,
        BOB.signer(state.state_hash()),
        state.is_final,
    )
    return inserted(inserted(history, stored(state), STORED, 2), given, STORED, 3)


def test_a_redemption_that_the_payee_showed_moves_one_voucher_and_nothing_else() -> None:
    assert messages(StateCheck, shown(alice(), 3)) == []
    good = state_of(shown(alice(), 3), 2)
    for fields, words in (
        ({"app_data": b""}, "the redemption's alone (M7)"),
        ({"app_data": good.app_data + bytes(32)}, "the redemption's alone (M7)"),
        ({"outcome": splitting(good, 4).outcome}, "more than the voucher's amount (M1)"),
        ({"outcome": good.outcome * 2}, "more than the voucher's amount (M1)"),
        ({"app_data": good.app_data[:-1] + b"\x01"}, "the voucher redeemed"),
    ):
        one(shown(alice(), 3, **fields), words, STORED, 2)
    # Our own is of the largest voucher that we accepted.
    one(shown(bob(), 3), "it redeems 3, our largest accepted voucher is", STORED, 2)


def test_the_payer_signs_the_final_state_first() -> None:
    one(without(bob(), RECEIVED, -1), "the payer signs the final state first", SIGNED, -1)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"state_hash": b"\x01" * 32}, "it names no stored state"),
        ({"supported_turn": 7}, "it names no stored state"),
        ({"num_signatures": 1}, "1 signatures of 2"),
        ({"prev_supported_turn": 5}, "the turn supported before is 0"),
        ({"supported_turn": 0}, "support does not rise"),
    ],
)
def test_support_is_what_the_signatures_say(fields: dict[str, object], words: str) -> None:
    one(changed(alice(), SUPPORTED, 1, **fields), words, SUPPORTED, 1)


def test_support_needs_every_signature() -> None:
    one(without(alice(), RECEIVED, 1), "the state is not signed by all", SUPPORTED, 1)


def test_a_finalized_channel_has_a_final_state_signed_by_all() -> None:
    one(changed(alice(), FINALIZED, final_turn=4), "no stored final state", FINALIZED)
    _, postfund = nth(alice(), STORED, 1)
    wrong = changed(alice(), FINALIZED, final_turn=1, final_state_hash=postfund.state_hash)
    one(wrong, "no stored final state", FINALIZED)
    one(without(alice(), RECEIVED, -1), "is not signed by all", FINALIZED)
