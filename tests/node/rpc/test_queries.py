"""Queries: what the node believes and what its log holds, in pages."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio

from node.rpc import params, queries
from node.rpc.errors import InvalidParams
from node.rpc.results import ChannelList, LogPage, ObjectiveList
from protocols.channel import ChannelStatus
from protocols.commands import OpenChannel
from protocols.errors import UnknownChannel, UnknownObjective
from protocols.events import StateDigestRecorded
from protocols.moment_errors import MomentAhead, MomentBeforeLog
from protocols.objectives.base import ObjectiveStatus
from protocols.types import ZERO_ADDRESS, checksum_address, to_hex
from tests.support.actors import BOB, IVAN
from tests.support.rpc_node import RecordingNode, open_ledger, open_payment_channel

UNKNOWN = "0x" + "ab" * 32


def propose(node: RecordingNode, entropy: int) -> None:
    """A channel that waits for Bob's answer."""
    drawn = entropy.to_bytes(4, "big")
    node.take(OpenChannel(BOB.address, ZERO_ADDRESS, 5, 0, 86_400, drawn))


def fill(node: RecordingNode, count: int) -> None:
    for number in range(count):
        node.record_event(StateDigestRecorded(number.to_bytes(32, "big"), 1, False, 0))


async def channels(node: RecordingNode, **asked: Any) -> ChannelList:
    return await queries.channel_list(node, params.ChannelListParams(**asked))


async def objectives(node: RecordingNode, **asked: Any) -> ObjectiveList:
    return await queries.objective_list(node, params.ObjectiveListParams(**asked))


async def log(node: RecordingNode, **asked: Any) -> LogPage:
    return await queries.log_read(node, params.LogReadParams(**asked))


async def test_a_channel_and_an_objective_are_found_by_their_ids() -> None:
    node = RecordingNode()
    channel_id = to_hex(open_payment_channel(node))
    channel = await queries.channel_get(node, params.ChannelGetParams(channel_id))
    assert channel.channel_id == channel_id
    (objective_id,) = channel.objective_ids
    asked = params.ObjectiveGetParams(objective_id)
    assert (await queries.objective_get(node, asked)).channel_id == channel_id


async def test_unknown_ids_are_refused() -> None:
    node = RecordingNode()
    with pytest.raises(UnknownChannel):
        await queries.channel_get(node, params.ChannelGetParams(UNKNOWN))
    with pytest.raises(UnknownObjective):
        await queries.objective_get(node, params.ObjectiveGetParams(UNKNOWN))
    with pytest.raises(UnknownChannel):
        await channels(node, after=UNKNOWN)
    with pytest.raises(UnknownObjective):
        await objectives(node, after=UNKNOWN)
    with pytest.raises(InvalidParams):
        await channels(node, after="0x12")


async def test_lists_are_cut_by_status() -> None:
    node = RecordingNode()
    channel_id = to_hex(open_payment_channel(node, entropy=1))
    propose(node, 2)
    assert len((await channels(node)).channels) == 2
    (found,) = (await channels(node, status=ChannelStatus.OPEN)).channels
    assert found.channel_id == channel_id
    assert (await channels(node, status=ChannelStatus.CLOSED)).channels == []
    (completed,) = (await objectives(node, status=ObjectiveStatus.COMPLETED)).objectives
    assert completed.channel_id == channel_id


async def test_channels_are_listed_by_kind_and_ledgers_by_peer_and_asset() -> None:
    node = RecordingNode()
    direct = to_hex(open_payment_channel(node, entropy=1))
    ledger = to_hex(open_ledger(node, entropy=2))
    assert [c.channel_id for c in (await channels(node, kind="direct")).channels] == [direct]
    assert (await channels(node, kind="virtual")).channels == []
    (listed,) = (await channels(node, kind="ledger")).channels
    assert listed.channel_id == ledger
    bob, ivan = (checksum_address(who.address) for who in (BOB, IVAN))
    native, token = checksum_address(ZERO_ADDRESS), checksum_address(b"\x11" * 20)
    for asked, found in (
        ({}, [ledger]),
        ({"counterparty": bob, "asset": native, "status": ChannelStatus.OPEN}, [ledger]),
        ({"counterparty": ivan}, []),
        ({"asset": token}, []),
        ({"status": ChannelStatus.CLOSED}, []),
        ({"after": ledger}, []),
    ):
        page = await queries.ledger_list(node, params.LedgerListParams(**asked))  # type: ignore[arg-type]
        assert [channel.channel_id for channel in page.channels] == found
    with pytest.raises(UnknownChannel):
        await queries.ledger_list(node, params.LedgerListParams(after=UNKNOWN))


