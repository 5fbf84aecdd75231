"""Events of what the chain shows: their names, their order of fields, and how they read as JSON."""

from protocols.chain_events import (
    ChainBlockProcessed,
    ChainLogObserved,
    ChainLogRefuted,
    ChainReorged,
    HoldingsRead,
)
from protocols.event_codec import EVENTS, json_payload
from protocols.types import amount_to_bytes

CHANNEL, BLOCK, TX = b"\xc1" * 32, b"\x0b" * 32, b"\x0a" * 32


def test_their_names_are_recorded_for_ever() -> None:
    assert {
        "chain-log-observed": ChainLogObserved,
        "chain-log-refuted": ChainLogRefuted,
        "holdings-read": HoldingsRead,
        "chain-block-processed": ChainBlockProcessed,
        "chain-reorged": ChainReorged,
    }.items() <= EVENTS.items()


def test_what_was_observed_reads_with_its_place_and_its_amount() -> None:
    amount = amount_to_bytes(10**30)
    seen = ChainLogObserved(CHANNEL, "Deposited", 7, BLOCK, TX, 2, 3, bytes(20), amount)
    payload = json_payload(seen, 1, 5)
    assert payload["amount"] == str(10**30)
    assert [payload[name] for name in ("block_num", "tx_index", "log_index")] == [7, 2, 3]
    assert payload["block_hash"] == "0x" + BLOCK.hex()
