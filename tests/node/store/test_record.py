"""Records: their bytes, read by an independent decoder, and their chain."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.store import record as record_module
from node.store.errors import NewerLogFormat
from node.store.record import (
    chain_next,
    chain_seed,
    decode_record,
    encode_record,
    seq_key,
)
from protocols.event_codec import EVENTS, encode_payload
from protocols.events import Event, LogTailCut
from tests.support.event_samples import sample


@pytest.mark.parametrize("event_class", EVENTS.values(), ids=lambda cls: cls.NAME)
def test_every_event_comes_back_from_its_record(event_class: type[Event]) -> None:
    event = sample(event_class)
    record = decode_record(encode_record(7, 1_700_000_000_000, 3, event))
    assert (record.seq, record.time_ms, record.cause_seq) == (7, 1_700_000_000_000, 3)
    assert (record.version, record.name) == (event.VERSION, event.NAME)
    assert record.event() == event


@pytest.mark.parametrize("event_class", EVENTS.values(), ids=lambda cls: cls.NAME)
def test_an_independent_decoder_reads_the_same_fields(event_class: type[Event]) -> None:
    event = sample(event_class)
    decoded = msgpack.unpackb(encode_record(7, 5, None, event))
    fields = [getattr(event, name) for name in event.__struct_fields__]
    plain = [list(value) if isinstance(value, tuple) else value for value in fields]
    assert decoded == [event.VERSION, 7, 5, None, event.NAME, plain]


@given(
    seq=st.integers(0, 2**64 - 1),
    time_ms=st.integers(0, 2**63),
    cause=st.none() | st.integers(0, 2**64 - 1),
    name=st.text(max_size=20),
)
def test_any_numbers_and_text_survive(seq: int, time_ms: int, cause: int | None, name: str) -> None:
    event = LogTailCut(record_count=seq, cut_size_bytes=time_ms, file_name=name)
    record = decode_record(encode_record(seq, time_ms, cause, event))
    assert (record.seq, record.time_ms, record.cause_seq) == (seq, time_ms, cause)
    assert record.event() == event


def test_the_chain_is_sha256_over_the_previous_hash_and_the_record() -> None:
    event = sample(LogTailCut)
    seed = chain_seed(encode_payload(event))
    assert seed == sha256(msgpack.packb([*msgpack.unpackb(encode_payload(event))])).digest()
    assert chain_next(seed, b"record") == sha256(seed + b"record").digest()


def test_keys_sort_as_the_numbers_do() -> None:
    numbers = [0, 1, 255, 256, 2**32, 2**64 - 1]
    assert sorted(numbers, key=seq_key) == numbers


def record_of(name: str, version: int, fields: Sequence[Any]) -> bytes:
    return msgspec.msgpack.encode([version, 1, 2, None, name, fields])


def test_an_old_payload_is_read_through_its_upcaster(monkeypatch: pytest.MonkeyPatch) -> None:
    _, decode = record_module._CURRENT["log-tail-cut"]
    monkeypatch.setitem(record_module._CURRENT, "log-tail-cut", (2, decode))
    old = decode_record(record_of("log-tail-cut", 1, [10, "000004.log"]))
    steps = {("log-tail-cut", 1): lambda fields: [fields[0], 0, fields[1]]}
    assert old.event(steps) == LogTailCut(10, 0, "000004.log")
    with pytest.raises(NewerLogFormat, match="log-tail-cut has version 1"):
        old.event()


def test_a_newer_version_or_an_unknown_name_is_refused() -> None:
    with pytest.raises(NewerLogFormat, match="log-tail-cut has version 2, .* up to 1"):
        decode_record(record_of("log-tail-cut", 2, [10, 0, ""])).event()
    with pytest.raises(NewerLogFormat, match="moon-landed has version 1, .* up to 0"):
        decode_record(record_of("moon-landed", 1, [])).event()


def test_a_payload_that_does_not_fit_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_record(record_of("log-tail-cut", 1, ["ten", 0, ""])).event()