async def test_only_one_ledger_asked_for_lists_what_it_holds() -> None:
    node = RecordingNode()
    ledger = to_hex(open_ledger(node))
    one = await queries.channel_get(node, params.ChannelGetParams(ledger))
    (listed,) = (await channels(node)).channels
    assert one.ledger is not None
    assert listed.ledger is not None
    assert (one.ledger.guarantees, listed.ledger.guarantees) == ([], None)


async def test_lists_go_on_behind_the_last_one_seen_until_nothing_is_left() -> None:
    node = RecordingNode()
    for entropy in range(120):
        propose(node, entropy)
    whole = [channel.channel_id for channel in (await channels(node)).channels]
    assert whole == [to_hex(channel_id) for channel_id in node.state.channels]
    paged: list[str] = []
    after = None
    while page := (await channels(node, after=after, limit=50)).channels:
        paged += [channel.channel_id for channel in page]
        after = paged[-1]
    assert paged == whole
    first = (await objectives(node, limit=1)).objectives
    rest = (await objectives(node, after=first[0].objective_id)).objectives
    assert len(rest) == 119


async def test_a_long_list_lets_others_run() -> None:
    node = RecordingNode()
    for entropy in range(60):
        propose(node, entropy)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await channels(node)
        await log(node, limit=1_000)
        nursery.cancel_scope.cancel()
    assert turns > 2


async def test_the_log_is_read_in_pages_to_its_end() -> None:
    node = RecordingNode()
    fill(node, 250)
    page = await log(node)
    assert [record.seq for record in page.records] == list(range(100))
    seen = list(page.records)
    while page.records:
        page = await log(node, from_seq=page.next_seq, limit=120)
        seen += page.records
    assert [record.seq for record in seen] == list(range(251))
    assert page.next_seq == 251


async def test_the_log_of_one_channel_or_objective_alone_can_be_read() -> None:
    node = RecordingNode()
    fill(node, 3)
    channel_id = to_hex(open_payment_channel(node))
    page = await log(node, channel_id=channel_id)
    assert page.records
    assert all(record.payload["channel_id"] == channel_id for record in page.records)
    (objective_id,) = node.state.objectives
    page = await log(node, objective_id=to_hex(objective_id))
    assert page.records
    assert all(record.payload["objective_id"] == to_hex(objective_id) for record in page.records)
    with pytest.raises(InvalidParams):
        await log(node, channel_id=channel_id, objective_id=channel_id)


async def test_a_page_ends_early_when_its_records_are_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = RecordingNode()
    fill(node, 100)
    size = len(msgspec.json.encode(node.entries[1].payload))
    monkeypatch.setattr(queries, "LOG_READ_SIZE_BYTES_MAX", 10 * size)
    page = await log(node, from_seq=1)
    assert [record.seq for record in page.records] == list(range(1, 11))
    assert page.next_seq == 11


async def test_the_status_is_the_nodes_own() -> None:
    node = RecordingNode()
    assert await queries.node_status(node, params.MomentParams()) == node.status()


