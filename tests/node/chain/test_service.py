"""The chain room against a real chain: what the engine is told, whatever happens on the way."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

import pytest
import structlog
import trio

from contracts.loader import load_artifact
from node.chain import link, nonces
from node.chain.rpc_client import RECURSION_COUNT_MAX
from node.chain.service import ChainService, ChainStatistics
from node.chain.tx_manager import NONCE_TAKEN
from node.processes import free_port
from protocols.abi import encode_deposit_call
from protocols.effects import ReadHoldings, SubmitTransaction
from protocols.inputs import (
    ChainLog,
    ChannelRead,
    NonceMissing,
    TransactionReceipt,
    TransactionRefused,
    TransactionReplaced,
    TransactionSigned,
)
from protocols.transactions import fill_kind
from protocols.types import parse_address, to_hex
from tests.support.actors import ALICE
from tests.support.anvil import start_anvil
from tests.support.chain_room import (
    CHAIN_ID,
    NATIVE,
    Engine,
    Inbox,
    World,
    allowed,
    chain_world,
    channel,
    proxy_to,
    running,
    until,
    world_again,
)
from tests.support.contract_calls import Rpc

pytestmark = pytest.mark.e2e

ALICE_HEX = "0x" + ALICE.address.hex()


def numbers(logs: list[ChainLog]) -> list[int]:
    """Which of the numbered channels the deposits went to."""
    assert {log.log_name for log in logs} <= {"Deposited"}
    return [int.from_bytes(log.channel_id[1:], "big") for log in logs]


async def test_a_deposit_is_observed_and_at_once_confirmed_at_depth_0() -> None:
    with chain_world() as world:
        inbox = Inbox()
        async with running(world.service(inbox)):
            world.deposit(7)
            await inbox.until(lambda: inbox.confirmed)
            block_num = inbox.confirmed[0].block_num
            await inbox.until(lambda: inbox.heads[-1].processed_block_num == block_num)
    observed, confirmed = inbox.of(ChainLog)
    assert not observed.confirmed
    assert confirmed.confirmed
    for log in (observed, confirmed):
        assert (log.log_name, log.channel_id, log.amount) == ("Deposited", channel(7), 7)
        assert log.asset == bytes(20)


async def test_what_an_account_can_pay_for_is_read_from_the_chain() -> None:
    with chain_world() as world:
        inbox = Inbox()
        service = world.service(inbox)
        async with running(service):
            funds = await service.funds(ALICE.address)
            nobody = await service.funds(b"\x77" * 20)
            said = world.rpc.ask("eth_getBalance", ALICE_HEX, "latest")
    assert funds.balance_wei == int(said, 16) > 0
    assert funds.gas_price_wei > 0
    assert (nobody.balance_wei, nobody.unmined_count) == (0, 0)


async def test_a_deposit_waits_for_three_blocks_at_depth_3() -> None:
    with chain_world() as world:
        inbox = Inbox()
        async with running(world.service(inbox, confirmation_count=3)):
            world.deposit(7)
            await inbox.until(lambda: inbox.observed)
            world.mine(2)
            await inbox.until(lambda: inbox.heads)
            assert inbox.confirmed == []
            world.mine(1)
            await inbox.until(lambda: inbox.confirmed)
    assert inbox.confirmed[0].block_num == inbox.observed[0].block_num


async def test_what_a_channel_holds_is_read_from_the_contract_at_the_confirmed_block() -> None:
    with chain_world() as world:
        world.deposit(7)
        confirmed_num = world.head_num
        world.mine(3)
        inbox = Inbox()
        service = world.service(inbox, confirmation_count=3)
        service.read(ReadHoldings(channel(7), NATIVE))
        async with running(service):
            answer = await inbox.first(ChannelRead)
    assert (answer.channel_id, answer.held, answer.finalizes_at) == (channel(7), 7, 0)
    assert answer.block_num == confirmed_num


async def test_what_happened_before_the_start_is_found() -> None:
    with chain_world() as world:
        for number in range(1, 6):
            world.deposit(number)
        world.mine(200)
        world.deposit(6)
        inbox = Inbox()
        async with running(world.service(inbox, confirmation_count=2)):
            await inbox.until(lambda: len(inbox.observed) == 6)
            world.mine(2)
            await inbox.until(lambda: len(inbox.confirmed) == 6)
    assert numbers(inbox.observed) == numbers(inbox.confirmed) == [1, 2, 3, 4, 5, 6]


async def test_a_restart_delivers_everything_above_its_cursor_and_nothing_below() -> None:
    with chain_world() as world:
        first = Inbox()
        async with running(world.service(first)):
            for number in (1, 2, 3):
                world.deposit(number)
            await first.until(lambda: len(first.confirmed) == 3 and first.heads)
            cursor = first.confirmed[1].block_num
        world.deposit(4)
        second = Inbox()
        async with running(world.service(second), cursor):
            world.deposit(5)
            await second.until(lambda: len(second.confirmed) == 3)
    assert numbers(second.confirmed) == numbers(second.observed) == [3, 4, 5]


async def test_a_fork_retracts_what_was_observed_and_shows_what_replaced_it() -> None:
    with chain_world() as world:
        inbox = Inbox()
        async with running(world.service(inbox, confirmation_count=6)):
            world.mine(8)
            world.deposit(1)
            world.deposit(2)
            await inbox.until(lambda: len(inbox.observed) == 2)
            before = inbox.observed[0]
            world.rpc.ask("anvil_reorg", 2, [])
            await inbox.until(lambda: inbox.reorgs)
            world.deposit(3)
            world.mine(6)
            await inbox.until(lambda: inbox.confirmed)
    reorg = inbox.reorgs[0]
    assert reorg.fork_block_num == before.block_num
    assert reorg.old_block_hash == before.block_hash != reorg.new_block_hash
    assert numbers(inbox.observed) == [1, 2, 3]
    assert numbers(inbox.confirmed) == [3]


async def test_a_transaction_mined_again_in_another_block_is_delivered_again() -> None:
    with chain_world() as world:
        engine = Engine()
        engine.service = world.service(engine, confirmation_count=4)
        async with running(engine.service):
            world.mine(6)
            engine.service.request(world.deposit_effect(1))
            await engine.until(lambda: engine.receipts and engine.observed)
            world.rpc.ask("anvil_reorg", 1, [])
            # The fork dropped the transaction and the chain forgot it: the node sends it again.
            await engine.until(lambda: len(engine.observed) == 2 and len(engine.receipts) == 2)
            world.mine(4)
            await engine.until(lambda: engine.confirmed)
        assert world.held(1) == 1
    assert len(engine.reorgs) == 1
    first, second = engine.observed
    assert first.tx_hash == second.tx_hash == engine.confirmed[0].tx_hash
    assert first.block_hash != second.block_hash == engine.confirmed[0].block_hash
    assert [r.block_hash for r in engine.receipts] == [first.block_hash, second.block_hash]


async def test_a_rolled_back_chain_that_grows_again_is_a_fork() -> None:
    with chain_world() as world:
        inbox = Inbox()
        async with running(world.service(inbox, confirmation_count=4)):
            world.mine(6)
            world.deposit(1)
            await inbox.until(lambda: inbox.observed)
            world.rpc.ask("anvil_rollback", 1)
            world.deposit(2)
            await inbox.until(lambda: len(inbox.observed) == 2)
    assert inbox.reorgs[0].old_block_hash == inbox.observed[0].block_hash
    assert numbers(inbox.observed) == [1, 2]


async def test_an_endpoint_that_is_killed_and_comes_back_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    state = tmp_path / "chain.json"
    inbox = Inbox()
    async with trio.open_nursery() as nursery:
        # While it is away it is dialled: no connection of anybody's may be given its port.
        with chain_world(state=state, port=free_port()) as world:
            service = world.service(inbox)
            await nursery.start(service.run, None)
            world.deposit(1)
            await inbox.until(lambda: len(inbox.confirmed) == 1)
        await until(lambda: not service.statistics().connected)
        assert service.statistics().head_block_num == inbox.confirmed[0].block_num
        with world_again(world, state=state, port=world.anvil.port) as again:
            again.deposit(2)
            await inbox.until(lambda: len(inbox.confirmed) == 2)
            assert service.statistics().connected
        nursery.cancel_scope.cancel()
    assert numbers(inbox.observed) == numbers(inbox.confirmed) == [1, 2]
    assert inbox.reorgs == []


async def test_five_cuts_while_fifty_deposits_are_mined_lose_and_double_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link, "BACKOFF_S_MAX", link.BACKOFF_S_MIN)
    with chain_world() as world:
        inbox = Inbox()
        async with proxy_to(world.anvil.port) as proxy:
            urls = (f"ws://127.0.0.1:{proxy.port}",)
            async with running(world.service(inbox, urls=urls, confirmation_count=2)):
                for number in range(1, 51):
                    world.deposit(number)
                    if number % 10 == 1:
                        # The next nine are mined while the room is cut off or catching up.
                        await until(lambda seen=number // 10: proxy.connection_count > seen)
                        proxy.cut()
                    await trio.sleep(0.01)
                world.mine(2)
                await inbox.until(lambda: len(inbox.confirmed) == 50)
            assert proxy.connection_count == 6
    assert numbers(inbox.observed) == numbers(inbox.confirmed) == list(range(1, 51))
    assert inbox.reorgs == []


async def test_the_next_endpoint_takes_over_when_the_first_goes_away() -> None:
    with chain_world() as world:
        inbox = Inbox()
        async with proxy_to(world.anvil.port) as proxy:
            first = f"ws://127.0.0.1:{proxy.port}"
            service = world.service(inbox, urls=(first, world.anvil.url))
            async with running(service):
                world.deposit(1)
                await inbox.until(lambda: inbox.confirmed)
                assert service.statistics().endpoint == first
                proxy.refuses = True
                proxy.cut()
                world.deposit(2)
                await inbox.until(lambda: len(inbox.confirmed) == 2)
                # The second speaks HTTP only, so the room polls it.
                assert service.statistics().endpoint == world.anvil.url
    assert numbers(inbox.observed) == [1, 2]


async def test_the_view_is_as_old_as_the_last_answer() -> None:
    with chain_world() as world:
        inbox = Inbox()
        service = world.service(inbox)
        assert service.view_age_s(trio.current_time()) == math.inf
        assert service.statistics() == ChainStatistics(False, None, None, "")
        async with running(service):
            await until(lambda: service.view_age_s(trio.current_time()) < math.inf)
            now = trio.current_time()
            age_s = service.view_age_s(now)
            assert 0 <= age_s < 5
            assert service.view_age_s(now + 100) == pytest.approx(age_s + 100)
            assert service.statistics().head_block_num == world.head_num


@pytest.mark.parametrize("confirmation_count", [0, 3])
async def test_a_head_that_is_shown_again_and_again_grows_old_where_money_waits_for_depth(
    confirmation_count: int,
) -> None:
    with chain_world() as world:
        world.mine(1)
        head_time_s = int(world.rpc.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        clock_s = head_time_s + 20.0
        service = ChainService(
            urls=world.urls,
            chain_id=CHAIN_ID,
            adjudicator=world.address,
            secret=ALICE.secret,
            confirmation_count=confirmation_count,
            submit=Inbox(),
            clock_s=lambda: clock_s,
        )

        def age_s() -> float:
            return service.view_age_s(trio.current_time())

        assert age_s() == math.inf
        async with running(service):
            await until(lambda: age_s() < math.inf)
            shown_age_s = age_s()
            if confirmation_count == 0:
                # A chain that mines on demand: its newest block may be of last week.
                clock_s = head_time_s + 10_000.0
                assert age_s() < 10
                return
            assert shown_age_s == 20.0
            clock_s = head_time_s + 10_000.0
            assert age_s() == 10_000.0
            # A clock that runs behind the chain's makes nothing younger than its last sight.
            clock_s = head_time_s - 50.0
            assert 0 <= age_s() < 10
            world.mine(1)
            await until(lambda: service.statistics().head_block_num == world.head_num)
            clock_s = head_time_s + 10_000.0
            assert age_s() > 9_000


async def test_loading_web3_leaves_the_process_its_recursion_limit() -> None:
    with chain_world() as world:
        inbox = Inbox()
        limit = sys.getrecursionlimit()
        try:
            # As py_ecc sets it, which an earlier test may have imported already.
            sys.setrecursionlimit(100_000)
            async with running(world.service(inbox)):
                world.deposit(1)
                await inbox.until(lambda: inbox.observed)
            assert sys.getrecursionlimit() == RECURSION_COUNT_MAX
        finally:
            sys.setrecursionlimit(limit)


async def test_a_wrong_chain_is_never_followed() -> None:
    with chain_world() as world:
        inbox = Inbox()
        service = world.service(inbox, chain_id=CHAIN_ID + 1)
        with structlog.testing.capture_logs() as lines:
            async with running(service):
                world.deposit(1)
                await until(lambda: lines)
                # Time for the next attempts, of which nothing is said.
                await trio.sleep(1.5)
                assert not service.statistics().connected
    assert inbox.items == []
    refusals = [line for line in lines if line["event"].startswith("chain endpoint not usable")]
    assert len(refusals) == 1
    assert "serves chain 31337" in refusals[0]["reason"]


async def test_a_chain_without_the_adjudicator_is_not_followed_until_it_is_there() -> None:
    with start_anvil() as anvil:
        rpc = Rpc(anvil.port)
        expected = rpc.deploy("NitroAdjudicator").address
        rpc.ask("anvil_setCode", expected, "0x")
        inbox = Inbox()
        service = ChainService(
            urls=(anvil.ws_url,),
            chain_id=CHAIN_ID,
            adjudicator=parse_address(expected),
            secret=ALICE.secret,
            confirmation_count=0,
            submit=inbox,
        )
        async with running(service):
            await trio.sleep(1.0)
            assert not service.statistics().connected
            code = load_artifact("NitroAdjudicator").deployed_bytecode
            rpc.ask("anvil_setCode", expected, "0x" + code.hex())
            await until(lambda: service.statistics().connected)
        rpc.close()


async def test_a_deposit_is_signed_then_allowed_out_then_mined_once() -> None:
    with chain_world() as world:
        engine = Engine()
        engine.service = world.service(engine)
        async with running(engine.service):
            engine.service.request(world.deposit_effect(5))
            await engine.until(lambda: engine.receipts and engine.confirmed)
            engine.service.settle(channel(5))
        assert world.held(5) == 5
    signed, receipt = engine.of(TransactionSigned)[0], engine.receipts[0]
    assert (signed.sender, signed.nonce) == (ALICE.address, 0)
    assert (receipt.intent_id, receipt.tx_hash) == (channel(5), signed.tx_hash)
    assert receipt.succeeded
    assert receipt.gas_used > 21_000
    assert receipt.gas_price > 0
    assert engine.confirmed[0].tx_hash == signed.tx_hash


async def test_strangers_who_use_the_adjudicator_do_not_disturb_a_channel_of_ours() -> None:
    with chain_world() as world:
        inbox = Inbox()
        service = world.service(inbox, is_known=lambda channel_id: channel_id == channel(7))
        async with running(service):
            world.rpc.ask("evm_setAutomine", False)
            for number in range(100, 130):
                deposit_unmined(world, number)
            deposit_unmined(world, 7)
            world.mine(1)
            await inbox.until(lambda: inbox.confirmed)
    assert numbers(inbox.observed) == numbers(inbox.confirmed) == [7]


def deposit_unmined(world: World, number: int) -> None:
    """A deposit of one wei that waits for the next block."""
    # The contract does not mind what stands behind the arguments.
    call = encode_deposit_call(NATIVE, channel(number), 0, 1) + bytes(10_000)
    send_unmined(world, call, 400_000, 1)


def send_unmined(world: World, call: bytes, gas: int, value: int) -> None:
    """Put a call of anvil's first account into the pool."""
    sender = world.adjudicator.sender
    world.rpc.ask(
        "eth_sendTransaction",
        {
            "from": sender, "to": world.adjudicator.address, "data": to_hex(call),
            "gas": hex(gas), "value": hex(value),
        },
    )  # fmt: skip


