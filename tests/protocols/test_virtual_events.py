"""Events of virtual channels: fees are amounts in JSON, one for each intermediary."""

from protocols.event_codec import json_payload
from protocols.types import amount_to_bytes
from protocols.virtual_events import VirtualChannelRecorded


def test_fees_are_decimal_strings_in_path_order() -> None:
    fees = (amount_to_bytes(7), amount_to_bytes(2**64))
    event = VirtualChannelRecorded(b"\x01" * 32, b"", b"\x02" * 32, fees)
    payload = json_payload(event, 1, 5)
    assert payload["fees"] == ["7", "18446744073709551616"]
    assert payload["left_ledger"] == "0x"
