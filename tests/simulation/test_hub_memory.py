"""What a live channel costs its hub in memory: its state, the digest's term, what caches keep."""

from __future__ import annotations

import gc
import tracemalloc

import msgspec
import pytest

from protocols.event import Event
from protocols.event_codec import EVENTS, encode_payload
from protocols.node_state import NodeState, apply
from tests.support.web import Web

WARM_COUNT, CHANNEL_COUNT = 10, 40
SIZE_BYTES_MAX = 3_584
"""A channel's whole share of a hub is to be 6 KiB; the rest is the allocator's."""


def _hub_log(count: int) -> list[tuple[int, type[Event], bytes]]:
    """Everything a hub recorded of so many live channels, as it lies on disk."""
    web = Web(1, balance=10**6)
    for node in web.row:
        node.proves_purity = False
    for number in range(count):
        web.opened(1_000, number.to_bytes(4, "big"))
    return [(time_ms, type(event), encode_payload(event)) for time_ms, event in web.row[1].log]


@pytest.mark.slow
def test_a_live_channel_takes_few_kilobytes_of_its_hub() -> None:
    recorded = _hub_log(WARM_COUNT + CHANNEL_COUNT)
    state = NodeState()

    def fold_until(count: int) -> None:
        while len(state.carried.shares) < count:
            time_ms, kind, payload = recorded.pop(0)
            event = msgspec.msgpack.decode(payload, type=kind)
            assert EVENTS[event.NAME] is kind
            apply(state, event, time_ms)
        state.sum_up()

    fold_until(WARM_COUNT)
    gc.collect()
    tracemalloc.start()
    try:
        fold_until(WARM_COUNT + CHANNEL_COUNT)
        gc.collect()
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes / CHANNEL_COUNT <= SIZE_BYTES_MAX
