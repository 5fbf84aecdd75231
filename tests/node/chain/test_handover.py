"""What a follower hands over: logs of known channels, forks, and its cursor now and then."""

from __future__ import annotations

from trio.testing import MockClock

from node.chain.handover import HEAD_REPORT_INTERVAL_S, Handover
from node.chain.window import ConfirmationWindow
from node.chain.wire import Header
from protocols.inputs import ChainHead, ChainReorg
from tests.support.builders import chain_log
from tests.support.chain_room import Inbox

BASE = Header(0, b"\x00" * 32, bytes(32))


def block(number: int, parent: Header = BASE) -> Header:
    return Header(number, bytes([number]) * 32, parent.hash, 1_000 + number)


def handing(known: bytes = b"") -> tuple[Handover, Inbox]:
    heard = Inbox()
    return Handover(heard, lambda channel_id: not known or channel_id == known), heard


async def test_logs_of_strangers_channels_stay_outside() -> None:
    ours, theirs = b"\x01" * 32, b"\x02" * 32
    handover, heard = handing(known=ours)
    logs = [chain_log("Deposited", 1, channel_id=who) for who in (theirs, ours, theirs)]
    await handover.deliver(logs)
    assert heard.items == [logs[1]]


async def test_a_risen_cursor_is_reported_once_an_interval(autojump_clock: MockClock) -> None:
    handover, heard = handing()
    window = ConfirmationWindow(0, BASE)
    handover.begin_at(0)
    await handover.report(window)
    assert (handover.is_due(window), heard.items) == (False, [])
    first = block(1)
    window.append(first, ())
    await handover.report(window)
    window.append(block(2, first), ())
    await handover.report(window)
    assert handover.is_due(window)
    assert [head.processed_block_num for head in heard.of(ChainHead)] == [1]
    autojump_clock.jump(HEAD_REPORT_INTERVAL_S)
    await handover.report(window)
    assert [head.processed_block_num for head in heard.of(ChainHead)] == [1, 2]


async def test_what_was_confirmed_is_reported_with_its_block_at_once() -> None:
    handover, heard = handing()
    window, first = ConfirmationWindow(0, BASE), block(1)
    handover.begin_at(0)
    window.append(first, ())
    await handover.report(window)
    window.append(block(2, first), ())
    await handover.deliver([chain_log("Deposited", 2, confirmed=True)])
    await handover.report(window)
    assert [head.processed_block_num for head in heard.of(ChainHead)] == [1, 2]


async def test_a_fork_is_told_with_both_blocks() -> None:
    handover, heard = handing()
    old, new = block(7), Header(7, b"\xaa" * 32, bytes(32))
    await handover.tell_fork(old, new)
    assert heard.items == [ChainReorg(7, old.hash, new.hash)]
