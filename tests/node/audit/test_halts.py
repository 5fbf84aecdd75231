"""Halts are those of forks that were recorded."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from node.audit.books import BookCheck
from node.audit.checks import Check
from node.audit.facts import Facts
from node.audit.funds import FundsCheck
from node.audit.halts import HaltCheck
from node.audit.states import StateCheck
from node.audit.vouchers import VoucherCheck
from protocols import commands, events, inputs
from protocols.halt_events import ChannelHalted, ChannelHaltLifted
from protocols.payment_events import VoucherReceived
from protocols.types import ZERO_ADDRESS
from tests.support.audit_cases import History, bob, entries, inserted, messages, nth
from tests.support.builders import CHANNEL, DEPOSIT, block_hash, deposited, tx_hash
from tests.support.network import opened

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


@pytest.mark.parametrize("held", [DEPOSIT, 0])
def test_an_honest_log_with_a_deep_fork_has_no_finding(held: int) -> None:
    alice = opened().alice
    alice.feed(inputs.ChainHead(5, block_hash(5)))
    alice.feed(inputs.ChainReorg(1, block_hash(1), block_hash(1, fork=1)))
    alice.feed(inputs.ChannelRead(CHANNEL, ZERO_ADDRESS, 0, 0, block_hash(0), 0))
    if held:
        for confirmed in (False, True):
            place = {"block_hash": block_hash(3, fork=1), "tx_hash": tx_hash(1)}
            alice.feed(deposited(held, 3, confirmed=confirmed, **place))
        alice.feed(commands.SendPayment(CHANNEL, 10, b"\x01" * 32))
    alice.feed(inputs.ChainHead(9, block_hash(9)))
    history = [event for _, event in alice.log]
    for check in (StateCheck, VoucherCheck, FundsCheck, HaltCheck, BookCheck):
        assert found_by(check, history) == [], check.name


def test_a_conclusion_that_a_fork_took_back_and_that_came_again_has_no_finding() -> None:
    network = opened()
    alice = network.alice
    alice.feed(commands.CloseChannel(CHANNEL))
    network.settle()
    (block,) = [block for block in network.chain.blocks if block.logs[0].log_name == "Concluded"]
    number = block.number
    paid = alice.channel().withdrawn
    alice.feed(inputs.ChainReorg(number, block.block_hash, block_hash(number, fork=1)))
    place = (number - 1, block_hash(number - 1))
    alice.feed(inputs.ChannelRead(CHANNEL, ZERO_ADDRESS, DEPOSIT, *place, 0))
    assert (alice.channel().chain_status, alice.channel().withdrawn) == ("open", ())
    for confirmed in (False, True):
        for log in block.logs:
            new = {"block_num": number + 1, "block_hash": block_hash(number + 1, fork=1)}
            alice.feed(replace(log, confirmed=confirmed, **new))
    assert (alice.channel().chain_status, alice.channel().withdrawn) == ("concluded", paid)
    assert alice.channel().halt is None
    history = [event for _, event in alice.log]
    for check in (StateCheck, VoucherCheck, FundsCheck, HaltCheck, BookCheck):
        assert found_by(check, history) == [], check.name


def found_by(make: Callable[[Facts], Check], history: History) -> list[str]:
    """All that one family says, of the records and of the end."""
    facts = Facts()
    check = make(facts)
    found = []
    for entry in entries(history):
        found += [str(message) for _, message in check.take([entry])]
        facts.apply(entry.event)
    return found + [fault.message for fault in check.finish(None)]
