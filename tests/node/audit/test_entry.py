"""Records read by the independent reader: the same as the codec wrote, and nothing looser."""

from typing import Any

import pytest

from node.audit import entry as entry_module
from node.audit.entry import Undecodable, decode_entry, encode_entry, json_fields
from node.audit.messagepack import pack
from node.store.record import encode_record
from protocols.event_codec import EVENTS, json_payload
from protocols.events import Event, LogTailCut
from tests.support.event_samples import sample

every_event = pytest.mark.parametrize("event_class", EVENTS.values(), ids=lambda cls: cls.NAME)


@every_event
def test_every_event_is_read_as_it_was_written(event_class: type[Event]) -> None:
    event = sample(event_class)
    raw = encode_record(7, 5, 3, event)
    entry = decode_entry(raw)
    assert entry.event == event
    assert (entry.seq, entry.time_ms, entry.cause_seq, entry.name) == (7, 5, 3, event.NAME)
    assert encode_entry(entry) == raw
    assert json_fields(entry) == json_payload(event, event.VERSION, 5)


OPEN_SIZE = 97
"""Bytes of a sample for a field that may be of any size."""


@every_event
def test_a_field_of_another_type_or_width_is_refused(event_class: type[Event]) -> None:
    entry = decode_entry(encode_record(7, 5, 3, sample(event_class)))
    for index, value in enumerate(entry.payload):
        wrongs: list[Any] = [1.5, {}]
        if isinstance(value, bytes) and len(value) in (20, 32, 65):
            wrongs.append(value + b"\x00")
        if isinstance(value, list):
            wrongs += [[*value, 1.5], b"\x00"]
            if not any(isinstance(item, bytes) and len(item) == OPEN_SIZE for item in value):
                wrongs.append([*value, b"\x00"])
        for wrong in wrongs:
            payload = [*entry.payload[:index], wrong, *entry.payload[index + 1 :]]
            with pytest.raises(Undecodable):
                decode_entry(pack([1, 7, 5, 3, entry.name, payload]))


TAIL_CUT = "log-tail-cut"


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ([1, 7, 5, None, TAIL_CUT], "not an array of six"),
        ({"a": 1}, "not an array of six"),
        ([-1, 7, 5, None, TAIL_CUT, [1, 2, "x"]], "version is no number"),
        ([1, "7", 5, None, TAIL_CUT, [1, 2, "x"]], "seq is no number"),
        ([1, 7, True, None, TAIL_CUT, [1, 2, "x"]], "time_ms is no number"),
        ([1, 7, 5, -3, TAIL_CUT, [1, 2, "x"]], "cause_seq is no number"),
        ([1, 7, 5, None, b"x", [1, 2, "x"]], "the name is no text"),
        ([1, 7, 5, None, TAIL_CUT, {}], "the payload no array"),
        ([1, 7, 5, None, TAIL_CUT, [1, 2]], "has 3 fields, found 2"),
        ([1, 7, 5, None, "moon-landed", []], "needs a later program"),
        ([2, 7, 5, None, TAIL_CUT, [1, 2, "x"]], "needs a later program"),
        ([0, 7, 5, None, TAIL_CUT, [1, 2, "x"]], "has version 0"),
    ],
)
def test_a_record_of_another_shape_is_refused(record: object, words: str) -> None:
    with pytest.raises(Undecodable, match=words):
        decode_entry(pack(record))


def test_bytes_that_are_no_messagepack_are_refused() -> None:
    with pytest.raises(Undecodable, match="not MessagePack"):
        decode_entry(b"\xc1")


def test_an_old_payload_is_read_through_its_upcaster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LogTailCut, "VERSION", 2)
    steps = {(TAIL_CUT, 1): lambda fields: [fields[0], 0, fields[1]]}
    monkeypatch.setattr(entry_module, "UPCASTERS", steps)
    entry = decode_entry(pack([1, 7, 5, None, TAIL_CUT, [10, "000004.log"]]))
    assert entry.event == LogTailCut(10, 0, "000004.log")
    assert entry.payload == [10, "000004.log"]