async def test_a_deposit_that_the_price_left_behind_is_mined_with_a_higher_bid() -> None:
    with chain_world() as world:
        world.rpc.ask("evm_setAutomine", False)
        engine, clock_s = Engine(), time.time()
        engine.service = world.service(engine, clock_s=lambda: clock_s)
        async with running(engine.service):
            engine.service.request(world.deposit_effect(5))
            signed = await engine.first(TransactionSigned)
            await until(lambda: pending_count(world) == 1)
            world.rpc.ask("anvil_setNextBlockBaseFeePerGas", hex(30 * 10**9))
            world.mine(1)
            assert engine.receipts == []
            clock_s += 600
            bid = await engine.first(TransactionReplaced)
            await until(lambda: world.rpc.ask("eth_getTransactionByHash", to_hex(bid.tx_hash)))
            world.mine(1)
            await engine.until(lambda: engine.receipts and engine.confirmed)
        assert world.held(5) == 5
    assert (bid.old_tx_hash, bid.nonce) == (signed.tx_hash, signed.nonce)
    assert [receipt.tx_hash for receipt in engine.receipts] == [bid.tx_hash]


def pending_count(world: World) -> int:
    """Alice's transactions, those that wait for a block included."""
    address = "0x" + ALICE.address.hex()
    return int(world.rpc.ask("eth_getTransactionCount", address, "pending"), 16)


