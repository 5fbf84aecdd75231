"""A copy that the node goes on without."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

import pytest

from node.whatif.copying import copied, still, working_copy
from protocols import inputs
from protocols.node_state import NodeState, apply
from tests.support.builders import CHANNEL
from tests.support.network import opened, pay
from tests.support.web import Web


def test_a_still_copy_does_not_move_with_the_node() -> None:
    network = opened()
    before = network.alice.state.digest()
    kept = still(network.alice.state)
    pay(network, 5, 1)
    network.settle()
    assert kept.digest() == before != network.alice.state.digest()


def test_what_is_folded_into_a_working_copy_stays_there() -> None:
    web = Web(1, fees=(7,))
    hub = web.row[1]
    base = still(hub.state)
    count = len(hub.log)
    work = working_copy(base)
    channel_id = web.opened(1_000)
    web.pay(channel_id, 5)
    web.settle()
    for time_ms, event in hub.log[count:]:
        apply(work, event, time_ms)
    assert work.digest() == hub.state.digest()
    assert work.carried.shares == hub.state.carried.shares
    assert work.carried.exposure == hub.state.carried.exposure
    assert list(work.agenda.active) == list(hub.state.agenda.active)
    assert work.agenda.proven == hub.state.agenda.proven
    assert base.digest() != work.digest()
    assert base.carried.shares == {}


def test_every_view_is_a_copys_own() -> None:
    web = Web(1, fees=(7,))
    web.open(1_000)
    state = web.payer.state
    work = working_copy(still(state))
    shared = [name for name in vars(state) if getattr(work, name) is getattr(state, name)]
    assert shared == []
    assert set(vars(work)) == set(vars(state)) == set(vars(NodeState()))


def test_containers_within_views_are_copied_and_what_is_frozen_is_shared() -> None:
    class View:
        def __init__(self) -> None:
            self.by_peer = {b"a": {b"b": 1}}
            self.times = {b"a": deque([(1, b"x")])}
            self.counted = Counter(a=1)
            self.names = {b"n"}
            self.rows = [[1], (2,)]

    view = View()
    made = copied(view)
    made.by_peer[b"a"][b"b"] = 2
    made.times[b"a"].append((2, b"y"))
    made.counted["a"] += 1
    made.names.add(b"m")
    made.rows[0].append(3)
    assert view.by_peer == {b"a": {b"b": 1}}
    assert view.times == {b"a": deque([(1, b"x")])}
    assert (view.counted, view.names, view.rows) == (Counter(a=1), {b"n"}, [[1], (2,)])
    assert type(made.counted) is Counter
    assert made.rows[1] is view.rows[1]


class Noting(dict[bytes, int]):
    """A table that notes what was set, and keeps a stand-in for what it fetches."""

    __slots__ = ("changed", "fetch")

    def __init__(self) -> None:
        super().__init__()
        self.changed: dict[bytes, object] = {}
        self.fetch: Callable[[bytes], int] = len

    def __getitem__(self, key: bytes) -> int:
        kept = super().__getitem__(key)
        return self.fetch(key) if kept < 0 else kept

    def __setitem__(self, key: bytes, value: int) -> None:
        self.changed.setdefault(key, self.get(key))
        super().__setitem__(key, value)


class NotingSet(set[bytes]):
    __slots__ = ("changed",)

    def __init__(self) -> None:
        super().__init__()
        self.changed: dict[bytes, bool] = {}

    def add(self, key: bytes) -> None:
        self.changed[key] = True
        super().add(key)


def test_a_copy_of_what_notes_its_changes_notes_its_own() -> None:
    table, keys = Noting(), NotingSet()
    table[b"a"], table[b"fetched"] = 1, -1
    keys.add(b"a")
    notes = dict(table.changed), dict(keys.changed)
    state = NodeState()
    state.channels = table  # type: ignore[assignment]
    state.unreceipted = keys  # type: ignore[assignment]
    made = still(state)
    made.channels[b"a"] = made.channels[b"b"] = 2  # type: ignore[assignment]
    made.unreceipted.add(b"b")
    assert type(made.channels) is Noting
    assert made.channels[b"fetched"] == 7  # type: ignore[comparison-overlap]
    assert (dict(table), set(keys)) == ({b"a": 1, b"fetched": -1}, {b"a"})
    assert (table.changed, keys.changed) == notes


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_copy_cranks_as_the_node_does(place: int) -> None:
    web = Web(1, fees=(7,))
    channel_id = web.opened(1_000)
    web.pay(channel_id, 5)
    node = web.row[place]
    work = working_copy(still(node.state))
    for item in (inputs.Tick(), inputs.EndOfBatch()):
        expected = node.crank(item)
        assert _crank(work, item, node) == expected
    assert channel_id != CHANNEL


def _crank(state: NodeState, item: inputs.Input, node: object) -> object:
    from protocols.crank import crank

    return crank(state, item, node.context())  # type: ignore[attr-defined]
