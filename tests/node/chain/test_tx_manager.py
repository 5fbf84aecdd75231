"""Each intent is mined once, whatever the endpoint says about it."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from node.chain import nonces as nonces_module
from node.chain.broadcasting import SWALLOWED_BLOCK_COUNT, Broadcaster
from node.chain.errors import RpcError
from node.chain.quorum import Outvoted
from node.chain.tx_manager import NONCE_TAKEN
from protocols.inputs import NonceMissing, TransactionReceipt, TransactionRefused, TransactionSigned
from tests.support.chain_room import Engine, allowed, until
from tests.support.tx_room import desk, intent

pytestmark = pytest.mark.usefixtures("impatient")


async def test_bytes_are_sent_again_until_they_are_in_the_pool_and_after_a_fork(
    autojump_clock: MockClock,
) -> None:
    async with desk() as it:
        signed = await it.sign(1)
        it.pool.send_error = RpcError("eth_sendRawTransaction", -32000, "busy")
        it.inbox.broadcast(allowed(signed))
        with capture_logs() as lines:
            await until(lambda: len(it.pool.sent) >= 3)
        assert len([line for line in lines if "busy" in str(line)]) == 1
        it.pool.send_error = None
        await until(lambda: it.pool.pool)
        it.pool.mine(signed.tx_hash, fork=1)
        await it.heard.first(TransactionReceipt)
        it.pool.drop(signed.tx_hash)
        await until(lambda: it.pool.pool)
        it.pool.mine(signed.tx_hash, fork=2)
        await it.heard.until(lambda: len(it.heard.of(TransactionReceipt)) == 2)
        await trio.sleep(0.1)
        assert set(it.pool.sent) == {signed.raw}
    first, second = it.heard.of(TransactionReceipt)
    assert (first.block_hash[0], second.block_hash[0]) == (1, 2)
    assert (first.gas_used, first.gas_price) == (46_000, 2 * 10**9)


async def test_an_endpoint_that_knows_the_transaction_already_is_no_trouble(
    autojump_clock: MockClock,
) -> None:
    async with desk(depth=0) as it:
        signed = await it.sign(1)
        # Whatever the count says: a transaction that waits in the pool is not lost.
        it.pool.counts = lambda block: 7
        with capture_logs() as lines:
            it.inbox.broadcast(allowed(signed))
            await until(lambda: len(it.pool.sent) >= 3)
        assert it.heard.of(TransactionRefused) == []
        assert [line["event"] for line in lines] == ["transaction sent"]


async def test_a_buried_transaction_is_not_asked_about_any_more(autojump_clock: MockClock) -> None:
    async with desk() as it:
        signed = await it.send(1)
        it.pool.mine(signed.tx_hash)
        await it.heard.first(TransactionReceipt)
        it.pool.head_num += 3
        asked: list[str] = []
        await trio.sleep(0.1)
        it.pool.overrides["eth_getTransactionReceipt"] = lambda params: asked.append(params[0])
        it.inbox.wake()
        await trio.sleep(0.1)
        assert asked == []


async def test_what_is_dropped_is_sent_again_in_the_order_of_nonces(
    autojump_clock: MockClock,
) -> None:
    engine = Engine()
    async with desk(engine) as it:
        engine.service = it.inbox  # type: ignore[assignment]
        it.pool.counts = lambda block: 5
        for number in (1, 2, 3):
            it.inbox.request(intent(number))
        await engine.until(lambda: len(it.signed) == 3)
        await until(lambda: len(it.pool.pool) == 3)
        it.pool.sent.clear()
        it.pool.pool.clear()
        await until(lambda: len(it.pool.sent) >= 3)
        assert it.pool.sent[:3] == [signed.raw for signed in it.signed]
    assert [signed.nonce for signed in it.signed] == [5, 6, 7]


async def test_a_nonce_is_only_lost_when_the_other_transaction_is_buried(
    autojump_clock: MockClock,
) -> None:
    async with desk(depth=3) as it:
        signed = await it.sign(1)
        it.pool.send_error = RpcError("eth_sendRawTransaction", -32000, "nonce too low")
        buried_count = 0
        it.pool.counts = lambda block: 1 if block == "latest" else buried_count
        it.inbox.broadcast(allowed(signed))
        await trio.sleep(0.1)
        assert it.heard.of(TransactionRefused) == []
        buried_count = 1
        refused = await it.heard.first(TransactionRefused)
        assert refused == TransactionRefused(signed.intent_id, NONCE_TAKEN)


async def test_a_nonce_used_by_ourselves_is_not_lost(autojump_clock: MockClock) -> None:
    async with desk(depth=0) as it:
        signed = await it.sign(1)
        it.pool.counts = lambda block: 1

        def send(params: list[Any]) -> Any:
            # Mined between the look for a receipt and the attempt to send.
            it.pool.mine(signed.tx_hash)
            raise RpcError("eth_sendRawTransaction", -32000, "nonce too low")

        it.pool.overrides["eth_sendRawTransaction"] = send
        it.inbox.broadcast(allowed(signed))
        receipt = await it.heard.first(TransactionReceipt)
        assert receipt.succeeded
        assert it.heard.of(TransactionRefused) == []


async def test_a_settled_intent_is_not_reported_and_still_gets_mined(
    autojump_clock: MockClock,
) -> None:
    async with desk() as it:
        signed = await it.sign(1)
        it.inbox.broadcast(allowed(signed))
        it.inbox.settle(signed.intent_id)
        await until(lambda: it.pool.pool)
        it.pool.mine(signed.tx_hash)
        await trio.sleep(0.1)
        assert it.heard.of(TransactionReceipt) == []
        it.inbox.settle(b"\x99" * 32)
        await it.sign(2)


async def test_a_settled_intent_that_lost_its_nonce_is_silently_forgotten(
    autojump_clock: MockClock,
) -> None:
    async with desk(depth=0) as it:
        signed = await it.sign(1)
        it.inbox.broadcast(allowed(signed))
        it.inbox.settle(signed.intent_id)
        await until(lambda: it.pool.pool)
        it.pool.drop(signed.tx_hash)
        it.pool.counts = lambda block: 1
        it.pool.send_error = RpcError("eth_sendRawTransaction", -32000, "nonce too low")
        sent_count = len(it.pool.sent)
        await until(lambda: len(it.pool.sent) > sent_count)
        await trio.sleep(0.1)
        assert it.heard.of(TransactionRefused) == []
        assert len(it.pool.sent) == sent_count + 1


@pytest.mark.parametrize(
    "answer",
    ["nonsense", {"transactionHash": "0x00"}, {"transactionHash": None}],
)
async def test_a_malformed_receipt_is_a_wait_with_one_line(
    autojump_clock: MockClock, answer: object
) -> None:
    async with desk() as it:
        signed = await it.sign(1)
        it.pool.overrides["eth_getTransactionReceipt"] = lambda params: answer
        with capture_logs() as lines:
            it.inbox.broadcast(allowed(signed))
            await until(lambda: it.pool.blamed)
            await trio.sleep(0.1)
            assert len([line for line in lines if "did not help" in str(line)]) == 1
        assert "malformed answer" in it.pool.blamed[0]
        it.pool.overrides.clear()
        it.pool.mine(signed.tx_hash)
        await it.heard.first(TransactionReceipt)


async def test_an_endpoint_that_goes_away_is_a_wait(autojump_clock: MockClock) -> None:
    async with desk() as it:
        it.pool.down = True
        it.inbox.request(intent(1))
        await trio.sleep(0.1)
        assert it.signed == []
        it.pool.down = False
        await it.heard.first(TransactionSigned)


async def test_a_failure_in_the_middle_of_the_work_is_taken_up_again(
    autojump_clock: MockClock,
) -> None:
    async with desk() as it:
        signed = await it.sign(1)

        def fail_once(params: list[Any]) -> Any:
            it.pool.overrides.clear()
            it.pool.down = True
            return it.pool.mined.get(params[0])

        it.pool.overrides["eth_getTransactionReceipt"] = fail_once
        it.inbox.broadcast(allowed(signed))
        await until(lambda: it.pool.down)
        it.pool.down = False
        await until(lambda: it.pool.pool)


async def test_a_nonce_that_a_vanished_transaction_left_open_is_told_with_what_to_do(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nonces_module, "GAP_WAIT_S", 0.2)
    async with desk() as it:
        # Two foreign transactions of the key wait in the pool while ours is signed.
        it.pool.counts = lambda block: 7 if block == "pending" else 5
        signed = await it.sign(1)
        it.pool.counts = lambda block: 5
        with capture_logs() as lines:
            it.inbox.broadcast(allowed(signed))
            await trio.sleep(0.1)
            assert not gap_lines(lines)
            await until(lambda: gap_lines(lines))
            await trio.sleep(0.3)
        (line,) = gap_lines(lines)
        assert (line["log_level"], line["missing_nonce"], line["waiting_nonce"]) == ("error", 5, 7)
        assert "send any transaction with nonce 5 from 0x" in line["next_step"]
        assert "up to 6" in line["next_step"]


@pytest.mark.parametrize(("pending_count", "is_gone"), [(5, True), (6, False)])
async def test_a_missing_nonce_is_to_be_filled_unless_a_pool_has_its_transaction(
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    pending_count: int,
    is_gone: bool,
) -> None:
    monkeypatch.setattr(nonces_module, "GAP_WAIT_S", 0.1)
    async with desk() as it:
        it.pool.counts = lambda block: 7 if block == "pending" else 5
        signed = await it.sign(1)
        it.pool.counts = lambda block: pending_count if block == "pending" else 5
        with capture_logs() as lines:
            it.inbox.broadcast(allowed(signed))
            await until(lambda: gap_lines(lines))
            await trio.sleep(0.1)
    told = [NonceMissing(signed.intent_id, 5, 2)] if is_gone else []
    assert it.heard.of(NonceMissing) == told


async def test_a_transaction_that_is_next_in_line_waits_without_an_alarm(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nonces_module, "GAP_WAIT_S", 0.05)
    async with desk() as it:
        it.pool.counts = lambda block: 5
        signed = await it.sign(1)
        with capture_logs() as lines:
            it.inbox.broadcast(allowed(signed))
            await trio.sleep(0.3)
            # Once mined it is below the count, and needs nothing any more.
            it.pool.mine(signed.tx_hash)
            it.pool.counts = lambda block: 0
            await trio.sleep(0.3)
        assert not gap_lines(lines)


def gap_lines(lines: Sequence[MutableMapping[str, Any]]) -> list[MutableMapping[str, Any]]:
    """What was said about missing nonces."""
    return [line for line in lines if "nonce that is missing" in line["event"]]


async def test_what_a_fork_took_back_is_reported_again_when_it_is_mined_again(
    autojump_clock: MockClock,
) -> None:
    async with desk() as it:
        signed = await it.send(1)
        it.pool.mine(signed.tx_hash)
        await it.heard.first(TransactionReceipt)
        # The core records the receipt, sees the fork, and lets the bytes out again.
        it.inbox.settle(signed.intent_id)
        it.pool.drop(signed.tx_hash)
        it.inbox.broadcast(allowed(signed))
        await until(lambda: it.pool.pool)
        it.pool.mine(signed.tx_hash, fork=1)
        await it.heard.until(lambda: len(it.heard.of(TransactionReceipt)) == 2)


async def test_what_is_not_mined_three_blocks_after_it_was_sent_is_asked_for_everywhere(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    async def look_for(self: Broadcaster, tx_hash: bytes) -> None:
        asked.append(tx_hash)

    monkeypatch.setattr(Broadcaster, "look_for", look_for)
    engine = Engine()
    async with desk(engine) as it:
        engine.service = it.inbox  # type: ignore[assignment]
        first, _ = await it.sign(1), await it.sign(2)
        await until(lambda: len(it.pool.pool) == 2)
        it.pool.head_num += SWALLOWED_BLOCK_COUNT - 1
        await trio.sleep(0.2)
        assert asked == []
        it.pool.head_num += 1
        await trio.sleep(0.2)
        assert set(asked) == {first.tx_hash}


async def test_a_refusal_is_no_trouble_while_another_endpoint_has_the_transaction(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: set[bytes] = set()
    monkeypatch.setattr(Broadcaster, "was_taken", lambda self, name: name in taken)
    async with desk() as it:
        signed = await it.sign(1)
        taken.add(signed.tx_hash)
        it.pool.send_error = RpcError("eth_sendRawTransaction", -32000, "busy")
        it.inbox.broadcast(allowed(signed))
        await until(lambda: len(it.pool.sent) >= 3)
        assert it.manager.troubles() == []
        taken.clear()
        await until(it.manager.troubles)
        # Whoever has it: another transaction that lies deep in the chain has its nonce for good.
        taken.add(signed.tx_hash)
        it.pool.counts = lambda block: 1
        refused = await it.heard.first(TransactionRefused)
        assert refused.reason == NONCE_TAKEN


class Council:
    """A quorum that says what a test wants; keeps what it was asked."""

    is_needed = True

    def __init__(self) -> None:
        self.says: bool | Outvoted = False
        self.asked: list[str] = []

    async def agrees(
        self, used: object, what: str, ours: object, ask: object, *, may_wait: bool
    ) -> bool:
        await trio.lowlevel.checkpoint()
        assert may_wait
        self.asked.append(what)
        if isinstance(self.says, Outvoted):
            raise self.says
        return self.says


async def test_a_receipt_counts_once_the_quorum_has_it_and_is_asked_for_again_when_it_is_buried(
    autojump_clock: MockClock,
) -> None:
    council = Council()
    async with desk(depth=3) as it:
        it.manager._quorum = council  # type: ignore[assignment]
        signed = await it.send(1)
        it.pool.mine(signed.tx_hash)
        council.says = Outvoted("two others have none")
        await until(lambda: it.pool.blamed)
        council.says = False
        await trio.sleep(0.2)
        assert it.heard.of(TransactionReceipt) == []
        assert set(it.pool.sent) == {signed.raw}, "and it is sent on"
        council.says = True
        await it.heard.first(TransactionReceipt)
        asked_count = len(council.asked)
        await trio.sleep(0.2)
        assert len(council.asked) == asked_count
        council.says = False
        it.pool.head_num += 3
        await until(lambda: len(council.asked) > asked_count)
        assert it.manager._desk.book.in_order() != [], "not forgotten on one endpoint's word"
        council.says = True
        await until(lambda: it.manager._desk.book.in_order() == [])
    assert len(it.heard.of(TransactionReceipt)) == 1