async def test_nothing_is_sent_before_it_is_allowed_out() -> None:
    with chain_world() as world:
        inbox = Inbox()
        service = world.service(inbox)
        async with running(service):
            service.request(world.deposit_effect(5))
            service.request(world.deposit_effect(6))
            signed = await inbox.first(TransactionSigned)
            await trio.sleep(0.5)
            assert world.held(5) == 0
            # Nor is the next nonce given away: if this one never leaves, it must not be a gap.
            assert len(inbox.of(TransactionSigned)) == 1
            service.settle(signed.intent_id)
            await inbox.until(lambda: len(inbox.of(TransactionSigned)) == 2)
    assert [item.nonce for item in inbox.of(TransactionSigned)] == [0, 0]


async def test_a_restart_between_signing_and_sending_deposits_exactly_once() -> None:
    with chain_world() as world:
        before = Inbox()
        service = world.service(before)
        async with running(service):
            service.request(world.deposit_effect(5))
            signed = await before.first(TransactionSigned)
        engine = Engine()
        engine.service = world.service(engine)
        engine.service.broadcast(allowed(signed))
        engine.service.request(world.deposit_effect(6))
        async with running(engine.service):
            await engine.until(lambda: len(engine.receipts) == 2)
        assert world.held(5) == 5
        assert world.held(6) == 6
    # The chain had not seen nonce 0 yet: it was owned, so the next intent got 1.
    assert [item.nonce for item in engine.of(TransactionSigned)] == [1]
    assert numbers(engine.observed).count(5) == 1


