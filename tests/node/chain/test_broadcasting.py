"""Every endpoint gets every transaction; one that keeps them for itself is named and given up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from node.chain.broadcasting import ALARM_S, TAKEN_COUNT_MAX, WAITING_COUNT_MAX, Broadcaster
from node.chain.errors import RpcError
from protocols.crypto import keccak256
from tests.support.chain_room import TEST_LIMIT_S, Engine, chain_world, running, until
from tests.support.lying_endpoints import endpoints
from tests.support.short_pauses import shorten_pauses
from tests.support.simulated_pool import SimulatedPool

RAW = b"signed"
NAME = keccak256(RAW)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_pauses(monkeypatch)


class Line(SimulatedPool):
    """An endpoint of its own, as a link and as a client."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = self.label = url
        self.urls = (url,)
        self.connected = True

    async def client(self) -> Line:
        await super().client()
        return self


class Three:
    """A broadcaster that uses the first of three endpoints."""

    def __init__(self) -> None:
        self.lines = [Line(f"ws://h:{number}") for number in (1, 2, 3)]
        # The one in use has two connections: the link's and its own line, which is left alone.
        self.used = Line("ws://h:1")
        self.broadcaster = Broadcaster(self.used, self.lines)  # type: ignore[arg-type]


@asynccontextmanager
async def three() -> AsyncIterator[Three]:
    found = Three()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(found.broadcaster.run)
        await wait_all_tasks_blocked()
        yield found
        nursery.cancel_scope.cancel()


async def test_all_but_the_one_in_use_are_given_it(autojump_clock: MockClock) -> None:
    async with three() as it:
        it.broadcaster.offer(NAME, RAW)
        await trio.sleep(1)
        assert [line.sent for line in it.lines] == [[], [RAW], [RAW]]
        assert it.broadcaster.was_taken(NAME)


async def test_one_that_refuses_or_is_away_holds_up_nobody(autojump_clock: MockClock) -> None:
    async with three() as it:
        it.lines[1].send_error = RpcError("eth_sendRawTransaction", -32000, "busy")
        it.lines[2].connected = False
        it.broadcaster.offer(NAME, RAW)
        await trio.sleep(1)
        assert it.lines[1].sent == [RAW]
        assert not it.broadcaster.was_taken(NAME)
        it.lines[2].connected = True
        it.broadcaster.offer(NAME, RAW)
        await trio.sleep(1)
        assert it.broadcaster.was_taken(NAME)


async def test_a_refusal_by_one_that_has_it_already_is_success(autojump_clock: MockClock) -> None:
    async with three() as it:
        it.lines[1].pool.add("0x" + NAME.hex())
        it.lines[1].send_error = RpcError("eth_sendRawTransaction", -32000, "already known")
        it.lines[2].send_error = RpcError("eth_sendRawTransaction", -32000, "busy")
        it.broadcaster.offer(NAME, RAW)
        await trio.sleep(1)
        assert it.broadcaster.was_taken(NAME)


async def test_what_waits_and_what_is_remembered_is_bounded(autojump_clock: MockClock) -> None:
    async with three() as it:
        for number in range(2 * WAITING_COUNT_MAX):
            it.broadcaster.offer(keccak256(bytes([number % 256, number >> 8])), b"x%d" % number)
        await trio.sleep(1)
        assert len(it.lines[1].sent) == WAITING_COUNT_MAX
        for _ in range(1 + TAKEN_COUNT_MAX // WAITING_COUNT_MAX):
            for number in range(WAITING_COUNT_MAX):
                raw = trio.current_time().hex().encode() + b"%d" % number
                it.broadcaster.offer(keccak256(raw), raw)
            await trio.sleep(1)
        assert len(it.broadcaster._taken) == TAKEN_COUNT_MAX


async def test_one_that_does_not_know_what_others_have_is_named_until_it_does(
    autojump_clock: MockClock,
) -> None:
    async with three() as it:
        it.lines[2].send_error = RpcError("eth_sendRawTransaction", -32000, "busy")
        it.used.pool.add("0x" + NAME.hex())
        it.broadcaster.offer(NAME, RAW)
        await trio.sleep(1)
        await it.broadcaster.look_for(NAME)
        (trouble,) = it.broadcaster.troubles()
        assert (trouble.name, trouble.what.split()[0]) == ("endpoint-swallows", "ws://h:3")
        assert it.used.blamed == []
        it.lines[2].pool.add("0x" + NAME.hex())
        await it.broadcaster.look_for(NAME)
        assert it.broadcaster.troubles() == []


async def test_the_one_in_use_is_given_up_if_it_keeps_transactions_for_itself(
    autojump_clock: MockClock,
) -> None:
    async with three() as it:
        it.broadcaster.offer(NAME, RAW)
        await trio.sleep(1)
        await it.broadcaster.look_for(NAME)
        assert it.used.blamed == ["it keeps transactions for itself"]
        assert [trouble.name for trouble in it.broadcaster.troubles()] == ["endpoint-swallows"]
        await trio.sleep(ALARM_S)
        assert it.broadcaster.troubles() == []


async def test_what_nobody_knows_is_nobodys_fault(autojump_clock: MockClock) -> None:
    async with three() as it:
        await it.broadcaster.look_for(NAME)
        assert (it.used.blamed, it.broadcaster.troubles()) == ([], [])


async def test_a_single_endpoint_is_never_asked() -> None:
    used = Line("ws://h:1")
    used.down = True
    with trio.fail_after(TEST_LIMIT_S):
        await Broadcaster(used, ()).look_for(NAME)  # type: ignore[arg-type]


@pytest.mark.parametrize("swallower", [0, 1])
async def test_a_transaction_is_mined_although_an_endpoint_swallows_it(swallower: int) -> None:
    with chain_world() as world, endpoints(world.anvil.url, 2) as served:
        served[swallower].swallows = True
        engine = Engine()
        engine.service = world.service(engine, urls=[one.url for one in served])
        async with running(engine.service):
            await until(lambda: all(line.connected for line in engine.service._quorum.lines))
            engine.service.request(world.deposit_effect(5))
            await engine.until(lambda: engine.receipts)
        assert world.held(5) == 5
        assert served[swallower].swallowed or swallower == 1


async def test_a_receipt_that_an_endpoint_made_up_is_outvoted_and_the_true_one_counts() -> None:
    with chain_world() as world, endpoints(world.anvil.url, 3) as served:
        served[0].swallows = served[0].invents_receipts = True
        engine = Engine()
        engine.service = world.service(engine, urls=[one.url for one in served], quorum=2)
        async with running(engine.service):
            await until(lambda: all(line.connected for line in engine.service._quorum.lines))
            engine.service.request(world.deposit_effect(5))
            await engine.until(lambda: engine.receipts)
            (trouble,) = engine.service.troubles()
        assert trouble.name == "endpoint-outvoted"
        assert served[0].swallowed
        (receipt,) = engine.receipts
        true = world.rpc.ask("eth_getTransactionReceipt", "0x" + receipt.tx_hash.hex())
        assert "0x" + receipt.block_hash.hex() == true["blockHash"]
        assert receipt.gas_used == int(true["gasUsed"], 16)
        assert world.held(5) == 5
