"""Tables: what they note of their changes, and what they fetch when it is asked for."""

from __future__ import annotations

from copy import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import table as tables
from protocols.table import KeySet, StoredTable, Table

KEYS = st.sampled_from([b"a", b"b", b"c", b"d"])
STEPS = st.lists(st.tuples(st.sampled_from(["set", "pop", "take", "clear"]), KEYS, st.integers()))


class Source:
    """Stored values; counts how often each is fetched."""

    def __init__(self, values: dict[bytes, str]) -> None:
        self.values = values
        self.fetched: list[bytes] = []

    def fetch(self, key: bytes) -> bytes:
        self.fetched.append(key)
        return self.values[key].encode()

    def table(self) -> StoredTable[bytes, str]:
        keys = list(self.values)
        return StoredTable(keys, range(len(keys)), len(keys), self.fetch, bytes.decode)


def held(table: Any) -> list[tuple[bytes, Any]]:
    return list(table.items())


@given(STEPS)
def test_notes_say_what_was_there_when_they_were_begun(steps: list[tuple[str, bytes, int]]) -> None:
    table: Table[bytes, int] = Table()
    model: dict[bytes, int] = {}
    begun = dict(model)
    for step, key, value in steps:
        match step:
            case "set":
                table[key] = value
                model[key] = value
            case "pop":
                assert table.pop(key) == model.pop(key, None)
            case "clear":
                table.clear()
                model.clear()
            case "take":
                taken = table.take()
                assert taken == {known: begun.get(known) for known in taken}
                assert all(begun.get(known) == model.get(known) for known in begun.keys() - taken)
                assert all(table.kept_at_taking(known) == model.get(known) for known in taken)
                begun = dict(model)
    assert held(table) == list(model.items())
    assert sorted(table.places, key=table.places.__getitem__) == list(model)
    for known in (b"a", b"b", b"c", b"d"):
        assert table.kept_at_taking(known) == begun.get(known)


@given(STEPS)
def test_a_set_notes_what_came_and_went(steps: list[tuple[str, bytes, int]]) -> None:
    keys: KeySet[bytes] = KeySet()
    begun: set[bytes] = set()
    for step, key, _ in steps:
        match step:
            case "set":
                keys.add(key)
            case "pop":
                keys.discard(key)
            case "clear":
                keys.clear()
            case "take":
                taken = keys.take()
                assert all((taken[known] is True) == (known in begun) for known in taken)
                assert begun ^ keys <= taken.keys()
                begun = set(keys)
    for known in (b"a", b"b", b"c", b"d"):
        assert (keys.kept_at_taking(known) is True) == (known in begun)


@given(STEPS)
def test_a_stored_table_is_a_table_of_the_same_values(steps: list[tuple[str, bytes, int]]) -> None:
    stored: Any = Source({b"b": "1", b"x": "2", b"a": "3"}).table()
    plain: Any = Table([(b"b", "1"), (b"x", "2"), (b"a", "3")])
    plain.take()
    for step, key, value in steps:
        for table in (stored, plain):
            match step:
                case "set":
                    table[key] = str(value)
                case "pop":
                    table.pop(key)
                case "clear":
                    table.clear()
                case "take":
                    table.take()
        assert stored.get(key) == plain.get(key)
        assert stored == plain
        assert stored.changed.keys() == plain.changed.keys()
    assert held(stored) == held(plain)
    assert stored.values() == list(plain.values())
    for known, kept in stored.changed.items():
        if kept is not None:
            encoded = stored.encoded(known, kept, str.encode)
            assert encoded == plain.encoded(known, plain.changed[known], str.encode)


def test_a_stored_value_is_fetched_when_it_is_asked_for_and_kept_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tables, "FETCHED_COUNT_MAX", 2)
    source = Source({b"a": "1", b"b": "2", b"c": "3"})
    table = source.table()
    assert (len(table), list(table), b"a" in table) == (3, [b"a", b"b", b"c"], True)
    assert source.fetched == []
    assert (table[b"a"], table.get(b"a"), table[b"b"]) == ("1", "1", "2")
    assert source.fetched == [b"a", b"b"]
    assert table[b"c"] == "3"
    assert table[b"a"] == "1"
    assert source.fetched == [b"a", b"b", b"c", b"a"]


def test_what_is_not_there_is_not_fetched() -> None:
    source = Source({b"a": "1"})
    table = source.table()
    assert (table.get(b"z"), table.get(b"z", "else"), table.pop(b"z", 7)) == (None, "else", 7)
    with pytest.raises(KeyError):
        table[b"z"]
    del table[b"a"]
    assert table.get(b"a") is None
    assert source.fetched == []


def test_a_changed_value_is_what_was_set_and_its_place_stays() -> None:
    table = Source({b"a": "1", b"b": "2"}).table()
    table[b"a"] = "new"
    table[b"c"] = "3"
    assert held(table) == [(b"a", "new"), (b"b", "2"), (b"c", "3")]
    assert table.places == {b"a": 0, b"c": 2}
    assert table.next_place == 3


def test_tables_that_differ_are_not_equal() -> None:
    table = Source({b"a": "1"}).table()
    assert table == {b"a": "1"}
    assert table != {b"a": "2"}
    assert table != {b"b": "1"}
    assert table != {}
    assert table != 7


def test_what_was_restored_is_held_and_not_noted() -> None:
    table: Table[bytes, int] = Table()
    table.restore([(b"b", 1, 4), (b"a", 2, 7)], 9)
    assert (held(table), table.changed, table.next_place) == ([(b"b", 1), (b"a", 2)], {}, 9)
    table[b"c"] = 3
    assert table.places == {b"b": 4, b"a": 7, b"c": 9}
    keys: KeySet[bytes] = KeySet([b"z"])
    keys.take()
    keys.restore([(b"a", True, 0)], 0)
    assert (keys, keys.changed) == ({b"a", b"z"}, {})
    keys.update([b"q"], [b"a"])
    assert (keys, keys.changed) == ({b"a", b"q", b"z"}, {b"q": None})


def test_a_copy_is_a_table_of_its_own() -> None:
    source = Source({b"a": "1", b"b": "2"})
    for table in (source.table(), Table([(b"a", "1"), (b"b", "2")])):
        made = copy(table)
        assert type(made) is type(table)
        assert (made, held(made)) == (table, held(table))
        before = dict(table.changed)
        made[b"a"] = "new"
        del made[b"b"]
        made[b"c"] = "3"
        assert held(made) == [(b"a", "new"), (b"c", "3")]
        assert held(table) == [(b"a", "1"), (b"b", "2")]
        assert table.changed == before
    keys = KeySet([b"a"])
    other = copy(keys)
    other.add(b"b")
    assert (keys, other, type(other)) == ({b"a"}, {b"a", b"b"}, KeySet)


@pytest.mark.parametrize("change", ["update", "setdefault", "popitem", "__ior__"])
def test_a_table_is_changed_by_no_way_that_is_not_noted(change: str) -> None:
    with pytest.raises(TypeError, match="key by key"):
        getattr(Table(), change)({b"a": 1})


@pytest.mark.parametrize("change", ["remove", "pop", "__ior__", "difference_update"])
def test_a_set_is_changed_by_no_way_that_is_not_noted(change: str) -> None:
    with pytest.raises(TypeError, match="key by key"):
        getattr(KeySet([b"a"]), change)(b"a")