async def test_a_restart_after_mining_finds_the_receipt_and_sends_nothing_twice() -> None:
    with chain_world() as world:
        engine = Engine()
        engine.service = world.service(engine)
        async with running(engine.service):
            engine.service.request(world.deposit_effect(5))
            await engine.until(lambda: engine.receipts)
        signed = engine.of(TransactionSigned)[0]
        again = Inbox()
        service = world.service(again)
        service.broadcast(allowed(signed))
        async with running(service):
            receipt = await again.first(TransactionReceipt)
        assert world.held(5) == 5
    assert receipt == engine.receipts[0]


async def test_many_intents_get_dense_nonces_and_are_all_mined() -> None:
    with chain_world() as world:
        engine = Engine()
        engine.service = world.service(engine)
        async with running(engine.service):
            for number in range(1, 11):
                engine.service.request(world.deposit_effect(number))
            await engine.until(lambda: len(engine.receipts) == 10)
    assert [item.nonce for item in engine.of(TransactionSigned)] == list(range(10))
    assert all(receipt.succeeded for receipt in engine.receipts)


async def test_a_call_that_would_revert_is_refused_with_the_contracts_reason() -> None:
    with chain_world() as world:
        world.deposit(5)
        inbox = Inbox()
        service = world.service(inbox)
        async with running(service):
            service.request(world.deposit_effect(5, expected_held=0))
            refused = await inbox.first(TransactionRefused)
    assert (refused.intent_id, refused.reason) == (channel(5), "held != expectedHeld")
    assert inbox.of(TransactionSigned) == []


