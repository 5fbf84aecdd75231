"""Events of a deep fork say what counted before it."""

from __future__ import annotations

from protocols.event_codec import json_payload
from protocols.halt_events import ChannelHalted, ChannelHaltLifted
from protocols.types import amount_to_bytes


def test_a_halt_says_what_counted_and_what_was_replaced() -> None:
    event = ChannelHalted(b"\x0c" * 32, 7, 9, bytes(20), amount_to_bytes(5), "open")
    payload = json_payload(event, 1, 5)
    assert (payload["fork_block_num"], payload["confirmed_block_num"]) == (7, 9)
    assert (payload["held"], payload["chain_status"]) == ("5", "open")


def test_a_lifted_halt_names_the_fork() -> None:
    payload = json_payload(ChannelHaltLifted(b"\x0c" * 32, 7), 1, 5)
    assert (payload["channel_id"], payload["fork_block_num"]) == ("0x" + "0c" * 32, 7)
