"""Each intent is signed once, refused for good, or told to wait."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from node.chain import tx_desk as desk_module
from node.chain.errors import RpcError
from node.chain.reader import STATUS_SELECTOR
from node.chain.side_by_side import CALLS_SIDE_BY_SIDE_MAX
from node.chain.signing import NONCE_NOT_MISSING
from protocols.effects import SubmitTransaction
from protocols.exit_calls import Finalised, transfer_call
from protocols.exit_claims import claims_of
from protocols.inputs import TransactionRefused, TransactionSigned
from protocols.outcome import Allocation, SingleAssetExit
from protocols.transactions import OUTCOME_MISMATCH, fill_kind
from tests.support.actors import ALICE
from tests.support.chain_room import Engine, allowed, until
from tests.support.tx_room import desk, intent

pytestmark = pytest.mark.usefixtures("impatient")


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
            raise RpcError("eth_estimateGas", 3, "execution reverted: no")

        it.pool.overrides["eth_estimateGas"] = revert
        it.inbox.request(intent(2))
        await until(lambda: not it.inbox.requests())
        await trio.sleep(0.1)
        assert it.heard.items == []


async def test_a_signed_transaction_that_is_never_let_out_does_not_block_the_others_for_ever(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "DISK_WAIT_S_MAX", 0.3)
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

        def out_of_gas(params: list[Any]) -> str:
            raise RpcError("eth_call", -32000, "out of gas")

        it.pool.overrides |= {"eth_estimateGas": only_second, "eth_call": out_of_gas}
        it.pool.balance_wei = 10**15
        await it.sign(2)
        assert it.signed[0].intent_id == intent(2).intent_id


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
        it.pool.overrides["eth_call"] = it.pool.overrides["eth_estimateGas"] = answer
        name = b"\x05" * 32
        it.inbox.request(SubmitTransaction(name, "transfer", b"\xad" * 20, bytes(32), call))
        refused = await it.heard.first(TransactionRefused)
    assert refused == TransactionRefused(name, "no luck" if keeps_it else OUTCOME_MISMATCH)
    assert it.signed == []


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


async def test_nonces_of_blocks_that_may_be_replaced_are_not_given_again(
    autojump_clock: MockClock,
) -> None:
    async with desk(nonce_min=7) as it:
        assert (await it.sign(1)).nonce == 7


async def test_many_are_tried_out_at_once_and_signed_one_after_another_in_order(
    autojump_clock: MockClock,
) -> None:
    engine = Engine()
    in_flight, most = 0, 0

    async def slow(params: list[Any]) -> str:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await trio.sleep(1)
        in_flight -= 1
        return hex(10**20)

    async with desk(engine) as it:
        engine.service = it.inbox  # type: ignore[assignment]
        it.pool.slow_overrides["eth_getBalance"] = slow
        began_at = trio.current_time()
        for number in range(3 * CALLS_SIDE_BY_SIDE_MAX):
            it.inbox.request(intent(number))
        await engine.until(lambda: len(it.signed) == 3 * CALLS_SIDE_BY_SIDE_MAX)
        assert trio.current_time() - began_at < 5
        await until(lambda: len(it.pool.sent) >= len(it.signed))
    assert most == CALLS_SIDE_BY_SIDE_MAX
    assert [signed.nonce for signed in it.signed] == list(range(len(it.signed)))
    assert [int.from_bytes(signed.intent_id, "big") for signed in it.signed] == list(
        range(len(it.signed))
    )


async def test_what_an_endpoint_cannot_tell_of_one_does_not_hold_up_the_others(
    autojump_clock: MockClock,
) -> None:
    async with desk() as it:

        def only_second(params: list[Any]) -> str:
            if params[0]["data"] == "0x01":
                raise RpcError("eth_estimateGas", -32000, "internal error")
            return hex(50_000)

        it.pool.overrides["eth_estimateGas"] = only_second
        it.inbox.request(intent(1))
        signed = await it.sign(2)
        assert signed.intent_id == intent(2).intent_id
        (trouble,) = it.manager.troubles()
        assert (trouble.name, trouble.intent_id) == ("transaction-waits", intent(1).intent_id)
        assert "internal error" in trouble.what
        it.pool.overrides.clear()
        it.inbox.broadcast(allowed(signed))
        await it.heard.until(lambda: len(it.signed) == 2)
        assert it.manager.troubles() == []
