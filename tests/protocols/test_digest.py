"""The digest kept up to date: what changed and nothing else, at the moment it was taken."""

from __future__ import annotations

from protocols.digest import (
    Change,
    NamedTable,
    Sums,
    canonical,
    digest_of_sum,
    take_changes,
    term,
)
from protocols.entities import NodeState
from protocols.table import Table
from tests.support.builders import CHANNEL
from tests.support.network import opened, pay


def test_changes_are_those_of_the_moment_they_were_taken() -> None:
    network = opened()
    state = network.alice.state
    state.sum_up()
    pay(network, 10, 1)
    expected, channel = state.digest(), canonical(state.channels[CHANNEL])
    changes = take_changes(state.tables())
    pay(network, 10, 2)
    network.settle()
    seen = list(changes)
    for change in seen:
        state.sums.note(change)
    assert state.sums.digest == expected
    (noted,) = (change for change in seen if change.named.name == b"channel|")
    assert noted.after == channel
    assert state.sum_up().digest == state.digest() != expected


def test_what_came_and_went_in_between_is_no_change() -> None:
    state = opened().alice.state
    state.sum_up()
    state.unreceipted.add(CHANNEL)
    state.unreceipted.discard(CHANNEL)
    assert list(take_changes(state.tables())) == []


def test_views_are_summed_apart_from_entities() -> None:
    state = opened().alice.state
    before = state.sum_up().digest, state.sums.views, state.sums.entity_count
    state.unreceipted.add(CHANNEL)
    after = state.sum_up().digest, state.sums.views, state.sums.entity_count
    assert (before[0], before[2]) == (after[0], after[2])
    assert before[1] != after[1]
    state.unreceipted.discard(CHANNEL)
    assert state.sum_up().views == before[1]


def test_a_change_takes_one_term_out_and_puts_another_in() -> None:
    named = next(iter(NodeState().tables()))
    sums = Sums()
    sums.note(Change(named, b"k", None, b"1", 0))
    assert sums.digest == digest_of_sum(term(named.name, b"k", b"1"))
    sums.note(Change(named, b"k", b"1", b"2", 0))
    assert sums.digest == digest_of_sum(term(named.name, b"k", b"2"))
    assert (sums.entity_count, sums.counts) == (1, {named.name: 1})
    sums.note(Change(named, b"k", b"2", None, 0))
    assert (sums.digest, sums.entity_count) == (bytes(32), 0)


def test_a_sum_below_zero_or_above_32_bytes_has_a_digest_as_well() -> None:
    assert digest_of_sum(-1) == b"\xff" * 32
    assert digest_of_sum(2**256 + 5) == (5).to_bytes(32, "big")


def test_a_key_that_was_removed_and_is_back_has_its_new_place() -> None:
    table: Table[bytes, int] = Table([(b"a", 1), (b"b", 1)])
    named = NamedTable(b"active|", table, is_digested=False)
    table.take()
    table[b"a"] = table.pop(b"a")
    (change,) = take_changes([named])
    assert (change.before, change.after) == (b"1", b"1")
    assert (change.place, change.is_moved) == (2, True)
    assert list(take_changes([named])) == []


def test_the_place_is_that_of_the_moment_whatever_becomes_of_the_key() -> None:
    table: Table[bytes, int] = Table([(b"a", 1), (b"b", 1), (b"c", 1)])
    changes = take_changes([NamedTable(b"active|", table, is_digested=False)])
    table[b"a"] = table.pop(b"a")
    del table[b"c"]
    assert [(change.key, change.place) for change in changes] == [(b"a", 0), (b"b", 1), (b"c", 2)]