async def test_a_deposit_above_the_keys_balance_is_refused_with_both_amounts() -> None:
    with chain_world() as world:
        inbox = Inbox()
        service = world.service(inbox)
        async with running(service):
            service.request(world.deposit_effect(5, amount=2 * 10**20))
            refused = await inbox.first(TransactionRefused)
    assert "insufficient funds" in refused.reason
    assert str(10**20) in refused.reason
    assert str(2 * 10**20) in refused.reason


async def test_missing_gas_is_a_wait_that_ends_when_the_key_is_topped_up() -> None:
    with chain_world() as world:
        world.rpc.ask("anvil_setBalance", ALICE_HEX, hex(10))
        engine = Engine()
        engine.service = world.service(engine)
        with structlog.testing.capture_logs() as lines:
            async with running(engine.service):
                engine.service.request(world.deposit_effect(5))
                await until(lambda: any("send it some" in str(line) for line in lines))
                world.rpc.ask("anvil_setBalance", ALICE_HEX, hex(10**20))
                world.mine(1)
                await engine.until(lambda: engine.receipts)
        assert world.held(5) == 5


async def test_a_nonce_taken_by_a_foreign_transaction_of_the_key_is_refused() -> None:
    with chain_world() as world:
        inbox = Inbox()
        service = world.service(inbox)
        async with running(service):
            service.request(world.deposit_effect(5))
            signed = await inbox.first(TransactionSigned)
            foreign_transfer(world)
            service.broadcast(allowed(signed))
            refused = await inbox.first(TransactionRefused)
            assert (refused.intent_id, refused.reason) == (channel(5), NONCE_TAKEN)
            # The key goes on with the next nonce.
            service.request(world.deposit_effect(6))
            await inbox.until(lambda: len(inbox.of(TransactionSigned)) == 2)
        assert world.held(5) == 0
    assert [item.nonce for item in inbox.of(TransactionSigned)] == [0, 1]


