"""What a batch puts where, and the alarm of the equivocation guard."""

import msgspec
import pytest
from msgspec.structs import replace

from node.store.batch import (
    INDEXED_FIELDS,
    NO_TARGET,
    SYNCED_KEY,
    Batch,
    request_entity,
    turn_key,
)
from node.store.errors import EquivocationAlarm
from node.store.index import single_keys
from node.store.kv import ENTITY, LOG, META, OUTBOX, SIGNED_TURNS
from node.store.memory import MemoryKeyValue
from node.store.record import chain_next, chain_seed, decode_record, seq_key
from protocols.effects import Effect, outbox_key
from protocols.event_codec import EVENTS, encode_payload
from protocols.events import LogTailCut, ObjectiveCreated, TransactionMined
from protocols.ledger_events import LedgerUpdateReceived
from protocols.payment_events import PaymentListed
from tests.support.event_samples import sample
from tests.support.logs import CHANNEL, GENESIS, TIME_MS, message, payment

HASH_A, HASH_B = b"\x0a" * 32, b"\x0b" * 32


@pytest.fixture
def store() -> MemoryKeyValue:
    return MemoryKeyValue()


def begin(store: MemoryKeyValue) -> Batch:
    return Batch(store, 0, b"", TIME_MS)


def test_records_are_stored_under_their_number_behind_their_chain_hash(
    store: MemoryKeyValue,
) -> None:
    batch = begin(store)
    assert batch.append(GENESIS) == 0
    assert batch.append(payment(1), cause_seq=0) == 1
    store.write(batch.seal())
    chain = chain_seed(encode_payload(GENESIS))
    for seq, (key, value) in enumerate(store.iterate(LOG)):
        assert key == seq_key(seq)
        chain = chain_next(chain, value[32:])
        assert value[:32] == chain
        assert decode_record(value[32:]).time_ms == TIME_MS
    assert batch.chain_hash == chain
    assert decode_record(value[32:]).cause_seq == 0


def test_record_0_must_say_what_the_log_is_about(store: MemoryKeyValue) -> None:
    with pytest.raises(AssertionError, match="record 0"):
        begin(store).append(payment(1))


def test_every_event_is_indexed_by_its_channel_and_objective(store: MemoryKeyValue) -> None:
    batch = begin(store)
    batch.append(GENESIS)
    created = sample(ObjectiveCreated)
    assert isinstance(created, ObjectiveCreated)
    batch.append(created)
    store.write(batch.seal())
    entities = {key[:32] for key, _ in store.iterate(ENTITY)}
    assert entities == {created.objective_id, created.channel_id}
    assert INDEXED_FIELDS["node-created"] == ()
    assert set(INDEXED_FIELDS) == set(EVENTS)


def test_a_guarantee_and_what_becomes_of_a_transaction_are_found_by_their_own_names(
    store: MemoryKeyValue,
) -> None:
    batch = begin(store)
    batch.append(GENESIS)
    proposed, mined = sample(LedgerUpdateReceived), sample(TransactionMined)
    assert isinstance(proposed, LedgerUpdateReceived)
    assert isinstance(mined, TransactionMined)
    moved = replace(proposed, target=NO_TARGET)
    for event in (proposed, moved, mined):
        batch.append(event)
    batch.append_run([moved, proposed], None, None)
    store.write(batch.seal())
    index = [single for entry in store.iterate(ENTITY) for single in single_keys(*entry)]
    seqs = {
        entity: [key[32:] for key in index if key[:32] == entity]
        for entity in (proposed.target, mined.intent_id, NO_TARGET)
    }
    assert seqs == {
        proposed.target: [seq_key(1), seq_key(5)],
        mined.intent_id: [seq_key(3)],
        NO_TARGET: [],
    }


def test_a_request_id_is_indexed_only_when_there_is_one(store: MemoryKeyValue) -> None:
    batch = begin(store)
    batch.append(GENESIS)
    batch.append(payment(1))
    batch.append(payment(2, request_id="buy-milk"))
    store.write(batch.seal())
    keys = [key for key, _ in store.iterate(ENTITY)]
    assert [key for key in keys if key[:32] == request_entity("buy-milk")] == [
        request_entity("buy-milk") + seq_key(2)
    ]
    assert [key for key in keys if key[:32] == CHANNEL] == [
        CHANNEL + seq_key(1),
        CHANNEL + seq_key(2),
    ]
    assert len(keys) == 5


def test_a_payment_is_found_by_its_id(store: MemoryKeyValue) -> None:
    batch = begin(store)
    batch.append(GENESIS)
    listed = PaymentListed(CHANNEL, b"\x07" * 32, bytes(32))
    batch.append(listed)
    store.write(batch.seal())
    # Its channel leads to the record of its batch, which stands behind it.
    assert [key for key, _ in store.iterate(ENTITY)] == [listed.payment_id + seq_key(1)]


