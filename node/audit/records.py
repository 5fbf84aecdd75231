"""Each record against its neighbours: dense, chained, one spelling, one id."""

from collections.abc import Iterator
from hashlib import sha256

from node.audit.entry import Entry, encode_entry, json_fields
from node.audit.messagepack import digest_of_last_element
from node.store.record import CHAIN_SIZE_BYTES, FORMAT_VERSION
from protocols.event_codec import canonical_json, event_id, json_payload
from protocols.events import NodeCreated


class ChainCheck:
    """chain_n = sha256(chain_{n-1} || record_n), and chain_{-1} = sha256(payload of record 0)."""

    name = "chain"

    def __init__(self) -> None:
        self._previous: tuple[bytes, ...] = ()
        """Chain hashes that the next record may continue: the stored one and the computed one.
        They differ at a bad record only, and then its successor need not be blamed too."""

    def restart(self) -> None:
        """After a gap nothing is known of the hash before."""
        self._previous = ()

    @property
    def stored(self) -> bytes | None:
        """The stored hash of the record before, if that one fitted; else None."""
        return self._previous[0] if len(set(self._previous)) == 1 else None

    def passed(self, value: bytes) -> None:
        """Records up to this stored value fitted, one behind the other."""
        self._previous = (value[:CHAIN_SIZE_BYTES],)

    def check(self, seq: int, value: bytes) -> Iterator[str]:
        """The stored value of record `seq`: chain hash || record."""
        stored, raw = value[:CHAIN_SIZE_BYTES], value[CHAIN_SIZE_BYTES:]
        before = (_seed(raw),) if seq == 0 else self._previous
        computed = tuple(sha256(chain + raw).digest() for chain in before)
        if before and stored not in computed:
            yield "its bytes do not fit its chain hash and the record before"
        self._previous = (stored, *computed[:1])


def _seed(raw: bytes) -> bytes:
    """chain_{-1}: the payload's own bytes are the last element of record 0's array."""
    try:
        return digest_of_last_element(raw)
    except ValueError:
        return b""


class RecordCheck:
    """Head and identity of each record."""

    name = "record"

    def __init__(self) -> None:
        self.time_ms = 0
        """The latest until now."""

    def passed(self, time_ms: int) -> None:
        """Records up to this time were in order."""
        self.time_ms = time_ms

    def check(self, entry: Entry, seq: int) -> Iterator[str]:
        """`seq` is the key under which the record is stored."""
        if entry.seq != seq:
            yield f"it says that it is record {entry.seq}"
        if entry.cause_seq is not None and entry.cause_seq >= seq:
            yield f"its cause is the later record {entry.cause_seq}"
        if (seq == 0) != isinstance(entry.event, NodeCreated):
            yield f"{entry.name} stands where it must not: node-created is record 0 and only that"
        if isinstance(entry.event, NodeCreated) and entry.event.format_version > FORMAT_VERSION:
            yield f"format version {entry.event.format_version} needs a later program"
        if encode_entry(entry) != entry.raw:
            yield "its MessagePack is not the shortest spelling"
        yield from _identity(entry)

    def clock_fell(self, entry: Entry) -> str | None:
        """A clock that was set back between two runs: worth a note, since no rule rests on it."""
        fell_ms = self.time_ms - entry.time_ms
        self.time_ms = max(self.time_ms, entry.time_ms)
        return f"its time is {fell_ms} ms before an earlier record's" if fell_ms > 0 else None


def _identity(entry: Entry) -> Iterator[str]:
    if entry.version != entry.event.VERSION:
        return  # The id belongs to the payload as it was released.
    fields = json_fields(entry)
    known = event_id(entry.name, json_payload(entry.event, entry.version, entry.time_ms))
    if event_id(entry.name, fields) != known:
        yield f"its event id is not that of {canonical_json(fields).decode()}"