async def test_a_foreign_transaction_before_signing_only_moves_the_nonce() -> None:
    with chain_world() as world:
        foreign_transfer(world)
        engine = Engine()
        engine.service = world.service(engine)
        async with running(engine.service):
            engine.service.request(world.deposit_effect(5))
            await engine.until(lambda: engine.receipts)
    assert [item.nonce for item in engine.of(TransactionSigned)] == [1]


async def test_a_nonce_that_a_dropped_foreign_transaction_left_open_is_filled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nonces, "GAP_WAIT_S", 0.2)
    with chain_world() as world:
        world.rpc.ask("evm_setAutomine", False)
        foreign = foreign_transfer(world)
        engine = Engine()
        engine.service = world.service(engine)
        async with running(engine.service):
            engine.service.request(world.deposit_effect(5))
            waiting = await engine.first(TransactionSigned)
            world.rpc.ask("anvil_dropTransaction", foreign)
            world.rpc.ask("evm_setAutomine", True)
            missing = await engine.first(NonceMissing)
            assert missing == NonceMissing(waiting.intent_id, 0, 1)
            fill = SubmitTransaction(b"\xf1" * 32, fill_kind(0), ALICE.address, bytes(32), b"")
            engine.service.request(fill)
            await engine.until(lambda: len(engine.receipts) == 2)
        assert world.held(5) == 5
    assert [item.nonce for item in engine.of(TransactionSigned)] == [1, 0]


async def test_a_transaction_that_reverts_when_mined_is_reported_as_failed() -> None:
    with chain_world() as world:
        inbox = Inbox()
        service = world.service(inbox)
        async with running(service):
            service.request(world.deposit_effect(5))
            signed = await inbox.first(TransactionSigned)
            # Somebody else deposits between simulation and mining.
            world.deposit(5)
            service.broadcast(allowed(signed))
            receipt = await inbox.first(TransactionReceipt)
        assert world.held(5) == 5
    assert not receipt.succeeded


async def test_sending_survives_an_endpoint_that_goes_away_in_the_middle() -> None:
    with chain_world() as world:
        engine = Engine()
        async with proxy_to(world.anvil.port) as proxy:
            engine.service = world.service(engine, urls=(f"ws://127.0.0.1:{proxy.port}",))
            async with running(engine.service):
                for number in range(1, 21):
                    engine.service.request(world.deposit_effect(number))
                for _ in range(5):
                    await trio.sleep(0.1)
                    proxy.cut()
                await engine.until(lambda: len(engine.receipts) == len(engine.confirmed) == 20)
    assert sorted(item.nonce for item in engine.of(TransactionSigned)) == list(range(20))
    assert sorted(numbers(engine.confirmed)) == list(range(1, 21))


async def test_transactions_that_a_deep_fork_dropped_are_sent_again_lowest_nonce_first() -> None:
    with chain_world() as world:
        engine = Engine()
        engine.service = world.service(engine, confirmation_count=20)
        async with running(engine.service):
            world.mine(10)
            for number in (1, 2, 3):
                engine.service.request(world.deposit_effect(number))
            await engine.until(lambda: len(engine.receipts) == len(engine.observed) == 3)
            for number in (1, 2, 3):
                # Settled intents keep their place: later nonces wait for them.
                engine.service.settle(channel(number))
            world.rpc.ask("anvil_reorg", 5, [])
            await engine.until(lambda: len(engine.observed) == 6)
        assert [world.held(number) for number in (1, 2, 3)] == [1, 2, 3]
    assert numbers(engine.observed) == [1, 2, 3, 1, 2, 3]
    assert len(engine.receipts) == 3


def foreign_transfer(world: World) -> str:
    """A transaction of Alice's key that this node knows nothing of; its hash."""
    world.rpc.ask("anvil_impersonateAccount", ALICE_HEX)
    fields = {"from": ALICE_HEX, "to": "0x" + "11" * 20, "value": "0x1"}
    name: str = world.rpc.ask("eth_sendTransaction", fields)
    world.rpc.ask("anvil_stopImpersonatingAccount", ALICE_HEX)
    return name
