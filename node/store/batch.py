"""A batch under construction: events and effects that become durable by one synced write.

It knows how records, indexes, effects and signed turns are laid out in the store. It writes
nothing itself; `EventLog.commit` does.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from operator import attrgetter
from typing import Any

import msgspec

from node.store.errors import EquivocationAlarm
from node.store.index import run_entries
from node.store.kv import ENTITY, LOG, META, OUTBOX, SIGNED_TURNS, KeyValue, WriteBatch
from node.store.record import SEQ_SIZE_BYTES, chain_seed, seq_key
from protocols.effects import Effect, outbox_key
from protocols.event_codec import EVENTS, encode_payload
from protocols.events import (
    ChainBlockProcessed,
    Event,
    LogTailCut,
    MessageDropped,
    NodeCreated,
    StateDigestRecorded,
)
from protocols.ledger_events import (
    LedgerPaymentAsked,
    LedgerPaymentRefusalReceived,
    LedgerPaymentRefused,
    LedgerPaymentRequested,
    LedgerUpdateProposed,
    LedgerUpdateReceived,
)
from protocols.payment_events import PaymentListed

SYNCED_KEY = b"synced"
"""In META: [length before the newest batch, length after it], two integers (M28)."""

BLOCK_PREFIX = b"block|"
"""In META, before a block number (u64): which record says that the block was processed."""

_ENTITY_FIELDS = ("channel_id", "objective_id", "payment_id", "intent_id", "message_id")
INDEXED_FIELDS: dict[str, tuple[str, ...]] = {
    name: tuple(field for field in _ENTITY_FIELDS if field in event.__struct_fields__)
    for name, event in EVENTS.items()
}
"""By which fields an event is found again, besides its request id."""
# A listed payment stands right before the record of its batch, which its channel leads to.
INDEXED_FIELDS[PaymentListed.NAME] = ("payment_id",)
# Of a message that was refused nothing else is ever asked, and it may have no id.
INDEXED_FIELDS[MessageDropped.NAME] = ()
_COLUMNS = {name: tuple(map(attrgetter, fields)) for name, fields in INDEXED_FIELDS.items()}
_OF_EITHER_OWNER = frozenset(
    event.NAME
    for event in (
        LedgerUpdateProposed,
        LedgerUpdateReceived,
        LedgerPaymentAsked,
        LedgerPaymentRequested,
        LedgerPaymentRefused,
        LedgerPaymentRefusalReceived,
    )
)
"""Their request id may be the peer's owner's, which must never answer a request of ours: of ours
there is a `request-recorded` beside them."""
DIGESTS_ENTITY = sha256(b"state digests").digest()
"""Under which the index has all records of digests: a reader finds what is to come."""
ANSWERS_REQUEST = frozenset(
    name
    for name, event in EVENTS.items()
    if "request_id" in event.__struct_fields__ and name not in _OF_EITHER_OWNER
)
"""Events that are found again by the request id of our owner's command."""

OF_A_GUARANTEE = frozenset((LedgerUpdateProposed.NAME, LedgerUpdateReceived.NAME))
"""Events that are found again by the channel they guarantee too, `target`; a move has none."""

_FOUND_OTHERWISE = (
    OF_A_GUARANTEE
    | ANSWERS_REQUEST
    | {StateDigestRecorded.NAME, LogTailCut.NAME, ChainBlockProcessed.NAME}
)
"""Events for which there is more to do than to index their fields."""

CLEARED_COUNT_MIN = 8
"""Effects from which on one removal of all is cheaper than one for each, now and in the tables."""

NO_TARGET = bytes(32)
"""What an update that guarantees nothing names."""

_encode = msgspec.msgpack.Encoder().encode


def request_entity(request_id: str) -> bytes:
    """The index entity of a request id: 32 bytes, as every entity."""
    return sha256(b"request|" + request_id.encode()).digest()


def turn_key(channel_id: bytes, turn_num: int) -> bytes:
    """Key of SIGNED_TURNS: 40 bytes."""
    return channel_id + turn_num.to_bytes(8, "big")


def block_key(block_num: int) -> bytes:
    """Key of META under which the record that processed the block is found."""
    return BLOCK_PREFIX + block_num.to_bytes(8, "big")


