"""What a story is told from: the node as of one moment, and nothing later."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.rpc.scene import scene_at
from protocols.events import VoucherReceived
from protocols.moment_errors import MomentAhead
from tests.support.recorded_nodes import demo
from tests.support.rpc_node import RecordingNode
from tests.support.story_nodes import recorded


async def test_a_past_scene_ends_with_its_moment(tmp_path: Path) -> None:
    world = demo(tmp_path, 5)
    (channel_id,) = world.bob.state.channels
    node = recorded(world.bob)
    now = await scene_at(node, None)
    told = now.facts((channel_id,), 0, 1_000)
    paid = next(fact for fact in told if isinstance(fact.event, VoucherReceived))
    then = await scene_at(node, paid.seq - 1)
    assert (then.end, now.end) == (paid.seq, node.seq + 1)
    assert then.facts((channel_id,), 0, 1_000) == [fact for fact in told if fact.seq < paid.seq]
    assert then.payment(paid.event.payment_id) is None
    assert now.payment(paid.event.payment_id) is not None
    assert then.cast(channel_id) == now.cast(channel_id)
    world.stop()


async def test_only_of_now_it_is_known_how_many_blocks_are_left() -> None:
    node = RecordingNode()
    node.chain_time_s = 1_000
    assert (await scene_at(node, None)).blocks_until(1_020) == 10
    assert (await scene_at(node, 0)).blocks_until(1_020) is None


async def test_there_is_no_scene_ahead_of_the_log() -> None:
    node = RecordingNode()
    with pytest.raises(MomentAhead):
        await scene_at(node, node.seq + 1)
