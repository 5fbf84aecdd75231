"""Vouchers and receipts: the contracts' bytes, and neither can stand for the other."""

from typing import Any

import eth_abi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.crypto import Signer, keccak256, merkle_root, payment_leaf
from protocols.errors import InvalidSignature, InvalidWidth
from protocols.types import UINT256_MAX, amount_to_bytes, from_hex, to_hex
from protocols.voucher import (
    PendingPayment,
    Vouchers,
    covered_by,
    lists,
    receipt_hash,
    redeemed_voucher,
    redemption_app_data,
    sign_totals,
    sign_voucher,
    verify_voucher,
    voucher_hash,
)
from tests.support.actors import ALICE, BOB
from tests.support.vectors import NITRO

CHANNEL = from_hex(NITRO["vouchers"]["channel_id"])
ROOT = keccak256(b"root")
amounts = st.integers(min_value=0, max_value=UINT256_MAX)
words = st.binary(min_size=32, max_size=32)


def test_the_golden_voucher_of_the_reference_channel_is_reproduced() -> None:
    vector = NITRO["voucher"]
    signer = Signer(from_hex(NITRO["state"]["secret_keys"][0]))
    channel_id = from_hex(vector["channel_id"])
    assert to_hex(voucher_hash(channel_id, vector["amount"])) == vector["hash"]
    assert to_hex(sign_voucher(channel_id, vector["amount"], signer)) == vector["signature"]


@pytest.mark.parametrize("row", NITRO["vouchers"]["rows"], ids=lambda row: str(row["amount"]))
def test_alices_golden_vouchers_are_reproduced_and_hers(row: dict[str, Any]) -> None:
    assert NITRO["vouchers"]["payer"] == "alice"
    assert to_hex(voucher_hash(CHANNEL, row["amount"])) == row["hash"]
    signature = sign_voucher(CHANNEL, row["amount"], ALICE.signer)
    assert to_hex(signature) == row["signature"]
    assert verify_voucher(CHANNEL, row["amount"], signature, ALICE.known)


@given(words, amounts)
def test_a_voucher_hashes_as_the_contract_encodes_it(channel_id: bytes, amount: int) -> None:
    expected = keccak256(eth_abi.encode(["bytes32", "uint256"], [channel_id, amount]))
    assert voucher_hash(channel_id, amount) == expected


def test_a_voucher_is_good_for_its_channel_amount_and_payer_only() -> None:
    signature = sign_voucher(CHANNEL, 20, ALICE.signer)
    assert verify_voucher(CHANNEL, 20, signature, ALICE.known)
    assert not verify_voucher(CHANNEL, 21, signature, ALICE.known)
    assert not verify_voucher(bytes(32), 20, signature, ALICE.known)
    assert not verify_voucher(CHANNEL, 20, signature, BOB.known)


@given(st.lists(amounts, max_size=4))
def test_totals_in_bytes_are_signed_as_amounts_are(paid: list[int]) -> None:
    totals32 = [amount_to_bytes(amount) for amount in paid]
    signatures = sign_totals(CHANNEL, totals32, ALICE.signer)
    assert signatures == [sign_voucher(CHANNEL, amount, ALICE.signer) for amount in paid]


@pytest.mark.parametrize(
    ("channel_id", "amount"), [(bytes(31), 1), (CHANNEL, -1), (CHANNEL, UINT256_MAX + 1)]
)
def test_a_voucher_out_of_shape_is_neither_signed_nor_checked(
    channel_id: bytes, amount: int
) -> None:
    with pytest.raises(InvalidWidth):
        sign_voucher(channel_id, amount, ALICE.signer)
    with pytest.raises(InvalidWidth):
        verify_voucher(channel_id, amount, bytes(65), ALICE.known)


@given(amounts)
def test_a_redemption_carries_amount_and_signature_as_the_contract_reads_them(amount: int) -> None:
    signature = sign_voucher(CHANNEL, amount, ALICE.signer)
    expected = eth_abi.encode(
        ["(uint256,(uint8,bytes32,bytes32))"],
        [(amount, (signature[64], signature[:32], signature[32:64]))],
    )
    assert redemption_app_data(amount, signature) == expected
    assert len(expected) == 128


