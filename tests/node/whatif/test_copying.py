"""A copy that the node goes on without."""

from __future__ import annotations

from collections import Counter, deque

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
