"""`log_diff`: what changed between two moments, in pages."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio

from node.rpc import diff
from node.rpc.diff import LogDiff, LogDiffParams, log_diff
from node.rpc.errors import InvalidParams
from node.rpc.params import params_decoder
from protocols.commands import CloseChannel, OpenChannel, SendPayment
from protocols.errors import UnknownChannel
from protocols.moment_errors import MomentAhead
from protocols.types import ZERO_ADDRESS, to_hex
from tests.support.actors import BOB
from tests.support.rpc_node import (
    RecordingNode,
    open_channel_from_bob,
    open_ledger,
    open_payment_channel,
    ready_node,
)

UNKNOWN = "0x" + "ab" * 32
DECODE = params_decoder(LogDiffParams)


async def asked(node: RecordingNode, **given: Any) -> LogDiff:
    return await log_diff(node, DECODE(msgspec.Raw(msgspec.json.encode(given))))


def propose(node: RecordingNode, entropy: int) -> None:
    drawn = entropy.to_bytes(4, "big")
    node.take(OpenChannel(BOB.address, ZERO_ADDRESS, 5, 0, 86_400, drawn))


async def test_what_a_channel_went_through_is_shown_with_what_is_ours() -> None:
    node = RecordingNode()
    channel_id = open_payment_channel(node, deposit=1_000)
    then = node.seq
    node.take(SendPayment(channel_id, 30, b"\x01" * 32))
    node.take(SendPayment(channel_id, 12, b"\x02" * 32))
    node.take(CloseChannel(channel_id))
    found = await asked(node, **{"from": then})
    (changed,) = found.channels
    assert changed.channel_id == to_hex(channel_id)
    assert (changed.kind, changed.role) == ("direct", "payer")
    assert changed.before is not None
    assert changed.after is not None
    assert (changed.before.status, changed.after.status) == ("open", "closing")
    assert (changed.before.ours, changed.after.ours, changed.after.theirs) == ("1000", "958", "42")
    assert (changed.after.payment_count, changed.after.confirmed) == (2, "1000")
    (began,) = changed.objectives
    assert (began.change, began.before, began.after) == ("began", None, "approved")
    (balance,) = found.balances
    assert (balance.before.total, balance.after.channels) == ("1000", "958")
    assert balance.difference.total == "-42"
    assert found.records is not None
    counts = {counted.name: counted.count for counted in found.records}
    assert counts["voucher-issued"] == 2
    assert sum(counts.values()) == node.seq - then
    assert (found.from_.seq, found.to.seq, found.next_after) == (then, node.seq, None)


async def test_from_the_first_record_to_now_everything_is_new() -> None:
    node = ready_node()
    found = await asked(node, **{"from": 0})
    assert [changed.before for changed in found.channels] == [None] * 4
    assert [changed.channel_id for changed in found.channels] == [
        to_hex(channel_id) for channel_id in node.state.channels
    ]
    failed = {change.change for changed in found.channels for change in changed.objectives}
    assert failed == {"completed", "began"}
    (balance,) = found.balances
    assert set(msgspec.structs.astuple(balance.before)) == {"0"}
    assert balance.difference == balance.after


async def test_nothing_changed_between_a_moment_and_itself() -> None:
    node = ready_node()
    found = await asked(node, **{"from": node.seq, "to": node.seq})
    assert (found.channels, found.records) == ([], [])
    assert all(changed.difference.total == "0" for changed in found.balances)


async def test_one_channel_alone_is_compared() -> None:
    node = RecordingNode()
    ledger = open_ledger(node)
    channel_id = open_channel_from_bob(node, 1_000)
    found = await asked(node, **{"from": 0, "channel_id": to_hex(ledger)})
    (changed,) = found.channels
    assert changed.kind == "ledger"
    (balance,) = found.balances
    assert balance.after.ledgers == balance.after.total == "1000"
    assert found.records is not None
    about = node.record(1, 10_000, ledger, node.seq)
    assert sum(counted.count for counted in found.records) == len(about)
    other = await asked(node, **{"from": 0, "channel_id": to_hex(channel_id)})
    assert [changed.role for changed in other.channels] == ["payee"]


async def test_channels_come_in_pages_that_fit_together() -> None:
    node = RecordingNode()
    for entropy in range(120):
        propose(node, entropy)
    then = node.seq
    first = await asked(node, **{"from": 0, "to": then})
    assert len(first.channels) == 100
    assert first.next_after == first.channels[-1].channel_id
    rest = await asked(node, **{"from": 0, "to": then, "after": first.next_after})
    assert (len(rest.channels), rest.next_after) == (20, None)
    seen = [changed.channel_id for changed in [*first.channels, *rest.channels]]
    assert seen == [to_hex(channel_id) for channel_id in node.state.channels]
    few = await asked(node, **{"from": 0, "to": then, "limit": 7})
    assert [changed.channel_id for changed in few.channels] == seen[:7]
    exact = await asked(node, **{"from": 0, "to": then, "after": seen[19], "limit": 100})
    assert exact.next_after is None


async def test_too_many_records_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    node = ready_node()

    async def too_many(*given: object) -> None:
        return None

    monkeypatch.setattr(node, "record_counts", too_many)
    assert (await asked(node, **{"from": 0})).records is None


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"from": "never"},
        {"from": -1},
        {"from": 3, "to": 2},
        {"from": 0, "to": ""},
        {"from": 0, "channel_id": "0x12"},
        {"from": 0, "after": "all"},
        {"from": 0, "limit": 0},
        {"from": 0, "limit": 101},
        {"from_": 0},
        {"from": 0, "at": 1},
        {"from": [0]},
        {"from": 1.5},
        {"from": None},
    ],
)
async def test_what_is_no_question_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(InvalidParams):
        await asked(ready_node(), **given)


async def test_what_is_not_there_is_refused() -> None:
    node = ready_node()
    for given in ({"channel_id": UNKNOWN}, {"after": UNKNOWN}):
        with pytest.raises(UnknownChannel):
            await asked(node, **{"from": 0, **given})
    with pytest.raises(MomentAhead):
        await asked(node, **{"from": 0, "to": node.seq + 1})


async def test_a_long_comparison_lets_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    node = RecordingNode()
    for entropy in range(60):
        propose(node, entropy)
    monkeypatch.setattr(diff, "LIST_SLICE_COUNT", 10)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await asked(node, **{"from": 0})
        nursery.cancel_scope.cancel()
    assert turns > 15
