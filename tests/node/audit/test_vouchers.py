"""Payments: each rule broken once, by signatures that are themselves sound where it matters."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from node.audit.vouchers import VoucherCheck
from protocols import events, ledger_events, payment_events, virtual_events
from protocols.exit_calls import redemption
from protocols.signed_state import SignedState
from protocols.state import FixedPart, state_from_encoding
from protocols.types import ZERO_ADDRESS, amount_from_bytes, amount_to_bytes
from protocols.voucher import receipt_hash, sign_voucher, voucher_hash
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
    closing_leader,
    hub,
    leader,
    open_hub,
    payee,
    payer,
    target_of,
)

AGREED = ledger_events.LedgerUpdateSigned | ledger_events.LedgerUpdateConfirmed
ISSUED, RECEIVED = events.VoucherIssued, events.VoucherReceived
GIVEN, GOT = events.ReceiptIssued, events.ReceiptReceived


@pytest.mark.parametrize("history", [alice, bob, payer, hub, payee, leader])
def test_an_honest_history_breaks_no_rule(history: Callable[[], History]) -> None:
    assert messages(VoucherCheck, history()) == []


def one(history: History, words: str, kind: type[events.Event], index: int = 0) -> None:
    seq, _ = nth(history, kind, index)
    found = messages(VoucherCheck, history)
    assert any(at == seq and words in message for at, message in found), found


def channel_id() -> bytes:
    return nth(alice(), ISSUED)[1].channel_id


def voucher(amount: int, total: int, number: int = 99) -> events.VoucherIssued:
    """A payment that Alice really signed."""
    return events.VoucherIssued(
        channel_id(),
        number.to_bytes(32, "big"),
        amount_to_bytes(amount),
        amount_to_bytes(total),
        sign_voucher(channel_id(), total, ALICE.signer),
    )


def in_place_of(history: History, event: events.Event, index: int) -> History:
    seq, _ = nth(history, type(event), index)
    return [*history[:seq], event, *history[seq + 1 :]]


def spent(history: History, index: int) -> int:
    return amount_from_bytes(nth(history, ISSUED, index)[1].total)


def test_a_voucher_is_the_largest_before_plus_the_payment() -> None:
    before = spent(alice(), 1)
    one(in_place_of(alice(), voucher(5, before + 6), 2), "is not", ISSUED, 2)
    one(in_place_of(alice(), voucher(5, before), 2), "is not", ISSUED, 2)
    one(in_place_of(alice(), voucher(0, before), 2), "a payment of nothing", ISSUED, 2)


def test_a_voucher_is_never_above_the_deposit() -> None:
    before = spent(alice(), 1)
    one(in_place_of(alice(), voucher(10**18, before + 10**18), 2), "above", ISSUED, 2)
    one(without(alice(), events.StateStored), "is above the deposit ()", ISSUED)


def test_a_payment_id_is_used_once() -> None:
    _, first = nth(alice(), ISSUED)
    one(changed(alice(), ISSUED, 1, payment_id=first.payment_id), "used before", ISSUED, 1)


@pytest.mark.parametrize(("history", "kind"), [(alice, ISSUED), (bob, RECEIVED)])
def test_a_voucher_is_signed_by_the_payer(
    history: Callable[[], History], kind: type[events.Event]
) -> None:
    _, event = nth(history(), kind)
    assert isinstance(event, ISSUED | RECEIVED)
    message = voucher_hash(event.channel_id, amount_from_bytes(event.total))
    forged = changed(history(), kind, signature=BOB.signer(message))
    one(forged, "the voucher is not signed by", kind)


def test_only_participant_0_pays() -> None:
    _, event = nth(bob(), RECEIVED)
    ours = ISSUED(event.channel_id, event.payment_id, event.amount, event.total, event.signature)
    one(inserted(bob(), ours, RECEIVED), "only participant 0 pays", ISSUED)
    theirs = RECEIVED(
        event.channel_id, event.payment_id, event.amount, event.total, event.signature
    )
    one(inserted(alice(), theirs, ISSUED), "only participant 0 pays", RECEIVED)


def test_a_payment_needs_an_open_channel() -> None:
    unsupported = without(bob(), events.StateSupportedUpdated, 1)
    one(unsupported, "the channel is not open", RECEIVED)
    one(without(bob(), events.DepositDetected), "the channel is not open", RECEIVED)


def test_no_payment_follows_our_final_state() -> None:
    late = voucher(5, spent(alice(), -1) + 5)
    history = alice()
    history.append(late)
    one(history, "we signed a final state before (M12)", ISSUED, -1)
    one(history, "is concluded on chain", ISSUED, -1)


def test_no_payment_follows_a_redemption_that_the_payee_showed() -> None:
    stored = [event for event in alice() if isinstance(event, events.StateStored)]
    _, created = nth(alice(), events.ChannelCreated)
    fixed = FixedPart(
        created.participants,
        created.channel_nonce,
        created.app_definition,
        created.challenge_duration,
    )
    postfund = SignedState(state_from_encoding(fixed, stored[1].encoded_state), ())
    state = redemption(postfund, 1, sign_voucher(channel_id(), 1, ALICE.signer))
    shown = events.StateStored(channel_id(), state.state_hash(), state.encode())
    history = inserted(alice(), shown, ISSUED, 1)
    one(history, "the channel was redeemed before (M11)", ISSUED, 1)
    assert not any(seq < nth(history, ISSUED, 1)[0] for seq, _ in messages(VoucherCheck, history))


def test_after_a_refusal_of_the_final_state_it_counts_no_more() -> None:
    late = voucher(5, spent(alice(), -1) + 5)
    total = amount_to_bytes(spent(alice(), -1) + 1)
    refusal = events.FinalStateRefused(channel_id(), 3, BOB.address, total)
    found = messages(VoucherCheck, [*alice(), refusal, late])
    assert not any("signed a final state" in message for _, message in found)


def test_no_payment_of_ours_follows_the_payees_wish_to_close() -> None:
    request = events.FinalStateRequested(channel_id(), BOB.address, bytes(32))
    one(inserted(alice(), request, ISSUED, 2), "the payee asked to close", ISSUED, 2)


@pytest.mark.parametrize(
    ("log_name", "status"),
    [("ChallengeRegistered", "challenged"), ("Concluded", "concluded")],
)
def test_no_payment_while_the_chain_disputes_the_channel(log_name: str, status: str) -> None:
    _, seen = nth(bob(), events.ChainLogObserved)
    log = events.ChainLogObserved(
        seen.channel_id, log_name, 500, seen.block_hash, b"\x05" * 32, 0, 0, seen.asset, bytes(32)
    )
    one(inserted(bob(), log, RECEIVED, 2), f"is {status} on chain", RECEIVED, 2)
    cleared = events.ChainLogObserved(
        seen.channel_id,
        "Checkpointed",
        501,
        seen.block_hash,
        b"\x06" * 32,
        0,
        0,
        seen.asset,
        bytes(32),
    )
    resumed = inserted(inserted(bob(), log, RECEIVED, 2), cleared, RECEIVED, 2)
    reorged = inserted(
        inserted(bob(), log, RECEIVED, 2),
        events.ChainReorged(500, bytes(32), bytes(32)),
        RECEIVED,
        2,
    )
    for history in (resumed, reorged):
        assert not any("on chain" in message for _, message in messages(VoucherCheck, history))


def test_no_payment_follows_a_cut_tail() -> None:
    cut = events.LogTailCut(3, 5, "000004.log")
    one(inserted(bob(), cut, RECEIVED, 2), "the log had lost a tail", RECEIVED, 2)


def receipt(total: int, count: int, root: bytes) -> events.ReceiptReceived:
    """A receipt that Bob really signed."""
    signature = BOB.signer(receipt_hash(channel_id(), total, root))
    return GOT(channel_id(), amount_to_bytes(total), count, root, signature)


def test_a_receipt_covers_the_payments_that_wait() -> None:
    _, good = nth(alice(), GOT, 2)
    total = amount_from_bytes(good.total)
    one(in_place_of(alice(), receipt(total, 2, good.root), 2), "it covers 2 payments", GOT, 2)
    one(in_place_of(alice(), receipt(total, 0, good.root), 2), "and has a root", GOT, 2)
    one(in_place_of(alice(), receipt(total + 1, 1, good.root), 2), "its total", GOT, 2)
    one(in_place_of(alice(), receipt(total, 1, b"\x01" * 32), 2), "its root is not", GOT, 2)
    one(doubled(alice(), GOT), "it covers 1 payments, 0 wait", GOT, 1)


def test_a_receipt_for_a_voucher_by_hand_is_over_its_total_alone() -> None:
    for fields, words in (
        ({"total": amount_to_bytes(24)}, "its total 24 is not 25, our largest accepted"),
        ({"root": b"\x01" * 32}, "it covers no payment and has a root (M13)"),
    ):
        one(changed(payee(), GIVEN, -1, **fields), words, GIVEN, -1)
    waits = without(payee(), events.ReceiptIssued, 1)
    one(waits, "it covers none of 3 payments", GIVEN, -1)
    wrong = changed(payer(), GOT, -1, total=amount_to_bytes(24))
    one(wrong, "no voucher of 24 waits for a receipt", GOT, -1)


def test_a_receipt_covers_whole_lists() -> None:
    _, good = nth(payer(), GOT, 1)
    assert good.payment_count == 3
    part = changed(payer(), GOT, 1, payment_count=2)
    one(part, "it covers a part of a list (M13)", GOT, 1)
    identity = nth(payer(), payment_events.PaymentListed)[1].payment_id
    resent = events.VoucherResent(good.channel_id, identity, amount_to_bytes(16))
    one(inserted(payer(), resent, GOT, 1), "no such payment waits", events.VoucherResent)


def test_a_voucher_by_hand_is_a_voucher() -> None:
    created = payment_events.VoucherCreated
    one(changed(payer(), created, amount=amount_to_bytes(5)), "total 25 is not 21 + 5", created)
    one(doubled(payer(), created), "used before in this channel", created, 1)


@pytest.mark.parametrize(
    ("make", "kind"), [(payer, ISSUED), (payee, RECEIVED)], ids=["payer", "payee"]
)
def test_a_virtual_channel_pays_what_our_own_ledger_guarantees(
    make: Callable[[], History], kind: type[events.Event]
) -> None:
    history = make()
    agreed = next(event for event in history if isinstance(event, AGREED))
    one(without(history, type(agreed)), "the channel is not open", kind)
    seen = events.ChainLogObserved(
        agreed.channel_id,
        "ChallengeRegistered",
        9,
        *[bytes(32)] * 2,
        0,
        0,
        ZERO_ADDRESS,
        bytes(32),
    )
    words = "the ledger that carries it is challenged on chain (M11)"
    one(inserted(history, seen, kind), words, kind)
    cut = events.LogTailCut(1, 1, "1.log")
    one(inserted(history, cut, kind), "the ledger that carries it may only be closed", kind)


def test_who_renounced_takes_no_voucher() -> None:
    renounced = virtual_events.PostfundRenounced(target_of(payee()), BOB.address, "NO", "")
    one(inserted(payee(), renounced, RECEIVED), "we recorded that we take no voucher", RECEIVED)


def test_a_hub_takes_no_voucher() -> None:
    _, voucher = nth(payee(), RECEIVED)
    found = messages(VoucherCheck, [*open_hub(), voucher])
    assert found == [(len(open_hub()), "voucher-received names no payment channel of ours")]


def test_a_ledger_is_asked_to_close_and_has_no_vouchers() -> None:
    assert messages(VoucherCheck, closing_leader()) == []
    _, voucher = nth(payer(), ISSUED)
    stray = replace(voucher, channel_id=nth(leader(), events.ChannelCreated)[1].channel_id)
    found = messages(VoucherCheck, [*leader(), stray])
    assert found == [(len(leader()), "voucher-issued names no payment channel of ours")]


@pytest.mark.parametrize(("history", "kind"), [(alice, GOT), (bob, GIVEN)])
def test_a_receipt_is_signed_by_the_payee(
    history: Callable[[], History], kind: type[events.Event]
) -> None:
    _, event = nth(history(), kind)
    assert isinstance(event, GOT | GIVEN)
    message = receipt_hash(event.channel_id, amount_from_bytes(event.total), event.root)
    forged = changed(history(), kind, signature=ALICE.signer(message))
    one(forged, "the receipt is not signed by", kind)


def test_the_payees_receipt_covers_all_that_waits() -> None:
    one(without(bob(), GIVEN, 0), "it covers 1 of 2 payments", GIVEN, 0)


def test_only_the_payee_gives_receipts() -> None:
    _, got = nth(alice(), GOT)
    given = GIVEN(got.channel_id, got.total, got.payment_count, got.root, got.signature)
    one(in_place_of_kind(alice(), given, GOT), "only the payee gives receipts", GIVEN)


def in_place_of_kind(history: History, event: events.Event, kind: type[events.Event]) -> History:
    seq, _ = nth(history, kind)
    return [*history[:seq], event, *history[seq + 1 :]]


def test_a_refusal_names_our_largest_accepted_voucher() -> None:
    _, event = nth(bob(), RECEIVED, 2)
    base = spent(alice(), 1)

    def refusal(accepted: int, peer: bytes = ALICE.address) -> events.VoucherRefused:
        return events.VoucherRefused(
            event.channel_id, peer, b"\x09" * 32, event.total, amount_to_bytes(accepted), "X", "x"
        )

    assert messages(VoucherCheck, inserted(bob(), refusal(base), RECEIVED, 2)) == []
    wrong = inserted(bob(), refusal(base + 1), RECEIVED, 2)
    one(wrong, "another base", events.VoucherRefused)
    stranger = inserted(bob(), refusal(0, IVAN.address), RECEIVED, 2)
    assert messages(VoucherCheck, stranger) == []


def test_the_peers_words_are_recorded_and_not_judged() -> None:
    heard = events.VoucherRefusalReceived(
        channel_id(), BOB.address, b"\x09" * 32, bytes(32), bytes(32), "X", "x"
    )
    assert messages(VoucherCheck, inserted(alice(), heard, ISSUED, 2)) == []


def test_what_is_sent_again_waits_for_a_receipt() -> None:
    _, event = nth(alice(), ISSUED, 2)
    again = events.VoucherResent(event.channel_id, event.payment_id, event.total)
    assert messages(VoucherCheck, inserted(alice(), again, GOT, 2)) == []
    one(inserted(alice(), again, ISSUED, 2), "no such payment waits", events.VoucherResent)
    other = events.VoucherResent(event.channel_id, event.payment_id, bytes(32))
    one(inserted(alice(), other, GOT, 2), "no such payment waits", events.VoucherResent)


REQUESTED, REFUSED = events.FinalStateRequested, events.FinalStateRefused


def shown(total: int) -> tuple[bytes, bytes]:
    return amount_to_bytes(total), sign_voucher(channel_id(), total, ALICE.signer)


def test_a_request_to_close_shows_a_voucher_of_the_payer() -> None:
    total = spent(alice(), -1)
    honest = REQUESTED(channel_id(), BOB.address, *shown(total))
    assert messages(VoucherCheck, [*bob(), honest]) == []
    one([*bob(), REQUESTED(channel_id(), BOB.address, *shown(5))], "it shows 5, our", REQUESTED)
    unsigned = REQUESTED(channel_id(), BOB.address, amount_to_bytes(total), b"")
    one([*alice(), unsigned], "the voucher shown is not signed by", REQUESTED)
    stranger = REQUESTED(channel_id(), IVAN.address, bytes(32))
    one([*alice(), stranger], "is no participant", REQUESTED)
    payer = REQUESTED(channel_id(), ALICE.address, bytes(32))
    assert messages(VoucherCheck, [*alice(), payer]) == []


def test_a_final_state_is_refused_by_the_payee_for_paying_too_little() -> None:
    total = spent(alice(), -1)
    words = "the refused state pays what the voucher is worth"
    one([*alice(), REFUSED(channel_id(), 3, BOB.address, *shown(total))], words, REFUSED)
    more = REFUSED(channel_id(), 3, BOB.address, *shown(total + 1))
    assert messages(VoucherCheck, [*alice(), more]) == []
    payer = REFUSED(channel_id(), 3, ALICE.address, *shown(total + 1))
    one([*alice(), payer], "only the payee refuses", REFUSED)
    unknown = REFUSED(channel_id(), 4, BOB.address, *shown(total + 1))
    one([*alice(), unknown], "turn 4 is no stored final state", REFUSED)
    running = REFUSED(channel_id(), 1, BOB.address, *shown(total + 1))
    one([*alice(), running], "turn 1 is no stored final state", REFUSED)
    one([*bob(), more], "we signed turn 3 before", REFUSED)


@pytest.mark.parametrize("kind", [ISSUED, GOT])
def test_payments_belong_to_a_channel_of_ours(kind: type[events.Event]) -> None:
    one(changed(alice(), kind, channel_id=b"\x99" * 32), "no payment channel of ours", kind)


def test_a_strangers_payment_is_refused_without_a_channel() -> None:
    refusal = events.VoucherRefused(
        b"\x99" * 32, IVAN.address, b"\x09" * 32, bytes(32), bytes(32), "UNKNOWN_CHANNEL", "x"
    )
    assert messages(VoucherCheck, inserted(bob(), refusal, RECEIVED)) == []
