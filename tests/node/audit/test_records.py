"""Each record against its neighbours."""

from hashlib import sha256

import msgspec
import pytest

from node.audit.entry import decode_entry
from node.audit.messagepack import pack
from node.audit.records import ChainCheck, RecordCheck
from node.store.record import FORMAT_VERSION, chain_next, chain_seed, encode_record
from protocols.event_codec import encode_payload
from protocols.events import Event, LogTailCut, NodeCreated
from tests.support.logs import GENESIS, payment


def stored(history: list[Event]) -> list[bytes]:
    chain = chain_seed(encode_payload(history[0]))
    values = []
    for seq, event in enumerate(history):
        raw = encode_record(seq, 5, None, event)
        chain = chain_next(chain, raw)
        values.append(chain + raw)
    return values


HISTORY: list[Event] = [GENESIS, payment(1), payment(2), payment(3)]


def chain_faults(values: list[bytes]) -> list[int]:
    check = ChainCheck()
    return [seq for seq, value in enumerate(values) if list(check.check(seq, value))]


def flipped(value: bytes, offset: int) -> bytes:
    return value[:offset] + bytes([value[offset] ^ 1]) + value[offset + 1 :]


def test_a_whole_chain_has_no_fault() -> None:
    assert chain_faults(stored(HISTORY)) == []


@pytest.mark.parametrize("seq", range(4))
@pytest.mark.parametrize("offset", [0, 31, 32, 50])
def test_an_altered_record_is_named_and_its_successor_is_not(seq: int, offset: int) -> None:
    values = stored(HISTORY)
    values[seq] = flipped(values[seq], offset)
    assert chain_faults(values) == [seq]


def test_an_exchanged_record_is_named() -> None:
    values = stored(HISTORY)
    values[2] = stored([GENESIS, payment(1), payment(9)])[2]
    assert chain_faults(values) == [3]


def test_behind_a_gap_the_chain_begins_anew() -> None:
    values = stored(HISTORY)
    check = ChainCheck()
    assert list(check.check(0, values[0])) == []
    check.restart()
    assert list(check.check(2, values[2])) == []
    assert list(check.check(3, flipped(values[3], 40))) != []


def test_a_record_0_that_is_no_array_fits_no_chain() -> None:
    assert list(ChainCheck().check(0, bytes(32) + b"\xc1")) != []


def faults(raw: bytes, seq: int, check: RecordCheck | None = None) -> str:
    return " ".join((check or RecordCheck()).check(decode_entry(raw), seq))


def test_a_sound_record_has_no_fault() -> None:
    check = RecordCheck()
    assert faults(encode_record(0, 5, None, GENESIS), 0, check) == ""
    assert faults(encode_record(1, 5, 0, payment(1)), 1, check) == ""


def test_a_record_is_the_one_its_key_says() -> None:
    assert "record 4" in faults(encode_record(4, 5, None, payment(1)), 3)


def test_a_clock_that_was_set_back_is_told() -> None:
    check = RecordCheck()
    said = [
        check.clock_fell(decode_entry(encode_record(seq, time_ms, None, payment(1))))
        for seq, time_ms in enumerate((50, 50, 43, 45, 60))
    ]
    text = "its time is {} ms before an earlier record's"
    assert said == [None, None, text.format(7), text.format(5), None]


def test_a_cause_comes_first() -> None:
    assert "the later record 3" in faults(encode_record(3, 5, 3, payment(1)), 3)


def test_record_0_and_only_that_says_what_the_log_is_about() -> None:
    assert "stands where it must not" in faults(encode_record(1, 5, None, GENESIS), 1)
    assert "stands where it must not" in faults(encode_record(0, 5, None, payment(1)), 0)


def test_a_newer_format_is_named() -> None:
    newer = NodeCreated(FORMAT_VERSION + 1, 1, *([b"\x01" * 20] * 4))
    assert "needs a later program" in faults(encode_record(0, 5, None, newer), 0)


def test_a_record_has_one_spelling() -> None:
    raw = encode_record(3, 5, None, payment(1))
    longer = raw[:2] + b"\xcc\x03" + raw[3:]
    assert decode_entry(longer).seq == 3
    assert "shortest spelling" in faults(longer, 3)


def test_an_id_is_that_of_the_fields_as_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    import node.audit.records as records

    raw = encode_record(3, 5, None, payment(1))
    monkeypatch.setattr(records, "json_payload", lambda event, version, time_ms: {"other": 1})
    assert "its event id is not that of" in faults(raw, 3)


def test_the_id_of_an_old_version_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import node.audit.entry as entry

    monkeypatch.setattr(LogTailCut, "VERSION", 2)
    steps = {("log-tail-cut", 1): lambda fields: [fields[0], 0, fields[1]]}
    monkeypatch.setattr(entry, "UPCASTERS", steps)
    assert faults(pack([1, 7, 5, None, "log-tail-cut", [10, "x"]]), 7) == ""


def test_the_chain_is_what_anyone_computes() -> None:
    value = stored(HISTORY)[0]
    payload = msgspec.msgpack.encode(GENESIS)
    assert value[:32] == sha256(sha256(payload).digest() + value[32:]).digest()
