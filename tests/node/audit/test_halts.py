"""Halts are those of forks that were recorded."""

import pytest
from msgspec.structs import replace

from node.audit.halts import HaltCheck
from node.audit.vouchers import VoucherCheck
from protocols import events
from protocols.halt_events import ChannelHalted, ChannelHaltLifted
from protocols.payment_events import VoucherReceived
from tests.support.audit_cases import History, bob, inserted, messages, nth

BEFORE = VoucherReceived


def story(halt_changes: dict[str, object], lift_changes: dict[str, object]) -> History:
    """BOB's history with a fork, a halt and its end before his first payment."""
    _, created = nth(bob(), events.ChannelCreated)
    halt = ChannelHalted(created.channel_id, 3, 5, bytes(20), bytes(32), "open")
    lift = replace(ChannelHaltLifted(created.channel_id, 3), **lift_changes)
    history = inserted(bob(), events.ChainReorged(3, bytes(32), b"\x01" * 32), BEFORE)
    history = inserted(history, replace(halt, **halt_changes), BEFORE)
    return inserted(history, lift, BEFORE)


def test_a_halt_behind_its_fork_breaks_no_rule() -> None:
    assert messages(HaltCheck, story({}, {})) == []


@pytest.mark.parametrize(
    ("halt", "lift", "words"),
    [
        ({"channel_id": b"\x99" * 32}, {}, "a channel that was never created"),
        ({"fork_block_num": 4}, {"fork_block_num": 4}, "no fork at that block"),
        ({"confirmed_block_num": 2}, {}, "replaced nothing that counted"),
        ({}, {"fork_block_num": 4}, "not halted by that fork"),
    ],
)
def test_a_halt_without_a_reason_is_found(
    halt: dict[str, object], lift: dict[str, object], words: str
) -> None:
    found = [message for _, message in messages(HaltCheck, story(halt, lift))]
    assert any(words in message for message in found), found


def test_a_payment_taken_while_halted_is_found() -> None:
    history = [event for event in story({}, {}) if not isinstance(event, ChannelHaltLifted)]
    found = [message for _, message in messages(VoucherCheck, history)]
    assert any("the channel is halted on chain" in message for message in found), found
