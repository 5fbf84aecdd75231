"""Blocks: what is read many at a time is what is read one by one, and nothing looser."""

from hypothesis import given
from hypothesis import strategies as st

from node.audit.blocks import dense_values, plain_entries
from node.audit.entry import Entry, Undecodable, decode_entry
from node.audit.messagepack import pack
from node.audit.records import ChainCheck, RecordCheck
from node.store.record import chain_next, encode_record, seq_key
from protocols.event_codec import EVENTS
from protocols.events import Event, NodeCreated
from tests.support.event_samples import sample

FIRST, TIME_MS, CHAIN = 40, 1_000, b"\x11" * 32
SAMPLES = [sample(kind) for kind in EVENTS.values() if kind is not NodeCreated]
RAWS = [
    encode_record(FIRST + place, TIME_MS + place // 3, FIRST if place % 2 else None, event)
    for place, event in enumerate(SAMPLES)
]


def stored(raws: list[bytes]) -> list[bytes]:
    chain, values = CHAIN, []
    for raw in raws:
        chain = chain_next(chain, raw)
        values.append(chain + raw)
    return values


def one_by_one(values: list[bytes]) -> list[Entry] | None:
    """What the record-by-record checks make of it; None if they say anything."""
    chain, record, entries = ChainCheck(), RecordCheck(), []
    chain.passed(CHAIN)
    record.passed(TIME_MS)
    for seq, value in enumerate(values, FIRST):
        said = list(chain.check(seq, value))
        try:
            entry = decode_entry(value[32:])
        except Undecodable:
            return None
        said += record.check(entry, seq)
        if said or record.clock_fell(entry) is not None:
            return None
        entries.append(entry)
    return entries


def plain(values: list[bytes]) -> list[Entry] | None:
    return plain_entries(values, FIRST, CHAIN, TIME_MS)


def test_every_event_is_read_in_a_block_as_by_itself() -> None:
    values = stored(RAWS)
    found = plain(values)
    assert found is not None
    assert found == one_by_one(values)
    assert [entry.event for entry in found] == SAMPLES


@given(st.lists(st.sampled_from(SAMPLES), min_size=1, max_size=30))
def test_events_in_any_order_are_read_as_by_themselves(history: list[Event]) -> None:
    raws = [encode_record(FIRST + place, TIME_MS, None, e) for place, e in enumerate(history)]
    assert plain(stored(raws)) == one_by_one(stored(raws)) is not None


@given(st.data())
def test_a_changed_byte_is_never_plain(data: st.DataObject) -> None:
    values = stored(RAWS)
    place = data.draw(st.integers(0, len(values) - 1))
    offset = data.draw(st.integers(0, len(values[place]) - 1))
    changed = bytearray(values[place])
    changed[offset] ^= data.draw(st.integers(1, 255))
    values[place] = bytes(changed)
    assert plain(values) is None


NUMBERS = st.sampled_from(
    [-1, 0, 1, 2, FIRST, FIRST + 1, 2**64 - 1, True, None, 1.5, "x", b"y", []]
)


@given(st.integers(0, len(RAWS) - 1), st.integers(0, 5), NUMBERS)
def test_a_head_is_plain_only_if_it_is_so_by_itself(place: int, field: int, value: object) -> None:
    entry = decode_entry(RAWS[place])
    head = [entry.version, entry.seq, entry.time_ms, entry.cause_seq, entry.name, entry.payload]
    head[field] = value
    values = stored([*RAWS[:place], pack(head), *RAWS[place + 1 :]])
    assert plain(values) == one_by_one(values)


VALUES = st.sampled_from(
    [None, True, 0, -1, 2**64 - 1, "x", "", b"", b"y" * 20, b"y" * 32, b"y" * 65, [], [b"y" * 20]]
)


@given(st.integers(0, len(RAWS) - 1), st.integers(0, 12), VALUES)
def test_a_field_is_plain_only_if_it_is_so_by_itself(place: int, at: int, value: object) -> None:
    entry = decode_entry(RAWS[place])
    payload = [*entry.payload[:at], value, *entry.payload[at + 1 :]]
    head = [entry.version, entry.seq, entry.time_ms, entry.cause_seq, entry.name, payload]
    values = stored([*RAWS[:place], pack(head), *RAWS[place + 1 :]])
    found = plain(values)
    assert found == one_by_one(values)


def test_a_longer_spelling_is_not_plain() -> None:
    raw = RAWS[0]
    long = b"\xdc\x00\x06" + raw[1:]
    assert plain(stored([long, *RAWS[1:]])) is None
    assert plain(stored([raw + b"\xc0", *RAWS[1:]])) is None


def test_records_that_run_into_each_other_are_not_plain() -> None:
    first, second = RAWS[0], RAWS[1]
    assert plain(stored([first + second[:5], second[5:], *RAWS[2:]])) is None


def test_a_node_is_created_by_record_0_alone() -> None:
    raws = [encode_record(FIRST, TIME_MS, None, sample(NodeCreated)), *RAWS[1:]]
    assert plain(stored(raws)) is None


def test_keys_are_dense_or_not() -> None:
    entries = [(seq_key(seq), b"value %d" % seq) for seq in range(5, 9)]
    assert dense_values(entries, 5) == [value for _, value in entries]
    assert dense_values(entries, 4) is None
    assert dense_values([entries[0], entries[2]], 5) is None
    assert dense_values([(entries[0][0] + b"\x00", b"")], 5) is None
