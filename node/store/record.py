"""One record of the log: its bytes, its place in the chain of hashes, its event.

A record is the MessagePack array [version, seq, time_ms, cause_seq, name, payload]. It is stored
as chain_n (32) || record_n with chain_n = sha256(chain_{n-1} || record_n), and chain_{-1} is the
sha256 of record 0's payload bytes (ADR 0018).
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256

import msgspec

from node.store.errors import NewerLogFormat
from node.store.upcasters import UPCASTERS, Upcaster, upcast
from protocols.event_codec import EVENTS, payload_decoder
from protocols.events import Event, NodeCreated

FORMAT_VERSION = 1
"""Of the log as a whole; in record 0. A newer one is refused."""
CHAIN_SIZE_BYTES = 32
SEQ_SIZE_BYTES = 8


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A record as it was written; the payload stays bytes until somebody asks for the event."""

    version: int
    seq: int
    time_ms: int
    cause_seq: int | None
    name: str
    payload: msgspec.Raw

    def event(self, upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS) -> Event:
        """The event, brought to today's version.

        Raises `NewerLogFormat` for a name or version this program does not know and
        msgspec.ValidationError for a payload that does not fit.
        """
        current = _CURRENT.get(self.name)
        if current is None:
            raise NewerLogFormat(self.name, self.version, 0)
        version, decode = current
        if self.version == version:
            return decode(self.payload)
        if self.version > version:
            raise NewerLogFormat(self.name, self.version, version)
        fields = msgspec.msgpack.decode(self.payload)
        fields = upcast(self.name, self.version, version, fields, upcasters)
        return decode(_ENCODER.encode(fields))


_ENCODER = msgspec.msgpack.Encoder()
_encode = _ENCODER.encode
_CURRENT: dict[str, tuple[int, Callable[[bytes | msgspec.Raw], Event]]] = {
    name: (event_class.VERSION, payload_decoder(name)) for name, event_class in EVENTS.items()
}
_UNKNOWN: tuple[None, Callable[[bytes | msgspec.Raw], Event]] = (
    None,
    payload_decoder(NodeCreated.NAME),
)
"""Stands for an event this program does not know: it is of no version, and nothing decodes it."""
decode_record = msgspec.msgpack.Decoder(Record).decode
"""Bytes -> Record; raises msgspec.DecodeError."""


def encode_record(seq: int, time_ms: int, cause_seq: int | None, event: Event) -> bytes:
    """The record's bytes: one pass, the payload's array inside the record's."""
    return _encode((event.VERSION, seq, time_ms, cause_seq, event.NAME, event))


def chain_seed(payload: bytes | msgspec.Raw) -> bytes:
    """chain_{-1}: the hash of record 0's payload."""
    return sha256(payload).digest()


def chain_next(previous: bytes, record: bytes) -> bytes:
    """chain_n from chain_{n-1} and record_n."""
    return sha256(previous + record).digest()


def linked_records(entries: Iterable[tuple[bytes, bytes]], seq: int, chain: bytes) -> list[Record]:
    """The records of log entries, up to the first that does not follow.

    The first must be record `seq`, behind the one with the chain hash `chain`: its key, its own
    number and its chain hash say so, and so on.
    """
    records = []
    # Spelled out: a call each for key and chain would be a third of the replay.
    for key, value in entries:
        raw, stored = value[CHAIN_SIZE_BYTES:], value[:CHAIN_SIZE_BYTES]
        if key != seq.to_bytes(SEQ_SIZE_BYTES, "big") or sha256(chain + raw).digest() != stored:
            break
        try:
            record = decode_record(raw)
        except msgspec.DecodeError:
            break
        if record.seq != seq:
            break
        records.append(record)
        chain = stored
        seq += 1
    return records


def append_events(records: Iterable[Record], events: list[Event]) -> None:
    """Append what `Record.event` gives for each; raises as it does, with those before appended."""
    for record in records:
        version, decode = _CURRENT.get(record.name, _UNKNOWN)
        # Spelled out for what is of today's version: a call for each is a tenth of a replay.
        is_of_today = record.version == version
        events.append(decode(record.payload) if is_of_today else record.event())


def seq_key(seq: int) -> bytes:
    """A sequence number as a key: u64, big-endian."""
    return seq.to_bytes(SEQ_SIZE_BYTES, "big")
