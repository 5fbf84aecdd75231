"""Each intent is mined once, whatever the endpoint says about it."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from node.chain import nonces as nonces_module
from node.chain import tx_manager as manager_module
from node.chain.errors import RpcError
from node.chain.fees import SLOW_S, Moment
from node.chain.provider import web3_over
from node.chain.reader import STATUS_SELECTOR
from node.chain.transactions import TransactionMaker
from node.chain.tx_inbox import TransactionInbox
from node.chain.tx_manager import NONCE_NOT_MISSING, NONCE_TAKEN, TransactionManager
from protocols.crypto import keccak256
from protocols.effects import BroadcastTransaction, SubmitTransaction
from protocols.exit_calls import Finalised, transfer_call
from protocols.exit_claims import claims_of
from protocols.inputs import (
    NonceMissing,
    TransactionHeldBack,
    TransactionReceipt,
    TransactionRefused,
    TransactionReplaced,
    TransactionSigned,
)
from protocols.outcome import Allocation, SingleAssetExit
from protocols.transactions import OUTCOME_MISMATCH, fill_kind
from tests.support.actors import ALICE
from tests.support.chain_room import Engine, Inbox, allowed, until
from tests.support.simulated_pool import GWEI, SimulatedPool


def intent(number: int, deadline_s: int = 0) -> SubmitTransaction:
    """An intent named by its number."""
    name = number.to_bytes(32, "big")
    return SubmitTransaction(name, "deposit", b"\xad" * 20, bytes(32), bytes([number]), deadline_s)


class Desk:
    """A manager at work on a simulated pool."""

    def __init__(self, submit: Inbox, depth: int, nonce_min: int) -> None:
        self.pool = SimulatedPool()
        self.inbox = TransactionInbox()
        self.heard = submit
        web3 = web3_over(self.pool)
        maker = TransactionMaker(web3, ALICE.secret, 31_337, [], fee_ceiling_wei=100 * GWEI)
        self.time_s = 1_700_000_000
        self.manager = TransactionManager(
            self.pool,  # type: ignore[arg-type]
            maker,
            self.inbox,
            confirmation_count=depth,
            moment=lambda: Moment(self.pool.head_num, self.time_s, 12.0),
            submit=submit,
            nonce_min=nonce_min,
        )

    @property
    def bids(self) -> list[TransactionReplaced]:
        """Every higher bid, in order."""
        return self.heard.of(TransactionReplaced)

    @property
    def signed(self) -> list[TransactionSigned]:
        """Everything signed, in order."""
        return self.heard.of(TransactionSigned)

    async def sign(self, number: int, deadline_s: int = 0) -> TransactionSigned:
        """Ask for an intent and wait until it is signed."""
        before = len(self.signed)
        self.inbox.request(intent(number, deadline_s))
        await self.heard.until(lambda: len(self.signed) > before)
        return self.signed[-1]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager_module, "WATCH_INTERVAL_S", 0.02)


@asynccontextmanager
async def desk(
    submit: Inbox | None = None, depth: int = 3, nonce_min: int = 0
) -> AsyncIterator[Desk]:
    """A running manager; without an engine nothing is let out by itself."""
    found = Desk(submit if submit is not None else Inbox(), depth, nonce_min)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(found.manager.run)
        yield found
        nursery.cancel_scope.cancel()


async def test_an_intent_asked_for_twice_is_signed_once(autojump_clock: MockClock) -> None:
    async with desk() as it:
        await it.sign(1)
        it.inbox.request(intent(1))
        await trio.sleep(0.1)
        it.inbox.broadcast(allowed(it.signed[0]))
        it.inbox.request(intent(1))
        await trio.sleep(0.1)
        assert len(it.signed) == 1
        assert it.inbox.requests() == []


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
        signed = await it.sign(1)
        it.inbox.broadcast(allowed(signed))
        await until(lambda: it.pool.pool)
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


async def test_an_intent_settled_while_it_is_simulated_is_not_signed(
    autojump_clock: MockClock,
) -> None:
    async with desk() as it:
        it.pool.overrides["eth_maxPriorityFeePerGas"] = lambda params: (
            it.inbox.settle(intent(1).intent_id) or "0x1"  # type: ignore[func-returns-value]
        )
        it.inbox.request(intent(1))
        await until(lambda: not it.inbox.requests())
        await trio.sleep(0.1)
        assert it.signed == []
        it.pool.overrides.clear()

        def revert(params: list[Any]) -> Any:
            it.inbox.settle(intent(2).intent_id)
            raise RpcError("eth_call", 3, "execution reverted: no")

        it.pool.overrides["eth_call"] = revert
        it.inbox.request(intent(2))
        await until(lambda: not it.inbox.requests())
        await trio.sleep(0.1)
        assert it.heard.items == []


async def test_a_signed_transaction_that_is_never_let_out_does_not_block_the_others_for_ever(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager_module, "DISK_WAIT_S_MAX", 0.3)
    async with desk() as it:
        await it.sign(1)
        it.inbox.request(intent(2))
        await trio.sleep(0.15)
        assert len(it.signed) == 1
        await it.heard.until(lambda: len(it.signed) == 2)
    assert [signed.nonce for signed in it.signed] == [0, 0]
    assert it.signed[1].intent_id == intent(2).intent_id


async def test_one_intent_that_must_wait_does_not_hold_up_the_others(
    autojump_clock: MockClock,
) -> None:
    async with desk() as it:
        it.pool.balance_wei = 0
        it.inbox.request(intent(1))
        with capture_logs() as lines:
            await until(lambda: lines)
            await trio.sleep(0.1)
        assert len(lines) == 1
        assert "cannot sign yet" in lines[0]["reason"]

        def only_second(params: list[Any]) -> str:
            # The first costs more gas than there is money for.
            return hex(29_000_000 if params[0]["data"] == "0x01" else 50_000)

        it.pool.overrides["eth_estimateGas"] = only_second
        it.pool.balance_wei = 10**15
        await it.sign(2)
        assert it.signed[0].intent_id == intent(2).intent_id


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
            await until(lambda: lines)
            await trio.sleep(0.1)
            assert len([line for line in lines if "did not help" in line["reason"]]) == 1
        assert "malformed answer" in it.pool.blamed[0]
        it.pool.overrides.clear()
        await until(lambda: it.pool.pool)


async def test_an_endpoint_that_is_too_busy_to_simulate_is_a_wait_and_no_refusal(
    autojump_clock: MockClock,
) -> None:
    async with desk() as it:
        it.pool.call_error = RpcError("eth_call", -32005, "too many requests", {"rate": 10})
        it.inbox.request(intent(1))
        await trio.sleep(0.1)
        assert it.heard.items == []
        it.pool.call_error = None
        await it.heard.first(TransactionSigned)


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


@pytest.mark.parametrize(
    "change",
    [{"effectiveGasPrice": hex(2**256)}, {"effectiveGasPrice": "0x-5"}, {"gasUsed": hex(2**64)},
     {"blockNumber": hex(2**64)}, {"status": "0x2"}],
)  # fmt: skip
async def test_a_receipt_that_no_record_can_hold_is_not_believed_and_asked_for_again(
    change: dict[str, str],
) -> None:
    async with desk() as it:
        signed = await it.sign(1)
        it.inbox.broadcast(allowed(signed))
        await until(lambda: it.pool.pool)
        it.pool.mine(signed.tx_hash)
        it.pool.overrides["eth_getTransactionReceipt"] = lambda params: {
            **it.pool.mined[params[0]], **change,
        }  # fmt: skip
        it.inbox.wake()
        await until(lambda: it.pool.blamed)
        assert it.heard.of(TransactionReceipt) == []
        it.pool.overrides.clear()
        receipt = await it.heard.first(TransactionReceipt)
        assert receipt.gas_price == 2 * 10**9


@pytest.mark.parametrize("count", [2**63, 2**64, 2**64 - 1, 2**300])
async def test_a_count_that_leaves_no_room_for_nonces_is_not_signed_with(
    autojump_clock: MockClock, count: int
) -> None:
    async with desk() as it:
        it.pool.counts = lambda block: count
        it.inbox.request(intent(1))
        await until(lambda: it.pool.blamed)
        assert it.signed == []
        it.pool.counts = lambda block: 4
        await it.heard.first(TransactionSigned)
        assert it.signed[0].nonce == 4


async def test_the_reason_of_a_refusal_is_short_and_printable(autojump_clock: MockClock) -> None:
    async with desk() as it:
        it.pool.call_error = RpcError("eth_call", 3, "execution reverted: \x1b\ud800" + "no" * 1000)
        it.inbox.request(intent(1))
        refused = await it.heard.first(TransactionRefused)
    assert refused.reason == "��" + "no" * 127


@pytest.mark.parametrize("keeps_it", [True, False])
async def test_a_payout_of_what_does_not_stand_is_refused_by_name(
    autojump_clock: MockClock, keeps_it: bool
) -> None:
    outcome = (SingleAssetExit(bytes(20), (Allocation(bytes(31) + b"\x01", 5),)),)
    call = transfer_call(Finalised(b"\xc1" * 32, bytes(32), outcome), [0])
    (claim,) = claims_of(call)
    kept = claim.fingerprint if keeps_it else bytes(20)

    def answer(params: list[Any]) -> str:
        if bytes.fromhex(params[0]["data"][2:])[:4] == STATUS_SELECTOR:
            return "0x" + (bytes(12) + kept).hex()
        raise RpcError("eth_call", 3, "execution reverted: no luck")

    async with desk() as it:
        it.pool.overrides["eth_call"] = answer
        name = b"\x05" * 32
        it.inbox.request(SubmitTransaction(name, "transfer", b"\xad" * 20, bytes(32), call))
        refused = await it.heard.first(TransactionRefused)
    assert refused == TransactionRefused(name, "no luck" if keeps_it else OUTCOME_MISMATCH)
    assert it.signed == []


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


async def test_a_nonce_is_filled_by_a_transaction_to_ourselves_if_it_is_missing_still(
    autojump_clock: MockClock,
) -> None:
    def fill(nonce: int, number: int) -> SubmitTransaction:
        name = bytes([number]) * 32
        return SubmitTransaction(name, fill_kind(nonce), ALICE.address, bytes(32), b"")

    async with desk() as it:
        it.pool.counts = lambda block: 7 if block == "pending" else 5
        waiting = await it.sign(1)
        it.pool.counts = lambda block: 5
        it.inbox.broadcast(allowed(waiting))
        it.inbox.request(fill(5, 100))
        await it.heard.until(lambda: len(it.signed) == 2)
        filled = it.signed[-1]
        assert (filled.nonce, waiting.nonce) == (5, 7)
        it.inbox.broadcast(allowed(filled))
        await until(lambda: filled.raw in it.pool.sent)
        # What is mined by now, is in a pool, or is ours already needs nothing.
        for count, nonce in enumerate((4, 5), start=1):
            it.inbox.request(fill(nonce, 100 + count))
            await until(lambda count=count: len(it.heard.of(TransactionRefused)) == count)
    assert {known.reason for known in it.heard.of(TransactionRefused)} == {NONCE_NOT_MISSING}
    assert len(it.signed) == 2


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


# --- higher bids ---


def let_out(bid: TransactionReplaced, *earlier: bytes, deadline_s: int = 0) -> BroadcastTransaction:
    """What the engine gives back once the bid is on disk."""
    return BroadcastTransaction(bid.intent_id, bid.tx_hash, bid.raw, deadline_s, earlier)


async def test_what_is_not_mined_for_long_bids_more_under_its_nonce_once_that_is_on_disk(
    autojump_clock: MockClock,
) -> None:
    async with desk() as it:
        signed = await it.sign(1)
        it.inbox.broadcast(allowed(signed))
        await until(lambda: it.pool.pool)
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
        signed = await it.sign(1)
        it.inbox.broadcast(allowed(signed))
        await until(lambda: it.pool.pool)
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
    monkeypatch.setattr(manager_module, "DISK_WAIT_S_MAX", 0.3)
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
        it.inbox.broadcast(
            BroadcastTransaction(signed.intent_id, signed.tx_hash, signed.raw, deadline_s)
        )
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
        it.inbox.broadcast(
            BroadcastTransaction(second.intent_id, second.tx_hash, second.raw, it.time_s + 1_024)
        )
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
        it.inbox.broadcast(
            BroadcastTransaction(signed.intent_id, signed.tx_hash, signed.raw, it.time_s + 3_600)
        )
        held = await it.heard.first(TransactionHeldBack)
        assert (held.base_fee, held.fee_ceiling) == (101 * GWEI, 100 * GWEI)
        assert (held.block_num, held.blocks_left) == (10, 300)


async def test_what_a_fork_took_back_is_reported_again_when_it_is_mined_again(
    autojump_clock: MockClock,
) -> None:
    async with desk() as it:
        signed = await it.sign(1)
        it.inbox.broadcast(allowed(signed))
        await until(lambda: it.pool.pool)
        it.pool.mine(signed.tx_hash)
        await it.heard.first(TransactionReceipt)
        # The core records the receipt, sees the fork, and lets the bytes out again.
        it.inbox.settle(signed.intent_id)
        it.pool.drop(signed.tx_hash)
        it.inbox.broadcast(allowed(signed))
        await until(lambda: it.pool.pool)
        it.pool.mine(signed.tx_hash, fork=1)
        await it.heard.until(lambda: len(it.heard.of(TransactionReceipt)) == 2)


@pytest.mark.parametrize(
    ("gas_used", "failure"), [(46_000, "reverted"), (62_500, "out of gas"), (61_600, "out of gas")]
)
async def test_why_a_call_failed_is_told_by_what_it_burnt(
    autojump_clock: MockClock, gas_used: int, failure: str
) -> None:
    async with desk() as it:
        signed = await it.sign(1)
        it.inbox.broadcast(allowed(signed))
        await until(lambda: it.pool.pool)
        it.pool.gas_used = gas_used
        it.pool.mine(signed.tx_hash, succeeded=False)
        receipt = await it.heard.first(TransactionReceipt)
        assert (receipt.succeeded, receipt.failure) == (False, failure)


async def test_nonces_of_blocks_that_may_be_replaced_are_not_given_again(
    autojump_clock: MockClock,
) -> None:
    async with desk(nonce_min=7) as it:
        assert (await it.sign(1)).nonce == 7