def test_the_golden_redemption_of_20_begins_with_amount_and_v() -> None:
    signature = from_hex(NITRO["vouchers"]["rows"][0]["signature"])
    expected = (0x14).to_bytes(32, "big") + (0x1B).to_bytes(32, "big") + signature[:64]
    assert redemption_app_data(20, signature) == expected


@pytest.mark.parametrize("v", [0, 1, 26, 29])
def test_no_redemption_goes_to_the_chain_with_another_v(v: int) -> None:
    with pytest.raises(InvalidSignature):
        redemption_app_data(20, bytes(64) + bytes((v,)))


def test_a_redemption_out_of_shape_is_refused() -> None:
    with pytest.raises(InvalidWidth):
        redemption_app_data(UINT256_MAX + 1, sign_voucher(CHANNEL, 20, ALICE.signer))
    with pytest.raises(InvalidWidth):
        redemption_app_data(20, bytes(64))


@given(words, amounts, words)
def test_a_receipt_hashes_its_domain_channel_amount_and_root(
    channel_id: bytes, amount: int, root: bytes
) -> None:
    expected = eth_abi.encode(
        ["bytes32", "bytes32", "uint256", "bytes32"],
        [keccak256(b"tallystick receipt v1"), channel_id, amount, root],
    )
    assert receipt_hash(channel_id, amount, root) == keccak256(expected)


def test_a_receipt_is_never_a_voucher() -> None:
    receipt = BOB.signer(receipt_hash(CHANNEL, 20, ROOT))
    assert not verify_voucher(CHANNEL, 20, receipt, BOB.known)
    assert receipt_hash(CHANNEL, 20, ROOT) != voucher_hash(CHANNEL, 20)


def test_a_receipt_changes_with_every_payment_it_covers() -> None:
    payments = [(keccak256(bytes((i,))), i + 1) for i in range(5)]
    leaves = [payment_leaf(*payment) for payment in payments]
    whole = receipt_hash(CHANNEL, 15, merkle_root(leaves))
    for i, (payment_id, amount) in enumerate(payments):
        changed = [*leaves[:i], payment_leaf(payment_id, amount + 1), *leaves[i + 1 :]]
        assert receipt_hash(CHANNEL, 15, merkle_root(changed)) != whole


@pytest.mark.parametrize(
    ("channel_id", "amount", "root"),
    [(bytes(31), 1, ROOT), (CHANNEL, -1, ROOT), (CHANNEL, 1, bytes(33))],
)
def test_a_receipt_out_of_shape_is_refused(channel_id: bytes, amount: int, root: bytes) -> None:
    with pytest.raises(InvalidWidth):
        receipt_hash(channel_id, amount, root)


def pending(*signed: bool) -> tuple[PendingPayment, ...]:
    return tuple(
        PendingPayment(bytes([n]) * 32, 1, n, bytes(65) if is_signed else b"", "")
        for n, is_signed in enumerate(signed, 1)
    )


def test_payments_fall_into_lists_that_end_with_a_signature() -> None:
    found = lists(pending(True, False, False, True, True))
    assert [[payment.total for payment in listed] for listed in found] == [[1], [2, 3, 4], [5]]
    assert list(lists(())) == []


def test_a_receipt_covers_so_many_payments_or_all_within_its_total() -> None:
    vouchers = Vouchers(pending=pending(True, True, True))
    for total, count, covered in ((2, 2, 2), (2, 0, 2), (3, 0, 3), (0, 0, 0), (9, 0, 3), (3, 1, 1)):
        assert len(covered_by(vouchers, total, count)) == covered


@given(amounts)
def test_a_redemptions_app_data_gives_the_voucher_back(amount: int) -> None:
    signature = sign_voucher(CHANNEL, amount, ALICE.signer)
    assert redeemed_voucher(redemption_app_data(amount, signature)) == (amount, signature)


def test_app_data_that_no_contract_reads_holds_no_voucher() -> None:
    data = redemption_app_data(5, sign_voucher(CHANNEL, 5, ALICE.signer))
    for length in (0, 127, 129, 160):
        with pytest.raises(InvalidWidth):
            redeemed_voucher((data + bytes(32))[:length])
    for v in (0, 26, 29, 2**8 + 27, 2**255):
        with pytest.raises(InvalidSignature):
            redeemed_voucher(data[:32] + v.to_bytes(32, "big") + data[64:])