async def test_every_view_is_of_the_moment_that_was_asked_for() -> None:
    node = RecordingNode()
    first = to_hex(open_payment_channel(node, entropy=1))
    (objective_id,) = (to_hex(known) for known in node.state.objectives)
    then = node.seq
    open_ledger(node, entropy=2)
    before = await queries.node_status(node, params.MomentParams(str(then)))
    assert before != await queries.node_status(node, params.MomentParams())
    page = await channels(node, at=then)
    assert ([channel.channel_id for channel in page.channels], page.at.seq) == ([first], then)
    assert (await queries.ledger_list(node, params.LedgerListParams(at=then))).channels == []
    listed = await objectives(node, at=then)
    assert [found.objective_id for found in listed.objectives] == [objective_id]
    seen = []
    for seq in range(then + 1):
        for channel in (await channels(node, at=seq)).channels:
            asked = params.ChannelGetParams(channel.channel_id, seq)
            assert (await queries.channel_get(node, asked)).status == channel.status
            seen.append(channel.status)
    assert list(dict.fromkeys(seen)) == ["proposed", "funding", "open"]
    born = next(entry.seq for entry in node.entries if entry.name == "objective-created")
    begun = await queries.objective_get(node, params.ObjectiveGetParams(objective_id, born))
    assert (begun.status, begun.at.seq) == ("unapproved", born)
    with pytest.raises(UnknownChannel):
        await queries.channel_get(node, params.ChannelGetParams(first, at=0))
    with pytest.raises(UnknownObjective):
        await objectives(node, after=objective_id, at=0)


async def test_the_log_is_read_up_to_a_moment() -> None:
    node = RecordingNode()
    fill(node, 250)
    page = await log(node, from_seq=40, at=90)
    assert [record.seq for record in page.records] == list(range(40, 91))
    assert page.next_seq == 91
    assert (await log(node, from_seq=91, at=90)).records == []


async def test_the_log_is_filtered_by_name_and_peer_up_to_a_moment() -> None:
    node = RecordingNode()
    fill(node, 120)
    first = open_payment_channel(node, entropy=1)
    then = node.seq
    open_payment_channel(node, entropy=2)
    signed = [entry.seq for entry in node.entries if entry.name == "state-signed"]
    assert len(signed) == 4
    page = await log(node, names=["state-signed"])
    assert ([record.seq for record in page.records], page.next_seq) == (signed, node.seq + 1)
    page = await log(node, names=["state-signed"], limit=1)
    assert ([record.seq for record in page.records], page.next_seq) == (signed[:1], signed[0] + 1)
    page = await log(node, names=["state-signed"], at=then, from_seq=signed[0] + 1)
    assert ([record.seq for record in page.records], page.next_seq) == (signed[1:2], then + 1)
    end = await log(node, names=["state-signed"], at=then, from_seq=then + 1)
    assert (end.records, end.next_seq) == ([], then + 1)
    of_bob = await log(node, peer=checksum_address(BOB.address), channel_id=to_hex(first))
    assert "state-signed" in [record.name for record in of_bob.records]
    assert "state-digest-recorded" not in [record.name for record in of_bob.records]
    with pytest.raises(InvalidParams):
        await log(node, names=["no-such"])


async def test_a_filtered_page_ends_where_enough_was_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = RecordingNode()
    fill(node, 300)
    monkeypatch.setattr(queries, "STORY_RECORD_COUNT_MAX", 100)
    page = await log(node, names=["state-signed"])
    assert page.records == []
    assert 100 <= page.next_seq < 300


async def test_a_filtered_page_ends_early_when_its_records_are_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = RecordingNode()
    fill(node, 300)
    monkeypatch.setattr(queries, "LOG_READ_SIZE_BYTES_MAX", 1)
    page = await log(node, names=["state-digest-recorded"], limit=200)
    assert 0 < len(page.records) < 200
    assert page.next_seq == page.records[-1].seq + 1


@pytest.mark.parametrize("at", ["", "tomorrow", "-1", -1, 2**63, "2026-11-21"])
async def test_what_names_no_moment_is_refused(at: int | str) -> None:
    node = RecordingNode()
    with pytest.raises(InvalidParams, match="parameter at"):
        await channels(node, at=at)
    with pytest.raises(InvalidParams, match="parameter at"):
        await log(node, at=at)


async def test_a_moment_that_is_not_in_the_log_is_refused() -> None:
    node = RecordingNode()
    with pytest.raises(MomentAhead):
        await queries.node_status(node, params.MomentParams(node.seq + 1))
    with pytest.raises(MomentBeforeLog):
        await log(node, at="1970-01-01T00:00:00Z")
