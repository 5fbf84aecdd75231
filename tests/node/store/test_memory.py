"""The in-memory store where it differs from the suite of the port."""

import pytest

from node.store.kv import LOG, KeyValueError
from node.store.memory import MemoryKeyValue


def test_a_family_that_does_not_exist_is_refused() -> None:
    with pytest.raises(KeyValueError, match="no family nowhere"):
        MemoryKeyValue().handle("nowhere")


def test_content_survives_closing_and_opening_again() -> None:
    store = MemoryKeyValue()
    batch = store.new_batch()
    batch.put(b"a", b"1", store.handle(LOG))
    store.write(batch)
    store.close()
    store.reopen()
    assert store.get(LOG, b"a") == b"1"


def test_keys_out_of_order_are_sorted_and_an_overwrite_keeps_one() -> None:
    store = MemoryKeyValue()
    batch = store.new_batch()
    for key in (b"b", b"a", b"c", b"a"):
        batch.put(key, key, LOG)
    store.write(batch)
    assert [key for key, _ in store.iterate(LOG)] == [b"a", b"b", b"c"]