def test_effects_are_kept_and_cleared(store: MemoryKeyValue) -> None:
    batch = begin(store)
    batch.put_effects([message(1), message(2)])
    batch.clear_effect(outbox_key(message(1)))
    store.write(batch.seal())
    ((key, value),) = store.iterate(OUTBOX)
    assert key == outbox_key(message(2))
    assert msgspec.msgpack.decode(value, type=Effect) == message(2)


def test_effects_are_kept_under_their_own_keys(store: MemoryKeyValue) -> None:
    batch = begin(store)
    effects = [message(1), message(2)]
    batch.put_effects(effects)
    assert not batch.is_empty
    store.write(batch.seal())
    kept = {key: msgspec.msgpack.decode(value, type=Effect) for key, value in store.iterate(OUTBOX)}
    assert kept == {outbox_key(effect): effect for effect in effects}


@pytest.mark.parametrize("count", [1, 5, 100])
def test_effects_that_follow_each_other_are_cleared_alone(
    count: int, store: MemoryKeyValue
) -> None:
    batch = begin(store)
    effects = [message(number) for number in range(200)]
    keys = [outbox_key(effect) for effect in effects]
    batch.put_effects(effects)
    batch.clear_effects(keys[40 : 40 + count])
    batch.clear_effects([])
    store.write(batch.seal())
    assert [key for key, _ in store.iterate(OUTBOX)] == keys[:40] + keys[40 + count :]


def test_a_turn_is_signed_once(store: MemoryKeyValue) -> None:
    batch = begin(store)
    batch.sign_turn(CHANNEL, 3, HASH_A)
    batch.sign_turn(CHANNEL, 3, HASH_A)
    batch.sign_turn(CHANNEL, 4, HASH_B)
    with pytest.raises(EquivocationAlarm) as caught:
        batch.sign_turn(CHANNEL, 3, HASH_B)
    assert (caught.value.signed_hash, caught.value.refused_hash) == (HASH_A, HASH_B)
    store.write(batch.seal())
    assert store.get(SIGNED_TURNS, turn_key(CHANNEL, 3)) == HASH_A


def test_a_turn_signed_in_an_earlier_batch_raises_the_alarm_too(store: MemoryKeyValue) -> None:
    first = begin(store)
    first.sign_turn(CHANNEL, 3, HASH_A)
    store.write(first.seal())
    second = begin(store)
    second.sign_turn(CHANNEL, 3, HASH_A)
    with pytest.raises(EquivocationAlarm):
        second.sign_turn(CHANNEL, 3, HASH_B)


def test_the_seal_notes_the_lengths_before_and_after(store: MemoryKeyValue) -> None:
    batch = Batch(store, 5, b"\x01" * 32, TIME_MS)
    batch.append(payment(5))
    batch.append(payment(6))
    store.write(batch.seal())
    assert msgspec.msgpack.decode(store.get(META, SYNCED_KEY) or b"") == [5, 7]


def test_a_batch_knows_whether_it_is_empty_and_whether_it_tells_of_a_cut(
    store: MemoryKeyValue,
) -> None:
    batch = Batch(store, 5, b"\x01" * 32, TIME_MS)
    assert batch.is_empty
    assert not batch.records_tail_cut
    batch.append(LogTailCut(5, 30, "000004.log"))
    assert batch.records_tail_cut
    for change in (
        lambda b: b.put_effects([message(1)]),
        lambda b: b.clear_effect(b"1"),
        lambda b: b.clear_effects([b"1"] * 9),
        lambda b: b.sign_turn(CHANNEL, 9, HASH_A),
    ):
        other = begin(store)
        change(other)
        assert not other.is_empty


@pytest.mark.parametrize("causes", [(None, 1), (None, None), (0, 0)])
def test_a_run_has_the_records_and_the_index_of_its_events_one_by_one(
    causes: tuple[int | None, int | None],
) -> None:
    run = [payment(n, request_id="r" if n == 2 else "") for n in range(1, 5)]
    stores = [MemoryKeyValue(), MemoryKeyValue()]
    single, together = (begin(store) for store in stores)
    for batch in (single, together):
        batch.append(GENESIS)
    for event in run:
        single.append(event, causes[0] if event is run[0] else causes[1])
    together.append_run(run, *causes)
    assert (together.next_seq, together.chain_hash) == (single.next_seq, single.chain_hash)
    for store, batch in zip(stores, (single, together), strict=True):
        store.write(batch.seal())
    assert list(stores[0].iterate(LOG)) == list(stores[1].iterate(LOG))
    indexes = [
        {key for entry in store.iterate(ENTITY) for key in single_keys(*entry)} for store in stores
    ]
    assert indexes[0] == indexes[1]
    assert len(list(stores[1].iterate(ENTITY))) == 3, "channel, payments and request: one each"