class Batch:
    """Made by `EventLog.begin`, used once. Not thread safe; one at a time."""

    def __init__(self, store: KeyValue, first_seq: int, chain_hash: bytes, time_ms: int) -> None:
        self.first_seq = first_seq
        self.next_seq = first_seq
        """Sequence number of the next record to append."""
        self.chain_hash = chain_hash
        """Chain hash of the last record, with this batch."""
        self.records_tail_cut = False
        """Whether the batch tells of a cut tail."""
        self.native: WriteBatch = store.new_batch()
        self.is_empty = True
        self._store = store
        self._time_ms = time_ms
        self._put: Callable[[bytes, bytes, Any], None] = self.native.put
        self._log: Any = store.handle(LOG)
        self._entity: Any = store.handle(ENTITY)
        self._outbox: Any = store.handle(OUTBOX)
        self.chain_hashes: list[bytes] = []
        """Those of this batch's records, in order."""
        self._signed: dict[bytes, bytes] = {}

    def append(self, event: Event, cause_seq: int | None = None) -> int:
        """Add `event` as the next record and return its sequence number.

        `cause_seq` names the record that this one follows from. Record 0 is `node-created`.
        """
        seq = self.next_seq
        name = event.NAME
        if seq == 0:
            assert isinstance(event, NodeCreated), "record 0 says what the log is about"
            self.chain_hash = chain_seed(encode_payload(event))
        record = _encode((event.VERSION, seq, self._time_ms, cause_seq, name, event))
        self.chain_hash = chain = sha256(self.chain_hash + record).digest()
        self.chain_hashes.append(chain)
        key = seq.to_bytes(SEQ_SIZE_BYTES, "big")
        self._put(key, chain + record, self._log)
        for field in INDEXED_FIELDS[name]:
            self._put(getattr(event, field) + key, b"", self._entity)
        if name in _FOUND_OTHERWISE:
            self._index_otherwise(name, event, key)
        self.next_seq = seq + 1
        self.is_empty = False
        return seq

    def _index_otherwise(self, name: str, event: Any, key: bytes) -> None:
        """What an event is found by besides the fields that name its entities."""
        if name in OF_A_GUARANTEE and event.target != NO_TARGET:
            self._put(event.target + key, b"", self._entity)
        if name in ANSWERS_REQUEST and event.request_id:
            self._put(request_entity(event.request_id) + key, b"", self._entity)
        if isinstance(event, StateDigestRecorded):
            self._put(DIGESTS_ENTITY + key, b"", self._entity)
        elif isinstance(event, LogTailCut):
            self.records_tail_cut = True
        elif isinstance(event, ChainBlockProcessed):
            self._put(block_key(event.block_num), key, self._store.handle(META))

    def append_run(
        self, run: Sequence[Event], cause_seq: int | None, later_cause_seq: int | None
    ) -> None:
        """Add events of one kind: the records `append` would add one by one, in half the time.

        `cause_seq` is the first one's, `later_cause_seq` that of the others. Never at record 0.
        """
        first, first_seq, chain = run[0], self.next_seq, self.chain_hash
        name, version, time_ms = first.NAME, first.VERSION, self._time_ms
        put, log, cause = self._put, self._log, cause_seq
        chained = self.chain_hashes.append
        for seq, event in enumerate(run, first_seq):
            record = _encode((version, seq, time_ms, cause, name, event))
            chain = sha256(chain + record).digest()
            chained(chain)
            put(seq.to_bytes(SEQ_SIZE_BYTES, "big"), chain + record, log)
            cause = later_cause_seq
        self.next_seq, self.chain_hash, self.is_empty = first_seq + len(run), chain, False
        self._index_run(run, first_seq)

    def _index_run(self, run: Sequence[Event], first_seq: int) -> None:
        # Behind the records and field by field: RocksDB finds the place of keys in order at once.
        put, entity, name = self._put, self._entity, run[0].NAME
        columns = [list(map(column, run)) for column in _COLUMNS[name]]
        for key, value in run_entries(columns, first_seq):
            put(key, value, entity)
        if name in OF_A_GUARANTEE:
            for seq, event in enumerate(run, first_seq):
                if event.target != NO_TARGET:  # type: ignore[attr-defined]
                    put(event.target + seq_key(seq), b"", entity)  # type: ignore[attr-defined]
        if name in ANSWERS_REQUEST:
            for seq, event in enumerate(run, first_seq):
                if request_id := event.request_id:  # type: ignore[attr-defined]
                    put(request_entity(request_id) + seq_key(seq), b"", entity)

    def put_effects(self, effects: Sequence[Effect]) -> None:
        """Keep each in the outbox, under its own key, until `clear_effect`."""
        put, outbox = self._put, self._outbox
        for effect in effects:
            put(outbox_key(effect), _encode(effect), outbox)
            self.is_empty = False

    def clear_effect(self, key: bytes) -> None:
        """An event settled the effect; a missing key is no error."""
        self.native.delete(key, self._outbox)
        self.is_empty = False

    def clear_effects(self, keys: Sequence[bytes]) -> None:
        """An event settled effects whose keys follow each other in the outbox, with none between
        them: all are removed at once."""
        if len(keys) < CLEARED_COUNT_MIN:
            for key in keys:
                self.clear_effect(key)
            return
        self.native.delete_range(keys[0], keys[-1] + b"\x00", self._outbox)
        self.is_empty = False

    def sign_turn(self, channel_id: bytes, turn_num: int, state_hash: bytes) -> None:
        """Note that we sign `state_hash` for this turn.

        Raises `EquivocationAlarm` if another hash is stored or in this batch (M6).
        """
        key = turn_key(channel_id, turn_num)
        signed = self._signed.get(key) or self._store.get(SIGNED_TURNS, key)
        if signed is not None and signed != state_hash:
            raise EquivocationAlarm(channel_id, turn_num, signed, state_hash)
        self._signed[key] = state_hash
        self._put(key, state_hash, self._store.handle(SIGNED_TURNS))
        self.is_empty = False

    def seal(self) -> WriteBatch:
        """Add the lengths before and after this batch, and hand over what is to be written."""
        lengths = _encode((self.first_seq, self.next_seq))
        self._put(SYNCED_KEY, lengths, self._store.handle(META))
        return self.native

    def release(self) -> None:
        """Let go of the store's handles: one that is kept keeps the directory locked."""
        self._log = self._entity = self._outbox = None
