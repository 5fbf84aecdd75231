"""Events: names, fields, bytes and ids that must never change, and the catalogue's golden ids."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from protocols.event_codec import (
    AMOUNT_FIELDS,
    CATALOGUE,
    EVENTS,
    canonical_json,
    decode_payload,
    encode_payload,
    event_id,
    json_payload,
)
from protocols.events import (
    Event,
)

GOLDEN = Path(__file__).parent.parent / "golden"
IDS = json.loads((GOLDEN / "event_ids.json").read_text())["vectors"]

CATALOGUE_FIELDS = {
    "objective-created": "objective_id objective_type channel_id participants",
    "objective-approved": "objective_id approver",
    "objective-rejected": "objective_id reason error_code",
    "objective-cranked": "objective_id side_effects_count waiting",
    "objective-completed": "objective_id success final_channel_state",
    "channel-created": "channel_id participants channel_nonce app_definition challenge_duration",
    "state-signed": "channel_id turn_num state_hash signer signature is_final app_data_hash",
    "state-received": "channel_id turn_num state_hash signer signature is_final peer_id",
    "state-supported-updated": "channel_id supported_turn state_hash num_signatures "
    "prev_supported_turn",
    "channel-finalized": "channel_id final_turn final_state_hash",
    "deposit-detected": "channel_id block_num tx_index asset amount_deposited now_held tx_hash",
    "allocation-updated": "channel_id block_num tx_index asset new_amount tx_hash",
    "challenge-registered": "channel_id block_num tx_index turn_num_record finalization_time "
    "challenger is_final candidate_state_hash tx_hash",
    "challenge-cleared": "channel_id block_num tx_index new_turn_num_record tx_hash",
    "channel-concluded": "channel_id block_num tx_index finalized_at_turn tx_hash",
    "withdraw-completed": "channel_id block_num tx_index recipient asset amount tx_hash",
    "message-sent": "message_id peer_id objective_id payload_size_bytes payload_type",
    "message-received": "message_id peer_id objective_id payload_size_bytes payload_type",
    "message-acked": "message_id peer_id roundtrip_ms",
    "message-dropped": "peer_id reason error_code payload_size_bytes message_id",
}
OPTIONAL_FIELDS = {
    "objective-approved": {"approver"},
    "objective-rejected": {"error_code"},
    "objective-completed": {"final_channel_state"},
    "state-signed": {"app_data_hash"},
    "state-received": {"peer_id"},
    "state-supported-updated": {"prev_supported_turn"},
    "deposit-detected": {"tx_hash"},
    "allocation-updated": {"tx_hash"},
    "challenge-registered": {"candidate_state_hash", "tx_hash"},
    "challenge-cleared": {"tx_hash"},
    "channel-concluded": {"finalized_at_turn", "tx_hash"},
    "withdraw-completed": {"tx_hash"},
    "message-sent": {"payload_type"},
    "message-received": {"payload_type"},
    "message-dropped": {"message_id"},
}

every_event = pytest.mark.parametrize("event_class", EVENTS.values(), ids=lambda cls: cls.NAME)


# --- the original catalogue ---


def test_the_catalogue_is_the_twenty_names_in_order() -> None:
    assert tuple(CATALOGUE_FIELDS) == CATALOGUE
    assert len(CATALOGUE) == 20


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_catalogued_event_has_exactly_its_fields(name: str) -> None:
    event_class = EVENTS[name]
    fields = CATALOGUE_FIELDS[name].split()
    assert event_class.VERSION == 1
    assert list(event_class.__struct_fields__) == fields
    optional = {
        field.name for field in msgspec.structs.fields(event_class) if field.default is None
    }
    assert optional == OPTIONAL_FIELDS.get(name, set())


@pytest.mark.parametrize("vector", IDS, ids=lambda vector: vector["event_name"])
def test_the_four_golden_ids_hold(vector: dict[str, Any]) -> None:
    assert canonical_json(vector["payload"]).decode() == vector["canonical_json"]
    assert "0x" + event_id(vector["event_name"], vector["payload"]).hex() == vector["expected_id"]


LOWER_CASE_IDS = {
    "objective-created": "8f271711d8786050bcc6b87492c37a5dc16aac966a206d71eac9d4da494b93f2",
    "state-signed": "cf87131c4751aa21edc7d335d31da864a0ea1c0de7318d618a19a349dcff5b55",
}


def from_json(payload: dict[str, Any], event_class: type[Event]) -> Event:
    """The event of a JSON payload as our types hold it: bytes, whatever the case of the hex."""
    values = {}
    for field in event_class.__struct_fields__:
        value = payload.get(field)
        if field in AMOUNT_FIELDS[event_class.NAME]:
            value = int(value).to_bytes(32, "big")
        elif isinstance(value, str) and value.startswith("0x"):
            value = bytes.fromhex(value[2:])
        elif isinstance(value, list):
            value = tuple(bytes.fromhex(item[2:]) for item in value)
        values[field] = value
    return event_class(**values)


@pytest.mark.parametrize("vector", IDS, ids=lambda vector: vector["event_name"])
def test_our_events_have_the_golden_ids_with_addresses_in_lower_case(
    vector: dict[str, Any],
) -> None:
    name, payload = vector["event_name"], vector["payload"]
    event = from_json(payload, EVENTS[name])
    ours = json_payload(event, payload["event_version"], payload["timestamp_ms"])
    expected = LOWER_CASE_IDS.get(name, vector["expected_id"][2:])
    assert event_id(name, ours).hex() == expected
    again = decode_payload(name, encode_payload(event))
    assert json_payload(again, 1, payload["timestamp_ms"]) == ours
