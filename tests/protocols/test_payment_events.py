"""Events of batches: folded one by one or together, a list is one voucher and many payments."""

from __future__ import annotations

from msgspec.structs import replace

from protocols.channel import Channel
from protocols.channel_reducers import CHANNEL_REDUCERS, with_listed
from protocols.payment_events import BatchReceived, PaymentListed, VoucherTaken
from protocols.types import amount_to_bytes
from protocols.voucher import Vouchers
from tests.support.builders import CHANNEL, FIXED

SIGNATURE = b"\x05" * 65
BEFORE = replace(Channel(CHANNEL, FIXED, 1), vouchers=Vouchers(total=7))
LISTED = [PaymentListed(CHANNEL, bytes([n]) * 32, amount_to_bytes(n), "tea") for n in (1, 2, 3)]


def test_a_list_raises_the_total_payment_by_payment_and_its_end_signs_the_last() -> None:
    channel = with_listed(BEFORE, LISTED)
    one_by_one = BEFORE
    for event in LISTED:
        one_by_one = CHANNEL_REDUCERS[PaymentListed](one_by_one, event)
    assert one_by_one == channel
    end = BatchReceived(CHANNEL, amount_to_bytes(7), amount_to_bytes(13), 3, SIGNATURE)
    vouchers = CHANNEL_REDUCERS[BatchReceived](channel, end).vouchers
    assert (vouchers.total, vouchers.payment_count, vouchers.signature) == (13, 3, SIGNATURE)
    assert [p.total for p in vouchers.pending] == [8, 10, 13]
    assert [p.signature for p in vouchers.pending] == [b"", b"", SIGNATURE]


def test_a_voucher_that_was_taken_waits_for_no_list() -> None:
    taken = VoucherTaken(CHANNEL, amount_to_bytes(3), amount_to_bytes(10), SIGNATURE)
    vouchers = CHANNEL_REDUCERS[VoucherTaken](BEFORE, taken).vouchers
    assert (vouchers.total, vouchers.signature, vouchers.pending) == (10, SIGNATURE, ())
