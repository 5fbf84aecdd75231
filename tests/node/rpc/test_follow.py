"""Following the log: what is new, once, in order, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from node.rpc.errors import InvalidParams
from node.rpc.follow import LogFollowParams, log_follow
from node.rpc.results import LogPage
from protocols import events
from protocols.types import checksum_address, to_hex
from tests.support.actors import BOB
from tests.support.rpc_node import RecordingNode, open_payment_channel

STRANGER = "0x" + "11" * 20


async def ask(node: RecordingNode, from_seq: int = 0, **asked: Any) -> LogPage:
    return await log_follow(node, LogFollowParams(from_seq, **{"wait_ms": 0, **asked}))


def digest(node: RecordingNode, number: int = 1) -> None:
    node.record_event(events.StateDigestRecorded(number.to_bytes(32, "big"), 1, False, 0))


async def test_what_is_there_comes_at_once_and_says_where_to_go_on() -> None:
    node = RecordingNode()
    for number in range(120):
        digest(node, number)
    seqs: list[int] = []
    next_seq = 0
    while len(seqs) < 121:
        page = await ask(node, next_seq, limit=37, wait_ms=10_000)
        assert len(page.records) <= 37
        seqs += [record.seq for record in page.records]
        next_seq = page.next_seq
    assert seqs == list(range(121))
    assert next_seq == 121


async def test_the_answer_waits_for_the_first_record(autojump_clock: MockClock) -> None:
    node = RecordingNode()
    pages: list[LogPage] = []
    started = trio.current_time()

    async def wait() -> None:
        pages.append(await ask(node, 1, wait_ms=10_000))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(3)
        assert pages == []
        digest(node)
    assert [record.seq for record in pages[0].records] == [1]
    assert 3 <= trio.current_time() - started < 3.5


async def test_it_waits_no_longer_than_it_was_asked_to(autojump_clock: MockClock) -> None:
    node = RecordingNode()
    started = trio.current_time()
    page = await ask(node, 5, wait_ms=2_000)
    assert (page.records, page.next_seq) == ([], 5)
    assert 2 <= trio.current_time() - started < 2.5


async def test_names_channels_objectives_and_peers_are_filters() -> None:
    node = RecordingNode()
    channel_id = open_payment_channel(node)
    digest(node)
    (objective_id,) = node.state.objectives
    last = len(node.entries)
    names = [record.name for record in (await ask(node, names=["state-signed"])).records]
    assert names == ["state-signed"] * 2
    of_channel = await ask(node, channel_id=to_hex(channel_id))
    assert "channel-created" in [record.name for record in of_channel.records]
    assert "message-sent" not in [record.name for record in of_channel.records]
    of_objective = await ask(node, objective_id=to_hex(objective_id))
    assert "message-sent" in [record.name for record in of_objective.records]
    of_bob = await ask(node, peer=checksum_address(BOB.address))
    assert {"state-signed", "message-sent"} <= {record.name for record in of_bob.records}
    assert "state-digest-recorded" not in [record.name for record in of_bob.records]
    of_nobody = await ask(node, peer=STRANGER)
    assert (of_nobody.records, of_nobody.next_seq) == ([], last)
    both = await ask(node, peer=checksum_address(BOB.address), names=["message-sent"])
    assert {record.name for record in both.records} == {"message-sent"}


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [
        ({"names": ["state-signed", "no-such"]}, "names"),
        ({"channel_id": "0x12"}, "channel_id"),
        ({"channel_id": "0x" + "11" * 32, "objective_id": "0x" + "11" * 32}, "objective_id"),
        ({"peer": "0x12"}, "peer"),
    ],
)
async def test_wrong_filters_are_refused_before_anything_is_waited_for(
    asked: dict[str, Any], parameter: str
) -> None:
    with pytest.raises(InvalidParams) as refused:
        await ask(RecordingNode(), 99, wait_ms=60_000, **asked)
    assert refused.value.parameter == parameter
