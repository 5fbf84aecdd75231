"""Bytes and ids that must never change, what they read as, and what is refused."""

import json
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest

from protocols.crypto import keccak256
from protocols.event_codec import (
    AMOUNT_FIELDS,
    EVENTS,
    canonical_json,
    decode_payload,
    encode_payload,
    event_id,
    json_payload,
)
from protocols.events import (
    DepositDetected,
    Event,
    LogTailCut,
    StateSupportedUpdated,
    VoucherIssued,
)
from tests.golden.write_events import CAUSE_SEQ, SEQ, golden
from tests.support.event_samples import SAMPLE_TIME_MS, sample

GOLDEN = Path(__file__).parent.parent / "golden"
IDS = json.loads((GOLDEN / "event_ids.json").read_text())["vectors"]

every_event = pytest.mark.parametrize("event_class", EVENTS.values(), ids=lambda cls: cls.NAME)


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
