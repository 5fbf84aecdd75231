"""Events after a loss: hashes and signatures are hex in JSON, verdicts are true or false."""

from __future__ import annotations

from protocols.event_codec import json_payload
from protocols.resumption_events import HeldHeadCompared, LedgerResumed


def test_a_comparison_holds_the_head_in_full_and_the_verdict() -> None:
    head = (1_000, b"\x01" * 32, b"\x02" * 65)
    payload = json_payload(HeldHeadCompared(b"\x0b" * 20, *head, False, True), 1, 5)
    assert payload["root"] == "0x" + "01" * 32
    assert payload["signature"] == "0x" + "02" * 65
    assert (payload["agrees"], payload["explained"]) == (False, True)


def test_a_ledger_that_went_on_is_recorded_with_both_signatures() -> None:
    event = LedgerResumed(b"\x01" * 32, 2**20, b"\x02" * 32, b"\x03" * 65, b"\x04" * 65)
    payload = json_payload(event, 1, 5)
    assert payload["turn_num"] == 2**20
    assert payload["leader_signature"] != payload["follower_signature"]
