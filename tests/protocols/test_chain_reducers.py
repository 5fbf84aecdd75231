"""How transactions and what the chain showed change: the end of an attempt, what a fork undoes."""

from __future__ import annotations

import pytest

from protocols import events
from protocols.channel import ObservedLog
from protocols.transactions import APPROVE, Transaction, TransactionStatus
from protocols.types import ZERO_ADDRESS, amount_to_bytes
from tests.support.actors import ALICE
from tests.support.builders import CHANNEL, block_hash, tx_hash
from tests.support.network import CoreNode, opened

INTENT = b"\x01" * 32
TOKEN = b"\x70" * 20
GAS_PRICE = amount_to_bytes(7)


def requested(kind: str = "deposit") -> events.Event:
    return events.TransactionRequested(INTENT, kind, CHANNEL, TOKEN, bytes(32), b"")


def submitted() -> events.Event:
    return events.TransactionSubmitted(INTENT, tx_hash(9), ALICE.address, 4, b"raw")


def mined(block_num: int, *, succeeded: bool = True) -> events.Event:
    at, price = block_hash(block_num), GAS_PRICE
    return events.TransactionMined(INTENT, tx_hash(9), block_num, at, 21_000, price, succeeded)


def forked(block_num: int) -> events.Event:
    return events.ChainReorged(block_num, block_hash(block_num), block_hash(block_num, fork=1))


def attempt(node: CoreNode, *facts: events.Event) -> Transaction:
    """The attempt after these facts."""
    for fact in facts:
        node.record(fact)
    return node.state.transactions[INTENT]


def test_an_attempt_keeps_the_bytes_that_were_signed_for_it() -> None:
    known = attempt(CoreNode(ALICE), requested(), submitted())
    assert (known.kind, known.channel_id, known.status) == ("deposit", CHANNEL, "submitted")
    assert (known.tx_hash, known.nonce, known.raw) == (tx_hash(9), 4, b"raw")


def test_a_token_remembers_the_channel_that_asked_for_its_approval_last() -> None:
    alice = CoreNode(ALICE)
    alice.record(requested())
    assert alice.state.approvers.get(TOKEN) is None
    alice.record(requested(APPROVE))
    assert alice.state.approvers.get(TOKEN) == CHANNEL


def test_a_mined_attempt_knows_its_block() -> None:
    known = attempt(CoreNode(ALICE), requested(), submitted(), mined(9))
    assert (known.status, known.failure) == (TransactionStatus.MINED, "")
    assert (known.block_num, known.block_hash) == (9, block_hash(9))
    assert known.ended_ms > 0


def test_an_attempt_that_reverted_failed_when_it_was_mined() -> None:
    alice = CoreNode(ALICE)
    known = attempt(alice, requested(), submitted(), mined(9, succeeded=False))
    assert (known.status, known.failure) == (TransactionStatus.FAILED, "reverted")
    assert (known.block_num, known.ended_ms) == (9, alice.now_ms)


def test_an_attempt_that_never_left_failed_for_the_reason_given() -> None:
    alice = CoreNode(ALICE)
    known = attempt(alice, requested(), events.TransactionFailed(INTENT, "no funds"))
    assert (known.status, known.failure) == (TransactionStatus.FAILED, "no funds")
    assert (known.block_num, known.ended_ms) == (-1, alice.now_ms)


@pytest.mark.parametrize("succeeded", [True, False])
def test_a_fork_puts_back_on_its_way_what_was_mined_in_it(succeeded: bool) -> None:
    alice = CoreNode(ALICE)
    before = attempt(alice, requested(), submitted())
    kept = attempt(alice, mined(9, succeeded=succeeded), forked(10))
    assert (kept.block_num, kept.ended_ms) == (9, alice.now_ms)
    assert attempt(alice, forked(9)) == before


def test_a_fork_takes_back_what_channels_saw_from_its_first_block_on() -> None:
    alice = opened().alice
    alice.record(
        events.ChainLogObserved(
            CHANNEL, "Deposited", 90, block_hash(90), tx_hash(90), 0, 0, ZERO_ADDRESS, bytes(32)
        )
    )

    def seen() -> list[int]:
        observed: tuple[ObservedLog, ...] = alice.channel().observed
        return [log.block_num for log in observed if log.block_num >= 90]

    assert seen() == [90]
    alice.record(forked(91))
    assert seen() == [90]
    alice.record(forked(90))
    assert seen() == []


def test_a_node_knows_up_to_where_it_read_the_chain() -> None:
    alice = CoreNode(ALICE)
    alice.record(events.ChainBlockProcessed(99, block_hash(99)))
    node = alice.state.node
    assert (node.processed_block_num, node.processed_block_hash) == (99, block_hash(99))
    assert node.address == ALICE.address
