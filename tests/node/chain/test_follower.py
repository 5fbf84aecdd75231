"""Following a chain that forks, stalls and is cut off: every log observed and confirmed once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio
import trio.lowlevel
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from node.chain import follower as follower_module
from node.chain.errors import RpcError
from protocols.inputs import ChainHead, ChannelRead
from tests.support.following import Following, following
from tests.support.simulated_chain import (
    PlainDecoder,
    SimulatedChain,
    SimulatedClient,
    SimulatedLink,
    channel,
)


async def test_logs_come_in_order_and_the_cursor_is_reported(autojump_clock: object) -> None:
    chain = SimulatedChain()
    async with following(chain) as it:
        assert (it.follower.head, it.follower.cursor) == (None, None)
        chain.extend(1, 2)
        chain.extend()
        chain.extend(3)
        await it.caught_up()
        assert it.follower.cursor == chain.head
        assert it.follower.seen_at <= trio.current_time()
        assert it.heads_seen[-1] == chain.head
    assert it.consumer.observed == it.consumer.confirmed == chain.canonical()
    assert it.consumer.heads[-1] == ChainHead(3, chain.head.hash, chain.head.timestamp_s)


async def test_empty_blocks_are_reported_about_once_a_second(autojump_clock: object) -> None:
    chain = SimulatedChain()
    async with following(chain) as it:
        for _ in range(100):
            chain.extend()
            await trio.sleep(0.1)
        await it.caught_up()
    assert 9 <= len(it.consumer.heads) <= 14
    assert it.consumer.heads[-1].processed_block_num == 100


async def test_without_notifications_the_head_is_polled(autojump_clock: object) -> None:
    chain = SimulatedChain()
    async with following(chain, subscribes=False) as it:
        chain.extend(1)
        await it.caught_up()
        chain.extend(2)
        await it.caught_up()
        it.client.close("cut while it polls")
        chain.extend(3)
        await it.caught_up()
    assert it.consumer.confirmed == chain.canonical()


async def test_an_endpoint_that_refuses_subscriptions_is_polled(autojump_clock: object) -> None:
    chain = SimulatedChain()

    class Refusing(SimulatedClient):
        async def subscribe(self, kind: str) -> None:
            raise RpcError("eth_subscribe", -32601, "no notifications here")

    it = Following(chain, 0)
    it.link = SimulatedLink(lambda: Refusing(chain))
    it.follower._link = it.link  # type: ignore[assignment]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(it.follower.run, PlainDecoder(), 0, {})
        chain.extend(1)
        await it.caught_up()
        nursery.cancel_scope.cancel()
    assert it.consumer.confirmed == chain.canonical()


async def test_a_quiet_fork_is_found_by_the_slow_poll(autojump_clock: object) -> None:
    chain = SimulatedChain()
    async with following(chain, depth=4) as it:
        for number in range(1, 6):
            chain.extend(number)
        await it.caught_up()
        listeners, chain.listeners = chain.listeners, []
        old = chain.blocks[4]["hash"]
        chain.fork(2, [(7,), (8,)])
        chain.listeners = listeners
        await it.caught_up()
    assert it.consumer.observed == chain.canonical()
    (reorg,) = it.consumer.reorgs
    assert reorg.fork_block_num == 4
    assert reorg.old_block_hash.hex() == old[2:]
    assert reorg.new_block_hash.hex() == chain.blocks[4]["hash"][2:]


async def test_a_long_absence_is_read_in_stretches(autojump_clock: object) -> None:
    chain = SimulatedChain()
    for number in range(1, 2001):
        chain.extend(*([number] if number % 50 == 0 else []))
    async with following(chain, depth=3) as it:
        await it.caught_up()
    assert it.consumer.observed == chain.canonical()
    assert it.consumer.confirmed == [e for e in chain.canonical() if e[0] <= 1997]
    by_range = [where for where in chain.log_requests if "fromBlock" in where]
    # Four stretches, and what the newest blocks confirm.
    assert len(by_range) == 5


@contextmanager
def unindexed(chain: SimulatedChain) -> Iterator[None]:
    """A new block with a deposit, of which the index of logs does not know in the meantime."""
    late = chain.extend(7)["hash"]
    indexed, chain.logs[late] = chain.logs[late], []
    yield
    chain.logs[late] = indexed


async def test_a_log_that_was_left_out_is_found_before_its_block_counts(
    autojump_clock: object,
) -> None:
    chain = SimulatedChain()
    async with following(chain, depth=3) as it:
        await it.caught_up()
        with unindexed(chain):
            await it.caught_up()
            assert it.consumer.observed == []
        for _ in range(3):
            chain.extend()
        await it.caught_up()
        assert it.consumer.observed == it.consumer.confirmed == [(1, 7)]
        (taken_back,) = it.consumer.reorgs
        assert taken_back.fork_block_num == 1


async def test_a_log_that_was_left_out_is_found_by_a_stretch_that_follows(
    autojump_clock: object,
) -> None:
    chain = SimulatedChain()
    async with following(chain, depth=3) as it:
        await it.caught_up()
        with unindexed(chain):
            await it.caught_up()
            it.client.close("the connection was cut")
        listeners, chain.listeners = chain.listeners, []
        for _ in range(200):
            chain.extend()
        chain.listeners = listeners
        await it.caught_up()
        assert it.consumer.observed == it.consumer.confirmed == [(1, 7)]


async def test_stretches_shrink_to_what_the_endpoint_can_bear(autojump_clock: object) -> None:
    chain = SimulatedChain()
    chain.logs_block_count_max = 100
    for number in range(1, 600):
        chain.extend(number)
    async with following(chain) as it:
        await it.caught_up()
    assert it.consumer.confirmed == chain.canonical()


async def test_an_endpoint_that_refuses_every_stretch_is_given_up(autojump_clock: object) -> None:
    chain = SimulatedChain()
    chain.logs_block_count_max = 0
    for _ in range(200):
        chain.extend()
    async with following(chain) as it:
        await trio.sleep(30)
        assert len(it.link.clients) > 1
        assert "keeps refusing" in it.link.clients[0].closed_reason
        assert "keeps refusing" in it.link.blamed[0]
        chain.logs_block_count_max = 1000
        await it.caught_up()


async def test_unconfirmed_logs_of_before_a_long_absence_are_confirmed_after_it(
    autojump_clock: object,
) -> None:
    chain = SimulatedChain()
    async with following(chain, depth=5) as it:
        chain.extend(1)
        chain.extend(2)
        await it.caught_up()
        assert it.consumer.confirmed == []
        listeners, chain.listeners = chain.listeners, []
        # What it saw last was replaced meanwhile, and much was built on top.
        chain.fork(1, [(3,), *[()] * 300])
        chain.listeners = listeners
        await it.caught_up()
    assert it.consumer.observed == it.consumer.confirmed == [(1, 1), (2, 3)]
    assert len(it.consumer.reorgs) == 1


async def test_a_new_node_looks_back_a_bounded_way(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_module, "FIRST_LOOK_BACK_BLOCK_COUNT", 10)
    chain = SimulatedChain()
    for number in range(1, 31):
        chain.extend(number)
    async with following(chain, processed=None) as it:
        await it.caught_up()
    assert it.consumer.confirmed == chain.canonical()[20:]


async def test_a_restart_reads_on_from_the_processed_block(autojump_clock: object) -> None:
    chain = SimulatedChain()
    for number in range(1, 6):
        chain.extend(number)
    async with following(chain, processed=3) as it:
        await it.caught_up()
    assert it.consumer.confirmed == chain.canonical()[3:]


@pytest.mark.parametrize("block_count_on_top", [0, 200], ids=["near", "far"])
async def test_a_fork_that_happened_before_the_start_is_told_before_the_new_logs(
    autojump_clock: object, block_count_on_top: int
) -> None:
    chain = SimulatedChain()
    for number in range(1, 8):
        chain.extend(number)
    known = {number: _hash(chain, number) for number in (3, 4, 6, 7)}
    chain.fork(3, [(15,), (16,), (17,), *[()] * block_count_on_top])
    async with following(chain, depth=2, processed=3, known=known) as it:
        # As recorded before the restart.
        it.consumer.observed = [(number, number) for number in (4, 6, 7)]
        await it.caught_up()
    (reorg,) = it.consumer.reorgs
    assert (reorg.fork_block_num, reorg.old_block_hash) == (6, known[6])
    assert reorg.new_block_hash == _hash(chain, 6)
    assert it.consumer.observed[-2:] == [(6, 16), (7, 17)]


async def test_a_processed_block_that_was_replaced_before_the_start_is_told(
    autojump_clock: object,
) -> None:
    chain = SimulatedChain()
    for number in range(1, 5):
        chain.extend(number)
    known = {3: _hash(chain, 3)}
    chain.fork(2, [(13,), (14,)])
    async with following(chain, processed=3, known=known) as it:
        await it.caught_up()
    # How deep it goes is not remembered: all that a running node would know is taken back.
    assert [reorg.fork_block_num for reorg in it.consumer.reorgs] == [1]
    assert it.consumer.reorgs[0].old_block_hash == known[3]
    assert it.consumer.confirmed == chain.canonical()


async def test_an_endpoint_that_has_less_than_was_processed_is_waited_for(
    autojump_clock: object,
) -> None:
    chain = SimulatedChain()
    chain.extend(1)
    with capture_logs() as lines:
        async with following(chain, processed=3) as it:
            await trio.sleep(20)
            assert it.follower.head is None
            for number in (2, 3, 4):
                chain.extend(number)
            await it.caught_up()
    assert it.consumer.confirmed == [(4, 4)]
    assert len([line for line in lines if "behind" in line["event"]]) == 1


async def test_a_lagging_endpoint_is_no_fork_and_does_not_renew_the_view(
    autojump_clock: object,
) -> None:
    chain = SimulatedChain()
    async with following(chain) as it:
        for number in (1, 2, 3):
            chain.extend(number)
        await it.caught_up()
        ahead, chain.blocks = chain.blocks, chain.blocks[:2]
        seen_at = it.follower.seen_at
        await trio.sleep(60)
        assert it.follower.seen_at <= seen_at + follower_module.POLL_S
        chain.blocks = ahead
        await trio.sleep(10)
        assert it.follower.seen_at > seen_at + 60
        # Even below all that is remembered.
        it.client.overrides["eth_getBlockByNumber"] = lambda params: {
            "number": "0x0", "hash": "0x" + "77" * 32, "parentHash": "0x" + "00" * 32,
            "timestamp": "0x1",
        }  # fmt: skip
        await trio.sleep(20)
    assert it.consumer.reorgs == []
    assert it.consumer.confirmed == [(1, 1), (2, 2), (3, 3)]


async def test_a_fork_below_the_depth_is_told_and_the_new_logs_are_confirmed_too(
    autojump_clock: object,
) -> None:
    chain = SimulatedChain()
    with capture_logs() as lines:
        async with following(chain, depth=1) as it:
            for number in range(1, 8):
                chain.extend(number)
            await it.caught_up()
            chain.fork(4, [(11,), (12,), (13,), (14,), ()])
            await it.caught_up()
    assert it.consumer.observed == chain.canonical()
    assert it.consumer.confirmed[-4:] == chain.canonical()[-4:]
    assert it.consumer.heads[-1] == ChainHead(
        7, _hash(chain, 7), int(chain.blocks[7]["timestamp"], 16)
    )
    assert any("replaced confirmed blocks" in line["event"] for line in lines)


async def test_a_fork_below_everything_remembered_begins_again_there(
    autojump_clock: object,
) -> None:
    chain = SimulatedChain()
    for number in range(1, 11):
        chain.extend(number)
    with capture_logs() as lines:
        async with following(chain, processed=5) as it:
            await it.caught_up()
            chain.fork(8, [(number,) for number in range(21, 31)])
            await it.caught_up()
    (reorg,) = it.consumer.reorgs
    assert reorg.fork_block_num == 1
    assert it.consumer.observed == chain.canonical()
    assert any("more blocks than this node remembers" in line["event"] for line in lines)


async def test_a_chain_with_another_first_block_is_not_followed(autojump_clock: object) -> None:
    chain = SimulatedChain()
    async with following(chain) as it:
        chain.extend(1)
        await it.caught_up()
        chain.fork(2, [(), (2,), (3,)])
        await trio.sleep(20)
        assert "first block" in it.link.clients[0].closed_reason
    assert it.consumer.observed == [(1, 1)]


async def test_a_block_replaced_while_it_is_read_is_read_again(autojump_clock: object) -> None:
    chain = SimulatedChain()
    async with following(chain, depth=3) as it:
        chain.extend(1)
        await it.caught_up()
        forks = iter([lambda: chain.fork(1, [(3,), (4,)])])

        def fork_once(method: str) -> None:
            if method == "eth_getLogs":
                next(forks, lambda: None)()

        it.client.before_call = fork_once
        chain.extend(2)
        await it.caught_up()
    assert it.consumer.observed == chain.canonical() == [(1, 1), (2, 3), (3, 4)]


async def test_a_channel_is_read_at_the_cursor_and_its_disputes_at_the_head(
    autojump_clock: object,
) -> None:
    chain = SimulatedChain()
    for deposits in [(7,), (7,), (), (7,)]:
        chain.extend(*deposits)
    async with following(chain, depth=2) as it:
        await it.caught_up()
        chain.challenged[channel(7)] = 1_700_000_000
        it.follower.read_holdings(channel(7), bytes(20))
        it.follower.read_holdings(channel(8), bytes(20))
        await trio.sleep(5)
        cursor = it.follower.cursor
        assert cursor is not None
        assert cursor.number == 2
        place = (cursor.number, cursor.hash)
        assert it.consumer.readings == [
            ChannelRead(channel(7), bytes(20), 14, *place, 1_700_000_000),
            ChannelRead(channel(8), bytes(20), 0, *place, 0),
        ]
        chain.extend()
        await it.caught_up()
        assert len(it.consumer.readings) == 2


async def test_a_channel_that_cannot_be_read_yet_is_asked_about_again_and_stops_nothing(
    autojump_clock: object,
) -> None:
    chain = SimulatedChain()
    chain.extend(7)
    async with following(chain) as it:
        await it.caught_up()

        def refuse(params: object) -> None:
            raise RpcError("eth_call", -32000, "missing trie node")

        it.client.overrides["eth_call"] = refuse
        it.follower.read_holdings(channel(7), bytes(20))
        with capture_logs() as said:
            await trio.sleep(30)
            chain.extend(8)
            await it.caught_up()
        assert it.consumer.readings == []
        assert it.consumer.confirmed == chain.canonical()
        assert "a channel cannot be read" in {entry["event"] for entry in said}
        assert it.link.blamed == []
        del it.client.overrides["eth_call"]
        await trio.sleep(5)
    assert [reading.held for reading in it.consumer.readings] == [7]


async def test_a_malformed_answer_ends_the_connection(autojump_clock: object) -> None:
    chain = SimulatedChain()
    async with following(chain) as it:
        await it.caught_up()
        it.client.overrides["eth_getLogs"] = lambda params: "nonsense"
        chain.extend(1)
        await it.caught_up()
        assert "malformed answer" in it.link.clients[0].closed_reason
        assert it.link.blamed == [it.link.clients[0].closed_reason]
    assert it.consumer.confirmed == [(1, 1)]


@pytest.mark.parametrize("change", [{"number": hex(2**64)}, {"timestamp": "0x-5"}])
async def test_a_block_that_no_record_can_hold_ends_the_connection(
    autojump_clock: object, change: dict[str, str]
) -> None:
    chain = SimulatedChain()
    async with following(chain) as it:
        await it.caught_up()
        (notify,) = chain.listeners
        notify({**chain.blocks[-1], **change})
        await trio.sleep(1)
        assert "malformed answer" in it.link.clients[0].closed_reason
        chain.extend(1)
        await it.caught_up()
    assert it.consumer.confirmed == [(1, 1)]


async def test_a_stretch_whose_end_is_replaced_meanwhile_is_read_again(
    autojump_clock: object,
) -> None:
    chain = SimulatedChain()
    for number in range(1, 101):
        chain.extend(number)
    forks = iter([lambda: chain.fork(90, [(number,) for number in range(201, 301)])])
    it = Following(chain, 0)

    def fork_once(method: str) -> None:
        if method == "eth_getLogs":
            next(forks, lambda: None)()

    (await it.link.client()).before_call = fork_once  # type: ignore[attr-defined]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(it.follower.run, PlainDecoder(), 0, {})
        await it.caught_up()
        nursery.cancel_scope.cancel()
    assert it.consumer.confirmed == chain.canonical()


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("extend"), st.lists(st.integers(0, 2), min_size=1, max_size=4)),
        st.tuples(st.just("fork"), st.integers(1, 4)),
        st.tuples(st.just("leap"), st.integers(60, 130)),
        st.tuples(st.just("cut"), st.integers(0, 6)),
        st.tuples(st.just("wait"), st.integers(0, 3)),
    ),
    max_size=15,
)


@pytest.mark.slow
@given(depth=st.integers(0, 4), operations=OPERATIONS)
@settings(max_examples=60)
def test_whatever_happens_the_consumer_ends_up_with_the_final_chain(
    depth: int, operations: list[tuple[str, Any]]
) -> None:
    async def play() -> None:
        chain = SimulatedChain()
        serial = iter(range(1, 10_000))
        async with following(chain, depth) as it:
            for name, value in operations:
                await _OPERATIONS[name](chain, it, serial, depth, value)
            # Enough on top that everything so far is buried.
            for _ in range(depth + 1):
                chain.extend()
            await it.caught_up()
            assert it.consumer.observed == chain.canonical()
            assert it.consumer.confirmed == chain.canonical()
            assert it.consumer.heads[-1].processed_block_num == chain.head.number - depth

    trio.run(play, clock=trio.testing.MockClock(autojump_threshold=0))


async def _extend(
    chain: SimulatedChain, it: Following, serial: Any, depth: int, value: list[int]
) -> None:
    for deposit_count in value:
        chain.extend(*[next(serial) for _ in range(deposit_count)])


async def _fork(chain: SimulatedChain, it: Following, serial: Any, depth: int, value: int) -> None:
    # The follower must have caught up, else "shallower than the depth" means nothing to it; and
    # the new branch is longer, as the branch that wins is.
    await it.caught_up()
    replaced = min(value, depth, len(chain.blocks) - 1)
    if replaced:
        chain.fork(replaced, [(next(serial),) for _ in range(replaced + 1)])


async def _leap(chain: SimulatedChain, it: Following, serial: Any, depth: int, value: int) -> None:
    listeners, chain.listeners = chain.listeners, []
    for _ in range(value):
        chain.extend(next(serial))
    chain.listeners = listeners


async def _cut(chain: SimulatedChain, it: Following, serial: Any, depth: int, value: int) -> None:
    if it.link.clients:
        it.client.fails_after_count = value


async def _wait(chain: SimulatedChain, it: Following, serial: Any, depth: int, value: int) -> None:
    await trio.sleep(value)


Operation = Callable[[SimulatedChain, Following, Any, int, Any], Awaitable[None]]
_OPERATIONS: dict[str, Operation] = {
    "extend": _extend, "fork": _fork, "leap": _leap, "cut": _cut, "wait": _wait,
}  # fmt: skip


def _hash(chain: SimulatedChain, block_num: int) -> bytes:
    return bytes.fromhex(chain.blocks[block_num]["hash"][2:])


# --- endpoints that are slow, stand still, or have enough of us ---


def refusing_until(time_s: float, error: RpcError) -> Callable[[str], None]:
    """Refuses every call until then."""

    def before(method: str) -> None:
        if trio.current_time() < time_s:
            raise error

    return before


@pytest.mark.parametrize(
    ("error", "pauses"),
    [
        (RpcError("eth_call", -32005, "daily request count exceeded, request rate limited"), 5),
        (RpcError("HTTP", 429, "too many requests", None, 20.0), 2),
    ],
)
async def test_an_endpoint_that_asks_to_slow_down_is_left_alone_for_longer_and_longer(
    autojump_clock: object, error: RpcError, pauses: int
) -> None:
    chain = SimulatedChain()
    chain.extend(1)
    with capture_logs() as lines:
        async with following(chain) as it:
            await it.caught_up()
            chain.extend(2)
            it.client.before_call = refusing_until(trio.current_time() + 30, error)
            await it.caught_up()
        said = [line["pause_s"] for line in lines if "asks to slow down" in line["event"]]
    assert len(said) == pauses
    assert said == sorted(said)
    assert len(it.link.clients) == 1
    assert any("asks to slow down" in reason for reason in it.link.blamed)


async def test_an_endpoint_that_answers_slowly_is_blamed(autojump_clock: object) -> None:
    chain = SimulatedChain()
    async with following(chain, subscribes=False) as it:
        await it.caught_up()
        answer = it.client.call

        async def late(method: str, params: list[Any]) -> Any:
            await trio.sleep(6 if params[0] == "latest" else 0)
            return await answer(method, params)

        it.client.call = late  # type: ignore[method-assign]
        await trio.sleep(15)
        assert it.link.blamed == []
        await trio.sleep(15)
    assert it.link.blamed
    assert set(it.link.blamed) == {"answers slowly"}


@pytest.mark.parametrize("depth", [0, 1])
async def test_a_head_that_stands_still_is_blamed_where_money_waits_for_depth(
    autojump_clock: object, depth: int
) -> None:
    chain = SimulatedChain()
    for number in range(1, 5):
        chain.extend(number)
    async with following(chain, depth) as it:
        it.clock_s = chain.head.timestamp_s + 119
        await it.caught_up()
        assert it.link.blamed == []
        it.clock_s += 2
        await trio.sleep(10)
        assert bool(it.link.blamed) == it.follower.is_stalled == bool(depth)
        it.client.chain.extend()
        it.clock_s = chain.head.timestamp_s
        await it.caught_up()
        assert not it.follower.is_stalled


async def test_what_strangers_do_is_read_and_left_alone(autojump_clock: object) -> None:
    chain = SimulatedChain()
    async with following(chain, 2) as it:
        it.is_known = lambda channel_id: channel_id == channel(7)
        chain.extend(*range(100, 350))
        chain.extend(3, 7, 4)
        chain.extend(*range(500, 700))
        for _ in range(3):
            chain.extend()
        await it.caught_up()
        # Known from now on: what comes later of it counts.
        it.is_known = lambda channel_id: True
        chain.extend(8)
        await it.caught_up()
    assert it.consumer.observed == [(2, 7), (7, 8)]
    assert it.consumer.confirmed == [(2, 7)]
