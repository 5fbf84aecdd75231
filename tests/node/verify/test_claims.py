"""Who signed is recovered from the bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.verify.claims import (
    Claim,
    Rooted,
    SignatureBook,
    Signed,
    SignedTotals,
    claim_faults,
    faults,
    signature_fault,
)
from protocols.crypto import payment_root
from protocols.types import amount_to_bytes
from protocols.voucher import sign_voucher, voucher_hash
from tests.support.actors import ALICE, BOB, Actor

HASH = b"\x11" * 32
SIGNED = ALICE.signer(HASH)


def test_the_signer_is_recovered() -> None:
    assert signature_fault("it", HASH, SIGNED, ALICE.address) is None


def test_the_other_v_is_the_same_signature() -> None:
    other = SIGNED[:64] + bytes([55 - SIGNED[64]])
    assert signature_fault("it", HASH, other, ALICE.address) is None


@pytest.mark.parametrize(
    ("hash32", "signature", "signer"),
    [
        (HASH, SIGNED, BOB.address),
        (b"\x12" * 32, SIGNED, ALICE.address),
        (HASH, SIGNED[:64] + b"\x00", ALICE.address),
        (HASH, SIGNED[:32] + b"\xff" * 32 + SIGNED[64:], ALICE.address),
        (HASH, b"", ALICE.address),
        (HASH, bytes(64) + b"\x1b", ALICE.address),
    ],
)
def test_anything_else_is_a_fault(hash32: bytes, signature: bytes, signer: bytes) -> None:
    fault = signature_fault("the voucher", hash32, signature, signer)
    assert fault is not None
    assert fault.startswith("the voucher is not signed by 0x" + signer.hex())


CHANNEL_ID = b"\xc1" * 32
TOTALS = [amount_to_bytes(total) for total in (5, 9, 12)]


def run(*signatures: bytes) -> SignedTotals:
    return SignedTotals("the voucher", CHANNEL_ID, TOTALS, list(signatures), ALICE.address)


def signed(total32: bytes, by: Actor = ALICE) -> bytes:
    return sign_voucher(CHANNEL_ID, int.from_bytes(total32, "big"), by.signer)


def test_a_run_of_vouchers_is_so_many_signatures() -> None:
    good = [signed(total) for total in TOTALS]
    assert list(faults([run(*good)])) == []
    said, fault = faults(["said", run(good[0], signed(TOTALS[1], BOB), good[2])])
    assert said == "said"
    assert fault == signature_fault(
        "the voucher", voucher_hash(CHANNEL_ID, 9), signed(TOTALS[1], BOB), ALICE.address
    )
    wrong = run(good[0], good[0], good[0])
    assert [place for place, _ in claim_faults(wrong)] == [1, 2]


@given(st.lists(st.tuples(st.sampled_from([ALICE, BOB]), st.integers(0, 70)), max_size=12))
def test_a_book_of_keys_finds_what_recovery_finds(made: list[tuple[Actor, int]]) -> None:
    book = SignatureBook()
    for signer, flipped in made:
        signature = bytearray(signer.signer(HASH))
        if flipped < len(signature):
            signature[flipped] ^= 1
        for expected in (ALICE, BOB):
            claim = Signed("it", HASH, bytes(signature), expected.address)
            assert book.holds(claim) == (list(claim_faults(claim)) == [])


def test_a_book_forgets_keys_rather_than_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.verify.claims.SIGNER_COUNT_MAX", 1)
    book = SignatureBook()
    for signer in (ALICE, BOB, ALICE, BOB):
        assert book.holds(Signed("it", HASH, signer.signer(HASH), signer.address))
        assert len(book) == 1


def test_the_root_of_a_receipt_is_calculated_where_signatures_are() -> None:
    payments = [(bytes([number]) * 32, 10 + number) for number in range(5)]
    encoded = b"".join(identity + amount_to_bytes(amount) for identity, amount in payments)
    right, wrong = Rooted(encoded, payment_root(payments)), Rooted(encoded, HASH)
    book = SignatureBook()
    assert [book.holds(right), book.holds(wrong)] == [True, False]
    assert book.failed([right, Signed("it", HASH, SIGNED, ALICE.address), wrong]) == [2]
    assert list(claim_faults(right)) == []
    root = payment_root(payments).hex()
    said = f"its root is not that of the payments it covers, 0x{root} (M13)"
    assert list(claim_faults(wrong)) == [(0, said)]


def many(count: int, bad: dict[int, bytes], by: Actor = ALICE) -> list[Claim]:
    """Runs of three vouchers and, behind every third of them, a state; some signatures replaced."""
    claims: list[Claim] = []
    for number in range(count):
        totals = [amount_to_bytes(3 * number + place + 1) for place in range(3)]
        signatures = [signed(total, by) for total in totals]
        if number in bad:
            signatures[number % 3] = bad[number]
        claims.append(SignedTotals("the voucher", CHANNEL_ID, totals, signatures, by.address))
        if number % 3 == 0:
            claims.append(Signed("it", totals[0], by.signer(totals[0]), by.address))
    return claims


OTHER_V = signed(amount_to_bytes(3 * 7 + 2))[:64] + bytes([55 - signed(amount_to_bytes(23))[64]])


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ({}, 0),
        ({0: SIGNED}, 1),
        ({4: SIGNED, 5: b"", 11: bytes(65)}, 3),
        ({7: OTHER_V}, 0),
        ({7: OTHER_V, 8: OTHER_V}, 1),
    ],
)
def test_many_at_once_are_found_as_each_by_itself(
    bad: dict[int, bytes], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = [*many(12, bad), *many(5, {}, BOB), Signed("it", HASH, SIGNED, BOB.address)]
    by_itself = SignatureBook()
    places = [place for place, claim in enumerate(claims) if not by_itself.holds(claim)]
    assert len(places) == expected + 1
    assert SignatureBook().failed(claims) == places
    monkeypatch.setattr("node.verify.claims.TOGETHER_COUNT_MIN", 2)
    assert SignatureBook().failed(claims) == places


def test_what_holds_together_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.verify.claims.TOGETHER_COUNT_MIN", 2)
    looked_at: list[Claim] = []
    monkeypatch.setattr(SignatureBook, "holds", lambda _, claim: looked_at.append(claim) or True)
    stranger = Signed("it", HASH, SIGNED, ALICE.address)
    assert SignatureBook().failed([*many(12, {}, BOB), stranger]) == []
    assert looked_at == [stranger], "one signature of a signer is looked at by itself"
