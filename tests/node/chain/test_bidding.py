"""What is not mined in time is signed anew under its nonce, as high as the owner allows."""

from __future__ import annotations

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from node.chain import tx_desk as desk_module
from node.chain.errors import RpcError
from node.chain.fees import SLOW_S
from protocols.crypto import keccak256
from protocols.inputs import (
    TransactionHeldBack,
    TransactionReceipt,
    TransactionRefused,
    TransactionReplaced,
)
from tests.support.chain_room import allowed, until
from tests.support.simulated_pool import GWEI
from tests.support.tx_room import desk, intent, let_out

pytestmark = pytest.mark.usefixtures("impatient")


async def test_what_is_not_mined_for_long_bids_more_under_its_nonce_once_that_is_on_disk(
    autojump_clock: MockClock,
) -> None:
    async with desk() as it:
        signed = await it.send(1)
        await trio.sleep(0.2)
        assert it.bids == []
        it.time_s += SLOW_S
        bid = await it.heard.first(TransactionReplaced)
        assert (bid.old_tx_hash, bid.nonce, bid.reason) == (signed.tx_hash, signed.nonce, "slow")
        assert bid.old_fees == (3 * GWEI, GWEI)
        assert bid.fees == (4 * GWEI, 2 * GWEI)
        assert keccak256(bid.raw) == bid.tx_hash
        await trio.sleep(0.2)
        assert set(it.pool.sent) == {signed.raw}
        assert len(it.bids) == 1
        it.inbox.broadcast(let_out(bid, signed.tx_hash))
        await until(lambda: bid.raw in it.pool.sent)
        it.pool.mine(bid.tx_hash)
        receipt = await it.heard.first(TransactionReceipt)
        assert receipt.tx_hash == bid.tx_hash


async def test_an_earlier_bid_that_is_mined_is_the_receipt_also_after_a_restart(
    autojump_clock: MockClock,
) -> None:
    async with desk() as it:
        signed = await it.send(1)
        it.time_s += SLOW_S
        bid = await it.heard.first(TransactionReplaced)
    async with desk() as again:
        again.pool.send_error = RpcError("eth_sendRawTransaction", -32000, "nonce too low")
        again.pool.counts = lambda block: 1
        again.pool.mine(signed.tx_hash)
        again.inbox.broadcast(let_out(bid, signed.tx_hash))
        receipt = await again.heard.first(TransactionReceipt)
        assert receipt.tx_hash == signed.tx_hash
        assert again.heard.of(TransactionRefused) == []


async def test_a_bid_that_never_comes_back_is_made_again(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "DISK_WAIT_S_MAX", 0.3)
    async with desk() as it:
        signed = await it.sign(1)
        it.inbox.broadcast(allowed(signed))
        it.time_s += SLOW_S
        await it.heard.first(TransactionReplaced)
        it.time_s += SLOW_S
        await it.heard.until(lambda: len(it.bids) == 2)
        assert {bid.old_tx_hash for bid in it.bids} == {signed.tx_hash}


async def test_the_bid_climbs_to_the_ceiling_as_the_deadline_comes_nearer(
    autojump_clock: MockClock,
) -> None:
    async with desk() as it:
        deadline_s = it.time_s + 1_024
        signed = await it.sign(1, deadline_s)
        earlier = [signed.tx_hash]
        it.inbox.broadcast(allowed(signed, deadline_s))
        for number in range(1, 8):
            it.time_s += 125
            await it.heard.until(lambda: len(it.bids) == number)  # noqa: B023
            assert it.bids[-1].reason == "deadline"
            it.inbox.broadcast(let_out(it.bids[-1], *earlier, deadline_s=deadline_s))
            earlier.append(it.bids[-1].tx_hash)
        assert it.bids[-1].fees == (100 * GWEI, 100 * GWEI)
        await until(lambda: it.bids[-1].raw in it.pool.sent)
        held = await it.heard.first(TransactionHeldBack)
        assert (held.intent_id, held.fee_ceiling) == (signed.intent_id, 100 * GWEI)
        assert held.blocks_left == 12
        it.time_s = deadline_s
        await trio.sleep(0.2)
        assert len(it.bids) == 7
        assert len(it.heard.of(TransactionHeldBack)) == 1


async def test_what_stands_in_the_way_of_a_deadline_bids_for_it(autojump_clock: MockClock) -> None:
    async with desk() as it:
        first = await it.sign(1)
        it.inbox.broadcast(allowed(first))
        second = await it.sign(2, it.time_s + 1_024)
        it.inbox.broadcast(allowed(second, it.time_s + 1_024))
        await until(lambda: len(it.pool.pool) == 2)
        it.time_s += 125
        await it.heard.until(lambda: len(it.bids) == 2)
        assert [(bid.nonce, bid.reason) for bid in it.bids] == [(0, "deadline"), (1, "deadline")]


async def test_a_price_above_the_ceiling_is_an_alarm_for_what_has_a_deadline_alone(
    autojump_clock: MockClock,
) -> None:
    async with desk() as it:
        it.pool.base_fee_wei = 101 * GWEI
        it.inbox.request(intent(1))
        with capture_logs() as lines:
            await until(lambda: lines)
        assert "fee_ceiling_gwei allows 100000000000" in lines[0]["reason"]
        signed = await it.sign(2, it.time_s + 3_600)
        assert [s.intent_id for s in it.signed] == [signed.intent_id]
        it.inbox.broadcast(allowed(signed, it.time_s + 3_600))
        held = await it.heard.first(TransactionHeldBack)
        assert (held.base_fee, held.fee_ceiling) == (101 * GWEI, 100 * GWEI)
        assert (held.block_num, held.blocks_left) == (10, 300)
