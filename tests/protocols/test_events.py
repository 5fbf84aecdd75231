"""Events: names, fields, bytes and ids that must never change, and the catalogue's golden ids."""

import json
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest

from protocols.crypto import keccak256
from protocols.events import (
    AMOUNT_FIELDS,
    CATALOGUE,
    EVENTS,
    DepositDetected,
    Event,
    LogTailCut,
    StateSupportedUpdated,
    VoucherIssued,
    canonical_json,
    decode_payload,
    encode_payload,
    event_id,
    json_payload,
)
from tests.golden.write_events import CAUSE_SEQ, SEQ, golden
from tests.support.event_samples import SAMPLE_TIME_MS, sample

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


# --- bytes for ever ---


def test_there_is_a_golden_file_for_every_event_and_no_other() -> None:
    assert {file.stem for file in (GOLDEN / "events").glob("*.json")} == set(EVENTS)


@every_event
def test_the_golden_bytes_hold(event_class: type[Event]) -> None:
    text = (GOLDEN / "events" / f"{event_class.NAME}.json").read_text(encoding="utf-8")
    assert golden(sample(event_class)) == json.loads(text)


@every_event
def test_golden_bytes_are_what_an_independent_reader_finds(event_class: type[Event]) -> None:
    kept = json.loads((GOLDEN / "events" / f"{event_class.NAME}.json").read_text("utf-8"))
    version, seq, time_ms, cause, name, payload = msgpack.unpackb(bytes.fromhex(kept["record"]))
    assert (version, seq, time_ms, cause, name) == (
        kept["version"],
        SEQ,
        SAMPLE_TIME_MS,
        CAUSE_SEQ,
        kept["name"],
    )
    values = dict(zip(kept["fields"], payload, strict=True))
    shown = json.loads(kept["canonical_json"])
    for field, value in values.items():
        is_amount = field in AMOUNT_FIELDS[name]

        def said(item: Any, is_amount: bool = is_amount) -> Any:
            if isinstance(item, int | str):
                return item
            return str(int.from_bytes(item, "big")) if is_amount else "0x" + item.hex()

        if isinstance(value, bytes):
            value = said(value)
        elif isinstance(value, list):
            value = [said(item) for item in value]
        assert shown.pop(field) == value
    assert shown == {"event_version": version, "timestamp_ms": time_ms}
    digest = keccak256(f"ev1|{name}|{kept['canonical_json']}".encode())
    assert kept["event_id"] == "0x" + digest.hex()


# --- round trips and refusals ---


@every_event
def test_every_event_survives_its_bytes(event_class: type[Event]) -> None:
    event = sample(event_class)
    assert decode_payload(event.NAME, encode_payload(event)) == event


@every_event
def test_every_event_survives_with_its_optional_fields_left_out(
    event_class: type[Event],
) -> None:
    fields = msgspec.structs.fields(event_class)
    values = {f.name: getattr(sample(event_class), f.name) for f in fields if f.required}
    event = event_class(**values)
    assert decode_payload(event.NAME, encode_payload(event)) == event
    left_out = {f.name for f in fields if f.default is None}
    assert not left_out & set(json_payload(event, 1, 0))


@every_event
def test_a_wrong_width_is_refused(event_class: type[Event]) -> None:
    fields = msgspec.msgpack.decode(encode_payload(sample(event_class)))
    for index, value in enumerate(fields):
        if isinstance(value, bytes) and len(value) in (20, 32, 65):
            wrong = [*fields[:index], value + b"\x00", *fields[index + 1 :]]
            with pytest.raises(msgspec.ValidationError):
                decode_payload(event_class.NAME, msgspec.msgpack.encode(wrong))


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(KeyError):
        decode_payload("moon-landed", b"\x90")


def test_every_name_is_kebab_case_and_used_once() -> None:
    for name, event_class in EVENTS.items():
        assert name == event_class.NAME
        assert name == name.lower()
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz-")
    assert len(EVENTS) == len(set(EVENTS.values()))


# --- JSON ---


def test_amounts_are_decimal_strings_and_bytes_lower_case_hex() -> None:
    event = DepositDetected(
        b"\xab" * 32, 7, 1, b"\xcd" * 20, (10**18).to_bytes(32, "big"), bytes(32)
    )
    shown = json_payload(event, 1, 5)
    assert shown["amount_deposited"] == "1000000000000000000"
    assert shown["now_held"] == "0"
    assert shown["asset"] == "0x" + "cd" * 20
    assert (shown["event_version"], shown["timestamp_ms"]) == (1, 5)
    assert "tx_hash" not in shown


def test_amounts_are_found_in_every_event_that_has_them() -> None:
    assert AMOUNT_FIELDS["voucher-issued"] == {"amount", "total"}
    assert AMOUNT_FIELDS["deposit-detected"] == {"amount_deposited", "now_held"}
    assert AMOUNT_FIELDS["state-signed"] == frozenset()


def test_the_first_support_leaves_out_what_came_before() -> None:
    first = StateSupportedUpdated(b"\x01" * 32, 0, b"\x02" * 32, 2)
    assert "prev_supported_turn" not in json_payload(first, 1, 0)
    assert (
        json_payload(StateSupportedUpdated(b"\x01" * 32, 1, b"\x02" * 32, 2, 0), 1, 0)[
            "prev_supported_turn"
        ]
        == 0
    )


def test_an_events_time_is_the_records() -> None:
    event = LogTailCut(1, 2, "x")
    assert json_payload(event, 1, 5) != json_payload(event, 1, 6)
    assert event_id("log-tail-cut", json_payload(event, 1, 5)) != event_id(
        "log-tail-cut", json_payload(event, 1, 6)
    )


def test_canonical_json_sorts_keeps_unicode_and_refuses_floats_that_are_no_numbers() -> None:
    assert canonical_json({"b": 2**64 - 1, "a": "Zürich\n", "c": [True]}) == (
        '{"a":"Zürich\\n","b":18446744073709551615,"c":[true]}'.encode()
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})


def test_a_voucher_keeps_an_empty_memo_in_its_json() -> None:
    voucher = VoucherIssued(b"\x01" * 32, b"\x02" * 32, bytes(32), bytes(32), b"\x03" * 65)
    assert json_payload(voucher, 1, 0)["memo"] == ""
