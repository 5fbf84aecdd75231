"""What the first records of a channel say about it."""

from pathlib import Path

from node.explain.casting import OPENING_COUNT_MAX, cast_of
from tests.support.recorded_nodes import World
from tests.support.story_nodes import StoryNode, closed_path


def test_the_kinds_are_told_apart(tmp_path: Path) -> None:
    world = World(tmp_path)
    channel_id = world.open_channel(500)
    direct = StoryNode(world.bob.log, world.bob.state).cast(channel_id)
    world.stop()
    (payer, hub, payee), virtual_id = closed_path()
    (ledger_id,) = {c for c in payer.state.channels if c != virtual_id}
    assert (direct.kind, direct.deposits, direct.leads) == ("direct", (500, 0), False)
    assert [node.cast(virtual_id).kind for node in (payer, hub, payee)] == ["virtual"] * 3
    assert payer.cast(ledger_id).kind == "ledger"
    assert payer.cast(virtual_id).left_ledger == b""
    assert payer.cast(virtual_id).right_ledger == ledger_id == hub.cast(virtual_id).left_ledger


def test_records_that_do_not_tell_make_a_cast_of_unknown_kind() -> None:
    (payer, _, _), _ = closed_path()
    cast = cast_of(payer.state.node, bytes(32), ())
    assert (cast.kind, cast.participants, cast.me) == ("unknown", (), payer.state.node.address)


def test_an_opening_stands_within_the_records_that_are_read() -> None:
    nodes, channel_id = closed_path()
    for node in nodes:
        opening = node.facts((channel_id,), 0, node.seq + 1, OPENING_COUNT_MAX // 2)
        assert cast_of(node.state.node, channel_id, opening).kind == "virtual"
