"""Events of heads: hashes and signatures are hex in JSON, lengths are numbers."""

from protocols.event_codec import json_payload
from protocols.head_events import LogHeadDisputed, LogHeadSigned

HEAD = (1_000, b"\x01" * 32, b"\x02" * 65)


def test_a_head_reads_as_hex_and_numbers() -> None:
    payload = json_payload(LogHeadSigned(*HEAD), 1, 5)
    assert payload["length"] == 1_000
    assert payload["root"] == "0x" + "01" * 32
    assert payload["signature"] == "0x" + "02" * 65


def test_a_dispute_holds_both_heads_in_full() -> None:
    payload = json_payload(LogHeadDisputed(b"\x0b" * 20, "forked", *HEAD, *HEAD), 1, 5)
    for name in ("length", "root", "signature"):
        assert payload[f"held_{name}"] == payload[f"shown_{name}"]
