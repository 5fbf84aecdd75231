"""What the first records of a channel say about it."""

from pathlib import Path

from msgspec.structs import replace

from node.explain.casting import OPENING_COUNT_MAX, cast_of, cast_of_story
from node.explain.story import Cast
from protocols.types import checksum_address, to_hex
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


def test_an_answered_story_has_the_cast_it_was_told_with() -> None:
    nodes, channel_id = closed_path()
    for node in nodes:
        known = node.cast(channel_id)
        story = {
            "our_address": checksum_address(known.me),
            "channel_id": to_hex(channel_id),
            "kind": known.kind,
            "participants": [checksum_address(each) for each in known.participants],
            "asset": checksum_address(known.asset),
            "deposits": [str(each) for each in known.deposits],
        }
        assert cast_of_story(story) == replace(known, left_ledger=b"", right_ledger=b"")
    me = nodes[0].state.node.address
    nothing = {"kind": "unknown", "participants": [], "deposits": [], "channel_id": None}
    of_us = {"our_address": checksum_address(me), "asset": "0x" + "00" * 20}
    assert cast_of_story({**nothing, **of_us}) == Cast(me, b"")
