"""Records as messages: as they were written, bounded, in the shortest form."""

from __future__ import annotations

import msgpack
import pytest
from msgspec.structs import replace

from node.log_views.batches import batches, message_of, record_bytes
from node.log_views.limits import BATCH_RECORD_COUNT_MAX, BATCH_SIZE_BYTES_MAX
from node.store.errors import NewerLogFormat
from node.store.record import Record, decode_record, encode_record
from node.views.encoding import decode, encode
from protocols.events import MessageDropped


def record(seq: int, reason: str = "") -> tuple[Record, bytes]:
    stored = encode_record(seq, 5, None, MessageDropped("p", reason, "E", 3))
    return decode_record(stored), stored


@pytest.mark.parametrize("count", [0, 1, 15, 16, 1_000, 65_535, 65_536])
def test_an_array_has_the_one_form_that_messages_have(count: int) -> None:
    assert message_of([b"\x01"] * count) == encode([1] * count)


def test_records_go_over_byte_for_byte() -> None:
    (batch,) = batches([[record(7), record(8)], [record(9)]])
    assert batch.last_seq == 9
    assert [item[1] for item in decode(batch.message)] == [7, 8, 9]
    assert batch.records[0] == encode_record(7, 5, None, MessageDropped("p", "", "E", 3))
    assert msgpack.unpackb(batch.message)[0][4] == "message-dropped"


def test_a_message_ends_at_a_count_and_at_a_size() -> None:
    many = [record(seq) for seq in range(BATCH_RECORD_COUNT_MAX + 1)]
    assert [len(batch.records) for batch in batches([many])] == [BATCH_RECORD_COUNT_MAX, 1]
    large = [record(seq, "x" * (BATCH_SIZE_BYTES_MAX // 2)) for seq in range(3)]
    assert [batch.last_seq for batch in batches([large])] == [0, 1, 2]
    assert list(batches([])) == []


def test_a_record_that_this_program_does_not_know_is_not_passed_on() -> None:
    with pytest.raises(NewerLogFormat):
        record_bytes(replace(record(0)[0], version=99), b"")
    with pytest.raises(NewerLogFormat):
        record_bytes(replace(record(0)[0], name="some-day-invented"), b"")
