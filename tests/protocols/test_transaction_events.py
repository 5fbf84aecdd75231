"""Events of transactions on their way: fees are decimal strings in JSON."""

from __future__ import annotations

from protocols.event_codec import json_payload
from protocols.transaction_events import TransactionHeldBack, TransactionReplaced
from protocols.types import amount_to_bytes


def test_a_higher_bid_names_both_transactions_and_both_fees() -> None:
    fees = (amount_to_bytes(fee) for fee in (80, 8, 90, 9))
    event = TransactionReplaced(bytes(32), b"\x01" * 32, b"\x02" * 32, 4, *fees, b"raw", "slow")
    payload = json_payload(event, 1, 5)
    assert (payload["old_tx_hash"], payload["tx_hash"]) == ("0x" + "01" * 32, "0x" + "02" * 32)
    assert (payload["old_max_fee"], payload["max_fee"]) == ("80", "90")
    assert (payload["old_priority_fee"], payload["priority_fee"]) == ("8", "9")


def test_what_is_held_back_names_the_channel_the_deadline_and_both_prices() -> None:
    prices = amount_to_bytes(600), amount_to_bytes(500)
    payload = json_payload(TransactionHeldBack(bytes(32), b"\x0c" * 32, *prices, 9, 7, 3), 1, 5)
    assert payload["channel_id"] == "0x" + "0c" * 32
    assert (payload["base_fee"], payload["fee_ceiling"]) == ("600", "500")
    assert (payload["deadline_s"], payload["block_num"], payload["blocks_left"]) == (9, 7, 3)
