"""The digests that the engine took of its memory, against the fold."""

from collections.abc import Iterable, Iterator
from typing import ClassVar

from node.audit.checks import Check
from node.audit.entry import Entry, Undecodable, decode_entry
from node.audit.reader import LogReader
from node.store.batch import DIGESTS_ENTITY
from node.store.kv import ENTITY, LOG, KeyValueDamaged
from node.store.record import CHAIN_SIZE_BYTES, SEQ_SIZE_BYTES
from protocols.events import Event, StateDigestRecorded
from protocols.node_state import NodeState

_INDEXED = (DIGESTS_ENTITY, DIGESTS_ENTITY + b"\xff" * (SEQ_SIZE_BYTES + 1))


class DigestCheck(Check):
    """Every `state-digest-recorded` equals the digest of the fold of the records it is about.

    It is recorded when it is known, which may be thousands of records later. So those that are to
    come are looked up in the index first.
    """

    name = "fold"
    is_of_channels = False
    judges: ClassVar[tuple[type[Event], ...] | None] = (StateDigestRecorded,)

    def __init__(self) -> None:
        self._taken: dict[int, tuple[bytes, int]] = {}
        """By number of records: digest and number of entities of their fold."""

    def stops(self, reader: LogReader) -> Iterable[int]:
        """Of how many records there are digests, as far as index and records can be read."""
        counts = set()
        try:
            for key, _ in reader.store.iterate(ENTITY, *_INDEXED):
                value = reader.store.get(LOG, key[-SEQ_SIZE_BYTES:])
                event = None if value is None else decode_entry(value[CHAIN_SIZE_BYTES:]).event
                if isinstance(event, StateDigestRecorded):
                    counts.add(event.record_count)
        except (KeyValueDamaged, Undecodable):
            pass  # Whoever reads the records meets it again, and names it.
        return counts

    def look(self, seq: int, state: NodeState) -> Iterable[str]:
        """Take the digest of the fold of all records before `seq`."""
        sums = state.sum_up()
        self._taken[seq] = sums.digest, sums.entity_count
        return ()

    def check(self, entry: Entry) -> Iterator[str]:
        """Compare it with what was recorded."""
        event = entry.event
        assert isinstance(event, StateDigestRecorded), "asked for no other"
        known = self._taken.get(event.record_count)
        if event.record_count > entry.seq:
            yield f"it is about {event.record_count} records, of which {entry.seq} are before it"
        elif known is None:
            yield f"it is about {event.record_count} records, and the index does not name it"
        elif known != (event.digest, event.entity_count):
            digest, count = known
            yield (
                f"the first {event.record_count} records fold to {count} entities with digest "
                f"0x{digest.hex()}, not {event.entity_count} with 0x{event.digest.hex()}"
            )
